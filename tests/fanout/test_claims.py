"""Who may do the work of an idempotency key: decided from what the ledger says, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako.execution.failure import CANCELLED, FAN_OUT_FAILED, KILLED, KINDS, LOST, STEP_FAILED, Failure
from tako.fanout.claims import BY_ITSELF, Asking, Claim, Decision, Outcome, RunKey, decide, is_free

ME = RunKey("exec-root-a", "exec-me")
OTHER = RunKey("exec-root-b", "exec-other")
NOW = 1_000_000.0
DAY = 86_400.0

SUCCESS = Outcome("success", None, {"a": {"x": "1"}})


def failed(kind: str, status: str = "failed") -> Outcome:
    return Outcome(status, Failure(kind, "it went wrong"), {})


def claim(outcome: Outcome | None = None, *, age: float = 60.0, holder: RunKey = OTHER, token: int = 1) -> Claim:
    return Claim(holder, "workspaces/x", token, outcome, None if outcome is None else NOW - age)


def asked(claims: Sequence[Claim | None], asking: Asking | None = None, **more: Any) -> Decision:
    return decide(asking or Asking(ME), claims, now=NOW, retention=DAY, **more)


def test_a_slot_that_nobody_has_is_free() -> None:
    assert asked([None]).starts


def test_who_has_the_slot_already_goes_on() -> None:
    assert asked([claim(holder=ME)]).starts
    assert asked([claim(failed(STEP_FAILED), holder=ME)]).starts


def test_a_success_answers() -> None:
    assert asked([claim(SUCCESS)]).answer == claim(SUCCESS)


def test_a_run_that_is_at_work_is_waited_for() -> None:
    assert asked([claim()]) == Decision(wait=claim())


def test_one_that_is_dead_is_not_waited_for_unless_it_has_come_back_since() -> None:
    assert asked([claim(token=3)], dead={(OTHER, 3)}).starts
    assert asked([claim(token=4)], dead={(OTHER, 3)}).wait is not None


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_only_what_a_workflow_did_itself_is_a_failure_that_answers(kind: str) -> None:
    decision = asked([claim(failed(kind))])
    assert (decision.answer is not None) == (kind in BY_ITSELF)
    assert decision.wait is None


def test_crashes_cancellations_and_what_others_did_are_no_doing_of_the_workflow() -> None:
    assert BY_ITSELF.isdisjoint({KILLED, CANCELLED, LOST, FAN_OUT_FAILED})
    assert asked([claim(failed(CANCELLED, "cancelled"))]).starts


def test_a_resumed_run_is_answered_by_a_success_only() -> None:
    again = Asking(ME, again=True)
    assert asked([claim(failed(STEP_FAILED))], again).starts
    assert asked([claim(SUCCESS)], again).answer is not None


@pytest.mark.parametrize(("age", "answers"), [(0.0, True), (DAY, True), (DAY + 1, False), (-DAY, True)])
def test_an_outcome_answers_until_the_retention_is_over_also_if_the_clock_went_back(age: float, answers: bool) -> None:
    assert (asked([claim(SUCCESS, age=age)]).answer is not None) == answers


def test_the_retention_is_no_time_limit_for_work() -> None:
    assert asked([claim()], dead=()).wait is not None


def test_a_run_of_several_events_is_answered_when_all_are_delivered_and_by_the_last() -> None:
    other = claim(Outcome("success", None, {"a": {"x": "2"}}), holder=RunKey("exec-root-c", "exec-third"))
    assert asked([claim(SUCCESS), other]).answer == other
    assert asked([claim(SUCCESS), None]).starts
    assert asked([claim(SUCCESS), claim()]).wait is not None


def test_a_run_that_also_has_an_event_without_a_key_starts_whatever_others_do() -> None:
    assert asked([claim(), claim(SUCCESS)], Asking(ME, unkeyed=True)).starts


OUTCOMES = st.none() | st.just(SUCCESS) | st.sampled_from(sorted(KINDS)).map(failed)
CLAIMS = st.none() | st.builds(
    claim, OUTCOMES, age=st.floats(-10, 2 * DAY), holder=st.sampled_from([ME, OTHER]), token=st.integers(1, 3)
)


@given(st.lists(CLAIMS, min_size=1, max_size=4), st.booleans(), st.booleans(), st.sets(st.integers(1, 3)))
def test_nobody_takes_a_slot_of_another_who_is_at_work_or_has_done_it(
    claims: list[Claim | None], unkeyed: bool, again: bool, dead_tokens: set[int]
) -> None:
    asking = Asking(ME, unkeyed=unkeyed, again=again)
    dead = {(OTHER, token) for token in dead_tokens}
    decision = decide(asking, claims, now=NOW, retention=DAY, dead=dead)
    free = [is_free(each, asking, now=NOW, retention=DAY, dead=dead) for each in claims]

    assert [decision.answer is not None, decision.wait is not None, decision.starts].count(True) == 1
    for each, may_take in zip(claims, free, strict=True):
        if each is not None and each.holder == OTHER and each.outcome is None:
            assert may_take == (each.token in dead_tokens)
        if each is not None and each.outcome == SUCCESS and each.holder == OTHER:
            assert may_take == (NOW - (each.acknowledged_at or 0.0) > DAY)
    if decision.answer is not None:
        assert not any(free)
        assert decision.answer.outcome is not None
        assert decision.answer.outcome.counts
    if not unkeyed and all(free):
        assert decision.starts
