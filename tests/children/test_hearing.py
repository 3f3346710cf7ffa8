"""When a child's time is up, and why: decided by what it has said so far, on a clock that only the test moves."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tako.children.base import ChildRequest, StepUpdate
from tako.children.hearing import CLOSING_SECONDS, HELLO_SECONDS, LINGERING_SECONDS, MARGIN_SECONDS, Hearing
from tako.children.protocol import Frame, Hello, Result, encode
from tako.config.model import StepSpec
from tako.execution.event import Event
from tako.execution.failure import (
    INTERRUPTED,
    LOG_TAIL,
    NOT_STARTED,
    PROTOCOL,
    STEP_TIMEOUT,
    WORKFLOW_TIMEOUT,
    Failure,
)
from tako.execution.workspace import Workspace
from tako.testing import FakeClock
from tests.builders import CHILD_ID, make_request, make_workflow

HELLO = Hello(run_id=CHILD_ID, pid=4711)
STEPS = (StepSpec(id="quick", timeout=5.0), StepSpec(id="slow", timeout=100.0), StepSpec(id="free"))
STOPPED = Result("failed", failure=Failure(INTERRUPTED, "stopped before the step had ended", step="quick"))

LONGER = "the workflow was at work for longer than its timeout of 1m00s"


class Nobody:
    """Listens to a child and does not care."""

    def child_started(self, run_id: str, pid: int) -> None: ...

    def child_step(self, run_id: str, step: StepUpdate) -> None: ...

    def child_event(self, run_id: str, event: Event) -> None: ...

    def child_note(self, run_id: str, text: str) -> None: ...

    def catch_up(self) -> None: ...


class Child:
    """A child that is heard, and how much of its clock's time is left to it."""

    def __init__(self, directory: Path, **workflow: Any) -> None:
        self.clock = FakeClock()
        self.clock.advance(1000.0)
        run = make_request(workflow=make_workflow(**{"steps": STEPS, **workflow}))
        self.workspace = Workspace(str(directory))
        self.workspace.make()
        self.hearing = Hearing(ChildRequest(run, self.workspace), Nobody(), self.clock)

    def says(self, *frames: Frame) -> None:
        for frame in frames:
            assert self.hearing.take(encode(frame)), self.hearing.close()

    def waits(self, seconds: float) -> None:
        """Time passes while its parent looks, as it does each second."""
        while seconds > 0:
            self.clock.advance(min(seconds, 1.0))
            self.hearing.due()
            seconds -= 1.0

    def begins(self, step: str) -> None:
        self.says(StepUpdate(id=step, status="running"))

    def ends(self, step: str) -> None:
        self.says(StepUpdate(id=step, status="success"))

    def left(self) -> float | None:
        """Seconds until its time is up, if that is ever."""
        due = self.hearing.due()
        return None if due is None else due - self.clock.monotonic()

    def why(self) -> tuple[str, str] | None:
        failure = self.hearing.overdue()
        return None if failure is None else (failure.kind, failure.message)


@pytest.fixture
def child(tmp_path: Path) -> Child:
    return Child(tmp_path)


@pytest.fixture
def limited(tmp_path: Path) -> Child:
    """A child whose workflow has a timeout of 60 seconds."""
    return Child(tmp_path, timeout=60.0)


def test_a_child_has_a_minute_to_say_hello(child: Child) -> None:
    child.clock.advance(1.0)

    assert child.left() == HELLO_SECONDS - 1.0
    assert child.why() == (NOT_STARTED, "the child process did not say hello within 1m00s")


def test_a_child_that_has_said_hello_has_all_the_time_in_the_world(child: Child) -> None:
    child.says(HELLO)
    child.begins("free")

    assert child.left() is None
    assert child.why() is None


def test_a_step_has_its_timeout_and_the_time_to_end_by_itself(child: Child) -> None:
    child.says(HELLO)
    child.clock.advance(30.0)
    child.begins("quick")
    child.clock.advance(1.0)

    assert child.left() == 5.0 + MARGIN_SECONDS - 1.0
    kind, message = child.why() or ("", "")
    assert kind == STEP_TIMEOUT
    assert message.startswith("took longer than its timeout of 5.0s, and did not end itself within 10.0s")


def test_each_step_has_its_own_time_from_its_own_beginning(child: Child) -> None:
    child.says(HELLO)
    child.begins("quick")
    child.clock.advance(4.0)
    child.ends("quick")
    assert child.left() is None

    child.begins("slow")
    assert child.left() == 100.0 + MARGIN_SECONDS
    child.ends("slow")
    child.begins("free")
    assert child.left() is None


def test_a_step_that_has_ended_is_not_what_a_child_is_ended_for(child: Child) -> None:
    child.says(HELLO)
    child.begins("quick")
    child.ends("quick")
    child.clock.advance(3600.0)

    assert child.why() is None


def test_a_workflow_has_its_timeout_and_the_time_to_end_by_itself(limited: Child) -> None:
    limited.says(HELLO)
    limited.begins("quick")
    limited.ends("quick")
    limited.waits(10.0)
    limited.begins("free")

    assert limited.left() == 60.0 + MARGIN_SECONDS - 10.0
    unheard = "and did not end itself within 10.0s: it was stopped, or hung"
    assert limited.why() == (WORKFLOW_TIMEOUT, f"{LONGER}, {unheard}")


def test_before_its_first_step_a_child_may_only_be_slow_to_make_its_checkout(limited: Child) -> None:
    limited.says(HELLO)
    limited.waits(20.0)

    assert limited.left() == 60.0 + MARGIN_SECONDS - 20.0
    unheard = "and did not begin its first step within 10.0s: its checkout took long, or it was stopped, or hung"
    assert limited.why() == (WORKFLOW_TIMEOUT, f"{LONGER}, {unheard}")


def test_the_time_of_a_workflow_runs_from_its_first_step_as_it_does_in_the_child(limited: Child) -> None:
    limited.says(HELLO)
    limited.waits(60.0 + MARGIN_SECONDS - 1.0)
    limited.begins("free")

    assert limited.left() == 60.0 + MARGIN_SECONDS


def test_a_child_that_closes_its_stdout_must_end_soon(child: Child) -> None:
    child.says(HELLO)
    child.begins("slow")
    child.hearing.stdout_closed()

    assert child.left() == CLOSING_SECONDS
    assert child.why() == (PROTOCOL, "the child closed its stdout before it gave its result, and went on")


def test_a_child_that_has_given_its_result_may_clean_up_and_is_then_ended_without_blame(limited: Child) -> None:
    limited.says(HELLO)
    limited.begins("quick")
    limited.ends("quick")
    limited.clock.advance(59.0)
    limited.says(Result("success", outputs={}))
    limited.hearing.stdout_closed()
    limited.clock.advance(1.0)

    assert limited.left() == LINGERING_SECONDS - 1.0
    limited.clock.advance(3600.0)
    assert limited.why() is None


def test_a_result_that_comes_when_the_time_was_up_is_too_late(child: Child) -> None:
    child.says(HELLO)
    child.begins("quick")
    child.waits(5.0 + MARGIN_SECONDS)
    child.says(STOPPED)

    assert child.why() is not None
    assert (child.why() or "")[0] == STEP_TIMEOUT
    assert child.left() == LINGERING_SECONDS


def test_quiet_time_before_a_deadline_does_not_put_it_off(child: Child) -> None:
    child.says(HELLO)
    assert child.left() is None
    child.clock.advance(3600.0)
    child.begins("quick")
    child.waits(5.0 + MARGIN_SECONDS)
    child.says(STOPPED)

    assert (child.why() or "")[0] == STEP_TIMEOUT


def test_a_result_in_the_last_moment_is_in_time(child: Child) -> None:
    child.says(HELLO)
    child.begins("quick")
    child.waits(5.0 + MARGIN_SECONDS - 0.001)
    child.says(STOPPED)
    child.clock.advance(LINGERING_SECONDS)

    assert child.why() is None


@pytest.mark.parametrize(
    ("before", "step", "kind"),
    [
        (0.0, "quick", STEP_TIMEOUT),
        (54.999, "quick", STEP_TIMEOUT),
        (55.001, "quick", WORKFLOW_TIMEOUT),
        (0.0, "slow", WORKFLOW_TIMEOUT),
    ],
)
def test_of_a_steps_and_its_workflows_timeout_the_earlier_counts(
    limited: Child, before: float, step: str, kind: str
) -> None:
    limited.says(HELLO)
    limited.begins("free")
    limited.ends("free")
    limited.clock.advance(before)
    limited.begins(step)

    whole = 60.0 + MARGIN_SECONDS - before
    assert limited.left() == pytest.approx(min(whole, {"quick": 5.0, "slow": 100.0}[step] + MARGIN_SECONDS))
    assert (limited.why() or "")[0] == kind


@pytest.mark.parametrize(
    ("timeout", "closed_after", "kind", "left"),
    [
        (10.0, None, WORKFLOW_TIMEOUT, 10.0 + MARGIN_SECONDS),
        (3600.0, None, NOT_STARTED, HELLO_SECONDS),
        (3600.0, 1.0, PROTOCOL, CLOSING_SECONDS + 1.0),
        (3600.0, HELLO_SECONDS - 1.0, NOT_STARTED, HELLO_SECONDS),
    ],
)
def test_of_all_deadlines_the_earliest_counts(
    tmp_path: Path, timeout: float, closed_after: float | None, kind: str, left: float
) -> None:
    child = Child(tmp_path, timeout=timeout)
    began = child.clock.monotonic()
    if closed_after is not None:
        child.clock.advance(closed_after)
        child.hearing.stdout_closed()

    assert child.hearing.due() == began + left
    assert (child.why() or "")[0] == kind


def test_the_last_lines_are_those_of_the_step_it_was_at_and_then_its_own(child: Child) -> None:
    Path(child.workspace.log("quick")).write_text("too early\n")
    Path(child.workspace.log("slow")).write_text("".join(f"slow {number}\n" for number in range(50)))
    Path(child.workspace.child_log).write_text("Segmentation fault\n")
    child.says(HELLO)
    child.begins("slow")

    lines = child.hearing.last_lines()
    assert lines == (*(f"slow {number}" for number in range(50 - LOG_TAIL, 50)), "Segmentation fault")
    child.ends("slow")
    assert child.hearing.last_lines() == ("Segmentation fault",)


def test_between_two_tries_a_child_is_at_its_step_and_the_last_lines_are_those_of_the_try_that_failed(
    child: Child,
) -> None:
    Path(child.workspace.log("quick")).write_text("second try\n")
    child.says(HELLO)
    child.begins("quick")
    child.says(StepUpdate(id="quick", status="retrying", attempt=2, message="exit code 75", delay=200.0))

    assert child.hearing.current_step == "quick"
    assert child.hearing.last_lines() == ("second try",)
    # It is moved away after that was told.
    os.rename(child.workspace.log("quick"), child.workspace.attempt_log("quick", 2))
    assert child.hearing.last_lines() == ("second try",)


# A step that is tried again, and what runs when one has failed.


def test_each_try_at_a_step_has_its_time_and_the_wait_between_them_has_none(child: Child) -> None:
    child.says(HELLO)
    child.begins("quick")
    child.waits(4.0)
    child.says(StepUpdate(id="quick", status="retrying", seconds=4.0, message="exit code 75", delay=200.0))
    assert child.left() is None
    child.waits(200.0)
    child.begins("quick")
    assert child.left() == 5.0 + MARGIN_SECONDS


def test_what_runs_when_a_step_has_failed_is_a_step_with_its_own_time(tmp_path: Path) -> None:
    handler = StepSpec(id="quick-on-failure-1", timeout=7.0)
    child = Child(tmp_path, steps=(StepSpec(id="quick", timeout=5.0, on_failure=(handler,)),))
    child.says(HELLO)
    child.begins("quick")
    child.says(StepUpdate(id="quick", status="failed"))
    child.begins("quick-on-failure-1")
    assert child.left() == 7.0 + MARGIN_SECONDS


def test_the_end_of_what_was_left_running_is_the_end_of_no_step_at_work(child: Child) -> None:
    child.says(HELLO, StepUpdate(id="quick", status="stopped"))
    assert child.left() is None
