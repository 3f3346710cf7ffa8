"""What the shape of a file cannot say of its subscriptions."""

from __future__ import annotations

from collections.abc import Iterator

from tako.config import build, inputs, names, schema
from tako.config.labels import fault, label
from tako.config.problems import Path, Problem, listed, nearest, quoted
from tako.expressions.templates import is_template


def subscription_problems(given: schema.Subscription, path: Path, root: schema.Root) -> Iterator[Problem]:
    """Every problem of the subscription at ``path``, also between it and the workflow that it starts."""
    repo, artifact = build.split_artifact(given.artifact)
    if names.repository_fault(repo) or names.event_fault(artifact):
        yield from fault((*path, "artifact"), "must be owner/repo:artifact", given.artifact)
    if not given.events:
        yield from fault((*path, "events"), "must name an event")
    for index, event in enumerate(given.events):
        yield from fault((*path, "events", index), names.event_fault(event), event)
    workflow = root.workflows.get(given.workflow)
    if workflow is None:
        what = f"{label(path)} runs workflow {quoted(given.workflow)}, which this file does not have"
        yield Problem((*path, "workflow"), what + nearest(given.workflow, root.workflows), because=("workflows",))
        return
    for problem in _input_problems(given, path, workflow):
        yield problem.following("workflows", given.workflow, "inputs")


def _input_problems(given: schema.Subscription, path: Path, workflow: schema.Workflow) -> Iterator[Problem]:
    name = quoted(given.workflow)
    for key, value in given.inputs.items():
        place: Path = (*path, "inputs", key)
        declared = workflow.inputs.get(key)
        if declared is None:
            known = f"; its inputs are {listed(workflow.inputs)}" if workflow.inputs else "; it declares none"
            hint = nearest(key, workflow.inputs) or known
            yield Problem(place, f"workflow {name} has no input {quoted(key)}{hint}", on_key=True)
        elif not is_template(value):
            for what in _wrong(key, declared, value):
                yield Problem(place, f"{label(place)}: {what}")
    for key, declared in workflow.inputs.items():
        if declared.required and declared.default is None and key not in given.inputs:
            what = f"{label(path)} does not give workflow {name} its required input {quoted(key)}"
            yield Problem((*path, "inputs"), what, on_key=True)


def _wrong(key: str, declared: schema.Input, value: str) -> list[str]:
    """What of an input's rules a literal breaks; a pattern that is itself wrong is told elsewhere."""
    if not isinstance(declared.validation.pattern, str) or not names.pattern_fault(declared.validation.pattern):
        return inputs.check_value(build.input_spec(key, declared), value)[1]
    return []
