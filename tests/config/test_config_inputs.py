"""What a workflow is given, against what it declares."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako.config.inputs import bind
from tako.config.model import InputSpec, WorkflowSpec
from tako.errors import InputError


def bound(value: Any, **rules: Any) -> Any:
    return bind(WorkflowSpec("w", inputs=(InputSpec("i", **rules),)), {"i": value}, where="here")["i"]


def refused(given: dict[str, Any], *specs: InputSpec) -> InputError:
    with pytest.raises(InputError) as caught:
        bind(WorkflowSpec("w", inputs=specs), given, where="here")
    assert caught.value.where == "here"
    return caught.value


def why_not(value: Any, **rules: Any) -> str:
    return refused({"i": value}, InputSpec("i", **rules)).what


@pytest.mark.parametrize("text", ["true", "True", "yes", "YES", "on", "1", " true ", True, 1])
def test_a_boolean_may_be_given_as_a_word_for_true(text: Any) -> None:
    assert bound(text, type="boolean") is True


@pytest.mark.parametrize("text", ["false", "no", "off", "0", False, 0])
def test_a_boolean_may_be_given_as_a_word_for_false(text: Any) -> None:
    assert bound(text, type="boolean") is False


@pytest.mark.parametrize("value", ["", "2", "y", 2, 1.0, [], {}])
def test_nothing_else_is_a_boolean(value: Any) -> None:
    assert "is not true or false" in why_not(value, type="boolean")


@pytest.mark.parametrize(
    ("given", "number"),
    [
        ("5", 5),
        ("-5", -5),
        (" 5 ", 5),
        ("5.0", 5),
        ("1e3", 1000),
        ("1.5", 1.5),
        (7, 7),
        (7.0, 7),
        (7.5, 7.5),
        ("123456789012345678901", 123456789012345678901),
        ("1e300", 1e300),
    ],
)
def test_a_number_is_an_int_where_it_is_whole(given: Any, number: float) -> None:
    assert bound(given, type="number") == number
    assert type(bound(given, type="number")) is type(number)


@pytest.mark.parametrize("value", ["", "x", "1_000", "0x10", "nan", "inf", "1e999", "٣", "9" * 5000, True, [], {}])
def test_nothing_else_is_a_number(value: Any) -> None:
    assert "is not a number" in why_not(value, type="number")


@pytest.mark.parametrize(("given", "text"), [("x", "x"), ("", ""), (5, "5"), (1.5, "1.5"), (True, "true")])
def test_a_scalar_is_text_where_text_is_declared(given: Any, text: str) -> None:
    assert bound(given) == text


def test_a_list_is_no_text() -> None:
    assert why_not(["x"]) == "input 'i': value '[\"x\"]' is not text"


def test_defaults_fill_in_for_what_is_not_given() -> None:
    specs = (
        InputSpec("a", default="x", required=True),
        InputSpec("b", type="number", default=0),
        InputSpec("c", type="boolean", default=False),
        InputSpec("d"),
    )
    workflow = WorkflowSpec("w", inputs=specs)
    assert bind(workflow, {}, where="") == {"a": "x", "b": 0, "c": False}
    assert bind(workflow, {"a": None, "d": "y"}, where="") == {"a": "x", "b": 0, "c": False, "d": "y"}
    assert bind(workflow, {"a": ""}, where="")["a"] == ""


def test_a_missing_required_input_is_told_as_the_go_tool_tells_it() -> None:
    error = refused({}, InputSpec("version", required=True))
    assert error.what == "required input 'version' not provided"
    assert error.cure == "workflow 'w' takes version (string, required)"
    assert error.exit_code == 1


def test_the_cure_lists_what_the_workflow_takes_and_what_it_needs() -> None:
    specs = (InputSpec("a", required=True), InputSpec("b", required=True, default="x"), InputSpec("c", type="number"))
    assert refused({}, *specs).cure == "workflow 'w' takes a (string, required), b (string), c (number)"
    assert refused({"x": ""}).cure == "workflow 'w' takes no inputs"


def test_a_value_that_is_not_allowed_is_told_with_those_that_are() -> None:
    what = why_not("huge", enum=("major", "minor"))
    assert what == "input 'i': value 'huge' is not in allowed values: major, minor"
    assert bound("minor", enum=("major", "minor")) == "minor"


def test_true_is_not_among_allowed_numbers() -> None:
    assert bound("1", type="number", enum=(1, 2)) == 1
    assert "is not in allowed values: 2, 3" in why_not("1", type="number", enum=(2, 3))
    assert "is not in allowed values: true" in why_not("no", type="boolean", enum=(True,))


def test_an_undeclared_input_is_told_with_the_declared_ones() -> None:
    what = refused({"x": "1"}, InputSpec("a"), InputSpec("b")).what
    assert what == "workflow 'w' has no input 'x'; its inputs are: a, b"
    assert refused({"x": "1"}).what == "workflow 'w' has no input 'x'; it declares no inputs"


def test_limits_and_patterns_hold() -> None:
    assert "value '0' is less than 1" in why_not("0", type="number", min=1.0)
    assert "value '9' is more than 8.5" in why_not("9", type="number", max=8.5)
    assert bound("8.5", type="number", min=8.5, max=8.5) == 8.5
    assert "value 'ab' does not match the pattern ^b" in why_not("ab", pattern="^b")
    assert bound("ab", pattern="b") == "ab"


def test_all_problems_come_in_one_error() -> None:
    specs = (InputSpec("a", required=True), InputSpec("n", type="number", min=5, enum=(7,)))
    assert refused({"n": "1", "x": ""}, *specs).what == (
        "workflow 'w' has no input 'x'; its inputs are: a, n; required input 'a' not provided; "
        "input 'n': value '1' is not in allowed values: 7; input 'n': value '1' is less than 5"
    )


def test_given_text_cannot_forge_lines_of_a_message() -> None:
    assert "\n" not in why_not("a\nb\x1b", enum=("c",))
    assert "\n" not in refused({"x\ny": ""}).what


@given(
    st.sampled_from(["string", "number", "boolean"]),
    st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), lambda inner: st.lists(inner)),
)
def test_any_value_is_bound_or_refused(kind: str, value: Any) -> None:
    workflow = WorkflowSpec("w", inputs=(InputSpec("i", type=kind),))
    try:
        result = bind(workflow, {"i": value}, where="")
    except InputError:
        return
    assert result == {} if value is None else bind(workflow, result, where="") == result
