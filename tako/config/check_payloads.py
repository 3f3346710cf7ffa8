"""Payloads that steps send, against the declared shape of their event, as far as they are written down."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import UnsetType

from tako.config import build, names, payload, schema
from tako.config.labels import label
from tako.config.model import FAN_OUT, PayloadField
from tako.config.problems import Path, Problem, nearest, quoted
from tako.config.step_ids import named_steps
from tako.records import replace


def payload_value_problems(root: schema.Root) -> Iterator[Problem]:
    """Every literal in a payload that its event's declaration refuses, and every required field that is not there."""
    for name, workflow in root.workflows.items():
        steps = [(path, step) for _, path, step in named_steps(workflow, ("workflows", name))]
        fan_outs = [step.params for _, step in steps if step.uses == FAN_OUT]
        given = {str(params.get("event_type")) for params in fan_outs if _says_something(params.get("payload"))}
        announced = {event.type for _, step in steps for event in _announced(step)}
        for path, step in steps:
            for index, event in enumerate(_announced(step)):
                place: Path = (*path, "produces", "events", index)
                # A fan-out with a payload of its own sends that instead.
                complete = event.type not in given
                yield from _problems(root.events.get(event.type), event.type, event.payload, place, complete=complete)
            if step.uses == FAN_OUT:
                type_ = str(step.params.get("event_type"))
                sent = step.params.get("payload")
                if isinstance(sent, dict) and _says_something(sent):
                    yield from _problems(root.events.get(type_), type_, sent, (*path, "with"), complete=True)
                elif type_ not in announced:
                    yield from _problems(root.events.get(type_), type_, {}, (*path, "with"), complete=True)


def _says_something(sent: Any) -> bool:
    """Whether a fan-out's payload is one of its own: an empty one is that of the event that was announced."""
    return isinstance(sent, dict) and any(value is not None for value in sent.values())


def _announced(step: schema.AnyStep) -> list[schema.EventTemplate]:
    return [] if isinstance(step.produces, UnsetType) else step.produces.events


def _problems(
    declared: schema.Event | None, type_: str, sent: dict[str, Any], path: Path, *, complete: bool
) -> Iterator[Problem]:
    if declared is None:
        return
    for name, field in declared.payload.items():
        spec = build.payload_field(name, field)
        value = sent.get(name)
        place: Path = (*path, "payload", name)
        problems = _value_problems(spec, value, place)
        if value is None and complete and spec.required and spec.default is None:
            others = [other for other in sent if other not in declared.payload]
            what = f"{label(path)} does not give event {quoted(type_)} its required field {quoted(name)}"
            problems = iter([Problem((*path, "payload"), what + nearest(name, others), on_key=True)])
        for problem in problems:
            yield problem.following("events", type_, "payload", name)


def _value_problems(spec: PayloadField, value: Any, path: Path) -> Iterator[Problem]:
    if value is None:
        return
    if isinstance(value, str) and names.is_template(value):
        return
    usable = None if spec.pattern is None or names.pattern_fault(spec.pattern) else spec.pattern
    known = replace(spec, pattern=usable)
    if _holds_template(value):
        known = replace(known, enum=None, pattern=None)
    for what in payload.check_value(known, value)[1]:
        yield Problem(path, f"{label(path)}: {what}")


def _holds_template(value: Any) -> bool:
    if isinstance(value, str):
        return names.is_template(value)
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(map(_holds_template, inner))
