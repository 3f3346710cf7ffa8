"""What a run would cause, as far as that can be known without running anything."""

from __future__ import annotations

from tako.clock import iso
from tako.config.model import DEFAULT_ARTIFACT
from tako.errors import ExpressionError
from tako.execution.event import Event
from tako.execution.request import Ancestor, cause_of
from tako.expressions import templates
from tako.fanout.discovery import location
from tako.fanout.orchestrator import find_cycle, first_of_each_workflow
from tako.fanout.plan import MAX_DEPTH, PassedOver
from tako.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tako.config.model import EventTemplate, StepSpec, WorkflowSpec
    from tako.execution.request import RunRequest
    from tako.fanout.discovery import Candidate, DiscoveryManager

FAN_OUT = "tako/fan-out@v1"


@record
class StepPreview:
    """One step of a workflow."""

    step: StepSpec
    fan_out: FanOutPreview | None = None


@record
class FanOutPreview:
    """What a fan-out step would do."""

    event_type: str
    artifact: str
    payload: Mapping[str, Any]
    """What is known of it."""
    unknown: tuple[str, ...]
    """Fields of the payload that only a run can fill."""
    runs: tuple[RunPreview, ...]
    passed_over: tuple[PassedOver, ...]
    unreadable: tuple[str, ...]


@record
class RunPreview:
    """A run that the fan-out would start, or might."""

    repo: str
    workflow: str
    where: str
    why: str
    certain: bool
    """False if a filter depends on what only a run can know."""
    steps: tuple[StepPreview, ...] = ()
    stopped: str = ""
    """Why its own steps are not followed: a cycle, too many levels."""


def preview(request: RunRequest, discovery: DiscoveryManager) -> tuple[StepPreview, ...]:
    """The steps of a run and, below each fan-out, those of the runs that it would start."""
    return _steps(request.repo, request.workflow, dict(request.inputs), discovery, (request.as_ancestor(),))


def _steps(
    repo: str,
    workflow: WorkflowSpec,
    inputs: Mapping[str, Any],
    discovery: DiscoveryManager,
    path: tuple[Ancestor, ...],
) -> tuple[StepPreview, ...]:
    announced: dict[str, tuple[EventTemplate, str | None]] = {}
    steps = []
    for step in workflow.steps:
        produces = step.produces
        for event in produces.events if produces else ():
            announced[event.type] = (event, produces.artifact if produces else None)
        fan_out = _fan_out(repo, step, inputs, announced, discovery, path) if step.uses == FAN_OUT else None
        steps.append(StepPreview(step, fan_out))
    return tuple(steps)


def _fan_out(
    repo: str,
    step: StepSpec,
    inputs: Mapping[str, Any],
    announced: Mapping[str, tuple[EventTemplate, str | None]],
    discovery: DiscoveryManager,
    path: tuple[Ancestor, ...],
) -> FanOutPreview:
    params = step.params
    type_ = str(params["event_type"])
    template, produced = announced.get(type_, (None, None))
    raw = params.get("payload") or (template.payload if template else {})
    payload, unknown = known_part(raw, {"inputs": inputs, "repo": repo})
    version = params.get("schema_version") or (template.schema_version if template else None)
    event = Event(
        id="evt-preview",
        type=type_,
        source=repo,
        artifact=str(params.get("artifact") or produced or DEFAULT_ARTIFACT),
        schema_version=None if version is None or templates.is_template(str(version)) else str(version),
        payload=payload,
        timestamp=iso(0),
        run_id="preview",
        step_id=step.id,
    )
    found = discovery.find_subscribers(event)
    chosen, passed_over = first_of_each_workflow(found, undecided_hear=bool(unknown))
    return FanOutPreview(
        event_type=type_,
        artifact=event.artifact,
        payload=payload,
        unknown=unknown,
        runs=tuple(_run(candidate, event, discovery, path) for candidate in chosen),
        passed_over=passed_over,
        unreadable=tuple(f"{item.identity}: {item.error}" for item in found.unreadable),
    )


def _run(candidate: Candidate, event: Event, discovery: DiscoveryManager, path: tuple[Ancestor, ...]) -> RunPreview:
    repository, subscription = candidate.repository, candidate.subscription
    repo, name = repository.identity, subscription.workflow
    workflow = repository.config.workflow(name) if repository.config else None
    stopped = find_cycle(repo, name, event, path)
    if not stopped and len(path) >= MAX_DEPTH:
        stopped = f"more than {MAX_DEPTH} fan-outs below each other"
    steps: tuple[StepPreview, ...] = ()
    if workflow is not None and not stopped:
        below = (*path, Ancestor(repo, name, cause_of(event)))
        steps = _steps(repo, workflow, {}, discovery, below)
    return RunPreview(
        repo=repo,
        workflow=name,
        where=location(repository, subscription),
        why=candidate.verdict.why,
        certain=candidate.verdict.hears,
        steps=steps,
        stopped=stopped,
    )


def known_part(payload: Mapping[str, Any], scope: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The fields of a payload that can be rendered already, and the names of the others."""
    known: dict[str, Any] = {}
    unknown = []
    for name, value in payload.items():
        try:
            known[name] = templates.render_value(value, scope, where="")
        except ExpressionError:
            unknown.append(name)
    return known, tuple(unknown)
