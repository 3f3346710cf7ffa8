"""What the shape of a file cannot say of the steps of a workflow."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec import UnsetType

from tako.config import names, schema
from tako.config.check_after_failure import after_failure_problems
from tako.config.check_caching import caching_problems
from tako.config.check_kinds import own_kind_problems
from tako.config.check_limits import fan_out_limits, step_limits
from tako.config.check_scripts import script_problems
from tako.config.check_services import poll_problems, service_problems
from tako.config.labels import fault, label
from tako.config.model import FAN_OUT, POLL
from tako.config.problems import Path, Problem, nearest, quoted
from tako.config.step_ids import named_steps

_FIXED_SOURCES = ("from_stdout", "from_stderr")


def step_problems(workflow: schema.Workflow, path: Path, artifacts: set[str]) -> Iterator[Problem]:
    """Every problem of the steps of a workflow; ``artifacts`` are the names that may be produced."""
    seen: dict[str, Path] = {}
    for name, place, step in named_steps(workflow, path):
        if seen.setdefault(name, place) != place:
            what = f"duplicate step id {quoted(name)}: {label(seen[name])} has it too"
            yield Problem((*place, "id"), what)
        if not isinstance(step.id, UnsetType):
            yield from fault((*place, "id"), names.id_fault(step.id), step.id)
        yield from _step_problems(step, place)
        yield from step_limits(step, place)
        yield from caching_problems(step, place)
        yield from script_problems(step, place)
        if not isinstance(step.produces, UnsetType):
            yield from _produces_problems(step.produces, (*place, "produces"), artifacts)
            yield from _file_problems(step, step.produces, (*place, "produces", "outputs"))
        if isinstance(step.uses, str) and step.uses in _WITH:
            yield from _WITH[step.uses](step, place, artifacts)
    yield from after_failure_problems(workflow, path)
    yield from service_problems(workflow, path)


def _step_problems(step: schema.AnyStep, path: Path) -> Iterator[Problem]:
    has_run, has_uses = not isinstance(step.run, UnsetType), not isinstance(step.uses, UnsetType)
    if has_run == has_uses:
        what = "has both 'run' and 'uses'; it takes one" if has_run else "needs 'run' or 'uses'"
        yield Problem((*path, "uses") if has_run else path, f"{label(path)} {what}", on_key=True)
    if isinstance(step.run, str) and not step.run.strip():
        yield Problem((*path, "run"), f"{label((*path, 'run'))} must not be empty")
    if isinstance(step.uses, str):
        wrong = names.uses_fault(step.uses)
        yield from fault((*path, "uses"), wrong, step.uses)
        yield from () if wrong else own_kind_problems(step.uses, (*path, "uses"))
    elif has_run and step.params:
        yield Problem((*path, "with"), f"'with' of {label(path)} needs 'uses'", on_key=True)
    if isinstance(step.working_directory, str):
        what = names.path_fault(step.working_directory)
        yield from fault((*path, "working_directory"), what, step.working_directory)
    for key in step.env:
        yield from fault((*path, "env", key), names.env_fault(key), on_key=True)


def _produces_problems(produces: schema.Produces, path: Path, artifacts: set[str]) -> Iterator[Problem]:
    if isinstance(produces.artifact, str):
        yield from _undeclared(produces.artifact, (*path, "artifact"), artifacts)
    for index, artifact in enumerate(produces.artifacts):
        place: Path = (*path, "artifacts", index, "path")
        yield from fault(place, names.path_fault(artifact.path), artifact.path)
    for name, source in produces.outputs.items():
        place = (*path, "outputs", name)
        yield from fault(place, names.event_fault(name), on_key=True)
        yield from fault(place, _source_fault(source), source)
    for index, event in enumerate(produces.events):
        yield from fault((*path, "events", index, "type"), names.event_fault(event.type), event.type)


def _file_problems(step: schema.AnyStep, produces: schema.Produces, path: Path) -> Iterator[Problem]:
    where = step.working_directory if isinstance(step.working_directory, str) else ""
    for name, source in produces.outputs.items():
        file = source.removeprefix(names.FROM_FILE).strip()
        if source.startswith(names.FROM_FILE) and file and not names.path_fault(where or "."):
            wrong = names.file_fault(file, where)
            yield from fault((*path, name), f"{wrong} after 'from_file:'" if wrong else "", file)


def _fan_out_problems(step: schema.AnyStep, path: Path, artifacts: set[str]) -> Iterator[Problem]:
    """``params`` was checked against ``schema.FanOut``, but is plain data here."""
    event_type, artifact = step.params.get("event_type"), step.params.get("artifact")
    if isinstance(event_type, str):
        yield from fault((*path, "with", "event_type"), names.event_fault(event_type), event_type)
    if isinstance(artifact, str) and not names.is_template(artifact):
        yield from _undeclared(artifact, (*path, "with", "artifact"), artifacts)
    yield from fan_out_limits(step, path)


_WITH: dict[str, Callable[[schema.AnyStep, Path, set[str]], Iterator[Problem]]] = {
    FAN_OUT: _fan_out_problems,
    POLL: poll_problems,
}
"""What is checked of a step of a built-in kind: the step, its place, the names that may be produced."""


def _undeclared(artifact: str, path: Path, artifacts: set[str]) -> Iterator[Problem]:
    if artifact not in artifacts:
        what = f"artifact {quoted(artifact)} is not declared under 'artifacts'{nearest(artifact, artifacts)}"
        yield Problem(path, what)


def _source_fault(source: str) -> str:
    """Of where an output comes from: a fixed place, a template, or a regex with one group over stdout."""
    if source in _FIXED_SOURCES or names.is_template(source):
        return ""
    kind, colon, rest = source.partition(":")
    if kind == "from_file" and colon:
        return "" if rest.strip() else "must name a file after 'from_file:'"
    if kind == "from_env" and colon:
        wrong = names.env_fault(rest)
        return f"{wrong} after 'from_env:'" if wrong else ""
    wrong = names.pattern_fault(source, groups=1)
    if not wrong:
        return ""
    known = "from_stdout, from_stderr, from_file:PATH, from_env:NAME, a template or a regex with one group"
    if source.startswith("from_") or not source:
        return f"must be {known}"
    return f"{wrong}; it may be {known}"
