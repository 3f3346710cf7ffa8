"""How runs end that do not end by themselves at once: tried again, refused, out of time, cancelled, interrupted."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from tako.children.base import ChildRequest, ChildResult
from tako.children.retry import RetryPolicy, decide, jitter
from tako.errors import MachineError
from tako.execution.failure import (
    CANCELLED,
    CIRCUIT_OPEN,
    FAN_OUT_FAILED,
    FAN_OUT_TIMEOUT,
    INTERRUPTED,
    KILLED,
    NOT_STARTED,
    STEP_FAILED,
    STEP_TIMEOUT,
    Failure,
)
from tako.execution.inbox import ask_to_cancel
from tako.fanout import workforce
from tako.fanout.history import read_history
from tako.fanout.result import Attempt, TreeResult
from tako.records import replace
from tests.fanout.cast import (
    BROKEN,
    CRASHED,
    KILL,
    STOPPED,
    Behaviour,
    Cast,
    crashes,
    emitted,
    fails,
    kinds,
    statuses,
    succeeds,
    tells_once,
    waits,
    waits_once,
)

if TYPE_CHECKING:
    from tako.children.base import ChildListener

MakeCast = Callable[..., Cast]

# A tree that never ends is what most mistakes here would come to.
pytestmark = pytest.mark.timeout(60)


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """One after another, the last one for ever."""
    left = list(behaviours)

    def behave(request: ChildRequest, listener: ChildListener) -> ChildResult:
        return (left.pop(0) if len(left) > 1 else left[0])(request, listener)

    return behave


def goes_on_crashing(request: ChildRequest, _listener: ChildListener) -> ChildResult:
    """Waits for a fan-out, and crashes when it goes on."""
    return CRASHED if request.resumed else waits(request)


# Another try.


def test_a_crash_is_tried_again_after_the_delay_that_the_policy_says(cast: Cast) -> None:
    cast.behaviours = {"root": waits_once, "bad": in_turn(crashes, crashes, succeeds)}
    cast.subscribers = {"root": ("bad",)}
    cast.policies = {"root": {"retry": {"attempts": 3, "delay": 4.0, "backoff": 2.0}}}
    policy = RetryPolicy(attempts=3, delay=4.0, backoff=2.0)

    def tries() -> int:
        return sum(repo == "bad" for repo, _ in cast.attempts)

    def watch() -> None:
        for number in (1, 2):
            cast.wait_to_hear(f"bad rests after try {number}")
            delay = decide(policy, KILL, attempt=number, jitter=jitter(cast.ids["bad"], number))
            assert cast.delays == [*cast.delays[:-1], delay]
            cast.let_pass(cast.delays[-1] - 0.01)
            assert tries() == number, "it was tried too soon"
            cast.let_pass(0.02)
            cast.wait_until(lambda: tries() > number)  # noqa: B023  (called at once)

    result = cast.run(watch)

    assert statuses(result) == {"root": "success", "bad": "success"}
    assert cast.attempts == [("root", 1), ("bad", 1), ("bad", 2), ("bad", 3), ("root", 1)]
    (bad,) = result.runs
    assert bad.attempts == (Attempt(1, KILL, 1.0), Attempt(2, KILL, 1.0))
    assert bad.seconds == 3.0


def at_once(**more: Any) -> dict[str, Any]:
    """A policy with three tries and no delay."""
    return {"retry": {"attempts": 3, "delay": 0.0}, **more}


def test_the_tries_of_a_run_are_in_the_journal(cast: Cast) -> None:
    cast.behaviours = {"root": waits_once, "bad": crashes}
    cast.subscribers = {"root": ("bad",)}
    cast.policies = {"root": at_once()}

    result = cast.run()

    (bad,) = result.runs
    assert [attempt.number for attempt in bad.attempts] == [1, 2]
    (told,) = read_history(cast.workspace).outcomes[1:]
    assert (told.attempts, told.failure, told.seconds) == (bad.attempts, KILL, 3.0)


@pytest.mark.parametrize("kind", [STEP_FAILED, FAN_OUT_FAILED, INTERRUPTED])
def test_what_failed_by_itself_is_not_tried_again(cast: Cast, kind: str) -> None:
    failure = Failure(kind, "as it said")
    cast.behaviours = {"root": waits_once, "bad": lambda *_: ChildResult("failed", 1.0, failure)}
    cast.subscribers = {"root": ("bad",)}
    cast.policies = {"root": at_once()}

    result = cast.run()

    assert cast.started.count(("bad", False)) == 1
    assert result.runs[0].failure == failure
    assert result.runs[0].attempts == ()


def test_nobody_is_tried_again_without_a_policy(cast: Cast) -> None:
    cast.behaviours = {"root": waits_once, "bad": crashes}
    cast.subscribers = {"root": ("bad",)}

    assert kinds(cast.run()) == {"root": FAN_OUT_FAILED, "bad": KILLED}
    assert cast.started.count(("bad", False)) == 1


def test_the_policy_is_that_of_the_fan_out_that_started_the_run(cast: Cast) -> None:
    cast.behaviours = {"root": waits_once, "a": waits_once, "bad": crashes, "worse": crashes}
    cast.subscribers = {"root": ("a", "worse"), "a": ("bad",)}
    cast.policies = {"a": at_once()}

    cast.run()

    assert [repo for repo, _ in cast.started].count("bad") == 3
    assert [repo for repo, _ in cast.started].count("worse") == 1


def test_a_run_that_crashed_after_it_waited_goes_on_at_its_next_try(cast: Cast) -> None:
    cast.behaviours = {"root": waits_once, "a": in_turn(goes_on_crashing, goes_on_crashing, succeeds)}
    cast.subscribers = {"root": ("a",), "a": ("below",)}
    cast.policies = {"root": at_once()}

    result = cast.run()

    assert result.ok
    assert [resumed for repo, resumed in cast.started if repo == "a"] == [False, True, True]
    assert [attempt for repo, attempt in cast.attempts if repo == "a"] == [1, 1, 2]
    assert cast.started.count(("below", False)) == 1


def test_the_root_is_not_tried_again(cast: Cast) -> None:
    cast.behaviours = {"root": crashes}
    cast.policies = {"root": at_once()}

    assert not cast.run().ok
    assert cast.started == [("root", False)]


def test_a_run_that_rests_leaves_its_place_to_others(make_cast: MakeCast) -> None:
    cast = make_cast(cap=1)
    cast.behaviours = {"root": waits_once, "bad": in_turn(crashes, succeeds)}
    cast.subscribers = {"root": ("bad", "next")}
    cast.policies = {"root": {"retry": {"attempts": 2, "delay": 4.0}}}

    def watch() -> None:
        cast.wait_to_hear("next success")
        cast.let_pass(4.0)

    assert cast.run(watch).ok
    assert [repo for repo, _ in cast.started] == ["root", "bad", "next", "bad", "root"]


# What crashes again and again.


def many_emitters(cast: Cast, count: int, behaviour: Behaviour = crashes, **policy: Any) -> None:
    """A root that triggers some runs, each of which triggers ``bad``."""
    emitters = tuple(f"emitter/{number}" for number in range(count))
    cast.behaviours = {"root": waits_once, **dict.fromkeys(emitters, waits_once), "bad": behaviour}
    cast.subscribers = {"root": emitters, **dict.fromkeys(emitters, ("bad",))}
    cast.policies = dict.fromkeys(emitters, policy)


def runs_of(result: TreeResult, repo: str) -> list[tuple[str, bool]]:
    """Kind of failure, and whether it was started, of all runs of a repository."""
    return [
        (run.failure.kind if run.failure else run.status, run.started_at is not None)
        for run in result.runs
        if run.repo == repo
    ]


@pytest.mark.parametrize("cap", [1, 4])
def test_a_workflow_that_crashed_too_often_in_a_row_is_not_started_any_more(make_cast: MakeCast, cap: int) -> None:
    cast = make_cast(cap=cap, max_crashes=4)
    many_emitters(cast, 12)
    cast.subscribers["emitter/11"] = ("bad", "fine")

    result = cast.run()

    bad = runs_of(result, "bad")
    # Those that were at work when the circuit opened may have crashed too.
    started = sum(begun for _, begun in bad)
    assert 4 <= started < 4 + cap
    assert sorted(bad) == [(CIRCUIT_OPEN, False)] * (12 - started) + [(KILLED, True)] * started
    assert statuses(result)["fine"] == "success"
    assert kinds(result)["emitter/0"] == FAN_OUT_FAILED
    assert [run.repo for run in result.failures] == ["bad"] * started
    refused = next(run.failure for run in result.runs if run.failure and run.failure.kind == CIRCUIT_OPEN)
    assert f"bad:verify crashed {started} times in a row" in refused.message


def test_a_success_in_between_keeps_the_circuit_closed(make_cast: MakeCast) -> None:
    cast = make_cast(cap=1, max_crashes=2)
    many_emitters(cast, 6, in_turn(crashes, fails, crashes, succeeds, crashes, crashes))

    assert [begun for _, begun in runs_of(cast.run(), "bad")] == [True] * 6


def test_an_open_circuit_ends_the_tries_of_a_run(make_cast: MakeCast) -> None:
    cast = make_cast(max_crashes=2)
    cast.behaviours = {"root": waits_once, "bad": crashes}
    cast.subscribers = {"root": ("bad",)}
    cast.policies = {"root": {"retry": {"attempts": 9, "delay": 0.0}}}

    result = cast.run()

    assert cast.started.count(("bad", False)) == 2
    assert result.runs[0].failure == KILL


def test_a_run_that_rests_is_refused_if_the_circuit_has_opened_meanwhile(make_cast: MakeCast) -> None:
    cast = make_cast(cap=1, max_crashes=2)
    many_emitters(cast, 2)
    cast.policies["emitter/0"] = {"retry": {"attempts": 2, "delay": 4.0}}

    def watch() -> None:
        cast.wait_to_hear("bad failed")
        cast.let_pass(4.0)

    result = cast.run(watch)

    first, second = (run for run in result.runs if run.repo == "bad")
    assert (first.failure and first.failure.kind, len(first.attempts)) == (CIRCUIT_OPEN, 1)
    assert second.failure == KILL


def test_a_run_that_waited_goes_on_though_the_circuit_has_opened_meanwhile(make_cast: MakeCast) -> None:
    cast = make_cast(cap=1, max_crashes=1)
    # The first one waits while the second one crashes.
    many_emitters(cast, 2, in_turn(waits_once, crashes, waits_once))
    cast.subscribers["bad"] = ("below",)
    cast.behaviours["below"] = in_turn(succeeds)

    result = cast.run()

    assert runs_of(result, "bad") == [("success", True), (KILLED, True)]


def test_a_fan_out_that_fails_fast_may_have_runs_that_are_refused(make_cast: MakeCast) -> None:
    cast = make_cast(max_crashes=1)

    def waits_when_bad_has_failed(request: ChildRequest, listener: ChildListener) -> ChildResult:
        cast.wait_to_hear("bad failed")
        return waits_once(request, listener)

    cast.behaviours = {"root": waits_once, "second": waits_when_bad_has_failed, "bad": crashes}
    cast.subscribers = {"root": ("bad", "second"), "second": ("bad", "a", "b")}
    cast.policies = {"second": {"fail_fast": True}}

    result = cast.run()

    assert kinds(result)["bad"] == CIRCUIT_OPEN
    assert (statuses(result)["a"], statuses(result)["b"]) == ("cancelled", "cancelled")


# Out of time.


def expiring(cast: Cast, *subscribers: str, **policy: Any) -> None:
    """A root that waits for some for at most ten seconds."""
    cast.behaviours["root"] = waits_once
    cast.subscribers["root"] = subscribers
    cast.policies["root"] = {"timeout": 10.0, **policy}


def test_a_fan_out_whose_time_is_up_ends_all_its_runs_whatever_they_are_at(cast: Cast) -> None:
    retry = {"attempts": 2, "delay": 60.0}
    expiring(cast, "waiting", "resting", "done", "working", "ready", retry=retry, concurrency_limit=1)
    cast.behaviours |= {"waiting": waits_once, "resting": crashes}
    cast.behaviours |= dict.fromkeys(("working", "below"), cast.works_until_asked)
    cast.subscribers["waiting"] = ("below",)

    def watch() -> None:
        for heard in ("waiting waits", "resting rests after try 1", "done success", "working starts", "below starts"):
            cast.wait_to_hear(heard)
        cast.let_pass(9.9)
        assert cast.cancelled == []
        cast.let_pass(0.2)

    result = cast.run(watch)

    ended = dict.fromkeys(("waiting", "resting", "working", "ready", "below"), FAN_OUT_TIMEOUT)
    assert kinds(result) == {"root": FAN_OUT_TIMEOUT, **ended}
    assert statuses(result) == {"root": "failed", "done": "success", **dict.fromkeys(ended, "failed")}
    assert sorted(cast.cancelled) == ["below", "working"]
    assert ("ready", False) not in cast.started
    assert cast.started.count(("resting", False)) == 1
    by_repo = {run.repo: run for run in result.runs}
    working = by_repo["working"].failure
    assert working == Failure(
        FAN_OUT_TIMEOUT, "its fan-out took longer than its timeout of 10.0s", step="test", log=("so far",)
    )
    assert by_repo["resting"].attempts == (Attempt(1, KILL, 1.0),)
    assert not result.ok


def test_whoever_waits_for_a_fan_out_whose_time_is_up_fails_for_that(cast: Cast) -> None:
    expiring(cast, "slow")
    cast.behaviours["slow"] = cast.works_until_asked

    def watch() -> None:
        cast.wait_to_hear("slow starts")
        cast.let_pass(10.0)

    result = cast.run(watch)

    assert result.root.failure == Failure(FAN_OUT_TIMEOUT, "its fan-out took longer than its timeout of 10.0s")
    (fan_out,) = result.fan_outs
    assert (fan_out.ok, fan_out.expired) == (False, result.root.failure)


def test_a_fan_out_that_ended_in_time_is_not_ended_later(cast: Cast) -> None:
    expiring(cast, "quick")
    cast.behaviours["root"] = lambda request, listener: (
        cast.succeeds_when_asked(request, listener) if request.resumed else waits(request)
    )

    def watch() -> None:
        cast.wait_to_hear("root goes on")
        cast.let_pass(20.0)
        cast.ask("root").set()

    result = cast.run(watch)

    assert result.ok
    assert result.fan_outs[0].expired is None
    assert cast.cancelled == []


@pytest.mark.parametrize(
    "failure",
    [BROKEN, Failure(STEP_TIMEOUT, "took longer than its timeout of 9.9s; it was ended by SIGTERM", "test", signal=15)],
)
def test_a_run_that_had_failed_by_itself_when_it_was_asked_to_end_is_told_with_that(
    cast: Cast, failure: Failure
) -> None:
    expiring(cast, "slow")

    def fails_when_asked(request: ChildRequest, listener: ChildListener) -> ChildResult:
        cast.works_until_asked(request, listener)
        return ChildResult("failed", seconds=1.0, failure=failure)

    cast.behaviours["slow"] = fails_when_asked

    def watch() -> None:
        cast.wait_to_hear("slow starts")
        cast.let_pass(10.0)

    result = cast.run(watch)

    assert [(run.status, run.failure) for run in result.runs] == [("failed", failure)]
    assert kinds(result)["root"] == FAN_OUT_TIMEOUT


def test_what_waits_further_down_when_the_time_is_up_is_told_where_and_whose_time_it_was(cast: Cast) -> None:
    expiring(cast, "middle")
    cast.behaviours |= {"middle": waits_once, "leaf": cast.works_until_asked}
    cast.subscribers["middle"] = ("leaf",)

    def watch() -> None:
        cast.wait_to_hear("leaf starts")
        cast.let_pass(10.0)

    result = cast.run(watch)

    took, by_repo = "took longer than its timeout of 10.0s", {run.repo: run.failure for run in result.runs}
    label = f"{result.root.repo}:{result.root.workflow}"
    assert by_repo["middle"] == Failure(FAN_OUT_TIMEOUT, f"its fan-out {took}", step="tell")
    assert by_repo["leaf"] == Failure(
        FAN_OUT_TIMEOUT, f"the fan-out of {label} {took}", step=STOPPED.step, log=STOPPED.log
    )


def test_what_ended_a_run_whose_time_was_up_is_told(cast: Cast) -> None:
    expiring(cast, "slow")

    def is_killed(request: ChildRequest, listener: ChildListener) -> ChildResult:
        cast.works_until_asked(request, listener)
        return ChildResult("failed", seconds=1.0, failure=replace(STOPPED, signal=15))

    cast.behaviours["slow"] = is_killed

    def watch() -> None:
        cast.wait_to_hear("slow starts")
        cast.let_pass(10.0)

    (run,) = cast.run(watch).runs

    message = "its fan-out took longer than its timeout of 10.0s; it was ended by SIGTERM"
    assert run.failure == Failure(
        FAN_OUT_TIMEOUT, message, step=STOPPED.step, exit_code=143, signal=15, log=STOPPED.log
    )


def test_a_run_that_succeeds_though_it_was_asked_to_end_has_succeeded(cast: Cast) -> None:
    cast.behaviours = {"root": tells_once, "a": cast.succeeds_when_asked}
    cast.subscribers = {"root": ("a",)}
    cast.policies = {"root": {"timeout": 10.0}}

    def watch() -> None:
        cast.wait_to_hear("a starts")
        cast.let_pass(10.0)

    result = cast.run(watch)

    assert cast.cancelled == ["a"]
    assert statuses(result) == {"root": "success", "a": "success"}
    # Its fan-out took too long all the same.
    assert not result.ok
    assert not read_history(cast.workspace).ok


def test_a_run_that_crashes_when_it_is_asked_to_end_is_not_tried_again(cast: Cast) -> None:
    expiring(cast, "slow", **at_once())

    def dies(request: ChildRequest, listener: ChildListener) -> ChildResult:
        cast.works_until_asked(request, listener)
        return CRASHED

    cast.behaviours["slow"] = dies

    def watch() -> None:
        cast.wait_to_hear("slow starts")
        cast.let_pass(10.0)

    result = cast.run(watch)

    assert cast.started.count(("slow", False)) == 1
    assert result.runs[0].failure is not None
    assert (result.runs[0].failure.kind, result.runs[0].failure.log) == (FAN_OUT_TIMEOUT, KILL.log)


def test_what_a_run_triggers_when_it_was_asked_to_end_is_not_started(cast: Cast) -> None:
    expiring(cast, "waits", "tells")

    def waits_late(request: ChildRequest, listener: ChildListener) -> ChildResult:
        cast.works_until_asked(request, listener)
        return waits(request)

    def tells_late(request: ChildRequest, listener: ChildListener) -> ChildResult:
        cast.works_until_asked(request, listener)
        listener.child_event(request.run.run_id, emitted(request, waiting=False))
        return ChildResult("failed", seconds=1.0, failure=STOPPED)

    cast.behaviours |= {"waits": waits_late, "tells": tells_late}
    cast.subscribers |= {"waits": ("below",), "tells": ("below",)}

    def watch() -> None:
        cast.wait_to_hear("tells starts")
        cast.let_pass(10.0)

    result = cast.run(watch)

    assert statuses(result) == {"root": "failed", "waits": "failed", "tells": "failed"}


# The first failure.


def test_the_first_failure_of_a_fan_out_that_fails_fast_cancels_what_has_not_started(cast: Cast) -> None:
    cast.behaviours = {"root": waits_once, "waiting": waits_once, "bad": fails}
    cast.behaviours |= dict.fromkeys(("working", "below"), cast.succeeds_when_asked)
    cast.subscribers = {"root": ("waiting", "working", "bad", "c", "d"), "waiting": ("below",)}
    cast.policies = {"root": {"fail_fast": True, "concurrency_limit": 2}}

    def watch() -> None:
        cast.wait_to_hear("d cancelled")
        cast.wait_to_hear("below starts")
        for repo in ("working", "below"):
            cast.ask(repo).set()

    result = cast.run(watch)

    assert statuses(result) == {
        "root": "failed",
        "waiting": "success",
        "working": "success",
        "bad": "failed",
        "c": "cancelled",
        "d": "cancelled",
        "below": "success",
    }
    assert cast.cancelled == []
    assert result.runs[3].failure == Failure(
        CANCELLED, "cancelled since bad:verify failed and its fan-out is fail_fast"
    )
    assert [run.repo for run in result.failures] == ["bad"]


def test_a_run_that_will_be_tried_again_has_not_failed_yet(make_cast: MakeCast) -> None:
    cast = make_cast(cap=1)
    cast.behaviours = {"root": waits_once, "bad": in_turn(crashes, succeeds)}
    cast.subscribers = {"root": ("bad", "other")}
    cast.policies = {"root": at_once(fail_fast=True)}

    assert cast.run().ok


def test_a_run_that_could_not_start_at_all_is_a_failure_too(cast: Cast) -> None:
    cast.behaviours = {"root": waits_once}
    cast.subscribers = {"root": ("a", "misfit", "b")}
    cast.misfits = {"misfit"}
    cast.policies = {"root": {"fail_fast": True}}

    assert statuses(cast.run()) == {"root": "failed", "a": "cancelled", "misfit": "failed", "b": "cancelled"}


def test_a_success_or_a_cancellation_is_no_failure_that_fails_fast(make_cast: MakeCast) -> None:
    cast = make_cast(cap=1)
    cast.behaviours = {"root": waits_once, "unwanted": cast.works_until_asked}
    cast.subscribers = {"root": ("a", "unwanted", "b")}
    cast.policies = {"root": {"fail_fast": True}}

    def watch() -> None:
        cast.wait_to_hear("unwanted starts")
        cancel(cast, "unwanted")

    result = cast.run(watch)

    assert statuses(result) == {"root": "failed", "a": "success", "unwanted": "cancelled", "b": "success"}


def test_without_fail_fast_everyone_else_runs(make_cast: MakeCast) -> None:
    cast = make_cast(cap=1)
    cast.behaviours = {"root": waits_once, "bad": fails}
    cast.subscribers = {"root": ("bad", "a", "b")}

    assert statuses(cast.run()) == {"root": "failed", "bad": "failed", "a": "success", "b": "success"}


# Asked for from another terminal.


def cancel(cast: Cast, *repos: str) -> None:
    """Ask as ``tako cancel`` does, and let the root look."""
    for repo in repos:
        ask_to_cancel(cast.workspace, cast.ids[repo], "a test")
    cast.let_pass(1.0)


def test_a_child_is_cancelled_with_everything_below_it(make_cast: MakeCast) -> None:
    cast = make_cast(cap=2)
    cast.behaviours = {"root": waits_once, **dict.fromkeys(("a", "b"), waits_once)}
    cast.behaviours |= dict.fromkeys(("working", "beside"), cast.works_until_asked)
    cast.behaviours["beside"] = cast.succeeds_when_asked
    cast.subscribers = {"root": ("beside", "a"), "a": ("b", "ready"), "b": ("working",)}

    def watch() -> None:
        cast.wait_to_hear("ready success")
        cast.wait_to_hear("working starts")
        cancel(cast, "a")
        cast.wait_to_hear("working cancelled")
        cast.ask("beside").set()

    result = cast.run(watch)

    assert statuses(result) == {
        "root": "failed",
        "beside": "success",
        "a": "cancelled",
        "b": "cancelled",
        "ready": "success",
        "working": "cancelled",
    }
    assert cast.cancelled == ["working"]
    reasons = {run.repo: run.failure.message for run in result.runs if run.failure}
    below = "cancelled with a:verify, which triggered it"
    assert reasons == {"a": "cancelled by `tako cancel`", "b": below, "working": below}
    assert ("a", True) not in cast.started


@pytest.mark.parametrize("phase", ["ready", "resting", "working"])
def test_a_child_can_be_cancelled_whatever_it_is_at(make_cast: MakeCast, phase: str) -> None:
    cast = make_cast(cap=1)
    cast.behaviours = {"root": waits_once, "it": crashes, "busy": cast.succeeds_when_asked}
    cast.subscribers = {"root": ("busy", "it") if phase == "ready" else ("it", "busy")}
    cast.policies = {"root": {"retry": {"attempts": 2, "delay": 10.0}}}
    if phase == "working":
        cast.behaviours["it"] = cast.works_until_asked

    def watch() -> None:
        cast.wait_to_hear("it starts" if phase == "working" else "busy starts")
        cancel(cast, "it")
        cast.wait_to_hear("it cancelled")
        cast.wait_to_hear("busy starts")
        # Also the moment at which it was to be tried again.
        cast.let_pass(12.0)
        cast.ask("busy").set()

    result = cast.run(watch)

    assert statuses(result) == {"root": "failed", "busy": "success", "it": "cancelled"}
    assert cast.started.count(("it", False)) == (0 if phase == "ready" else 1)
    assert [run.repo for run in result.failures] == []
    assert read_history(cast.workspace).outcomes[2 if phase == "ready" else 1].status == "cancelled"


def test_whoever_is_not_there_has_ended_or_is_the_root_cannot_be_cancelled(cast: Cast) -> None:
    cast.behaviours = {"root": waits_once, "busy": cast.succeeds_when_asked}
    cast.subscribers = {"root": ("busy", "quick")}

    def watch() -> None:
        cast.wait_to_hear("quick success")
        cast.wait_to_hear("busy starts")
        cast.ids["nobody"] = "exec-20261123-181803-ffffffff"
        cancel(cast, "nobody", "root", "quick")
        cast.ask("busy").set()

    assert cast.run(watch).ok
    assert cast.cancelled == []


def test_to_cancel_twice_is_to_cancel_once(cast: Cast) -> None:
    asked: list[bool] = []

    def slowly(request: ChildRequest, listener: ChildListener) -> ChildResult:
        cast.works_until_asked(request, listener)
        cast.wait_until(lambda: asked)
        return ChildResult("failed", seconds=1.0, failure=STOPPED)

    cast.behaviours = {"root": waits_once, "a": slowly}
    cast.subscribers = {"root": ("a",)}

    def watch() -> None:
        cast.wait_to_hear("a starts")
        cancel(cast, "a")
        cancel(cast, "a")
        asked.append(True)

    assert statuses(cast.run(watch)) == {"root": "failed", "a": "cancelled"}
    assert cast.cancelled == ["a"]


# How many at once.


def test_a_fan_outs_limit_holds_beside_the_cap(make_cast: MakeCast) -> None:
    cast = make_cast(cap=8)
    others = tuple(f"other/{number}" for number in range(6))
    limited = tuple(f"limited/{number}" for number in range(6))
    cast.behaviours = {"root": waits_once, "a": waits_once, "b": waits_once}
    cast.behaviours |= dict.fromkeys((*limited, *others), cast.succeeds_when_asked)
    cast.subscribers = {"root": ("a", "b"), "a": limited, "b": others}
    cast.policies = {"a": {"concurrency_limit": 2}}

    def watch() -> None:
        for repo in others:
            cast.wait_to_hear(f"{repo} starts")
        for started, repo in enumerate(limited, start=2):
            cast.wait_until(lambda: sum(who.startswith("limited") for who, _ in cast.started) >= min(started, 6))  # noqa: B023
            cast.ask(repo).set()
        for repo in others:
            cast.ask(repo).set()

    assert cast.run(watch).ok
    assert cast.most[cast.ids["a"]] == 2
    assert cast.most[cast.ids["b"]] == 6


# Interruptions.


def resting_and_working(cast: Cast) -> None:
    cast.behaviours = {"root": waits_once, "resting": crashes, "working": cast.works_until_asked}
    cast.subscribers = {"root": ("resting", "working", "ready")}
    cast.policies = {"root": {"retry": {"attempts": 2, "delay": 1.0}, "concurrency_limit": 1}}


def test_an_interruption_leaves_what_waits_rests_or_is_ready_as_it_is(make_cast: MakeCast) -> None:
    cast = make_cast(cap=1)
    resting_and_working(cast)

    def watch() -> None:
        cast.wait_to_hear("working starts")
        cast.executor.interrupt(signal.SIGINT)

    result = cast.run(watch)

    assert statuses(result) == {"root": "pending", "resting": "pending", "working": "failed", "ready": "pending"}
    assert kinds(result) == {"working": INTERRUPTED}
    assert result.runs[0].attempts == (Attempt(1, KILL, 1.0),)
    assert cast.heard[-2:] == [f"signal {signal.SIGINT}, 1 at work", "working failed"]
    assert not cast.forced.is_set()
    assert not result.ok


def test_a_crash_after_an_interruption_is_not_tried_again(cast: Cast) -> None:
    def dies(request: ChildRequest, listener: ChildListener) -> ChildResult:
        cast.works_until_asked(request, listener)
        return CRASHED

    cast.behaviours = {"root": waits_once, "a": dies}
    cast.subscribers = {"root": ("a",)}
    cast.policies = {"root": at_once()}

    def watch() -> None:
        cast.wait_to_hear("a starts")
        cast.executor.interrupt(signal.SIGINT)

    assert kinds(cast.run(watch)) == {"a": KILLED}
    assert cast.delays == []


def test_a_second_interruption_forces(cast: Cast) -> None:
    def stubborn(request: ChildRequest, listener: ChildListener) -> ChildResult:
        assert cast.forced.wait(10), "nobody forced it"
        return CRASHED

    cast.behaviours = {"root": waits_once, "a": stubborn}
    cast.subscribers = {"root": ("a",)}

    def watch() -> None:
        cast.wait_to_hear("a starts")
        cast.executor.interrupt(signal.SIGINT)
        cast.settle()
        assert cast.stopped.is_set()
        assert not cast.forced.is_set()
        cast.executor.interrupt(signal.SIGTERM)

    result = cast.run(watch)

    assert result.interrupted_by == signal.SIGINT
    told = [heard for heard in cast.heard if heard.startswith("signal")]
    assert told == [f"signal {signal.SIGINT}, 1 at work", f"signal {signal.SIGTERM} again, 1 at work"]


def test_a_pause_lets_the_whole_tree_stand_still_between_two_messages(cast: Cast) -> None:
    cast.behaviours = {"root": waits_once, "a": cast.succeeds_when_asked}
    cast.subscribers = {"root": ("a",)}

    def watch() -> None:
        cast.wait_to_hear("a starts")
        cast.executor.pause(lambda: cast.heard.append("standing still"))
        cast.settle()
        cast.ask("a").set()

    assert cast.run(watch).ok
    assert "paused standing still unpaused" in " ".join(cast.heard)


# The machine's own.


def refuse_thread(monkeypatch: pytest.MonkeyPatch, cast: Cast, repo: str, *, times: int = 1000) -> None:
    """Let the machine have no thread, so many times, for the runs of one repository."""
    left = times

    class Thread(threading.Thread):
        def start(self) -> None:
            nonlocal left
            if self.name == cast.ids.get(repo) and left:
                left -= 1
                cast.heard.append(f"no thread for {repo}")
                raise RuntimeError("can't start new thread")
            super().start()

    monkeypatch.setattr(workforce, "threading", SimpleNamespace(Thread=Thread))


def let_it_try(cast: Cast, repo: str) -> Callable[[], None]:
    """What happens meanwhile: time passes in which it is tried again to start a thread."""

    def meanwhile() -> None:
        cast.wait_to_hear(f"no thread for {repo}")
        cast.let_pass(6)

    return meanwhile


def test_a_run_for_which_no_thread_can_be_started_was_not_started(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_thread(monkeypatch, cast, "a")
    cast.behaviours = {"root": waits_once}
    cast.subscribers = {"root": ("a", "b")}

    result = cast.run(let_it_try(cast, "a"))

    assert statuses(result) == {"root": "failed", "a": "failed", "b": "success"}
    failure = result.runs[0].failure
    assert failure is not None
    assert failure.kind == NOT_STARTED
    assert failure.headline == "cannot start a thread to watch it: can't start new thread (tried for 3 seconds)"
    assert "`ulimit -u`" in failure.message
    assert cast.heard.count("no thread for a") == 7
    assert result.is_the_machines_fault


def test_a_thread_that_cannot_be_started_for_a_moment_is_waited_for(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Meanwhile the others go on."""
    refuse_thread(monkeypatch, cast, "a", times=3)
    cast.behaviours = {"root": waits_once}
    cast.subscribers = {"root": ("a", "b")}

    def meanwhile() -> None:
        cast.wait_to_hear("b success")
        cast.let_pass(6)

    assert statuses(cast.run(meanwhile)) == {"root": "success", "a": "success", "b": "success"}
    assert cast.heard.count("no thread for a") == 3


def test_an_error_of_takos_own_does_not_wait_for_a_thread(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(_request: ChildRequest, _listener: ChildListener) -> ChildResult:
        cast.wait_to_hear("no thread for a")
        raise MachineError("the disk is gone")

    refuse_thread(monkeypatch, cast, "a")
    cast.behaviours = {"root": waits_once, "b": breaks}
    cast.subscribers = {"root": ("a", "b")}

    with pytest.raises(MachineError, match="the disk is gone"):
        cast.run()


def test_it_is_not_the_machines_fault_alone_if_a_workflow_failed_too(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_thread(monkeypatch, cast, "a")
    cast.behaviours = {"root": waits_once, "b": fails}
    cast.subscribers = {"root": ("a", "b")}

    assert not cast.run(let_it_try(cast, "a")).is_the_machines_fault
