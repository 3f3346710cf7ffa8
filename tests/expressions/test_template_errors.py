from __future__ import annotations

from typing import Any

import pytest

from tako.errors import ExpressionError
from tako.expressions import templates

SCOPE: dict[str, Any] = {
    "inputs": {"version": "1", "my-name": "x", "text": "abc", "none": None},
    "steps": {"step-1": {"outputs": {"digest": "d"}, "status": "success"}},
    "event": {"payload": {"list": [{"id": 1}]}},
}


def refused(text: str) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        templates.render(text, SCOPE, where="tako.yml:4:7")
    assert caught.value.where == "tako.yml:4:7"
    return caught.value


def test_an_unknown_root_is_named_with_what_there_is() -> None:
    error = refused("{{ evnt.payload }}")
    assert error.what == "`evnt` is not known here"
    assert "`inputs`, `steps`, `event`" in error.why
    assert "did you mean `event`?" in error.cure


def test_the_spelling_inside_is_not_told() -> None:
    assert "_go_steps" not in str(refused("{{ evnt }}"))
    assert refused("{{ .steps.nope.x }}").what == "`steps` has no `nope`"


@pytest.mark.parametrize(
    ("text", "what", "near"),
    [
        ("{{ inputs.versoin }}", "`inputs` has no `versoin`", "`inputs.version`"),
        ("{{ .inputs.versoin | shell_quote }}", "`inputs` has no `versoin`", "`inputs.version`"),
        ("{{ inputs['Version'] }}", "`inputs` has no `Version`", "`inputs.version`"),
        ("{{ steps.step-1.outputs.digset }}", "`steps['step-1'].outputs` has no `digset`", "outputs.digest`"),
        ("{{ event.payload.list[0].ids }}", "`event.payload.list[0]` has no `ids`", "list[0].id`"),
        ("{{ [inputs.versoin] }}", "`inputs` has no `versoin`", "`inputs.version`"),
        ("{{ inputs.versoin ~ '' }}", "`inputs` has no `versoin`", "`inputs.version`"),
        ("{% if inputs.versoin %}{% endif %}", "`inputs` has no `versoin`", "`inputs.version`"),
        ("{% for x in inputs.versoin %}{% endfor %}", "`inputs` has no `versoin`", "`inputs.version`"),
    ],
)
def test_an_unknown_key_is_named_with_its_path_and_the_nearest(text: str, what: str, near: str) -> None:
    error = refused(text)
    assert error.what == what
    assert "did you mean" in error.cure
    assert near in error.cure


def test_an_unknown_key_lists_those_there_are() -> None:
    assert refused("{{ inputs.q }}").why == "it has `version`, `my-name`, `text`, `none`"


def test_a_long_list_of_keys_is_cut() -> None:
    with pytest.raises(ExpressionError) as caught:
        templates.render("{{ inputs.q }}", {"inputs": {f"key{n}": n for n in range(500)}}, where="")
    assert "and 488 more" in caught.value.why


@pytest.mark.parametrize(
    ("text", "what"),
    [("{{ inputs.none.x }}", "null has no `x`"), ("{{ inputs.text.x }}", "text has no `x`")],
)
def test_a_value_without_keys_is_told_by_its_kind(text: str, what: str) -> None:
    assert refused(text).what == what


def test_a_key_out_of_an_unknown_key_is_an_error_even_with_a_default() -> None:
    assert refused("{{ event.payload.a.b | default('x') }}").what == "`event.payload` has no `a`"


def test_a_hyphen_taken_for_a_minus_is_explained() -> None:
    assert "in brackets, like ['a-b']" in refused("{% set i = inputs %}{{ i.my-name }}").cure


def test_a_minus_taken_for_a_hyphen_is_explained() -> None:
    assert "to subtract, put spaces around it" in refused("{{ inputs.version-1 }}").cure


def test_braces_of_another_language_are_explained() -> None:
    assert "{% raw %}" in refused("docker ps --format '{{.Names}}'").cure
    assert "{% raw %}" in refused("{{ range .Items }}{{ end }}").cure


@pytest.mark.parametrize(
    "text", ["{{ secrets.TOKEN }}", "{{ .Secrets.TOKEN | default('') }}", "{% if secrets %}{% endif %}"]
)
def test_secrets_point_to_env(text: str) -> None:
    error = refused(text)
    assert "use `env` instead" in error.what
    assert "env: {TOKEN: NAME}" in error.cure
    with pytest.raises(ExpressionError, match="secrets"):
        templates.check(text, where="")


def test_the_word_secrets_elsewhere_is_no_secret() -> None:
    assert templates.render("{{ inputs.text }} secrets {{ 'secrets.x' }}", SCOPE, where="") == "abc secrets secrets.x"
    assert templates.render("{{ inputs.secrets }}", {"inputs": {"secrets": "x"}}, where="") == "x"


@pytest.mark.parametrize(
    "text",
    [
        "{{ inputs.x",
        "{% if x %}",
        "{{ a b }}",
        "{{ if .inputs.x }}",
        "{# open",
        "{{ . }}",
        "{% nope %}",
        "{{ )",
        "{{ " + "(" * 500 + "1" + ")" * 500 + " }}",
        "{% for x in [] %}" * 30 + "{% endfor %}" * 30,
        "{{ a; b }}",
    ],
)
def test_what_does_not_compile_is_refused_by_check_and_render(text: str) -> None:
    error = refused(text)
    assert "does not compile" in error.what
    assert error.why
    assert "Jinja2" in error.cure
    with pytest.raises(ExpressionError) as caught:
        templates.check(text, where="tako.yml:4:7")
    assert str(caught.value) == str(error)


def test_an_unknown_filter_is_named_with_the_nearest() -> None:
    error = refused("{{ inputs.text | shel_quote }}")
    assert "shel_quote" in error.why
    assert error.cure == "did you mean `shell_quote`?"


@pytest.mark.parametrize(
    "text", ["a\nb {{ inputs.q }}\n", "a\n{{ 1 / 0 }}\n", "a\n{{ ''.__class__ }}\nb", "a\n{{ 1 1 }}\nb"]
)
def test_the_line_of_a_template_with_many_is_told(text: str) -> None:
    assert refused(text).what.endswith("line 2 of the template")


@pytest.mark.parametrize("tag", ["{{- 1 -}}", "{%- if 1 -%}{%- endif +%}", "{#- x -#}", "{%- raw -%} {%- endraw -%}"])
def test_whitespace_control_does_not_shift_the_line(tag: str) -> None:
    assert refused(f"a\n\n {tag} \n\nb\n\n{{{{- .inputs.q }}}}").what.endswith("line 7 of the template")


def test_the_line_of_a_template_with_one_is_not() -> None:
    assert "line" not in refused("{{ inputs.q }}\n").what


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ 'a' + 1 }}", "str"),
        ("{{ inputs.text() }}", "not callable"),
        ("{{ 'x' | to_int }}", "`x` is not a number"),
        ("{{ range(3) }}", "end with `| list`"),
        ("{{ [1] | map('string') }}", "end with `| list`"),
        ("{{ 'main' | semver_major }}", "`main` is not a version"),
    ],
)
def test_what_fails_while_it_runs_says_why(text: str, why: str) -> None:
    error = refused(text)
    assert error.what == "the template cannot be rendered"
    assert why in error.why
