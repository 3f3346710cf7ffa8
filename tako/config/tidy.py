"""Scalars to text where text is meant, words to true or false where that is, and away with fields left empty.

``env: {CGO_ENABLED: 0}`` means the text ``0``, ``schema_version: 1.10`` means ``1.10`` and not ``1.1``: a scalar is
taken as it was written. ``enabled: off`` means false. ``inputs:`` with nothing after it means no inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tako.config.problems import Path
from tako.config.shapes import Shape
from tako.config.values import FLAGS

Written = Callable[[Path], str | None]
"""The text of the scalar at a path, if it was read as something else than text."""


def tidy(data: Any, shape: Shape, written: Written, path: Path = ()) -> Any:
    """A copy of the data, new down to where the shape ends; what does not fit the shape is left as it is."""
    if shape.kind == "text":
        return _text(data, written, path)
    if shape.kind == "flag" and isinstance(data, str):
        return FLAGS.get(data.lower(), data)
    if shape.kind == "struct" and isinstance(data, dict):
        return _struct(data, shape, written, path)
    item = shape.item
    if shape.kind == "map" and item and isinstance(data, dict):
        return {key: _entry(value, item, written, (*path, key)) for key, value in data.items()}
    if shape.kind == "list" and item and isinstance(data, list):
        return [tidy(value, item, written, (*path, index)) for index, value in enumerate(data)]
    return data


def _text(data: Any, written: Written, path: Path) -> Any:
    if isinstance(data, bool | int | float):
        return written(path) or str(data)
    return data


def _struct(data: dict[str, Any], shape: Shape, written: Written, path: Path) -> dict[str, Any]:
    fields = shape.of(data)
    tidied = {}
    for key, value in data.items():
        field = fields.get(key)
        if field is None:
            tidied[key] = value
        elif value is not None:
            tidied[key] = tidy(value, field, written, (*path, key))
    return tidied


def _entry(value: Any, shape: Shape, written: Written, path: Path) -> Any:
    if value is None and shape.kind == "text":
        return ""
    if value is None and shape.kind == "struct":
        return {}
    return tidy(value, shape, written, path)
