"""The live tree: what fits the screen is chosen by weight, and the terminal is left as it was."""

from __future__ import annotations

import io
import os
import re
import signal
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako.children.base import StepUpdate
from tako.execution.failure import CANCELLED, EXITED, KILLED, Failure
from tako.fanout.plan import Plan, PlannedRun
from tako.fanout.result import Attempt, ChildOutcome
from tako.records import replace
from tako.report.live import LiveReporter, Row, visible
from tests.builders import CHILD_ID, make_event, make_request, make_root, make_workflow

STATUSES = ("running", "waiting", "pending", "success", "failed", "retrying", "cancelled")


def rows_of(statuses: list[str]) -> dict[str, dict[str, Row]]:
    """Siblings in these statuses, by status."""
    rows: dict[str, dict[str, Row]] = {status: {} for status in STATUSES}
    for number, status in enumerate(statuses):
        rows[status][str(number)] = Row(f"a/{number}:w", "root", (number,), status)
    return rows


@given(statuses=st.lists(st.sampled_from(STATUSES), max_size=60), limit=st.integers(3, 40))
def test_every_run_is_shown_or_counted_and_the_limit_holds(statuses: list[str], limit: int) -> None:
    view = visible(rows_of(statuses), limit)

    assert len(view.rows) <= limit
    shown = [row.status for row in view.rows]
    for status in STATUSES:
        assert shown.count(status) + view.hidden.get(status, 0) == statuses.count(status)
    assert [row.place for row in view.rows] == sorted(row.place for row in view.rows)
    if len(statuses) <= limit:
        assert not view.hidden
        assert shown == statuses


@given(statuses=st.lists(st.sampled_from(STATUSES), min_size=41, max_size=60))
def test_who_is_at_work_is_hidden_last_and_then_who_has_failed(statuses: list[str]) -> None:
    view = visible(rows_of(statuses), 10)

    shown = {row.status for row in view.rows}
    unimportant = {"pending", "success", "cancelled"}
    assert not shown & unimportant
    if view.hidden.get("running"):
        assert shown == {"running"}
    elif view.hidden.get("failed"):
        assert shown <= {"running", "failed"}
    assert len(view.rows) == min(10, sum(status not in unimportant for status in statuses))


def test_what_is_not_shown_is_not_looked_at() -> None:
    class Counted(dict[str, Row]):
        looked_at = 0

        def values(self) -> Any:
            for row in super().values():
                Counted.looked_at += 1
                yield row

    for count in (100, 10_000):
        rows = Counted({str(n): Row(f"a/{n}:w", "root", (n,), "running") for n in range(count)})
        Counted.looked_at = 0
        view = visible({"running": rows}, 20)
        assert Counted.looked_at <= 21
        assert view.hidden == {"running": count - 20}


def outcome(status: str, failure: Failure | None = None) -> ChildOutcome:
    request = make_request()
    return ChildOutcome(
        run_id=request.run_id,
        root_id=request.root_id,
        parent_id=request.parent_id,
        event_id=None,
        repo=request.repo,
        workflow=request.workflow.name,
        depth=1,
        status=status,
        seconds=2.0,
        started_at=1.0,
        ended_at=3.0,
        workspace="/w",
        failure=failure,
    )


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_tree_is_drawn_with_what_its_runs_are_doing() -> None:
    root, child = make_root(), make_request(event=make_event(), ancestors=(make_root().as_ancestor(),))
    reporter = LiveReporter(Terminal())
    reporter.run_started(root, resumed=False)
    reporter.planned(Plan(make_event(), (PlannedRun(child, ""),)), root)
    reporter.run_waiting(root)
    reporter.run_started(child, resumed=False)
    reporter.run_step(child, StepUpdate(id="test", status="running"))
    lines = reporter.render().plain.splitlines()
    assert lines[0].startswith("… my-org/go-lib:release")
    assert lines[1].startswith("  … my-org/client:verify")
    assert lines[1].endswith("test")
    reporter.run_ended(outcome("success"))
    assert "  ✓ my-org/client:verify  2.0s" in reporter.render().plain


def test_a_failure_stays_on_the_screen_and_the_cursor_comes_back() -> None:
    stream = Terminal()
    with LiveReporter(stream) as reporter:
        reporter.run_started(make_root(), resumed=False)
        reporter.planned(Plan(make_event(), (PlannedRun(make_request(), ""),)), make_root())
        reporter.run_started(make_request(), resumed=False)
        reporter.run_ended(outcome("failed", Failure(EXITED, "exit code 3", exit_code=3)))
    written = stream.getvalue()
    assert f"({CHILD_ID}): exited: exit code 3" in written
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")


def test_an_event_that_nobody_hears_is_said_on_the_screen() -> None:
    stream = Terminal()
    with LiveReporter(stream) as reporter:
        reporter.run_started(make_root(), resumed=False)
        reporter.planned(Plan(make_event(), warnings=("a/b: unreadable",), repositories=4), make_root())
    assert "no repository subscribed to it (4 looked at)" in stream.getvalue()
    assert "warning: a/b: unreadable" in stream.getvalue()


def test_children_stand_below_their_parents_in_the_order_of_planning() -> None:
    root = make_root()
    first, second, third, below = (make_request(run_id=f"run-{n}", repo=f"o/{n}") for n in range(4))
    reporter = LiveReporter(Terminal())
    reporter.run_started(root, resumed=False)
    reporter.planned(Plan(make_event(), tuple(PlannedRun(each, "") for each in (first, second))), root)
    reporter.planned(Plan(make_event(step_id="again"), (PlannedRun(third, ""),)), root)
    reporter.planned(Plan(make_event(run_id="run-0"), (PlannedRun(below, ""),)), first)

    lines = [line.split(":")[0] for line in reporter.render().plain.splitlines()]
    assert lines == ["… my-org/go-lib", "  · o/0", "    · o/3", "  · o/1", "  · o/2"]


def test_more_runs_than_lines_are_counted_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINES", "14")
    monkeypatch.setenv("COLUMNS", "80")
    children = [make_request(run_id=f"run-{number}", repo=f"o/{number}") for number in range(500)]
    reporter = LiveReporter(Terminal())
    reporter.run_started(make_root(), resumed=False)
    reporter.planned(Plan(make_event(), tuple(PlannedRun(child, "") for child in children)), make_root())
    for child in children[:30]:
        reporter.run_started(child, resumed=False)
    for child in children[:25]:
        reporter.run_ended(replace(outcome("success"), run_id=child.run_id))

    *lines, rest = reporter.render().plain.splitlines()
    assert [line.split(":")[0].split("/")[1] for line in lines] == ["go-lib", *(str(n) for n in range(25, 30))]
    assert rest == "… 25 more succeeded, 470 more waiting to start"


def test_time_at_work_is_counted_and_waiting_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    reporter = LiveReporter(Terminal())
    shown = []
    acts: list[Callable[[], None]] = [
        lambda: reporter.run_started(make_root(), resumed=False),
        lambda: reporter.run_waiting(make_root()),
        lambda: reporter.run_started(make_root(), resumed=True),
        lambda: None,
    ]
    for act in acts:
        act()
        now += 2
        shown.append(reporter.render().plain.split()[-1])

    assert shown == ["2.0s", "2.0s", "4.0s", "6.0s"]


def test_names_are_taken_neither_for_markup_nor_for_emoji() -> None:
    stream = Terminal()
    root = make_root(repo="o/[red]:bug:", workflow=make_workflow(":bug:"))
    with LiveReporter(stream) as reporter:
        reporter.run_started(root, resumed=False)
        reporter.planned(Plan(make_event()), root)
        reporter.run_step(root, StepUpdate(id="[bold]x", status="success", seconds=1))

    written = stream.getvalue()
    assert "o/[red]:bug::" in written
    assert "✓ step '[bold]x' success (1.0s)" in written
    assert "🐛" not in written


def test_the_tree_is_gone_at_the_end_also_after_an_error() -> None:
    stream = Terminal()

    def break_off() -> None:
        with LiveReporter(stream) as reporter:
            reporter.run_started(make_root(), resumed=False)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    written = stream.getvalue()
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")
    assert written.endswith("\x1b[2K")


@pytest.mark.parametrize("wanted", [True, False])
def test_no_colour_where_none_is_wanted(monkeypatch: pytest.MonkeyPatch, wanted: bool) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if not wanted:
        monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    with LiveReporter(stream) as reporter:
        reporter.run_started(make_root(), resumed=False)

    assert bool(re.search(r"\x1b\[[0-9;]*3[0-7]", stream.getvalue())) == wanted


def test_a_terminal_that_goes_away_does_not_end_the_run() -> None:
    controller, terminal = os.openpty()
    stream = open(terminal, "w", encoding="utf-8")  # noqa: SIM115  (closed below, when it is no terminal any more)
    with LiveReporter(stream) as reporter:
        reporter.run_started(make_root(), resumed=False)
        os.close(controller)
        reporter.planned(Plan(make_event()), make_root())
        reporter.interrupted(signal.SIGHUP, working=1, again=False)
    stream.close()


def test_warnings_are_said_once_and_a_plan_that_starts_runs_is_seen_in_the_tree() -> None:
    stream = Terminal()
    with LiveReporter(stream) as reporter:
        reporter.run_started(make_root(), resumed=False)
        for number in range(3):
            planned = PlannedRun(make_request(run_id=f"run-{number}"), "")
            reporter.planned(Plan(make_event(), (planned,), warnings=("a/b: unreadable",)), make_root())

    assert stream.getvalue().count("warning: a/b: unreadable") == 1
    assert "emitted" not in stream.getvalue()


def test_the_steps_of_children_are_seen_in_the_tree_only() -> None:
    stream = Terminal()
    with LiveReporter(stream) as reporter:
        reporter.run_started(make_root(), resumed=False)
        reporter.planned(Plan(make_event(), (PlannedRun(make_request(), ""),)), make_root())
        reporter.run_step(make_request(), StepUpdate(id="test", status="success", seconds=1))

    assert "step 'test'" not in stream.getvalue()


def started_child(reporter: LiveReporter) -> None:
    reporter.run_started(make_root(), resumed=False)
    reporter.planned(Plan(make_event(), (PlannedRun(make_request(), ""),)), make_root())
    reporter.run_started(make_request(), resumed=False)


CRASH = Failure(KILLED, "the child process was killed by SIGKILL (signal 9)", step="test", signal=9)


def test_a_run_that_rests_between_two_tries_is_seen_and_its_crash_is_said() -> None:
    stream = Terminal()
    with LiveReporter(stream) as reporter:
        started_child(reporter)
        reporter.run_step(make_request(), StepUpdate(id="test", status="running"))
        reporter.run_retrying(make_request(), Attempt(1, CRASH, 1.5), 3.75)
        rests = reporter.render().plain.splitlines()[1]
        reporter.run_started(make_request(), resumed=True)
        assert reporter.render().plain.splitlines()[1].startswith("  … my-org/client:verify")

    assert rests.startswith("  … my-org/client:verify")
    assert not rests.endswith("test")
    assert f"↻ my-org/client:verify ({CHILD_ID}) crashed at try 1: killed at step 'test'" in stream.getvalue()
    assert "again in 3.8s" in stream.getvalue()


def test_time_between_two_tries_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    reporter = LiveReporter(Terminal())
    started_child(reporter)
    now += 2
    reporter.run_retrying(make_request(), Attempt(1, CRASH, 2.0), 60.0)
    now += 60
    resting = reporter.render().plain.splitlines()[1]
    reporter.run_started(make_request(), resumed=True)
    now += 3

    assert resting.endswith("  2.0s")
    assert reporter.render().plain.splitlines()[1].endswith("  5.0s")


def test_many_runs_that_rest_are_counted_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINES", "7")
    children = [make_request(run_id=f"run-{number}", repo=f"o/{number}") for number in range(9)]
    reporter = LiveReporter(Terminal())
    reporter.run_started(make_root(), resumed=False)
    reporter.planned(Plan(make_event(), tuple(PlannedRun(child, "") for child in children)), make_root())
    for child in children:
        reporter.run_started(child, resumed=False)
        reporter.run_retrying(child, Attempt(1, CRASH, 2.0), 60.0)

    assert reporter.render().plain.splitlines()[-1] == "… 7 more waiting to be tried again"


def test_a_cancelled_run_is_marked_as_such() -> None:
    stream = Terminal()
    with LiveReporter(stream) as reporter:
        started_child(reporter)
        reporter.run_ended(outcome("cancelled", Failure(CANCELLED, "cancelled by `tako cancel`")))
        assert reporter.render().plain.splitlines()[1] == "  ⊘ my-org/client:verify  2.0s"

    said = f"⊘ my-org/client:verify ({CHILD_ID}): cancelled: cancelled by `tako cancel`"
    assert said in stream.getvalue()
    assert "✗" not in stream.getvalue()


def test_both_interruptions_are_said_on_the_screen() -> None:
    stream = Terminal()
    with LiveReporter(stream) as reporter:
        reporter.run_started(make_root(), resumed=False)
        reporter.interrupted(signal.SIGINT, working=3, again=False)
        reporter.interrupted(signal.SIGINT, working=3, again=True)

    assert "SIGINT: stopping 3 runs; press Ctrl-C again to kill" in stream.getvalue()
    assert "SIGINT again: killing what is at work" in stream.getvalue()


def test_the_terminal_is_left_to_others_during_a_pause_and_taken_again_after_it() -> None:
    stream = Terminal()
    with LiveReporter(stream) as reporter:
        reporter.run_started(make_root(), resumed=False)
        reporter.paused()
        before = stream.getvalue()
        assert before.endswith("\x1b[2K")
        assert before.rindex("\x1b[?25h") > before.rindex("\x1b[?25l")

        reporter.interrupted(signal.SIGINT, working=1, again=False)
        said = stream.getvalue().removeprefix(before)
        assert said.startswith("SIGINT")
        assert "go-lib" not in said, "drawn while others have the terminal"

        reporter.unpaused()
        written = stream.getvalue()
        assert written.rindex("\x1b[?25l") > written.rindex("\x1b[?25h")
    after = stream.getvalue().removeprefix(before)
    assert "my-org/go-lib:release" in after
    assert after.rindex("\x1b[?25h") > after.rindex("\x1b[?25l")


def test_a_tree_that_goes_on_is_drawn_as_far_as_it_came() -> None:
    root, child = make_root(), make_request()
    plan = Plan(make_event(), (PlannedRun(child, ""),))
    stream = Terminal()
    with LiveReporter(stream) as reporter:
        restored = replace(outcome("waiting"), run_id=root.run_id, parent_id=None, repo=root.repo, workflow="release")
        reporter.restored((plan,), (restored, outcome("success")))
        drawn = reporter.render().plain.splitlines()

    assert drawn == ["… my-org/go-lib:release  2.0s", "  ✓ my-org/client:verify  2.0s"]
    assert "goes on: 1 of 1 triggered runs have succeeded" in stream.getvalue()


def test_a_line_cannot_move_the_cursor_whoever_said_it() -> None:
    terminal = Terminal()
    with LiveReporter(terminal) as reporter:
        reporter.told("\x1b]0;title\x07 and \x9b31m")

    assert "\ufffd]0;title\ufffd and \ufffd31m" in terminal.getvalue()
