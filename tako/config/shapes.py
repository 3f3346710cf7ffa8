"""The structs of ``schema``, as a tree that can be walked along with data.

``tidy`` asks it where text is meant, and ``explain`` which fields there are. A shape may depend on the data
beside it: the ``default`` of an input is text if the input's type says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Any, Literal, get_args, get_origin

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
    fields: Mapping[str, Shape] = {}
    """Of a struct."""
    required: frozenset[str] = frozenset()
    allowed: tuple[str, ...] = ()
    """Of a text that is one of a few words."""
    variant: str = ""
    """How the fields of a struct depend on its data: ``typed`` (by ``type``), ``step`` (by ``uses``)."""

    def of(self, data: Mapping[str, Any]) -> Mapping[str, Shape]:
        """The fields of a struct that holds this data."""
        if self.variant == "typed" and data.get("type", "string") == "string":
            return {**self.fields, **_text_fields(self)}
        if self.variant == "step" and data.get("uses") == schema.FAN_OUT:
            return {**self.fields, "with": shape_of(schema.FanOut)}
        return self.fields


ANY = Shape("any")
TEXT = Shape("text")
_SIMPLE = {str: TEXT, bool: Shape("flag"), float: Shape("number"), Any: ANY}
_VARIANTS: dict[Any, str] = {schema.Input: "typed", schema.PayloadField: "typed", schema.Step: "step"}


@cache
def shape_of(kind: Any) -> Shape:
    """The shape of a struct, or of the type of one of its fields."""
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    if get_origin(kind) is UnionType:
        return shape_of(next(part for part in get_args(kind) if part is not msgspec.UnsetType))
    if get_origin(kind) is Literal:
        return Shape("text", allowed=get_args(kind))
    if get_origin(kind) is list:
        return Shape("list", item=shape_of(get_args(kind)[0]))
    if get_origin(kind) is dict:
        return Shape("map", item=shape_of(get_args(kind)[1]))
    fields = msgspec.structs.fields(kind)
    return Shape(
        "struct",
        fields={field.encode_name: shape_of(field.type) for field in fields},
        required=frozenset(field.encode_name for field in fields if field.required),
        variant=_VARIANTS.get(kind, ""),
    )


def shape_at(shape: Shape, data: Any, path: Path) -> Shape:
    """What is expected at a path within data of that shape; anything below what is free or unknown."""
    for key in path:
        if shape.kind == "struct" and isinstance(data, dict):
            shape = shape.of(data).get(str(key), ANY)
        else:
            shape = shape.item or ANY
        data = data[key] if isinstance(data, dict | list) else None
    return shape


def _text_fields(shape: Shape) -> dict[str, Shape]:
    texts = {"default": TEXT, "enum": Shape("list", item=TEXT)}
    validation = shape.fields.get("validation")
    if validation is None:
        return texts
    fields = {**validation.fields, "enum": texts["enum"]}
    return {"default": TEXT, "validation": replace(validation, fields=fields)}
