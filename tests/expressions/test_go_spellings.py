from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako.errors import ExpressionError
from tako.expressions import templates

SCOPE: dict[str, Any] = {
    "inputs": {"x": "X", "n": 5, "version-bump": "minor", "a-b-c": "abc", "flag": True, "list": [1, 2]},
    "steps": {
        "a": {"outputs": {"x": "out", "status": "mine", "my-out": "mo"}, "status": "success"},
        "step-1": {"outputs": {"x": "first"}, "status": "success"},
        "build-2a": {"outputs": {"go-1": "mixed"}, "status": "success"},
    },
    "outputs": {"v": "1"},
    "event": {"payload": {"items": [{"some-name": "sn"}], "x": 1}},
    "events": [{"payload": {"my-key": "mk"}}],
    "payload": {"x": 2},
    "artifacts": {"go-lib": {"path": "/p"}},
    "env": {"HOME": "/h"},
    "repo": "o/r",
    "run": {"id": "1"},
    "error": {"step": "s"},
}


def render(text: str) -> str:
    return templates.render(text, SCOPE, where="")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ .inputs.x }}", "X"),
        ("{{.inputs.x}}", "X"),
        ("{{- .inputs.x -}}", "X"),
        ("{{ .Inputs.x }}", "X"),
        ("{{ .Inputs.x | shell_quote }}", "X"),
        ("{{ .inputs['x'] }}", "X"),
        ("{{ .Outputs.v }}{{ .Event.payload.x }}{{ .Payload.x }}", "112"),
        ("{{ .Artifacts.go-lib.path }}{{ .Env.HOME }}{{ .Repo }}{{ .Run.id }}{{ .Error.step }}", "/p/ho/r1s"),
        ("{% if .inputs.flag and not .inputs.n == 4 %}yes{% endif %}", "yes"),
        ("{% if false %}{% elif .inputs.flag %}yes{% endif %}", "yes"),
        ("{% for i in .inputs.list %}{{ i }}{% endfor %}", "12"),
        ("{{ 1 in .inputs.list }}", "true"),
        ("{{ 'a' if .inputs.flag else .inputs.x }}", "a"),
        ("{{ 'a' if not .inputs.flag else .inputs.x }}", "X"),
        ("{{ (.inputs.x, .inputs.n) }}{{ [.inputs.x] }}{{ {'k': .inputs.x} }}", '["X",5]["X"]{"k":"X"}'),
        ("{{ .inputs.x ~ .inputs.n }}", "X5"),
        ("{{ .inputs.n + .inputs.n * 2 }}", "15"),
        ("{% set y = .inputs.x %}{{ y }}{{ .y }}", "XX"),
        ("{{ .inputs.missing | default(.inputs.x) }}", "X"),
    ],
)
def test_a_leading_dot_starts_at_the_scope(text: str, expected: str) -> None:
    assert render(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ .steps.a.x }}", "out"),
        ("{{ .Steps.a.x }}", "out"),
        ("{{ .steps['a'].x }}", "out"),
        ("{{ .steps.a.outputs.x }}", "out"),
        ("{{ steps.a.outputs.x }}", "out"),
        ("{{ .steps.a.status }}", "mine"),
        ("{{ steps.a.status }}", "success"),
        ("{{ .steps.step-1.status }}", "success"),
        ("{{ .steps.step-1.x }}", "first"),
        ("{{ .Steps.build-2a.go-1 }}", "mixed"),
    ],
)
def test_a_leading_dot_finds_the_outputs_of_a_step(text: str, expected: str) -> None:
    assert render(text) == expected


def test_without_the_dot_outputs_are_under_outputs() -> None:
    with pytest.raises(ExpressionError, match=r"`steps\.a` has no `x`"):
        render("{{ steps.a.x }}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ .inputs.version-bump }}", "minor"),
        ("{{ inputs.version-bump }}", "minor"),
        ("{{inputs.version-bump}}", "minor"),
        ("{{ inputs.a-b-c }}", "abc"),
        ("{{ inputs['version-bump'] }}", "minor"),
        ("{{ inputs.version-bump | upper }}", "MINOR"),
        ("{{ steps.step-1.outputs.x }}", "first"),
        ("{{ steps.a.outputs.my-out }}{{ .steps.a.my-out }}", "momo"),
        ("{{ steps['a'].outputs.my-out }}", "mo"),
        ("{{ event.payload.items[0].some-name }}", "sn"),
        ("{{ event.payload.items[inputs.n - 5].some-name }}", "sn"),
        ("{{ event.payload.get('items')[0].some-name }}", "sn"),
        ("{% for event in events %}{{ event.payload.my-key }}{% endfor %}", "mk"),
        ("{{ artifacts.go-lib.path }}", "/p"),
        ("{{ [inputs.version-bump, inputs.a-b-c] | join('-') }}", "minor-abc"),
        ("{% if inputs.version-bump == 'minor' %}yes{% endif %}", "yes"),
    ],
)
def test_a_hyphen_joins_the_names_of_a_path(text: str, expected: str) -> None:
    assert render(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ inputs.n - 1 }}", "4"),
        ("{{ inputs.n -1 }}", "4"),
        ("{{ inputs.n- 1 }}", "4"),
        ("{{ inputs.n - inputs.n }}", "0"),
        ("{{ inputs.n -inputs.n }}", "0"),
        ("{{ inputs['n']-1 }}", "4"),
        ("{{ (inputs.n)-1 }}", "4"),
        ("{{ inputs.n--1 }}", "6"),
        ("{{ inputs.list|length-1 }}", "1"),
        ("{% set k = {'n': 3} %}{{ k.n-1 }}", "2"),
        ("{% set i = 3 %}{{ i-1 }}", "2"),
        ("{{ 3-inputs.n }}", "-2"),
        ("{{ inputs.n-}}", "5"),
        ("{{ inputs.get('n')-1 }}", "4"),
        ("{{ inputs.list[inputs.n - 4] }}", "2"),
    ],
)
def test_a_minus_stays_a_minus(text: str, expected: str) -> None:
    assert render(text) == expected


def test_a_hyphen_joins_inside_brackets_too() -> None:
    with pytest.raises(ExpressionError, match="`inputs` has no `n-4`"):
        render("{{ inputs.list[inputs.n-4] }}")


@pytest.mark.parametrize(
    "literal",
    [".inputs.x", "{{ .inputs.x }}", "inputs.version-bump", " .Steps.a.x ", "a}}b", "%}", "it is {# no #} comment"],
)
@pytest.mark.parametrize("quote", ["'", '"'])
def test_string_literals_are_never_touched(literal: str, quote: str) -> None:
    assert render(f"{{{{ {quote}{literal}{quote} }}}}") == literal
    assert render(f"{{% if .inputs.x != {quote}{literal}{quote} %}}{{{{ .inputs.x }}}}{{% endif %}}") == "X"


def test_an_escaped_quote_does_not_end_a_literal() -> None:
    assert render(r"{{ 'it\'s .inputs.x' }}") == "it's .inputs.x"


def test_text_raw_blocks_and_comments_are_never_touched() -> None:
    text = ".inputs.x inputs.version-bump {% raw %}{{ .inputs.version-bump }}{% endraw %}{# .inputs.x #}{{ .inputs.x }}"
    assert render(text) == ".inputs.x inputs.version-bump {{ .inputs.version-bump }}X"


def test_a_dot_with_space_before_it_still_reads_an_attribute() -> None:
    assert render("{{ event .payload .x }}") == "1"


@given(st.text(alphabet=st.sampled_from('abAB .-_{}#%\n"$'), max_size=30))
def test_a_rewritten_template_keeps_every_literal(text: str) -> None:
    escaped = text.replace("\n", "\\n")
    assert render(f"{{{{ .inputs.x ~ '{escaped}' ~ .inputs.version-bump }}}}") == f"X{text}minor"
