"""The structs of ``schema``, as a tree that can be walked along with data.

``tidy`` asks it where text is meant, and ``explain`` which fields there are. A shape may depend on the data
beside it: the ``default`` of an input is text if the input's type says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

from tako.config import schema
from tako.config.problems import Path
from tako.records import record, replace


@record
class Shape:
    """What is expected at one place.

    ``kind`` is ``any``, ``text``, ``flag``, ``number``, ``list``, ``map`` or ``struct``.
    """

    kind: str
    item: Shape | None = None
    """Of a list or a map."""
    struct: type[msgspec.Struct] | None = None
    """The struct that this is the shape of."""
    fields: Mapping[str, Shape] = {}
    """Of a struct."""
    required: frozenset[str] = frozenset()
    allowed: tuple[str, ...] = ()
    """Of a text that is one of a few words."""
    meaning: str = ""
    """What a text says, for a message about something that is no text."""
    varies_by: str = ""
    """The field of a struct whose value decides what others are, if there is one."""
    absent: str = ""
    """The value of that field where it is not given."""
    variants: Mapping[str, Mapping[str, Shape]] = {}
    """All fields of the struct, by those values of that field with which they are not ``fields``."""

    def of(self, data: Mapping[str, Any]) -> Mapping[str, Shape]:
        """The fields of a struct that holds this data."""
        if not self.variants:
            return self.fields
        value = data.get(self.varies_by)
        return self.variants.get(str(self.absent if value is None else value), self.fields)


ANY = Shape("any")
TEXT = Shape("text")
_SIMPLE = {
    str: TEXT,
    bool: Shape("flag"),
    float: Shape("number"),
    Any: ANY,
    schema.Duration: Shape("text", meaning="a duration like 30m"),
    schema.Size: Shape("text", meaning="a size like 512Mi"),
}


@cache
def shape_of(kind: Any) -> Shape:
    """The shape of a struct, or of the type of one of its fields."""
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    # A NewType makes a Union with ``|``, where a class makes a UnionType.
    if get_origin(kind) in (UnionType, Union):
        first, *others = (part for part in get_args(kind) if part is not msgspec.UnsetType)
        words = tuple(word for part in others if get_origin(part) is Literal for word in get_args(part))
        if first is bool and words:
            return replace(shape_of(bool), allowed=words, meaning=f"true, false or {' or '.join(words)}")
        return shape_of(first)
    if get_origin(kind) is Literal:
        return Shape("text", allowed=get_args(kind))
    if get_origin(kind) is list:
        return Shape("list", item=shape_of(get_args(kind)[0]))
    if get_origin(kind) is dict:
        return Shape("map", item=shape_of(get_args(kind)[1]))
    return _struct_shape(kind)


def shape_at(shape: Shape, data: Any, path: Path) -> Shape:
    """What is expected at a path within data of that shape; anything below what is free or unknown."""
    for key in path:
        if shape.kind == "struct" and isinstance(data, dict):
            shape = shape.of(data).get(str(key), ANY)
        else:
            shape = shape.item or ANY
        data = below(data, key)
    return shape


def below(data: Any, key: str | int) -> Any:
    """What a mapping or a list has at a key; None if it has nothing there."""
    if isinstance(data, list):
        return data[key] if isinstance(key, int) and key < len(data) else None
    return data.get(key) if isinstance(data, dict) else None


def _struct_shape(kind: Any) -> Shape:
    infos = msgspec.structs.fields(kind)
    fields = {info.encode_name: shape_of(info.type) for info in infos}
    required = frozenset(info.encode_name for info in infos if info.required)
    shape = Shape("struct", struct=kind, fields=fields, required=required)
    if kind in (schema.Input, schema.PayloadField):
        variants = {"string": {**fields, **_as_text(fields)}}
        return replace(shape, varies_by="type", absent="string", variants=variants)
    if kind in (schema.Step, schema.Handler):
        variants = {uses: {**fields, "with": shape_of(params)} for uses, params in schema.WITH.items()}
        return replace(shape, varies_by="uses", variants=variants)
    return shape


def _as_text(fields: Mapping[str, Shape]) -> dict[str, Shape]:
    words = Shape("list", item=TEXT)
    if "validation" not in fields:
        return {"default": TEXT, "enum": words}
    validation = fields["validation"]
    return {"default": TEXT, "validation": replace(validation, fields={**validation.fields, "enum": words})}
