"""The JSON Schema and the loader take the same files, in the present spelling and in the older ones."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tako.config import dialects, loader, refusals, schema, source, validate
from tako.config.descriptions import DESCRIPTIONS
from tako.config.json_schema import json_schema
from tako.config.shapes import Shape, shape_of
from tako.config.tidy import tidy
from tako.errors import ConfigError

VALIDATOR = jsonschema_rs.validator_for(json_schema())
RELATIONS = ("duplicate key", "is declared twice", "must have one schema_version")
"""What compares two parts of a file, and so cannot be said in a schema."""

Strategy = st.SearchStrategy[Any]

SCALARS = st.sampled_from(["", "a", "1.2.0", "string", "tako/fan-out@v1", "acme/x@v1", "A=b", 0, 1, 1.5, True, False])
JUNK = st.none() | SCALARS | st.sampled_from([[], {}, ["a"], {"a": 1}, [None], {"type": "e"}, [{"path": "p"}]])


def example_of(kind: type[Any], name: str) -> Any:
    return source.parse(f"it: {DESCRIPTIONS[kind][name][1]}", "").data["it"]


def values(shape: Shape) -> Strategy:
    if shape.struct is not None:
        return struct(shape.struct)
    if shape.kind == "text":
        return st.sampled_from(shape.allowed) if shape.allowed else SCALARS
    if shape.kind == "list" and shape.item:
        return st.lists(values(shape.item) | SCALARS, max_size=2)
    if shape.kind == "map" and shape.item:
        return st.dictionaries(st.sampled_from("abc"), values(shape.item), max_size=2)
    simple = {"flag": st.booleans(), "number": st.sampled_from([0, 1, 2.5]), "any": JUNK}
    return simple[shape.kind]


def struct(kind: type[msgspec.Struct]) -> Strategy:
    """Mostly what is right; each field now and then something else."""
    shape = shape_of(kind)
    fields = {name: field_of(kind, name, field) for name, field in shape.fields.items()}
    required = {name: fields.pop(name) for name in sorted(shape.required)}
    optional = {**fields, **OLDER.get(kind, {})}
    return st.fixed_dictionaries(required, optional=optional)


def field_of(kind: type[Any], name: str, shape: Shape) -> Strategy:
    usual = st.just(example_of(kind, name))
    rare = st.deferred(lambda: values(shape)) | JUNK | FORMS.get((kind, name), SCALARS)
    return st.integers(0, 9).flatmap(lambda die: rare if die == 9 else usual)


REFUSED = {
    place: {row.field: st.sampled_from([*[None] * 20, "x", 0]) for row in refusals.REFUSED if row.where == place}
    for place in (refusals.WORKFLOW, refusals.RESOURCES, refusals.STEP)
}
ENV = st.lists(st.sampled_from(["A=b", "B=", "=", "A"]), max_size=2)
TYPED_EVENTS = st.lists(
    st.fixed_dictionaries({}, optional={"type": JUNK, "schema_version": JUNK, "other": JUNK}) | SCALARS, max_size=2
)
OLDER: dict[type[Any], dict[str, Strategy]] = {
    schema.Workflow: REFUSED[refusals.WORKFLOW],
    schema.Resources: {**REFUSED[refusals.RESOURCES], "cpu": st.sampled_from([None, 1]), "memory": JUNK},
    schema.Step: REFUSED[refusals.STEP],
    schema.Subscription: {"filter": JUNK},
}
FORMS: dict[tuple[type[Any], str], Strategy] = {
    (schema.Workflow, "env"): ENV,
    (schema.Step, "env"): ENV,
    (schema.Step, "cache_key_files"): st.sampled_from(["src/**", "", ["a", "b"], []]),
    (schema.Step, "on_failure"): st.deferred(lambda: struct(schema.Handler)) | st.lists(SCALARS, max_size=2),
    (schema.Handler, "env"): ENV,
    (schema.Subscription, "events"): TYPED_EVENTS,
    (schema.Root, "events"): st.fixed_dictionaries(
        {},
        optional={
            "produces": TYPED_EVENTS | JUNK,
            "subscriptions": st.lists(st.deferred(lambda: struct(schema.Subscription)), max_size=2) | JUNK,
        },
    ),
}
STEP = struct(schema.Step)
RUN_STEPS = STEP.map(lambda step: {name: step[name] for name in step if name not in ("uses", "with")})
FAN_OUTS = st.builds(
    lambda step, params: (
        {name: step[name] for name in step if name not in ("run", "timeout")}
        | {"uses": "tako/fan-out@v1", "with": params}
    ),
    STEP,
    struct(schema.FanOut) | JUNK,
)
POLLS = st.builds(
    lambda step, params: (
        {name: step[name] for name in step if name != "run"} | {"uses": "tako/poll@v1", "with": params}
    ),
    STEP,
    struct(schema.Poll) | JUNK,
)
STEPS = STEP | RUN_STEPS | FAN_OUTS | POLLS


def refused(content: str) -> tuple[str, ...]:
    try:
        loader.loads(content.encode(), "p")
    except ConfigError as error:
        return error.problems
    return ()


def structural(content: str) -> list[str]:
    """What the loader has against the shape of a file."""
    document = source.parse(content, "p")
    normal = dialects.normalise(document.data)
    data = tidy(normal.data, validate.ROOT, lambda path: document.text(normal.origin(path)))
    found = [*normal.problems, *refusals.take_out(data), *validate.read(data)[1]]
    return [one.what for one in found if not any(word in one.what for word in RELATIONS)]


def agree(value: Any) -> None:
    content = json.dumps(value)
    data = source.parse(content, "p").data
    if VALIDATOR.is_valid(data):
        assert structural(content) == [], content
    else:
        assert refused(content) != (), (content, [str(error) for error in VALIDATOR.iter_errors(data)])


def in_file(step: Any) -> dict[str, Any]:
    return {"version": 1, "workflows": {"test": {"steps": [step]}}}


def test_the_schema_is_one() -> None:
    jsonschema_rs.meta.validate(json_schema())


@given(struct(schema.Root))
@settings(max_examples=150)
@example({"version": 1, "events": {"produces": [{"type": 5}], "subscriptions": None}})
@example({"version": 1, "events": {"produces": [{"type": "e", "schema_version": 1}]}})
@example({"version": 1, "events": {"produces": {"payload": {}}, "subscriptions": {}}})
@example({"version": 1, "events": {"e": {"payload": {"f": None}}}})
@example({"version": 1, "artifacts": {"a": None}})
def test_the_schema_and_the_loader_agree_on_whole_files(value: Any) -> None:
    agree(value)


@given(STEPS | JUNK)
@settings(max_examples=300)
@example({"run": None, "uses": "acme/x@v1"})
@example({"run": "x", "with": None, "retry": None})
@example({"uses": "tako/fan-out@v1", "with": {"event_type": 5, "payload": None}})
@example({"uses": "tako/fan-out@v1"})
@example({"uses": "tako/poll@v1", "with": {"target": "step", "step_id": "a", "success_on_exit_code": 1.5}})
@example({"run": "x", "retry": {"attempts": 2, "on_exit_codes": 75}, "on_failure": {"run": "y", "env": ["A=b"]}})
@example({"run": "x", "on_failure": "y"})
@example({"run": "x", "on_failure": False})
@example({"run": "x", "on_failure": [{"run": "y", "long_running": True}, 5, "z"]})
@example("make")
@example(5)
@example(None)
def test_the_schema_and_the_loader_agree_on_steps(step: Any) -> None:
    agree(in_file(step))


@given(struct(schema.Workflow))
@settings(max_examples=200)
@example({"inputs": {"a": None}})
@example({"inputs": {"a": {"type": None, "default": [1]}}})
@example({"env": {"A": None}})
@example({"env": ["A=b"]})
@example({"inputs": {"a": {"validation": {"enum": [None]}}}})
@example({"resources": {"memory": "1Gi", "mem_limit": None}})
def test_the_schema_and_the_loader_agree_on_workflows(workflow: Any) -> None:
    agree({"version": 1, "workflows": {"test": workflow}})


@given(struct(schema.Subscription), st.booleans())
@settings(max_examples=200)
@example({"artifact": "a/b", "events": ["e"], "workflow": "test", "filter": None, "filters": ""}, False)
@example({"artifact": "a/b", "events": ["e"], "workflow": "test", "filter": "a", "filters": {}}, False)
def test_the_schema_and_the_loader_agree_on_subscriptions(given: Any, older: bool) -> None:
    place = {"events": {"subscriptions": [given]}} if older else {"subscriptions": [given]}
    agree({"version": 1, "workflows": {"test": {"inputs": {"version": None, "a": None}}}, **place})


@pytest.mark.parametrize("version", [1, 1.2, "v1", "1.0", 0.1])
def test_every_spelling_of_the_version_is_in_the_schema(version: Any) -> None:
    assert VALIDATOR.is_valid({"version": version})


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"version": None},
        {"version": 2},
        {"version": 1, "workflow": {}},
        in_file({"run": "x", "uses_": "y"}),
        in_file({"name": "x"}),
        in_file({"uses": "tako/fan-out@v1", "with": {"event": "x"}}),
        in_file({"run": "x", "shell": "fish"}),
        {"version": 1, "workflows": {"w": {"inputs": {"i": {"default": [1]}}}}},
        {"version": 1, "workflows": {"w": {"inputs": {"i": {"type": None, "default": [1]}}}}},
    ],
)
def test_an_editor_sees_what_is_wrong(value: Any) -> None:
    assert not VALIDATOR.is_valid(value)


def test_every_field_has_its_description() -> None:
    whole = json_schema()
    owners = [whole, *whole["$defs"].values()]
    fields = [(name, field) for owner in owners for name, field in owner["properties"].items()]
    assert len(fields) > 80
    assert [name for name, field in fields if not field.get("description")] == []
