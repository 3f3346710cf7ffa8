"""Brings a tree back from what is on the disk: what was planned, what has succeeded, what is still to be done.

The journal says what was planned and how runs ended as their root saw it; a run's own ``state.json`` says how far it
came when nobody was left to see. Only runs that are not known to have succeeded cost a look into their directories, so
that a tree of which much is done goes on as soon as one of which little is.
"""

from __future__ import annotations

from tako.children.base import ChildResult
from tako.errors import StateError
from tako.execution.event import Event, event_from_data
from tako.execution.failure import LOST, SUPERSEDED, Failure, failure_from_data
from tako.execution.going_on import awaited_events
from tako.execution.moved import Place
from tako.execution.request import RunRequest, request_from_data
from tako.execution.state import SUCCESS, SUSPENDED, recorded_state
from tako.execution.workspace import Workspace
from tako.fanout.plan import Plan, PlannedRun
from tako.fanout.result import Attempt
from tako.fanout.scheduler import KnownEvent, KnownRun
from tako.ids import fan_out_of
from tako.records import record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from tako.execution.state import ExecutionState
    from tako.fanout.journal import Entry


@record
class RestoredRun:
    """One run of a tree that is to go on."""

    request: RunRequest
    workspace: Workspace
    event_id: str | None
    result: ChildResult | None = None
    """Its end, if it is not to be run again."""
    waits_for: tuple[str, ...] = ()
    """The events that it waits for."""
    waits_at: str = ""
    """The step that emitted them."""
    asks_again: str = ""
    """The step whose fan-out was refused: it is run again, and is not to find the answer that says so."""
    started_at: float | None = None
    seconds: float = 0.0
    attempts: tuple[Attempt, ...] = ()
    """Its tries so far, if it is to be run again."""
    renewed: bool = False
    """Whether its request is not the one it was planned with, because its workflow or its commit has changed."""
    fresh: bool = False
    """Whether it begins again from its first step, in a new checkout: it was renewed, or hears more events now."""
    held: bool = False
    """Whether it starts only when nothing in the tree can trigger it any more."""
    obsolete: bool = False
    """Whether the step that triggered it runs again, so that nobody is to hear what it emitted."""
    unrecorded: bool = False
    """Whether the journal does not know of its end: it never did, or takes it for a try since the tree goes on."""

    @property
    def is_superseded(self) -> bool:
        """Whether others have taken its place, so that its failure is nobody's."""
        return self.result is not None and self.result.failure is not None and self.result.failure.kind == SUPERSEDED


@record
class Restored:
    """A tree that is to go on: its runs in the order of their planning, the root first, and its plans likewise."""

    runs: tuple[RestoredRun, ...]
    plans: tuple[Plan, ...]

    @property
    def root(self) -> RestoredRun:
        return self.runs[0]

    @property
    def to_run(self) -> int:
        """How many runs below the root have not come to their end."""
        return sum(run.result is None for run in self.runs[1:])


_LOST = "it was at work when Tako was killed, or the machine went down"


def known_runs(restored: Restored) -> list[KnownRun]:
    """The runs as the scheduler wants to know them."""
    return [
        KnownRun(
            id=run.request.run_id,
            ended=run.result is not None,
            failed=run.result is not None and run.result.status != SUCCESS and not run.is_superseded,
            begun=run.started_at is not None,
            awaits=run.waits_for,
            held=run.held,
        )
        for run in restored.runs
    ]


def known_events(restored: Restored, limits: Mapping[str, int | None]) -> list[KnownEvent]:
    """The events likewise; ``limits`` are their concurrency limits."""
    return [
        KnownEvent(
            id=plan.event.id,
            emitter=plan.event.run_id,
            runs=tuple(planned.request.run_id for planned in plan.runs),
            limit=limits[plan.event.id],
            fan_out=fan_out_of(plan.event.id),
        )
        for plan in restored.plans
    ]


class _Facts:
    """What the journal says of one run."""

    def __init__(self, request: RunRequest, workspace: Workspace, event_id: str | None) -> None:
        self.request = request
        self.workspace = workspace
        self.event_id = event_id
        self.planned_failure: Failure | None = None
        self.held = False
        self.fresh = False
        self.started_at: float | None = None
        self.seconds = 0.0
        self.ended: Mapping[str, Any] | None = None
        self.at_work = False
        self.attempts: list[Attempt] = []
        self.refused: dict[str, Failure] = {}
        """Why what it emitted was not planned, by event id."""

    @property
    def failure(self) -> Failure | None:
        """Why it ended without success, or with something untold, if it did."""
        if self.ended is not None:
            own = failure_from_data(self.ended["failure"])
            return own or next(iter(self.refused.values()), None)
        return Failure(LOST, _LOST) if self.at_work else None

    def at_work_since(self, started_at: float) -> None:
        """It has a state that tells of work: the root may have been killed before it wrote down that it began."""
        if self.started_at is None:
            self.started_at = started_at
        if self.ended is None and not self.attempts:
            self.at_work = True

    @property
    def is_superseded(self) -> bool:
        """Whether others have taken its place, so that it is never run again."""
        return self.ended is not None and (self.ended["failure"] or {}).get("kind") == SUPERSEDED

    def resume(self) -> None:
        """What it came to so far was a try, if it came to something, and not to success."""
        if self.is_superseded:
            return
        failure = self.failure
        if failure is not None and self.started_at is not None:
            self.attempts.append(Attempt(len(self.attempts) + 1, failure, self.seconds))
        if self.ended is not None and (self.ended["status"] != SUCCESS or self.refused):
            self.ended = None
        self.at_work = False


def restore(request: RunRequest, workspace: Workspace, entries: Iterable[Entry], *, failed_only: bool) -> Restored:
    """The tree of a root's request, workspace and journal.

    With ``failed_only``, a run that failed by a step of its own after it had triggered others stays failed. Raises
    ``StateError`` if the journal does not hold together.
    """
    facts = {request.run_id: _Facts(request, workspace, None)}
    plans: dict[str, Plan] = {}
    place = Place(workspace, request.run_id)
    for entry in entries:
        try:
            _take(entry, facts, plans, place)
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"the journal lacks something: {entry.type}: {error}", where=workspace.journal) from error
    emitters = {plan.event.run_id for plan in plans.values()} | {request.run_id}
    runs = tuple(_restored(each, plans, stays=failed_only and run_id in emitters) for run_id, each in facts.items())
    return Restored(runs, tuple(plans.values()))


def _take(entry: Entry, facts: dict[str, _Facts], plans: dict[str, Plan], place: Place) -> None:
    data = entry.data
    match entry.type:
        case "plan":
            emitter = facts[data["emitter"]]
            plan = _found_at(place, plan_from_data(data, emitter.request))
            if plan.refused is not None:
                # It is told again, and may be planned better by now.
                emitter.refused[plan.event.id] = plan.refused
                return
            emitter.refused.pop(plan.event.id, None)
            plans[plan.event.id] = plan
            for planned in plan.runs:
                run_id = planned.request.run_id
                if planned.joins:
                    run = facts[run_id]
                    run.request, run.planned_failure = planned.request, planned.failure
                    run.fresh = run.started_at is not None
                    continue
                facts[run_id] = _Facts(planned.request, emitter.workspace.child(run_id), plan.event.id)
                facts[run_id].planned_failure = planned.failure
                facts[run_id].held = planned.held
        case "started":
            run = facts[data["run_id"]]
            run.started_at = run.started_at or entry.at
            run.at_work = True
        case "waiting":
            run = facts[data["run_id"]]
            run.at_work = run.fresh = False
        case "retrying":
            failure = failure_from_data(data["failure"])
            run = facts[data["run_id"]]
            run.at_work = run.fresh = False
            if failure is not None:
                run.attempts.append(Attempt(data["attempt"], failure, data["seconds"]))
        case "ended":
            run = facts[data["run_id"]]
            run.ended, run.seconds, run.at_work, run.fresh = data, data["seconds"], False, False
        case "resumed":
            for run in facts.values():
                run.resume()


def _found_at(place: Place, plan: Plan) -> Plan:
    """A plan with the artifacts that it is about where they are now."""
    runs = tuple(replace(planned, request=place.request(planned.request)) for planned in plan.runs)
    return replace(plan, event=place.event(plan.event), runs=runs)


def _restored(facts: _Facts, plans: Mapping[str, Plan], *, stays: bool) -> RestoredRun:
    if facts.is_superseded and facts.ended is not None:
        return RestoredRun(
            facts.request,
            facts.workspace,
            facts.event_id,
            ChildResult(facts.ended["status"], facts.seconds, failure=facts.failure),
            started_at=facts.started_at,
            seconds=facts.seconds,
            attempts=tuple(facts.attempts),
        )
    succeeded = facts.ended is not None and facts.ended["status"] == SUCCESS
    state = None
    if facts.planned_failure is None and (not succeeded or facts.refused):
        state = _state_of(facts)
    waits_for = awaited_events(state) if state is not None else ()
    if not all(event_id in plans for event_id in waits_for):
        # Some were not planned, or refused: it is started again to tell of all.
        waits_for = ()
    if state is not None and (not waits_for or state.status != SUSPENDED):
        facts.at_work_since(state.started_at)
    run = RestoredRun(
        facts.request,
        facts.workspace,
        facts.event_id,
        asks_again=_refused_at(state, facts.refused) if state is not None else "",
        started_at=facts.started_at,
        seconds=facts.seconds,
    )
    if succeeded and facts.ended is not None and not facts.refused:
        by = facts.ended.get("delivered_by")
        cached = tuple(facts.ended.get("cached", ()))
        outputs = facts.ended["outputs"]
        warnings = tuple(facts.ended.get("warnings", ()))
        done = ChildResult(SUCCESS, facts.seconds, outputs=outputs, delivered_by=by, cached=cached, warnings=warnings)
        return replace(run, result=done, attempts=tuple(facts.attempts))
    if facts.planned_failure is not None and not facts.held:
        return replace(run, result=ChildResult("failed", 0.0, failure=facts.planned_failure), unrecorded=True)
    if state is not None and state.status == SUCCESS and _all_planned(state, plans):
        done = ChildResult(SUCCESS, state.seconds, outputs=state.outputs, cached=state.cached, warnings=state.warnings)
        return replace(run, result=done, seconds=state.seconds, attempts=tuple(facts.attempts), unrecorded=True)
    failure = facts.failure
    if waits_for:
        run = replace(run, waits_for=waits_for, waits_at=plans[waits_for[0]].event.step_id)
    elif stays and failure is not None and failure.kind != LOST:
        return replace(run, result=ChildResult("failed", facts.seconds, failure=failure), unrecorded=True)
    facts.resume()
    # What had not succeeded is run again, and may emit what one that takes all events has to wait for.
    return replace(run, attempts=tuple(facts.attempts), held=facts.held and not waits_for, fresh=facts.fresh)


def _refused_at(state: ExecutionState, refused: Mapping[str, Failure]) -> str:
    last = state.steps[-1] if state.steps else None
    return last.id if last is not None and any(event.id in refused for event in last.emitted) else ""


def _all_planned(state: ExecutionState, plans: Mapping[str, Plan]) -> bool:
    """Whether all is planned that a run emitted; one of which something is not is started again to tell of it."""
    return all(event.id in plans for step in state.steps for event in step.emitted)


def _state_of(facts: _Facts) -> ExecutionState | None:
    """How far a run came; None if it did not begin, or nothing readable tells, which a person is told."""
    return recorded_state(facts.workspace.state)


def plan_from_data(data: Mapping[str, Any], emitter: RunRequest) -> Plan:
    """A plan out of its journal entry. Raises ``KeyError``, ``TypeError`` or ``ValueError`` if it is not one."""
    event = event_from_data(data["event"])
    ancestors = (*emitter.ancestors, emitter.as_ancestor())
    runs = tuple(_planned(run, data["workflows"], event, ancestors) for run in data["runs"])
    return Plan(
        event,
        runs,
        warnings=tuple(data["warnings"]),
        refused=failure_from_data(data["refused"]),
        # A journal of an older Tako does not have these two.
        repositories=int(data.get("repositories", 0)),
        looked_in=str(data.get("looked_in", "")),
    )


def _planned(
    run: Mapping[str, Any], workflows: Mapping[str, Any], event: Event, ancestors: tuple[Any, ...]
) -> PlannedRun:
    own = ("why", "failure", "held", "joins", "lacks")
    fields = {name: value for name, value in run.items() if name not in own}
    request = request_from_data({"event": None, "ancestors": [], **fields, "workflow": workflows[run["workflow"]]})
    joins = bool(run.get("joins"))
    if not joins:
        request = replace(request, event=event, ancestors=ancestors)
    failure = failure_from_data(run["failure"])
    lacks = tuple(str(each) for each in run.get("lacks", ()))
    return PlannedRun(request, run["why"], failure, held=bool(run.get("held")), joins=joins, lacks=lacks)
