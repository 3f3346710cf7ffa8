"""A tree whose runs are functions, and whose clock only the test moves: who plays in the executor's tests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tako.children.base import ChildRequest, ChildResult, StepUpdate
from tako.config.model import StepSpec
from tako.execution.answer import read_answer
from tako.execution.event import Event
from tako.execution.failure import INPUTS_INVALID, INTERRUPTED, KILLED, PLAN_REFUSED, STEP_FAILED, Failure
from tako.execution.request import RunRequest, write_request
from tako.execution.workspace import Workspace
from tako.fanout.breaker import Breaker
from tako.fanout.executor import FanOutExecutor
from tako.fanout.journal import Journal
from tako.fanout.plan import Plan, PlannedRun
from tako.fanout.result import Attempt, ChildOutcome, TreeResult
from tako.ids import child_run_id
from tako.testing import FakeClock
from tests.builders import ROOT_ID, make_event, make_request, make_root, make_workflow

if TYPE_CHECKING:
    from tako.children.base import ChildListener

SUCCESS = ChildResult("success", seconds=1.0)
BROKEN = Failure(STEP_FAILED, "exit code 1", step="test", exit_code=1)
FAILED = ChildResult("failed", seconds=1.0, failure=BROKEN)
KILL = Failure(KILLED, "the child process was killed by SIGKILL (signal 9)", step="test", signal=9, log=("last",))
CRASHED = ChildResult("failed", seconds=1.0, failure=KILL)
STOPPED = Failure(INTERRUPTED, "stopped before the step had ended", step="test", log=("so far",))

Behaviour = Callable[[ChildRequest, "ChildListener"], ChildResult]


def succeeds(_request: ChildRequest, _listener: ChildListener) -> ChildResult:
    return SUCCESS


def fails(_request: ChildRequest, _listener: ChildListener) -> ChildResult:
    return FAILED


def crashes(_request: ChildRequest, _listener: ChildListener) -> ChildResult:
    return CRASHED


def emitted(request: ChildRequest, *, step: str = "tell", waiting: bool = True) -> Event:
    return make_event(run_id=request.run.run_id, step_id=step, source=request.run.repo, waiting=waiting)


def waits(request: ChildRequest, *, step: str = "tell") -> ChildResult:
    return ChildResult("suspended", seconds=1.0, events=(emitted(request, step=step),))


def waits_once(request: ChildRequest, _listener: ChildListener) -> ChildResult:
    """Waits for a fan-out; fails if that failed."""
    if not request.resumed:
        return waits(request)
    answer = read_answer(request.workspace, "tell", emitted(request).id)
    if answer.failure is not None:
        return ChildResult("failed", seconds=1.0, failure=answer.failure)
    return SUCCESS


def tells_once(request: ChildRequest, listener: ChildListener) -> ChildResult:
    """Emits an event and goes on."""
    listener.child_event(request.run.run_id, emitted(request, waiting=False))
    return SUCCESS


class Cast:
    """A tree whose runs do what is said of their repositories; also its planner, its observer and its clock's hand.

    ``policies`` are what the fan-out steps of the repositories say in their ``with``.
    """

    def __init__(self, directory: Path, *, cap: int = 4, max_crashes: int = 5) -> None:
        self.workspace = Workspace(str(directory))
        self.clock = FakeClock()
        self.journal = Journal(self.workspace.journal, self.clock)
        self.behaviours: dict[str, Behaviour] = {}
        self.subscribers: dict[str, tuple[str, ...]] = {}
        self.policies: dict[str, dict[str, Any]] = {}
        self.misfits: set[str] = set()
        self.refused: set[str] = set()
        self.started: list[tuple[str, bool]] = []
        self.attempts: list[tuple[str, int]] = []
        self.delays: list[float] = []
        self.heard: list[str] = []
        self.ids = {"root": ROOT_ID}
        """The last run of each repository."""
        self.most: dict[str, int] = {}
        """How many runs of a repository's parent were at work at once, at most, by the parent's run id."""
        self.cancelled: list[str] = []
        self.stopped = threading.Event()
        self.forced = threading.Event()
        self.over = threading.Event()
        self._repos: dict[str, str] = {}
        self._lock = threading.Lock()
        self._asked: dict[str, threading.Event] = {}
        self._at_work: dict[str, int] = {}
        self._acts: list[Callable[[], None]] = []
        self._failed: list[BaseException] = []
        self.executor = FanOutExecutor(
            orchestrator=self,  # type: ignore[arg-type]
            root_runner=self,
            child_runner=self,
            cap=cap,
            journal=self.journal,
            clock=self.clock,
            observer=self,
            breaker=Breaker(max_crashes),
        )

    def run(self, meanwhile: Callable[[], object] = lambda: None) -> TreeResult:
        """Run the tree, and something beside it; what fails there ends the tree and fails the test."""
        root = self._request("root", run_id=ROOT_ID, parent_id=None, event=None, make=make_root)
        write_request(self.workspace.request, root)
        beside = threading.Thread(target=self._beside, args=(meanwhile,))
        beside.start()
        try:
            result = self.executor.run(root, self.workspace)
        finally:
            self.over.set()
            beside.join()
        if self._failed:
            raise self._failed[0]
        return result

    def _beside(self, meanwhile: Callable[[], object]) -> None:
        try:
            meanwhile()
        except BaseException as error:  # noqa: BLE001  (it is raised again by ``run``)
            self._failed.append(error)
            self.executor.interrupt(15)
            self.force()

    # What a test does meanwhile.

    def wait_until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, f"the condition never held; heard {self.heard}"
            time.sleep(0.002)

    def wait_to_hear(self, what: str, times: int = 1) -> None:
        self.wait_until(lambda: self.heard.count(what) >= times)

    def let_pass(self, seconds: float) -> None:
        """Let time pass, little by little, since much at once is taken for a stop; what is due then is done."""
        while seconds > 0:
            step = min(seconds, 0.5)
            self.clock.advance(step)
            seconds -= step
            # The loop does what is due before it acts on the second one.
            self.settle()
            self.settle()

    def settle(self) -> None:
        """Return when the loop has acted on all that it was told before, or is over."""
        done = threading.Event()
        self._acts.append(done.set)
        self.executor.child_step(ROOT_ID, StepUpdate("act", "running"))
        self.wait_until(lambda: done.is_set() or self.over.is_set())

    def ask(self, repo: str) -> threading.Event:
        """What tells a run to end: a cancellation, a stop, or a test."""
        return self._ask(self.ids[repo])

    def _ask(self, run_id: str) -> threading.Event:
        with self._lock:
            flag = self._asked.setdefault(run_id, threading.Event())
        if self.stopped.is_set():
            flag.set()
        return flag

    # The planner.

    def plan(self, event: Event, emitter: RunRequest, held: object = None) -> Plan:
        if event.source in self.refused:
            return Plan(event, refused=Failure(PLAN_REFUSED, "a cycle"))
        runs = []
        for repo in self.subscribers.get(event.source, ()):
            run_id = child_run_id(ROOT_ID, event.id, repo, "verify")
            self.ids[repo], self._repos[run_id] = run_id, repo
            request = self._request(repo, run_id=run_id, parent_id=emitter.run_id, event=event, make=make_request)
            failure = Failure(INPUTS_INVALID, "required input 'x' not provided") if repo in self.misfits else None
            runs.append(PlannedRun(request, "hears it", failure))
        return Plan(event, tuple(runs), warnings=("a warning",))

    def _request(self, repo: str, *, make: Callable[..., RunRequest], **fields: Any) -> RunRequest:
        tell = StepSpec(id="tell", uses="tako/fan-out@v1", params=self.policies.get(repo, {}))
        workflow = make_workflow(steps=(StepSpec(id="test", run="true"), tell))
        return make(repo=repo, workflow=workflow, **fields)

    # The runner.

    def run_workflow(self, request: ChildRequest, listener: ChildListener) -> ChildResult:
        run, above = request.run, request.run.parent_id or ""
        with self._lock:
            self.started.append((run.repo, request.resumed))
            self.attempts.append((run.repo, request.attempt))
            self._at_work[above] = self._at_work.get(above, 0) + 1
            self.most[above] = max(self.most.get(above, 0), self._at_work[above])
        try:
            return self.behaviours.get(run.repo, succeeds)(request, listener)
        finally:
            with self._lock:
                self._at_work[above] -= 1

    def works_until_asked(self, request: ChildRequest, _listener: ChildListener) -> ChildResult:
        """A behaviour: at work until it is asked to end."""
        assert self._ask(request.run.run_id).wait(10), f"nobody asked {request.run.repo} to end"
        return ChildResult("failed", seconds=1.0, failure=STOPPED)

    def succeeds_when_asked(self, request: ChildRequest, listener: ChildListener) -> ChildResult:
        """A behaviour: the same, but it had just done its work."""
        self.works_until_asked(request, listener)
        return SUCCESS

    def stop(self, by: int | None = None) -> None:
        self.stopped.set()
        with self._lock:
            flags = list(self._asked.values())
        for flag in flags:
            flag.set()

    def force(self) -> None:
        self.stop()
        self.forced.set()

    def cancel(self, run_id: str) -> None:
        self.cancelled.append(self._repos[run_id])
        self._ask(run_id).set()

    # The observer.

    def run_started(self, request: RunRequest, *, resumed: bool) -> None:
        self.heard.append(f"{request.repo} {'goes on' if resumed else 'starts'}")

    def run_step(self, request: RunRequest, step: StepUpdate) -> None:
        if step.id == "act":
            self._acts.pop(0)()
        else:
            self.heard.append(f"{request.repo} {step.id} {step.status}")

    def run_waiting(self, request: RunRequest) -> None:
        self.heard.append(f"{request.repo} waits")

    def run_retrying(self, request: RunRequest, attempt: Attempt, delay: float) -> None:
        self.delays.append(delay)
        self.heard.append(f"{request.repo} rests after try {attempt.number}")

    def run_ended(self, outcome: ChildOutcome) -> None:
        self.heard.append(f"{outcome.repo} {outcome.status}")

    def planned(self, plan: Plan, emitter: RunRequest) -> None:
        self.heard.append(f"{emitter.repo} triggers {len(plan.runs)}")

    def restored(self, plans: Sequence[Plan], outcomes: Sequence[ChildOutcome]) -> None:
        self.heard.append(f"restored {len(plans)} plans, {len(outcomes)} runs")

    def told(self, text: str) -> None:
        self.heard.append(text)

    def interrupted(self, signal_number: int, *, working: int, again: bool) -> None:
        self.heard.append(f"signal {signal_number}{' again' if again else ''}, {working} at work")

    def paused(self) -> None:
        self.heard.append("paused")

    def unpaused(self) -> None:
        self.heard.append("unpaused")


def statuses(result: TreeResult) -> dict[str, str]:
    """How the runs ended, by repository."""
    return {run.repo: run.status for run in (result.root, *result.runs)}


def kinds(result: TreeResult) -> dict[str, str]:
    """Why those failed that did, by repository."""
    return {run.repo: run.failure.kind for run in (result.root, *result.runs) if run.failure is not None}
