"""What is left of one run, and what its processes cost, seen from outside through ``/proc``."""

from __future__ import annotations

import os
from pathlib import Path


def processes_of_run(run_id: str) -> list[str]:
    """The living processes that carry the id of a run."""
    wanted = {f"TAKO_RUN_ID={run_id}".encode()}
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        if wanted & set(_read(pid, "environ").split(b"\0")):
            # A process that ends loses its memory first: it has no command line any more, and no environment.
            line = _read(pid, "cmdline").replace(b"\0", b" ").decode(errors="replace")
            if line:
                found.append(f"{pid}: {line}")
    return found


def is_alive(pid: int) -> bool:
    """Whether a process has not ended."""
    # proc_pid_stat(5): pid (name) state parent …; the name may hold spaces and parentheses.
    return _read(str(pid), "stat").rpartition(b")")[2].split()[:1] not in ([], [b"Z"], [b"X"])


def most_memory(pid: int) -> int:
    """Bytes of memory that a process had at its most so far; 0 if it is no more."""
    for line in _read(str(pid), "status").splitlines():
        if line.startswith(b"VmHWM:"):
            return int(line.split()[1]) << 10
    return 0


def _read(pid: str, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
