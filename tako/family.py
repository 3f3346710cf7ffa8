"""Who descends from whom: finds every process that one of ours started, however it hid.

A process that wants to outlive its starter forks twice and calls ``setsid``: it leaves the group, the session and,
when its parent ends, the family. On Linux ``adopt_orphans`` keeps it in: whoever loses its parent below us becomes our
own child (``PR_SET_CHILD_SUBREAPER``, prctl(2)), so the children of our children are all there is to find. They are
read from ``/proc/<pid>/task/*/children`` (proc_pid_tid_children(5)); psutil does it where that file is missing.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

from tako.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

_PR_SET_CHILD_SUBREAPER = 36
_DEAD = (b"Z", b"X")
_STATES = {"zombie": b"Z", "dead": b"X", "stopped": b"T", "tracing-stop": b"t", "disk-sleep": b"D"}
"""psutil's words for what proc_pid_stat(5) has letters for."""


@record
class Relative:
    """A process below us."""

    pid: int
    parent: int
    """Its parent's pid when it was found."""


def adopt_orphans() -> bool:
    """Become the parent of every process below us whose own parent ends; False where the system cannot do that.

    It lasts until this process ends, and children do not inherit it.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        return _prctl()(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    except (ImportError, OSError, AttributeError):
        return False


def own_children() -> list[int]:
    """The pids of this process's children, ended ones that nobody waited for included."""
    return _children(os.getpid())


def descendants(pids: Iterable[int]) -> list[Relative]:
    """Everything below some children of ours, themselves included; those that have ended are left out."""
    found: list[Relative] = []
    pending = [Relative(pid, os.getpid()) for pid in pids]
    seen = {os.getpid()}
    while pending:
        relative = pending.pop()
        if relative.pid in seen:
            continue
        seen.add(relative.pid)
        pending += [Relative(child, relative.pid) for child in _children(relative.pid)]
        if _state_and_parent(relative.pid)[0] not in _DEAD:
            found.append(relative)
    return found


def send(relative: Relative, number: int) -> bool:
    """Send a signal to a process that was found below us; False if it is no more.

    Between being found and being signalled a process can end and its pid be given to another. So the process is held by
    a descriptor first (pidfd_open(2)), and signalled only if what has the pid then is still below us.
    """
    try:
        descriptor = os.pidfd_open(relative.pid)
    except ProcessLookupError:
        return False
    except (AttributeError, OSError):
        return _is_still(relative) and _tell(lambda: os.kill(relative.pid, number))
    try:
        return _is_still(relative) and _tell(lambda: signal.pidfd_send_signal(descriptor, number))
    finally:
        os.close(descriptor)


def reap(pids: Iterable[int], spared: Container[int]) -> list[int]:
    """Take note of the end of those of our children that have ended, and return the others.

    The ``spared`` are others' to wait for.
    """
    alive = []
    for pid in pids:
        if pid in spared:
            continue
        try:
            ended, _status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            continue
        if not ended:
            alive.append(pid)
    return alive


def is_stopped(pid: int) -> bool:
    """Whether a process that was sent SIGSTOP stands still, or has ended.

    One that waits within the kernel has not come to stop yet, and will not run before it does: for a disk, or, having
    called vfork(2), for what it started, which may be stopped.
    """
    return _state_and_parent(pid)[0] in (b"T", b"t", b"D", *_DEAD)


def ignores(pid: int, number: int) -> bool:
    """Whether a process ignores a signal; False where that cannot be known (proc_pid_status(5))."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            ignored = next((line.split()[1] for line in file if line.startswith(b"SigIgn:")), b"0")
    except OSError:
        return False
    return bool(int(ignored, 16) >> (number - 1) & 1)


def parent_of(pid: int) -> int:
    """The process that started a process, or has adopted it; 0 if there is none, or the process is no more."""
    return _state_and_parent(pid)[1]


def group_of(pid: int) -> int:
    """The process group of a process; -1 if it is no more."""
    try:
        return os.getpgid(pid)
    except OSError:
        return -1


def members(leader: int) -> list[Relative]:
    """The living processes of the group or the session that a process leads.

    For systems where orphans cannot be adopted, and those of a process that has ended are found by nothing else.
    """
    import psutil

    found = []
    for pid in psutil.pids():
        with contextlib.suppress(ProcessLookupError, PermissionError, psutil.Error):
            process = psutil.Process(pid)
            if leader in (os.getsid(pid), os.getpgid(pid)) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(Relative(pid, process.ppid()))
    return found


def _children(pid: int) -> list[int]:
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except FileNotFoundError:
        return _children_by_psutil(pid) if not os.path.exists("/proc/self/task") else []
    except OSError:
        return []
    found: list[int] = []
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
        except FileNotFoundError:
            # The thread has ended; or the kernel was built without CONFIG_PROC_CHILDREN.
            if not os.path.exists("/proc/thread-self/children"):
                return _children_by_psutil(pid)
        except OSError:
            continue
    return found


def _children_by_psutil(pid: int) -> list[int]:
    import psutil

    with contextlib.suppress(psutil.Error):
        return [child.pid for child in psutil.Process(pid).children()]
    return []


def _state_and_parent(pid: int) -> tuple[bytes, int]:
    """``(b"S", 1)``; a process that is no more is as good as dead.

    proc_pid_stat(5): pid (name) state parent …; the name may hold spaces and parentheses.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            state, parent = file.read().rpartition(b")")[2].split()[:2]
    except OSError:
        return (b"X", 0) if os.path.exists("/proc/self/stat") else _state_by_psutil(pid)
    return state, int(parent)


def _state_by_psutil(pid: int) -> tuple[bytes, int]:
    import psutil

    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        return _STATES.get(process.status(), b"S"), process.ppid()
    return b"X", 0


def _is_still(relative: Relative) -> bool:
    # Its parent may have ended meanwhile, it is our own child then.
    return _state_and_parent(relative.pid)[1] in (relative.parent, os.getpid())


def _tell(kill: Callable[[], object]) -> bool:
    try:
        kill()
    except ProcessLookupError:
        return False
    except PermissionError:
        # It changed its user: it is there, and not ours to signal.
        return True
    return True


def _prctl() -> Callable[..., int]:
    """``prctl`` of the C library. ``_ctypes`` alone, since importing ``ctypes`` would take every child 4 ms."""
    try:
        import _ctypes

        class Int(_ctypes._SimpleCData):  # type: ignore[type-arg]
            _type_ = "i"

        class Function(_ctypes.CFuncPtr):
            _flags_ = _ctypes.FUNCFLAG_CDECL
            _restype_ = Int

        made: Callable[..., int] = Function(_ctypes.dlsym(_ctypes.dlopen(None, 0), "prctl"))  # type: ignore[arg-type]
    except (AttributeError, TypeError):
        import ctypes

        made = ctypes.CDLL(None).prctl
    return made
