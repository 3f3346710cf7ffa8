"""Inputs that subscriptions of the older form pass to workflows that do not declare them."""

from __future__ import annotations

from collections.abc import Iterator

from tako.config.problems import nearest, quoted
from tako.lint.edits import Edit, Edits
from tako.lint.syntax import Node, Sheet
from tako.lint.walk import Spelling, entries, fields, items, named_workflows, resolved


def undeclared_inputs(sheet: Sheet) -> Iterator[Spelling]:
    """Each of them, where the first subscription passes it; declaring it means the same."""
    workflows = dict(named_workflows(sheet))
    told: set[tuple[str, str]] = set()
    for subscription in _older_subscriptions(sheet):
        name = sheet.field(subscription, "workflow")
        passed = sheet.field(subscription, "inputs")
        workflow = workflows.get(name[1].value) if name else None
        if name is None or passed is None or workflow is None:
            continue
        declared = sheet.field(workflow, "inputs")
        known = {key.value for key, _ in fields(declared[1] if declared else None)}
        for key, _ in fields(passed[1]):
            if key.value not in known and (name[1].value, key.value) not in told:
                told.add((name[1].value, key.value))
                what = (
                    f"workflow {quoted(name[1].value)} does not declare the input {quoted(key.value)}"
                    f"{nearest(key.value, known)}; only a subscription within 'events' may pass such a one, as text"
                )
                yield Spelling(key.start, what, _declared(sheet, workflow, key))


def _older_subscriptions(sheet: Sheet) -> Iterator[Node]:
    events = sheet.pair("events")
    found = resolved(events[1].get("subscriptions")) if events is not None and events[1].kind == "map" else None
    for item in items(found):
        subscription = resolved(item)
        if subscription is not None and subscription.kind == "map":
            yield subscription


def _declared(sheet: Sheet, workflow: Node, key: Node) -> Edits | None:
    """The input as the first of those that the workflow declares; None unless it is written in lines of its own."""
    name = sheet.raw(key)
    present = next((value for field, value in entries(workflow) if field.value == "inputs"), None)
    if present is None:
        return _before(sheet, workflow, ("inputs:", f"  {name}: {{type: string}}"))
    return _before(sheet, present, (f"{name}: {{type: string}}",))


def _before(sheet: Sheet, owner: Node, lines: tuple[str, ...]) -> Edits | None:
    """Lines above the first entry of a mapping, as far in as that."""
    if owner.kind != "map" or owner.is_flow or owner.anchored or not owner.pairs:
        return None
    first = owner.pairs[0][0].start
    indent = sheet.indent(first)
    if sheet.column(first) != len(indent) or any("\n" in line for line in lines):
        return None
    start = sheet.line_start(first)
    return (Edit(start, start, "".join(f"{indent}{line}{sheet.newline}" for line in lines)),)
