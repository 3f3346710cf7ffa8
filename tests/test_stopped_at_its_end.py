"""A process that ends by the very signal by which whoever watches it is asked to stop."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from tako.process import Outcome, Processes
from tako.records import replace
from tako.signals import Exit, Stops, StopSignal


@pytest.mark.parametrize("asked", ["ask", "lost", "force"])
def test_an_end_by_a_signal_is_taken_for_a_stop_if_one_was_asked_for(processes: Processes, asked: Any) -> None:
    # A shell's Ctrl-C and the root's SIGTERM go to whole groups; a process that has just been started is in ours.
    stop = StopSignal()
    process = processes.spawn(["sh", "-c", "kill -TERM $$"], env=os.environ)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    stop.set()

    outcome = processes.supervise(process, {}, stops=replace(Stops(), **{asked: (stop.fd,)}))

    assert outcome == Outcome(Exit(signal=signal.SIGTERM), stopped=True, forced=asked == "force")


@pytest.mark.parametrize(("script", "end"), [("exit 3", Exit(code=3)), ("exit 0", Exit(code=0))])
def test_an_end_of_its_own_stays_one_though_a_stop_was_asked_for(processes: Processes, script: str, end: Exit) -> None:
    stop = StopSignal()
    process = processes.spawn(["sh", "-c", script], env=os.environ)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    stop.set()

    assert processes.supervise(process, {}, stops=Stops(ask=(stop.fd,))) == Outcome(end)


def test_an_end_by_a_signal_is_one_where_no_stop_was_asked_for(processes: Processes) -> None:
    process = processes.spawn(["sh", "-c", "kill -TERM $$"], env=os.environ)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

    assert processes.supervise(process, {}, timeout=0.0) == Outcome(Exit(signal=signal.SIGTERM))
