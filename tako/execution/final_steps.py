"""What a workflow's ``finally`` steps see of how the run has ended, and how long they may take. Pure."""

from __future__ import annotations

from signal import SIGTERM

from tako.execution.failure import (
    CANCELLED,
    FAN_OUT_TIMEOUT,
    INTERRUPTED,
    STEP_TIMEOUT,
    WORKFLOW_TIMEOUT,
    Failure,
    concise,
    failure_from_data,
)
from tako.execution.retry import MAX_DELAY
from tako.records import record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tako.config.model import StepSpec, WorkflowSpec

SECONDS = 300.0
"""What a try at a step without a timeout of its own may take."""

HURRIED_SECONDS = 10.0
"""The same when somebody waits for the end: the run was interrupted or cancelled."""

_GRACE_SECONDS = 5.0
"""What ending a step that takes too long takes."""

_TIMEOUTS = (STEP_TIMEOUT, WORKFLOW_TIMEOUT, FAN_OUT_TIMEOUT)


@record
class Ending:
    """How a run has ended."""

    status: str
    """``success``, ``failed``, ``timeout``, ``cancelled`` or ``interrupted``."""
    failure: Failure | None = None

    @property
    def is_hurried(self) -> bool:
        """Whether somebody waits for the end."""
        return self.status in ("cancelled", "interrupted")


def ending_of(failure: Failure | None, by: int | None) -> Ending:
    """How a run has ended with a failure, or without; ``by`` is the signal that asked for it, if one did."""
    if failure is None:
        return Ending("success")
    if failure.kind == INTERRUPTED:
        return Ending("cancelled" if by in (SIGTERM, None) else "interrupted", failure)
    if failure.kind == CANCELLED:
        return Ending("cancelled", failure)
    return Ending("timeout" if failure.kind in _TIMEOUTS else "failed", failure)


def limited(step: StepSpec, *, hurried: bool) -> StepSpec:
    """A step of ``finally`` with a timeout; it is tried once where somebody waits for the end."""
    timeout = step.timeout if step.timeout is not None else HURRIED_SECONDS if hurried else SECONDS
    return replace(step, timeout=timeout, retry=None if hurried else step.retry)


def most_seconds(workflow: WorkflowSpec, *, hurried: bool) -> float:
    """How long the ``finally`` steps of a workflow take at most."""
    total = 0.0
    for step in workflow.finals:
        tries = step.retry.attempts if step.retry is not None and not hurried else 1
        timeout = limited(step, hurried=hurried).timeout or 0.0
        total += tries * (timeout + _GRACE_SECONDS) + (tries - 1) * MAX_DELAY
    return total


def with_final(failure: Failure | None, step_id: str, of_step: Failure | None) -> Failure | None:
    """Why a run failed, with a step of ``finally`` that has failed: it never hides what failed before."""
    if of_step is None:
        return failure
    if failure is None:
        return replace(of_step, step=step_id)
    more = f"its finally step {step_id!r} failed as well: {of_step.headline}"
    return concise(replace(failure, message=f"{failure.message}\n{more}"))


def ending_from_data(data: Mapping[str, Any]) -> Ending:
    """An ending out of its plain data; raises ``KeyError`` or ``TypeError`` if it is not one."""
    return Ending(data["status"], failure_from_data(data["failure"]))
