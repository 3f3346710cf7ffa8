"""What the shape of a file cannot say of the secrets of a workflow, and of the steps that name them."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UnsetType

from tako.config import names, schema
from tako.config.labels import fault, label
from tako.config.model import FAN_OUT
from tako.config.problems import Path, Problem, quoted

_OWN = "TAKO_"


def secret_problems(workflow: schema.Workflow, path: Path) -> Iterator[Problem]:
    """Every problem of the ``secrets`` of a workflow, and with where they are named."""
    for index, name in enumerate(workflow.secrets):
        place: Path = (*path, "secrets", index)
        yield from fault(place, _name_fault(name), name)
        if name in workflow.secrets[:index]:
            yield Problem(place, f"secret {quoted(name)} is there twice")
    declared = frozenset(workflow.secrets)
    if not declared:
        return
    for variable, value in workflow.env.items():
        if value in declared:
            what = f"{label((*path, 'env', variable))} would give the secret {quoted(value)} to every step"
            yield Problem((*path, "env", variable), f"{what}; name it in the 'env' of the steps that need it")
    for index, step in enumerate(workflow.steps):
        place = (*path, "steps", index)
        yield from _step_problems(step, place, declared)
        for number, handler in enumerate(step.on_failure):
            yield from _step_problems(handler, (*place, "on_failure", number), declared)
    for index, final in enumerate(workflow.finals):
        yield from _step_problems(final, (*path, "finally", index), declared)


def secret_variables(workflow: schema.Workflow, step: schema.AnyStep) -> tuple[str, ...]:
    """The variables of a step that its expressions do not see: those that are secrets, and what secrets are named."""
    declared = frozenset(workflow.secrets)
    named = (variable for variable, value in step.env.items() if value in declared)
    return (*named, *(name for name in workflow.secrets if name not in workflow.env and name not in step.env))


def _step_problems(step: schema.AnyStep, path: Path, declared: frozenset[str]) -> Iterator[Problem]:
    named = {variable: value for variable, value in step.env.items() if value in declared}
    if step.uses == FAN_OUT:
        for variable, value in named.items():
            what = f"{label(path)} starts no process that could read the secret {quoted(value)}"
            yield Problem((*path, "env", variable), what)
    if isinstance(step.produces, UnsetType):
        return
    for output, source in step.produces.outputs.items():
        variable = source.removeprefix("from_env:").strip()
        if source.startswith("from_env:") and variable in named:
            what = f"output {quoted(output)} would be the secret {quoted(named[variable])}; an output is not secret"
            yield Problem((*path, "produces", "outputs", output), what)


def _name_fault(name: str) -> str:
    wrong = names.env_fault(name)
    if wrong or not name.startswith(_OWN):
        return wrong
    return f"must not begin with {_OWN}: these variables are Tako's"
