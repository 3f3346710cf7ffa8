"""What one tree delivers: kept in the ledger, and asked of it before a run starts whose key others may have as well.

The ledger is opened when something is planned. If it cannot be used, the runs go on without it, and say so: each is
then delivered at least once, and its key is not heeded.
"""

from __future__ import annotations

import os

from tako.children.base import ChildResult
from tako.errors import MachineError, StateError, TakoError
from tako.execution.failure import PLAN_REFUSED, Failure
from tako.execution.state import FAILED, SUCCESS, read_state
from tako.execution.workspace import Workspace, root_workspace
from tako.fanout.claims import Asking, Outcome, RunKey, Slot, name_in_ledger
from tako.fanout.redelivery import redelivered
from tako.locks import holder, is_held
from tako.records import record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeVar

    from tako.execution.event import Event
    from tako.execution.request import RunRequest
    from tako.fanout.claims import Claim
    from tako.fanout.ledger import Ledger
    from tako.fanout.plan import Plan
    from tako.fanout.restore import Restored

    T = TypeVar("T")


@record
class Waiting:
    """A run does not start, since another one does its work."""

    claim: Claim
    why: str
    """In words, for a reader."""
    is_new: bool
    """False if it has waited for the same before."""


class Deliveries:
    """One tree's deliveries. ``open_ledger`` makes the ledger of the Tako home ``home``; without it nothing is kept.

    For the thread of the tree's loop only.
    """

    def __init__(
        self,
        home: str = "",
        open_ledger: Callable[[], Ledger] | None = None,
        *,
        say: Callable[[str], object] = lambda _text: None,
    ) -> None:
        """``say`` is told, in a line, if the ledger cannot be used."""
        self._home = home
        self._open_ledger = open_ledger
        self._say = say
        self._ledger: Ledger | None = None
        self._known: set[RunKey] = set()
        self._resumed: set[str] = set()
        self._claimed: set[str] = set()
        self._waiting: dict[str, Claim] = {}

    def close(self) -> None:
        """Close the ledger, if it is open."""
        if self._ledger is not None:
            self._ledger.close()

    def planned(self, plan: Plan, emitter: RunRequest, workspace: Workspace) -> None:
        """Write down what a plan, which the journal has, delivers. ``workspace`` is the emitter's."""
        self._known.update(_key(planned.request) for planned in plan.runs)
        self._guarded(lambda ledger: self._record(ledger, plan, emitter, workspace), None)

    def ask(self, request: RunRequest) -> ChildResult | Waiting | None:
        """What hinders a run to start: it has its result already, or waits for it; None if nothing does.

        None also says that the run has claimed its keys.
        """
        slots = _slots(request)
        if not slots or request.run_id in self._claimed:
            return None
        return self._guarded(lambda ledger: self._ask(ledger, request, slots), None)

    def waits(self, run_id: str) -> bool:
        """Whether a run waits for another one that does its work."""
        return run_id in self._waiting

    def ended(self, request: RunRequest, result: ChildResult) -> None:
        """Acknowledge a run's end, which the journal has."""
        self._waiting.pop(request.run_id, None)
        outcome = Outcome(result.status, result.failure, result.outputs if _slots(request) else {})
        self._guarded(lambda ledger: ledger.acknowledge(_key(request), outcome, delivered_by=result.delivered_by), None)

    def resumed(self, restored: Restored) -> None:
        """Bring the ledger to what a restored tree knows: its plans, the ends of its runs, what is to be run again."""
        runs = restored.runs[1:]
        self._known.update(_key(run.request) for run in runs)
        self._resumed.update(run.request.run_id for run in runs if run.result is None)
        if restored.plans:
            self._guarded(lambda ledger: self._catch_up(ledger, restored), None)

    def _record(self, ledger: Ledger, plan: Plan, emitter: RunRequest, workspace: Workspace) -> None:
        from tako.fanout.ledger_rows import Delivery, Recorded

        deliveries = [
            Delivery(
                _key(planned.request),
                name_in_ledger(planned.request.repo, planned.request.host),
                planned.request.workflow.name,
                os.path.relpath(workspace.child(planned.request.run_id).path, self._home),
            )
            for planned in plan.runs
        ]
        repeats = redelivered(emitter, plan.event.step_id)
        ledger.record(Recorded(plan.event, emitter.root_id, 0.0, repeats, tuple(deliveries)))

    def _catch_up(self, ledger: Ledger, restored: Restored) -> None:
        runs = {run.request.run_id: run for run in restored.runs}
        for plan in restored.plans:
            if not ledger.knows(plan.event.id):
                emitter = runs[plan.event.run_id]
                self._record(ledger, plan, emitter.request, emitter.workspace)
        unknown = ledger.unacknowledged(restored.root.request.run_id)
        for run in restored.runs[1:]:
            if run.result is not None and run.request.run_id in unknown:
                self.ended(run.request, run.result)
        again = [run.request for run in restored.runs[1:] if run.result is None]
        ledger.reopen(_key(request) for request in again if request.run_id not in unknown)

    def _ask(self, ledger: Ledger, request: RunRequest, slots: list[Slot]) -> ChildResult | Waiting | None:
        run_id, me = request.run_id, _key(request)
        before = self._waiting.get(run_id)
        found = ledger.claims(slots)
        for slot in (slot for slot, claim in zip(slots, found, strict=True) if claim is None):
            self._find_lost(ledger, slot, me)
        claims = [claim for claim in found if claim is not None and claim.holder != me]
        dead = {(claim.holder, claim.token) for claim in claims if self._is_over(ledger, claim)}
        if before in claims and (before.holder, before.token) not in dead:
            return Waiting(before, "", is_new=False)
        asking = Asking(me, unkeyed=_has_unkeyed(request), again=run_id in self._resumed)
        decision = ledger.claim(asking, slots, dead=dead)
        self._waiting.pop(run_id, None)
        if decision.circle:
            way = " → ".join(decision.circle)
            message = f"it would wait for ever for the run that delivers the same, which waits for it in turn: {way}"
            return ChildResult(FAILED, seconds=0.0, failure=Failure(PLAN_REFUSED, message))
        if decision.wait is not None:
            self._waiting[run_id] = decision.wait
            return Waiting(decision.wait, self._why(request, decision.wait, slots), is_new=True)
        if decision.answer is not None and decision.answer.outcome is not None:
            return _answered(decision.answer.holder, decision.answer.outcome, slots)
        self._claimed.add(run_id)
        return None

    def _find_lost(self, ledger: Ledger, slot: Slot, me: RunKey) -> None:
        """If a power cut has taken back a claim, and the work had been done, write that down again."""
        for claim in ledger.unclaimed(slot, me):
            outcome = None if self._is_at_work(claim) else self._outcome_on_disk(claim)
            if outcome is not None and outcome.counts:
                ledger.settle(slot, claim, outcome)

    def _is_over(self, ledger: Ledger, claim: Claim) -> bool:
        """Whether a holder that has no outcome will not come to one any more. One that its state tells is written down.

        The locks are asked first: a run that nobody works on does not change its state any more.
        """
        if claim.outcome is not None or self._is_at_work(claim):
            return False
        outcome = self._outcome_on_disk(claim)
        if outcome is None or not outcome.counts:
            return True
        ledger.acknowledge_for(claim, outcome)
        return False

    def _is_at_work(self, claim: Claim) -> bool:
        """Whether a holder's root, or its own process, is there: children outlive their root by some moments."""
        if claim.holder in self._known:
            return True
        locks = (root_workspace(self._home, claim.holder.root_id).run_lock, self._workspace(claim).run_lock)
        try:
            return any(is_held(path) for path in locks)
        except MachineError:
            # Whoever cannot find out takes it for alive: waiting can be ended, work that was done twice cannot.
            return True

    def _outcome_on_disk(self, claim: Claim) -> Outcome | None:
        try:
            state = read_state(self._workspace(claim).state)
        except StateError:
            return None
        return Outcome(state.status, state.failure, state.outputs) if state.status in (SUCCESS, FAILED) else None

    def _workspace(self, claim: Claim) -> Workspace:
        return Workspace(os.path.join(self._home, claim.workspace))

    def _why(self, request: RunRequest, claim: Claim, slots: list[Slot]) -> str:
        where = "in this run"
        if claim.holder.root_id != request.root_id:
            where = f"in {claim.holder.root_id}, {holder(root_workspace(self._home, claim.holder.root_id).run_lock)}"
        return (
            f"{request.label} ({request.run_id}) waits: {claim.holder.run_id} {where}, is delivering the same "
            f"(idempotency key {slots[-1].key!r})"
        )

    def _guarded(self, act: Callable[[Ledger], T], otherwise: T) -> T:
        """What comes of an act with the ledger; ``otherwise`` if there is none, or it cannot be used any more."""
        if self._open_ledger is None:
            return otherwise
        try:
            if self._ledger is None:
                self._ledger = self._open_ledger()
            return act(self._ledger)
        except TakoError as error:
            self._say(f"warning: {error}; this run goes on without it: idempotency keys are not heeded")
            self.close()
            self._open_ledger = None
            return otherwise


def _slots(request: RunRequest) -> list[Slot]:
    repo, workflow = name_in_ledger(request.repo, request.host), request.workflow.name
    return [
        Slot(name_in_ledger(event.source, event.host), event.type, event.key, repo, workflow, event.id)
        for event in _heard(request)
        if event.key is not None
    ]


def _has_unkeyed(request: RunRequest) -> bool:
    return any(event.key is None for event in _heard(request))


def _heard(request: RunRequest) -> Iterable[Event]:
    return request.heard or ((request.event,) if request.event is not None else ())


def _key(request: RunRequest) -> RunKey:
    return RunKey(request.root_id, request.run_id)


def _answered(by: RunKey, outcome: Outcome, slots: list[Slot]) -> ChildResult:
    """The outcome of another run as one's own."""
    failure = outcome.failure
    if failure is not None:
        note = f"this is the outcome of {by.run_id} in {by.root_id}, for the idempotency key {slots[-1].key!r}"
        failure = replace(failure, message=f"{failure.message}\n{note}")
    return ChildResult(outcome.status, 0.0, failure=failure, outputs=outcome.outputs, delivered_by=by.run_id)
