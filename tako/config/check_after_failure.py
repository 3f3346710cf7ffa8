"""What the shape of a file cannot say of what runs when a step has failed, or at the end, and of retries."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UnsetType

from tako.config import schema
from tako.config.labels import fault
from tako.config.model import FAN_OUT
from tako.config.problems import Path, Problem, quoted


def after_failure_problems(workflow: schema.Workflow, path: Path) -> Iterator[Problem]:
    """Every problem of the steps of a workflow that is about their failing, or about its end."""
    for index, step in enumerate(workflow.steps):
        place: Path = (*path, "steps", index)
        if step.uses == FAN_OUT:
            yield from _of_fan_out(step, place)
        for position, handler in enumerate(step.on_failure):
            yield from _of_handler(handler, (*place, "on_failure", position), "a run that has failed triggers nothing")
    for index, final in enumerate(workflow.finals):
        yield from _of_handler(final, (*path, "finally", index), "a run that has ended triggers nothing")


def _of_fan_out(step: schema.Step, path: Path) -> Iterator[Problem]:
    if not isinstance(step.retry, UnsetType):
        yield from fault((*path, "retry"), "is not for a fan-out; use 'retry' in 'with'", on_key=True)
    if step.continue_on_error:
        what = "is not for a fan-out: what it triggers counts for the run, whoever waits for it"
        yield from fault((*path, "continue_on_error"), what, on_key=True)


def _of_handler(handler: schema.Handler, path: Path, why: str) -> Iterator[Problem]:
    if handler.uses == FAN_OUT:
        yield from fault((*path, "uses"), f"must not be a fan-out: {why}")
    if isinstance(handler.produces, UnsetType):
        return
    produces, place = handler.produces, (*path, "produces")
    for field, given in (
        ("events", bool(produces.events)),
        ("artifact", not isinstance(produces.artifact, UnsetType)),
        ("artifacts", bool(produces.artifacts)),
    ):
        if given:
            what = f"is not for a step of {quoted(str(path[-2]))}, which may put out 'outputs'"
            yield from fault((*place, field), what, on_key=True)
