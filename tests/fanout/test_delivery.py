"""Trees with a real ledger and children that are functions: who does the work of a key, who waits, who is answered."""

from __future__ import annotations

import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tako.children.base import ChildRequest, ChildResult, StepUpdate
from tako.clock import SystemClock
from tako.config.model import StepSpec
from tako.execution.event import Event, with_key
from tako.execution.failure import CANCELLED, FAN_OUT_TIMEOUT, KILLED, PLAN_REFUSED, STEP_FAILED, Failure
from tako.execution.request import RunRequest, write_request
from tako.execution.state import ExecutionState, write_state
from tako.execution.workspace import root_workspace
from tako.fanout.claims import Asking, Outcome, RunKey, Slot
from tako.fanout.delivery import Deliveries, Waiting
from tako.fanout.executor import FanOutExecutor
from tako.fanout.history import read_history
from tako.fanout.journal import Journal, read_journal
from tako.fanout.ledger import Ledger
from tako.fanout.ledger_rows import Delivery, Recorded
from tako.fanout.plan import Plan, PlannedRun
from tako.fanout.restore import restore
from tako.fanout.result import Attempt, ChildOutcome, TreeResult
from tako.ids import child_run_id, event_id
from tako.locks import own
from tako.records import replace
from tests.builders import make_event, make_request, make_workflow

if TYPE_CHECKING:
    from tako.children.base import ChildListener
    from tako.execution.workspace import Workspace

FIRST = "exec-20261123-181803-00000000"
SECOND = "exec-20261123-181804-00000000"
SUCCESS = ChildResult("success", seconds=1.0, outputs={"a": {"x": "1"}})
FAILED = ChildResult("failed", seconds=1.0, failure=Failure(STEP_FAILED, "exit code 1", step="test", exit_code=1))
CRASHED = ChildResult("failed", seconds=1.0, failure=Failure(KILLED, "killed by SIGKILL", signal=9))

Behaviour = Callable[[ChildRequest], ChildResult]


class Stage:
    """One tree of a home: whose root emits some events, one after another, and then waits for the last."""

    def __init__(self, home: Path, root_id: str = FIRST, *, cap: int = 4) -> None:
        self.home = str(home)
        self.root_id = root_id
        self.cap = cap
        self.keys: list[str | None] = ["k"]
        """Of the events that the root emits."""
        self.emits: dict[str, list[str | None]] = {}
        """The same of other repositories' runs; all wait for their last."""
        self.subscribers: dict[str, tuple[str, ...]] = {"root": ("app",)}
        self.behaviours: dict[str, Behaviour] = {}
        self.params: dict[str, object] = {}
        self.started: list[str] = []
        self.lines: list[str] = []
        self.idempotent = False
        self.workspace: Workspace = root_workspace(self.home, root_id)
        self.workspace.make()
        self.executor: FanOutExecutor | None = None

    def root(self) -> RunRequest:
        fan_out = StepSpec(id="tell-0", uses="tako/fan-out@v1", params={"event_type": "library_built", **self.params})
        workflow = make_workflow("release", (fan_out,))
        return make_request(
            run_id=self.root_id, root_id=self.root_id, parent_id=None, repo="root", private=False, workflow=workflow,
            idempotent=self.idempotent,
        )  # fmt: skip

    def run(self, *, alive: bool = True) -> TreeResult:
        """Run the tree to its end, holding its lock as a real root does."""
        write_request(self.workspace.request, self.root(), durable=False)
        return self._act(lambda executor: executor.run(self.root(), self.workspace), alive=alive)

    def resume(self) -> TreeResult:
        restored = restore(self.root(), self.workspace, read_journal(self.workspace.journal), failed_only=False)
        return self._act(lambda executor: executor.resume(restored), alive=True)

    def _act(self, act: Callable[[FanOutExecutor], TreeResult], *, alive: bool) -> TreeResult:
        clock = SystemClock()
        journal = Journal(self.workspace.journal, clock)
        deliveries = Deliveries(self.home, self.ledger, say=self.lines.append)
        self.executor = FanOutExecutor(
            orchestrator=self,  # type: ignore[arg-type]
            root_runner=self,
            child_runner=self,
            cap=self.cap,
            journal=journal,
            clock=clock,
            observer=self,
            deliveries=deliveries,
        )
        with ExitStack() as held:
            if alive:
                held.enter_context(own(self.workspace.run_lock))
            try:
                return act(self.executor)
            finally:
                deliveries.close()
                journal.close()

    def ledger(self) -> Ledger:
        return Ledger(f"{self.home}/events.db", clock=SystemClock(), say=self.lines.append)

    # The planner.

    def plan(self, event: Event, emitter: RunRequest, _held: object) -> Plan:
        runs = []
        for repo in self.subscribers.get(emitter.repo, ()):
            run_id = child_run_id(self.root_id, event.id, repo, "verify")
            ancestors = (*emitter.ancestors, emitter.as_ancestor())
            request = make_request(
                run_id=run_id,
                root_id=self.root_id,
                repo=repo,
                parent_id=emitter.run_id,
                event=event,
                ancestors=ancestors,
            )
            runs.append(PlannedRun(request, "hears it"))
        return Plan(event, tuple(runs))

    # The runner.

    def run_workflow(self, request: ChildRequest, listener: ChildListener) -> ChildResult:
        run = request.run
        self.started.append(run.repo)
        if run.repo in self.behaviours and not request.resumed:
            return self.behaviours[run.repo](request)
        keys = self.keys if run.repo == "root" else self.emits.get(run.repo, [])
        if request.resumed or not keys:
            return SUCCESS
        for number, key in enumerate(keys):
            waiting = number == len(keys) - 1
            step = f"tell-{number}"
            event = make_event(
                id=event_id(run.run_id, step),
                source=run.repo,
                run_id=run.run_id,
                step_id=step,
                key=key,
                waiting=waiting,
            )
            if waiting:
                return ChildResult("suspended", seconds=1.0, events=(event,))
            listener.child_event(run.run_id, event)
        raise AssertionError("the last event waits")

    def stop(self, by: int | None = None) -> None:
        pass

    def force(self) -> None:
        pass

    def cancel(self, run_id: str) -> None:
        pass

    # The observer.

    def run_started(self, request: RunRequest, *, resumed: bool) -> None: ...

    def run_step(self, request: RunRequest, step: StepUpdate) -> None: ...

    def run_waiting(self, request: RunRequest) -> None: ...

    def run_retrying(self, request: RunRequest, attempt: Attempt, delay: float) -> None: ...

    def run_ended(self, outcome: ChildOutcome) -> None: ...

    def planned(self, plan: Plan, emitter: RunRequest) -> None: ...

    def restored(self, plans: Sequence[Plan], outcomes: Sequence[ChildOutcome]) -> None: ...

    def told(self, text: str) -> None:
        self.lines.append(text)

    def interrupted(self, signal_number: int, *, working: int, again: bool) -> None: ...

    def paused(self) -> None: ...

    def unpaused(self) -> None: ...


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def stage(home: Path) -> Stage:
    return Stage(home)


class Elsewhere:
    """A tree of another process, as far as the ledger tells: its root emitted the event, and ``app`` has its key."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.workspace = root_workspace(str(home), SECOND)
        self.workspace.make()
        self.run = RunKey(SECOND, "exec-20261123-181804-0a1b2c3d")
        self.child = self.workspace.child(self.run.run_id)
        self.child.make()
        self.ledger = Ledger(f"{home}/events.db", clock=SystemClock(), say=print)
        event = make_event(id="evt-elsewhere", source="root", run_id=SECOND, key="k")
        inside = f"workspaces/{SECOND}/children/{self.run.run_id}"
        self.ledger.record(Recorded(event, SECOND, 0.0, None, (Delivery(self.run, "app", "verify", inside),)))
        slot = Slot("root", event.type, "k", "app", "verify", event.id)
        assert self.ledger.claim(Asking(self.run), [slot]).starts

    def leave_state(self, status: str, failure: Failure | None = None) -> None:
        """What the child wrote before it and its root were killed."""
        state = ExecutionState(self.run.run_id, "app", "verify", status, 1.0, failure=failure)
        write_state(self.child.state, state)

    def end(self, result: ChildResult) -> None:
        self.ledger.acknowledge(self.run, Outcome(result.status, result.failure, result.outputs))


@pytest.fixture
def elsewhere(home: Path) -> Iterator[Elsewhere]:
    elsewhere = Elsewhere(home)
    yield elsewhere
    elsewhere.ledger.close()


def in_background(stage: Stage) -> tuple[threading.Thread, list[TreeResult]]:
    results: list[TreeResult] = []
    thread = threading.Thread(target=lambda: results.append(stage.run()), daemon=True)
    thread.start()
    return thread, results


def outcomes(result: TreeResult) -> list[tuple[str, str, bool]]:
    return [(run.repo, run.status, run.delivered_by is not None) for run in result.runs]


def test_without_keys_everything_runs_and_is_written_down(stage: Stage) -> None:
    stage.keys = [None, None]
    stage.subscribers = {"root": ("app", "bad")}
    stage.behaviours = {"bad": lambda _: FAILED}
    result = stage.run()

    assert stage.started.count("app") == 2
    ledger = stage.ledger()
    found = ledger.events()
    ledger.close()
    assert [[each.status for each in event.deliveries] for event in found] == [["success", "failed"]] * 2
    assert {each.run.run_id for event in found for each in event.deliveries} == {run.run_id for run in result.runs}


@pytest.mark.parametrize("cap", [1, 4])
def test_the_same_key_twice_in_one_tree_runs_once_and_gives_both_the_outcome(home: Path, cap: int) -> None:
    stage = Stage(home, cap=cap)
    stage.keys = ["k", "k", "other"]
    result = stage.run()

    assert result.ok
    assert stage.started.count("app") == 2
    first, second, _ = result.runs
    (answered,) = [run for run in result.runs if run.delivered_by is not None]
    assert answered.delivered_by in (first.run_id, second.run_id)
    assert (answered.outputs, answered.started_at, answered.seconds) == (SUCCESS.outputs, None, 0.0)


def test_a_later_tree_is_answered_without_starting_anything(home: Path) -> None:
    first = Stage(home).run()
    stage = Stage(home, SECOND)
    result = stage.run()

    assert stage.started == ["root", "root"]
    assert result.ok
    assert result.runs[0].delivered_by == first.runs[0].run_id
    assert [run.delivered_by for run in read_history(stage.workspace).outcomes] == [None, first.runs[0].run_id]


def test_a_failure_by_itself_is_returned_with_the_name_of_the_run(home: Path) -> None:
    first = Stage(home)
    first.behaviours = {"app": lambda _: FAILED}
    ran = first.run().runs[0]
    result = Stage(home, SECOND).run()

    assert not result.ok
    failure = result.runs[0].failure
    assert failure is not None
    assert (failure.kind, failure.step, failure.exit_code) == (STEP_FAILED, "test", 1)
    assert failure.headline == "exit code 1"
    assert ran.run_id in failure.message


def test_a_crash_is_no_delivery(home: Path) -> None:
    first = Stage(home)
    first.behaviours = {"app": lambda _: CRASHED}
    first.run()
    stage = Stage(home, SECOND)
    result = stage.run()
    assert outcomes(result) == [("app", "success", False)]


def test_what_waits_for_one_that_crashes_runs_itself(
    stage: Stage, wait_until: Callable[[Callable[[], object]], None]
) -> None:
    stage.keys = ["k", "k"]
    tries: list[str] = []

    def crash_first(request: ChildRequest) -> ChildResult:
        tries.append(request.run.run_id)
        if len(tries) == 1:
            wait_until(lambda: stage.lines)
            return CRASHED
        return SUCCESS

    stage.behaviours = {"app": crash_first}
    result = stage.run()
    assert sorted(run.status for run in result.runs) == ["failed", "success"]
    assert len(set(tries)) == 2
    assert "is delivering the same (idempotency key 'k')" in stage.lines[0]


def test_who_waits_holds_no_place(
    home: Path, elsewhere: Elsewhere, wait_until: Callable[[Callable[[], object]], None]
) -> None:
    with own(elsewhere.workspace.run_lock):
        stage = Stage(home, cap=1)
        stage.subscribers = {"root": ("app", "b", "c")}
        thread, results = in_background(stage)
        wait_until(lambda: stage.lines and {"b", "c"} <= set(stage.started))
        assert SECOND in stage.lines[0]
        assert not results
        elsewhere.end(SUCCESS)
        thread.join(10)
    assert outcomes(results[0]) == [("app", "success", True), ("b", "success", False), ("c", "success", False)]
    assert "app" not in stage.started
    assert len(stage.lines) == 1


def test_who_waits_takes_over_when_the_other_root_has_died(
    home: Path, elsewhere: Elsewhere, wait_until: Callable[[Callable[[], object]], None]
) -> None:
    stage = Stage(home)
    with own(elsewhere.workspace.run_lock):
        thread, results = in_background(stage)
        wait_until(lambda: stage.lines)
    thread.join(10)
    assert outcomes(results[0]) == [("app", "success", False)]


def test_a_child_that_outlives_its_root_is_still_waited_for(
    home: Path, elsewhere: Elsewhere, wait_until: Callable[[Callable[[], object]], None]
) -> None:
    stage = Stage(home)
    with own(elsewhere.child.run_lock):
        thread, results = in_background(stage)
        wait_until(lambda: stage.lines)
        elsewhere.leave_state("success")
    thread.join(10)
    assert outcomes(results[0]) == [("app", "success", True)]


@pytest.mark.parametrize("status", ["success", "failed"])
def test_a_dead_roots_run_whose_state_tells_its_end_has_delivered(
    home: Path, elsewhere: Elsewhere, status: str
) -> None:
    elsewhere.leave_state(status, None if status == "success" else FAILED.failure)
    result = Stage(home).run()
    assert outcomes(result) == [("app", status, True)]
    (told,) = [each for each in elsewhere.ledger.events() if each.event.id == "evt-elsewhere"]
    assert told.deliveries[0].status == status


def test_work_that_was_done_before_a_power_cut_took_back_its_claim_is_found(home: Path, elsewhere: Elsewhere) -> None:
    elsewhere.leave_state("success")
    raw = sqlite3.connect(home / "events.db")
    raw.execute("DELETE FROM claims")
    raw.commit()
    raw.close()
    assert outcomes(Stage(home).run()) == [("app", "success", True)]
    (told,) = [each for each in elsewhere.ledger.events() if each.event.id == "evt-elsewhere"]
    assert told.deliveries[0].status == "success"


def test_a_delivery_that_was_planned_elsewhere_and_not_begun_hinders_nobody(home: Path, elsewhere: Elsewhere) -> None:
    raw = sqlite3.connect(home / "events.db")
    raw.execute("DELETE FROM claims")
    raw.commit()
    raw.close()
    with own(elsewhere.workspace.run_lock):
        assert outcomes(Stage(home).run()) == [("app", "success", False)]


def test_a_dead_roots_run_that_was_in_the_middle_has_not(home: Path, elsewhere: Elsewhere) -> None:
    elsewhere.leave_state("running")
    assert outcomes(Stage(home).run()) == [("app", "success", False)]


def test_an_interruption_ends_the_waiting(
    home: Path, elsewhere: Elsewhere, wait_until: Callable[[Callable[[], object]], None]
) -> None:
    with own(elsewhere.workspace.run_lock):
        stage = Stage(home)
        thread, results = in_background(stage)
        wait_until(lambda: stage.lines)
        assert stage.executor is not None
        stage.executor.interrupt(signal.SIGINT)
        thread.join(10)
        assert results[0].interrupted_by == signal.SIGINT
    assert outcomes(results[0]) == [("app", "pending", False)]
    elsewhere.end(SUCCESS)
    assert outcomes(stage.resume()) == [("app", "success", True)]


def test_a_timeout_of_the_fan_out_ends_the_waiting(home: Path, elsewhere: Elsewhere) -> None:
    with own(elsewhere.workspace.run_lock):
        stage = Stage(home)
        stage.params = {"timeout": 0.3}
        result = stage.run()
    failure = result.runs[0].failure
    assert failure is not None
    assert failure.kind == FAN_OUT_TIMEOUT


def test_fail_fast_ends_the_waiting(
    home: Path, elsewhere: Elsewhere, wait_until: Callable[[Callable[[], object]], None]
) -> None:
    with own(elsewhere.workspace.run_lock):
        stage = Stage(home)
        stage.params = {"fail_fast": True}
        stage.subscribers = {"root": ("app", "bad")}

        def fail(_request: ChildRequest) -> ChildResult:
            wait_until(lambda: stage.lines)
            return FAILED

        stage.behaviours = {"bad": fail}
        result = stage.run()
    failure = result.runs[0].failure
    assert failure is not None
    assert failure.kind == CANCELLED


def test_a_resumed_tree_acknowledges_what_its_journal_knows_and_runs_its_failures_again(home: Path) -> None:
    stage = Stage(home)
    stage.subscribers = {"root": ("app", "bad")}
    stage.behaviours = {"bad": lambda _: FAILED}
    ran = stage.run()
    ledger = stage.ledger()
    # As if it had been killed after the journal's entry and before the ledger's.
    ledger.reopen([RunKey(FIRST, run.run_id) for run in ran.runs])
    assert len(ledger.unacknowledged(FIRST)) == 2

    stage.behaviours = {}
    stage.started.clear()
    result = stage.resume()
    assert outcomes(result) == [("app", "success", False), ("bad", "success", False)]
    assert stage.started.count("bad") == 1
    assert "app" not in stage.started
    assert ledger.unacknowledged(FIRST) == set()
    (recorded,) = ledger.events()
    assert [each.status for each in recorded.deliveries] == ["success", "success"]
    ledger.close()
    assert outcomes(Stage(home, SECOND).run()) == [("app", "success", True)]


def test_a_resumed_tree_whose_work_was_taken_over_is_answered(home: Path) -> None:
    stage = Stage(home)
    stage.behaviours = {"app": lambda _: CRASHED}
    stage.run()
    Stage(home, SECOND).run()
    stage.behaviours = {}
    stage.started.clear()
    stage.subscribers = {}
    result = stage.resume()
    assert outcomes(result) == [("app", "success", True)]
    assert "app" not in stage.started
    assert outcomes(stage.resume()) == [("app", "success", True)], "the journal says who did it"


def test_a_resumed_tree_that_was_answered_by_a_failure_does_the_work_itself(home: Path) -> None:
    first = Stage(home)
    first.behaviours = {"app": lambda _: FAILED}
    first.run()
    stage = Stage(home, SECOND)
    assert outcomes(stage.run()) == [("app", "failed", True)]
    assert outcomes(stage.resume()) == [("app", "success", False)]


def test_a_resumed_tree_records_what_a_lost_ledger_does_not_know(home: Path) -> None:
    stage = Stage(home)
    stage.behaviours = {"app": lambda _: CRASHED}
    stage.run()
    for path in home.glob("events.db*"):
        path.unlink()
    stage.behaviours = {}
    stage.resume()
    ledger = stage.ledger()
    (recorded,) = ledger.events()
    ledger.close()
    assert [each.status for each in recorded.deliveries] == ["success"]


def test_waiting_in_a_circle_is_refused_with_the_way(home: Path, elsewhere: Elsewhere) -> None:
    # Elsewhere, app has fanned out to lib, which waits for the lib of this tree, which waits for an app.
    stage = Stage(home)
    stage.subscribers = {"root": ("lib",), "lib": ("app",)}
    stage.emits = {"lib": ["k"]}
    lib = RunKey(FIRST, child_run_id(FIRST, event_id(FIRST, "tell-0"), "lib", "verify"))
    below = make_event(id="evt-below", source="app", run_id=elsewhere.run.run_id, key="k")
    waiter = RunKey(SECOND, "exec-20261123-181804-0000000b")
    elsewhere.ledger.record(Recorded(below, SECOND, 0.0, None, (Delivery(waiter, "lib", "verify", "x"),)))

    def tell(request: ChildRequest) -> ChildResult:
        slot = Slot("root", "library_built", "k", "lib", "verify", below.id)
        assert elsewhere_ledger.claim(Asking(waiter), [slot]).wait is not None
        elsewhere_ledger.close()
        event = make_event(
            id=event_id(lib.run_id, "tell-0"), source="root", run_id=lib.run_id, step_id="tell-0", key="k"
        )
        return ChildResult("suspended", seconds=1.0, events=(event,))

    elsewhere_ledger = stage.ledger()
    stage.behaviours = {"lib": tell}
    with own(elsewhere.workspace.run_lock):
        result = stage.run()
    (refused,) = [run for run in result.runs if run.repo == "app"]
    assert refused.failure is not None
    assert refused.failure.kind == PLAN_REFUSED
    for each in (refused.run_id, elsewhere.run.run_id, waiter.run_id, lib.run_id):
        assert each in refused.failure.message


def test_a_run_that_takes_several_events_is_answered_when_all_were_delivered(home: Path, elsewhere: Elsewhere) -> None:
    elsewhere.end(SUCCESS)
    events = [make_event(id=f"evt-{key}", source="root", key=key) for key in ("other", "k")]
    deliveries = Deliveries(str(home), Stage(home).ledger)

    def ask(run_id: str, *heard: Event) -> ChildResult | Waiting | None:
        request = make_request(run_id=run_id, root_id=FIRST, repo="app", event=heard[-1], heard=heard)
        plans = [Plan(event, (PlannedRun(request, "hears it"),)) for event in heard]
        for plan in plans:
            deliveries.planned(plan, make_request(run_id=FIRST, root_id=FIRST), root_workspace(str(home), FIRST))
        answer = deliveries.ask(request)
        if answer is None:
            deliveries.ended(request, SUCCESS)
        return answer

    assert isinstance(ask("exec-20261123-181803-00000001", events[1]), ChildResult)
    assert ask("exec-20261123-181803-00000002", *events) is None
    assert isinstance(ask("exec-20261123-181803-00000003", *events), ChildResult)
    unkeyed = make_event(id="evt-unkeyed", source="root")
    assert ask("exec-20261123-181803-00000004", unkeyed, *events) is None
    deliveries.close()


def test_with_idempotent_every_event_gets_a_key_of_what_it_says(home: Path) -> None:
    first = Stage(home)
    first.idempotent = True
    first.keys = [None]
    first.run()
    ledger = first.ledger()
    (recorded,) = ledger.events()
    ledger.close()
    key = recorded.event.key
    assert key is not None
    assert key == with_key(replace(recorded.event, key=None, id="evt-other", timestamp="later", run_id="r")).key
    changes: list[dict[str, object]] = [{"source": "x"}, {"type": "x"}, {"schema_version": None}, {"payload": {}}]
    for change in changes:
        assert with_key(replace(recorded.event, key=None, **change)).key != key

    stage = Stage(home, SECOND)
    stage.idempotent = True
    stage.keys = [None]
    assert outcomes(stage.run()) == [("app", "success", True)]


def test_a_ledger_that_cannot_be_used_is_told_of_once_and_everything_runs(home: Path) -> None:
    (home / "events.db").mkdir(parents=True)
    stage = Stage(home)
    stage.keys = ["k", "k"]
    result = stage.run()
    assert result.ok
    assert stage.started.count("app") == 2
    (line,) = stage.lines
    assert line.startswith("warning: ")
    assert "events.db" in line
