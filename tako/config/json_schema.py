"""The JSON Schema of a ``tako.yml``, for editors: https://json-schema.org/draft/2020-12/schema.

It takes what the loader takes: ``tidy``'s scalars for text and nulls for what is absent, the older spellings of
``dialects``, what ``refusals`` takes out. What only a program can tell (names that must exist, patterns that
must compile) it leaves to the loader.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tako.config import refusals, schema
from tako.config.descriptions import DESCRIPTIONS
from tako.config.dialects import OLDER_RESOURCES
from tako.config.extensions import PREFIX
from tako.config.shapes import Shape, shape_of
from tako.config.source import parse
from tako.config.values import FLAGS

Node = dict[str, Any]

_FLAG_WORDS = "|".join("".join(f"[{char}{char.upper()}]" for char in word) for word in FLAGS)
_FLAG: Node = {"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": f"^({_FLAG_WORDS})$"}]}
_SCALAR: Node = {"type": ["string", "number", "boolean"]}
_NULL: Node = {"type": "null"}
_OWNERS: dict[type[msgspec.Struct], str] = {
    schema.Workflow: refusals.WORKFLOW,
    schema.Resources: refusals.RESOURCES,
    schema.Step: refusals.STEP,
}
_ENV_LIST: Node = {"type": "array", "items": {"type": "string", "pattern": "="}}
_TYPED_EVENT: Node = {
    "type": "object",
    "properties": {"type": _SCALAR, "schema_version": {"type": [*_SCALAR["type"], "null"]}},
    "required": ["type"],
    "additionalProperties": False,
}
_VERSION: Node = {
    "anyOf": [
        {"type": "string", "pattern": r"^v?[01](\.[0-9]+){0,2}$"},
        {"type": "number", "minimum": 0, "exclusiveMaximum": 2},
    ]
}


def json_schema() -> Node:
    """The whole schema, as JSON data."""
    made = _Maker()
    made.reference(schema.Root)
    root = made.definitions.pop(schema.Root.__name__)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:tako-exec:tako.yml:1",
        "title": "tako.yml",
        "description": "What a repository can do (workflows), makes (artifacts) and waits for (subscriptions).",
        **root,
        "$defs": made.definitions,
    }


class _Maker:
    """Collects a definition for every struct."""

    def __init__(self) -> None:
        self.definitions: dict[str, Node] = {}

    def reference(self, kind: type[msgspec.Struct]) -> Node:
        name = kind.__name__
        if name not in self.definitions:
            self.definitions[name] = {}
            self.definitions[name] = self._struct(kind)
        return {"$ref": f"#/$defs/{name}"}

    def _struct(self, kind: type[msgspec.Struct]) -> Node:
        shape = shape_of(kind)
        fields = {name: self._field(kind, name, field) for name, field in shape.fields.items()}
        fields |= {row.field: _REFUSED for row in refusals.REFUSED if row.where == _OWNERS.get(kind)}
        node: Node = {"type": "object", "properties": fields, "additionalProperties": False}
        if kind in (schema.Root, schema.Workflow):
            node["patternProperties"] = {f"^{PREFIX}": {}}
        if shape.required:
            node["required"] = sorted(shape.required)
        if kind in _SPECIAL:
            _SPECIAL[kind](self, node)
        if shape.variants:
            node.setdefault("allOf", []).extend(self._variants(shape))
        return node

    def _field(self, kind: type[msgspec.Struct], name: str, shape: Shape) -> Node:
        node = self.value(shape)
        if (kind, name) in _OTHER_FORMS:
            node = _either(node, *_OTHER_FORMS[kind, name])
        if name not in shape_of(kind).required:
            node = _or_null(node)
        description, example = DESCRIPTIONS[kind][name]
        return {**node, "description": description, "examples": [parse(f"it: {example}", "").data["it"]]}

    def value(self, shape: Shape) -> Node:
        """What may stand for a value that is there."""
        if shape.struct is not None:
            return self.reference(shape.struct)
        if shape.kind == "text":
            return {"enum": [*shape.allowed]} if shape.allowed else dict(_SCALAR)
        if shape.kind == "list":
            return {"type": "array", "items": self._item(shape.item)}
        if shape.kind == "map":
            return {"type": "object", "additionalProperties": self._entry(shape.item)}
        if shape.kind == "flag" and shape.allowed:
            return _either(dict(_FLAG), {"enum": [*shape.allowed]})
        return {"any": {}, "flag": dict(_FLAG), "number": {"type": "number"}}[shape.kind]

    def _item(self, shape: Shape | None) -> Node:
        node = self.value(shape) if shape else {}
        return _either(node, _SCALAR) if shape and shape.struct in (schema.Step, schema.Handler) else node

    def _entry(self, shape: Shape | None) -> Node:
        """An entry of a mapping that was left empty is an empty text, or a struct without fields."""
        node = self.value(shape) if shape else {}
        empty = shape is not None and (shape.kind == "text" or (shape.struct is not None and not shape.required))
        return _or_null(node) if empty else node

    def _variants(self, shape: Shape) -> list[Node]:
        return [self._variant(shape, value, fields) for value, fields in shape.variants.items()]

    def _variant(self, shape: Shape, value: str, fields: Any) -> Node:
        absent = [None] if value == shape.absent else []
        when: Node = {"properties": {shape.varies_by: {"enum": [value, *absent]}}}
        if not absent:
            when["required"] = [shape.varies_by]
        other = {name: field for name, field in fields.items() if field != shape.fields[name]}
        then: Node = {"properties": {name: self._varied(field) for name, field in other.items()}}
        needed = sorted(name for name, field in other.items() if field.required)
        return {"if": when, "then": {**then, "required": needed} if needed else then}

    def _varied(self, shape: Shape) -> Node:
        if shape.struct is not None and shape == shape_of(shape.struct):
            return self.reference(shape.struct) if shape.required else _or_null(self.reference(shape.struct))
        if shape.struct is not None:
            base = shape_of(shape.struct).fields
            return {"properties": {n: self._varied(field) for n, field in shape.fields.items() if field != base[n]}}
        return _or_null(self.value(shape))

    def root(self, node: Node) -> None:
        """Older files have lists of subscriptions and of produced events among the declared events."""
        fields = node["properties"]
        fields["version"] |= _VERSION
        del fields["version"]["type"]
        event = _or_null(self.reference(schema.Event))
        produced = {**_TYPED_EVENT, "properties": {**_TYPED_EVENT["properties"], "type": {"type": "string"}}}
        (events,) = (form for form in fields["events"]["anyOf"] if form != _NULL)
        events["properties"] = {
            "produces": _either(event, {"type": "array", "items": produced}),
            "subscriptions": _either(event, {"type": "array", "items": self.reference(schema.Subscription)}),
        }

    def resources(self, node: Node) -> None:
        """Of a resource and its older name, one."""
        fields = node["properties"]
        for older, present in OLDER_RESOURCES.items():
            fields[older] = {**fields[present], "description": f"The older name of {present}.", "deprecated": True}
            both = {name: {"not": _NULL} for name in (older, present)}
            node.setdefault("allOf", []).append({"not": {"required": [older, present], "properties": both}})

    def step(self, node: Node) -> None:
        """A step runs something or uses something."""
        node["anyOf"] = [{"required": ["run"]}, {"required": ["uses"]}]

    def subscription(self, node: Node) -> None:
        """Older files have one filter."""
        filter_ = {"description": "The older way to say one of the filters.", "deprecated": True}
        node["properties"]["filter"] = {**_or_null(_SCALAR), **filter_}
        node["properties"]["events"]["items"] = _either(_SCALAR, _TYPED_EVENT)


_SPECIAL = {
    schema.Root: _Maker.root,
    schema.Resources: _Maker.resources,
    schema.Step: _Maker.step,
    schema.Handler: _Maker.step,
    schema.Subscription: _Maker.subscription,
}
_OTHER_FORMS: dict[tuple[type[msgspec.Struct], str], tuple[Node, ...]] = {
    (schema.Workflow, "env"): (_ENV_LIST,),
    (schema.Workflow, "finally"): ({"$ref": f"#/$defs/{schema.Handler.__name__}"}, {"type": "string"}),
    (schema.Step, "env"): (_ENV_LIST,),
    (schema.Step, "cache_key_files"): ({"type": "string"},),
    (schema.Step, "on_failure"): ({"$ref": f"#/$defs/{schema.Handler.__name__}"}, {"type": "string"}),
    (schema.Handler, "env"): (_ENV_LIST,),
    (schema.StepRetry, "on_exit_codes"): ({"type": "number"},),
    (schema.Poll, "success_on_exit_code"): ({"type": "number"},),
}


_REFUSED: Node = {
    "type": "null",
    "description": "Part of the language, but not supported by this version of Tako.",
}


def _either(*nodes: Node) -> Node:
    return {"anyOf": [form for node in nodes for form in node.get("anyOf", [node])]}


def _or_null(node: Node) -> Node:
    if not node:
        return node
    if isinstance(node.get("type"), list) and len(node) == 1:
        return {"type": [*node["type"], "null"]}
    return {"enum": [*node["enum"], None]} if "enum" in node else _either(node, _NULL)
