"""The tables of docs/tako-yml.md: every field of the language, out of what the schema says of it.

The examples in them are taken from docs/examples/, which the tests run, so an example is one that works.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tako.config import refusals
from tako.config.describe import Described, describe
from tako.config.reads import CONDITION, SCRIPT, TEMPLATE
from tako.config.refusals import REFUSED
from tako.lint.syntax import Node, Sheet
from tako.lint.walk import entries, items, resolved
from tako.records import record
from tako.steps.registry import known

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "tako-yml.md"
EXAMPLES = DOCS / "examples"
START = "<!-- The tables are made by scripts/docs out of the schema. -->\n"
END = "<!-- Here the tables end. -->\n"

STEP = "workflows.NAME.steps[]"
HANDLER = f"{STEP}.on_failure[]"
"""A step again, with its own fields but those that a handler cannot have: it needs no tables of its own."""
FINAL = "workflows.NAME.finally[]"
"""The same."""

REFUSED_IN = {
    "workflows.NAME": refusals.WORKFLOW,
    "workflows.NAME.resources": refusals.RESOURCES,
    STEP: refusals.STEP,
    HANDLER: refusals.STEP,
    FINAL: refusals.STEP,
}

_SHOWN = 70


@record
class Place:
    """A table: the fields of the mapping at ``path``."""

    title: str
    path: str
    example: str
    """The file in docs/examples/ to look at."""


PLACES = (
    Place("The top level", "", "repository"),
    Place("`metadata`", "metadata", "repository"),
    Place("An artifact", "artifacts.NAME", "repository"),
    Place("An event", "events.NAME", "repository"),
    Place("A field of an event's `payload`", "events.NAME.payload.NAME", "repository"),
    Place("A workflow", "workflows.NAME", "workflow"),
    Place("An input of a workflow", "workflows.NAME.inputs.NAME", "workflow"),
    Place("The `validation` of an input", "workflows.NAME.inputs.NAME.validation", "workflow"),
    Place("The `resources` of a workflow", "workflows.NAME.resources", "workflow"),
    Place("A step", STEP, "step"),
    Place("The `retry` of a step", f"{STEP}.retry", "step"),
    Place("The `produces` of a step", f"{STEP}.produces", "step"),
    Place("An event that a step produces", f"{STEP}.produces.events[]", "step"),
    Place("An item of the older `produces.artifacts`", f"{STEP}.produces.artifacts[]", "older"),
    Place("The `with` of `tako/fan-out@v1`", f"{STEP}.with(tako/fan-out@v1)", "fan-out"),
    Place("The `retry` of a fan-out", f"{STEP}.with(tako/fan-out@v1).retry", "fan-out"),
    Place("The `with` of `tako/poll@v1`", f"{STEP}.with(tako/poll@v1)", "poll"),
    Place("A dependent", "dependents[]", "repository"),
    Place("A subscription", "subscriptions[]", "subscription"),
)


def tables() -> str:
    """All tables, as Markdown. Raises ``LookupError`` if a field has no place, or is in no example."""
    sheets = {path.stem: Sheet(path.read_text(encoding="utf-8")) for path in sorted(EXAMPLES.glob("*.yml"))}
    rows: dict[str, list[Described]] = {}
    for row in filter(_is_supported, describe()):
        rows.setdefault(row.path.rpartition(".")[0], []).append(row)
    placed = {place.path for place in PLACES}
    unplaced = [path for path in rows if path not in placed and not path.startswith((HANDLER, FINAL))]
    if unplaced:
        raise LookupError(f"no table for the fields of {', '.join(unplaced)}: add it to PLACES")
    own = [row.path.rpartition(".")[2] for row in rows[HANDLER]]
    lacking = [name for row in rows[STEP] if (name := row.path.rpartition(".")[2]) not in own]
    note = f"A step of `on_failure` or `finally` has all of them but {', '.join(f'`{name}`' for name in lacking)}.\n"
    made = [
        _table(place, rows[place.path], sheets) + (f"\n{note}" if place.path == STEP else "")
        for place in PLACES
        if place.path in rows
    ]
    return "\n".join(made)


def _is_supported(row: Described) -> bool:
    """Whether a field does what it says: it is not refused, and not a parameter of a step kind that there is not."""
    owner, _, name = row.path.rpartition(".")
    kind = re.search(r"\((.*?)\)", row.path)
    refused = any(one.field == name and one.where == REFUSED_IN.get(owner) for one in REFUSED)
    return not refused and (kind is None or kind[1] in known())


def _table(place: Place, rows: list[Described], sheets: dict[str, Sheet]) -> str:
    lines = [
        f"### {place.title}\n",
        f"[examples/{place.example}.yml](examples/{place.example}.yml)\n",
        "| Field | Type | Default | What it is for | Example |",
        "|---|---|---|---|---|",
    ]
    order = [place.example, *(name for name in sheets if name != place.example)]
    for row in rows:
        name = row.path.rpartition(".")[2]
        default = "required" if row.required else f"`{row.default}`" if row.default else ""
        example = _cell(_example(row.path, [sheets[name] for name in order]))
        read = {TEMPLATE: ", template", SCRIPT: ", template", CONDITION: ", CEL"}.get(row.reads, "")
        cells = (f"`{name}`", row.type + read, default, row.description.replace("<", "&lt;"), f"`{example}`")
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    first, *more = text.splitlines()
    short = first if len(first) <= _SHOWN else first[:_SHOWN] + "…"
    return short + (" …" if more else "")


def _example(path: str, sheets: list[Sheet]) -> str:
    for sheet in sheets:
        for key, value in _found(sheet.root, path.split(".")):
            return sheet.text[key.start : value.end]
    raise LookupError(f"no example for {path}: put it into a file of {EXAMPLES}")


def _found(node: Node, path: list[str]) -> Iterator[tuple[Node, Node]]:
    """The keys and values at a path, whatever the names and items on the way are."""
    name, *rest = path
    bare, _, uses = name.removesuffix(")").partition("(")
    kind = node.get("uses")
    for key, value in entries(resolved(node)):
        if bare.removesuffix("[]") not in (key.value, "NAME") or (uses and (kind is None or kind.value != uses)):
            continue
        if not rest:
            yield key, value
            continue
        for each in items(resolved(value)) if bare.endswith("[]") else (value,):
            yield from _found(each, rest)


def with_tables(page: str) -> str:
    """The page with its tables as they must be. Raises ``LookupError`` as ``tables`` does, or without the marks."""
    before, start, rest = page.partition(START)
    _, end, behind = rest.partition(END)
    if not start or not end:
        raise LookupError(f"{PAGE} has not the lines between which the tables stand")
    return f"{before}{start}\n{tables()}\n{end}{behind}"


def main(arguments: list[str]) -> int:
    """Write the page, or with ``--check`` tell whether it is as it must be."""
    page = PAGE.read_text(encoding="utf-8")
    made = with_tables(page)
    if arguments == ["--check"]:
        print("docs: up to date" if made == page else f"docs: {PAGE} is out of date: run scripts/docs")
        return int(made != page)
    PAGE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
