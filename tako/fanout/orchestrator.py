"""Plans a fan-out: from an event to the runs it starts."""

from __future__ import annotations

from tako.errors import TakoError
from tako.execution.failure import INPUTS_INVALID, PLAN_REFUSED, Failure
from tako.execution.request import RunRequest, cause_of
from tako.expressions import templates
from tako.fanout.dependents import said_by
from tako.fanout.naming import identity_of
from tako.fanout.near import words_of
from tako.fanout.plan import MAX_DEPTH, PassedOver, Plan, PlannedRun
from tako.fanout.reach import Reach
from tako.fanout.redelivery import is_addressed, is_addressed_to_all
from tako.fanout.remarks import strict_refusal, warnings_of
from tako.ids import child_run_id
from tako.records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from tako.config.model import Subscription, WorkflowSpec
    from tako.execution.event import Event
    from tako.execution.request import Ancestor
    from tako.fanout.discovery import Candidate, Discovery, DiscoveryManager
    from tako.fanout.held import Joined
    from tako.repos.cache import CacheEntry

    BindInputs = Callable[[WorkflowSpec, Mapping[str, Any], str], Mapping[str, Any]]


class Orchestrator:
    """Discovers, filters, maps inputs, removes doubles, refuses cycles. Starts nothing.

    ``head_commit`` tells the commit of a checkout, or None where it is no git repository; ``lock_path`` the lock that
    protects a cached checkout; ``bind_inputs`` applies a workflow's input rules and raises ``InputError``.
    """

    def __init__(
        self,
        discovery: DiscoveryManager,
        *,
        head_commit: Callable[[str], str | None],
        lock_path: Callable[[CacheEntry], str],
        bind_inputs: BindInputs,
        strict: bool = False,
    ) -> None:
        self._discovery = discovery
        self._head_commit = head_commit
        self._lock_path = lock_path
        self._bind_inputs = bind_inputs
        self._strict = strict
        self._given_ids: set[str] = set()

    def plan(
        self, event: Event, emitter: RunRequest, joined: Callable[[str, str], Joined | None] = lambda *_: None
    ) -> Plan:
        """What an event of a run causes. ``joined`` tells the last run of the tree that takes all events for a
        repository's workflow.

        A cycle, more than ten levels, a subscriber that is in the cache twice, a subscription whose name means several
        repositories and, with ``strict``, an unreadable repository, an undecided subscription or one that is nearly
        right refuse the whole fan-out; inputs that do not fit fail only the run they are for.
        """
        path = (*emitter.ancestors, emitter.as_ancestor())
        words = words_of(emitter.artifacts, emitter.events, (emitter.workflow,))
        found = self._discovery.find_subscribers(event, said_by(emitter), path, words=words)
        found = replace(
            found,
            candidates=tuple(each for each in found.candidates if _is_addressed(each, event, emitter)),
            undecided=tuple(each for each in found.undecided if _is_addressed(each, event, emitter)),
            nearly=found.nearly if is_addressed_to_all(emitter, event.step_id) else (),
        )
        chosen, passed_over = first_of_each_workflow(found)
        warnings = warnings_of(found, event, len(path) if chosen else 0)
        refusal = strict_refusal(found, event) if self._strict else ""
        if refusal or found.clashes:
            return _refusal(event, refusal or "; ".join(found.clashes), warnings)
        if chosen and len(path) > MAX_DEPTH:
            message = f"more than {MAX_DEPTH} fan-outs below each other: {_chain(path)} → {chosen[0].label}"
            return _refusal(event, message, warnings)
        for candidate in chosen:
            loop = find_cycle(candidate.repository.identity, candidate.subscription.workflow, event, path)
            if loop:
                return _refusal(event, loop, warnings)
        runs = tuple(self._planned(candidate, found, event, emitter, path, joined) for candidate in chosen)
        return Plan(event, runs, passed_over, warnings, repositories=found.repositories, looked_in=found.looked_in)

    def _planned(
        self,
        candidate: Candidate,
        found: Discovery,
        event: Event,
        emitter: RunRequest,
        path: tuple[Ancestor, ...],
        joined: Callable[[str, str], Joined | None],
    ) -> PlannedRun:
        repository, subscription = candidate.repository, candidate.subscription
        config, entry = repository.config, repository.entry
        workflow = config.workflow(subscription.workflow) if config else None
        if config is None or workflow is None:
            raise AssertionError("a subscription that was read names a workflow of its file")
        before = joined(repository.identity, workflow.name) if subscription.coalesce else None
        earlier = before.planned.request if before is not None else None
        heard = heard_with(event, before) if subscription.coalesce else ()
        lacks = _lacks(candidate, found, before)
        inputs: Mapping[str, Any] = {}
        failure = None
        try:
            inputs = self._inputs(candidate, workflow, event, heard or (event,))
        except TakoError as error:
            failure = Failure(kind=INPUTS_INVALID, message=str(error))
        event = with_artifacts_of(event, earlier.event) if earlier is not None else event
        if earlier is not None and before is not None and before.is_held:
            request = replace(earlier, event=event, heard=heard, inputs=inputs, literal_inputs=_literal(subscription))
            return PlannedRun(request, candidate.verdict.why, failure, held=True, joins=True, lacks=lacks)
        run_id = child_run_id(emitter.root_id, event.id, repository.identity, workflow.name, self._given_ids)
        self._given_ids.add(run_id)
        request = RunRequest(
            run_id=run_id,
            root_id=emitter.root_id,
            parent_id=emitter.run_id,
            repo=repository.identity,
            host=repository.host,
            ref=entry.ref,
            source=entry.path,
            commit=repository.commit or self._head_commit(entry.path),
            private=True,
            cache_lock=self._lock_path(entry),
            workflow=workflow,
            inputs=inputs,
            config_path=config.path,
            artifacts=config.artifacts,
            events=config.events,
            event=event,
            heard=heard,
            literal_inputs=_literal(subscription),
            ancestors=path,
            no_cache=emitter.no_cache,
            dependents=config.dependents,
        )
        return PlannedRun(request, candidate.verdict.why, failure, held=subscription.coalesce, lacks=lacks)

    def reach(self, emitters: Iterable[RunRequest] = ()) -> Reach:
        """What can come of events, among the repositories as they are now and some runs, as they were planned."""
        runs = tuple(emitters)
        names = self._discovery.names(runs)
        configs = [(each.identity, names.spelled(each.config)) for each in names.repositories if each.config]
        said = [(run.repo, names.dependents(run.dependents)) for run in runs]
        return Reach(configs, [*said, *((name, config.dependents) for name, config in configs)])

    def _inputs(
        self, candidate: Candidate, workflow: WorkflowSpec, event: Event, heard: tuple[Event, ...]
    ) -> Mapping[str, Any]:
        where = candidate.where
        scope = {
            "event": event.scope(),
            "events": [each.scope() for each in heard],
            "payload": event.payload,
            "repo": candidate.repository.identity,
        }
        mapped = templates.render_value(candidate.subscription.inputs, scope, where=where)
        return self._bind_inputs(workflow, mapped, where)


def _literal(subscription: Subscription) -> tuple[str, ...]:
    """The inputs that a subscription does not make of the event."""
    return tuple(name for name, value in subscription.inputs.items() if not templates.is_template(str(value)))


def heard_with(event: Event, before: Joined | None) -> tuple[Event, ...]:
    """All events that a run hears which takes them together, the newest last.

    One that follows a run which has started hears that one's events, too, those aside that this event is the newer
    form of: its emitter was run again.
    """
    if before is None:
        return (event,)
    heard = before.planned.request.heard
    if not before.is_held:
        heard = tuple(each for each in heard if _about(each) != _about(event))
    return (*heard, event)


def _about(event: Event) -> tuple[str, ...]:
    return event.host, event.source, event.artifact, event.type


def _lacks(candidate: Candidate, found: Discovery, before: Joined | None) -> tuple[str, ...]:
    """What a run that takes all events has not heard yet of those that it needs."""
    config = candidate.repository.config
    if config is None or not candidate.subscription.coalesce:
        return ()
    workflow, place = candidate.subscription.workflow, candidate.repository.entry.path
    needed = tuple(each.awaited for each in config.needed_for(workflow))
    came = {
        config.subscriptions[each.subscription.index].awaited
        for each in found.candidates
        if each.verdict.hears and each.repository.entry.path == place and each.subscription.workflow == workflow
    }
    return tuple(each for each in (before.planned.lacks if before is not None else needed) if each not in came)


def with_artifacts_of(event: Event, earlier: Event | None) -> Event:
    """The event with what an earlier one brought behind what it brings itself."""
    inherited = earlier.artifacts if earlier is not None else ()
    return replace(event, artifacts=tuple(dict.fromkeys((*event.artifacts, *inherited))))


def first_of_each_workflow(
    found: Discovery, *, open_: Callable[[Candidate], bool] = lambda _: False
) -> tuple[list[Candidate], tuple[PassedOver, ...]]:
    """Of each repository and workflow the first subscription that hears the event; the others with the reason.

    ``open_`` tells which others may hear it too: before a run, its outputs are not known.
    """
    chosen: dict[tuple[str, str], Candidate] = {}
    passed_over = list(found.missing)
    warned = {*(each.where for each in found.undecided), *(each.where for each in found.nearly)}
    for candidate in found.candidates:
        repository, subscription, verdict = candidate.repository, candidate.subscription, candidate.verdict
        hears = verdict.hears or open_(candidate)
        key = (repository.entry.path, subscription.workflow)
        if hears and key not in chosen:
            chosen[key] = candidate
            continue
        why = verdict.why
        if hears:
            why = f"an earlier subscription, line {chosen[key].subscription.line}, already runs this workflow"
        told = not hears and candidate.where in warned
        passed_over.append(PassedOver(repository.identity, subscription.workflow, candidate.where, why, warned=told))
    return list(chosen.values()), tuple(passed_over)


def find_cycle(repo: str, workflow: str, event: Event, path: tuple[Ancestor, ...]) -> str:
    """Why a fan-out would never end: the way from a run up the tree back to itself. Empty if it is none.

    It is a cycle if the workflow is at work above because of the same event (same source and type), or since it was
    started by hand: it would then wait for itself.
    """
    for position, ancestor in enumerate(path):
        same_run = (ancestor.repo, ancestor.workflow) == (repo, workflow)
        if same_run and ancestor.cause in (None, cause_of(event)):
            ring = path[position:]
            repositories = " -> ".join((*(each.repo for each in ring), repo))
            runs = " -> ".join((*(f"{each.repo}:{each.workflow}" for each in ring), f"{repo}:{workflow}"))
            return f"circular dependency detected: {repositories} (workflows {runs})"
    return ""


def _chain(path: tuple[Ancestor, ...]) -> str:
    return " → ".join(f"{ancestor.repo}:{ancestor.workflow}" for ancestor in path)


def _is_addressed(candidate: Candidate, event: Event, emitter: RunRequest) -> bool:
    repository = candidate.repository
    subscriber = identity_of(repository.identity, repository.host)
    return is_addressed(emitter, event.step_id, subscriber, candidate.subscription.workflow)


def _refusal(event: Event, message: str, warnings: tuple[str, ...]) -> Plan:
    return Plan(event, warnings=warnings, refused=Failure(kind=PLAN_REFUSED, message=message))
