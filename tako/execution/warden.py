"""A process beside the root of a tree, there only to outlive it.

Children, keepers and services notice by themselves when the root is gone. What cannot notice, since it is stopped, or
was killed in the same instant and left its steps behind, the warden ends some seconds later. It is a shell that waits
for a line, which costs next to nothing; Python is started in its place only when the line does not come, because
whoever held the other end of the pipe has been killed.
"""

from __future__ import annotations

import contextlib
import os
import sys

from runner_child import WARDEN
from tako.clock import SystemClock
from tako.errors import SpawnError
from tako.execution.alive import end_left_by
from tako.logs import logger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tako.process import Process, Processes

WAIT_SECONDS = 3.8
"""What those who notice by themselves have to end: a child that hangs in its own code takes 3.5 s for that."""

_SCRIPT = 'read -r line || exec "$@"'
_DISMISSED_WITHIN_SECONDS = 5.0


@contextlib.contextmanager
def watched(processes: Processes, home: str, run_id: str) -> Iterator[None]:
    """Have a warden while this process is at work as the root of a run, registered in ``home`` as alive.

    A machine that has no room for it is no reason not to run: it is only there for what goes wrong besides.
    """
    try:
        process, line = _start(processes, home, run_id)
    except SpawnError as error:
        logger("warden").debug("not started", reason=str(error))
        yield
        return
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.write(line, b"\n")
        os.close(line)
        processes.supervise(process, {}, timeout=_DISMISSED_WITHIN_SECONDS)


def _start(processes: Processes, home: str, run_id: str) -> tuple[Process, int]:
    """A warden, and the descriptor of the pipe that it reads from."""
    argv = ["/bin/sh", "-c", _SCRIPT, "tako-warden", sys.executable, "-I", "-S", WARDEN, home, run_id]
    read, write = processes.pipe("a warden")
    try:
        # In a session of its own: what ends the root at a terminal must not end it as well.
        return processes.spawn(argv, env={}, stdin=read, session=True, apart=True), write
    except SpawnError:
        os.close(write)
        raise
    finally:
        os.close(read)


def main(arguments: Sequence[str]) -> None:
    """End what the killed root of a run has left: ``arguments`` are its Tako home and its id."""
    home, run_id = arguments
    clock = SystemClock()
    clock.sleep(WAIT_SECONDS)
    end_left_by(home, run_id, clock=clock)
