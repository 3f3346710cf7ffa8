"""What the shape of a file cannot say of limits: durations, sizes and counts that mean something."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec import UnsetType, convert

from tako.config import names, schema
from tako.config.labels import fault
from tako.config.model import FAN_OUT
from tako.config.problems import Path, Problem
from tako.quantities import parse_duration, parse_size

_LARGEST_EXIT_CODE = 255


def workflow_limits(workflow: schema.Workflow, path: Path) -> Iterator[Problem]:
    """Every problem of the limits of the workflow at ``path``."""
    yield from _quantity(parse_duration, workflow.timeout, (*path, "timeout"))
    yield from _quantity(parse_size, workflow.resources.mem_limit, (*path, "resources", "mem_limit"))


def step_limits(step: schema.AnyStep, path: Path) -> Iterator[Problem]:
    """Every problem of the limits of the step at ``path``, apart from those in its ``with``."""
    if step.uses == FAN_OUT:
        if not isinstance(step.timeout, UnsetType):
            yield from fault((*path, "timeout"), "is not for a fan-out; use 'timeout' in 'with'", on_key=True)
    else:
        yield from _quantity(parse_duration, step.timeout, (*path, "timeout"))
    if not isinstance(step.retry, UnsetType):
        yield from _retry_limits(step.retry, (*path, "retry"))
        for index, code in enumerate(step.retry.on_exit_codes):
            if not (code.is_integer() and 1 <= code <= _LARGEST_EXIT_CODE):
                yield from fault((*path, "retry", "on_exit_codes", index), "must be an exit code from 1 to 255")


def poll_limits(step: schema.AnyStep, path: Path) -> Iterator[Problem]:
    """Every problem of the limits in the ``with`` of the poll step at ``path``."""
    given = convert(step.params, schema.Poll)
    place: Path = (*path, "with")
    yield from _quantity(parse_duration, given.timeout, (*place, "timeout"))
    yield from _quantity(parse_duration, given.interval, (*place, "interval"))
    codes = given.success_on_exit_code
    for index, code in enumerate([] if isinstance(codes, UnsetType) else codes):
        if not (code.is_integer() and 0 <= code <= _LARGEST_EXIT_CODE):
            yield from fault((*place, "success_on_exit_code", index), "must be an exit code from 0 to 255")


def fan_out_limits(step: schema.AnyStep, path: Path) -> Iterator[Problem]:
    """Every problem of the limits in the ``with`` of the fan-out step at ``path``."""
    given = convert(step.params, schema.FanOut)
    place: Path = (*path, "with")
    yield from _quantity(parse_duration, given.timeout, (*place, "timeout"))
    yield from _count(given.concurrency_limit, (*place, "concurrency_limit"))
    if not isinstance(given.retry, UnsetType):
        yield from _retry_limits(given.retry, (*place, "retry"))


def _retry_limits(retry: schema.Retry | schema.StepRetry, path: Path) -> Iterator[Problem]:
    yield from _count(retry.attempts, (*path, "attempts"))
    yield from _quantity(parse_duration, retry.delay, (*path, "delay"))
    if retry.backoff < 1:
        yield from fault((*path, "backoff"), "must be 1 or more")


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
