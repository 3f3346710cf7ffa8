"""A process in the foreground of a terminal: it reads the keys, and Ctrl-C is for it alone, until it has ended."""

from __future__ import annotations

import contextlib
import os
import signal
import termios

from tako.errors import SpawnError
from tako.process import NO_STOPS
from tako.signals import signal_group

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tako.process import Outcome, Processes
    from tako.signals import Stops


def run_in_foreground(
    processes: Processes, argv: Sequence[str], *, env: Mapping[str, str], terminal: int, stops: Stops = NO_STOPS
) -> Outcome:
    """Run a command on a terminal, of which this process is in the foreground, and take the terminal back afterwards.

    ``terminal`` is a descriptor of it. What the command leaves running is ended with it. One that stops itself goes on
    at once: nobody here could wake it later. Raises ``SpawnError`` if it cannot be started, or the descriptor is not of
    this process's own terminal.
    """
    try:
        ours, modes = os.tcgetpgrp(terminal), termios.tcgetattr(terminal)
    except (OSError, termios.error) as error:
        raise SpawnError(f"cannot start {argv[0]!r} on a terminal: {error.args[-1]}", where=argv[0]) from error
    process = processes.spawn(argv, env=env, stdin=terminal, stdout=terminal, stderr=terminal)

    def give() -> None:
        with contextlib.suppress(OSError):
            os.tcsetpgrp(terminal, process.pid)
        # It may have wanted to read before the terminal was its own, and been stopped for that.
        signal_group(process.pid, signal.SIGCONT)

    def go_on_if_stopped() -> None:
        with contextlib.suppress(ChildProcessError):
            if os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOHANG) is not None:
                give()

    with _from_the_background():
        give()
        try:
            return processes.supervise(process, {}, stops=stops, due=go_on_if_stopped)
        finally:
            # The terminal may be gone.
            with contextlib.suppress(OSError, termios.error):
                os.tcsetpgrp(terminal, ours)
                termios.tcsetattr(terminal, termios.TCSADRAIN, modes)


@contextlib.contextmanager
def _from_the_background() -> Iterator[None]:
    """Let this thread change a terminal that it is in the background of (tcsetpgrp(3))."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
