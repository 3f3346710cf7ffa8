"""A moment that becomes known only after a long quiet time is kept all the same."""

from __future__ import annotations

import os
import time

from tako.process import Processes


class LeapingClock:
    """The machine's clock, and as much more as was leapt over."""

    def __init__(self) -> None:
        self.leapt = 0.0

    def now(self) -> float:
        return time.time() + self.leapt

    def monotonic(self) -> float:
        return time.monotonic() + self.leapt

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def test_quiet_time_before_a_deadline_does_not_put_it_off() -> None:
    clock = LeapingClock()
    processes = Processes(clock)
    due: list[float] = []

    def speaks(_data: bytes) -> None:
        # As if it had said nothing for an hour: nobody had a reason to look at the clock meanwhile.
        clock.leapt += 3600.0
        due.append(clock.monotonic() + 0.05)

    read, write = os.pipe()
    process = processes.spawn(["sh", "-c", "echo begin; exec sleep 5"], env=os.environ, stdout=write)
    os.close(write)
    outcome = processes.supervise(process, {read: speaks}, due=lambda: due[0] if due else None)
    os.close(read)

    assert outcome.timed_out
