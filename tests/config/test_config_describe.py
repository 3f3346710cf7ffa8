"""Every field of the language is described once, with an example that is of its shape."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tako.config import schema
from tako.config.describe import describe
from tako.config.descriptions import DESCRIPTIONS
from tako.config.shapes import shape_of
from tako.config.source import parse
from tako.config.tidy import tidy

STRUCTS = [kind for kind in vars(schema).values() if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]
KINDS = [kind for kind in STRUCTS if kind is not msgspec.Struct and not kind.__name__.startswith("_")]
FIELDS = [(kind, info) for kind in KINDS for info in msgspec.structs.fields(kind)]
IDS = [f"{kind.__name__}.{info.encode_name}" for kind, info in FIELDS]


def test_the_descriptions_are_of_the_fields_that_there_are() -> None:
    described = {kind: list(fields) for kind, fields in DESCRIPTIONS.items()}
    assert described == {kind: [info.encode_name for info in msgspec.structs.fields(kind)] for kind in KINDS}


@pytest.mark.parametrize(("kind", "info"), FIELDS, ids=IDS)
def test_an_example_is_of_the_shape_of_its_field(kind: Any, info: msgspec.structs.FieldInfo) -> None:
    description, example = DESCRIPTIONS[kind][info.encode_name]
    document = parse(f"it: {example}", "example")
    assert document.problems == []
    value = tidy(document.data["it"], shape_of(info.type), lambda path: document.text(("it", *path)))
    wanted = msgspec.defstruct("Wanted", [("it", info.type)])
    msgspec.convert({"it": value}, wanted)
    assert description.endswith(".")
    assert "\n" not in description


def test_every_field_of_the_language_is_a_row() -> None:
    rows = {row.path: row for row in describe()}
    assert {path.split(".")[0].removesuffix("[]") for path in rows} == {
        *("version", "metadata", "artifacts", "events", "workflows", "subscriptions", "dependents", "repos")
    }
    assert rows["version"].required
    assert rows["workflows.NAME.steps[].shell"].type == "one of sh, bash"
    assert (rows["workflows.NAME.on"].type, rows["workflows.NAME.on"].default) == ("one of exec, event", "exec")
    fan_out = "workflows.NAME.steps[].with(tako/fan-out@v1)."
    assert rows[fan_out + "event_type"].required
    assert rows[fan_out + "retry.delay"].type == "duration"
    assert rows["subscriptions[].events"].type == "list of texts"
    assert rows["workflows.NAME.env"].type == "mapping of texts"


def test_a_struct_is_described_at_every_place_where_it_is_used() -> None:
    rows = [row.path for row in describe()]
    assert len(rows) == len(set(rows))
    assert {kind for kind, info in FIELDS if any(path.endswith(info.encode_name) for path in rows)} == set(KINDS)
