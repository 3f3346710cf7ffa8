"""A step's ``produces.artifacts``, which older files have instead of a declared artifact."""

from __future__ import annotations

from collections.abc import Iterator

from tako.config.model import DEFAULT_ARTIFACT
from tako.lint.edits import Edit, Edits, after, at_line, without_entry
from tako.lint.syntax import Node, Sheet
from tako.lint.walk import Spelling, entries, items, resolved, steps_of, workflows_of


def older_artifacts(sheet: Sheet) -> Iterator[Spelling]:
    """The older ``artifacts`` of steps, with edits where they name one path that can be declared."""
    found = [
        (produces, key, value)
        for workflow in workflows_of(sheet.root)
        for step in steps_of(workflow)
        for produces in (resolved(step.get("produces")),)
        if produces is not None
        for key, value in entries(produces)
        if key.value == "artifacts" and value.kind == "list"
    ]
    implicit = {
        path.value for produces, _, value in found if _name(produces) == DEFAULT_ARTIFACT for path in _paths(value)
    }
    what = (
        "'artifacts' of 'produces' is the older form; declare the artifact at the top level and name it in 'artifact'"
    )
    for produces, key, value in found:
        edits: Edits | None = None
        if not value.items:
            edits = without_entry(sheet, produces, key) if len(produces.pairs) > 1 else None
        elif len(_paths(value)) == 1 and not value.anchored and not sheet.comments_in(key.start, value.end):
            edits = _declared(sheet, produces, key, value, alone=len(implicit) == 1)
        yield Spelling(key.start, what, edits)


def _name(produces: Node) -> str:
    named = produces.get("artifact")
    return DEFAULT_ARTIFACT if named is None or named.is_empty else named.value


def _paths(value: Node) -> list[Node]:
    return [path for item in items(value) if (path := (resolved(item) or item).get("path")) is not None]


def _declared(sheet: Sheet, produces: Node, key: Node, value: Node, *, alone: bool) -> Edits | None:
    path, name = _paths(value)[0], _name(produces)
    declared = resolved(sheet.root.get("artifacts"))
    known = resolved(declared.get(name)) if declared is not None else None
    new: Edits = ()
    if known is not None:
        there = known.get("path")
        if there is None or there.value != path.value:
            return None
    elif name != DEFAULT_ARTIFACT or not alone or "\n" in sheet.raw(path):
        return None
    else:
        made = _declaration(sheet, sheet.raw(path))
        if made is None:
            return None
        new = (made,)
    if produces.get("artifact") is None:
        return (*new, Edit(key.start, value.end, f"artifact: {DEFAULT_ARTIFACT}"))
    gone = without_entry(sheet, produces, key)
    return None if gone is None else (*new, *gone)


def _declaration(sheet: Sheet, path: str) -> Edit | None:
    """The implicit artifact among the declared ones."""
    newline = sheet.newline
    found = sheet.pair("artifacts")
    if found is None or found[1].is_empty:
        workflows = sheet.pair("workflows")
        if sheet.root.is_flow or workflows is None or found is not None:
            return None
        index = sheet.root.pairs.index(workflows)
        at = after(sheet, sheet.root.pairs[index - 1][1]) if index else 0
        return at_line(sheet, at, f"artifacts:{newline}  {DEFAULT_ARTIFACT}:{newline}    path: {path}{newline}")
    key, value = found[1].pairs[-1]
    if found[1].is_flow:
        return Edit(value.end, value.end, f", {DEFAULT_ARTIFACT}: {{path: {path}}}")
    indent = " " * sheet.column(key.start)
    text = f"{indent}{DEFAULT_ARTIFACT}:{newline}{indent}  path: {path}{newline}"
    return at_line(sheet, after(sheet, found[1]), text)
