"""What belongs to the language but is not supported by this version of Tako.

One table. When a version supports a field, its row goes and the field enters ``schema``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tako.config.problems import Path, Problem, quoted
from tako.records import record

WORKFLOW, RESOURCES, STEP = (
    "of a workflow",
    "in 'resources' of a workflow",
    "of a step",
)


@record
class Refusal:
    """A field that is refused, unless it is null."""

    where: str
    field: str


REFUSED = (
    Refusal(WORKFLOW, "image"),
    Refusal(RESOURCES, "cpu_limit"),
    Refusal(RESOURCES, "disk_limit"),
    Refusal(STEP, "image"),
    Refusal(STEP, "network"),
    Refusal(STEP, "capabilities"),
    Refusal(STEP, "volumes"),
    Refusal(STEP, "security_profile"),
    Refusal(STEP, "resources"),
)


def take_out(data: dict[str, Any]) -> list[Problem]:
    """Remove every refused field from tidied data, in place, and say which asked for something."""
    problems = []
    for where, path, owner in _owners(data):
        for refusal in _BY_PLACE[where]:
            if refusal.field not in owner:
                continue
            value = owner.pop(refusal.field)
            if value is not None:
                what = (
                    f"{quoted(refusal.field)} {where} is part of the language but not supported by this version of Tako"
                )
                problems.append(Problem((*path, refusal.field), what, on_key=True))
    return problems


_BY_PLACE = {where: [refusal for refusal in REFUSED if refusal.where == where] for where in (WORKFLOW, RESOURCES, STEP)}


def _owners(data: dict[str, Any]) -> Iterator[tuple[str, Path, dict[str, Any]]]:
    for path, workflow in _items(data, (), "workflows"):
        yield WORKFLOW, path, workflow
        if isinstance(workflow.get("resources"), dict):
            yield RESOURCES, (*path, "resources"), workflow["resources"]
        for field in ("steps", "finally"):
            for step_path, step in _items(workflow, path, field):
                yield STEP, step_path, step


def _items(owner: dict[str, Any], path: Path, field: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    value = owner.get(field)
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in pairs:
        if isinstance(item, dict):
            yield (*path, field, key), item
