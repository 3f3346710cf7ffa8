"""Runs a whole tree: starts what the scheduler says may start, hears what happens, plans what was emitted.

One loop, in the thread that calls ``run``, makes every decision; each child that is at work has a thread of its own
that only waits for it and puts what it hears into one queue.
"""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue

from tako.children.base import ChildRequest, ChildResult
from tako.errors import MachineError
from tako.execution.answer import write_answer
from tako.execution.failure import PROTOCOL, Failure
from tako.fanout.result import FanOutResult, TreeResult
from tako.fanout.scheduler import Scheduler
from tako.fanout.tree import Tree
from tako.records import record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from tako.children.base import StepUpdate, WorkflowRunner
    from tako.clock import Clock
    from tako.execution.event import Event
    from tako.execution.request import RunRequest
    from tako.execution.workspace import Workspace
    from tako.fanout.journal import Journal
    from tako.fanout.orchestrator import Orchestrator
    from tako.fanout.plan import Plan
    from tako.fanout.result import ChildOutcome

    class TreeObserver(Protocol):
        """Hears how a tree grows; called from the thread of ``run`` only."""

        def run_started(self, request: RunRequest, *, resumed: bool) -> None: ...

        def run_step(self, request: RunRequest, step: StepUpdate) -> None: ...

        def run_waiting(self, request: RunRequest) -> None: ...

        def run_ended(self, outcome: ChildOutcome) -> None: ...

        def planned(self, plan: Plan, emitter: RunRequest) -> None: ...

        def interrupted(self, signal_number: int) -> None: ...


_LOOK_UP_SECONDS = 0.5


@record
class _Ended:
    run_id: str
    result: ChildResult


@record
class _Broken:
    """A thread of ours failed: Tako's own error, or the machine's."""

    run_id: str
    error: BaseException


@record
class _Heard:
    """Something to do in the loop's thread."""

    act: Callable[[], None]


class FanOutExecutor:
    """Runs one tree from its root to its last descendant.

    ``root_runner`` runs the root, ``child_runner`` the children; both only ever see a request. Use once.
    """

    def __init__(
        self,
        *,
        orchestrator: Orchestrator,
        root_runner: WorkflowRunner,
        child_runner: WorkflowRunner,
        cap: int,
        journal: Journal,
        clock: Clock,
        observer: TreeObserver,
    ) -> None:
        self._orchestrator = orchestrator
        self._root_runner = root_runner
        self._child_runner = child_runner
        self._scheduler = Scheduler(cap)
        self._journal = journal
        self._clock = clock
        self._observer = observer
        self._queue: SimpleQueue[_Ended | _Broken | _Heard] = SimpleQueue()
        self._tree = Tree()
        self._fan_outs: list[FanOutResult] = []
        self._interrupted_by: int | None = None

    def interrupt(self, signal_number: int) -> None:
        """Ask the tree to stop; may be called from a signal handler (``SimpleQueue.put`` is reentrant)."""
        self._queue.put(_Heard(lambda: self._stop(signal_number)))

    def run(self, request: RunRequest, workspace: Workspace) -> TreeResult:
        """Run a root and all it triggers.

        What fails in a child is in the result. Raises ``MachineError`` or ``StateError`` if Tako itself cannot go on;
        the children are then ended first.
        """
        began = self._clock.monotonic()
        self._tree.add(request, workspace, event_id=None)
        self._scheduler.add_root(request.run_id)
        try:
            self._loop()
        except BaseException:
            self._stop_children()
            self._wait_for_the_working()
            raise
        seconds = self._clock.monotonic() - began
        ok = self._interrupted_by is None and not self._scheduler.failed(request.run_id)
        self._journal.finished(ok=ok, seconds=seconds, interrupted_by=self._interrupted_by)
        root, *runs = self._tree.outcomes()
        return TreeResult(
            root=root,
            runs=tuple(runs),
            fan_outs=tuple(self._fan_outs),
            warnings=self._tree.warnings(),
            ok=ok,
            seconds=seconds,
            interrupted_by=self._interrupted_by,
        )

    def _loop(self) -> None:
        while not self._scheduler.finished:
            if self._interrupted_by is None:
                for run_id in self._scheduler.startable():
                    self._start(run_id)
            elif not self._tree.working:
                return
            match self._next_message():
                case _Ended(run_id=run_id, result=result):
                    self._child_ended(run_id, result)
                case _Broken(run_id=run_id, error=error):
                    self._tree.working.discard(run_id)
                    raise error
                case _Heard(act=act):
                    act()
            self._answer_settled()

    def _next_message(self) -> _Ended | _Broken | _Heard:
        """Wait for a message, with a look up now and then.

        Python runs a signal's handler, which may be what puts the message, only between two steps of the main
        thread. A signal that comes in the instant before the wait begins would be seen when the next child speaks.
        """
        while True:
            try:
                return self._queue.get(timeout=_LOOK_UP_SECONDS)
            except Empty:
                continue

    def _start(self, run_id: str) -> None:
        node = self._tree[run_id]
        self._scheduler.started(run_id)
        self._tree.working.add(run_id)
        resumed = node.started_at is not None
        if not resumed:
            node.started_at = self._clock.now()
        self._observer.run_started(node.request, resumed=resumed)
        runner = self._child_runner if node.request.parent_id else self._root_runner
        child = ChildRequest(node.request, node.workspace, resumed=resumed)
        thread = threading.Thread(target=self._work, args=(runner, child), name=run_id, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self._tree.working.discard(run_id)
            raise MachineError(f"cannot start a thread to watch {run_id}: {error}") from error

    def _work(self, runner: WorkflowRunner, child: ChildRequest) -> None:
        """In a child's thread: run it, and say how it ended."""
        try:
            result = runner.run_workflow(child, self)
        except BaseException as error:  # noqa: BLE001  (it is raised again in the loop's thread)
            self._queue.put(_Broken(child.run.run_id, error))
        else:
            self._queue.put(_Ended(child.run.run_id, result))

    # What children say while they work: called from their threads, acted on in the loop's.

    def child_started(self, run_id: str, pid: int) -> None:
        """A child's process said hello."""
        self._queue.put(_Heard(lambda: self._journal.started(run_id, pid)))

    def child_step(self, run_id: str, step: StepUpdate) -> None:
        """A child's step began or ended."""
        self._queue.put(_Heard(lambda: self._observer.run_step(self._tree[run_id].request, step)))

    def child_event(self, run_id: str, event: Event) -> None:
        """A child emitted an event and goes on."""
        self._queue.put(_Heard(lambda: None if self._tree.is_planned(event.id) else self._plan(run_id, event)))

    def _child_ended(self, run_id: str, result: ChildResult) -> None:
        node = self._tree[run_id]
        self._tree.working.discard(run_id)
        node.seconds += result.seconds
        if result.event is not None and self._tree.is_planned(result.event.id):
            message = f"the child waits for the event {result.event.id} again, which has been dealt with"
            result = replace(result, status="failed", event=None, failure=Failure(kind=PROTOCOL, message=message))
        if result.event is not None:
            self._journal.waiting(run_id, result.event.id)
            self._observer.run_waiting(node.request)
            self._plan(run_id, result.event)
            return
        self._conclude(run_id, result)

    def _plan(self, run_id: str, event: Event) -> None:
        """Plan an event, make the plan durable, and hand its runs to the scheduler."""
        emitter = self._tree[run_id]
        plan = self._orchestrator.plan(event, emitter.request)
        self._journal.planned(plan, run_id)
        self._tree.add_plan(plan, emitter)
        self._scheduler.emitted(
            run_id,
            event.id,
            [planned.request.run_id for planned in plan.runs],
            waiting=event.waiting,
            failed=plan.refused is not None,
        )
        self._observer.planned(plan, emitter.request)
        for planned in plan.runs:
            if planned.failure is not None:
                never_started = ChildResult(status="failed", seconds=0.0, failure=planned.failure)
                self._conclude(planned.request.run_id, never_started)

    def _conclude(self, run_id: str, result: ChildResult) -> None:
        node = self._tree[run_id]
        node.ended_at = self._clock.now()
        node.result = result
        self._journal.ended(run_id, result.status, result.failure, node.seconds, result.outputs)
        self._scheduler.ended(run_id, failed=result.status != "success")
        self._observer.run_ended(self._tree.outcome(run_id))

    def _answer_settled(self) -> None:
        """Write down how each settled fan-out ended, before its waiter is started again."""
        for event_id in self._scheduler.take_settled():
            plan = self._tree.plan(event_id)
            children = tuple(self._tree.outcome(planned.request.run_id) for planned in plan.runs)
            result = FanOutResult(
                event=plan.event,
                children=children,
                failed_below=self._scheduler.failed_below(event_id),
                refused=plan.refused,
            )
            self._fan_outs.append(result)
            waiter = self._scheduler.waiter(event_id)
            if waiter is not None:
                write_answer(self._tree[waiter].workspace, plan.event.step_id, result.answer())

    def _stop(self, signal_number: int) -> None:
        """Let nothing new start and ask everyone at work to end."""
        if self._interrupted_by is not None:
            return
        self._interrupted_by = signal_number
        self._observer.interrupted(signal_number)
        self._stop_children()

    def _stop_children(self) -> None:
        self._child_runner.stop()
        self._root_runner.stop()

    def _wait_for_the_working(self) -> None:
        """After an error of our own: let the threads see their children end, whatever they have to say."""
        while self._tree.working:
            message = self._next_message()
            if isinstance(message, _Ended | _Broken):
                self._tree.working.discard(message.run_id)
