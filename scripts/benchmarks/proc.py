"""Reads what processes use, out of ``/proc`` and the kernel's accounts; for Linux."""

from __future__ import annotations

import os
import resource
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def spent() -> float:
    """Seconds of CPU, user and system, that this process and those it has waited for have had."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


def spent_alone() -> float:
    """The same of this process without its children."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def spent_by_ended(pid: int) -> float:
    """Seconds of CPU that a child of ours had until its end, for which this waits, its own children not counted.

    What wait4(2) reports has the children in it, so it is read off the ended process before anybody waits for it.
    """
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    # proc_pid_stat(5): pid (name) state …; fields 14 and 15 are utime and stime, of all its threads, in ticks.
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def spent_by_living(pid: int) -> float:
    """Seconds of CPU that the present threads of a process have had, to the nanosecond; 0 if it has ended."""
    try:
        return sum(int(path.read_bytes().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9
    except OSError:
        return 0.0


def children_of(pid: int) -> list[int]:
    """The children of a process, whichever of its threads started them."""
    found: list[int] = []
    try:
        for path in Path(f"/proc/{pid}/task").glob("*/children"):
            found += map(int, path.read_bytes().split())
    except OSError:
        return []
    return found
