"""How a run can fail: a closed set of kinds, and what is known about one failure."""

from __future__ import annotations

from tako.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

STEP_FAILED = "step_failed"
STEP_KILLED = "step_killed"
STEP_ERROR = "step_error"
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
INTERRUPTED = "interrupted"

LOG_TAIL = 20
"""Lines of a log that a failure shows."""

KINDS: Mapping[str, str] = {
    STEP_FAILED: "a step ended with a non-zero exit code",
    STEP_KILLED: "a step was killed by a signal",
    STEP_ERROR: "a step could not be carried out: its template, condition, output, artifact or event",
    FAN_OUT_FAILED: "a run that it triggered failed",
    PLAN_REFUSED: "its fan-out was refused: a cycle, too many levels, or an unreadable repository with --strict",
    INPUTS_INVALID: "what the subscription maps to its inputs does not fit the workflow; nothing was started",
    CHECKOUT_FAILED: "its private checkout could not be made",
    EXCEPTION: "Tako's own code in the child raised an exception",
    EXITED: "the child process ended by itself without a result",
    KILLED: "the child process was killed by a signal",
    NO_RESULT: "the child process ended with exit code 0 but without a result",
    PROTOCOL: "the child process said something that is not in the protocol",
    NOT_STARTED: "the child process could not be started",
    INTERRUPTED: "the run was stopped before it could end",
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
        """The first line of the message; empty if a child said nothing."""
        return (self.message.splitlines() or [""])[0]


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
