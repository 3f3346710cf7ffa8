"""What a run that waited is told of its fan-out, and whose fault it is that a tree failed."""

from __future__ import annotations

from typing import Any

import pytest

from tako.execution.answer import Answer
from tako.execution.failure import (
    CANCELLED,
    CIRCUIT_OPEN,
    FAN_OUT_FAILED,
    FAN_OUT_TIMEOUT,
    NOT_STARTED,
    PLAN_REFUSED,
    STEP_FAILED,
    Failure,
)
from tako.fanout.result import ChildOutcome, FanOutResult, TreeResult, answer_of
from tests.builders import ROOT_ID, make_event

EVENT = make_event()


def run(name: str, **changes: Any) -> ChildOutcome:
    fields: dict[str, Any] = {
        "run_id": name,
        "root_id": ROOT_ID,
        "parent_id": ROOT_ID,
        "event_id": EVENT.id,
        "repo": f"o/{name}",
        "workflow": "verify",
        "depth": 1,
        "status": "failed" if changes.get("failure") else "success",
        "seconds": 1.5,
        "started_at": 1.0,
        "ended_at": 2.5,
        "workspace": "/w",
    }
    return ChildOutcome(**{**fields, **changes})


def answer(*runs: ChildOutcome, refused: Failure | None = None, failed_below: bool | None = None) -> Answer:
    failed = any(not each.ok for each in runs) if failed_below is None else failed_below
    return answer_of([FanOutResult(EVENT, runs, failed_below=failed, refused=refused)])


def test_success_is_told_in_numbers() -> None:
    assert answer(run("a"), run("b")) == Answer(EVENT.id, total=2, succeeded=2)


def test_nobody_subscribed_is_a_success() -> None:
    assert answer() == Answer(EVENT.id, total=0, succeeded=0)
    assert FanOutResult(EVENT, (), failed_below=False).ok


@pytest.mark.parametrize(
    ("message", "shown"), [("exit code 3\nmore", "exit code 3"), ("", ""), ("\n", ""), ("\x1c", "")]
)
def test_each_failure_is_told_in_a_line_whatever_its_message(message: str, shown: str) -> None:
    told = answer(run("a"), run("b", failure=Failure(STEP_FAILED, message)))

    assert (told.total, told.succeeded) == (2, 1)
    assert told.failure == Failure(FAN_OUT_FAILED, f"1 of 2 triggered runs failed: o/b:verify: {shown}")


def test_many_failures_are_told_up_to_five() -> None:
    told = answer(*(run(str(number), failure=Failure(STEP_FAILED, "exit code 1")) for number in range(8)))

    assert told.failure is not None
    assert told.failure.message.startswith("8 of 8 triggered runs failed: o/0:verify: exit code 1; o/1:verify: ")
    assert told.failure.message.endswith("o/4:verify: exit code 1; and 3 more")


def test_a_failure_further_down_fails_the_fan_out_of_which_all_runs_succeeded() -> None:
    told = answer(run("a"), failed_below=True)

    assert told.succeeded == 1
    assert told.failure == Failure(FAN_OUT_FAILED, "a run further down failed")


def test_a_refusal_is_told_as_it_was_said() -> None:
    refusal = Failure(PLAN_REFUSED, "a cycle")

    assert answer(refused=refusal, failed_below=True).failure == refusal


EXPIRED = Failure(FAN_OUT_TIMEOUT, "its fan-out took longer than its timeout of 10.0s")


@pytest.mark.parametrize("failed_below", [True, False])
def test_a_fan_out_whose_time_was_up_fails_for_that_however_its_runs_ended(failed_below: bool) -> None:
    expired = FanOutResult(EVENT, (run("a"),), failed_below=failed_below, expired=EXPIRED)

    assert not expired.ok
    assert answer_of([expired]) == Answer(EVENT.id, total=1, succeeded=1, failure=EXPIRED)


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ((), "1 of 2 triggered runs was cancelled: o/b:verify: by hand"),
        (
            ("c",),
            "1 of 3 triggered runs failed, 1 was cancelled: o/c:verify: exit code 1; o/b:verify: by hand",
        ),
    ],
)
def test_a_run_that_was_cancelled_is_told_and_has_not_failed(others: tuple[str, ...], message: str) -> None:
    cancelled = run("b", status="cancelled", failure=Failure(CANCELLED, "by hand"))
    told = answer(run("a"), cancelled, *(run(name, failure=Failure(STEP_FAILED, "exit code 1")) for name in others))

    assert told.succeeded == 1
    assert told.failure == Failure(FAN_OUT_FAILED, message)


def failed(name: str, kind: str, **changes: Any) -> ChildOutcome:
    return run(name, failure=Failure(kind, "why"), **changes)


def tree(*runs: ChildOutcome, root: ChildOutcome | None = None) -> TreeResult:
    return TreeResult(
        root or run("root", parent_id=None), runs, fan_outs=(), warnings=(), ok=all(each.ok for each in runs), seconds=1
    )


def test_only_what_failed_by_itself_counts_as_a_failure_of_the_tree() -> None:
    runs = (
        run("fine"),
        failed("since-another-did", FAN_OUT_FAILED),
        failed("own", STEP_FAILED),
        failed("cancelled", CANCELLED, status="cancelled"),
        failed("refused", CIRCUIT_OPEN),
        run("never", status="pending"),
        failed("slow", FAN_OUT_TIMEOUT),
    )
    root = failed("root", FAN_OUT_FAILED, parent_id=None)

    assert [each.run_id for each in tree(*runs, root=root).failures] == ["own", "slow"]
    assert [each.run_id for each in tree(root=failed("root", STEP_FAILED)).failures] == ["root"]


@pytest.mark.parametrize(
    ("found", "is_it"),
    [
        ((), False),
        ((NOT_STARTED,), True),
        ((NOT_STARTED, NOT_STARTED), True),
        ((NOT_STARTED, FAN_OUT_FAILED, CANCELLED, CIRCUIT_OPEN), True),
        ((NOT_STARTED, STEP_FAILED), False),
        ((CANCELLED,), False),
        ((STEP_FAILED,), False),
    ],
)
def test_it_is_the_machines_fault_if_it_could_not_start_something_and_nothing_else_failed(
    found: tuple[str, ...], is_it: bool
) -> None:
    runs = (run("fine"), *(failed(str(number), kind) for number, kind in enumerate(found)))
    root = failed("root", FAN_OUT_FAILED) if found else None

    assert tree(*runs, root=root).is_the_machines_fault is is_it


def test_it_is_the_machines_fault_too_if_a_step_of_the_root_could_not_be_started() -> None:
    assert tree(root=failed("root", NOT_STARTED)).is_the_machines_fault
