"""How processes end and are asked to: exits, signals, groups and sessions, and the stop that everyone waits for."""

from __future__ import annotations

import contextlib
import os
import select
import signal

from tako.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


@record
class Exit:
    """How a process ended: exactly one of ``code`` and ``signal`` is set."""

    code: int | None = None
    signal: int | None = None

    @property
    def ok(self) -> bool:
        """Whether it ended with exit code 0."""
        return self.code == 0

    def describe(self) -> str:
        """``exit code 3`` or ``killed by SIGSEGV (signal 11)``."""
        if self.signal is not None:
            return f"killed by {signal_name(self.signal)} (signal {self.signal})"
        return f"exit code {self.code}"


class StopSignal:
    """Tells everyone who waits that it is time to stop: ``fd`` becomes readable once ``set`` was called."""

    def __init__(self) -> None:
        self.fd, self._write_end = os.pipe()
        os.set_blocking(self._write_end, False)

    def set(self) -> None:
        """Ask to stop; safe in a signal handler, and more than once."""
        with contextlib.suppress(OSError):
            os.write(self._write_end, b"!")

    def set_by(self, signals: Iterable[int]) -> None:
        """Be set by these signals of this process; from its main thread only.

        The descriptor is written to as the signal comes in, not by a Python handler: that one runs only when the
        main thread runs Python again, so a signal just before a system call would wait for that call to end.
        """
        for number in signals:
            signal.signal(number, lambda *_: self.set())
        signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)

    def is_set(self) -> bool:
        """Whether ``set`` was called."""
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        """Give the descriptors back, when nobody waits any more."""
        os.close(self.fd)
        os.close(self._write_end)


def signal_group(group: int, number: int) -> bool:
    """Send a signal to a process group; False if there is no such group (any more)."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        # macOS answers so for a group of zombies; elsewhere a member has changed its user.
        return True
    return True


def is_alive(group: int) -> bool:
    """Whether a process group has a member that is more than a zombie.

    A zombie waits for its parent, and where that is a container's first process, often for ever.
    """
    if not signal_group(group, 0):
        return False
    try:
        pids = [name for name in os.listdir("/proc") if name.isdecimal()]
    except OSError:
        return True
    for pid in pids:
        # proc_pid_stat(5): pid (name) state parent group …; the name may hold spaces and parentheses.
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", "rb") as file:
            state, _parent, member_of = file.read().rpartition(b")")[2].split()[:3]
            if int(member_of) == group and state not in (b"Z", b"X"):
                return True
    return not pids


def session_members(session: int) -> tuple[int, ...]:
    """The pids of a session's living processes, zombies aside."""
    import psutil

    members = []
    for pid in psutil.pids():
        with contextlib.suppress(ProcessLookupError, PermissionError, psutil.Error):
            if os.getsid(pid) == session and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                members.append(pid)
    return tuple(members)


def signal_name(number: int) -> str:
    """``SIGKILL`` for 9."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def exit_from_status(status: int) -> Exit:
    """What waitpid(2) says of an ended process."""
    if os.WIFSIGNALED(status):
        return Exit(signal=os.WTERMSIG(status))
    return Exit(code=os.WEXITSTATUS(status))
