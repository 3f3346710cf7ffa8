"""What a run would cause, as far as that can be known without running anything."""

from __future__ import annotations

from tako.clock import iso
from tako.config.announcing import artifact_of, has_own_payload, never_emitted, still_pending, to_emit
from tako.config.model import FAN_OUT
from tako.errors import ExpressionError, TakoError
from tako.execution.event import Event
from tako.execution.request import Ancestor, cause_of
from tako.expressions import templates
from tako.fanout.dependents import Said, said_by
from tako.fanout.near import Words, words_of
from tako.fanout.orchestrator import find_cycle, first_of_each_workflow
from tako.fanout.plan import MAX_DEPTH, PassedOver
from tako.fanout.remarks import strict_refusal, warnings_of
from tako.records import record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from tako.config.model import EventSpec, EventTemplate, StepSpec, WorkflowSpec
    from tako.execution.request import RunRequest
    from tako.fanout.discovery import Candidate, DiscoveryManager

    Scope = Mapping[str, Any]


@record
class StepPreview:
    """One step of a workflow."""

    step: StepSpec
    skipped: bool = False
    """Whether its condition is known not to hold."""
    fan_outs: tuple[FanOutPreview, ...] = ()
    """One for each event that it would emit."""
    warnings: tuple[str, ...] = ()
    """The events that it would announce and nothing would emit."""
    final: bool = False
    """Whether it runs when the run has ended, however it does."""


@record
class FanOutPreview:
    """What one event of a fan-out step would do."""

    event_type: str
    artifact: str
    payload: Mapping[str, Any]
    """What is known of it."""
    unknown: tuple[str, ...]
    """What only a run can tell: ``payload.version``, ``schema_version``, ``event_type``, ``artifact``."""
    runs: tuple[RunPreview, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()
    unreadable: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    """What the fan-out would warn of."""
    looked_at: int = 0
    """How many repositories were looked at."""
    looked_in: str = ""
    """The directory that they are in."""
    problem: str = ""
    """Why the step would fail, as far as that is known: the payload is not of its declared shape."""

    @property
    def is_open(self) -> bool:
        """Whether nothing can be said of the subscribers before a run."""
        return "event_type" in self.unknown or "artifact" in self.unknown


@record
class RunPreview:
    """A run that the fan-out would start, or might."""

    repo: str
    workflow: str
    where: str
    why: str
    certain: bool
    """False if it depends on what only a run can tell."""
    needs: tuple[str, ...] = ()
    """What must each have emitted an event before it runs (``coalesce: all``)."""
    steps: tuple[StepPreview, ...] = ()
    stopped: str = ""
    """Why its own steps are not followed: a cycle, too many levels, inputs that do not fit."""


@record
class _Announced:
    """An event that a step before would have announced."""

    type: str
    artifact: str | None
    template: EventTemplate


@record
class _Emitter:
    """A run whose steps are looked at."""

    repo: str
    workflow: WorkflowSpec
    events: tuple[EventSpec, ...]
    scope: Scope
    """What its templates and conditions can see already; a name of which not everything is known is not in it."""
    path: tuple[Ancestor, ...]
    strict: bool
    said: Said
    words: Words
    """The artifacts and events that its file speaks of."""


def preview(request: RunRequest, discovery: DiscoveryManager, *, strict: bool = False) -> tuple[StepPreview, ...]:
    """The steps of a run and, below each fan-out, those of the runs that it would start.

    With ``strict``, what would refuse the fan-out in a run makes it fail here.
    """
    scope = {"inputs": dict(request.inputs), "repo": request.repo}
    emitter = _Emitter(
        request.repo,
        request.workflow,
        request.events,
        scope,
        (request.as_ancestor(),),
        strict,
        said_by(request),
        words_of(request.artifacts, request.events, (request.workflow,)),
    )
    return _steps(emitter, discovery)


def _steps(emitter: _Emitter, discovery: DiscoveryManager) -> tuple[StepPreview, ...]:
    announced: list[_Announced] = []
    pending: list[_Announced] = []
    steps = []
    for step in emitter.workflow.steps:
        skipped = _is_skipped(step, emitter.scope)
        fan_outs: tuple[FanOutPreview, ...] = ()
        if not skipped and step.uses == FAN_OUT:
            fan_outs = tuple(_fan_outs(emitter, step, announced, pending, discovery))
            for fan_out in fan_outs:
                pending = still_pending(pending, fan_out.event_type, {fan_out.artifact})
        if not skipped and step.produces:
            artifact = step.produces.artifact
            found = [_Announced(event.type, artifact, event) for event in step.produces.events]
            announced, pending = [*announced, *found], [*pending, *found]
        steps.append(StepPreview(step, skipped, fan_outs))
    finals = emitter.workflow.finals
    steps += [StepPreview(step, _is_skipped(step, emitter.scope), final=True) for step in finals]
    return tuple(_with_warnings(emitter.workflow, steps))


def _with_warnings(workflow: WorkflowSpec, steps: Iterable[StepPreview]) -> Iterator[StepPreview]:
    """The steps, each with the events that it announces and no later step can emit."""
    lost = never_emitted(workflow.steps)
    for index, preview in enumerate(steps):
        types = [each.type for each in lost if each.step == index and not preview.skipped]
        told = [f"step {preview.step.id!r} announces the event {type_!r}, which nothing would emit" for type_ in types]
        yield replace(preview, warnings=tuple(told))


def _fan_outs(
    emitter: _Emitter,
    step: StepSpec,
    announced: Sequence[_Announced],
    pending: Sequence[_Announced],
    discovery: DiscoveryManager,
) -> Iterator[FanOutPreview]:
    """What each event of a fan-out would do; of its ``with``, what is not known yet is taken as it is written."""
    known, _ = known_part({name: step.params.get(name) for name in ("event_type", "artifact")}, emitter.scope)
    type_, artifact = (known.get(name, step.params.get(name)) for name in ("event_type", "artifact"))
    latest = [each for each in announced if each.type == type_][-1:]
    chosen = (
        to_emit(pending, str(type_), artifact or None, own_payload=has_own_payload(step.params)) or latest or (None,)
    )
    for each in chosen:
        yield _fan_out(emitter, step, each, discovery)


def _is_skipped(step: StepSpec, scope: Scope) -> bool:
    if step.condition is None:
        return False
    from tako.expressions import cel

    try:
        return not cel.evaluate(step.condition, scope, where="")
    except ExpressionError:
        return False


def _fan_out(
    emitter: _Emitter, step: StepSpec, announced: _Announced | None, discovery: DiscoveryManager
) -> FanOutPreview:
    event, unknown, problem = _event(emitter, step, announced)
    nothing = FanOutPreview(event.type, event.artifact, event.payload, unknown, problem=problem)
    if problem or nothing.is_open:
        return nothing
    found = discovery.find_subscribers(event, emitter.said, emitter.path, words=emitter.words)

    def is_open(candidate: Candidate) -> bool:
        """Whether a run may decide what cannot be decided now."""
        verdict = candidate.verdict
        return bool(verdict.undecided and unknown and (not verdict.lacks or f"payload.{verdict.lacks}" in unknown))

    found = replace(found, undecided=tuple(each for each in found.undecided if not is_open(each)))
    chosen, passed_over = first_of_each_workflow(found, open_=is_open)
    looked = replace(
        nothing,
        unreadable=tuple(f"{item.identity}: {item.error}" for item in found.unreadable),
        warnings=warnings_of(found, event, len(emitter.path) if chosen else 0),
        looked_at=found.repositories,
        looked_in=found.looked_in,
    )
    problem = (strict_refusal(found, event) if emitter.strict else "") or "; ".join(found.clashes)
    if problem:
        return replace(looked, problem=problem)
    runs = tuple(_run(candidate, event, unknown, discovery, emitter) for candidate in chosen)
    return replace(looked, runs=runs, passed_over=passed_over)


def _event(emitter: _Emitter, step: StepSpec, announced: _Announced | None) -> tuple[Event, tuple[str, ...], str]:
    """The event as far as it is known, what is not known of it, and why the step would fail."""
    params = step.params
    head, missing = known_part({"event_type": params["event_type"]}, emitter.scope)
    type_ = str(head.get("event_type", params["event_type"]))
    template = announced.template if announced is not None else None
    declared = next((spec for spec in emitter.events if spec.type == type_), None)
    version = params.get("schema_version") or (template.schema_version if template else None)
    rest = {"artifact": artifact_of(announced, params.get("artifact")), "schema_version": version}
    known, more = known_part(rest, emitter.scope)
    raw = template.payload if template else {}
    if has_own_payload(params):
        raw = params["payload"]
    payload, fields = known_part(raw, emitter.scope)
    problem = ""
    if declared is not None:
        if "schema_version" in known:
            known["schema_version"] = known["schema_version"] or declared.schema_version
        payload, problem = _checked(declared, payload, fields)
    event = Event(
        id="evt-preview",
        type=type_,
        source=emitter.repo,
        host=emitter.path[-1].host,
        artifact=str(known.get("artifact", rest["artifact"])),
        schema_version=known.get("schema_version"),
        payload=payload,
        timestamp=iso(0),
        run_id="preview",
        step_id=step.id,
    )
    return event, (*missing, *more, *(f"payload.{name}" for name in fields)), problem


def _checked(declared: EventSpec, payload: dict[str, Any], unknown: tuple[str, ...]) -> tuple[dict[str, Any], str]:
    """The known part of a payload in its declared shape, and what is wrong with it."""
    from tako.config import payload as shape

    known = replace(declared, payload=tuple(field for field in declared.payload if field.name not in unknown))
    try:
        return shape.check(known, payload, where=""), ""
    except TakoError as error:
        return payload, error.what


def _run(
    candidate: Candidate,
    event: Event,
    unknown: tuple[str, ...],
    discovery: DiscoveryManager,
    emitter: _Emitter,
) -> RunPreview:
    path, repository, subscription, verdict = (
        emitter.path,
        candidate.repository,
        candidate.subscription,
        candidate.verdict,
    )
    repo, name, config = repository.identity, subscription.workflow, repository.config
    workflow = config.workflow(name) if config else None
    if config is None or workflow is None:
        raise AssertionError("a subscription that was read names a workflow of its file")
    needs = tuple(each.source for each in config.needed_for(name)) if subscription.coalesce else ()
    open_range = "schema_version" in unknown and subscription.schema_version is not None
    run = RunPreview(
        repo=repo,
        workflow=name,
        where=candidate.where,
        why=f"its range {subscription.schema_version} is not decided yet" if open_range else verdict.why,
        certain=verdict.hears and not open_range and (not needs or (len(needs) == 1 and subscription.needs_all)),
        needs=needs,
    )
    loop = find_cycle(repo, name, event, path)
    if loop:
        return replace(run, stopped=f"the fan-out would be refused: {loop}")
    if len(path) > MAX_DEPTH:
        return replace(run, stopped=f"the fan-out would be refused: more than {MAX_DEPTH} are below each other")
    scope: dict[str, Any] = {"repo": repo} if unknown else {"repo": repo, **_seen(event)}
    try:
        inputs = _inputs(candidate, workflow, scope)
    except TakoError as error:
        return replace(run, stopped=f"it would fail: its inputs do not fit: {error.what}")
    if inputs is not None:
        scope["inputs"] = inputs
    below = (*path, Ancestor(repo, name, cause_of(event), repository.host))
    said = Said(config.dependents, config.path)
    words = words_of(config.artifacts, config.events, config.workflows)
    started = _Emitter(repo, workflow, config.events, scope, below, emitter.strict, said, words)
    return replace(run, steps=_steps(started, discovery))


def _seen(event: Event) -> dict[str, Any]:
    """What the templates of a run that the event starts see of it, but for what every run has anew."""
    shown = {name: value for name, value in event.scope().items() if name not in ("id", "timestamp")}
    return {"event": shown, "payload": dict(event.payload)}


def _inputs(candidate: Candidate, workflow: WorkflowSpec, scope: Scope) -> Mapping[str, Any] | None:
    """What the run's inputs would be, or None where that is not known yet. Raises ``InputError``."""
    from tako.config import inputs

    mapped, unknown = known_part(candidate.subscription.inputs, scope)
    if unknown:
        return None
    return inputs.bind(workflow, mapped, where="")


def known_part(values: Mapping[str, Any], scope: Scope) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The values that can be rendered already, and the names of the others."""
    known: dict[str, Any] = {}
    unknown = []
    for name, value in values.items():
        try:
            known[name] = templates.render_value(value, scope, where="")
        except ExpressionError:
            unknown.append(name)
    return known, tuple(unknown)
