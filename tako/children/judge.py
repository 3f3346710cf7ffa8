"""Decides how a child ended, from what it said and how its process ended. Pure."""

from __future__ import annotations

from signal import SIGKILL

from tako.children.base import ChildResult
from tako.execution.failure import (
    EXITED,
    INTERRUPTED,
    KILLED,
    MACHINE_ERROR,
    NO_RESULT,
    NOT_STARTED,
    OUT_OF_MEMORY,
    PROTOCOL,
    Failure,
    concise,
)
from tako.execution.memory import is_own_end, tells_of_memory, with_limit_in_mind, with_memory_hint
from tako.records import record, replace
from tako.signals import Exit, exit_status, how_it_was_ended

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.children.protocol import Conversation
    from tako.errors import ProtocolError


@record
class Evidence:
    """What is known of a child's end beside its own words."""

    exit: Exit
    log: tuple[str, ...] = ()
    """The end of what its step and its process said."""
    current_step: str | None = None
    """The step that had begun and not ended."""
    violation: ProtocolError | None = None
    """The first rule that it broke."""
    overdue: Failure | None = None
    """Why it was ended, if its time was up."""
    stopped: bool = False
    """Whether it was asked to end since somebody wanted so, or since it broke a rule."""
    killed_for_memory: bool = False
    """Whether the kernel killed a process for memory meanwhile."""
    memory_limit: int | None = None
    """Bytes that each of its processes may have."""
    directory_is_there: bool = True
    """Whether its directory still exists."""


def judge(conversation: Conversation, evidence: Evidence, *, seconds: float) -> ChildResult:
    """The result of a child.

    A valid result counts whatever the exit code, since it is written last and after the state, unless the child was
    ended since its time was up. Without one the child has crashed, whatever its exit code.
    """
    result = conversation.result
    if result is not None and evidence.violation is None and evidence.overdue is None:
        return ChildResult(
            status=result.status,
            seconds=seconds,
            failure=_told(concise(result.failure), evidence) if result.failure is not None else None,
            events=tuple(conversation.waiting),
            outputs=result.outputs or {},
            cached=result.cached,
            warnings=result.warnings,
        )
    failure = _overdue(evidence.overdue, evidence.exit) if evidence.overdue else _crash(evidence)
    if not evidence.directory_is_there:
        failure = _vanished(failure)
    return ChildResult(
        status="failed", seconds=seconds, failure=replace(failure, step=evidence.current_step, log=evidence.log)
    )


def _told(failure: Failure, evidence: Evidence) -> Failure:
    """A failure that the child told of, with what it could not know."""
    if failure.step is not None:
        if failure.kind != INTERRUPTED:
            return failure
        # Its step has not failed, so it has not looked at what that printed; whoever ended it wants to see it.
        return replace(failure, log=failure.log or evidence.log)
    # It is about the child's process, or the machine: the child knows neither where it was nor its own log.
    failure = replace(failure, step=evidence.current_step, log=failure.log or evidence.log)
    if failure.kind == MACHINE_ERROR and not evidence.directory_is_there:
        return _vanished(failure)
    if failure.kind == NOT_STARTED and evidence.memory_limit is not None and tells_of_memory((failure.headline,)):
        # Its own limit is nearer than the machine's.
        return with_memory_hint(replace(failure, kind=OUT_OF_MEMORY), evidence.memory_limit)
    return failure


def _vanished(failure: Failure) -> Failure:
    return replace(failure, message=f"{failure.message}; its directory has vanished")


def _overdue(failure: Failure, exit_: Exit) -> Failure:
    """Why it was ended, and how: one that stood still may be woken by that, and end in good order."""
    if exit_.signal is None:
        return replace(failure, message=f"{failure.message}; it ended when it was asked to")
    how = how_it_was_ended(exit_.signal, forced=exit_.signal == SIGKILL)
    return replace(
        failure, message=f"{failure.message}; {how}", exit_code=exit_status(exit_.signal), signal=exit_.signal
    )


def _crash(evidence: Evidence) -> Failure:
    exit_ = evidence.exit
    if evidence.violation is not None:
        return Failure(kind=PROTOCOL, message=str(evidence.violation))
    if evidence.stopped:
        message = f"stopped, and did not end in good order: {exit_.describe()}"
        code = exit_.code if exit_.signal is None else exit_status(exit_.signal)
        return Failure(kind=INTERRUPTED, message=message, exit_code=code, signal=exit_.signal)
    if exit_.signal is not None:
        message = f"the child process was {exit_.describe()}"
        failure = Failure(kind=KILLED, message=message, exit_code=exit_status(exit_.signal), signal=exit_.signal)
    elif exit_.code != 0:
        message = f"the child process ended without a result, with {exit_.describe()}"
        failure = Failure(kind=EXITED, message=message, exit_code=exit_.code)
    else:
        failure = Failure(kind=NO_RESULT, message="the child process ended without a result", exit_code=0)
    if not evidence.directory_is_there:
        return replace(failure, kind=MACHINE_ERROR)
    if evidence.killed_for_memory or (is_own_end(exit_) and tells_of_memory(evidence.log)):
        return with_memory_hint(replace(failure, kind=OUT_OF_MEMORY), evidence.memory_limit)
    return with_limit_in_mind(failure, evidence.memory_limit)
