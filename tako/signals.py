"""How processes end and are asked to: exits, signals, groups and sessions, and the stop that everyone waits for."""

from __future__ import annotations

import contextlib
import os
import signal

from tako.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


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


@record
class Stops:
    """Descriptors that become readable when something is to end; a pipe's reading end whose writer is gone is."""

    ask: tuple[int, ...] = ()
    """When somebody wants that it ends."""
    lost: tuple[int, ...] = ()
    """When whoever it is done for is gone: it is asked to end, and has less time for that."""
    force: tuple[int, ...] = ()
    """When it must end at once."""
    wishes: tuple[StopSignal, ...] = ()
    """Those behind ``ask`` that know by which signal somebody wants that."""

    @property
    def by(self) -> int | None:
        """The signal by which the end is wanted, if it is by one."""
        return next((wish.by for wish in self.wishes if wish.by is not None), None)

    @property
    def by_interrupt(self) -> bool:
        """Whether the end is wanted by Ctrl-C, and not by SIGTERM, a timeout or another program."""
        return self.by == signal.SIGINT

    @property
    def all(self) -> tuple[int, ...]:
        return (*self.ask, *self.lost, *self.force)


class StopSignal:
    """Tells everyone who waits that it is time to stop: ``fd`` becomes readable once ``set`` was called."""

    def __init__(self, pipe: Callable[[], tuple[int, int]] = os.pipe) -> None:
        self.fd, self._write_end = pipe()
        os.set_blocking(self._write_end, False)
        self.by: int | None = None
        """The signal by which somebody first asked, if it was one."""

    def set(self, by: int | None = None) -> None:
        """Ask to stop, ``by`` a signal; safe in a signal handler, and more than once."""
        # Before anybody can see that it is set.
        self.by = self.by or by
        with contextlib.suppress(OSError):
            os.write(self._write_end, b"!")

    def set_by(self, signals: Iterable[int], heard: Callable[[int], object] = lambda _number: None) -> None:
        """Be set by these signals of this process; from its main thread only. ``heard`` is called with each of them.

        The descriptor is written to as the signal comes in, not by a Python handler: that one runs only when the
        main thread runs Python again, so a signal just before a system call would wait for that call to end.
        It does before Python calls the next function: who waits in the main thread finds ``by`` set.
        """

        def on_signal(number: int, _frame: object) -> None:
            self.set(number)
            heard(number)

        for number in signals:
            signal.signal(number, on_signal)
        signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        # Whoever started us may have let it wait until now (``Processes.spawn``).
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])

    def close(self) -> None:
        """Give the descriptors back, when nobody waits any more."""
        os.close(self.fd)
        os.close(self._write_end)


def is_ignored(number: int) -> bool:
    """Whether this process ignores a signal: whoever started it may have wanted so (nohup(1), a shell's ``&``)."""
    return signal.getsignal(number) is signal.SIG_IGN


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


def signal_name(number: int) -> str:
    """``SIGKILL`` for 9."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def kill_hint(number: int) -> str:
    """Return what to do to kill what a first signal asks to stop; nothing for SIGHUP, which comes once."""
    if number == signal.SIGHUP:
        return ""
    return f"; {'press Ctrl-C' if number == signal.SIGINT else f'send {signal_name(number)}'} again to kill"


def exit_status(number: int | None) -> int | None:
    """The exit code by which a shell tells that a signal ended a process (POSIX 2.8.2); None for no signal."""
    return None if number is None else 128 + number


def how_it_was_ended(number: int | None, *, forced: bool) -> str:
    """How a process ended that was asked to: ``it was ended by SIGTERM``; ``number`` is the signal, if one ended it."""
    by = f" by {signal_name(number)}" if number is not None else ""
    return f"it did not end when asked to, and was killed{by}" if forced else f"it was ended{by}"


def exit_from_status(status: int) -> Exit:
    """What waitpid(2) says of an ended process."""
    if os.WIFSIGNALED(status):
        return Exit(signal=os.WTERMSIG(status))
    return Exit(code=os.WEXITSTATUS(status))
