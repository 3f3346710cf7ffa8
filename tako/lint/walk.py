"""The ways through the nodes of a ``tako.yml``, and what is found on them.

``workflows_of``, ``steps_of`` and ``subscriptions_of`` go to where something is written, to change it there.
``named_workflows``, ``steps_in`` and ``fields`` go to what a workflow is, with what ``<<`` brings in.
"""

from __future__ import annotations

from collections.abc import Iterator

from tako.lint.edits import Edits
from tako.lint.syntax import Node, Sheet
from tako.records import record


@record
class Spelling:
    """An older spelling: where it is, what to say of it, and the edits that mend it, or None if a person must."""

    at: int
    what: str
    edits: Edits | None = None
    rule: str = "older-spelling"
    owner: int | None = None
    """Where the text starts in which it is, if that is elsewhere; a comment there silences it too."""


def resolved(node: Node | None) -> Node | None:
    """What an alias stands for; anything else is itself."""
    return node.target if node is not None and node.kind == "alias" else node


def entries(node: Node | None) -> tuple[tuple[Node, Node], ...]:
    """The keys and values of a mapping; none of anything else."""
    return node.pairs if node is not None else ()


def items(node: Node | None) -> tuple[Node, ...]:
    """The items of a list; none of anything else."""
    return node.items if node is not None else ()


def workflows_of(root: Node) -> Iterator[Node]:
    """The workflows of a file."""
    for _, value in entries(resolved(root.get("workflows"))):
        workflow = resolved(value)
        if workflow is not None:
            yield workflow


def steps_of(workflow: Node) -> Iterator[Node]:
    """The steps of a workflow that are mappings, those of ``on_failure`` and ``finally`` too."""
    pending = [workflow.get("steps"), workflow.get("finally")]
    while pending:
        found = resolved(pending.pop(0))
        for item in items(found) or ((found,) if found is not None else ()):
            step = resolved(item)
            if step is not None and step.kind == "map":
                yield step
                pending.append(step.get("on_failure"))


def subscriptions_of(root: Node) -> Iterator[Node]:
    """The subscriptions of a file, those within ``events`` too."""
    older = resolved(root.get("events"))
    for node in (root.get("subscriptions"), older.get("subscriptions") if older else None):
        for item in items(resolved(node)):
            subscription = resolved(item)
            if subscription is not None and subscription.kind == "map":
                yield subscription


def named_workflows(sheet: Sheet) -> Iterator[tuple[str, Node]]:
    """The workflows of a file with their names, those that ``<<`` brings in too."""
    found = sheet.field(sheet.root, "workflows")
    for name, node in fields(found[1] if found else None):
        yield name.value, node


def fields(node: Node | None) -> Iterator[tuple[Node, Node]]:
    """The keys and values of a mapping, with aliases resolved, and those that ``<<`` brings in."""
    seen: set[str] = set()
    pending = [node] if node is not None else []
    while pending:
        owner = resolved(pending.pop(0))
        for key, value in entries(owner):
            whole = resolved(value)
            if key.value == "<<" and not key.style and whole is not None:
                pending += whole.items if whole.kind == "list" else (whole,)
            elif key.value not in seen and whole is not None:
                seen.add(key.value)
                yield key, whole


def steps_in(sheet: Sheet, workflow: Node) -> Iterator[Node]:
    """The steps of a workflow as they are written, mappings or bare commands, those that run afterwards too."""
    pending = [found[1] for name in ("steps", "finally") if (found := sheet.field(workflow, name)) is not None]
    while pending:
        node = pending.pop(0)
        for item in node.items if node.kind == "list" else (node,):
            step = resolved(item)
            if step is None or step.kind == "list":
                continue
            yield step
            handler = sheet.field(step, "on_failure")
            if handler is not None:
                pending.append(handler[1])


def commands(sheet: Sheet, step: Node) -> Iterator[tuple[Node, Node]]:
    """The ``run`` of a step, if it has one: where its field starts, and its text."""
    found = (step, step) if step.kind == "scalar" else sheet.field(step, "run")
    if found is not None and found[1].kind == "scalar":
        yield found


def scalars(node: Node) -> Iterator[Node]:
    """The scalars within a node, those of aliases too, but for the keys of mappings."""
    whole = resolved(node)
    if whole is None:
        return
    if whole.kind == "scalar":
        yield whole
    for _, value in whole.pairs:
        yield from scalars(value)
    for item in whole.items:
        yield from scalars(item)
