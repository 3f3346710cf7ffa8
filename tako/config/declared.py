"""Payloads that are written down, against the events that the file declares: text stays as it was written.

``payload: {version: 1.10}`` means the text 1.10 where the event's field is text, and the number 1.1 where nothing is
declared.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tako.config.model import FAN_OUT
from tako.config.problems import Path
from tako.config.tidy import Written


def keep_declared_text(data: dict[str, Any], written: Written) -> None:
    """Make text, in place, of every number and boolean in a payload of tidied data whose field is declared as text."""
    for path, type_, payload in _payloads(data):
        kinds = _kinds(data, type_)
        for name, value in payload.items():
            if kinds.get(name) == "string" and isinstance(value, bool | int | float):
                payload[name] = written((*path, name)) or str(value)


def _payloads(data: dict[str, Any]) -> Iterator[tuple[Path, str, dict[str, Any]]]:
    """Every payload that a step of tidied data sends: its place, the type of its event, and itself."""
    for path, step in _steps(data):
        produces = step.get("produces")
        events = produces.get("events") if isinstance(produces, dict) else None
        for index, event in enumerate(events if isinstance(events, list) else ()):
            if isinstance(event, dict) and isinstance(event.get("payload"), dict):
                yield (*path, "produces", "events", index, "payload"), str(event.get("type")), event["payload"]
        params = step.get("with")
        if step.get("uses") == FAN_OUT and isinstance(params, dict) and isinstance(params.get("payload"), dict):
            yield (*path, "with", "payload"), str(params.get("event_type")), params["payload"]


def _steps(data: dict[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
    workflows = data.get("workflows")
    for name, workflow in workflows.items() if isinstance(workflows, dict) else ():
        steps = workflow.get("steps") if isinstance(workflow, dict) else None
        for index, step in enumerate(steps if isinstance(steps, list) else ()):
            if isinstance(step, dict):
                yield ("workflows", name, "steps", index), step


def _kinds(data: dict[str, Any], type_: str) -> dict[str, str]:
    """The declared types of the fields of an event."""
    events = data.get("events")
    event = events.get(type_) if isinstance(events, dict) else None
    fields = event.get("payload") if isinstance(event, dict) else None
    if not isinstance(fields, dict):
        return {}
    return {name: str(field.get("type", "string")) for name, field in fields.items() if isinstance(field, dict)}
