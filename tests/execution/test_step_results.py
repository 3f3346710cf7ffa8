"""The result of a step: kept where something reads it, and nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tako.config.model import EventTemplate, Produces, StepSpec
from tako.execution.failure import STEP_ERROR
from tako.execution.outputs import MAX_OUTPUT
from tako.execution.step_results import read_results
from tests.builders import make_workflow
from tests.execution.bench import Bench

MAKES = StepSpec(id="a", run="printf '\\n one two \\n\\n'; echo noise >&2")


def read_by(text: str = "true", **changes: Any) -> StepSpec:
    return StepSpec(id="b", run=text, **changes)


@pytest.mark.parametrize(
    "text",
    [
        'echo "[{{ .Steps.a.result }}]"',
        'echo "[{{ .steps.a.result }}]"',
        'echo "[{{ steps.a.result }}]"',
        """echo "[{{ steps['a']['result'] }}]" """,
        'echo "[{% for step in steps.values() %}{{ step.result }}{% endfor %}]"',
    ],
)
def test_result_is_stdout_trimmed(tmp_path: Path, text: str) -> None:
    bench = Bench(tmp_path, MAKES, read_by(text))

    assert bench.run().failure is None
    assert bench.log("b") == "[one two]\n"


def test_condition_reads_a_result(tmp_path: Path) -> None:
    bench = Bench(tmp_path, MAKES, read_by("echo here", condition="steps.a.result == 'one two'"))

    assert [step.status for step in bench.run().steps] == ["success", "success"]


@pytest.mark.parametrize(
    "reader",
    [
        {"env": {"V": "{{ steps.a.result }}"}},
        {"working_directory": "{{ steps.a.result }}"},
        {"params": {"payload": {"v": ["{{ steps.a.result }}"]}}},
        {"produces": Produces(outputs={"v": "{{ steps.a.result }}"})},
        {"produces": Produces(events=(EventTemplate("built", payload={"v": "{{ .Steps.a.result }}"}),))},
        {"on_failure": (StepSpec(id="c", run="echo {{ steps.a.result }}"),)},
    ],
)
def test_every_place_of_an_expression_counts(reader: dict[str, Any]) -> None:
    assert read_results(make_workflow(steps=(MAKES, read_by(**reader)))) == {"a"}


def test_only_what_is_read_is_kept(tmp_path: Path) -> None:
    other = StepSpec(id="other", run="echo much")
    state = Bench(tmp_path, other, MAKES, read_by("echo '{{ steps.a.result }}' the result of steps")).run()

    assert [step.result for step in state.steps] == [None, "one two", None]


def test_step_that_is_not_named_may_be_any() -> None:
    steps = (MAKES, read_by("{{ steps[inputs.which].result }}"))

    assert read_results(make_workflow(steps=steps)) == {"a", "b"}


def test_result_of_a_failed_step_is_there(tmp_path: Path) -> None:
    fails = StepSpec(
        id="a",
        run="echo said; exit 3",
        continue_on_error=True,
        on_failure=(StepSpec(id="c", run="echo '{{ steps.a.result }}'"),),
    )
    bench = Bench(tmp_path, fails, read_by("echo '{{ steps.a.result }}'"))
    bench.run()

    assert (bench.log("b"), bench.log("c")) == ("said\n", "said\n")


def test_result_of_a_skipped_step_is_missing_by_name(tmp_path: Path) -> None:
    failure = Bench(tmp_path, StepSpec(id="a", run="true", condition="false"), read_by("{{ steps.a.result }}")).run()

    assert failure.failure is not None
    assert "has no output `result`" in failure.failure.message


def test_output_of_that_name_comes_first(tmp_path: Path) -> None:
    makes = StepSpec(id="a", run="echo printed; echo result=declared >> $TAKO_OUTPUT")
    bench = Bench(tmp_path, makes, read_by("echo {{ steps.a.result }} {{ .Steps.a.result }}"))
    bench.run()

    assert bench.log("b") == "declared declared\n"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (f"head -c {MAX_OUTPUT + 1} /dev/zero | tr '\\0' x", "more than 65536 bytes"),
        ("printf '\\377'", "not UTF-8: byte 0xff"),
    ],
)
def test_result_that_is_no_value_fails_the_step(tmp_path: Path, script: str, said: str) -> None:
    state = Bench(tmp_path, StepSpec(id="a", run=script), read_by("{{ steps.a.result }}")).run()

    assert state.failure is not None
    assert (state.failure.kind, state.failure.step) == (STEP_ERROR, "a")
    assert said in state.failure.message


def test_result_of_the_longest_size_is_kept(tmp_path: Path) -> None:
    state = Bench(
        tmp_path,
        StepSpec(id="a", run=f"head -c {MAX_OUTPUT} /dev/zero | tr '\\0' x"),
        read_by("# {{ steps.a.result }}"),
    ).run()

    assert state.steps[0].result == "x" * MAX_OUTPUT
