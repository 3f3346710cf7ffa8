"""Decides whether a step that failed is tried again, and when. Pure."""

from __future__ import annotations

from tako.execution.failure import STEP_FAILED, STEP_KILLED, STEP_TIMEOUT, Failure, failure_from_data
from tako.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tako.config.model import RetrySpec

MAX_DELAY = 300.0
"""Seconds; no wait before a next try is longer."""

OWN_WORK = (STEP_FAILED, STEP_KILLED, STEP_TIMEOUT)
"""The kinds of failure that are of what the step does. A template or an output that is wrong stays wrong."""


@record
class StepAttempt:
    """One try at a step that failed and was followed by another."""

    number: int
    """From 1."""
    failure: Failure
    seconds: float


def wait_before_next(retry: RetrySpec | None, failure: Failure, *, number: int) -> float | None:
    """Seconds to wait before the next try, at most ``MAX_DELAY``; None if there is to be none.

    ``number`` is that of the try that failed, from 1.
    """
    if retry is None or number >= retry.attempts or failure.kind not in OWN_WORK:
        return None
    if retry.on_exit_codes and failure.exit_code not in retry.on_exit_codes:
        return None
    try:
        wait = retry.delay * retry.backoff ** (number - 1)
    except OverflowError:
        wait = MAX_DELAY if retry.delay else 0.0
    return min(wait, MAX_DELAY)


def attempt_from_data(data: Mapping[str, Any]) -> StepAttempt:
    """A try out of its plain data; raises ``KeyError`` or ``TypeError`` if it is not one."""
    failure = failure_from_data(data["failure"])
    if failure is None:
        raise TypeError("a try that was followed by another one has failed")
    return StepAttempt(**{**data, "failure": failure})
