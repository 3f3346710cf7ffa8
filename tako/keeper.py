"""``python -I -S keep.py MEMORY COMMAND…``: runs one command, and outlives Tako by as long as it takes to end it.

Children are processes of their own that notice when the root is gone. The root's own steps have nobody like that:
nothing runs any code in a process that is killed by SIGKILL. So each of them runs below a keeper, which adopts whatever
the step leaves behind and ends it, when the step has ended, when it is asked to (SIGINT, SIGTERM), or when its stdin, a
pipe that only the root holds open, says that the root is gone.

The command gets an empty stdin and the keeper's stdout and stderr; the keeper ends the way the command did. MEMORY is
the most bytes that each process may allocate, 0 for no limit. That the machine has no process for the command is
written to the keeper's descriptor 3.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

from runner_child import KEEPER
from tako.errors import SpawnError
from tako.limits import limit_memory
from tako.process import GRACE_SECONDS, NO_STOPS, Processes
from tako.signals import Stops, StopSignal, is_ignored

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tako.process import Outcome, Sink
    from tako.signals import Exit


NOT_FOUND, NOT_EXECUTABLE, NOT_STARTED = 127, 126, 125
"""Exit codes for a command that could not be started: the shell's two (POSIX 2.8.2), one for the machine's fault."""

_REPORT = 3
"""Where a keeper writes that the machine could not start the command: the error's number, and what it is about. No exit
code can say so, since each may be the command's own."""

_LONGEST_REPORT = 4096
"""Bytes; what a pipe takes at once (pipe(7))."""

KEEPERS_GRACE_SECONDS = GRACE_SECONDS + 3.0
"""How long a keeper that is asked to end may take: its command's grace, and what comes after."""


class KeptProcesses(Processes):
    """Processes whose commands each run below a keeper."""

    def __init__(self, *, memory: int | None = None) -> None:
        """``memory`` is the most bytes that each process of a command may allocate."""
        super().__init__(adopts=True)
        self._memory = memory or 0

    def run_piped(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        on_stdout: Sink,
        on_stderr: Sink | None = None,
        stops: Stops = NO_STOPS,
        timeout: float | None = None,
        tick: Callable[[], float | None] | None = None,
    ) -> Outcome:
        """Run a command below a keeper; see ``Processes.run_piped``. Its stdin is empty.

        In a session of its own it has no terminal: one in the background that asks there for a password would be
        stopped, and wait for ever. The keeper alone is asked to end: it asks the command, and many programs take a
        second SIGTERM as leave to skip their cleaning up.
        """
        kept = [sys.executable, "-I", "-S", KEEPER, str(self._memory), *argv]
        with self._pipes("a keeper", 2) as ((lifeline, keep), (report, report_end)):
            try:
                outcome = self._run_piped(
                    kept,
                    env,
                    on_stdout,
                    on_stderr,
                    stops=stops,
                    timeout=timeout,
                    tick=tick,
                    grace=KEEPERS_GRACE_SECONDS,
                    stdin=lifeline,
                    more={_REPORT: report_end},
                    session=True,
                    listens=True,
                    whole_tree=False,
                )
            finally:
                os.close(keep)
                os.close(report_end)
            refused = os.read(report, _LONGEST_REPORT).decode("utf-8", "replace")
        if refused:
            number, _, what = refused.partition(" ")
            raise SpawnError(what, where=argv[0], number=int(number), passing=True)
        return outcome


def main(arguments: Sequence[str]) -> None:
    """Run the command and end as it did."""
    limit_memory(int(arguments[0]))
    lost = os.dup(0)
    stop = StopSignal()
    stop.set_by((signal.SIGTERM, *([] if is_ignored(signal.SIGINT) else [signal.SIGINT])))
    processes = Processes(adopts=True)
    try:
        process = processes.spawn(arguments[1:], env=os.environ, stdout=1, stderr=2)
    except SpawnError as error:
        if error.passing:
            os.write(_REPORT, f"{error.number} {error.what}".encode("utf-8", "replace")[:_LONGEST_REPORT])
        else:
            sys.stderr.write(f"{error}\n")
            sys.stderr.flush()
        os._exit(_code_of(error))
    outcome = processes.supervise(process, {}, stops=Stops(ask=(stop.fd,), lost=(lost,), wishes=(stop,)))
    _end_like(outcome.exit)


def _code_of(error: SpawnError) -> int:
    if error.passing or error.number is None:
        return NOT_STARTED
    return NOT_FOUND if isinstance(error.__cause__, FileNotFoundError) else NOT_EXECUTABLE


def _end_like(exit_: Exit) -> None:
    if exit_.signal is not None:
        import resource

        # One core is enough: that of the process that was really killed.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        _default(exit_.signal)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [exit_.signal])
        os.kill(os.getpid(), exit_.signal)
    os._exit(exit_.code if exit_.code is not None else 128 + (exit_.signal or 0))


def _default(number: int) -> None:
    with contextlib.suppress(OSError, ValueError):
        signal.signal(number, signal.SIG_DFL)
