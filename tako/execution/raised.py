"""What an exception in a run's own process says of the run: what the code of a step kind raised, or Tako's own."""

from __future__ import annotations

from tako.errors import MachineError, TakoError
from tako.execution.failure import EXCEPTION, LOG_TAIL, OUT_OF_MEMORY, Failure, failure_of_machine
from tako.execution.memory import with_memory_hint


def failure_by_exception(error: Exception, *, memory_limit: int | None) -> Failure:
    """The failure of a run whose process raised something; its log is the end of the traceback, if that tells more.

    ``memory_limit`` is what the process may have, in bytes.
    """
    if isinstance(error, MachineError):
        return failure_of_machine(error)
    if isinstance(error, TakoError):
        return Failure(kind=EXCEPTION, message=str(error))
    if isinstance(error, MemoryError):
        failure = Failure(OUT_OF_MEMORY, "the run's own process could not get the memory that it asked for")
        return with_memory_hint(failure, memory_limit)
    lines = traceback_of(error).splitlines()
    return Failure(kind=EXCEPTION, message=f"{type(error).__name__}: {error}", log=tuple(lines[-LOG_TAIL:]))


def traceback_of(error: Exception) -> str:
    """What Python would print of it."""
    import traceback

    return "".join(traceback.format_exception(error))
