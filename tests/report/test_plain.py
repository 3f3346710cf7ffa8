"""Progress as lines: what a log or a pipe is told of a tree."""

from __future__ import annotations

import signal

import pytest

from tako.children.base import StepUpdate
from tako.execution.failure import CANCELLED, KILLED, PLAN_REFUSED, STEP_FAILED, Failure
from tako.fanout.plan import PassedOver, Plan, PlannedRun
from tako.fanout.result import Attempt, ChildOutcome
from tako.report.plain import MAX_NAMED, PlainReporter
from tests.builders import CHILD_ID, CLIENT, make_event, make_request, make_root

ROOT = make_root()
CHILD = make_request()


class Told(PlainReporter):
    def __init__(self, *, verbose: bool = False) -> None:
        self.text = ""
        super().__init__(self.hear, verbose=verbose)

    def hear(self, text: str) -> None:
        assert text.endswith("\n")
        self.text += text

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


def plan(count: int = 1, **changes: object) -> Plan:
    runs = tuple(PlannedRun(make_request(repo=f"o/{number}"), "hears it") for number in range(count))
    return Plan(make_event(), runs, **changes)  # type: ignore[arg-type]


def ended(status: str, failure: Failure | None = None, parent_id: str | None = ROOT.run_id) -> ChildOutcome:
    return ChildOutcome(
        run_id=CHILD_ID,
        root_id=ROOT.run_id,
        parent_id=parent_id,
        event_id=None,
        repo=CLIENT,
        workflow="verify",
        depth=1,
        status=status,
        seconds=2.0,
        started_at=1.0,
        ended_at=3.0,
        workspace="/w",
        failure=failure,
    )


def test_a_child_is_told_when_it_starts_and_ends() -> None:
    told = Told()
    told.run_started(CHILD, resumed=False)
    told.run_waiting(CHILD)
    told.run_started(CHILD, resumed=True)
    told.run_ended(ended("success"))

    assert told.lines == [
        f"started: {CLIENT}:verify ({CHILD_ID})",
        f"✓ {CLIENT}:verify success ({CHILD_ID}, 2.0s)",
    ]


def test_more_is_told_of_a_child_if_asked_for() -> None:
    told = Told(verbose=True)
    told.run_waiting(CHILD)
    told.run_started(CHILD, resumed=True)
    told.run_step(CHILD, StepUpdate("test", "running"))
    told.run_step(CHILD, StepUpdate("test", "success", seconds=1.5))

    assert told.lines == [
        f"waits for its fan-out: {CLIENT}:verify ({CHILD_ID})",
        f"goes on: {CLIENT}:verify ({CHILD_ID})",
        f"… {CLIENT}:verify step 'test'",
        f"✓ {CLIENT}:verify step 'test' success (1.5s)",
    ]


def test_a_failed_child_is_told_with_its_reason() -> None:
    told = Told()
    told.run_ended(ended("failed", Failure(STEP_FAILED, "exit code 3\nmore", step="test", exit_code=3)))

    assert told.lines == [f"✗ {CLIENT}:verify failed ({CHILD_ID}, 2.0s): step_failed at step 'test': exit code 3"]


def test_the_roots_steps_are_told_and_those_of_children_are_not() -> None:
    told = Told()
    for request in (ROOT, CHILD):
        told.run_started(request, resumed=True)
        told.run_step(request, StepUpdate("build", "running"))
        told.run_step(request, StepUpdate("build", "skipped"))
        told.run_step(request, StepUpdate("build", "suspended"))
    told.run_ended(ended("success", parent_id=None))

    assert told.lines == ["… step 'build'", "– step 'build' skipped (0ms)"]


def test_a_plan_names_what_it_starts() -> None:
    told = Told()
    told.planned(plan(2), ROOT)

    assert told.lines == ["my-org/go-lib:release emitted library_built; starts o/0:verify, o/1:verify"]


def test_a_plan_of_thousands_is_one_short_line() -> None:
    told = Told()
    told.planned(plan(5_000), ROOT)

    (line,) = told.lines
    assert line.endswith(f"o/{MAX_NAMED - 1}:verify and {5_000 - MAX_NAMED} more")
    assert len(line) < 1_000


PASSED = (PassedOver(CLIENT, "verify", "tako.yml:3", "is not enabled"),)


@pytest.mark.parametrize("verbose", [True, False])
@pytest.mark.parametrize(
    ("made", "said"),
    [
        (plan(0, repositories=4, passed_over=PASSED), "no repository subscribed to it (4 looked at)"),
        (plan(0, refused=Failure(PLAN_REFUSED, "a cycle"), passed_over=PASSED), "refused: a cycle"),
    ],
)
def test_a_plan_that_starts_nothing_says_why(verbose: bool, made: Plan, said: str) -> None:
    told = Told(verbose=verbose)
    told.planned(made, ROOT)

    assert told.lines == [
        f"my-org/go-lib:release emitted library_built; {said}",
        "  not my-org/client:verify (tako.yml:3): is not enabled",
    ]


def test_an_event_that_nobody_subscribed_to_says_where_was_looked() -> None:
    told = Told()
    told.planned(plan(0, looked_in="/my home/cache/repos"), ROOT)

    assert told.lines[0].endswith("; no repository subscribed to it (0 looked at in /my home/cache/repos)")
    assert told.lines[1:] == [
        "  put a repository there: git clone ADDRESS '/my home/cache/repos'/OWNER/NAME/main",
    ]


def test_many_reasons_are_grouped_and_counted() -> None:
    same = tuple(PassedOver(f"o/{number}", "verify", "x:1", "is not enabled") for number in range(1000))
    others = tuple(PassedOver("o/app", "w", "x:2", f"waits for {number}") for number in range(50))
    told = Told()
    told.planned(plan(0, passed_over=(*same, *others, *others)), ROOT)

    assert (
        told.lines[1]
        == "  not 1000 subscriptions: is not enabled: o/0:verify (x:1), o/1:verify (x:1), o/2:verify (x:1) and 997 more"
    )
    assert told.lines[2:4] == ["  not o/app:w (x:2): waits for 0"] * 2
    assert told.lines[-1] == "  not 62 more subscriptions, for 31 other reasons"
    assert len(told.lines) == 2 + 2 * 19 + 1


def test_who_is_passed_over_beside_others_is_told_if_asked_for() -> None:
    quiet, verbose = Told(), Told(verbose=True)
    for told in (quiet, verbose):
        told.planned(plan(1, passed_over=PASSED), ROOT)

    assert len(quiet.lines) == 1
    assert verbose.lines[1:] == ["  not my-org/client:verify (tako.yml:3): is not enabled"]


def test_a_warning_that_every_plan_has_is_told_once() -> None:
    told = Told()
    told.planned(plan(1, warnings=("o/x: unreadable",)), ROOT)
    told.planned(plan(1, warnings=("o/x: unreadable", "8 fan-outs")), CHILD)
    told.planned(plan(1, warnings=("o/x: unreadable", "8 fan-outs")), CHILD)

    assert [line for line in told.lines if line.startswith("warning")] == [
        "warning: o/x: unreadable",
        "warning: 8 fan-outs",
    ]


@pytest.mark.parametrize(
    ("working", "again", "line"),
    [
        (0, False, "SIGINT: stopping"),
        (1, False, "SIGINT: stopping 1 run; press Ctrl-C again to kill"),
        (7, False, "SIGINT: stopping 7 runs; press Ctrl-C again to kill"),
        (7, True, "SIGINT again: killing what is at work"),
    ],
)
def test_an_interruption_is_told_with_its_signal_and_what_it_does(working: int, again: bool, line: str) -> None:
    told = Told()
    told.interrupted(signal.SIGINT, working=working, again=again)

    assert told.lines == [line]


def test_another_try_is_told_with_what_the_last_one_came_to() -> None:
    told = Told()
    crash = Failure(KILLED, "the child process was killed by SIGKILL (signal 9)\nmore", step="test", signal=9)
    told.run_retrying(CHILD, Attempt(2, crash, 1.5), 3.75)

    (line,) = told.lines
    assert line.startswith(f"↻ {CLIENT}:verify ({CHILD_ID}) crashed at try 2: killed at step 'test': the child process")
    assert line.endswith("was killed by SIGKILL (signal 9); again in 3.8s")


def test_a_cancelled_child_is_told_as_such() -> None:
    told = Told()
    told.run_ended(ended("cancelled", Failure(CANCELLED, "cancelled by `tako cancel`")))

    assert told.lines == [f"⊘ {CLIENT}:verify cancelled ({CHILD_ID}, 2.0s): cancelled: cancelled by `tako cancel`"]


def test_a_pause_is_told_when_it_begins_and_when_it_ends() -> None:
    told = Told()
    told.paused()
    told.unpaused()

    assert told.lines == ["stopped, with everything at work; `fg` lets it go on", "goes on"]


def test_a_tree_that_goes_on_tells_how_far_it_came() -> None:
    told = Told()
    told.restored((), (ended("failed", parent_id=None), ended("success"), ended("pending"), ended("failed")))

    assert told.lines == ["goes on: 1 of 3 triggered runs have succeeded"]


def test_a_line_cannot_move_the_cursor_whoever_said_it() -> None:
    told = Told(verbose=True)
    told.run_step(CHILD, StepUpdate("test", "retrying", message="\x1b[2Jexit\rcode 1"))
    told.told("\x1b]0;title\x07")
    told.planned(Plan(make_event(type="\x1b[31mred"), ()), ROOT)

    assert not [char for char in told.text.replace("\n", "") if ord(char) < 32]
    assert "exit\ufffdcode 1" in told.text
