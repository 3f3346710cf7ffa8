"""Runs a whole tree: starts what the scheduler says may start, hears what happens, plans what was emitted.

One loop, in the thread that calls ``run``, makes every decision (see ``workforce``).
"""

from __future__ import annotations

import contextlib
from functools import partial

from tako.children.base import ChildRequest, ChildResult
from tako.children.retry import decide, is_crash, jitter
from tako.execution.answer import forget_answer, write_answer
from tako.execution.event import with_key
from tako.execution.failure import PROTOCOL, Failure
from tako.execution.inbox import take_cancellations
from tako.execution.state import SUCCESS
from tako.execution.workspace import discard_checkout
from tako.fanout.breaker import Breaker
from tako.fanout.delivery import Deliveries
from tako.fanout.endings import Endings
from tako.fanout.held import HeldRuns, heard_without
from tako.fanout.interruption import Interruption
from tako.fanout.last_steps import LastSteps
from tako.fanout.restore import known_events, known_runs
from tako.fanout.result import GOOD_ENDS, Attempt, FanOutResult, TreeResult, answer_of
from tako.fanout.scheduler import ENDED, HELD, READY, RESTING, Scheduler
from tako.fanout.speakers import Speakers
from tako.fanout.tree import Tree
from tako.fanout.verdicts import not_triggered, refused_by, sentenced
from tako.fanout.workforce import Broken, Ended, ToDo, Workforce
from tako.ids import fan_out_of
from tako.records import replace
from tako.steps.base import RunInterruptedError

LOOK_SECONDS = 0.2
"""Between two looks whether another run has done the work of one that waits for it."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tako.children.base import StepUpdate, WorkflowRunner
    from tako.clock import Clock
    from tako.execution.event import Event
    from tako.execution.request import RunRequest
    from tako.execution.workspace import Workspace
    from tako.fanout.journal import Journal
    from tako.fanout.observer import TreeObserver
    from tako.fanout.orchestrator import Orchestrator
    from tako.fanout.plan import Plan
    from tako.fanout.restore import Restored
    from tako.fanout.tree import Node


class FanOutExecutor:
    """Runs one tree from its root to its last descendant.

    ``root_runner`` runs the root, ``child_runner`` the children; both only ever see a request. ``breaker`` says which
    workflows have crashed too often, ``deliveries`` whose work is done by others. ``abandon`` is told of a run that
    waits and will not go on. Use once.
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
        breaker: Breaker | None = None,
        deliveries: Deliveries | None = None,
        abandon: Callable[[Workspace], object] = lambda _: None,
        on_plan: Callable[[Plan], object] = lambda _plan: None,
    ) -> None:
        """``on_plan`` is called with each plan, also of a tree that goes on, before anything of it starts."""
        self._on_plan = on_plan
        self._orchestrator = orchestrator
        self._workforce = Workforce(root_runner=root_runner, child_runner=child_runner, clock=clock)
        self._scheduler = Scheduler(cap)
        self._journal = journal
        self._clock = clock
        self._observer = observer
        self._resumed_at: float | None = None
        self._interruption = Interruption(self._workforce, observer)
        self._breaker = breaker or Breaker()
        self._deliveries = deliveries or Deliveries()
        self._tree = Tree()
        self._last = LastSteps(tree=self._tree, scheduler=self._scheduler, start=self._start_last)
        self._endings = Endings(
            tree=self._tree,
            scheduler=self._scheduler,
            workforce=self._workforce,
            abandon=abandon,
            conclude=self._conclude,
            last=self._last,
        )
        self._fan_outs: list[FanOutResult] = []
        self._settled: set[str] = set()
        self._held = HeldRuns()
        self._speakers = Speakers(self._tree, orchestrator)

    def interrupt(self, signal_number: int) -> None:
        """Ask the tree to stop; see ``Interruption``."""
        self._interruption.interrupt(signal_number)

    def pause(self, stop_and_wait: Callable[[], None]) -> None:
        """Let the tree stand still for a while; see ``Interruption``."""
        self._interruption.pause(stop_and_wait)

    def run(self, request: RunRequest, workspace: Workspace) -> TreeResult:
        """Run a root and all it triggers.

        What fails in a child is in the result. Raises ``MachineError`` or ``StateError`` if Tako itself cannot go on;
        the children are then ended first.
        """
        self._tree.add(request, workspace, event_id=None)
        self._scheduler.add_root(request.run_id)
        self._speakers.add(request.run_id)
        return self._run(request, workspace)

    def resume(self, restored: Restored) -> TreeResult:
        """Go on with a tree: run what has not succeeded, and what waits for that; see ``run``."""
        # What was asked of those who were at work before is not asked of these.
        take_cancellations(restored.root.workspace)
        self._journal.resumed()
        self._resumed_at = self._clock.now()
        for run in restored.runs:
            self._tree.restore(run)
            if run.asks_again:
                forget_answer(run.workspace, run.asks_again)
        for plan in restored.plans:
            self._on_plan(plan)
            self._tree.add_plan(plan, self._tree[plan.event.run_id], restored=True)
        limits = {plan.event.id: self._tree.policy(plan.event.id).concurrency_limit for plan in restored.plans}
        self._scheduler.restore(known_runs(restored), known_events(restored, limits))
        self._restore_held(restored)
        for run in restored.runs:
            if run.result is None:
                self._speakers.add(run.request.run_id)
            if run.unrecorded and run.result is not None:
                result = run.result
                self._journal.ended(run.request.run_id, result.status, result.failure, run.seconds, result.outputs)
                if result.status == SUCCESS:
                    with contextlib.suppress(RunInterruptedError):
                        discard_checkout(run.workspace, check=self._interruption.check)
        self._deliveries.resumed(restored)
        self._observer.restored(restored.plans, self._tree.outcomes())
        for plan in restored.plans:
            self._time(plan.event.id)
        self._answer_settled()
        return self._run(restored.root.request, restored.root.workspace)

    def _restore_held(self, restored: Restored) -> None:
        """Hold again what is to start, and know the events of what has started."""
        obsolete = {run.request.run_id for run in restored.runs if run.is_superseded or run.obsolete}
        for planned in (each for plan in restored.plans for each in plan.runs):
            run_id = planned.request.run_id
            if self._scheduler.phase(run_id) == HELD:
                self._held.add(heard_without(replace(planned, request=self._tree[run_id].request), obsolete))
            elif planned.held and run_id not in obsolete:
                self._held.remember(heard_without(planned, obsolete))

    def _run(self, request: RunRequest, workspace: Workspace) -> TreeResult:
        began = self._clock.monotonic()
        try:
            self._loop(workspace)
        except BaseException:
            self._workforce.stop_and_wait()
            raise
        seconds = self._clock.monotonic() - began
        by = self._interruption.signal_number
        ok = by is None and not self._endings.any_expired and not self._scheduler.failed(request.run_id)
        self._journal.finished(ok=ok, seconds=seconds, interrupted_by=by)
        root, *runs = self._tree.outcomes()
        return TreeResult(
            root=root,
            runs=tuple(runs),
            fan_outs=tuple(self._fan_outs),
            warnings=self._tree.warnings(),
            ok=ok,
            seconds=seconds,
            interrupted_by=by,
            resumed_at=self._resumed_at,
        )

    def _loop(self, workspace: Workspace) -> None:
        self._start_what_may()
        while not self._is_over():
            match self._workforce.next_message(lambda: self._look_up(workspace)):
                case Ended(run_id=run_id, result=result):
                    if not self._last.ended(run_id, result):
                        self._child_ended(run_id, result)
                case Broken(error=error):
                    raise error
                case ToDo(act=act):
                    act()
            self._answer_settled()
            self._start_what_may()

    def _is_over(self) -> bool:
        by = self._interruption.signal_number
        if self._scheduler.finished or by is None or self._workforce.working:
            return self._scheduler.finished
        if not self._interruption.is_forced and (self._last.interrupt(by) or self._last.any):
            self._last.start_what_may()
        return not self._workforce.working

    def _start_what_may(self) -> None:
        """Start runs until no more may start: one that is refused ends at once, and with it perhaps some behind it."""
        if not self._interruption.is_forced:
            self._last.start_what_may()
        while not self._interruption.is_wanted:
            released = self._release_held()
            self._answer_settled()
            startable = self._scheduler.startable()
            for run_id in startable:
                if self._scheduler.phase(run_id) != ENDED and not self._interruption.is_wanted:
                    self._start(run_id)
            if not released and not startable:
                return

    def _look_up(self, workspace: Workspace) -> Callable[[], None] | None:
        """What ``tako cancel`` has asked for, if it has."""
        wanted = take_cancellations(workspace)
        return partial(self._endings.cancel, wanted) if wanted else None

    def _start_last(self, child: ChildRequest) -> None:
        self._observer.run_started(child.run, resumed=True)
        self._workforce.start(child, self)

    def _start(self, run_id: str) -> None:
        if run_id in self._last:
            return
        node = self._tree[run_id]
        request = node.request
        if not node.resumes and request.parent_id and self._breaker.is_open(request.repo, request.workflow.name):
            self._conclude(run_id, refused_by(self._breaker, request))
            return
        if not self._is_its_own(run_id):
            return
        self._scheduler.started(run_id)
        again = node.started_at is not None
        if not again:
            node.started_at = self._clock.now()
        self._observer.run_started(request, resumed=again)
        child = ChildRequest(
            request,
            node.workspace,
            resumed=node.resumes,
            attempt=len(node.attempts) + 1,
            fresh=node.fresh and not node.resumes,
        )
        self._workforce.start(child, self)

    def _is_its_own(self, run_id: str) -> bool:
        """Whether a run's work is for it to do; if another run has done it, or is about to, that is seen to here."""
        request = self._tree[run_id].request
        answer = self._deliveries.ask(request)
        if answer is None:
            return True
        if isinstance(answer, ChildResult):
            self._conclude(run_id, answer)
            return False
        if self._scheduler.phase(run_id) == READY:
            self._scheduler.started(run_id)
            self._scheduler.rest(run_id)
            # Or who is held would wait for it, and it perhaps for who is held.
            self._speakers.discard(run_id)
        if answer.is_new:
            self._observer.told(answer.why)
        self._workforce.after(LOOK_SECONDS, lambda: self._look_again(run_id))
        return False

    def _look_again(self, run_id: str) -> None:
        """Whether another run has done the work of one that waits for it."""
        if self._scheduler.phase(run_id) == RESTING and self._is_its_own(run_id):
            self._speakers.add(run_id)
            self._scheduler.wake(run_id)

    # What children say while they work: called from their threads, acted on in the loop's.

    def child_started(self, run_id: str, pid: int) -> None:
        """A child's process said hello."""
        self._workforce.post(lambda: None if run_id in self._last else self._journal.started(run_id, pid))

    def child_step(self, run_id: str, step: StepUpdate) -> None:
        """A child's step began or ended."""
        self._workforce.post(lambda: self._hear_step(run_id, step))

    def child_event(self, run_id: str, event: Event) -> None:
        """A child emitted an event and goes on."""
        self._workforce.post(lambda: self._hear_of(run_id, event))

    def child_note(self, run_id: str, text: str) -> None:
        """A child has something to tell a reader."""
        self._workforce.post(lambda: self._observer.told(f"{self._tree[run_id].request.label} ({run_id}): {text}"))

    def catch_up(self) -> None:
        """Return when a reader has been told all that was heard so far."""
        self._workforce.catch_up()

    def _hear_step(self, run_id: str, step: StepUpdate) -> None:
        node = self._tree[run_id]
        if run_id not in self._last:
            node.come_to(step.id)
        self._observer.run_step(node.request, step)

    def _hear_of(self, run_id: str, event: Event) -> None:
        """Plan an event, unless it is known, or its emitter was asked to end."""
        if not self._tree.is_planned(event.id) and self._tree[run_id].sentence is None:
            self._plan(run_id, event)

    # How a child's process ended, and what comes of it.

    def _child_ended(self, run_id: str, result: ChildResult) -> None:
        node = self._tree[run_id]
        node.seconds += result.seconds
        for event in result.events:
            if self._tree.is_planned(event.id) and not self._tree.is_restored(event.id):
                message = f"the child waits for the event {event.id} again, which has been dealt with"
                failure = Failure(kind=PROTOCOL, message=message)
                result = replace(result, status="failed", events=(), failure=failure)
        if node.sentence is not None and result.status != "success":
            self._conclude(run_id, sentenced(node.sentence, result))
        elif result.events:
            self._wait(node, result.events)
        elif not self._tried_again(node, result):
            self._conclude_after_crash(node, result)

    def _conclude_after_crash(self, node: Node, result: ChildResult) -> None:
        """A run will not be tried again; one whose process crashed has not come to its ``finally`` steps."""
        run_id, failure = node.request.run_id, result.failure
        interrupted = self._interruption.signal_number is not None
        if failure is None or interrupted or not is_crash(failure) or not self._last.has_some(node):
            self._conclude(run_id, result)
            return
        self._last.add(run_id, failure, lambda told: self._conclude(run_id, replace(result, failure=told)))

    def _wait(self, node: Node, events: Sequence[Event]) -> None:
        """Let a run wait for the events of its fan-out; one that was run again from before it comes to known ones."""
        run_id = node.request.run_id
        self._journal.waiting(run_id, events[0].id)
        self._observer.run_waiting(node.request)
        node.resumes = True
        node.pass_by(events[0].step_id)
        for event in events:
            if self._tree.is_restored(event.id):
                self._tree.forget_restored(event.id)
            else:
                self._plan(run_id, event)
        self._scheduler.wait(run_id, [event.id for event in events])

    def _tried_again(self, node: Node, result: ChildResult) -> bool:
        """Whether a run will be tried again after what its process came to."""
        request, failure = node.request, result.failure
        if node.event_id is None:
            return False
        self._breaker.ended(request.repo, request.workflow.name, crashed=is_crash(failure))
        number = len(node.attempts) + 1
        policy = self._tree.policy(node.event_id).retry
        tried = number - node.earlier_attempts
        delay = decide(policy, failure, attempt=tried, jitter=jitter(request.run_id, number))
        is_open = self._breaker.is_open(request.repo, request.workflow.name)
        if failure is None or delay is None or is_open or self._interruption.signal_number is not None:
            return False
        attempt = Attempt(number, failure, result.seconds)
        node.attempts.append(attempt)
        self._scheduler.rest(request.run_id)
        self._journal.retrying(request.run_id, number, failure, result.seconds, delay)
        self._observer.run_retrying(request, attempt, delay)
        self._workforce.after(delay, lambda: self._wake(request.run_id))
        return True

    def _wake(self, run_id: str) -> None:
        if self._scheduler.phase(run_id) != ENDED:
            self._scheduler.wake(run_id)

    def _plan(self, run_id: str, event: Event) -> None:
        """Plan an event, make the plan durable, and hand its runs to the scheduler."""
        emitter = self._tree[run_id]
        if self._tree[emitter.request.root_id].request.idempotent:
            event = with_key(event)
        plan = self._orchestrator.plan(event, emitter.request, self._held.last)
        self._on_plan(plan)
        self._journal.planned(plan, run_id)
        self._deliveries.planned(plan, emitter.request, emitter.workspace)
        self._tree.add_plan(plan, emitter)
        policy = self._tree.policy(event.id)
        self._scheduler.emitted(
            run_id,
            event.id,
            [planned.request.run_id for planned in plan.runs],
            failed=plan.refused is not None,
            limit=policy.concurrency_limit,
            fan_out=fan_out_of(event.id),
            held={planned.request.run_id for planned in plan.runs if planned.held},
        )
        self._speakers.planned(plan)
        self._observer.planned(plan, emitter.request)
        self._time(event.id)
        for planned in plan.runs:
            if planned.held:
                self._held.add(planned)
            elif planned.failure is not None and self._scheduler.phase(planned.request.run_id) != ENDED:
                never_started = ChildResult(status="failed", seconds=0.0, failure=planned.failure)
                self._conclude(planned.request.run_id, never_started)
        failed = self._tree.failed_beside(event.id)
        if failed is not None:
            self._end_fan_out_early(failed)

    def _time(self, event_id: str) -> None:
        """Let the time of a fan-out run, if it has a timeout."""
        limit = self._tree.policy(event_id).timeout
        if limit is not None:
            self._workforce.after(limit, lambda: self._expire(event_id, limit))

    def _expire(self, event_id: str, limit: float) -> None:
        if event_id not in self._settled:
            self._endings.expire(event_id, limit)

    def _release_held(self) -> bool:
        """Let those start that were held, and that nothing in the tree can trigger any more; True if there are any."""
        if not self._held:
            return False
        released = self._held.release(self._speakers.reach, self._speakers, self._scheduler.waits_for_run)
        if not released and not self._workforce.working and self._scheduler.is_idle():
            released = self._held.release_first()
        for planned in released:
            run_id = planned.request.run_id
            self._scheduler.release(run_id)
            if planned.failure is not None:
                self._conclude(run_id, ChildResult(status="failed", seconds=0.0, failure=planned.failure))
            elif planned.lacks:
                self._conclude(run_id, not_triggered(planned.lacks))
        return bool(released)

    def _conclude(self, run_id: str, result: ChildResult) -> None:
        node = self._tree[run_id]
        node.ended_at = self._clock.now()
        node.result = result
        self._speakers.discard(run_id)
        self._held.forget(run_id)
        self._journal.ended(
            run_id,
            result.status,
            result.failure,
            node.seconds,
            result.outputs,
            delivered_by=result.delivered_by,
            cached=result.cached,
            warnings=result.warnings,
        )
        if node.event_id is not None:
            self._deliveries.ended(node.request, result)
        self._scheduler.ended(run_id, failed=result.status not in GOOD_ENDS)
        self._observer.run_ended(self._tree.outcome(run_id))
        if result.status == "failed":
            self._end_fan_out_early(node)

    def _end_fan_out_early(self, failed: Node) -> None:
        """Start no more runs of a failed run's fan-out, if that is to fail fast."""
        if failed.event_id is not None and self._tree.policy(failed.event_id).fail_fast:
            self._endings.fail_fast(failed, failed.event_id, waits=self._deliveries.waits)

    def _answer_settled(self) -> None:
        """Write down how each settled fan-out ended, before who waited for it is started again."""
        for event_id in self._scheduler.take_settled():
            self._settled.add(event_id)
            self._fan_outs.append(self._fan_out_result(event_id))
        for run_id, event_ids in self._scheduler.take_answered():
            results = [self._fan_out_result(event_id) for event_id in event_ids]
            write_answer(self._tree[run_id].workspace, results[0].event.step_id, answer_of(results))

    def _fan_out_result(self, event_id: str) -> FanOutResult:
        plan = self._tree.plan(event_id)
        return FanOutResult(
            event=plan.event,
            children=tuple(self._tree.outcome(planned.request.run_id) for planned in plan.runs),
            failed_below=self._scheduler.failed_below(event_id),
            refused=plan.refused,
            expired=self._endings.expired(event_id),
            looked_at=plan.repositories,
            looked_in=plan.looked_in,
        )
