"""``python -I -S serve.py RECORD LOG LIMIT MEMORY COMMAND…``: keeps one service, a step that was left running.

It must outlive the process that started it, since a run that waits for a fan-out is not a process, and must not outlive
the root. So each service runs below a keeper of its own, as each of the root's own steps does (``tako.keeper``): its
stdin is a pipe that only the root holds open, and when that closes, or when the keeper is asked to (SIGTERM), it ends
the service with all that it started.

What the service prints goes to the file LOG, of at most LIMIT bytes. How it ended is written to the file RECORD, by
which a later process of the run knows. MEMORY is the most bytes that each process may allocate, 0 for no limit. The
secrets of the run are handed over as to a child.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time

from tako.errors import SpawnError
from tako.files import write_document
from tako.identity import identity_of
from tako.limits import limit_memory
from tako.log_file import open_log
from tako.process import Outcome, Processes
from tako.secrets.handover import VARIABLE, take_over
from tako.secrets.run import NO_SECRETS, RunSecrets
from tako.signals import Exit, Stops, StopSignal
from tako.sinks import JoinedSinks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tako.process import Sink

KIND = "service"
SCHEMA = 1

GRACE_SECONDS = 3.0
"""Between asking a service to end and forcing it. Less than a step has, since it comes on top of that."""

KEEPERS_GRACE_SECONDS = GRACE_SECONDS + 2.0
"""How long a keeper that is asked to end may take."""


class _KeptService(Processes):
    """Runs the one command."""

    def serve(
        self,
        command: Sequence[str],
        on_stdout: Sink,
        on_stderr: Sink | None,
        stops: Stops,
        tick: Callable[[], float | None] | None,
    ) -> Outcome:
        """Run it to its end; one that cannot be started is what it is to a shell: exit code 127, or 126."""
        try:
            return self._run_piped(
                command,
                dict(os.environ),
                on_stdout,
                on_stderr,
                stops=stops,
                timeout=None,
                tick=tick,
                grace=GRACE_SECONDS,
            )
        except SpawnError as error:
            (on_stderr or on_stdout)(f"{error}\n".encode("utf-8", "replace"))
            return Outcome(Exit(code=127 if isinstance(error.__cause__, FileNotFoundError) else 126))


def _secrets() -> RunSecrets:
    """The secrets of the run, which are to be in no log: from whoever started the keeper, as a child has them."""
    handed = os.environ.pop(VARIABLE, None)
    return RunSecrets(take_over(handed)) if handed is not None else NO_SECRETS


def _say(log: str, text: str) -> None:
    """Append a line to the log, where that can be written."""
    with contextlib.suppress(OSError), open(log, "a", encoding="utf-8", errors="replace") as file:
        file.write(f"{text}\n")


def main(arguments: Sequence[str]) -> None:
    """Run the command and write down how it ended."""
    record, log, limit, memory, *command = arguments
    limit_memory(int(memory))
    # Not on 0, which the service has an empty one of.
    lost = os.dup(0)
    stop = StopSignal()
    stop.set_by((signal.SIGTERM,))
    began = time.monotonic()
    processes = _KeptService(adopts=True)
    me = identity_of(os.getpid())
    try:
        with open_log(log, limit=int(limit)) as write:
            secrets = _secrets()
            sinks = JoinedSinks(secrets, write, apart=bool(secrets))
            try:
                outcome = processes.serve(
                    command, sinks.on_stdout, sinks.on_stderr, Stops(ask=(stop.fd,), lost=(lost,)), sinks.tick
                )
            finally:
                sinks.end()
    except Exception as error:  # noqa: BLE001  (nobody hears a keeper, so whatever it is goes to where people look)
        _say(log, f"[tako: this step's keeper has failed, and ended it: {type(error).__name__}: {error}]")
        os._exit(3)
    write_document(
        record,
        KIND,
        SCHEMA,
        {
            "pid": os.getpid(),
            "started": me.started if me is not None else 0.0,
            "exit_code": outcome.exit.code,
            "signal": outcome.exit.signal,
            "stopped": outcome.stopped,
            "seconds": time.monotonic() - began,
        },
        durable=False,
    )
    os._exit(0)
