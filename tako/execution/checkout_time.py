"""Ends a checkout that takes longer than the timeout of the workflow that needs it."""

from __future__ import annotations

import contextlib

from tako.errors import TakoError
from tako.patience import LONGEST_LOOK, Awake
from tako.records import replace
from tako.signals import Stops, StopSignal
from tako.steps.base import RunInterruptedError, StoppableClock, TimeUpError, workflow_overtime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from threading import Event

    from tako.clock import Clock
    from tako.execution.request import RunRequest


@contextlib.contextmanager
def within_timeout(request: RunRequest, stops: Stops, clock: Clock) -> Iterator[Stops]:
    """Give the stops for a run's checkout: a run's own ``stops``, and one that comes when the timeout is over.

    Raises ``TimeUpError`` instead of the error by which the checkout then ended.
    """
    seconds = request.workflow.timeout
    if seconds is None:
        yield stops
        return
    # No child needs this unless its workflow has a timeout.
    from threading import Event, Thread

    time_up, done = StopSignal(), Event()
    watch = Thread(target=_ring, args=(seconds, clock, time_up, done), daemon=True)
    watch.start()
    try:
        yield replace(stops, ask=(*stops.ask, time_up.fd))
    except (TakoError, RunInterruptedError) as error:
        if StoppableClock(stops).is_stopped() or not StoppableClock(Stops(ask=(time_up.fd,))).is_stopped():
            raise
        failure = workflow_overtime(request)
        message = f"{failure.message}, before its checkout was made"
        raise TimeUpError(replace(failure, message=message)) from error
    finally:
        done.set()
        watch.join()
        time_up.close()


def _ring(seconds: float, clock: Clock, time_up: StopSignal, done: Event) -> None:
    awake = Awake(clock)
    ends_at = awake.now() + seconds
    while not done.wait(max(0.0, min(LONGEST_LOOK, ends_at - awake.now()))):
        if awake.now() >= ends_at:
            time_up.set()
            return
