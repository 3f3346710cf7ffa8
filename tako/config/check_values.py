"""What the shape of a file cannot say of declared values: defaults, limits and patterns that fit each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import UnsetType

from tako.config import build, inputs, names, payload, schema
from tako.config.labels import fault, label
from tako.config.model import PayloadField
from tako.config.problems import Path, Problem
from tako.records import replace

_NUMBERS = ("number", "integer")


def input_problems(name: str, given: schema.Input, path: Path) -> Iterator[Problem]:
    """Every problem of the declaration of one input."""
    rules = given.validation
    place: Path = (*path, "validation")
    yield from _limits(given.type, rules.min, rules.max, place)
    yield from _pattern(given.type, rules.pattern, place)
    spec = build.input_spec(name, given)
    plain = replace(spec, enum=None, min=None, max=None, pattern=None)
    yield from _enum(spec.enum, lambda value: inputs.check_value(plain, value)[1], place)
    if given.default is not None:
        usable = replace(spec, pattern=_usable(spec.pattern))
        yield from _default(inputs.check_value(usable, given.default)[1], path)


def payload_problems(event: schema.Event, path: Path) -> Iterator[Problem]:
    """Every problem of the declaration of one event's payload."""
    for name, given in event.payload.items():
        place: Path = (*path, "payload", name)
        yield from fault(place, names.event_fault(name), on_key=True)
        yield from _limits(given.type, given.min, given.max, place)
        yield from _lengths(given, place)
        yield from _pattern(given.type, given.pattern, place)
        spec = build.payload_field(name, given)
        yield from _enum(spec.enum, _type_check(name, spec.type), place)
        if given.default is not None:
            usable = replace(spec, pattern=_usable(spec.pattern))
            yield from _default(payload.check_value(usable, given.default)[1], place)


def _type_check(name: str, kind: str) -> Any:
    plain = PayloadField(name=name, type=kind)
    return lambda value: payload.check_value(plain, value)[1]


def _limits(kind: str, low: float | UnsetType, high: float | UnsetType, path: Path) -> Iterator[Problem]:
    if kind not in _NUMBERS:
        yield from _only_for("numbers", path, min=low, max=high)
    elif not isinstance(low, UnsetType) and not isinstance(high, UnsetType) and low > high:
        yield from fault((*path, "min"), "is more than 'max'")


def _lengths(given: schema.PayloadField, path: Path) -> Iterator[Problem]:
    low, high = given.min_length, given.max_length
    if given.type not in ("string", "array"):
        yield from _only_for("text and lists", path, min_length=low, max_length=high)
        return
    for key, length in (("min_length", low), ("max_length", high)):
        if isinstance(length, float) and (length < 0 or not length.is_integer()):
            yield from fault((*path, key), "must be a whole number, 0 or more")
    if isinstance(low, float) and isinstance(high, float) and low > high:
        yield from fault((*path, "min_length"), "is more than 'max_length'")


def _pattern(kind: str, pattern: str | UnsetType, path: Path) -> Iterator[Problem]:
    if isinstance(pattern, UnsetType):
        return
    if kind != "string":
        yield from _only_for("text", path, pattern=pattern)
    yield from fault((*path, "pattern"), names.pattern_fault(pattern), pattern)


def _enum(enum: tuple[Any, ...] | None, wrong: Any, path: Path) -> Iterator[Problem]:
    if enum is not None and not enum:
        yield from fault((*path, "enum"), "must not be empty")
    for index, value in enumerate(enum or ()):
        for what in wrong(value):
            yield Problem((*path, "enum", index), f"{label((*path, 'enum'))}: {what}")


def _default(wrong: list[str], path: Path) -> Iterator[Problem]:
    for what in wrong:
        yield Problem((*path, "default"), f"'default' of {label(path)}: {what}")


def _only_for(kinds: str, path: Path, **rules: Any) -> Iterator[Problem]:
    for key, value in rules.items():
        if not isinstance(value, UnsetType):
            yield from fault((*path, key), f"is for {kinds} only", on_key=True)


def _usable(pattern: str | None) -> str | None:
    return None if pattern is None or names.pattern_fault(pattern) else pattern
