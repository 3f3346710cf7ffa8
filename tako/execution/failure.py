"""How a run can fail: a closed set of kinds, and what is known about one failure."""

from __future__ import annotations

import errno

from tako.errors import SpawnError
from tako.log_file import LONGEST_LINE
from tako.records import record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tako.errors import TakoError

STEP_FAILED = "step_failed"
STEP_KILLED = "step_killed"
STEP_ERROR = "step_error"
STEP_TIMEOUT = "step_timeout"
WORKFLOW_TIMEOUT = "workflow_timeout"
FAN_OUT_TIMEOUT = "fan_out_timeout"
FAN_OUT_FAILED = "fan_out_failed"
PLAN_REFUSED = "plan_refused"
INPUTS_INVALID = "inputs_invalid"
CHECKOUT_FAILED = "checkout_failed"
EXCEPTION = "exception"
EXITED = "exited"
KILLED = "killed"
NO_RESULT = "no_result"
PROTOCOL = "protocol"
NOT_STARTED = "not_started"
OUT_OF_MEMORY = "out_of_memory"
DISK_FULL = "disk_full"
MACHINE_ERROR = "machine_error"
LOST = "lost"
INTERRUPTED = "interrupted"
CANCELLED = "cancelled"
CIRCUIT_OPEN = "circuit_open"
SECRET_MISSING = "secret_missing"  # noqa: S105
SUPERSEDED = "superseded"

LOG_TAIL = 20
"""Lines of a log that a failure shows."""

MAX_MESSAGE = 10_000
"""Characters of a message that ``concise`` leaves, so that a failure fits a child's frame whatever they are."""

MAX_HEADLINE = 1000
"""Characters of a headline."""

KINDS: Mapping[str, str] = {
    STEP_FAILED: "a step ended with a non-zero exit code",
    STEP_KILLED: "a step was killed by a signal",
    STEP_ERROR: "a step could not be carried out: its template, condition, output, artifact or event",
    STEP_TIMEOUT: "a step took longer than its timeout and was ended",
    WORKFLOW_TIMEOUT: "the workflow was at work for longer than its timeout and was ended",
    FAN_OUT_TIMEOUT: "the fan-out took longer than its timeout; what had not ended was ended",
    FAN_OUT_FAILED: "a run that it triggered failed",
    PLAN_REFUSED: "its fan-out was refused: a cycle, too many levels, or, with --strict, what is otherwise a warning",
    INPUTS_INVALID: "what the subscription maps to its inputs does not fit the workflow; nothing was started",
    CHECKOUT_FAILED: "its private checkout could not be made",
    EXCEPTION: "the run's own process raised an exception: the code of a step kind, or in a child Tako's own",
    EXITED: "the child process ended by itself without a result",
    KILLED: "the child process was killed by a signal",
    NO_RESULT: "the child process ended with exit code 0 but without a result",
    PROTOCOL: "the child process said something that is not in the protocol",
    NOT_STARTED: "the machine could not start the child process, or a process of its steps",
    OUT_OF_MEMORY: "the child process ran out of memory, or was killed while the kernel was freeing some",
    DISK_FULL: "the disk was full when the child wrote its log or its state",
    MACHINE_ERROR: "the machine refused the child something else: a directory that vanished, no permission",
    LOST: "the run was at work when Tako itself was killed, or the machine went down",
    INTERRUPTED: "the run was stopped before it could end",
    CANCELLED: "the run was cancelled: by `tako cancel`, or since another one failed and its fan-out is fail_fast",
    CIRCUIT_OPEN: "its repository's workflow crashed too often in a row in this tree; it was not started",
    SECRET_MISSING: "a secret that its workflow declares has no value, or one that cannot be used; nothing was started",
    SUPERSEDED: "it had not succeeded when --rerun-from ran the step again that triggered it; others took its place",
}


@record
class Failure:
    """Why a run failed."""

    kind: str
    """One of ``KINDS``."""
    message: str
    step: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    log: tuple[str, ...] = ()
    """The last lines of the log that shows it."""

    @property
    def headline(self) -> str:
        """The first line of the message, or the beginning of that; empty if a child said nothing."""
        first = (self.message.splitlines() or [""])[0]
        return first if len(first) <= MAX_HEADLINE else f"{first[: MAX_HEADLINE - 1]}…"


def concise(failure: Failure) -> Failure:
    """The failure with as much of its words as people read and a frame holds.

    A step kind of a third party, and a child, say as much as they like: an exception may quote all that it was given.
    """
    message = failure.message
    if len(message) > MAX_MESSAGE:
        ending = f"… ({len(message)} characters)"
        message = message[: MAX_MESSAGE - len(ending)] + ending
    log = tuple(line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 1]}…" for line in failure.log)
    return replace(failure, message=message, log=log[-LOG_TAIL:])


def failure_of_machine(error: TakoError) -> Failure:
    """The failure of a run to which the machine refused something: a ``MachineError`` and its cause."""
    cause = error.__cause__
    number = cause.errno if isinstance(cause, OSError) else None
    full = number in (errno.ENOSPC, errno.EDQUOT)
    started = not isinstance(error, SpawnError)
    return Failure(kind=(DISK_FULL if full else MACHINE_ERROR) if started else NOT_STARTED, message=str(error))


def failure_from_data(data: Mapping[str, Any] | None) -> Failure | None:
    """A failure out of its plain data; raises ``KeyError`` or ``TypeError`` if it is not one."""
    if data is None:
        return None
    if data["kind"] not in KINDS:
        raise KeyError(f"unknown kind of failure {data['kind']!r}")
    if not isinstance(data["message"], str) or not isinstance(data["step"], str | None):
        raise TypeError("a failure's message or step is not text")
    if not isinstance(data["exit_code"], int | None) or not isinstance(data["signal"], int | None):
        raise TypeError("a failure's exit code or signal is not a number")
    return Failure(**{**data, "log": tuple(str(line) for line in data["log"])})
