"""Every error that a user can meet: what, where, why, what to do next, and the exit code.

Codes are stable and a closed set, ``CODES``: scripts may match on them. The exit codes are 1 a workflow failed, 2 usage
or configuration, 3 Tako or its machine failed; 130, 143 and 129 are 128 plus the signal that ended a run.
"""

from __future__ import annotations

from tako.records import record

CODES = {
    "usage": "the command line or a variable asks for something that cannot be",
    "config_invalid": "a `tako.yml` or a `config.yml` is missing, cannot be read or has errors; `problems` lists them",
    "workflow_unknown": "the repository has no such workflow",
    "workflow_event_only": "the workflow is started by events only",
    "input_invalid": "an input is missing, unknown, or not what the workflow declares",
    "secret_missing": "a secret has no value, or one that cannot be used",
    "run_unknown": "there is no such run",
    "run_alive": "the run, or another one in the same directory, is still alive",
    "nothing_to_resume": "the run has succeeded already; the exit code is 0",
    "not_cached": "a repository is not in the cache",
    "drift": "what a run depends on has changed since it was planned",
    "expression_invalid": "a template, a condition or a range of versions cannot be used",
    "step_failed": "a step cannot be carried out",
    "workflow_failed": "a command of a workflow or of an artifact failed",
    "interrupted": "a signal ended the command",
    "state_unreadable": "a state file is missing, damaged, or from another version",
    "checkout_failed": "a private checkout could not be made",
    "lock_timeout": "a lock was not free in time",
    "protocol": "a child sent something that is not in the protocol",
    "not_started": "a process could not be started",
    "machine_error": "the machine refused something: space, memory, permission",
    "internal": "a bug in Tako",
}
"""Every ``code``, and its meaning."""


class TakoError(Exception):
    """An error with a cause and a cure.

    ``what`` is one sentence. ``where`` is ``file:line:column`` for configuration, else a path or a name.
    ``why`` is the cause, ``cure`` what to do next; both may be empty where ``what`` says it all.
    """

    code = "internal"
    exit_code = 3

    def __init__(self, what: str, *, where: str = "", why: str = "", cure: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.cure = cure

    def __str__(self) -> str:
        says_where = not self.where or self.where in self.what
        lines = [self.what if says_where else f"{self.where}: {self.what}"]
        if self.why:
            lines.append(f"  why: {self.why}")
        if self.cure:
            lines.append(f"  fix: {self.cure}")
        return "\n".join(lines)


class WorkflowError(TakoError):
    """A workflow could not be run as asked, or failed."""

    code = "workflow_failed"
    exit_code = 1


class InputError(WorkflowError):
    """An input is missing, unknown, or not what the workflow declares."""

    code = "input_invalid"


class UnknownWorkflowError(WorkflowError):
    """The repository has no such workflow, or not one that can be started by hand."""

    code = "workflow_unknown"


class EventOnlyWorkflowError(UnknownWorkflowError):
    """The workflow is started by events only."""

    code = "workflow_event_only"


class StepError(WorkflowError):
    """A step could not be carried out: its template, its output, its artifact."""

    code = "step_failed"


class ExpressionError(WorkflowError):
    """A template or a CEL expression does not compile, or cannot be evaluated."""

    code = "expression_invalid"


class UsageError(TakoError):
    """The command line asks for something that cannot be."""

    code = "usage"
    exit_code = 2


class UnknownRunError(UsageError):
    """There is no such run."""

    code = "run_unknown"


class RunAliveError(UsageError):
    """The run is still alive, so this cannot be done with it."""

    code = "run_alive"


@record
class Fault:
    """One thing that is wrong in a file; line and column are from 1."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class ConfigError(TakoError):
    """A ``tako.yml`` cannot be read.

    ``problems`` holds every one found, each as ``file:line:column: what``; ``faults`` the same in parts, as far as
    they have a place.
    """

    code = "config_invalid"
    exit_code = 2

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        why: str = "",
        cure: str = "",
        problems: tuple[str, ...] = (),
        faults: tuple[Fault, ...] = (),
    ) -> None:
        super().__init__(what, where=where, why=why, cure=cure)
        self.problems = problems or tuple(str(fault) for fault in faults)
        self.faults = faults

    def __str__(self) -> str:
        text = super().__str__()
        return "\n".join([text, *(f"  {problem}" for problem in self.problems if problem not in text)])


class NotCachedError(TakoError):
    """A repository is not in the cache."""

    code = "not_cached"
    exit_code = 2


class DriftError(TakoError):
    """What a run depends on has changed since it was planned."""

    code = "drift"
    exit_code = 2


class SecretError(TakoError):
    """A secret has no value, or one that cannot be used. No value is ever part of the message."""

    code = "secret_missing"
    exit_code = 2


class MachineError(TakoError):
    """The machine refused something: no process, no space, no permission."""

    code = "machine_error"


MAKE_ROOM = "close other programs, or raise the limits (`ulimit -n`, `ulimit -u`) and try again"
"""The cure where the machine lacks processes, memory or descriptors at the moment."""


class SpawnError(MachineError):
    """A process could not be started.

    ``number`` is the system's error number. ``passing`` says that it is about what the machine lacks at the moment
    (processes, memory, descriptors), not about the program.
    """

    code = "not_started"

    def __init__(self, what: str, *, where: str = "", number: int | None = None, passing: bool = False) -> None:
        super().__init__(what, where=where, cure=MAKE_ROOM if passing else "")
        self.number = number
        self.passing = passing


class StateError(TakoError):
    """A state file is missing, damaged, or from another version."""

    code = "state_unreadable"


class CheckoutError(TakoError):
    """A private checkout could not be made."""

    code = "checkout_failed"


class LockTimeoutError(TakoError):
    """A lock was not free in time."""

    code = "lock_timeout"


class ProtocolError(TakoError):
    """A child said something that is not in the protocol."""

    code = "protocol"


class InterruptedCommandError(TakoError):
    """A signal ended a command before it had a result; ``exit_code`` is 128 and the signal's number."""

    code = "interrupted"

    def __init__(self, what: str, exit_code: int) -> None:
        super().__init__(what)
        self.exit_code = exit_code
