"""What the shape of a file cannot say: names that must exist, be unique, or be fit for what they become."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import UnsetType

from tako.config import names, schema
from tako.config.check_dependents import dependent_problems
from tako.config.check_limits import workflow_limits
from tako.config.check_payloads import payload_value_problems
from tako.config.check_secrets import secret_problems
from tako.config.check_steps import step_problems
from tako.config.check_subscriptions import subscription_problems
from tako.config.check_values import input_problems, payload_problems
from tako.config.labels import fault
from tako.config.model import DEFAULT_ARTIFACT
from tako.config.problems import Path, Problem, quoted


def check(root: schema.Root) -> Iterator[Problem]:
    """Every problem between the parts of a file whose shape is right."""
    yield from fault(("version",), names.version_fault(root.version), root.version)
    if not isinstance(root.metadata.name, UnsetType):
        yield from fault(("metadata", "name"), names.repository_fault(root.metadata.name), root.metadata.name)
    for name, artifact in root.artifacts.items():
        yield from fault(("artifacts", name), names.name_fault(name), on_key=True)
        yield from fault(("artifacts", name, "path"), names.path_fault(artifact.path), artifact.path)
    for name, event in root.events.items():
        yield from fault(("events", name), names.event_fault(name), on_key=True)
        yield from payload_problems(event, ("events", name))
    yield from _same_variable(root.artifacts, ("artifacts",), "TAKO_ARTIFACT_{}_PATH")
    artifacts = {*root.artifacts, DEFAULT_ARTIFACT}
    for name, workflow in root.workflows.items():
        yield from _workflow_problems(name, workflow, artifacts)
    yield from payload_value_problems(root)
    for index, subscription in enumerate(root.subscriptions):
        yield from subscription_problems(subscription, ("subscriptions", index), root)
    for index, dependent in enumerate(root.dependents):
        yield from dependent_problems(dependent, ("dependents", index), artifacts)


def _workflow_problems(name: str, workflow: schema.Workflow, artifacts: set[str]) -> Iterator[Problem]:
    path: Path = ("workflows", name)
    yield from fault(path, names.name_fault(name), on_key=True)
    for key, given in workflow.inputs.items():
        yield from fault((*path, "inputs", key), names.name_fault(key), on_key=True)
        yield from input_problems(key, given, (*path, "inputs", key))
    yield from _same_variable(workflow.inputs, (*path, "inputs"), "TAKO_INPUT_{}")
    for key in workflow.env:
        yield from fault((*path, "env", key), names.env_fault(key), on_key=True)
    yield from workflow_limits(workflow, path)
    yield from secret_problems(workflow, path)
    yield from step_problems(workflow, path, artifacts)


def _same_variable(given: Iterable[str], path: Path, variable: str) -> Iterator[Problem]:
    """Names that differ here but not as environment variables, where the one would hide the other."""
    seen: dict[str, str] = {}
    for name in given:
        made = variable.format(name.upper().replace("-", "_"))
        first = seen.setdefault(made, name)
        if first != name:
            what = f"{quoted(name)} and {quoted(first)} are both {quoted(made)} to a step; rename one"
            yield Problem((*path, name), what, on_key=True)
