"""The results of runs that did not come to an end by themselves. Pure."""

from __future__ import annotations

from tako.children.base import ChildResult
from tako.execution.failure import CANCELLED, CIRCUIT_OPEN, Failure
from tako.records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.execution.request import RunRequest
    from tako.fanout.breaker import Breaker


def sentenced(failure: Failure, result: ChildResult | None) -> ChildResult:
    """The result of a run that was asked to end: why it was, and where it was then."""
    said = result.failure if result is not None else None
    if said is not None:
        failure = replace(failure, step=said.step, log=said.log)
    status = "cancelled" if failure.kind == CANCELLED else "failed"
    return ChildResult(status=status, seconds=result.seconds if result is not None else 0.0, failure=failure)


def refused_by(breaker: Breaker, request: RunRequest) -> ChildResult:
    crashes = breaker.crashes(request.repo, request.workflow.name)
    how_often = "once" if crashes == 1 else f"{crashes} times in a row"
    message = f"{request.label} crashed {how_often} in this run; it was not started"
    return ChildResult(status="failed", seconds=0.0, failure=Failure(CIRCUIT_OPEN, message))
