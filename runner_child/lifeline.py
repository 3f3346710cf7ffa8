"""The pipe that only the parent holds open: when it ends, so does the child, with all that it started."""

from __future__ import annotations

import os
import select
import stat

# Not threading's: importing that would take every child 10 ms.
from _thread import start_new_thread

from tako.clock import SystemClock
from tako.errors import SpawnError
from tako.shortage import TRIED, patiently

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from tako.process import Processes

LAST_SECONDS = 1.5
"""What the child has, beyond the grace of its step, to end by itself when its parent is gone."""


def take_lifeline() -> tuple[int, ...]:
    """The lifeline, if there is one, on a descriptor of its own; stdin is empty from now on.

    Without the launcher's word for it, only a pipe that somebody still holds is taken for one: a job whose stdin was
    closed beforehand has no parent to lose.
    """
    if "TAKO_LIFELINE" not in os.environ:
        try:
            is_pipe = stat.S_ISFIFO(os.fstat(0).st_mode)
        except OSError:
            return ()
        if not is_pipe or select.select([0], [], [], 0)[0]:
            return ()
    # Not on 0, which a step kind of a third party may read from or close.
    lifeline = os.dup(0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return (lifeline,)


def end_with_parent(lifeline: int, processes: Processes) -> None:
    """Make sure that this process ends when its parent is gone, whatever it is at then.

    A run that waits for a process hears of it and ends in good order. This is for one that hangs in code of its own: a
    second thread waits for the same, and forces what has not ended some seconds later. Raises ``SpawnError`` if the
    machine has no thread to spare.
    """

    def start() -> None:
        try:
            start_new_thread(_wait_and_force, (lifeline, processes))
        except RuntimeError as error:
            what = f"cannot start the thread that watches for the end of the parent ({TRIED})"
            raise SpawnError(what, passing=True) from error

    patiently(start, SystemClock())


def _wait_and_force(lifeline: int, processes: Processes) -> NoReturn:
    import time

    from tako.patience import LOST_GRACE_SECONDS

    poll = select.poll()
    poll.register(lifeline, select.POLLIN)
    poll.poll()
    time.sleep(LOST_GRACE_SECONDS + LAST_SECONDS)
    processes.kill_all()
    os._exit(3)
