"""Makes the events that a fan-out step emits."""

from __future__ import annotations

from tako.clock import iso
from tako.config.announcing import artifact_of, has_own_payload, to_emit
from tako.errors import StepError
from tako.execution.announced import pending
from tako.execution.event import Event, event_from_data, key_fault
from tako.execution.payloads import render_payload
from tako.expressions import templates
from tako.fanout.redelivery import EVENT
from tako.files import canonical
from tako.ids import event_id
from tako.records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from tako.execution.state import Announced, ExecutionState
    from tako.steps.base import StepContext

MAX_PAYLOAD = 256 * 1024
"""Bytes of a payload: an event must fit into one frame with room to spare."""


def events_of_step(context: StepContext) -> tuple[Event, ...]:
    """Return the events that the step's ``with`` describes: one for each that is pending of its type, else one.

    What ``with`` leaves out comes from the event that an earlier step announced under the same type. Raises
    ``StepError`` if a payload does not fit the declared schema or is too large, or the idempotency key is none;
    ``ExpressionError`` for a template.
    """
    params = context.spec.params
    if EVENT in params:
        return (_once_more(event_from_data(params[EVENT]), context),)
    outputs = {name: value for step in context.state.steps for name, value in step.outputs.items()}
    scope = context.scope(outputs=outputs)
    type_ = str(templates.render_value(params["event_type"], scope, where=context.where))
    artifact = templates.render_value(params.get("artifact"), scope, where=context.where)
    named = str(artifact) if artifact else None
    chosen: Sequence[Announced | None] = to_emit(
        pending(context.state), type_, named, own_payload=has_own_payload(params)
    )
    chosen = chosen or (_latest_announced(context.state, type_),)
    events = [
        _event(context, scope, type_, announced, artifact_of(announced, named), number)
        for number, announced in enumerate(chosen, 1)
    ]
    return tuple(_with_own_keys(events, _key(params, scope, context.where), context.where))


def _event(
    context: StepContext, scope: Mapping[str, Any], type_: str, announced: Announced | None, artifact: str, number: int
) -> Event:
    request, params, where = context.request, context.spec.params, context.where
    version = announced.schema_version if announced else None
    if params.get("schema_version") is not None:
        version = str(templates.render_value(params["schema_version"], scope, where=where))
    payload = dict(announced.payload) if announced else {}
    if has_own_payload(params):
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
    return Event(
        id=event_id(request.run_id, context.spec.id, context.state.generation, number),
        type=type_,
        source=request.repo,
        artifact=artifact,
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


def _latest_announced(state: ExecutionState, type_: str) -> Announced | None:
    """Return the last event of that type that a step of the run announced, emitted or not."""
    announced = (event for step in reversed(state.steps) for event in reversed(step.announced))
    return next((event for event in announced if event.type == type_), None)


def _key(params: Mapping[str, Any], scope: Mapping[str, Any], where: str) -> str:
    """Return the idempotency key; it is empty if none is given, or it comes out empty."""
    rendered = templates.render_value(params.get("idempotency_key"), scope, where=where)
    return "" if rendered is None else str(rendered).strip()


def _with_own_keys(events: Sequence[Event], key: str, where: str) -> Iterator[Event]:
    """Give each event its key: of several events that go out together, none may stand for another one."""
    given: list[str] = []
    for event in events:
        own = key
        if key and len(events) > 1:
            given.append(event.artifact)
            own += f":{event.artifact}"
            own += f":{given.count(event.artifact)}" if given.count(event.artifact) > 1 else ""
        fault = key_fault(own) if own else ""
        if fault:
            what = f"the idempotency key {own[:40]!r} {fault}"
            raise StepError(what, where=where, cure="use a short name or a checksum")
        yield replace(event, key=own or None)
