"""JSON is YAML, fields of the author's own hold anchors, and a tab in front of a text is told with its cure."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako.config.json_schema import json_schema
from tako.config.loader import loads
from tako.errors import ConfigError
from tako.lint.linter import lint


def problem(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        loads(text.encode(), "tako.yml")
    (told,) = caught.value.problems
    return told.removeprefix("tako.yml:")


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0{\x7f"), min_size=1, max_size=20))
def test_whatever_json_escapes_is_read(text: str) -> None:
    data = {"version": 1, "workflows": {"w": {"description": text, "steps": ["ls"]}}}
    for form in (json.dumps(data), json.dumps(data, indent="\t")):
        assert loads(form.encode(), "tako.yml").workflows[0].description == text


def test_escaped_pair_is_one_character_with_every_place_right() -> None:
    text = '{\n\t"version": 1,\n\t"workflows": {"\\ud83d\\ude80": {"steps": ["echo \\uD83D\\uDE80"], "bad": 1}}\n}'
    assert problem(text).startswith("3:65: unknown field 'bad' in workflow '\N{ROCKET}'")
    good = text.replace(', "bad": 1', "").encode()
    config = loads(good, "tako.yml")
    assert config.workflows[0].steps[0].run == "echo \N{ROCKET}"
    assert lint(good, config) == []


@pytest.mark.parametrize("escape", ["\\ud83d", "\\ude80\\ud83d", "\\ud83d\\ude80\\ud83d"])
def test_half_of_a_pair_is_told(escape: str) -> None:
    text = '{"version": 1, "workflows": {"w": {"description": "' + escape + '", "steps": ["ls"], "bad": 1}}}'
    with pytest.raises(ConfigError) as caught:
        loads(text.encode(), "tako.yml")
    assert "half of a surrogate pair is no character" in caught.value.problems[0]


ANCHORS = """\
version: 1
x-common: &common {env: {A: b}}
workflows:
  w:
    x-steps: &steps [ls]
    <<: *common
    steps: *steps
  x-named:
    steps: *steps
"""


def test_authors_own_fields_hold_anchors() -> None:
    config = loads(ANCHORS.encode(), "tako.yml")
    assert [(one.name, [step.run for step in one.steps]) for one in config.workflows] == [
        ("w", ["ls"]),
        ("x-named", ["ls"]),
    ]
    assert config.workflows[0].env == {"A": "b"}
    assert lint(ANCHORS.encode(), config) == []


def test_authors_own_fields_are_not_for_steps() -> None:
    assert "unknown field 'x-a' in step 1" in problem("version: 1\nworkflows: {w: {steps: [{run: ls, x-a: 1}]}}")


def test_editors_are_told_of_the_authors_own_fields() -> None:
    schema = json_schema()
    assert schema["patternProperties"] == schema["$defs"]["Workflow"]["patternProperties"] == {"^x-": {}}
    assert "patternProperties" not in schema["$defs"]["Step"]


HEAD = "version: 1\nworkflows:\n  w:\n    steps:\n"


@pytest.mark.parametrize(
    ("step", "told"),
    [
        ("      - run: |\n\techo\n", "6:1: a tab cannot indent; use spaces before each line of this text, 10 or more"),
        ("      - |\n\techo\n", "6:1: a tab cannot indent; use spaces before each line of this text, 8 or more"),
        ("      - run: |\n          a\n\techo\n", "7:1: a tab cannot indent; use spaces before each line"),
        (
            "      - run: |\n          \techo\n",
            "6:11: a tab cannot indent; use spaces before the first line of this text",
        ),
    ],
)
def test_tab_before_a_text_is_told_with_its_cure(step: str, told: str) -> None:
    assert problem(HEAD + step).startswith(told)


@pytest.mark.parametrize("sign", ["|", ">"])
def test_suggested_indicator_keeps_the_tab(sign: str) -> None:
    step = f"      - run: {sign}\n          \techo a\n"
    assert f"write '{sign}2' for '{sign}'" in problem(HEAD + step)
    config = loads((HEAD + step.replace(sign, f"{sign}2")).encode(), "tako.yml")
    assert config.workflows[0].steps[0].run == "\techo a\n"
