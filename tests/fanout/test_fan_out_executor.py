"""The executor with children that are functions: who is started, with what, and what comes of it."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tako.children.base import ChildRequest, ChildResult, StepUpdate
from tako.errors import MachineError
from tako.execution.failure import FAN_OUT_FAILED, PLAN_REFUSED, PROTOCOL, Failure
from tako.fanout.history import read_history
from tests.fanout.cast import SUCCESS, Cast, emitted, fails, statuses, tells_once, waits, waits_once

if TYPE_CHECKING:
    from tako.children.base import ChildListener
    from tako.execution.event import Event
    from tako.execution.request import RunRequest
    from tako.fanout.plan import Plan

MakeCast = Callable[..., Cast]


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


def test_nested_fan_outs_end_at_cap_one(make_cast: MakeCast) -> None:
    cast = make_cast(cap=1)
    cast.behaviours = dict.fromkeys(("root", "a", "b"), waits_once)
    cast.subscribers = {"root": ("a",), "a": ("b",), "b": ("c", "d")}
    result = cast.run()

    assert statuses(result) == dict.fromkeys(("root", "a", "b", "c", "d"), "success")
    assert cast.started[-3:] == [("b", True), ("a", True), ("root", True)]
    assert result.runs[-1].workspace.count("/children/") == 3


def test_a_failure_far_down_fails_all_that_wait_and_no_sibling(cast: Cast) -> None:
    cast.behaviours = {"root": waits_once, "a": waits_once, "bad": fails}
    cast.subscribers = {"root": ("a", "sibling"), "a": ("bad", "good")}
    result = cast.run()

    assert not result.ok
    expected = {"root": "failed", "a": "failed", "sibling": "success", "bad": "failed", "good": "success"}
    assert statuses(result) == expected
    assert [run.repo for run in result.failures] == ["bad"]
    assert result.root.failure is not None
    assert result.root.failure.kind == FAN_OUT_FAILED


def test_a_run_that_does_not_wait_goes_on_and_fails_with_what_it_triggered(cast: Cast) -> None:
    cast.behaviours = {"root": tells_once, "a": fails}
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
    cast.behaviours = {"root": waits_once, "bad": fails}
    cast.subscribers = {"root": ("a", "bad")}
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
    assert f"signal {signal.SIGTERM}, 1 at work" in cast.heard


def test_a_signal_while_an_event_is_planned_lets_nobody_start(cast: Cast) -> None:
    def plan(event: Event, emitter: RunRequest, held: object = None) -> Plan:
        cast.executor.interrupt(signal.SIGINT)
        return planned(event, emitter, held)

    planned, cast.plan = cast.plan, plan  # type: ignore[method-assign]
    cast.behaviours = {"root": waits_once}
    cast.subscribers = {"root": ("a", "b")}
    result = cast.run()

    assert cast.started == [("root", False)]
    assert cast.heard[-1] == f"signal {signal.SIGINT}, 0 at work"
    assert (result.interrupted_by, statuses(result)) == (
        signal.SIGINT,
        {"root": "pending", "a": "pending", "b": "pending"},
    )


def test_a_tree_that_is_interrupted_before_it_begins_does_not(cast: Cast) -> None:
    cast.executor.interrupt(signal.SIGTERM)
    result = cast.run()

    assert cast.started == []
    assert cast.heard == [f"signal {signal.SIGTERM}, 0 at work"]
    assert (result.interrupted_by, statuses(result)) == (signal.SIGTERM, {"root": "pending"})


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
