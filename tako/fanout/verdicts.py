"""The results of runs that did not come to an end by themselves. Pure."""

from __future__ import annotations

from signal import SIGKILL

from tako.children.base import ChildResult
from tako.execution.failure import CANCELLED, CIRCUIT_OPEN, Failure
from tako.execution.state import SKIPPED
from tako.fanout.claims import BY_ITSELF
from tako.records import replace
from tako.signals import exit_status, how_it_was_ended

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tako.execution.request import RunRequest
    from tako.fanout.breaker import Breaker


def sentenced(failure: Failure, result: ChildResult | None, *, waits_at: str | None = None) -> ChildResult:
    """The result of a run that was asked to end: why it was, where it was then, and how it ended.

    One that had failed by itself before it was asked is told with that. ``waits_at`` is the step whose fan-out it waits
    for, if it does.
    """
    said = result.failure if result is not None else None
    if result is not None and said is not None:
        if said.kind in BY_ITSELF:
            return result
        message = failure.message
        if said.signal is not None:
            message = f"{message}; {how_it_was_ended(said.signal, forced=said.signal == SIGKILL)}"
        failure = replace(
            failure,
            message=message,
            step=said.step,
            exit_code=exit_status(said.signal),
            signal=said.signal,
            log=said.log,
        )
    elif waits_at is not None:
        failure = replace(failure, step=waits_at)
    status = "cancelled" if failure.kind == CANCELLED else "failed"
    return ChildResult(status=status, seconds=result.seconds if result is not None else 0.0, failure=failure)


def not_triggered(lacks: Sequence[str]) -> ChildResult:
    """The result of a run that needs several events, some of which nothing in the tree can emit any more.

    ``lacks`` says which, as ``Subscription.awaited`` does.
    """
    return ChildResult(status=SKIPPED, seconds=0.0, warnings=(f"not triggered: {'; '.join(lacks)}",))


def refused_by(breaker: Breaker, request: RunRequest) -> ChildResult:
    crashes = breaker.crashes(request.repo, request.workflow.name)
    how_often = "once" if crashes == 1 else f"{crashes} times in a row"
    message = f"{request.label} crashed {how_often} in this run; it was not started"
    return ChildResult(status="failed", seconds=0.0, failure=Failure(CIRCUIT_OPEN, message))
