"""The steps of a run in words, while they are at work and when it is over."""

from __future__ import annotations

import pytest

from tako.children.base import StepUpdate
from tako.execution.failure import STEP_FAILED, Failure
from tako.execution.retry import StepAttempt
from tako.execution.service import ServiceEnd
from tako.execution.state import ExecutionState, StepRecord
from tako.report.data import service_data, step_data
from tako.report.steps import noteworthy_lines, service_lines, step_lines, step_report, update_line
from tako.report.style import Screen, painted

FAILURE = Failure(STEP_FAILED, "exit code 7\nand more", step="a", exit_code=7)
TRY = StepAttempt(1, FAILURE, 0.5)
HANDLER = StepRecord("h", "failed", 1.0, 0.1, failure=FAILURE)
FAILED = StepRecord("a", "failed", 1.0, 2.0, failure=FAILURE, attempts=(TRY,), handlers=(HANDLER,), tolerated=True)
DONE = StepRecord("b", "success", 1.0, 1.0)
SKIPPED = StepRecord("c", "skipped", 1.0, 0.0)


@pytest.mark.parametrize(
    ("update", "line"),
    [
        (StepUpdate("a", "running"), "… step 'a'"),
        (StepUpdate("a", "success", seconds=1.25), "✓ step 'a' success (1.2s)"),
        (StepUpdate("a", "success", seconds=2.0, attempt=3), "✓ step 'a' success (2.0s, 3 tries)"),
        (StepUpdate("a", "failed", seconds=2.0, tolerated=True), "✗ step 'a' failed (2.0s); the run goes on"),
        (
            StepUpdate("a", "retrying", message="exit code 75", attempt=2, delay=4.0),
            "↻ step 'a' failed at try 2: exit code 75; again in 4.0s",
        ),
        (
            StepUpdate("a", "stopped", message="was still running and was stopped", seconds=90.0),
            "■ step 'a' was still running and was stopped (1m30s)",
        ),
        (StepUpdate("a", "lost", message="is gone"), "■ step 'a' is gone"),
    ],
)
def test_what_a_step_has_come_to_is_a_line(update: StepUpdate, line: str) -> None:
    assert update_line("step 'a'", update) == line


def test_a_step_is_told_with_its_tries_with_what_ran_then_and_that_the_run_went_on() -> None:
    assert step_lines(FAILED) == [
        "  ✗ a (2.0s, 2 tries) failed, and the run went on: exit code 7",
        "      on failure: ✗ h (100ms)",
    ]
    assert step_lines(DONE) == ["  ✓ b (1.0s)"]
    assert step_lines(SKIPPED) == ["  – c (skipped)"]


def test_only_what_did_not_end_well_by_itself_is_worth_a_line() -> None:
    ends = (ServiceEnd("x", "stopped"), ServiceEnd("y", "exited", exit_code=0), ServiceEnd("z", "exited", exit_code=3))
    assert service_lines(ends) == [
        "  ■ x was still running and was stopped",
        "  ■ z ended by itself: exit code 3",
    ]


def test_of_a_run_that_was_triggered_only_what_there_is_more_to_tell_of_is_told() -> None:
    services = (ServiceEnd("x", "stopped"),)
    state = ExecutionState("exec-1", "a/b", "w", "success", 1.0, steps=(FAILED, DONE, SKIPPED), services=services)
    assert noteworthy_lines(state) == [*step_lines(FAILED), *service_lines(services)]


def test_a_step_as_data_has_all_of_that() -> None:
    data = step_data(FAILED)
    assert (data["continued"], data["attempts"][0]["failure"]["exit_code"]) == (True, 7)
    assert [handler["id"] for handler in data["on_failure"]] == ["h"]
    assert service_data(ServiceEnd("x", "exited", 3, None, 1.23456)) == {
        "step": "x",
        "how": "exited",
        "exit_code": 3,
        "signal": None,
        "duration_seconds": 1.235,
    }


def test_cut_line_of_step_keeps_its_duration() -> None:
    lines = step_report(StepRecord("build", "success", 1.0, 1.25), {"build": "A long name " * 10})
    (text,) = painted(lines, Screen(width=30)).splitlines()
    assert len(text) == 30
    assert text.startswith("  ✓ build: A long")
    assert text.endswith("… (1.2s)")
    (colored,) = painted(lines, Screen(width=30, has_color=True)).splitlines()
    assert colored.endswith("…\x1b[0m\x1b[2m (1.2s)\x1b[0m")
