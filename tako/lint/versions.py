"""Versions of events that are not written in full, and so look like ranges."""

from __future__ import annotations

from collections.abc import Iterator

from tako.config.model import FAN_OUT
from tako.config.problems import quoted
from tako.expressions import templates, versions
from tako.lint.findings import Finding
from tako.lint.syntax import Node, Sheet
from tako.lint.walk import fields, items, named_workflows, resolved, steps_in


def shortened_versions(sheet: Sheet) -> Iterator[Finding]:
    """The literal versions of events that a file declares or emits, where they leave out something."""
    once = {node.start: node for node in _emitted(sheet)}
    for node in once.values():
        if templates.is_template(node.value):
            continue
        try:
            whole = versions.written_in_full(node.value)
        except ValueError:
            continue
        if whole != node.value.strip():
            what = f"the version {quoted(node.value)} of an event means {quoted(whole)}"
            bare = node.value.strip().removeprefix("v")
            if bare != whole:
                what = f"{what}, while as a range it would hold all of {bare}"
            yield Finding(*sheet.position(node.start), "shortened-version", f"{what}; write it in full")


def _emitted(sheet: Sheet) -> Iterator[Node]:
    declared = sheet.field(sheet.root, "events")
    for name, event in fields(declared[1] if declared else None):
        if event.kind == "list":
            older = items(event) if name.value == "produces" else ()
            yield from (node for item in older for node in _version(sheet, resolved(item)))
        else:
            yield from _version(sheet, event)
    for _, workflow in named_workflows(sheet):
        for step in steps_in(sheet, workflow):
            yield from _of_step(sheet, step)


def _of_step(sheet: Sheet, step: Node) -> Iterator[Node]:
    if step.kind != "map":
        return
    produces = sheet.field(step, "produces")
    events = sheet.field(produces[1], "events") if produces else None
    for item in items(events[1] if events else None):
        yield from _version(sheet, resolved(item))
    uses, params = sheet.field(step, "uses"), sheet.field(step, "with")
    if uses is not None and uses[1].value == FAN_OUT and params is not None:
        yield from _version(sheet, params[1])


def _version(sheet: Sheet, owner: Node | None) -> Iterator[Node]:
    found = sheet.field(owner, "schema_version") if owner is not None and owner.kind == "map" else None
    if found is not None and found[1].kind == "scalar" and not found[1].is_empty:
        yield found[1]
