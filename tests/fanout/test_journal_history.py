"""The root's journal: what was written is told again, and a torn or damaged line is never taken for a whole one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tako.errors import StateError
from tako.execution.failure import STEP_FAILED, Failure
from tako.execution.request import write_request
from tako.execution.workspace import Workspace
from tako.fanout.history import read_history
from tako.fanout.journal import Journal, read_journal
from tako.fanout.plan import Plan, PlannedRun
from tako.testing import FakeClock
from tests.builders import CHILD_ID, make_event, make_request, make_root


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(str(tmp_path))
    made.make()
    write_request(made.request, make_root())
    return made


def write_whole_run(workspace: Workspace) -> None:
    journal = Journal(workspace.journal, FakeClock())
    root, child = make_root(), make_request(event=make_event())
    journal.started(root.run_id, 1)
    journal.waiting(root.run_id, make_event().id)
    journal.planned(Plan(make_event(), (PlannedRun(child, "hears it"),)), root.run_id)
    journal.started(child.run_id, 2)
    journal.ended(child.run_id, "failed", Failure(STEP_FAILED, "exit code 1", step="test", exit_code=1), 2.5, {})
    journal.ended(root.run_id, "failed", None, 1.0, {"build": {"version": "1"}})
    journal.finished(ok=False, seconds=4.0, interrupted_by=None)
    journal.close()


def test_a_tree_is_told_again_as_it_was(workspace: Workspace) -> None:
    write_whole_run(workspace)
    history = read_history(workspace)
    root, child = history.outcomes
    assert (history.finished, history.ok, history.interrupted, history.seconds) == (True, False, False, 4.0)
    assert (root.status, root.outputs) == ("failed", {"build": {"version": "1"}})
    assert (child.parent_id, child.depth, child.workflow, child.seconds) == (root.run_id, 1, "verify", 2.5)
    assert child.failure is not None
    assert child.failure.exit_code == 1
    assert child.workspace == workspace.child(CHILD_ID).path
    assert history.causes == {make_event().id: "library_built"}


def test_every_beginning_of_a_journal_tells_a_beginning_of_the_tree(workspace: Workspace) -> None:
    write_whole_run(workspace)
    lines = Path(workspace.journal).read_bytes().splitlines(keepends=True)
    for count in range(len(lines)):
        Path(workspace.journal).write_bytes(b"".join(lines[:count]))
        history = read_history(workspace)
        assert not history.finished
        assert len(history.outcomes) == (2 if count >= 3 else 1)


def test_a_line_that_was_being_written_says_nothing(workspace: Workspace) -> None:
    write_whole_run(workspace)
    whole = Path(workspace.journal).read_bytes()
    entries = read_journal(workspace.journal)
    for cut in range(1, len(whole.splitlines(keepends=True)[-1]) + 1):
        Path(workspace.journal).write_bytes(whole[:-cut])
        assert read_journal(workspace.journal) == entries[:-1]


def test_damage_before_the_end_is_named_with_its_line(workspace: Workspace) -> None:
    write_whole_run(workspace)
    lines = Path(workspace.journal).read_text().splitlines(keepends=True)
    lines[3] = lines[3].replace('"pid":2', '"pid":3')
    Path(workspace.journal).write_text("".join(lines))
    with pytest.raises(StateError) as caught:
        read_journal(workspace.journal)
    assert caught.value.where == f"{workspace.journal}:4"


def test_no_journal_is_an_empty_one(workspace: Workspace) -> None:
    assert read_journal(workspace.journal) == ()
    (root,) = read_history(workspace).outcomes
    assert root.status == "pending"
