"""Decides how a child ended, from what it said and how its process ended. Pure."""

from __future__ import annotations

from tako.children.base import ChildResult
from tako.execution.failure import EXITED, KILLED, NO_RESULT, PROTOCOL, Failure
from tako.records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.children.protocol import Conversation
    from tako.errors import ProtocolError
    from tako.signals import Exit


def judge(
    conversation: Conversation,
    exit_: Exit,
    *,
    seconds: float,
    log: tuple[str, ...],
    current_step: str | None,
    violation: ProtocolError | None = None,
) -> ChildResult:
    """The result of a child.

    A valid result counts whatever the exit code, since it is written last and after the state. Without one the
    child has crashed, whatever its exit code. ``log`` is the end of what the process said on stderr,
    ``current_step`` the step that had begun and not ended.
    """
    result = conversation.result
    if result is not None and violation is None:
        failed = result.failure
        if failed is not None and failed.step is None:
            failed = replace(failed, step=current_step)
        return ChildResult(
            status=result.status,
            seconds=seconds,
            failure=failed,
            event=conversation.waiting,
            outputs=result.outputs or {},
        )
    if violation is not None:
        failure = Failure(kind=PROTOCOL, message=str(violation))
    elif exit_.signal is not None:
        failure = Failure(kind=KILLED, message=f"the child process was {exit_.describe()}", signal=exit_.signal)
    elif exit_.code != 0:
        message = f"the child process ended without a result, with {exit_.describe()}"
        failure = Failure(kind=EXITED, message=message, exit_code=exit_.code)
    else:
        failure = Failure(kind=NO_RESULT, message="the child process ended without a result", exit_code=0)
    return ChildResult(status="failed", seconds=seconds, failure=replace(failure, step=current_step, log=log))
