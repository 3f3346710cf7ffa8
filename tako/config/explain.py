"""What a schema error means to the person who wrote the file, and how to read on in spite of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import jsonschema_rs
import msgspec
from jsonschema_rs import ValidationErrorKind as Kind

from tako.config.labels import inside, label
from tako.config.names import NO_TEMPLATE, is_template
from tako.config.problems import Path, Problem, listed, nearest, quoted
from tako.config.shapes import Shape, below, shape_at, shape_of

_EXPECTED = {
    "text": "text",
    "flag": "true or false",
    "number": "a number",
    "list": "a list",
    "map": "a mapping",
    "struct": "a mapping",
}
_SPELLINGS = {"env": "a mapping, or a list of NAME=value", "steps": "a mapping, or a text to run"}
# Other tools' names for a field, too unlike ours for difflib.
_ELSEWHERE = {"script": "run", "command": "run", "cwd": "working_directory", "workdir": "working_directory"}


def explain(kind: type[msgspec.Struct], data: Any, base: Path) -> Iterator[Problem]:
    """Every way in which data is not of the struct's shape; ``base`` is where the data is."""
    shape = shape_of(kind)
    for error in _validator(kind).iter_errors(data):
        yield from _translate(error, shape, data, base)


@cache
def _validator(kind: type[msgspec.Struct]) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(msgspec.json.schema(kind))


def _translate(error: jsonschema_rs.ValidationError, shape: Shape, data: Any, base: Path) -> Iterable[Problem]:
    local = tuple(error.instance_path)
    expected, path, found = shape_at(shape, data, local), (*base, *local), error.instance
    if isinstance(error.kind, Kind.AdditionalProperties):
        known = expected.of(found if isinstance(found, dict) else {})
        return (_unknown(name, known, path) for name in error.kind.unexpected)
    if isinstance(error.kind, Kind.Required):
        where = f"{inside(path)}" if path else "in the file"
        what = f"missing required field {quoted(str(error.kind.property))} {where}"
        return [Problem((*path, str(error.kind.property)), what, on_key=True)]
    if isinstance(error.kind, Kind.Enum):
        hint = nearest(str(found), expected.allowed)
        what = f"{label(path)} must be one of {listed(expected.allowed)}, not {_shown(found)}{hint}"
        return [Problem(path, what)]
    wanted = _SPELLINGS.get(_field(path)) or expected.meaning or _EXPECTED.get(expected.kind, error.message)
    hint = f"; {NO_TEMPLATE}" if isinstance(found, str) and is_template(found) else ""
    return [Problem(path, f"{label(path)} must be {wanted}, not {_shown(found)}{hint}")]


def _field(path: Path) -> str:
    """``steps`` for an item of steps, ``env`` for an env itself, else nothing that has a spelling."""
    if path and path[-1] == "env":
        return "env"
    is_step = len(path) > 1 and path[-2] in ("steps", "on_failure", "finally") and isinstance(path[-1], int)
    return "steps" if is_step else ""


def _unknown(name: str, known: Any, path: Path) -> Problem:
    other = _ELSEWHERE.get(name)
    hint = f"; did you mean {quoted(other)}?" if other and other in known else nearest(name, known)
    hint = hint or f"; known are {listed(sorted(known))}"
    return Problem((*path, name), f"unknown field {quoted(name)} {inside(path)}{hint}", on_key=True)


def _shown(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quoted(value)
    return "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else str(value)


def neutralise(data: dict[str, Any], shape: Shape, faults: list[Problem]) -> None:
    """Put something of the right shape wherever a fault is, so that the rest can be checked too."""
    for fault in faults:
        if not fault.path:
            continue
        owner: Any = data
        for key in fault.path[:-1]:
            if isinstance(owner, dict):
                owner.setdefault(key, {})
            owner = below(owner, key)
        key = fault.path[-1]
        wanted = shape_at(shape, data, fault.path)
        if isinstance(owner, dict) and wanted.kind == "any":
            owner.pop(key, None)
        else:
            owner[key] = _neutral(wanted)


def _neutral(shape: Shape) -> Any:
    if shape.kind == "struct":
        return {name: _neutral(shape.fields[name]) for name in shape.required}
    simple: dict[str, Any] = {"text": next(iter(shape.allowed), ""), "flag": False, "number": 0, "list": []}
    return simple.get(shape.kind, {})
