from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako.errors import ExpressionError
from tako.expressions import cel

SCOPE: dict[str, Any] = {
    "inputs": {"go": True, "version-bump": "minor", "name": "Ärger", "count": 5},
    "steps": {
        "build": {"outputs": {"version": "1.2.3", "status": "from-output"}, "status": "success"},
        "step-1": {"outputs": {}, "status": "failed"},
    },
    "event": {"type": "built", "payload": {"version": "v2.1.0", "count": 4, "ratio": 4.5, "tags": ["a", "b"]}},
    "payload": {"none": None},
    "artifacts": {"lib": {"path": "/p"}, "o/r:lib": {"path": "/q"}},
    "env": {"HOME": "/root"},
    "repo": "o/r",
    "run": {"id": "exec-1"},
}


def evaluate(text: str, scope: dict[str, Any] = SCOPE) -> bool:
    return cel.evaluate(text, scope, where="tako.yml:7:9")


def refused(text: str, scope: dict[str, Any] = SCOPE) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        evaluate(text, scope)
    assert caught.value.where == "tako.yml:7:9"
    return caught.value


@pytest.mark.parametrize(
    "text",
    [
        "inputs.go",
        "inputs['version-bump'] != 'none'",
        "steps.build.outputs.version == '1.2.3'",
        "steps['step-1'].status == 'failed'",
        "event.type == 'built' && event.payload.tags.exists(t, t == 'b')",
        "has(event.payload.version) && !has(event.payload.commit)",
        "payload.none == null",
        "artifacts.lib.path == '/p' && artifacts['o/r:lib'].path == '/q'",
        "env.HOME.startsWith('/') && repo == 'o/r' && run.id == 'exec-1'",
        "event.payload.version.matches('^v[0-9.]+$')",
        "'a,b'.split(',')[1].upperAscii() == 'B'",
        "repo.replace('/', '-') == 'o-r'",
    ],
)
def test_everything_in_scope_can_be_used(text: str) -> None:
    assert evaluate(text) is True
    assert evaluate(f"!({text})") is False


@pytest.mark.parametrize(
    "text",
    [
        ".inputs.go",
        ".Inputs.go",
        "!(!.inputs.go)",
        "true && .Inputs.go",
        ".steps.build.version == '1.2.3'",
        ".Steps.build.version == '1.2.3'",
        ".Event.type == 'built'",
        ".Steps.build.outputs.version == '1.2.3'",
    ],
)
def test_go_spellings_with_a_leading_dot(text: str) -> None:
    assert evaluate(text) is True


def test_a_negated_leading_dot() -> None:
    assert evaluate("!.inputs.go") is False


def test_spellings_inside_a_string_literal_stay() -> None:
    assert evaluate("'.Inputs.x' + '.inputs.a-b' == '.Inp' + 'uts.x.inputs.a-b'")


def test_the_status_of_a_step_is_not_hidden_by_an_output_of_that_name() -> None:
    assert evaluate("steps.build.status == 'success'")
    assert evaluate("steps.build.outputs.status == 'from-output'")


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("event.payload.count > 3", True),
        ("event.payload.count > 3.5", True),
        ("event.payload.count == 4.0", True),
        ("event.payload.count > 4", False),
        ("event.payload.ratio > 4", True),
        ("event.payload.ratio < 4", False),
        ("event.payload.ratio >= event.payload.count", True),
        ("event.payload.count in [4.0, 5.0]", True),
    ],
)
def test_whole_and_broken_numbers_compare(text: str, holds: bool) -> None:
    assert evaluate(text) is holds


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("semver.major(event.payload.version) == 2", True),
        ("semver.minor(event.payload.version) == 1", True),
        ("semver.patch(event.payload.version) == 0", True),
        ("semver.matches(event.payload.version, '^2.0.0')", True),
        ("semver.matches(event.payload.version, '^1.0.0')", False),
        ("semver.matches(event.payload.version, '(2.1.0...3.0.0]')", False),
        ("inputs.name.lower() == 'ärger'", True),
        ("inputs.name.upper() == 'ÄRGER'", True),
        ("inputs.name.upper() == 'ärger'", False),
    ],
)
def test_functions_of_the_language(text: str, holds: bool) -> None:
    assert evaluate(text) is holds


@pytest.mark.parametrize(
    "text", ["true", "inputs.x", "has(event.payload.x) || .inputs.y", "semver.major(event.payload.v) > 0"]
)
def test_check_compiles_without_a_scope(text: str) -> None:
    cel.check(text, where="")


@pytest.mark.parametrize("text", ["1 >", "", "inputs.", "{{ inputs.go }}", "'a", "inputs.count == 1 1", "a\ud800"])
def test_what_does_not_compile_is_refused_by_check(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        cel.check(text, where="tako.yml:7:9")
    assert caught.value.what == "the condition does not compile"
    assert caught.value.why
    assert "without {{ }}" in caught.value.cure


def test_a_syntax_error_says_where_in_the_expression_it_is() -> None:
    error = refused("inputs.go &&\n 1 )")
    assert "column 4 of line 2" in error.why
    assert "ERROR" not in error.why
    assert "expecting" not in error.why


def test_an_unknown_root_is_refused_with_the_nearest() -> None:
    error = refused("evnt.payload.x == 1")
    assert "`evnt`" in error.what
    assert "did you mean `event`" in error.cure


def test_an_unknown_function_is_named() -> None:
    assert "`mayor`" in refused("'1.0.0'.mayor() == 1").what
    assert "semver.major(s)" in refused("semver.mayor('1.0.0') == 1").cure


def test_a_hyphen_without_brackets_is_explained() -> None:
    assert "['…-bump']" in refused("inputs.version-bump == 'minor'").cure


@pytest.mark.parametrize("text", ["secrets.TOKEN == 'x'", ".Secrets.TOKEN != ''"])
def test_secrets_point_to_env(text: str) -> None:
    error = refused(text)
    assert "use `env`" in error.what
    assert "env: {TOKEN: NAME}" in error.cure


@pytest.mark.parametrize("text", ["1 + 1", "'yes'", "[inputs.go]", "inputs.name", "event.payload"])
def test_only_a_boolean_is_an_answer(text: str) -> None:
    error = refused(text)
    assert "neither true nor false" in error.what
    assert error.why.startswith("its type is ")


def test_a_type_that_can_never_be_boolean_is_refused_by_check() -> None:
    with pytest.raises(ExpressionError, match="neither true nor false"):
        cel.check("1 + 1", where="")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("event.payload.missing == 1", '"missing"'),
        ("event.payload.a.b.c == 1", '"a"'),
        ("error.step == 'x'", "`error` does not exist here"),
        ("semver.major('main') > 0", "`main` is not a version"),
        ("semver.matches('1.0.0', 'main')", "`main` is not a range"),
        ("semver.major(event.payload.count) > 0", "semver.major"),
        ("inputs.count / 0 == 1", "ivi"),
        ("inputs.name && true", "No matching overload"),
        ("inputs.name.matches('(')", "regular expression"),
    ],
)
def test_what_cannot_be_evaluated_says_why(text: str, why: str) -> None:
    error = refused(text)
    assert "could not be evaluated" in error.what
    assert why in error.why
    assert not error.why.split(":")[0].isupper()


def test_a_missing_field_is_met_with_has() -> None:
    assert "has(" in refused("event.payload.missing == 1").cure


@pytest.mark.parametrize("value", [2**70, "\ud800", object(), (1,)])
def test_data_that_cel_does_not_know_is_an_expression_error(value: object) -> None:
    assert "could not be evaluated" in refused("payload.x == 1 && payload.x > 2", {"payload": {"x": value}}).what


def test_text_does_not_end_at_a_nul() -> None:
    scope = {"payload": {"x": "main\0evil", "list": ["main\0evil"], "main\0": 1}}
    assert not evaluate("payload.x == 'main' || 'main' in payload.list || 'main' in payload", scope)
    assert evaluate("payload.x.contains('evil') && payload.x.size() == 9", scope)
    assert "NUL" in refused("false\0 || true").why


def test_an_empty_scope_evaluates_what_needs_none() -> None:
    assert evaluate("1 < 2", {})


def test_the_runtime_ends_an_endless_comprehension() -> None:
    ten = "[0,1,2,3,4,5,6,7,8,9]"
    text = "true"
    for level in range(9):
        text = f"{ten}.all(x{level}, {text})"
    assert "10,000 steps" in refused(text).why


def test_a_large_list_is_refused_rather_than_walked() -> None:
    scope = {"payload": {"list": list(range(20_000))}}
    assert "10,000 steps" in refused("payload.list.all(x, x >= 0)", scope).why


def test_nesting_is_bounded() -> None:
    assert "recursion limit" in refused("(" * 500 + "true" + ")" * 500).why


def test_length_is_bounded() -> None:
    assert evaluate("true" + " " * (cel.MAX_LENGTH - 4))
    error = refused("true" + " " * cel.MAX_LENGTH)
    assert "too long" in error.what


def test_a_catastrophic_pattern_takes_no_time() -> None:
    assert evaluate("!payload.s.matches('^(a+)+$')", {"payload": {"s": "a" * 5000 + "b"}})


def test_a_long_condition_is_shortened_in_errors() -> None:
    assert len(refused("payload.missing == '" + "x" * 5000 + "'").what) < 200


def test_evaluating_leaves_the_scope_alone() -> None:
    scope: dict[str, Any] = {"steps": {"a": {"outputs": {"x": "1"}, "status": "success"}}}
    evaluate("steps.a.x == '1'", scope)
    assert scope == {"steps": {"a": {"outputs": {"x": "1"}, "status": "success"}}}


_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=5,
)


@given(_JSON)
def test_any_json_gives_an_answer_or_an_expression_error(value: Any) -> None:
    try:
        assert evaluate("payload.x.size() > 1 || payload.x > 3", {"payload": {"x": value}}) in (True, False)
    except ExpressionError as error:
        assert "could not be evaluated" in str(error)  # noqa: PT017


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=30))
def test_text_reaches_a_condition_unchanged(text: str) -> None:
    assert evaluate("payload.x == payload.y", {"payload": {"x": text, "y": "".join(text)}})
    assert evaluate("payload.x.size() == payload.n", {"payload": {"x": text, "n": len(text)}})
