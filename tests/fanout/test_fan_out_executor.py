"""The executor with children that are functions: who is started, with what, and what comes of it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event as Flag
from typing import TYPE_CHECKING, Any

import pytest

from tako.children.base import ChildRequest, ChildResult, StepUpdate
from tako.errors import MachineError
from tako.execution.answer import read_answer
from tako.execution.event import Event
from tako.execution.failure import FAN_OUT_FAILED, INPUTS_INVALID, PLAN_REFUSED, PROTOCOL, STEP_FAILED, Failure
from tako.execution.request import RunRequest, write_request
from tako.execution.workspace import Workspace
from tako.fanout.executor import FanOutExecutor
from tako.fanout.history import read_history
from tako.fanout.journal import Journal
from tako.fanout.plan import Plan, PlannedRun
from tako.fanout.result import ChildOutcome, TreeResult
from tako.ids import child_run_id
from tako.testing import FakeClock
from tests.builders import ROOT_ID, make_event, make_request, make_root

if TYPE_CHECKING:
    from tako.children.base import ChildListener

SUCCESS = ChildResult("success", seconds=1.0)
BROKEN = Failure(STEP_FAILED, "exit code 1", step="test", exit_code=1)
FAILED = ChildResult("failed", seconds=1.0, failure=BROKEN)

Behaviour = Callable[[ChildRequest, "ChildListener"], ChildResult]


def succeeds(_request: ChildRequest, _listener: ChildListener) -> ChildResult:
    return SUCCESS


def emitted(request: ChildRequest, *, step: str = "tell", waiting: bool = True) -> Event:
    return make_event(run_id=request.run.run_id, step_id=step, source=request.run.repo, waiting=waiting)


def waits(request: ChildRequest, *, step: str = "tell") -> ChildResult:
    return ChildResult("suspended", seconds=1.0, event=emitted(request, step=step))


def waits_once(request: ChildRequest, _listener: ChildListener) -> ChildResult:
    """Waits for a fan-out; fails if that failed."""
    if not request.resumed:
        return waits(request)
    answer = read_answer(request.workspace, "tell", emitted(request).id)
    if answer.failure is not None:
        return ChildResult("failed", seconds=1.0, failure=answer.failure)
    return SUCCESS


def tells_once(request: ChildRequest, listener: ChildListener) -> ChildResult:
    """Emits an event and goes on."""
    listener.child_event(request.run.run_id, emitted(request, waiting=False))
    return SUCCESS


class Cast:
    """A tree whose runs do what is said of their repositories; also its planner and its observer."""

    def __init__(self, directory: Path, *, cap: int = 4) -> None:
        self.workspace = Workspace(str(directory))
        self.journal = Journal(self.workspace.journal, FakeClock())
        self.behaviours: dict[str, Behaviour] = {}
        self.subscribers: dict[str, tuple[str, ...]] = {}
        self.misfits: set[str] = set()
        self.refused: set[str] = set()
        self.started: list[tuple[str, bool]] = []
        self.heard: list[str] = []
        self.stopped = Flag()
        self.executor = FanOutExecutor(
            orchestrator=self,  # type: ignore[arg-type]
            root_runner=self,
            child_runner=self,
            cap=cap,
            journal=self.journal,
            clock=FakeClock(),
            observer=self,
        )

    def run(self) -> TreeResult:
        return self.executor.run(make_root(repo="root"), self.workspace)

    # The planner.

    def plan(self, event: Event, emitter: RunRequest) -> Plan:
        if event.source in self.refused:
            return Plan(event, refused=Failure(PLAN_REFUSED, "a cycle"))
        runs = []
        for repo in self.subscribers.get(event.source, ()):
            run_id = child_run_id(ROOT_ID, event.id, repo, "verify")
            request = make_request(run_id=run_id, repo=repo, parent_id=emitter.run_id, event=event)
            failure = Failure(INPUTS_INVALID, "required input 'x' not provided") if repo in self.misfits else None
            runs.append(PlannedRun(request, "hears it", failure))
        return Plan(event, tuple(runs), warnings=("a warning",))

    # The runner.

    def run_workflow(self, request: ChildRequest, listener: ChildListener) -> ChildResult:
        self.started.append((request.run.repo, request.resumed))
        return self.behaviours.get(request.run.repo, succeeds)(request, listener)

    def stop(self) -> None:
        self.stopped.set()

    # The observer.

    def run_started(self, request: RunRequest, *, resumed: bool) -> None:
        self.heard.append(f"{request.repo} {'goes on' if resumed else 'starts'}")

    def run_step(self, request: RunRequest, step: StepUpdate) -> None:
        self.heard.append(f"{request.repo} {step.id} {step.status}")

    def run_waiting(self, request: RunRequest) -> None:
        self.heard.append(f"{request.repo} waits")

    def run_ended(self, outcome: ChildOutcome) -> None:
        self.heard.append(f"{outcome.repo} {outcome.status}")

    def planned(self, plan: Plan, emitter: RunRequest) -> None:
        self.heard.append(f"{emitter.repo} triggers {len(plan.runs)}")

    def interrupted(self, signal_number: int) -> None:
        self.heard.append(f"signal {signal_number}")


@pytest.fixture
def cast(tmp_path: Path) -> Iterator[Cast]:
    cast = Cast(tmp_path)
    yield cast
    cast.journal.close()


def statuses(result: TreeResult) -> dict[str, str]:
    return {run.repo: run.status for run in (result.root, *result.runs)}


def test_a_root_that_triggers_nothing_runs_and_ends(cast: Cast) -> None:
    result = cast.run()

    assert result.ok
    assert (result.root.status, result.runs, result.fan_outs) == ("success", (), ())
    assert cast.heard == ["root starts", "root success"]


def test_a_waiting_run_goes_on_with_the_answer_when_what_it_triggered_has_ended(cast: Cast) -> None:
    cast.behaviours = {"root": waits_once}
    cast.subscribers = {"root": ("a", "b")}
    result = cast.run()

    assert result.ok
    assert cast.started[0] == ("root", False)
    assert sorted(cast.started[1:3]) == [("a", False), ("b", False)]
    assert cast.started[3:] == [("root", True)]
    assert cast.heard[:3] == ["root starts", "root waits", "root triggers 2"]
    assert result.root.seconds == 2.0
    (fan_out,) = result.fan_outs
    assert [child.repo for child in fan_out.children] == ["a", "b"]
    assert result.warnings == ("a warning",)


def test_nested_fan_outs_end_at_cap_one(tmp_path: Path) -> None:
    cast = Cast(tmp_path, cap=1)
    cast.behaviours = dict.fromkeys(("root", "a", "b"), waits_once)
    cast.subscribers = {"root": ("a",), "a": ("b",), "b": ("c", "d")}
    result = cast.run()
    cast.journal.close()

    assert statuses(result) == dict.fromkeys(("root", "a", "b", "c", "d"), "success")
    assert cast.started[-3:] == [("b", True), ("a", True), ("root", True)]
    assert result.runs[-1].workspace.count("/children/") == 3


def test_a_failure_far_down_fails_all_that_wait_and_no_sibling(cast: Cast) -> None:
    cast.behaviours = {"root": waits_once, "a": waits_once, "bad": lambda *_: FAILED}
    cast.subscribers = {"root": ("a", "sibling"), "a": ("bad", "good")}
    result = cast.run()

    assert not result.ok
    expected = {"root": "failed", "a": "failed", "sibling": "success", "bad": "failed", "good": "success"}
    assert statuses(result) == expected
    assert [run.repo for run in result.failures] == ["bad"]
    assert result.root.failure is not None
    assert result.root.failure.kind == FAN_OUT_FAILED


def test_a_run_that_does_not_wait_goes_on_and_fails_with_what_it_triggered(cast: Cast) -> None:
    cast.behaviours = {"root": tells_once, "a": lambda *_: FAILED}
    cast.subscribers = {"root": ("a",)}
    result = cast.run()

    assert statuses(result) == {"root": "success", "a": "failed"}
    assert not result.ok
    assert cast.started == [("root", False), ("a", False)]


def test_a_run_whose_inputs_do_not_fit_fails_without_being_started(cast: Cast) -> None:
    cast.behaviours = {"root": waits_once}
    cast.subscribers = {"root": ("misfit", "fine")}
    cast.misfits = {"misfit"}
    result = cast.run()

    assert statuses(result) == {"root": "failed", "misfit": "failed", "fine": "success"}
    assert ("misfit", False) not in cast.started
    assert result.runs[0].started_at is None


def test_a_refused_fan_out_fails_the_run_that_waits_for_it(cast: Cast) -> None:
    cast.behaviours = {"root": waits_once}
    cast.refused = {"root"}
    result = cast.run()

    assert not result.ok
    assert result.root.failure == Failure(PLAN_REFUSED, "a cycle")


def test_a_refused_fan_out_that_nobody_waits_for_fails_the_tree(cast: Cast) -> None:
    cast.behaviours = {"root": tells_once}
    cast.refused = {"root"}
    result = cast.run()

    assert result.root.status == "success"
    assert not result.ok


def test_what_children_say_is_heard_in_its_order(cast: Cast) -> None:
    def say(request: ChildRequest, listener: ChildListener) -> ChildResult:
        listener.child_started(request.run.run_id, 4711)
        listener.child_step(request.run.run_id, StepUpdate("test", "running"))
        listener.child_step(request.run.run_id, StepUpdate("test", "success"))
        return SUCCESS

    cast.behaviours = {"root": say}
    cast.run()

    assert cast.heard == ["root starts", "root test running", "root test success", "root success"]


def test_a_child_that_waits_for_the_same_event_again_fails_and_nobody_else(cast: Cast) -> None:
    cast.behaviours = {"root": waits_once, "loop": lambda request, _: waits(request)}
    cast.subscribers = {"root": ("loop", "sibling"), "loop": ("below",)}
    result = cast.run()

    assert statuses(result) == {"root": "failed", "loop": "failed", "sibling": "success", "below": "success"}
    loop = result.runs[0]
    assert loop.failure is not None
    assert loop.failure.kind == PROTOCOL
    assert cast.started.count(("below", False)) == 1


def test_an_event_that_is_told_again_is_planned_once(cast: Cast) -> None:
    def tell(request: ChildRequest, listener: ChildListener) -> ChildResult:
        listener.child_event(request.run.run_id, emitted(request, step="aside", waiting=False))
        return waits(request) if not request.resumed else SUCCESS

    cast.behaviours = {"root": waits_once, "a": tell}
    cast.subscribers = {"root": ("a",), "a": ("below",)}
    result = cast.run()

    assert result.ok
    assert cast.started.count(("below", False)) == 2
    assert len(result.fan_outs) == 3


def test_the_journal_tells_the_same_as_the_result(cast: Cast) -> None:
    cast.behaviours = {"root": waits_once, "bad": lambda *_: FAILED}
    cast.subscribers = {"root": ("a", "bad")}
    write_request(cast.workspace.request, make_root(repo="root"))
    result = cast.run()
    history = read_history(cast.workspace)

    told = [(run.run_id, run.parent_id, run.status, run.seconds, run.failure) for run in history.outcomes]
    were = [(run.run_id, run.parent_id, run.status, run.seconds, run.failure) for run in (result.root, *result.runs)]
    assert told == were
    assert (history.finished, history.ok) == (True, False)


def test_an_interruption_stops_everyone_and_starts_nobody(cast: Cast) -> None:
    def interrupted(request: ChildRequest, _listener: ChildListener) -> ChildResult:
        cast.executor.interrupt(signal.SIGTERM)
        return waits(request)

    cast.behaviours = {"root": interrupted}
    cast.subscribers = {"root": ("a", "b")}
    result = cast.run()

    assert not result.ok
    assert result.interrupted_by == signal.SIGTERM
    assert cast.started == [("root", False)]
    assert cast.stopped.is_set()
    assert f"signal {signal.SIGTERM}" in cast.heard


def test_an_error_of_our_own_ends_the_others_and_is_raised(cast: Cast) -> None:
    ended: list[str] = []

    def wait_for_stop(request: ChildRequest, _listener: ChildListener) -> ChildResult:
        ended.append(request.run.repo if cast.stopped.wait(10) else "nobody asked to stop")
        return SUCCESS

    def fail(*_: Any) -> ChildResult:
        raise MachineError("the disk is full")

    cast.behaviours = {"root": waits_once, "a": wait_for_stop, "b": fail}
    cast.subscribers = {"root": ("a", "b")}

    with pytest.raises(MachineError, match="the disk is full"):
        cast.run()
    assert ended == ["a"]
