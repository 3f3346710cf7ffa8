"""The live tree: what fits the screen is chosen by weight, and the terminal is left as it was."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from tako.children.base import StepUpdate
from tako.execution.failure import EXITED, Failure
from tako.fanout.plan import Plan, PlannedRun
from tako.fanout.result import ChildOutcome
from tako.report.live import LiveReporter, Row, visible
from tests.builders import CHILD_ID, make_event, make_request, make_root

STATUSES = ("running", "waiting", "pending", "success", "failed")


def rows_of(statuses: list[str]) -> dict[str, Row]:
    return {str(number): Row(f"a/{number}:w", None, 0, status) for number, status in enumerate(statuses)}


@given(statuses=st.lists(st.sampled_from(STATUSES), max_size=60), limit=st.integers(3, 40))
def test_every_run_is_shown_or_counted_and_the_limit_holds(statuses: list[str], limit: int) -> None:
    rows = rows_of(statuses)
    view = visible(rows, list(rows), limit)
    assert len(view.rows) <= limit
    shown = [row.status for row in view.rows]
    for status in STATUSES:
        assert shown.count(status) + view.hidden.get(status, 0) == statuses.count(status)
    assert list(view.rows) == [row for row in rows.values() if row in view.rows]


@given(statuses=st.lists(st.sampled_from(STATUSES), min_size=41, max_size=60))
def test_who_is_at_work_is_hidden_last(statuses: list[str]) -> None:
    rows = rows_of(statuses)
    view = visible(rows, list(rows), 10)
    if view.hidden.get("running"):
        assert {row.status for row in view.rows} == {"running"}
    elif view.hidden.get("failed"):
        assert {row.status for row in view.rows} <= {"running", "failed"}


def outcome(status: str, failure: Failure | None = None) -> ChildOutcome:
    request = make_request()
    return ChildOutcome(
        run_id=request.run_id,
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
