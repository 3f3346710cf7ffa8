"""Makes the event that a fan-out step emits."""

from __future__ import annotations

from tako.clock import iso
from tako.config.model import DEFAULT_ARTIFACT
from tako.errors import StepError
from tako.execution.event import Event, event_from_data, key_fault
from tako.execution.payloads import render_payload
from tako.expressions import templates
from tako.fanout.redelivery import EVENT
from tako.files import canonical
from tako.ids import event_id
from tako.records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tako.execution.state import Announced, ExecutionState
    from tako.steps.base import StepContext

MAX_PAYLOAD = 256 * 1024
"""Bytes of a payload: an event must fit into one frame with room to spare."""


def event_of_step(context: StepContext) -> Event:
    """The event that the step's ``with`` describes.

    What ``with`` leaves out comes from the event that an earlier step announced under the same type. Raises
    ``StepError`` if the payload does not fit the declared schema or is too large, or the idempotency key is none;
    ``ExpressionError`` for a template.
    """
    request, params, where = context.request, context.spec.params, context.where
    if EVENT in params:
        return _once_more(event_from_data(params[EVENT]), context)
    outputs = {name: value for step in context.state.steps for name, value in step.outputs.items()}
    scope = context.scope(outputs=outputs)
    type_ = str(templates.render_value(params["event_type"], scope, where=where))
    announced = latest_announced(context.state, type_)
    version = announced.schema_version if announced else None
    if params.get("schema_version") is not None:
        version = str(templates.render_value(params["schema_version"], scope, where=where))
    payload = dict(announced.payload) if announced else {}
    if any(value is not None for value in (params.get("payload") or {}).values()):
        payload = render_payload(params["payload"], type_, request.events, scope, where=where)
    declared = next((spec for spec in request.events if spec.type == type_), None)
    if declared is not None:
        version = version or declared.schema_version
        if declared.payload:
            from tako.config.payload import check

            payload = check(declared, payload, where=where)
    size = len(canonical(payload).encode("utf-8", "surrogatepass"))
    if size > MAX_PAYLOAD:
        raise StepError(
            f"the payload of the event {type_!r} has {size} bytes, more than {MAX_PAYLOAD}",
            where=where,
            cure="send data as an artifact; the payload is for values",
        )
    named = templates.render_value(params.get("artifact"), scope, where=where)
    artifact = named or (announced.artifact if announced else None)
    return Event(
        id=event_id(request.run_id, context.spec.id, context.state.generation),
        type=type_,
        source=request.repo,
        artifact=str(artifact or DEFAULT_ARTIFACT),
        schema_version=version,
        payload=payload,
        timestamp=iso(context.capabilities.clock.now()),
        run_id=request.run_id,
        step_id=context.spec.id,
        waiting=bool(params.get("wait_for_children", True)),
        artifacts=(
            *(replace(each, host=request.host) for each in context.state.artifacts),
            *request.visible_artifacts,
        ),
        key=_key(params, scope, where),
        host=request.host,
    )


def _once_more(recorded: Event, context: StepContext) -> Event:
    """A recorded event as a new one; without its key, since it is to be delivered although it has been."""
    return replace(
        recorded,
        id=event_id(context.request.run_id, context.spec.id, context.state.generation),
        timestamp=iso(context.capabilities.clock.now()),
        run_id=context.request.run_id,
        step_id=context.spec.id,
        waiting=True,
        key=None,
    )


def latest_announced(state: ExecutionState, type_: str) -> Announced | None:
    """The last event of that type that a step of the run announced."""
    announced = (event for step in reversed(state.steps) for event in reversed(step.announced))
    return next((event for event in announced if event.type == type_), None)


def _key(params: Mapping[str, Any], scope: Mapping[str, Any], where: str) -> str | None:
    """The idempotency key; None if it is not given, or comes out empty."""
    rendered = templates.render_value(params.get("idempotency_key"), scope, where=where)
    key = "" if rendered is None else str(rendered).strip()
    fault = key_fault(key) if key else ""
    if fault:
        raise StepError(f"the idempotency key {key[:40]!r} {fault}", where=where, cure="use a short name or a checksum")
    return key or None
