from __future__ import annotations

import json
import math
import subprocess
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tako.errors import ExpressionError
from tako.expressions import filters, templates


def apply(name: str, value: Any) -> str:
    return templates.render(f"{{{{ inputs.x | {name} }}}}", {"inputs": {"x": value}}, where="")


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0")))
def test_a_shell_gives_back_what_was_quoted(value: str) -> None:
    script = f"printf %s {apply('shell_quote', value)}"
    run = subprocess.run(["sh", "-c", script], capture_output=True, check=True)
    assert run.stdout == value.encode()
    assert run.stderr == b""


@pytest.mark.parametrize(
    "value",
    ["; rm -rf /", "$(id)", "`id`", "a'b", "a\nb", "-rf", "*", "~", "", "\\", "!!", "a\tb", "'; id; '", "${IFS}", "&"],
)
def test_shell_metacharacters_are_data(value: str) -> None:
    script = f"set -- {apply('shell_quote', value)}; printf '%s|%s' $# \"$1\""
    run = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == f"1|{value}"


@pytest.mark.parametrize(
    ("value", "quoted"),
    [(True, "true"), (None, "''"), (3, "3"), (2.5, "2.5"), (["a b"], "'[\"a b\"]'"), ("plain", "plain")],
)
def test_shell_quote_spells_values_as_templates_do(value: Any, quoted: str) -> None:
    assert apply("shell_quote", value) == quoted


def test_shell_quote_refuses_what_no_command_can_carry() -> None:
    with pytest.raises(ExpressionError) as caught:
        apply("shell_quote", "a\0b")
    assert "NUL" in caught.value.why


@given(st.text())
def test_json_escape_is_the_inside_of_a_json_string(value: str) -> None:
    assert json.loads(f'"{filters.json_escape(value)}"') == value


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_url_encode_leaves_only_unreserved_characters(value: str) -> None:
    encoded = filters.url_encode(value)
    assert unquote(encoded) == value
    assert all(letter.isascii() and (letter.isalnum() or letter in "-._~%") for letter in encoded)


@given(st.text())
def test_html_escape_can_be_undone_and_holds_no_markup(value: str) -> None:
    escaped = filters.html_escape(value)
    undone = escaped
    for entity, letter in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&#x27;", "'"), ("&amp;", "&")):
        undone = undone.replace(entity, letter)
    assert undone == value
    assert not set(escaped) & set("<>\"'")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("json_escape", 'a"b\n', 'a\\"b\\n'),
        ("json_escape", True, "true"),
        ("url_encode", "a b/c?é", "a%20b%2Fc%3F%C3%A9"),
        ("html_escape", "<a href='x'>&", "&lt;a href=&#x27;x&#x27;&gt;&amp;"),
        ("default('d')", "v", "v"),
        ("default('d', true)", "", "d"),
        ("to_int + 1", "41", "42"),
        ("to_int", " 7 ", "7"),
        ("to_int", "3.0", "3"),
        ("to_int", 3.9, "3"),
        ("to_int", -3.9, "-3"),
        ("to_int", True, "1"),
        ("to_float * 2", "1.25", "2.5"),
        ("to_float", 1, "1.0"),
        ("has_prefix('v')", "v1", "true"),
        ("has_prefix('1')", "v1", "false"),
        ("has_prefix(1)", 12, "true"),
        ("has_suffix('1')", "v1", "true"),
        ("has_suffix('v')", "v1", "false"),
        ("contains('b')", "abc", "true"),
        ("contains('x')", "abc", "false"),
        ("contains('b')", ["a", "b"], "true"),
        ("contains('b')", ["abc"], "false"),
        ("contains(2)", [1, 2], "true"),
        ("contains('k')", {"k": 1}, "true"),
        ("split(',')", "a,b", '["a","b"]'),
        ("split(',') | first", "a,b", "a"),
        ("split('')", "ab", '["a","b"]'),
        ("split(',')", "", '[""]'),
        ("semver_major", "v1.2.3", "1"),
        ("semver_minor", "1.2.3-rc.1", "2"),
        ("semver_patch", "1.2.3", "3"),
        ("semver_patch + 1", "1.2.3", "4"),
        ("upper | lower", "aB", "ab"),
    ],
)
def test_a_filter_of_the_language(name: str, value: Any, expected: str) -> None:
    assert apply(name, value) == expected


def test_default_stands_in_for_a_missing_name() -> None:
    assert templates.render("{{ inputs.q | default('d') }}", {"inputs": {}}, where="") == "d"
    assert templates.render("{{ .inputs.q | default(.repo) }}", {"inputs": {}, "repo": "o/r"}, where="") == "o/r"


@pytest.mark.parametrize("value", ["true", "True", "yes", "on", "1", "t", 1, 2.5, True])
def test_to_bool_true(value: Any) -> None:
    assert apply("to_bool", value) == "true"


@pytest.mark.parametrize("value", ["false", "FALSE", "no", "off", "0", "", 0, 0.0, None, False])
def test_to_bool_false(value: Any) -> None:
    assert apply("to_bool", value) == "false"


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("to_int", "3.5", "`3.5` is not a whole number"),
        ("to_int", "", "not a number"),
        ("to_int", "inf", "not a whole number"),
        ("to_int", "nan", "not a whole number"),
        ("to_float", "1,5", "`1,5` is not a number"),
        ("to_bool", "maybe", "`maybe` is neither true nor false"),
        ("semver_major", "main", "`main` is not a version"),
        ("split", "a", "separator"),
    ],
)
def test_what_cannot_be_converted_is_named(name: str, value: Any, why: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        apply(name, value)
    assert why in caught.value.why


@pytest.mark.parametrize("name", sorted(filters.FILTERS))
def test_no_filter_takes_an_undefined_name(name: str) -> None:
    arguments = "('a')" if name in ("has_prefix", "has_suffix", "contains", "split") else ""
    with pytest.raises(ExpressionError, match="`inputs` has no `q`"):
        templates.render(f"{{{{ inputs.q | {name}{arguments} }}}}", {"inputs": {}}, where="")


@given(st.one_of(st.integers(-(10**15), 10**15), st.floats(allow_nan=False, allow_infinity=False)))
def test_numbers_survive_being_text(value: float) -> None:
    assert math.isclose(filters.to_float(filters.to_text(value)), value)
