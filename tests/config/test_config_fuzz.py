"""Whatever the bytes, there is a configuration or a ConfigError whose problems have places in the file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tako.config import loader, model
from tako.config.source import parse
from tako.errors import ConfigError
from tako.records import to_data

GOOD = b"""\
version: 1
metadata: {name: a/b}
artifacts: {lib: {path: dist/*, ecosystem: go, command: make}}
events:
  built: {schema_version: "1.0.0", payload: {v: {type: integer, min: 1, default: 3}}}
  produces: [{type: failed}]
  subscriptions:
    - {artifact: c/d, events: [{type: e, schema_version: ^1.0.0}], filter: a, workflow: w}
workflows:
  w: &w
    on: exec
    inputs: {i: {type: number, default: 1, validation: {enum: [1, 2]}}}
    env: [A=1]
    timeout: 30m
    resources: {memory: 1Gi}
    steps:
      - echo
      - {run: x, timeout: 1.5}
      - {id: b, run: x, if: y, produces: {artifact: lib, outputs: {o: from_stdout}, artifacts: [{path: p}]}}
      - {uses: tako/fan-out@v1, with: {event_type: e, payload: {a: [1]}, timeout: 1h, fail_fast: true}}
      - {uses: tako/fan-out@v1, with: {event_type: e, concurrency_limit: 2, retry: {attempts: 2, delay: 1s}}}
  x: {<<: *w, on: event}
subscriptions:
  - {artifact: c/d:e, events: [f], workflow: x, inputs: {i: 1}, enabled: true, coalesce: true}
"""
WORDS = [
    *("version", "metadata", "name", "artifacts", "path", "events", "payload", "type", "workflows", "steps", "run"),
    *("uses", "with", "if", "env", "inputs", "default", "validation", "enum", "min", "max", "pattern", "subscriptions"),
    *("artifact", "filters", "filter", "produces", "outputs", "schema_version", "timeout", "coalesce", "on", "id"),
    *("resources", "memory", "mem_limit", "retry", "attempts", "delay", "backoff", "concurrency_limit", "fail_fast"),
    *("{{ inputs.i }}", "{{ .steps.b.x }}", "{{ outputs.", "{% for a in b %}", "inputs.i == 1", "steps.b.outputs.x"),
    *("exec", "event", "string", "30m", "512Mi", "number", "tako/fan-out@v1", "a/b@v1", "../x"),
]
LINE = re.compile(r"p:(\d+):(\d+): \S")

PLAIN = {
    "version": "1",
    "metadata": {"name": "a/b"},
    "artifacts": {"lib": {"path": "x", "ecosystem": "go", "command": "make"}},
    "events": {"built": {"schema_version": "1", "payload": {"v": {"type": "string", "min_length": 1}}}},
    "workflows": {
        "w": {
            "on": "exec",
            "inputs": {"i": {"type": "string", "required": False, "validation": {"pattern": "x"}}},
            "env": {"A": "1"},
            "timeout": "30m",
            "resources": {"mem_limit": "1Gi"},
            "steps": [
                {"id": "a", "run": "x", "shell": "sh", "produces": {"outputs": {"o": "from_stdout"}}},
                {"uses": "tako/fan-out@v1", "with": {"event_type": "e", "retry": {"attempts": 2, "delay": "1s"}}},
            ],
        }
    },
    "subscriptions": [{"artifact": "a/b", "events": ["e"], "workflow": "w", "enabled": True, "filters": ["true"]}],
}
"""A good file whose every scalar must be one; those that say what others are, are not to be replaced."""


def scalar_places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        return [place for key, item in pairs for place in scalar_places(item, (*path, key))]
    return [] if path[-1] in ("type", "uses") else [path]


PLACES = scalar_places(PLAIN)

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text(max_size=5)
keys = st.sampled_from(WORDS) | st.text(max_size=3)


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4)


data = st.recursive(scalars, nested, max_leaves=12)


def answer(content: bytes) -> model.RepoConfig | None:
    plainly, config = heard(content, loader.loads)
    thoroughly, _ = heard(content, lambda data, path: loader.loads_thoroughly(data, path, kinds=["a/b@v1"]))
    assert set(plainly) <= set(thoroughly)
    for workflow in config.workflows if config else ():
        assert model.workflow_from_data(json.loads(json.dumps(to_data(workflow)))) == workflow
    return config


def heard(
    content: bytes, load: Callable[[bytes, str], model.RepoConfig]
) -> tuple[tuple[str, ...], model.RepoConfig | None]:
    try:
        return (), load(content, "p")
    except ConfigError as error:
        told(error, content)
        return error.problems, None


def told(error: ConfigError, content: bytes) -> None:
    assert "could not unmarshal config" in error.what
    assert error.problems
    # YAML ends lines in more ways than bytes.splitlines does.
    lines = 1 + sum(content.count(end) for end in (b"\n", b"\r", b"\xe2\x80", b"\xc2\x85"))
    for problem in error.problems:
        place = LINE.match(problem)
        assert place is not None, problem
        assert 1 <= int(place[1]) <= lines
        assert "\n" not in problem
        # msgspec's own words, where jsonschema-rs found nothing to explain.
        assert "- at `$" not in problem


def test_the_file_that_is_mutated_is_good() -> None:
    assert answer(GOOD)


@given(st.binary(max_size=200))
@example(b"\xef\xbb\xbf")
@example(b"&a [*a]")
@example(b"? ? ? a")
@example(b"{{{")
def test_random_bytes(content: bytes) -> None:
    answer(content)
    answer(b"version: 1\n" + content)


@given(st.data())
def test_mutated_files(draw: st.DataObject) -> None:
    content = bytearray(GOOD)
    for _ in range(draw.draw(st.integers(1, 4))):
        start = draw.draw(st.integers(0, len(content)))
        end = draw.draw(st.integers(start, min(len(content), start + 8)))
        content[start:end] = draw.draw(
            st.binary(max_size=6) | st.sampled_from([b"\n", b": ", b"[", b"{", b"- ", b"*w"])
        )
    answer(bytes(content))


@given(data)
def test_random_data_of_the_words_of_the_language(value: Any) -> None:
    answer(json.dumps(value).encode())
    answer(json.dumps({"version": 1, "workflows": {"w": {"steps": [value]}}}).encode())


@given(st.sampled_from(WORDS), data, st.data())
def test_a_good_file_with_one_part_replaced(key: str, value: Any, draw: st.DataObject) -> None:
    tree: Any = json.loads(json.dumps(parse(GOOD.decode(), "p").data))
    owner = tree
    while isinstance(owner, dict | list) and owner:
        at = draw.draw(st.sampled_from(sorted(owner) if isinstance(owner, dict) else range(len(owner))))
        if draw.draw(st.integers(0, 2)) == 0:
            owner[at] = value
            break
        owner = owner[at]
    else:
        tree[key] = value
    answer(json.dumps(tree, indent=1).encode())


def test_the_file_whose_scalars_are_replaced_is_good() -> None:
    assert answer(json.dumps(PLAIN).encode())
    assert len(PLACES) > 20


@given(st.sets(st.sampled_from(PLACES), min_size=1))
def test_no_fault_hides_another(places: set[tuple[str | int, ...]]) -> None:
    tree: Any = json.loads(json.dumps(PLAIN))
    for place in places:
        owner = tree
        for key in place[:-1]:
            owner = owner[key]
        owner[place[-1]] = [[]]
    text = json.dumps(tree, indent=1)
    document = parse(text, "p")
    with pytest.raises(ConfigError) as caught:
        loader.loads(text.encode(), "p")
    assert {(one.line, one.column) for one in caught.value.faults} == {document.position(place) for place in places}
