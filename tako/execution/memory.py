"""Whether memory is the likely cause of a failure: what the machine and the log say."""

from __future__ import annotations

from tako.quantities import shown_size
from tako.records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.execution.failure import Failure

_WORDS = (
    "MemoryError",
    "memory exhausted",
    "out of memory",
    "Out of memory",
    "OutOfMemory",
    "bad_alloc",
    "Cannot allocate memory",
    "ENOMEM",
)


def tells_of_memory(failure: Failure) -> bool:
    """Whether the end of the log says that there was no memory to be had."""
    return any(word in line for line in failure.log for word in _WORDS)


def with_memory_hint(failure: Failure, limit: int | None) -> Failure:
    """The failure with memory as its likely cause, and the limit in bytes if there is one."""
    allowed = f": each of its processes may have {shown_size(limit)} (mem_limit)" if limit is not None else ""
    return replace(failure, message=f"{failure.message}; memory is the likely cause{allowed}")


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
