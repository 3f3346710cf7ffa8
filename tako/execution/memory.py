"""Whether memory is the likely cause of a failure: what the machine and the log say."""

from __future__ import annotations

import signal

from tako.quantities import shown_size
from tako.records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from tako.execution.failure import Failure
    from tako.signals import Exit

LINES = 60
"""Lines of a log that may tell of it: some runtimes print where they were after what happened."""

_WORDS = (
    "memoryerror",  # Python; Java's OutOfMemoryError, Ruby's NoMemoryError
    "memory exhausted",
    "out of memory",
    "outofmemory",  # .NET
    "out_of_memory",  # OCaml
    "not enough memory",  # Lua
    "insufficient memory",  # the JVM when it starts
    "could not reserve enough space",
    "bad_alloc",
    "cannot allocate memory",
    "failed to allocate memory",
    "memory allocation of",  # Rust
    "xmalloc: cannot allocate",  # bash, readline
    "xrealloc: cannot allocate",
    "cannot allocate vector",  # R
    "array buffer allocation failed",  # JavaScript
    "bytes exhausted",  # PHP
    "heap exhausted",  # Haskell, Lisp
    "enomem",
)

_GIVING_UP = frozenset({signal.SIGABRT, signal.SIGTRAP, signal.SIGILL})
"""The signals by which runtimes end themselves."""

_STUMBLING = frozenset({signal.SIGSEGV, signal.SIGBUS, *_GIVING_UP})
"""The signals by which a program ends that goes on with the memory it was refused."""


def tells_of_memory(log: Iterable[str]) -> bool:
    """Whether lines of a log say that there was no memory to be had."""
    return any(word in line for line in map(str.lower, log) for word in _WORDS)


def is_own_end(exit_: Exit) -> bool:
    """Whether a process that failed may have done so by itself, and not by a signal from elsewhere."""
    return bool(exit_.code) or exit_.signal in _GIVING_UP


def with_memory_hint(failure: Failure, limit: int | None) -> Failure:
    """The failure with memory as its likely cause, and the limit in bytes if there is one."""
    return _with(failure, f"memory is the likely cause{_allowed(limit)}")


def with_limit_in_mind(failure: Failure, limit: int | None) -> Failure:
    """The failure with a word about the limit, in bytes, if it may have come of that and says nothing about it."""
    if limit is None or failure.signal not in _STUMBLING:
        return failure
    return _with(failure, f"memory may be the cause{_allowed(limit)}")


def _allowed(limit: int | None) -> str:
    return f": each of its processes may have {shown_size(limit)} (mem_limit)" if limit is not None else ""


def _with(failure: Failure, hint: str) -> Failure:
    """The failure with a hint on the first line of its message, which is the one that is told everywhere."""
    first, newline, rest = failure.message.partition("\n")
    return replace(failure, message=f"{first}; {hint}{newline}{rest}")


def kills_for_memory() -> int:
    """How many processes the kernel has killed since it started because memory ran out; 0 where it does not say.

    ``oom_kill`` of ``/proc/vmstat`` (Linux 4.13) counts those of the whole machine and of every cgroup.
    """
    try:
        with open("/proc/vmstat", encoding="ascii") as file:
            for line in file:
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
    except (OSError, ValueError):
        pass
    return 0
