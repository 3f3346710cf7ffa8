"""What an expression reads is found in all its spellings, and what only looks like it is not."""

from __future__ import annotations

import pytest

from tako.expressions.references import in_condition, in_template


def templates(text: str) -> list[str]:
    return [".".join((one.root, *one.keys)) for one in in_template(text)]


def conditions(text: str) -> list[str]:
    return [".".join((one.root, *one.keys)) for one in in_condition(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ inputs.a }}", ["inputs.a"]),
        ("{{ inputs['a-b'].c }}", ["inputs.a-b.c"]),
        ("{{ .Inputs.version-bump }} {{ .steps.a-b.x }}", ["inputs.version-bump", "steps.a-b.x"]),
        ("{{ inputs[event.type].x }}", ["inputs", "event.type"]),
        ("{{ inputs.a | default(steps.b.outputs.c) }}", ["inputs.a", "steps.b.outputs.c"]),
        ("{% if env.A is defined %}{{ env.A }}{% endif %}", ["env.A"]),
        ("{% for x in payload.list %}{{ x.y }}{{ loop.index }}{% endfor %}", ["payload.list"]),
        ("{% set inputs = event.payload %}{{ inputs.a }}", ["event.payload"]),
        ("{% macro m(a) %}{{ a.b }}{{ varargs }}{% endmacro %}{{ m(inputs) }}", ["inputs"]),
        ("{{ range(3) }}{{ 'inputs.a' }}{# inputs.b #}{% raw %}{{ inputs.c }}{% endraw %}", []),
        ("{{ nothing.a }}", ["nothing.a"]),
        ("${#inputs} {{ inputs.a }}", ["inputs.a"]),
    ],
)
def test_what_a_template_reads(text: str, expected: list[str]) -> None:
    assert templates(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("inputs.a == 'b'", ["inputs.a"]),
        ("!.Inputs.a && Steps['a-b'].outputs.c == 'd'", ["inputs.a", "steps.a-b.outputs.c"]),
        ("has(event.payload.x) || inputs['a' + 'b'] == ''", ["event.payload.x", "inputs"]),
        ("inputs[event.type].x == 1", ["inputs", "event.type"]),
        ("semver.major(inputs.v) > 0 && inputs.w.startsWith(env.X)", ["inputs.v", "inputs.w", "env.X"]),
        ("payload.list.exists(inputs, inputs.a == env.B)", ["payload.list", "env.B"]),
        ("events.exists(e, e.type == inputs.t)", ["events", "inputs.t"]),
        ("[inputs.a, {'k': inputs.b, inputs.c: 1}] == [] ? inputs.d : inputs.e == 'inputs.f'",
         ["inputs.a", "inputs.b", "inputs.c", "inputs.d", "inputs.e"]),
        ("1.5 > 1.0 && b'x' == b'y' && 5u < 3u", []),
        ("inputs.a.matches('^' + 'x'.lower()) // inputs.z", ["inputs.a"]),
    ],
)  # fmt: skip
def test_what_a_condition_reads(text: str, expected: list[str]) -> None:
    assert conditions(text) == expected
