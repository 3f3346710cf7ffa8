"""One run without what it would trigger."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import pytest

from tako.children.base import ChildRequest, ChildResult, StepUpdate
from tako.clock import SystemClock
from tako.errors import MachineError
from tako.execution.workspace import Workspace
from tako.fanout.alone import AloneExecutor
from tako.fanout.journal import Journal, last_entry, read_journal
from tako.report.plain import PlainReporter
from tests.builders import ROOT_ID, make_event, make_root

if TYPE_CHECKING:
    from tako.children.base import ChildListener


class Runner:
    """Does what it is told: says things, waits to be stopped, ends in some way."""

    def __init__(self) -> None:
        self.asked: SimpleQueue[str] = SimpleQueue()
        self.work: Callable[[ChildListener], ChildResult] = lambda _listener: ChildResult("success", 1.0)

    def run_workflow(self, _request: ChildRequest, listener: ChildListener) -> ChildResult:
        return self.work(listener)

    def stop(self, by: int | None = None) -> None:
        self.asked.put("stop")

    def force(self) -> None:
        self.asked.put("force")

    def cancel(self, run_id: str) -> None:
        raise AssertionError(run_id)


class Alone:
    """An executor with what it works with."""

    def __init__(self, workspace: Workspace, journal: Journal) -> None:
        self.runner = Runner()
        self.said: list[str] = []
        self.workspace = workspace
        self.executor = AloneExecutor(
            runner=self.runner, journal=journal, clock=SystemClock(), observer=PlainReporter(self.said.append)
        )

    def run(self) -> Any:
        return self.executor.run(make_root(), self.workspace)

    @property
    def entries(self) -> list[str]:
        return [entry.type for entry in read_journal(self.workspace.journal)]


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Alone]:
    workspace = Workspace(str(tmp_path))
    with closing(Journal(workspace.journal, SystemClock())) as journal:
        yield Alone(workspace, journal)


def test_a_run_that_succeeds_is_told_and_recorded(alone: Alone) -> None:
    def work(listener: ChildListener) -> ChildResult:
        listener.child_started(ROOT_ID, 1)
        listener.child_step(ROOT_ID, StepUpdate("test", "success", 0.5))
        return ChildResult("success", 1.0)

    alone.runner.work = work

    done = alone.run()

    assert (done.ok, done.emitted, done.interrupted_by) == (True, (), None)
    assert alone.said == ["✓ step 'test' success (500ms)\n"]
    assert alone.entries == ["started", "ended", "finished"]
    last = last_entry(alone.workspace.journal)
    assert last is not None
    assert last.data["ok"] is True


def test_what_it_emitted_is_told_in_order_the_one_it_waits_for_last(alone: Alone) -> None:
    passing, waiting = make_event(id="evt-1", waiting=False), make_event(id="evt-2")

    def work(listener: ChildListener) -> ChildResult:
        listener.child_event(ROOT_ID, passing)
        return ChildResult("suspended", 1.0, events=(waiting,))

    alone.runner.work = work

    done = alone.run()

    assert (done.ok, done.emitted) == (True, (passing, waiting))
    assert alone.entries == ["waiting", "finished"]


def test_asked_once_it_stops_and_asked_again_it_is_forced(alone: Alone) -> None:
    def work(_listener: ChildListener) -> ChildResult:
        alone.executor.interrupt(signal.SIGTERM)
        assert alone.runner.asked.get(timeout=10) == "stop"
        alone.executor.interrupt(signal.SIGINT)
        while alone.runner.asked.get(timeout=10) != "force":
            pass
        return ChildResult("failed", 1.0)

    alone.runner.work = work

    done = alone.run()

    assert (done.ok, done.interrupted_by) == (False, signal.SIGTERM)
    assert [line.partition(":")[0] for line in alone.said] == ["SIGTERM", "SIGINT again"]
    last = last_entry(alone.workspace.journal)
    assert last is not None
    assert (last.data["ok"], last.data["interrupted_by"]) == (False, signal.SIGTERM)


def test_it_can_stand_still_for_a_while(alone: Alone) -> None:
    stood: SimpleQueue[str] = SimpleQueue()

    def work(_listener: ChildListener) -> ChildResult:
        alone.executor.pause(lambda: stood.put("still"))
        assert stood.get(timeout=10) == "still"
        return ChildResult("success", 1.0)

    alone.runner.work = work

    assert alone.run().ok
    assert alone.said == ["stopped, with everything at work; `fg` lets it go on\n", "goes on\n"]


def test_an_error_of_our_own_comes_out_after_the_run_was_stopped(alone: Alone) -> None:
    def work(_listener: ChildListener) -> ChildResult:
        raise MachineError("no space")

    alone.runner.work = work

    with pytest.raises(MachineError, match="no space"):
        alone.run()

    assert alone.runner.asked.get(timeout=10) == "stop"


def test_the_last_entry_is_found_without_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    assert last_entry(str(path)) is None
    with closing(Journal(str(path), SystemClock())) as journal:
        for number in range(2_000):
            journal.waiting(ROOT_ID, f"evt-{number}")
            if number in (0, 1_999):
                assert last_entry(str(path)) == read_journal(str(path))[-1]
    whole = path.read_bytes()
    for broken in (whole[:-1], whole[:-2] + b"x\n", whole + b"{", b"", b"\n"):
        path.write_bytes(broken)
        assert last_entry(str(path)) is None
    with closing(Journal(str(path), SystemClock())) as journal:
        journal.ended(ROOT_ID, "success", None, 1.0, {"step": {"large": "x" * 100_000}})
    assert last_entry(str(path)) is None
