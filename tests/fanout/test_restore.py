"""A tree brought back from its journal and the states of its runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tako.errors import StateError
from tako.execution.event import Event
from tako.execution.failure import CANCELLED, FAN_OUT_FAILED, INPUTS_INVALID, LOST, PLAN_REFUSED, STEP_FAILED, Failure
from tako.execution.request import RunRequest
from tako.execution.state import ExecutionState, StepRecord, write_state
from tako.execution.workspace import Workspace
from tako.fanout.journal import Journal, read_journal
from tako.fanout.plan import Plan, PlannedRun
from tako.fanout.restore import Restored, RestoredRun, known_events, known_runs, restore
from tako.files import make_dirs
from tako.ids import child_run_id
from tako.records import replace
from tako.testing import FakeClock
from tests.builders import ROOT_ID, make_event, make_request, make_root

ROOT = make_root(repo="root")
EVENT = make_event(source="root", step_id="tell")
BROKEN = Failure(STEP_FAILED, "exit code 1", step="test", exit_code=1)


def run_id(repo: str, event: Event = EVENT) -> str:
    return child_run_id(ROOT_ID, event.id, repo, "verify")


def child(repo: str, event: Event = EVENT, parent: RunRequest = ROOT) -> RunRequest:
    return make_request(
        run_id=run_id(repo, event),
        repo=repo,
        parent_id=parent.run_id,
        event=event,
        ancestors=(*parent.ancestors, parent.as_ancestor()),
    )


def step(id_: str = "test", status: str = "success", **changes: object) -> StepRecord:
    return replace(StepRecord(id_, status, started_at=1.0, seconds=2.0), **changes)


class Told:
    """A journal that is being written, and states beside it."""

    def __init__(self, directory: Path) -> None:
        self.workspace = Workspace(str(directory))
        self.clock = FakeClock(1000.0)
        self.journal = Journal(self.workspace.journal, self.clock)

    def plan(self, *repos: str, event: Event = EVENT, emitter: RunRequest = ROOT, **changes: object) -> None:
        runs = tuple(replace(PlannedRun(child(repo, event, emitter), "why"), **changes) for repo in repos)
        self.journal.planned(Plan(event, runs), emitter.run_id)

    def started(self, repo: str) -> None:
        self.journal.started(run_id(repo), 1)

    def ended(self, repo: str, failure: Failure | None = None, status: str = "") -> None:
        outputs = {} if failure else {"test": {"x": "1"}}
        self.journal.ended(run_id(repo), status or ("failed" if failure else "success"), failure, 2.0, outputs)

    def state(self, request: RunRequest, status: str, *steps: StepRecord) -> None:
        workspace = self.workspace if request is ROOT else self.workspace.child(request.run_id)
        make_dirs(workspace.path)
        state = ExecutionState(request.run_id, request.repo, request.workflow.name, status, 7.0, 3.0, steps=steps)
        write_state(workspace.state, state, durable=False)

    def restored(self, *, failed_only: bool = False) -> Restored:
        return restore(ROOT, self.workspace, read_journal(self.workspace.journal), failed_only=failed_only)

    def run(self, repo: str = "a", *, failed_only: bool = False) -> RestoredRun:
        (found,) = [run for run in self.restored(failed_only=failed_only).runs if run.request.repo == repo]
        return found


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    told = Told(tmp_path)
    yield told
    told.journal.close()


def kinds(run: RestoredRun) -> list[str]:
    return [attempt.failure.kind for attempt in run.attempts]


def test_a_tree_of_which_nothing_is_known_is_its_root(told: Told) -> None:
    restored = told.restored()

    assert [run.request for run in restored.runs] == [ROOT]
    assert restored.root.result is None
    assert restored.root.attempts == ()


def test_what_was_planned_is_there_as_it_was(told: Told) -> None:
    told.plan("a", "b")
    restored = told.restored()

    assert [run.request for run in restored.runs[1:]] == [child("a"), child("b")]
    assert [plan.event for plan in restored.plans] == [EVENT]
    assert restored.to_run == 2
    assert restored.runs[1].workspace == told.workspace.child(run_id("a"))
    assert restored.runs[1].started_at is None


def test_success_in_the_journal_costs_no_look_into_the_runs_directory(told: Told) -> None:
    told.plan("a")
    told.started("a")
    told.ended("a")
    run = told.run()

    assert run.result is not None
    assert (run.result.status, run.result.outputs, run.unrecorded) == ("success", {"test": {"x": "1"}}, False)


@pytest.mark.parametrize(("failure", "status"), [(BROKEN, "failed"), (Failure(CANCELLED, "by hand"), "cancelled")])
def test_what_did_not_succeed_is_to_be_run_again_as_another_try(told: Told, failure: Failure, status: str) -> None:
    told.plan("a")
    told.started("a")
    told.ended("a", failure, status)
    run = told.run()

    assert run.result is None
    assert kinds(run) == [failure.kind]


def test_what_was_at_work_is_lost(told: Told) -> None:
    told.plan("a")
    told.started("a")

    assert kinds(told.run()) == [LOST]


def test_success_that_only_the_state_tells_of_counts_and_is_to_be_written_down(told: Told) -> None:
    told.plan("a")
    told.started("a")
    told.state(child("a"), "success", step(outputs={"x": "1"}))
    run = told.run()

    assert run.result is not None
    assert (run.result.status, run.result.outputs, run.unrecorded) == ("success", {"test": {"x": "1"}}, True)


@pytest.mark.parametrize("status", ["running", "suspended", "failed"])
def test_a_run_that_has_a_state_has_begun_whatever_the_journal_knows(told: Told, status: str) -> None:
    told.plan("a")
    told.state(child("a"), status, step())
    run = told.run()

    assert (run.started_at, kinds(run)) == (7.0, [LOST])


def test_a_run_that_went_on_after_its_fan_out_is_not_taken_for_one_that_waits(told: Told) -> None:
    inner = make_event(run_id=run_id("a"), source="a", step_id="tell")
    told.plan("a")
    told.started("a")
    told.plan("leaf", event=inner, emitter=child("a"))
    told.journal.waiting(run_id("a"), inner.id)
    told.state(child("a"), "running", step(), step("tell", emitted=(inner,)))
    run = told.run()

    assert run.waits_for == ()
    assert kinds(run) == [LOST]


@pytest.mark.parametrize(("status", "tries"), [("suspended", []), ("running", [LOST])])
def test_a_run_waits_for_its_event_if_that_was_planned(told: Told, status: str, tries: list[str]) -> None:
    inner = make_event(run_id=run_id("a"), source="a", step_id="tell")
    told.plan("a")
    told.started("a")
    told.plan("leaf", event=inner, emitter=child("a"))
    told.journal.waiting(run_id("a"), inner.id)
    told.state(child("a"), status, step(), step("tell", "suspended", emitted=(inner,)))
    run = told.run()

    assert (run.waits_for, run.waits_at, kinds(run)) == ((inner.id,), "tell", tries)


def test_run_waits_for_all_its_events_once_all_are_planned(told: Told) -> None:
    first = make_event(run_id=run_id("a"), source="a", step_id="tell")
    second = replace(first, id=f"{first.id}-2")
    told.plan("a")
    told.plan("leaf", event=first, emitter=child("a"))
    told.state(child("a"), "suspended", step("tell", "suspended", emitted=(first, second)))

    assert told.run().waits_for == ()
    told.plan("other", event=second, emitter=child("a"))
    assert told.run().waits_for == (first.id, second.id)


def test_a_run_whose_event_was_not_planned_comes_to_it_again(told: Told) -> None:
    inner = make_event(run_id=run_id("a"), source="a", step_id="tell")
    told.plan("a")
    told.state(child("a"), "suspended", step("tell", "suspended", emitted=(inner,)))
    run = told.run()

    assert run.waits_for == ()
    assert kinds(run) == [LOST]


def test_a_run_that_failed_by_what_it_triggered_waits_for_it_again(told: Told) -> None:
    told.plan("a")
    told.ended("a", BROKEN)
    failure = Failure(FAN_OUT_FAILED, "1 of 1 failed", step="tell")
    told.state(ROOT, "failed", step("tell", "failed", emitted=(EVENT,), failure=failure))

    assert told.restored().root.waits_for == (EVENT.id,)


def test_a_success_with_something_untold_is_started_again_to_tell_it(told: Told) -> None:
    aside = make_event(run_id=run_id("a"), source="a", step_id="aside", waiting=False)
    told.plan("a")
    told.started("a")
    told.state(child("a"), "success", step("aside", emitted=(aside,)))
    assert told.run().result is None
    assert kinds(told.run()) == [LOST]

    told.plan("leaf", event=aside, emitter=child("a"))
    assert told.run().result is not None


def test_a_success_whose_event_was_refused_is_started_again_until_it_is_planned(told: Told) -> None:
    aside = make_event(run_id=run_id("a"), source="a", step_id="aside", waiting=False)
    told.plan("a")
    told.started("a")
    told.journal.planned(Plan(aside, refused=Failure(PLAN_REFUSED, "a cycle")), run_id("a"))
    told.ended("a")
    told.state(child("a"), "success", step("aside", emitted=(aside,)))
    run = told.run()
    assert (run.result, kinds(run)) == (None, [PLAN_REFUSED])
    assert [plan.event.id for plan in told.restored().plans] == [EVENT.id]

    told.journal.resumed()
    assert kinds(told.run()) == [PLAN_REFUSED]
    told.plan("leaf", event=aside, emitter=child("a"))
    told.ended("a")
    assert told.run().result is not None


def test_inputs_that_do_not_fit_stay_a_failure_that_is_written_down_again(told: Told) -> None:
    told.plan("a", failure=Failure(INPUTS_INVALID, "required input 'x' not provided"))
    told.ended("a", Failure(INPUTS_INVALID, "required input 'x' not provided"))
    run = told.run()

    assert run.result is not None
    assert (run.result.status, run.unrecorded) == ("failed", True)


@pytest.mark.parametrize(("failed_only", "stays"), [(True, True), (False, False)])
def test_who_failed_by_itself_after_triggering_others_is_left_if_that_is_wanted(
    told: Told, failed_only: bool, stays: bool
) -> None:
    inner = make_event(run_id=run_id("a"), source="a", step_id="aside", waiting=False)
    told.plan("a")
    told.started("a")
    told.plan("leaf", event=inner, emitter=child("a"))
    told.ended("a", BROKEN)
    told.state(child("a"), "failed", step("aside", emitted=(inner,)), step("test", "failed", failure=BROKEN))

    assert (told.run(failed_only=failed_only).result is not None) is stays
    assert told.run("leaf", failed_only=failed_only).result is None


def test_tries_are_counted_through_resumptions(told: Told) -> None:
    told.plan("a")
    told.started("a")
    told.journal.retrying(run_id("a"), 1, Failure(LOST, "crashed"), 1.0, 0.1)
    told.started("a")
    told.ended("a", BROKEN)
    told.journal.resumed()
    told.started("a")
    run = told.run()

    assert [(each.number, each.failure.kind) for each in run.attempts] == [(1, LOST), (2, STEP_FAILED), (3, LOST)]


def test_a_held_run_has_the_last_request_and_all_its_causes(told: Told) -> None:
    second = make_event(run_id=run_id("b"), source="b", step_id="tell")
    told.plan("b")
    told.plan("a", held=True)
    joined = replace(child("a"), event=second, heard=(EVENT, second), inputs={"all": "2"})
    told.journal.planned(Plan(second, (PlannedRun(joined, "why", held=True, joins=True),)), run_id("b"))
    restored = told.restored()

    assert told.run().held
    assert told.run().request == joined
    assert told.run().event_id == EVENT.id
    assert [event.runs for event in known_events(restored, {EVENT.id: None, second.id: None})][-1] == (run_id("a"),)
    assert not told.run().fresh
    told.started("a")
    assert told.run().held, "what emits its events may run again"


def test_run_that_an_event_joined_after_its_start_is_fresh_until_it_has_worked(told: Told) -> None:
    second = make_event(run_id=run_id("b"), source="b", step_id="tell")
    told.plan("b")
    told.plan("a", held=True)
    told.started("a")
    told.ended("a", Failure(STEP_FAILED, "exit code 1"))
    told.journal.resumed()
    joined = replace(child("a"), event=second, heard=(EVENT, second))
    told.journal.planned(Plan(second, (PlannedRun(joined, "why", held=True, joins=True),)), run_id("b"))

    assert told.run().fresh
    told.started("a")
    assert told.run().fresh, "it may have died before its first step"
    told.ended("a", Failure(STEP_FAILED, "exit code 1"))
    assert not told.run().fresh


def test_the_scheduler_is_told_the_same(told: Told) -> None:
    told.plan("a", "b", "c")
    told.ended("a")
    told.started("b")
    told.state(ROOT, "suspended", step("tell", "suspended", emitted=(EVENT,)))
    restored = told.restored()

    known = {run.id: (run.ended, run.failed, run.begun, run.awaits) for run in known_runs(restored)}
    assert known == {
        ROOT_ID: (False, False, False, (EVENT.id,)),
        run_id("a"): (True, False, False, ()),
        run_id("b"): (False, False, True, ()),
        run_id("c"): (False, False, False, ()),
    }
    (event,) = known_events(restored, {EVENT.id: 2})
    assert (event.emitter, event.limit) == (ROOT_ID, 2)


def test_a_damaged_state_is_none(told: Told) -> None:
    told.plan("a")
    told.started("a")
    told.state(child("a"), "success", step())
    Path(told.workspace.child(run_id("a")).state).write_text("{}")

    run = told.run()
    assert (run.result, kinds(run)) == (None, [LOST])


def test_an_entry_that_does_not_fit_the_others_is_named(told: Told) -> None:
    told.journal.started("exec-20261123-181803-ffffffff", 1)

    with pytest.raises(StateError) as caught:
        told.restored()
    assert "the journal lacks something: started" in str(caught.value)


def test_any_beginning_of_a_journal_is_a_tree_that_can_go_on(told: Told) -> None:
    """A power cut takes what was not flushed: from the end, whole entries."""
    inner = make_event(run_id=run_id("a"), source="a", step_id="tell")
    told.plan("a", "b")
    told.started("a")
    told.started("b")
    told.plan("leaf", event=inner, emitter=child("a"))
    told.journal.waiting(run_id("a"), inner.id)
    told.ended("b")
    told.journal.resumed()
    told.journal.finished(ok=False, seconds=1.0, interrupted_by=2)
    # What is on the disk of the runs themselves: their own writes are flushed.
    told.state(child("a"), "suspended", step(), step("tell", "suspended", emitted=(inner,)))
    told.state(child("b"), "success", step())
    entries = read_journal(told.workspace.journal)

    for length in range(len(entries) + 1):
        restored = restore(ROOT, told.workspace, entries[:length], failed_only=False)
        known = {run.request.repo: run for run in restored.runs}
        if "b" in known:
            result = known["b"].result
            assert result is not None
            assert result.status == "success", f"after {length} entries"
            assert known["a"].result is None
            assert known["a"].waits_for == ((inner.id,) if "leaf" in known else ())
            # It either waits, or goes on behind what it had done: another try.
            assert known["a"].waits_for or known["a"].attempts
