"""Which recorded steps stand when a run goes on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako.execution.failure import FAN_OUT_FAILED, FAN_OUT_TIMEOUT, PLAN_REFUSED, STEP_FAILED, Failure
from tako.execution.going_on import awaited, awaited_events, before, go_on, standing
from tako.execution.state import ExecutionState, StepRecord
from tako.records import replace
from tests.builders import CHILD_ID, CLIENT, make_event

EVENT = make_event(step_id="tell")
OTHER = replace(EVENT, id=f"{EVENT.id}-2")
ASIDE = make_event(step_id="aside", waiting=False)
FAN_OUT_KINDS = (FAN_OUT_FAILED, FAN_OUT_TIMEOUT)


def record(id_: str, status: str = "success", **changes: Any) -> StepRecord:
    return StepRecord(id=id_, status=status, started_at=1.0, seconds=2.0, **changes)


def failed(id_: str, kind: str, **changes: Any) -> StepRecord:
    return record(id_, "failed", failure=Failure(kind, "why", step=id_), **changes)


def state(*steps: StepRecord, status: str = "failed") -> ExecutionState:
    return ExecutionState(CHILD_ID, CLIENT, "verify", status, 5.0, steps=steps, failure=Failure(STEP_FAILED, "why"))


def kept(recorded: ExecutionState, *, answered: bool = True) -> list[tuple[str, str]]:
    return [(step.id, step.status) for step in go_on(recorded, lambda _: answered).steps]


def test_what_has_ended_well_stands_with_its_outputs() -> None:
    done = record("a", outputs={"x": "1"}), record("b", "skipped")

    gone_on = go_on(state(*done, failed("c", STEP_FAILED)), lambda _: True)

    assert gone_on.steps == done
    assert gone_on.failure is None
    assert gone_on.outputs == {"a": {"x": "1"}}


@pytest.mark.parametrize("answered", [True, False])
def test_a_fan_out_that_waits_stands_if_its_answer_is_there(answered: bool) -> None:
    recorded = state(record("a"), record("tell", "suspended", emitted=(EVENT,)), status="suspended")

    assert kept(recorded, answered=answered) == [("a", "success"), *([("tell", "suspended")] if answered else [])]


@pytest.mark.parametrize("kind", FAN_OUT_KINDS)
def test_a_fan_out_that_failed_by_what_it_triggered_is_waited_for_again(kind: str) -> None:
    gone_on = go_on(state(record("a"), failed("tell", kind, emitted=(EVENT,))), lambda _: True)

    assert [(step.id, step.status, step.failure) for step in gone_on.steps] == [
        ("a", "success", None),
        ("tell", "suspended", None),
    ]


@pytest.mark.parametrize("step", [failed("tell", PLAN_REFUSED, emitted=(EVENT,)), failed("tell", FAN_OUT_FAILED)])
def test_a_fan_out_that_triggered_nothing_is_run_again(step: StepRecord) -> None:
    assert kept(state(record("a"), step)) == [("a", "success")]


@pytest.mark.parametrize(
    ("step", "waits"),
    [
        (record("tell", "suspended", emitted=(EVENT,)), True),
        (record("tell", emitted=(EVENT,)), False),
        (record("aside", emitted=(ASIDE,)), False),
        (failed("tell", FAN_OUT_FAILED, emitted=(EVENT,)), True),
        (failed("tell", STEP_FAILED, emitted=(EVENT,)), False),
        (failed("aside", FAN_OUT_FAILED, emitted=(ASIDE,)), False),
        (record("tell", "suspended"), False),
    ],
)
def test_a_step_is_waited_for_if_it_told_an_event_and_its_answer_decides(step: StepRecord, waits: bool) -> None:
    assert awaited(step) is waits
    assert awaited_events(state(record("a"), step)) == ((EVENT.id,) if waits else ())


def test_only_the_last_step_is_waited_for() -> None:
    assert awaited_events(state()) == ()
    assert awaited_events(state(record("tell", "suspended", emitted=(EVENT,)), record("a"))) == ()


def test_before_a_step_is_another_generation_without_it() -> None:
    recorded = state(record("a"), record("b"), record("c"), status="success")

    again = before(recorded, "b")

    assert [step.id for step in again.steps] == ["a"]
    assert (again.generation, again.failure) == (2, None)
    assert before(again, "b").generation == 3


def test_before_a_step_that_was_not_reached_is_where_it_was() -> None:
    again = before(state(record("a"), failed("b", STEP_FAILED)), "c")

    assert [step.id for step in again.steps] == ["a"]


STATUSES = st.sampled_from(["success", "skipped", "failed", "suspended"])
KINDS = st.sampled_from([STEP_FAILED, *FAN_OUT_KINDS])


@st.composite
def records(draw: st.DrawFn) -> tuple[StepRecord, ...]:
    steps = []
    for number in range(draw(st.integers(0, 5))):
        status = draw(STATUSES)
        step = record(f"s{number}", status, emitted=draw(st.sampled_from([(), (EVENT,), (ASIDE,), (EVENT, OTHER)])))
        steps.append(replace(step, failure=Failure(draw(KINDS), "why")) if status == "failed" else step)
    return tuple(steps)


@given(records(), st.booleans())
def test_what_stands_is_the_beginning_and_no_step_that_was_done_is_dropped_before_one_that_was_not(
    steps: tuple[StepRecord, ...], answered: bool
) -> None:
    gone_on = go_on(state(*steps), lambda _: answered).steps

    done = next((number for number, step in enumerate(steps) if not step.is_done), len(steps))
    assert gone_on[:done] == steps[:done]
    rest = gone_on[done:]
    assert [(step.id, step.status, step.failure) for step in rest] in (
        [],
        [(step.id, "suspended", None) for step in steps[done : done + 1]],
    )
    assert not rest or (answered and awaited(steps[done]))
    # Going on twice is going on once.
    assert go_on(state(*gone_on), lambda _: answered).steps == gone_on


@pytest.mark.parametrize(
    ("recorded", "now", "kept"),
    [
        ("a b c", "a b c d", "a b c"),
        ("a b c", "b c d", "b c"),
        ("a b c", "new a b c", ""),
        ("a b c", "a new b c", "a"),
        ("a b c", "a other c", "a"),
        ("a b c", "a c b", "a"),
        ("a b c", "a b", "a b"),
        ("", "a", ""),
    ],
)
def test_recorded_steps_count_up_to_the_first_new_one(recorded: str, now: str, kept: str) -> None:
    before_it = state(*map(record, recorded.split()))
    after_it = standing(before_it, now.split())

    assert [step.id for step in after_it.steps] == kept.split()
    assert after_it.generation - before_it.generation == (recorded != kept)
