"""What the shape of a file cannot say of steps that are left running, and of those that wait for them."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UnsetType, convert

from tako.config import schema
from tako.config.check_limits import poll_limits
from tako.config.labels import fault
from tako.config.model import POLL
from tako.config.names import file_fault, is_template, path_fault
from tako.config.problems import Path, Problem, nearest, quoted
from tako.config.step_ids import named_steps
from tako.loopback import url_fault

_NEEDS = {"step": "step_id", "file": "path", "http": "url"}
"""What a poll of each target must be given."""


def poll_problems(step: schema.AnyStep, path: Path, _artifacts: set[str]) -> Iterator[Problem]:
    """Every problem of the ``with`` of the poll step at ``path``, which was checked against its shape."""
    given = convert(step.params, schema.Poll)
    place: Path = (*path, "with")
    needed = _NEEDS[given.target]
    if needed not in step.params:
        yield from fault(place, f"needs {quoted(needed)} for the target {quoted(given.target)}")
    for target, field in _NEEDS.items():
        # A file or an address may be waited for together with the step that is to bring it.
        if field in step.params and field not in (needed, "step_id"):
            what = f"is for the target {quoted(target)}, not {quoted(given.target)}"
            yield from fault((*place, field), what, on_key=True)
    if given.target != "step" and isinstance(given.success_on_exit_code, list):
        what = f"is for the target 'step', not {quoted(given.target)}"
        yield from fault((*place, "success_on_exit_code"), what, on_key=True)
    if given.target == "step" and "interval" in step.params:
        what = "is for a file or an address; the end of a step is seen at once"
        yield from fault((*place, "interval"), what, on_key=True)
    if isinstance(given.path, str) and not is_template(given.path):
        where = step.working_directory if isinstance(step.working_directory, str) else ""
        wrong = "" if path_fault(where or ".") else file_fault(given.path, where)
        yield from fault((*place, "path"), wrong, given.path)
    if isinstance(given.url, str) and not is_template(given.url):
        yield from fault((*place, "url"), url_fault(given.url), given.url)
    yield from poll_limits(step, path)


def service_problems(workflow: schema.Workflow, path: Path) -> Iterator[Problem]:
    """Every problem of the steps of a workflow that are left running, and of who waits for them."""
    running: list[str] = []
    for name, place, step in named_steps(workflow, path):
        if isinstance(step, schema.Step) and step.long_running:
            running.append(name)
            yield from _long_running(step, place)
        elif step.uses == POLL and isinstance(step.params.get("step_id"), str):
            awaited = str(step.params["step_id"])
            if awaited not in running:
                what = f"{quoted(awaited)} is no step before this one with 'long_running: true'"
                yield Problem((*place, "with", "step_id"), what + nearest(awaited, running))


def _long_running(step: schema.Step, path: Path) -> Iterator[Problem]:
    if isinstance(step.run, UnsetType):
        yield from fault((*path, "long_running"), "is for a step with 'run'", on_key=True)
    for field, given, instead in (
        ("timeout", step.timeout, "it runs until the end of the run, or until it ends by itself"),
        ("retry", step.retry, "whether it succeeds is not known when the next step starts"),
        ("produces", step.produces, "what it puts out is not known when the next step starts"),
    ):
        if not isinstance(given, UnsetType):
            yield from fault((*path, field), f"is not for a step with 'long_running: true': {instead}", on_key=True)
