"""The older spellings in a file, and the edits that bring each to the present one."""

from __future__ import annotations

from collections.abc import Iterator

from tako.config.problems import quoted
from tako.lint.edits import Edit, Edits, as_list, renamed, without_entry
from tako.lint.older_artifacts import older_artifacts
from tako.lint.older_events import older_events
from tako.lint.older_inputs import undeclared_inputs
from tako.lint.spellings import present_condition, present_template, respelled, segments
from tako.lint.syntax import Node, Sheet
from tako.lint.walk import Spelling, entries, items, resolved, steps_of, subscriptions_of, workflows_of

_RESOURCES = {"cpu": "cpu_limit", "memory": "mem_limit"}
_FREE = frozenset({"description", "name"})
"""Fields that never hold an expression."""


def older_spellings(sheet: Sheet) -> list[Spelling]:
    """Every older spelling of a file that loads, in the order of their places, each once."""
    found = [
        *older_events(sheet),
        *undeclared_inputs(sheet),
        *(one for subscription in subscriptions_of(sheet.root) for one in _subscription(sheet, subscription)),
        *(one for workflow in workflows_of(sheet.root) for one in _workflow(sheet, workflow)),
        *older_artifacts(sheet),
        *_repos(sheet),
        *_go_spellings(sheet),
    ]
    # What an alias repeats is seen at each place and written at one.
    once = {(one.at, one.what): one for one in found}
    return sorted(once.values(), key=lambda one: (one.at, one.what))


def _workflow(sheet: Sheet, workflow: Node) -> Iterator[Spelling]:
    resources = resolved(workflow.get("resources"))
    for key, _ in entries(resources):
        present = _RESOURCES.get(key.value)
        if present is not None:
            what = f"{quoted(key.value)} in 'resources' is the older name of {quoted(present)}"
            yield Spelling(key.start, what, renamed(key, present))
    for step in steps_of(workflow):
        for key, value in entries(step):
            if key.value == "on_failure" and value.kind != "alias" and (value.kind == "map" or value.value):
                what = "'on_failure' as one step is the older form; it is a list of steps"
                yield Spelling(key.start, what, as_list(sheet, step, key, value, key.value))


def _subscription(sheet: Sheet, subscription: Node) -> Iterator[Spelling]:
    for key, value in entries(subscription):
        if key.value == "filter":
            what = "'filter' of a subscription is the older form of 'filters', which is a list"
            yield Spelling(key.start, what, _filters(sheet, subscription, key, value))
        if key.value == "events" and any(item.kind == "map" for item in items(value)):
            at = next(item.start for item in items(value) if item.kind == "map")
            what = "an event of a subscription as {type: name} is the older form; it is the name alone"
            yield Spelling(at, what, _event_names(sheet, subscription, key, value))


def _filters(sheet: Sheet, subscription: Node, key: Node, value: Node) -> Edits | None:
    others = subscription.get("filters")
    if others is None and not value.is_empty:
        return as_list(sheet, subscription, key, value, "filters")
    gone = without_entry(sheet, subscription, key)
    if value.is_empty or gone is None:
        return gone
    if others is None or others.kind != "list" or not others.items or "\n" in sheet.raw(value):
        return None
    first = others.items[0].start
    behind = ", " if others.is_flow else f"{sheet.newline}{' ' * sheet.column(others.start)}- "
    return (*gone, Edit(first, first, sheet.raw(value) + behind))


def _event_names(sheet: Sheet, subscription: Node, key: Node, value: Node) -> Edits | None:
    edits: list[Edit] = []
    version: Node | None = None
    for item in items(value):
        if item.kind != "map":
            continue
        name = item.get("type")
        version = item.get("schema_version") or version
        made = None if name is None else _name_alone(sheet, item, name)
        if made is None or (version is not None and "\n" in sheet.raw(version)):
            return None
        edits += made
    if version is not None and not version.is_empty and subscription.get("schema_version") is None:
        behind = ", " if subscription.is_flow else f"{sheet.newline}{' ' * sheet.column(key.start)}"
        edits.append(Edit(key.start, key.start, f"schema_version: {sheet.raw(version)}{behind}"))
    return tuple(edits)


def _name_alone(sheet: Sheet, item: Node, name: Node) -> Edits | None:
    if item.anchored:
        return None
    if item.is_flow:
        quiet = not sheet.comments_in(item.start, item.end)
        return (Edit(item.start, item.end, sheet.raw(name)),) if quiet else None
    edits: Edits = ()
    for key, value in item.pairs:
        gone = (Edit(key.start, value.start, ""),) if key.value == "type" else without_entry(sheet, item, key)
        if gone is None:
            return None
        edits += gone
    return edits


def _repos(sheet: Sheet) -> Iterator[Spelling]:
    pair = sheet.pair("repos")
    if pair is None:
        return
    key, value = pair
    what = "'repos' is an older field that nothing reads; subscriptions say what a repository has to do with others"
    if sheet.root.is_flow or len(sheet.root.pairs) == 1 or value.anchored:
        yield Spelling(key.start, what)
        return
    end = sheet.line_after(max(key.start, value.end - 1))
    lines = sheet.text[key.start : end].splitlines(keepends=True)
    # It is the author's own note, so it stays as one.
    yield Spelling(key.start, what, (Edit(key.start, end, "".join(f"# {line}" for line in lines)),))


def _go_spellings(sheet: Sheet) -> Iterator[Spelling]:
    for workflow in workflows_of(sheet.root):
        for name, node in _texts(workflow, ""):
            yield from _go_spelling(sheet, node, is_condition=name == "if")
    for subscription in subscriptions_of(sheet.root):
        for name, node in _texts(subscription, ""):
            yield from _go_spelling(sheet, node, is_condition=name in ("filter", "filters"))


def _texts(node: Node, name: str) -> Iterator[tuple[str, Node]]:
    """The scalars within a node, each with the name of the field it is in."""
    if node.kind == "scalar" and name not in _FREE:
        yield name, node
    for key, value in node.pairs:
        yield from _texts(value, key.value)
    for item in node.items:
        yield from _texts(item, name)


def _go_spelling(sheet: Sheet, node: Node, *, is_condition: bool) -> Iterator[Spelling]:
    present = present_condition if is_condition else present_template
    if not is_condition and "{" not in node.value:
        return
    made = present(node.value)
    if made == node.value:
        return
    written = respelled(sheet, node, present)
    edits = None if written is None else (Edit(node.start, node.end, written),)
    what = f"{'a condition' if is_condition else 'a template'} in the Go tool's spelling"
    at = node.start if is_condition else _first_segment(sheet, node)
    yield Spelling(at, what, edits, "go-spelling", owner=node.start)


def _first_segment(sheet: Sheet, node: Node) -> int:
    """Where the first part of a template is that has another spelling now."""
    for start, segment in segments(node.value):
        if present_template(segment) != segment:
            return sheet.place(node, segment[:2], start)
    return node.start
