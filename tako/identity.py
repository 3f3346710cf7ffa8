"""Which process: a pid together with the moment at which its process started.

A pid alone names whoever has it now. What was written down a minute or a day ago is only ever compared, and signalled,
by both. Children import this, so it imports nothing that Python has not.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

from tako.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_FOLLOWED = 200
"""How often a look asks whether somebody was born meanwhile."""

_HAS_PROC = sys.platform == "linux"


@record
class Identity:
    """One process of this machine, as long as the machine runs."""

    pid: int
    started: float
    """When it started: on Linux in clock ticks since the machine did, elsewhere in seconds since 1970."""


def identity_of(pid: int) -> Identity | None:
    """Who has that pid now, a zombie included; None if nobody has."""
    seen = _look(pid)
    return Identity(pid, seen[1]) if seen else None


def is_alive(identity: Identity) -> bool:
    """Whether that very process is there, and more than a zombie."""
    seen = _look(identity.pid)
    return seen is not None and seen[1] == identity.started and seen[0] not in ("Z", "X")


def is_stopped(identity: Identity) -> bool:
    """Whether that very process is there and stopped, as by SIGSTOP or Ctrl-Z."""
    return _look(identity.pid) == ("T", identity.started)


def send(identity: Identity, number: int) -> bool:
    """Send a signal to that very process; False if it is gone.

    The pidfd is opened first and the start time compared then: what the pidfd refers to cannot change any more, so a
    reused pid is never hit. Where the system has none, the pid is signalled right after the comparison.
    Raises ``PermissionError`` if the process is somebody else's.
    """
    descriptor = _pidfd(identity.pid)
    try:
        if not is_alive(identity):
            return False
        if descriptor is None:
            os.kill(identity.pid, number)
        else:
            signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    finally:
        if descriptor is not None:
            os.close(descriptor)
    return True


def each_marked(name: str, value: str) -> Iterator[Identity]:
    """The living processes whose environment has ``NAME=VALUE`` exactly, as they are found; this process is not told.

    Only those are seen whose environment this user may read: the user's own. The environment is the one that a process
    was started with. What is born while this looks is looked at too, but who ends them all looks again.
    """
    wanted = os.fsencode(f"{name}={value}")
    newest = _newest_pid()
    for pid in _pids():
        yield from _if_marked(pid, wanted)
    # One that keeps forking and ending is, at nearly every look, already another: the next pid, or the one after it.
    for _ in range(_FOLLOWED):
        before, newest = newest, _newest_pid()
        for pid in range(before + 1, newest + 1):
            yield from _if_marked(pid, wanted)


def marked(name: str, value: str) -> tuple[Identity, ...]:
    """All that ``each_marked`` finds."""
    return tuple(each_marked(name, value))


def _if_marked(pid: int, wanted: bytes) -> Iterator[Identity]:
    if pid == os.getpid():
        return
    # First who it is, then what it has: the other way round, a pid reused in between would pass for marked.
    identity = identity_of(pid)
    if identity is not None and wanted in _environment(pid) and not _is_thread(pid):
        yield identity


def _look(pid: int) -> tuple[str, float] | None:
    """The state letter and the start time of a process; None if there is no such process."""
    if pid <= 0:
        return None
    if not _HAS_PROC:
        return _look_elsewhere(pid)
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            content = file.read()
    except OSError:
        return None
    # proc_pid_stat(5): pid (name) state … starttime is field 22; the name may hold spaces and parentheses.
    fields = content.rpartition(b")")[2].split()
    return fields[0].decode(), float(fields[19])


def _look_elsewhere(pid: int) -> tuple[str, float] | None:
    import psutil

    letters = {psutil.STATUS_ZOMBIE: "Z", psutil.STATUS_DEAD: "X", psutil.STATUS_STOPPED: "T"}
    try:
        process = psutil.Process(pid)
        return letters.get(process.status(), "R"), process.create_time()
    except psutil.ZombieProcess:
        return "Z", 0.0
    except psutil.Error:
        return None


def _pids() -> list[int]:
    if _HAS_PROC:
        return [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    import psutil

    return psutil.pids()


def _is_thread(pid: int) -> bool:
    """Whether it is the id of a thread, which /proc shows to who asks for it, with all that its process has.

    What has ended meanwhile may have been one, and is in any case no process any more.
    """
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            return f"\nTgid:\t{pid}\n".encode() not in file.read()
    except OSError:
        return _HAS_PROC


def _newest_pid() -> int:
    """The pid that was given last (proc_loadavg(5)); 0 where the system does not tell."""
    try:
        with open("/proc/loadavg", "rb") as file:
            return int(file.read().split()[-1])
    except (OSError, ValueError, IndexError):
        return 0


def _environment(pid: int) -> list[bytes]:
    if _HAS_PROC:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
            return file.read().split(b"\0")
        return []
    import psutil

    try:
        return [os.fsencode(f"{name}={value}") for name, value in psutil.Process(pid).environ().items()]
    except (psutil.Error, OSError):
        return []


def _pidfd(pid: int) -> int | None:
    """A descriptor for whoever has the pid now; None where there is none to be had."""
    if not (hasattr(os, "pidfd_open") and hasattr(signal, "pidfd_send_signal")):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None
