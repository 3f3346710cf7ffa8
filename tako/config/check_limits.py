"""What the shape of a file cannot say of limits: durations, sizes and counts that mean something."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec import UnsetType, convert

from tako.config import names, schema
from tako.config.labels import fault
from tako.config.model import FAN_OUT
from tako.config.problems import Path, Problem
from tako.quantities import parse_duration, parse_size


def workflow_limits(workflow: schema.Workflow, path: Path) -> Iterator[Problem]:
    """Every problem of the limits of the workflow at ``path``."""
    yield from _quantity(parse_duration, workflow.timeout, (*path, "timeout"))
    yield from _quantity(parse_size, workflow.resources.mem_limit, (*path, "resources", "mem_limit"))


def step_limits(step: schema.Step, path: Path) -> Iterator[Problem]:
    """Every problem of the limits of the step at ``path``, apart from those in its ``with``."""
    if step.uses == FAN_OUT:
        if not isinstance(step.timeout, UnsetType):
            yield from fault((*path, "timeout"), "is not for a fan-out; use 'timeout' in 'with'", on_key=True)
    else:
        yield from _quantity(parse_duration, step.timeout, (*path, "timeout"))


def fan_out_limits(step: schema.Step, path: Path) -> Iterator[Problem]:
    """Every problem of the limits in the ``with`` of the fan-out step at ``path``."""
    given = convert(step.params, schema.FanOut)
    place: Path = (*path, "with")
    yield from _quantity(parse_duration, given.timeout, (*place, "timeout"))
    yield from _count(given.concurrency_limit, (*place, "concurrency_limit"))
    if not isinstance(given.retry, UnsetType):
        yield from _count(given.retry.attempts, (*place, "retry", "attempts"))
        yield from _quantity(parse_duration, given.retry.delay, (*place, "retry", "delay"))
        if given.retry.backoff < 1:
            yield from fault((*place, "retry", "backoff"), "must be 1 or more")


def _quantity(parse: Callable[[str], float], given: str | UnsetType, path: Path) -> Iterator[Problem]:
    if isinstance(given, UnsetType):
        return
    try:
        parse(given)
    except ValueError as error:
        hint = f"; {names.NO_TEMPLATE}" if names.is_template(given) else ""
        yield from fault(path, f"{error}{hint}", given)


def _count(given: float | UnsetType, path: Path) -> Iterator[Problem]:
    if not isinstance(given, UnsetType) and (given < 1 or not given.is_integer()):
        yield from fault(path, "must be a whole number, 1 or more")
