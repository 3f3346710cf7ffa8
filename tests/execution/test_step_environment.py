from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tako.config.model import StepSpec
from tako.errors import StepError
from tako.execution.step_environment import Limits, for_processes, is_long, limits_of_machine, note_left_out
from tako.process import Processes
from tako.steps.base import StepContext

LIMITS = Limits(one=100, all=400)


def taken(variables: dict[str, str], script: str = "", **inputs: str) -> tuple[set[str], tuple[str, ...]]:
    """The names of the variables that processes get, and the inputs that are left out."""
    context: Any = SimpleNamespace(
        request=SimpleNamespace(inputs=inputs), spec=StepSpec(id="a", run=script), where="tako.yml:3"
    )
    given = {**variables, **{f"TAKO_INPUT_{name.upper()}": value for name, value in inputs.items()}}
    made, out = for_processes(cast("StepContext", context), given, LIMITS)
    return set(made), out


def test_what_is_short_stays() -> None:
    assert taken({"A": "b"}, x="1") == ({"A", "TAKO_INPUT_X"}, ())


def test_an_input_that_is_too_long_is_left_out() -> None:
    # The name, the sign between and the end count.
    assert taken({}, x="1" * (100 - len("TAKO_INPUT_X") - 2)) == ({"TAKO_INPUT_X"}, ())
    assert taken({}, x="1" * (101 - len("TAKO_INPUT_X") - 2)) == (set(), ("x",))


def test_bytes_are_counted() -> None:
    assert taken({}, x="ü" * 50) == (set(), ("x",))


def test_the_largest_inputs_are_left_out_until_all_fit() -> None:
    assert taken({}, a="1" * 60, b="1" * 80, c="1" * 70, d="1" * 50, e="1" * 75)[1] == ("b",)
    assert taken({"A": "1" * 90}, a="1" * 60, b="1" * 80, c="1" * 70, d="1" * 50, e="1" * 75)[1] == ("b", "e")


def test_variables_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(StepError, match=r"the step's variables have \d+ bytes") as caught:
        taken(dict.fromkeys("ABCDE", "1" * 80) | {"F": "1" * 85})
    assert "the largest is F" in caught.value.why


@pytest.mark.parametrize(
    ("value", "message"),
    [("1" * 100, "A has 103 bytes"), ("a\0", "A holds a NUL, at character 1"), ("\ud800", "not valid Unicode")],
)
def test_a_variable_that_no_process_can_be_given_is_named(value: str, message: str) -> None:
    with pytest.raises(StepError, match=message):
        taken({"A": value})


@pytest.mark.parametrize("script", ["echo $TAKO_INPUT_X", 'echo "${TAKO_INPUT_X}"', "os.environ['TAKO_INPUT_X']"])
def test_a_script_that_reads_what_is_left_out_is_told(script: str) -> None:
    with pytest.raises(StepError, match=r"the step reads \$TAKO_INPUT_X"):
        taken({}, script, x="1" * 100)


@pytest.mark.parametrize("script", ["echo $TAKO_INPUT_XY", "echo $TAKO_INPUTS", "echo"])
def test_a_script_that_reads_something_else_runs(script: str) -> None:
    assert taken({}, script, x="1" * 100)[1] == ("x",)


def test_the_limits_are_those_of_this_machine(processes: Processes) -> None:
    limits = limits_of_machine()
    longest = "x" * (limits.one - len("LONG=") - 1)
    many = {f"V{number:04}": "x" * 993 for number in range(limits.all // 1008)}

    assert processes.run(["/usr/bin/env"], env={"LONG": longest}, limit=1).ok
    assert processes.run(["/usr/bin/env"], env=many, limit=1).ok


def test_a_script_of_the_longest_kind_is_an_argument(processes: Processes) -> None:
    script = ": " + "x" * 110_000

    assert not is_long(script)
    assert processes.run(["/bin/sh", "-c", script], env=os.environ).ok
    assert is_long("x" * 120_000)
    assert is_long("ü" * 60_000)


def test_a_note_names_the_inputs() -> None:
    assert note_left_out(("a",)).startswith("input 'a' is too long")
    assert note_left_out(("a", "b")).startswith("inputs 'a', 'b' are too long")
