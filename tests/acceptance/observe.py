"""Looking at processes from outside, through ``/proc``, and at the files of a run while it is at work."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from runner_child import WARDEN
from tako.fanout.journal import Entry, read_journal

MARK = "ACCEPTANCE_WORLD"
"""A variable that all processes of one test's world inherit."""

PATIENCE = 60.0
"""Seconds after which something that should have happened did not; long, for a machine under load."""


def wait_for(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Wait until a condition holds; fails the test if it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"never came true: {what}"
        time.sleep(0.01)


def marked(mark: str) -> list[str]:
    """The command lines of all living processes of a world."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for pid in _pids():
        if wanted in _read(pid, "environ").split(b"\0"):
            line = _read(pid, "cmdline").replace(b"\0", b" ").decode(errors="replace")
            # A process that ends loses its memory first: it has no command line any more, and no environment.
            if line:
                found.append(f"{pid}: {line}")
    return found


def pids_marked(mark: str) -> list[int]:
    """The same as process ids."""
    return [int(text.partition(":")[0]) for text in marked(mark)]


def children_at_work(root_pid: int) -> frozenset[int]:
    """The child processes of a root that were alive all at the same moment.

    A first look may take in one that ends while the next is born; those that are still there at a second look were
    all alive when it began.
    """
    first = set(filter(is_child, _children(root_pid)))
    return frozenset(filter(is_child, first))


def is_child(pid: int) -> bool:
    """Whether a process is, still, a ``runner_child``."""
    command = _read(pid, "cmdline")
    return b"runner_child" in command and os.fsencode(WARDEN) not in command


def warden_of(root_pid: int) -> int:
    """The process that is there to outlive a root."""
    (pid,) = (pid for pid in _children(root_pid) if os.fsencode(WARDEN) in _read(pid, "cmdline"))
    return pid


def most_at_once(root_pid: int, running: Callable[[], bool]) -> tuple[int, set[int]]:
    """Watch a root until it has ended; the most children it had at once, and all that were seen."""
    most, seen = 0, set[int]()
    while running():
        alive = children_at_work(root_pid)
        most = max(most, len(alive))
        seen |= alive
        time.sleep(0.001)
    return most, seen


def entries(root_workspace: Path, kind: str) -> list[Entry]:
    """The entries of one kind that a root's journal has so far."""
    return [entry for entry in read_journal(str(root_workspace / "journal.jsonl")) if entry.type == kind]


def _children(pid: int) -> Iterator[int]:
    """The living processes that a process started."""
    for other in _pids():
        # proc_pid_stat(5): pid (name) state parent …; the name may hold spaces and parentheses.
        fields = _read(other, "stat").rpartition(b")")[2].split()
        if fields[1:2] == [str(pid).encode()]:
            yield other


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
