"""The payload of an event, against its declared shape."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest

from tako.config.model import EventSpec, PayloadField
from tako.config.payload import check
from tako.errors import StepError
from tako.process import Processes


def checked(value: Any, **rules: Any) -> Any:
    return check(EventSpec("e", payload=(PayloadField("f", **rules),)), {"f": value}, where="step 'a'")["f"]


def refused(payload: dict[str, Any], *fields: PayloadField) -> StepError:
    with pytest.raises(StepError) as caught:
        check(EventSpec("e", payload=fields), payload, where="step 'a'")
    assert caught.value.where == "step 'a'"
    assert caught.value.cure
    return caught.value


def why_not(value: Any, **rules: Any) -> str:
    return refused({"f": value}, PayloadField("f", **rules)).what


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        ("string", "x", "x"),
        ("number", "1.5", 1.5),
        ("number", "3", 3),
        ("number", 2.5, 2.5),
        ("integer", "3", 3),
        ("integer", "3.0", 3),
        ("integer", 3.0, 3),
        ("boolean", "true", True),
        ("boolean", "no", False),
        ("boolean", True, True),
        ("object", {"a": 1}, {"a": 1}),
        ("array", [1], [1]),
    ],
)
def test_text_becomes_what_the_shape_says(kind: str, given: Any, value: Any) -> None:
    assert checked(given, type=kind) == value
    assert type(checked(given, type=kind)) is type(value)


@pytest.mark.parametrize(
    ("kind", "value", "what"),
    [
        ("string", 5, "value '5' is not text"),
        ("string", True, "value 'true' is not text"),
        ("number", "x", "value 'x' is not a number"),
        ("number", True, "value 'true' is not a number"),
        ("integer", "1.5", "value '1.5' is not a whole number"),
        ("integer", "x", "value 'x' is not a whole number"),
        ("integer", False, "value 'false' is not a whole number"),
        ("boolean", "maybe", "value 'maybe' is not true or false"),
        ("object", "{}", "value '{}' is not a mapping"),
        ("object", [], "value '[]' is not a mapping"),
        ("array", {}, "value '{}' is not a list"),
        ("array", "[]", "value '[]' is not a list"),
    ],
)
def test_what_is_of_another_type_is_refused(kind: str, value: Any, what: str) -> None:
    assert why_not(value, type=kind).endswith(f"field 'f': {what}")


def test_defaults_fill_in_and_undeclared_fields_pass() -> None:
    spec = EventSpec("e", payload=(PayloadField("a", default="x", required=True), PayloadField("b")))
    payload = {"other": [1], "a": None}
    assert check(spec, payload, where="") == {"other": [1], "a": "x"}
    assert payload == {"other": [1], "a": None}
    assert check(spec, {"b": None}, where="") == {"b": None, "a": "x"}


def test_all_problems_come_in_one_error() -> None:
    fields = (
        PayloadField("a", required=True),
        PayloadField("n", type="integer", min=2, enum=(3, 4)),
        PayloadField("s", pattern="^v", min_length=3),
    )
    error = refused({"n": "1", "s": "x"}, *fields)
    assert error.what == (
        "the payload of event 'e' is not of its declared shape: required field 'a' is missing; "
        "field 'n': value '1' is not in allowed values: 3, 4; field 'n': value '1' is less than 2; "
        "field 's': value 'x' does not match the pattern ^v; field 's': its length 1 is less than 3"
    )


@pytest.mark.parametrize(
    ("value", "rules", "what"),
    [
        ("5", {"type": "number", "max": 4.5}, "value '5' is more than 4.5"),
        ("abc", {"max_length": 2}, "its length 3 is more than 2"),
        ([1, 2], {"type": "array", "max_length": 1}, "its length 2 is more than 1"),
        ([], {"type": "array", "min_length": 1}, "its length 0 is less than 1"),
        ([1], {"type": "array", "enum": ([2],)}, "value '[1]' is not in allowed values: [2]"),
    ],
)
def test_limits_hold(value: Any, rules: dict[str, Any], what: str) -> None:
    assert why_not(value, **rules).endswith(what)


def test_values_at_the_limits_pass() -> None:
    assert checked("4.5", type="number", min=4.5, max=4.5) == 4.5
    assert checked("ab", min_length=2, max_length=2, pattern="b", enum=("ab",)) == "ab"


def test_importing_it_costs_the_child_no_library(processes: Processes) -> None:
    code = (
        "import sys; before = set(sys.modules); import tako.config.payload; "
        "print(*sorted(name for name in set(sys.modules) - before if not name.startswith('tako')))"
    )
    run = processes.run([sys.executable, "-S", "-c", code], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert run.ok, run.message()
    assert run.stdout.split() == [b"__future__"]
