from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako.errors import ExpressionError
from tako.expressions import budget, sandbox, templates

SCOPE: dict[str, Any] = {
    "inputs": {"name": "a b", "flag": True, "off": False, "none": None, "count": 3, "ratio": 2.5},
    "steps": {"build": {"outputs": {"version": "1.2.3"}, "status": "success"}},
    "outputs": {"version": "1.2.3"},
    "event": {"type": "built", "payload": {"version": "1.2.3"}, "source": "o/r"},
    "payload": {"items": ["x", "y"], "keys": "k", "values": {"deep": [1, True, None, "é"]}, "get": 1},
    "artifacts": {"lib": {"path": "/p"}, "o/r:lib": {"path": "/q"}},
    "env": {"HOME": "/root"},
    "repo": "o/r",
    "run": {"id": "exec-1"},
    "error": {"step": "build", "exit_code": 2},
}


def render(text: str, scope: dict[str, Any] = SCOPE) -> str:
    return templates.render(text, scope, where="tako.yml:4:7")


def refused(text: str, scope: dict[str, Any] = SCOPE) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        render(text, scope)
    assert caught.value.where == "tako.yml:4:7"
    return caught.value


@pytest.mark.parametrize("text", ["{{ x }}", "a{% if x %}", "{# note #}", "${#x} {{ y }}"])
def test_markers_make_a_template(text: str) -> None:
    assert templates.is_template(text)


@pytest.mark.parametrize("text", ["", "plain", "{ x }", "}} %}", "echo ${#array[@]}", "$HOME ${x}"])
def test_without_markers_there_is_no_template(text: str) -> None:
    assert not templates.is_template(text)
    assert render(text, {}) is text
    templates.check(text, where="")


def test_plain_text_needs_no_jinja(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tako.expressions.sandbox", None)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert render("plain\r\n", {}) == "plain\r\n"


def test_importing_the_expressions_loads_no_library() -> None:
    libraries = ("jinja2", "cel_expr_python", "tako.expressions.npm_ranges", "re", "typing", "functools", "json")
    program = (
        "import sys; before = set(sys.modules)\n"
        "import tako.expressions.templates, tako.expressions.cel, tako.expressions.versions\n"
        f"print([name for name in {libraries!r} if name in sys.modules and name not in before])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ inputs.name }}", "a b"),
        ("{{ inputs['name'] }}", "a b"),
        ("{{ steps.build.outputs.version }}", "1.2.3"),
        ("{{ steps.build.status }}", "success"),
        ("{{ outputs.version }}", "1.2.3"),
        ("{{ event.type }} {{ event.payload.version }} {{ event.source }}", "built 1.2.3 o/r"),
        ("{{ artifacts.lib.path }} {{ artifacts['o/r:lib'].path }}", "/p /q"),
        ("{{ env.HOME }} {{ repo }} {{ run.id }}", "/root o/r exec-1"),
        ("{{ error.step }} {{ error.exit_code }}", "build 2"),
        ("{% if inputs.flag %}yes{% else %}no{% endif %}", "yes"),
        ("{% for item in payload.items %}[{{ item }}]{% endfor %}", "[x][y]"),
        ("{{ 'x' if inputs.off }}{{ '--f' ~ ('orce' if inputs.flag) }}{{ '' ~ ('no' if inputs.off) }}", "--force"),
        ("{# a note #}text\n", "text\n"),
        ("{{ inputs.missing is defined }}", "false"),
    ],
)
def test_the_scope_is_rendered(text: str, expected: str) -> None:
    assert render(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ inputs.flag }}/{{ inputs.off }}", "true/false"),
        ("{{ true }}/{{ 1 == 2 }}", "true/false"),
        ("[{{ inputs.none }}]", "[]"),
        ("{{ inputs.count }} {{ inputs.ratio }} {{ 1.0 }}", "3 2.5 1.0"),
        ("{{ payload.items }}", '["x","y"]'),
        ("{{ payload.values }}", '{"deep":[1,true,null,"é"]}'),
        ("{{ (1, 2) }}", "[1,2]"),
        ("{{ 'is ' ~ inputs.flag ~ inputs.none ~ payload.items }}", 'is true["x","y"]'),
        ("{{ [true, none, 1] | join('-') }}", "true--1"),
        ("{{ [{'a': true}] | join(',', attribute='a') }}", "true"),
        ("{{ inputs.flag | string }}", "true"),
        ("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(inputs.flag) }}", "<true>"),
    ],
)
def test_values_are_spelled_as_in_yaml_and_json(text: str, expected: str) -> None:
    assert render(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ payload.items }}", '["x","y"]'),
        ("{{ payload.keys }}", "k"),
        ("{{ payload.values.deep[0] }}", "1"),
        ("{{ payload.get }}", "1"),
        ("{% for k, v in inputs.items() %}{% if k == 'count' %}{{ v }}{% endif %}{% endfor %}", "3"),
    ],
)
def test_a_key_comes_before_a_method(text: str, expected: str) -> None:
    assert render(text) == expected


def test_a_method_is_not_taken_for_a_value() -> None:
    assert "`values` is a function" in refused("{{ inputs.values }}").why
    assert "has no `values`" in refused("{{ inputs['values'] }}").what


def test_line_ends_and_whitespace_outside_templates_stay() -> None:
    assert render("  a\n\n{{ inputs.count }}  \n\n") == "  a\n\n3  \n\n"
    assert render("{{ inputs.x }}", {"inputs": {"x": "a\r\nb\n"}}) == "a\r\nb\n"


def test_nothing_is_escaped_for_html() -> None:
    assert render("{{ inputs.x }} <&>", {"inputs": {"x": "<a&'\">"}}) == "<a&'\"> <&>"


def test_a_value_is_never_rendered_again() -> None:
    assert render("{{ inputs.x }}", {"inputs": {"x": "{{ repo }}{% raw %}"}}) == "{{ repo }}{% raw %}"


def test_the_length_of_a_shell_variable_is_no_comment() -> None:
    text = "${#a} {{ '${#' }} {# ${# #}|{% raw %}${#x} {{ y }}{% endraw %} ${#b[@]} {{ inputs.count }}"
    assert render(text) == "${#a} ${# |${#x} {{ y }} ${#b[@]} 3"


def test_render_value_goes_through_objects_and_lists() -> None:
    value = {"{{ key }}": ["{{ inputs.count }}", {"deep": "v{{ outputs.version }}"}], "n": 1, "b": True, "z": None}
    expected = {"{{ key }}": ["3", {"deep": "v1.2.3"}], "n": 1, "b": True, "z": None}
    assert templates.render_value(value, SCOPE, where="") == expected


def test_render_value_gives_the_place_of_an_error() -> None:
    with pytest.raises(ExpressionError) as caught:
        templates.render_value({"a": ["{{ nope }}"]}, SCOPE, where="tako.yml:9:1")
    assert caught.value.where == "tako.yml:9:1"


def test_rendering_leaves_the_scope_alone() -> None:
    scope: dict[str, Any] = {"steps": {"a": {"outputs": {"x": 1}, "status": "success"}}, "payload": {"l": [1]}}
    render("{{ .steps.a.x }}{% set payload = 3 %}{{ payload }}", scope)
    assert scope == {"steps": {"a": {"outputs": {"x": 1}, "status": "success"}}, "payload": {"l": [1]}}


def test_renderings_of_one_template_share_nothing() -> None:
    text = "{% set seen = namespace(x=0) %}{% set seen.x = seen.x + inputs.n %}{{ seen.x }}"
    assert [render(text, {"inputs": {"n": n}}) for n in (1, 2, 3)] == ["1", "2", "3"]


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__ }}",
        "{{ ''['__class__'] }}",
        "{{ ().__class__.__mro__[1].__subclasses__() }}",
        "{{ inputs.__init__.__globals__ }}",
        "{{ inputs | attr('__class__') }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ self.__init__.__globals__ }}",
        "{{ range.__self__ }}",
        "{{ '{0.__class__}'.format(inputs) }}",
        "{{ '{x.__class__}'.format(x=1) }}",
        "{{ '{x.__class__}'.format_map({'x': 1}) }}",
        "{{ ('{0.__class__}' | attr('format'))(1) }}",
        "{{ (['{0.__class__}'] | map(attribute='format') | first)(1) }}",
        "{{ inputs.clear() }}",
        "{{ inputs.update(a=1) }}",
        "{{ payload.items.append('z') }}",
        "{{ payload.items.pop() }}",
    ],
)
def test_the_sandbox_holds(text: str) -> None:
    before = repr(SCOPE)
    error = refused(text)
    assert "not allowed" in error.what or "has no" in error.what
    assert "class '" not in str(error)
    assert repr(SCOPE) == before


@pytest.mark.parametrize(
    "text",
    [
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{% extends 'x' %}",
        "{{ lipsum() }}",
        "{{ open('/etc/passwd') }}",
    ],
)
def test_nothing_outside_the_scope_can_be_reached(text: str) -> None:
    refused(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{% for a in range(2000) %}{{ 'x' * 1000 }}{% endfor %}", "1,000,000"),
        ("{% for a in range(2000) %}" + "x" * 1000 + "{% endfor %}", "1,000,000"),
        ("{{ inputs.big }}{{ inputs.big }}", "1,000,000"),
        ("{{ 'a' * 10000000000 }}", "too large"),
        ("{{ 10000000000 * [1] }}", "too large"),
        ("{{ 9 ** 9999999999 }}", "too large"),
        ("{{ range(1000000) | list }}", "Range too big"),
    ],
)
def test_output_and_single_operators_are_bounded(text: str, why: str) -> None:
    assert why in refused(text, {"inputs": {"big": "x" * 600_000}}).why


def test_output_up_to_the_bound_is_given() -> None:
    assert len(render("{{ inputs.big }}", {"inputs": {"big": "x" * budget.MAX_OUTPUT}})) == budget.MAX_OUTPUT


@pytest.mark.parametrize("text", ["{{ 9 ** 9999999999 }}", "{{ 'x' | to_int }}", "{{ nope.nope }}", "{{ 1 / 0 }}"])
def test_check_compiles_and_runs_nothing(text: str) -> None:
    templates.check(text, where="")


def test_check_calls_no_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[object] = []
    monkeypatch.setitem(sandbox._ENVIRONMENT.filters, "probe", called.append)
    templates.check("{{ 'a' | probe }}{% set x = 'b' | probe %}{% if 'c' | probe %}{% endif %}", where="")
    assert called == []


@given(st.text(max_size=40))
def test_any_value_is_rendered_as_it_is(value: str) -> None:
    assert render("{{ inputs.x }}", {"inputs": {"x": value}}) == value


@given(st.lists(st.sampled_from(["{{", "}}", "{%", "%}", "{#", "#}", "inputs", ".", "-", " ", "'", "[", "raw", "${#"])))
def test_any_text_is_rendered_or_refused(pieces: list[str]) -> None:
    try:
        render("".join(pieces), {"inputs": {}})
    except ExpressionError as error:
        assert error.what  # noqa: PT017
