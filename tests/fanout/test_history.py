"""A tree as it is told from outside: what a run did, in every phase it can be in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tako.errors import StateError
from tako.execution.failure import CANCELLED, FAN_OUT_FAILED, INPUTS_INVALID, KILLED, PLAN_REFUSED, STEP_FAILED, Failure
from tako.execution.request import write_request
from tako.execution.state import ExecutionState, StepRecord, write_state
from tako.execution.workspace import Workspace
from tako.fanout.history import History, read_history
from tako.fanout.journal import Journal
from tako.fanout.plan import Plan, PlannedRun
from tako.fanout.result import Attempt
from tako.identity import Identity, identity_of
from tako.testing import FakeClock
from tests.builders import CHILD_ID, CLIENT, LIBRARY, ROOT_ID, make_event, make_request, make_root

EVENT = make_event()
FAILURE = Failure(kind=STEP_FAILED, message="exit code 1", step="test", exit_code=1, log=("bad",))
GRANDCHILD_ID = "exec-20261123-181803-00000bad"


class Told:
    """A tree while it grows, and its history at any time."""

    def __init__(self, directory: Path) -> None:
        self.workspace = Workspace(str(directory))
        self.clock = FakeClock(now=1000.0)
        self.journal = Journal(self.workspace.journal, self.clock)
        write_request(self.workspace.request, make_root(), durable=False)

    def history(self) -> History:
        return read_history(self.workspace)

    def plan_child(self) -> None:
        planned = PlannedRun(make_request(event=EVENT), "hears it")
        self.journal.planned(Plan(EVENT, (planned,)), ROOT_ID)


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    told = Told(tmp_path)
    yield told
    told.journal.close()


def test_a_run_that_has_just_begun_is_a_pending_root(told: Told) -> None:
    history = told.history()

    (root,) = history.outcomes
    assert (root.run_id, root.repo, root.workflow, root.status) == (ROOT_ID, LIBRARY, "release", "pending")
    assert (root.depth, root.parent_id, root.event_id) == (0, None, None)
    assert root.workspace == told.workspace.path
    assert (history.finished, history.ok, history.seconds) == (False, False, None)


def test_a_tree_is_retold_with_who_triggered_whom_and_where_they_are(told: Told) -> None:
    nested = make_event(run_id=CHILD_ID, source=CLIENT, type="verified")
    below = PlannedRun(make_request(run_id=GRANDCHILD_ID, repo="my-org/app", parent_id=CHILD_ID), "hears it")
    told.plan_child()
    told.journal.planned(Plan(nested, (below,)), CHILD_ID)
    history = told.history()

    root, child, grandchild = history.outcomes
    assert [run.depth for run in history.outcomes] == [0, 1, 2]
    assert [run.parent_id for run in history.outcomes] == [None, ROOT_ID, CHILD_ID]
    assert (child.repo, child.workflow, child.event_id) == (CLIENT, "verify", EVENT.id)
    assert (grandchild.repo, grandchild.event_id) == ("my-org/app", nested.id)
    assert grandchild.workspace == f"{root.workspace}/children/{CHILD_ID}/children/{GRANDCHILD_ID}"
    assert history.causes == {EVENT.id: "library_built", nested.id: "verified"}


def test_a_run_is_told_as_far_as_it_came(told: Told) -> None:
    statuses = []

    def look() -> None:
        statuses.append(told.history().outcomes[1].status)

    told.plan_child()
    look()
    told.journal.started(CHILD_ID, 1)
    look()
    told.journal.waiting(CHILD_ID, "evt-1")
    look()
    told.clock.advance(60)
    told.journal.started(CHILD_ID, 2)
    look()
    told.clock.advance(5)
    told.journal.ended(CHILD_ID, "success", None, 2.5, {"test": {"passed": "12"}})
    look()

    assert statuses == ["pending", "running", "waiting", "running", "success"]
    child = told.history().outcomes[1]
    assert (child.started_at, child.ended_at, child.seconds) == (1000.0, 1065.0, 2.5)
    assert child.outputs == {"test": {"passed": "12"}}


def test_a_run_that_is_tried_again_is_told_with_all_its_tries(told: Told) -> None:
    crash = Failure(kind=KILLED, message="killed by SIGKILL (signal 9)", signal=9)
    told.plan_child()
    told.journal.started(CHILD_ID, 1)
    told.clock.advance(5)
    told.journal.retrying(CHILD_ID, 1, crash, 4.5, 0.5)

    between = told.history().outcomes[1]
    assert (between.status, between.attempts) == ("retrying", (Attempt(1, crash, 4.5),))
    assert (between.failure, between.started_at, between.ended_at) == (None, 1000.0, None)

    told.journal.started(CHILD_ID, 2)
    again = told.history().outcomes[1]
    assert (again.status, again.started_at, len(again.attempts)) == ("running", 1000.0, 1)

    told.journal.retrying(CHILD_ID, 2, FAILURE, 1.5, 1.0)
    told.journal.ended(CHILD_ID, "success", None, 8.0, {})
    ended = told.history().outcomes[1]
    assert (ended.status, ended.seconds) == ("success", 8.0)
    assert ended.attempts == (Attempt(1, crash, 4.5), Attempt(2, FAILURE, 1.5))


def test_cached_steps_are_told_until_the_run_is_to_be_run_again(told: Told) -> None:
    told.plan_child()
    told.journal.started(CHILD_ID, os.getpid())
    told.journal.ended(CHILD_ID, "failed", FAILURE, 1.0, {}, cached=("build", "test"))
    assert told.history().outcomes[1].cached == ("build", "test")
    told.journal.resumed()
    assert told.history().outcomes[1].cached == ()


def test_a_cancelled_run_is_told(told: Told) -> None:
    told.plan_child()
    told.journal.ended(CHILD_ID, "cancelled", Failure(kind=CANCELLED, message="by tako cancel"), 0.0, {})

    assert told.history().outcomes[1].status == "cancelled"


def test_who_is_at_work_is_known_by_its_process_as_long_as_it_is(told: Told) -> None:
    me = identity_of(os.getpid())
    assert me is not None
    told.plan_child()
    told.journal.started(ROOT_ID, me.pid)
    told.journal.started(CHILD_ID, me.pid)
    assert told.history().processes == {ROOT_ID: me, CHILD_ID: me}

    told.journal.retrying(CHILD_ID, 1, FAILURE, 1.0, 0.5)
    told.journal.waiting(ROOT_ID, EVENT.id)
    assert told.history().processes == {}

    told.journal.started(CHILD_ID, me.pid)
    assert told.history().processes == {CHILD_ID: me}
    told.journal.ended(CHILD_ID, "success", None, 2.5, {})
    assert told.history().processes == {}


def test_a_process_that_was_gone_before_it_was_seen_is_nobody(told: Told) -> None:
    told.journal.started(ROOT_ID, 2**22 + 1)

    assert told.history().processes == {}


def test_the_journal_of_an_older_tako_is_told_without_processes(told: Told) -> None:
    told.plan_child()
    told.journal._append("started", {"run_id": CHILD_ID, "pid": os.getpid()})

    history = told.history()
    assert (history.outcomes[1].status, history.outcomes[1].started_at) == ("running", 1000.0)
    assert history.processes == {}


def test_failures_are_retold_in_full(told: Told) -> None:
    told.plan_child()
    told.journal.ended(CHILD_ID, "failed", FAILURE, 2.5, {})
    told.journal.ended(ROOT_ID, "failed", Failure(kind=FAN_OUT_FAILED, message="1 of 1 failed"), 1.0, {})
    told.journal.finished(ok=False, seconds=70.0, interrupted_by=None)
    history = told.history()

    assert history.outcomes[1].failure == FAILURE
    assert (history.finished, history.ok, history.interrupted, history.seconds) == (True, False, False, 70.0)


def test_a_run_that_could_not_be_started_is_told_without_a_start(told: Told) -> None:
    misfit = Failure(kind=INPUTS_INVALID, message="required input 'x' not provided")
    told.plan_child()
    told.journal.ended(CHILD_ID, "failed", misfit, 0.0, {})

    child = told.history().outcomes[1]
    assert (child.status, child.started_at, child.failure) == ("failed", None, misfit)


def test_a_refused_plan_starts_nothing(told: Told) -> None:
    told.journal.planned(Plan(EVENT, refused=Failure(kind=PLAN_REFUSED, message="a cycle")), ROOT_ID)

    assert len(told.history().outcomes) == 1


@pytest.mark.parametrize(("signal", "interrupted"), [(None, False), (2, True), (15, True)])
def test_the_end_of_a_tree_is_told(told: Told, signal: int | None, interrupted: bool) -> None:
    told.journal.finished(ok=signal is None, seconds=1.5, interrupted_by=signal)
    history = told.history()

    assert history.finished
    assert (history.ok, history.interrupted, history.seconds) == (signal is None, interrupted, 1.5)


def test_damage_is_named(told: Told) -> None:
    told.plan_child()
    journal = Path(told.workspace.journal)
    journal.write_bytes(b"{\n" + journal.read_bytes())

    with pytest.raises(StateError) as caught:
        told.history()
    assert caught.value.where == f"{journal}:1"


def test_a_missing_request_is_named(tmp_path: Path) -> None:
    with pytest.raises(StateError) as caught:
        read_history(Workspace(str(tmp_path)))
    assert caught.value.where == str(tmp_path / "request.json")


@pytest.mark.parametrize(
    ("status", "finished", "ok"),
    [("success", True, True), ("failed", True, False), ("running", False, False), ("suspended", False, False)],
)
def test_a_child_that_was_run_alone_is_told_by_its_state(tmp_path: Path, status: str, finished: bool, ok: bool) -> None:
    workspace = Workspace(str(tmp_path))
    failure = FAILURE if status == "failed" else None
    step = StepRecord(id="test", status="success", started_at=1.0, seconds=2.0, outputs={"passed": "3"})
    write_request(workspace.request, make_request(parent_id=None), durable=False)
    state = ExecutionState(CHILD_ID, CLIENT, "verify", status, 5.0, seconds=2.5, steps=(step,), failure=failure)
    write_state(workspace.state, state, durable=False)
    history = read_history(workspace)

    (run,) = history.outcomes
    assert (run.status, run.seconds, run.started_at, run.failure) == (status, 2.5, 5.0, failure)
    assert run.outputs == {"test": {"passed": "3"}}
    assert (history.finished, history.ok) == (finished, ok)
    assert history.seconds == (2.5 if finished else None)


@pytest.mark.parametrize(
    ("status", "started", "known"),
    [("running", 12.0, True), ("running", None, False), ("success", 12.0, False), ("suspended", 12.0, False)],
)
def test_a_child_alone_is_known_by_its_process_while_it_is_at_work(
    tmp_path: Path, status: str, started: float | None, known: bool
) -> None:
    workspace = Workspace(str(tmp_path))
    write_request(workspace.request, make_request(parent_id=None), durable=False)
    state = ExecutionState(CHILD_ID, CLIENT, "verify", status, 5.0, pid=7, pid_started=started)
    write_state(workspace.state, state, durable=False)

    assert read_history(workspace).processes == ({CHILD_ID: Identity(7, 12.0)} if known else {})


def test_a_child_that_was_not_even_begun_is_pending(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path))
    write_request(workspace.request, make_request(parent_id=None), durable=False)

    assert read_history(workspace).outcomes[0].status == "pending"
