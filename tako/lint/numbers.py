"""Numbers in payloads that are sent otherwise than they are written, where no declaration says what they are."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tako.config.model import FAN_OUT, RepoConfig
from tako.config.problems import quoted
from tako.config.scalars import meaning
from tako.lint.findings import Finding
from tako.lint.syntax import Node, Sheet
from tako.lint.walk import fields, items, named_workflows, resolved, scalars, steps_in

_LIKE_NUMBER = re.compile(r"[-+]?(?:[0-9]+[eE][-+]?[0-9]+|0[0-9]+|[0-9]{19,})")
"""What is text in Tako, and a number to many a reader of YAML."""


def number_spellings(sheet: Sheet, config: RepoConfig) -> Iterator[Finding]:
    """Every unquoted number in a payload, in a field that is not declared, of which another text is sent."""
    declared = {(event.type, field.name) for event in config.events for field in event.payload}
    for _, workflow in named_workflows(sheet):
        for step in steps_in(sheet, workflow):
            for type_, payload in _payloads(sheet, step):
                for name, value in fields(payload):
                    if (type_, name.value) not in declared:
                        yield from _findings(sheet, name, value)


def _payloads(sheet: Sheet, step: Node) -> Iterator[tuple[str, Node]]:
    """The payloads that a step sends, with the types of their events."""
    if step.kind != "map":
        return
    owners = [(node, "type") for node in _announced(sheet, step)]
    uses, params = sheet.field(step, "uses"), sheet.field(step, "with")
    if uses is not None and uses[1].value == FAN_OUT and params is not None:
        owners.append((params[1], "event_type"))
    for owner, field in owners:
        type_, payload = sheet.field(owner, field), sheet.field(owner, "payload")
        if type_ is not None and payload is not None:
            yield type_[1].value, payload[1]


def _announced(sheet: Sheet, step: Node) -> Iterator[Node]:
    produces = sheet.field(step, "produces")
    events = sheet.field(produces[1], "events") if produces is not None else None
    for item in items(events[1]) if events is not None else ():
        event = resolved(item)
        if event is not None and event.kind == "map":
            yield event


def _findings(sheet: Sheet, name: Node, value: Node) -> Iterator[Finding]:
    for scalar in scalars(value):
        what = "" if scalar.style else _doubt(scalar.value)
        if what:
            line, column = sheet.position(scalar.start)
            yield Finding(line, column, "number-spelling", what, owner_line=sheet.position(name.start)[0])


def _doubt(word: str) -> str:
    found = meaning(word)
    if isinstance(found, int | float) and not isinstance(found, bool) and str(found) != word:
        return f"{word} is the number {found} and is sent so; write {quoted(word)} for the text, or declare the field"
    if isinstance(found, str) and _LIKE_NUMBER.fullmatch(word):
        return f"{word} looks like a number and is sent as text; write {quoted(word)}, or the number in full"
    return ""
