"""Every field of the language as a row: for the reference, and for whoever explains the language to people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from tako.config import schema
from tako.config.descriptions import DESCRIPTIONS
from tako.config.reads import reads
from tako.config.shapes import Shape, shape_of
from tako.records import record


@record
class Described:
    """One field."""

    path: str
    """From the top of the file: ``workflows.NAME.steps[].run``."""
    type: str
    """``text``, ``list of text``, ``one of sh, bash``, …"""
    required: bool
    default: str
    """As it would stand in a file; empty where the field is required, or its absence means something of its own."""
    description: str
    example: str
    """A value as it stands in a file."""
    reads: str = "literal"
    """What Tako reads in its texts: one of the words of ``tako.config.reads``."""


def describe() -> Iterator[Described]:
    """Every field of the language, those of a mapping right behind it."""
    yield from _fields(schema.Root, "", ())


def _fields(kind: type[msgspec.Struct], prefix: str, above: tuple[type, ...]) -> Iterator[Described]:
    for info in msgspec.structs.fields(kind):
        name, shape = info.encode_name, shape_of(info.type)
        path = prefix + name
        description, example = DESCRIPTIONS[kind][name]
        read = reads(kind, name)
        yield Described(path, type_name(shape), info.required, _default(info), description, example, read)
        yield from _below(shape, path, (*above, kind))
        if kind is schema.Step and name == "with":
            for uses, params in schema.WITH.items():
                yield from _fields(params, f"{path}({uses}).", (*above, kind))


def _below(shape: Shape, path: str, above: tuple[type, ...]) -> Iterator[Described]:
    """The fields of the structs in what has this shape; a struct within itself is not opened again."""
    if shape.struct is not None:
        if shape.struct not in above:
            yield from _fields(shape.struct, f"{path}.", above)
    elif shape.item is not None:
        yield from _below(shape.item, f"{path}[]" if shape.kind == "list" else f"{path}.NAME", above)


def type_name(shape: Shape) -> str:
    """What a value of a shape is, in words."""
    if shape.kind == "flag" and shape.allowed:
        return shape.meaning
    if shape.allowed:
        return f"one of {', '.join(shape.allowed)}"
    if shape.item is not None:
        holds = "" if shape.item.kind == "any" else f" of {_plural(shape.item)}"
        return f"{shape.kind.replace('map', 'mapping')}{holds}"
    words = {"any": "anything", "flag": "true or false", "number": "number", "struct": "mapping"}
    return words.get(shape.kind) or shape.meaning.removeprefix("a ").split(" like ")[0] or "text"


def _plural(shape: Shape) -> str:
    words = {"struct": "mappings", "text": "texts", "list": "lists", "map": "mappings"}
    return words.get(shape.kind, f"{type_name(shape)}s")


def _default(info: msgspec.structs.FieldInfo) -> str:
    default: Any = info.default
    if info.default_factory is not msgspec.NODEFAULT or default in (msgspec.UNSET, msgspec.NODEFAULT, None, "", [], {}):
        return ""
    if isinstance(default, bool):
        return "true" if default else "false"
    return str(default)
