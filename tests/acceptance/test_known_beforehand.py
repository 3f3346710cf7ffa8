"""What can be known before a run is told before it, and values reach subscribers as they were meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import World
from tests.acceptance.recipes import EVENT, WORKFLOW, config, fan_out, step, subscription


def declared(text: str, **fields: Any) -> str:
    return json.dumps({**json.loads(text), "events": {EVENT: {"payload": fields}}}, indent=1)


def refused(world: World, lib: Path, what: str) -> None:
    """Both `tako validate` and `tako exec` say it, and nothing runs."""
    for command in (["validate"], ["exec", WORKFLOW]):
        ran = world.tako(*command, cwd=lib)
        assert ran.code > 0, ran.text
        assert what in ran.text
    assert not (lib / "ran").exists()


TOUCH = step("first", "touch ran")


@pytest.mark.parametrize(
    ("fields", "payload", "what"),
    [
        ({"channel": {"enum": ["stable"]}}, {"channel": "gamma"}, "value 'gamma' is not in allowed values: stable"),
        ({"version": {"required": True}}, {"verison": "1.0"}, "did you mean 'verison'?"),
        ({"files": {"type": "array"}}, {"files": "{{ steps.first.outputs.x }}"}, "is of type 'array', and"),
    ],
)
def test_payload_that_the_event_refuses_is_told_first(
    world: World, fields: dict[str, Any], payload: dict[str, Any], what: str
) -> None:
    lib = world.working("lib", declared(config("a/lib", TOUCH, fan_out(payload=payload)), **fields))
    refused(world, lib, what)


@pytest.mark.parametrize(
    ("condition", "what"),
    [
        ("steps.first.outputs.n > 5", "write `int(steps.first.outputs.n) > 5`"),
        ("inputs.dry == 'true'", "write `inputs.dry` or `!inputs.dry` alone"),
    ],
)
def test_condition_of_two_kinds_is_told_first(world: World, condition: str, what: str) -> None:
    inputs = {"dry": {"type": "boolean", "default": False}}
    lib = world.working("lib", config("a/lib", TOUCH, step("s", "true", **{"if": condition}), inputs=inputs))
    refused(world, lib, what)


def test_input_without_value_is_told_before_the_first_step(world: World) -> None:
    lib = world.working("lib", config("a/lib", TOUCH, step("s", "echo {{ inputs.note }}"), inputs={"note": {}}))
    told = world.tako("validate", cwd=lib)
    assert told.code == 2
    assert "write {{ inputs.note | default('') }}" in told.text
    ran = world.tako("exec", WORKFLOW, cwd=lib)
    assert ran.code == 1
    assert "input 'note' has no value, and step 's' reads it" in ran.text
    assert not (lib / "ran").exists()
    assert world.tako("exec", WORKFLOW, "-i", "note=x", cwd=lib).code == 0


@pytest.mark.parametrize(
    "more",
    [
        [step("s", "echo {{ inputs.note | default('') }}")],
        [step("s", "echo {{ inputs.note }}", **{"if": "has(inputs.note)"})],
        [step("s", "{% if inputs.note is defined %}echo {{ inputs.note }}{% else %}true{% endif %}")],
    ],
)
def test_input_that_is_asked_for_need_not_be_given(world: World, more: list[dict[str, Any]]) -> None:
    lib = world.working("lib", config("a/lib", *more, inputs={"note": {}}))
    assert world.tako("validate", cwd=lib).code == 0
    assert world.tako("exec", WORKFLOW, cwd=lib).code == 0


def test_text_and_lists_reach_the_subscriber_unchanged(world: World) -> None:
    """1.10 is text where text is declared; a template of a list fills a list, from repository to repository."""
    root = """\
version: 1
metadata: {name: a/root}
events: {made: {payload: {version: {}, files: {type: array}, all: {type: object}}}}
workflows:
  work:
    inputs: {names: {default: "x,y"}}
    steps:
      - uses: tako/fan-out@v1
        with:
          event_type: made
          payload: {version: 1.10, files: "{{ inputs.names | split(',') }}", all: {n: [1]}}
"""
    middle = """\
version: 1
metadata: {name: a/middle}
events: {made: {payload: {files: {type: array}, all: {type: object}}}}
workflows:
  work:
    steps:
      - run: echo {{ payload.version | shell_quote }}
      - uses: tako/fan-out@v1
        with:
          event_type: made
          payload: {files: "{{ payload.files }}", all: "{{ event.payload.all }}", free: "{{ payload }}"}
subscriptions:
  - {artifact: "a/root:default", events: [made], workflow: work, filters: ["event.payload.version == '1.10'"]}
"""
    last = {
        "version": 1,
        "metadata": {"name": "a/last"},
        "workflows": {WORKFLOW: {"steps": [step("s", "echo {{ payload.files | join('+') }} {{ payload.all.n[0] }}")]}},
        "subscriptions": [
            {**subscription("a/middle"), "filters": ["size(payload.files) == 2 && payload.free.version == '1.10'"]}
        ],
    }
    world.cached("a/middle", middle)
    world.cached("a/last", json.dumps(last))
    ran = world.tako("exec", WORKFLOW, "--json", cwd=world.working("root", root))
    assert ran.code == 0, ran.text
    logs = {run["repository"]: Path(run["workspace"]) / "logs" for run in ran.json()["runs"]}
    assert (logs["a/middle"] / "step-1.log").read_text() == "1.10\n"
    assert (logs["a/last"] / "s.log").read_text() == "x+y 1\n"
