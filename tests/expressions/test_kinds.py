"""Values of two kinds that meet in an expression are told before anything runs."""

from __future__ import annotations

import pytest

from tako.expressions import cel_kinds, kinds, templates

INPUTS = {"dry": "boolean", "n": "number", "s": "text", "a-b": "boolean"}


@pytest.mark.parametrize(
    ("condition", "what"),
    [
        ("inputs.dry == 'true'", "`inputs.dry` is a boolean; write `inputs.dry` or `!inputs.dry` alone"),
        ("inputs['dry'] != 'true'", "`inputs.dry` is a boolean"),
        ("inputs['a-b'] == 'true'", "`inputs['a-b']` is a boolean"),
        (".inputs.dry == 'true'", "`inputs.dry` is a boolean"),
        ("Inputs.dry == 'true'", "`inputs.dry` is a boolean"),
        ("steps.a.outputs.n > 5", "text, as every output is; write `int(steps.a.outputs.n) > 5`"),
        ("steps['a'].outputs['n'] > 5", "`steps.a.outputs.n` is text"),
        ("steps.a.n >= 5", "`steps.a.n` is text"),
        ("inputs.n == '5'", "compare `inputs.n` with a number, without quotes"),
        ("inputs.n in ['5']", "`inputs.n` is a number"),
        ("inputs.s", "neither true nor false"),
        ("steps.a.outputs.ok", "neither true nor false"),
        ("inputs.dry && steps.a.outputs.x == true", "`steps.a.outputs.x` is text"),
        ("has(inputs.dry) && inputs.dry == 'true'", "`inputs.dry` is a boolean"),
        ("event.type == 5", "`event.type` is text"),
        ("env.X > 3", "`env.X` is text"),
    ],
)
def test_condition_of_two_kinds_is_told(condition: str, what: str) -> None:
    assert what in cel_kinds.mismatch(condition, INPUTS)


@pytest.mark.parametrize(
    "condition",
    [
        "inputs.dry",
        "inputs.n > 5 && inputs.n < 5.5",
        "inputs.n == 5.0",
        "has(inputs.dry) && inputs.dry",
        "has(steps.a.outputs.n) && int(steps.a.outputs.n) > 5",
        "inputs.s.startsWith('a') && size(inputs.s) > 1",
        "event.payload.inputs.dry == 'true'",
        "'inputs.dry' == inputs.s",
        "inputs.s == 'a' ? inputs.dry : false",
        "steps.a.status == 'success'",
        "payload.x > 5",
        "inputs.dry == true",
        "[1].all(x, x > inputs.n)",
        "'n' in inputs",
        "inputs.other == 5",
        "semver.major(inputs.s) > 1",
        "inputs.n > 1 && inputs.s == 'bool'",
    ],
)
def test_condition_that_may_hold_is_left_alone(condition: str) -> None:
    assert cel_kinds.mismatch(condition, INPUTS) == ""


@pytest.mark.parametrize(
    ("template", "what"),
    [
        (
            "{% if inputs.dry == 'true' %}x{% endif %}",
            "`inputs.dry` is a boolean and never equals text; write `inputs.dry`",
        ),
        ("{% if steps.a.outputs.n > 5 %}x{% endif %}", "cannot be ordered with a number; an output is always text"),
        ("{{ 'x' if .Steps.a.n > 5 else 'y' }}", "`steps.a.n` is text"),
        ("{{ '5' == inputs.n }}", "`inputs.n` is a number and never equals text"),
        ("{{ inputs['s'] == 5 }}", "write `inputs.s | to_int`"),
    ],
)
def test_template_that_compares_two_kinds_is_told(template: str, what: str) -> None:
    (told,) = kinds.mismatches(template, INPUTS)
    assert what in told


@pytest.mark.parametrize(
    "template",
    [
        "{{ inputs.dry == true }}",
        "{{ steps.a.n | to_int > 5 }}",
        "{{ inputs.n > 5.5 }}",
        "{{ payload.x == 5 }}",
        "{{ inputs.s in ['a'] }}",
    ],
)
def test_template_that_may_hold_is_left_alone(template: str) -> None:
    assert list(kinds.mismatches(template, INPUTS)) == []


@pytest.mark.parametrize(
    ("template", "kind"),
    [
        ("{{ events }}", "list"),
        ("{{ payload }}", "mapping"),
        ("{{ event.payload.x }}", ""),
        ("{{ inputs.s | split(',') }}", "list"),
        ("{{ [1, 2] }}", "list"),
        ("{{ {'a': 1} }}", "mapping"),
        ("{{ steps.a.outputs }}", "mapping"),
        ("{{ steps.a.outputs.x }}", "text"),
        ("{{ inputs.dry }}", "boolean"),
        ("{{ inputs.n }}", "number"),
        ("{{ inputs.s | default([]) }}", ""),
        ("{{ inputs.s if inputs.dry else 'b' }}", "text"),
        ("a {{ events }}", "text"),
        ("{{ events }}{{ events }}", "text"),
    ],
)
def test_kind_of_a_template_is_known_as_far_as_it_is_certain(template: str, kind: str) -> None:
    assert kinds.of_template(template, INPUTS) == kind


def test_template_alone_keeps_a_list_or_a_mapping() -> None:
    scope = {"payload": {"a": [1, {"b": None}], "t": "x,y", "n": 1.5, "f": True}, "inputs": {}}

    def data(value: object) -> object:
        return templates.render_data(value, scope, where="x")

    assert data("{{ payload.a }}") == [1, {"b": None}]
    assert data("{{ payload }}") == scope["payload"]
    assert data("{{ payload.t | split(',') }}") == ["x", "y"]
    assert data({"k": ["{{ payload.a }}", "{{ payload.n }}"]}) == {"k": [[1, {"b": None}], "1.5"]}
    assert data(" {{ payload.a }}") == ' [1,{"b":null}]'
    assert data("{{ payload.a }}{{ payload.a }}") == '[1,{"b":null}][1,{"b":null}]'
    assert data("{% if payload.f %}{{ payload.a }}{% endif %}") == '[1,{"b":null}]'
    assert data("{{ payload.f }}") == "true"
    assert data("[1]") == "[1]"
    assert templates.render_value("{{ payload.a }}", scope, where="x") == '[1,{"b":null}]'
