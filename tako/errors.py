"""Every error that a user can meet: what, where, why, what to do next, and the exit code.

Codes are stable: scripts may match on them. The exit codes are 1 a workflow failed, 2 usage or configuration,
3 Tako or its machine failed; 130, 143 and 129 are 128 plus the signal that ended a run.
"""

from __future__ import annotations

from tako.records import record


class TakoError(Exception):
    """An error with a cause and a cure.

    ``what`` is one sentence. ``where`` is ``file:line:column`` for configuration, else a path or a name.
    ``why`` is the cause, ``cure`` what to do next; both may be empty where ``what`` says it all.
    """

    code = "TAKO_E300"
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

    code = "TAKO_E100"
    exit_code = 1


class InputError(WorkflowError):
    """An input is missing, unknown, or not what the workflow declares."""

    code = "TAKO_E101"


class UnknownWorkflowError(WorkflowError):
    """The repository has no such workflow, or not one that can be started by hand."""

    code = "TAKO_E102"


class StepError(WorkflowError):
    """A step could not be carried out: its template, its output, its artifact."""

    code = "TAKO_E103"


class ExpressionError(WorkflowError):
    """A template or a CEL expression does not compile, or cannot be evaluated."""

    code = "TAKO_E105"


class UsageError(TakoError):
    """The command line asks for something that cannot be."""

    code = "TAKO_E200"
    exit_code = 2


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

    code = "TAKO_E201"
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
        return "\n".join([super().__str__(), *(f"  {problem}" for problem in self.problems)])


class NotCachedError(TakoError):
    """A repository is not in the cache."""

    code = "TAKO_E202"
    exit_code = 2


class DriftError(TakoError):
    """What a run depends on has changed since it was planned."""

    code = "TAKO_E203"
    exit_code = 2


class SecretError(TakoError):
    """A secret has no value, or one that cannot be used. No value is ever part of the message."""

    code = "TAKO_E204"
    exit_code = 2


class MachineError(TakoError):
    """The machine refused something: no process, no space, no permission."""

    code = "TAKO_E301"


MAKE_ROOM = "close other programs, or raise the limits (`ulimit -n`, `ulimit -u`) and try again"
"""The cure where the machine lacks processes, memory or descriptors at the moment."""


class SpawnError(MachineError):
    """A process could not be started.

    ``number`` is the system's error number. ``passing`` says that it is about what the machine lacks at the moment
    (processes, memory, descriptors), not about the program.
    """

    code = "TAKO_E306"

    def __init__(self, what: str, *, where: str = "", number: int | None = None, passing: bool = False) -> None:
        super().__init__(what, where=where, cure=MAKE_ROOM if passing else "")
        self.number = number
        self.passing = passing


class StateError(TakoError):
    """A state file is missing, damaged, or from another version."""

    code = "TAKO_E302"


class CheckoutError(TakoError):
    """A private checkout could not be made."""

    code = "TAKO_E303"


class LockTimeoutError(TakoError):
    """A lock was not free in time."""

    code = "TAKO_E304"


class ProtocolError(TakoError):
    """A child said something that is not in the protocol."""

    code = "TAKO_E305"
