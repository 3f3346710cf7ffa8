"""Guarantee 8: what came with an event does not become code of a step, whichever way it takes; with real shells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tako.config.model import InputSpec, Produces, StepSpec
from tako.execution.event import ArtifactRef
from tako.execution.failure import STEP_ERROR
from tako.execution.state import ExecutionState, read_state
from tests.builders import make_event
from tests.execution.bench import Bench

EVIL = "x; touch PWNED"
PAYLOAD = {"x": EVIL, "list": [EVIL], "plain": "v1.2.3"}
INPUTS = (
    InputSpec("x"),
    InputSpec("mode", enum=("a b", "c d")),
    InputSpec("flags", default="--fast --all"),
    InputSpec("literal"),
    InputSpec("tag", pattern="^v[0-9. ]+$"),
)


def ran(tmp_path: Path, *steps: StepSpec, event: Any = None, **more: Any) -> tuple[Bench, ExecutionState]:
    """A run that an event started, with these steps; nothing in the event was run as code."""
    inputs = {"x": EVIL, "mode": "a b", "flags": "--fast --all", "literal": "own; words", "tag": "v1 2"}
    bench = Bench(
        tmp_path,
        *steps,
        workflow={"inputs": INPUTS, **more},
        inputs=inputs,
        literal_inputs=("literal",),
        event=event or make_event(payload=PAYLOAD),
    )
    state = bench.run()
    assert not (bench.repo / "PWNED").exists()
    return bench, state


def refusal(state: ExecutionState) -> str:
    assert state.failure is not None
    assert state.failure.kind == STEP_ERROR
    return state.failure.message


@pytest.mark.parametrize(
    "run",
    [
        "echo {{ payload.x }}",
        "echo {{ event.payload.x }}",
        "echo {{ events[0].payload.x }}",
        "echo {{ payload.list | join(' ') }}",
        "echo {{ inputs.x }}",
        "echo {{ inputs.tag }}",
        "echo {{ .Inputs.x }}",
        "echo {{ env.TAKO_INPUT_X }}",
        'echo "{{ payload.x }}"',
        "echo '{{ payload.x }}'",
        'echo "{{ payload.x | shell_quote }}"',
        "cat <<EOF\n{{ payload.x }}\nEOF",
        "# {{ payload.x }}",
    ],
)
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_value_of_an_event_with_special_characters_fails_the_step(tmp_path: Path, run: str, shell: str) -> None:
    bench, state = ran(tmp_path, StepSpec(id="a", run=run, shell=shell, line=7))
    told = refusal(state)
    assert "shell_quote" in told
    assert "it came with an event" in told
    assert "tako.yml:7" in told
    assert bench.heard == ["a started", "a failed"]


def test_what_is_quoted_or_read_from_the_environment_is_only_data(tmp_path: Path) -> None:
    script = 'printf "%s|" {{ payload.x | shell_quote }} "$TAKO_INPUT_X" "$V" {{ payload.plain }}'
    bench, state = ran(tmp_path, StepSpec(id="a", run=script, env={"V": "{{ payload.x }}"}))
    assert state.status == "success"
    assert bench.log("a") == f"{EVIL}|{EVIL}|{EVIL}|v1.2.3|"


@pytest.mark.parametrize("name", ["mode", "flags", "literal"])
def test_what_the_workflows_own_file_says_may_be_anything(tmp_path: Path, name: str) -> None:
    _bench, state = ran(tmp_path, StepSpec(id="a", run=f"echo '{{{{ inputs.{name} }}}}'"))
    assert state.status == "success"


def test_a_run_by_hand_is_the_users_own(tmp_path: Path) -> None:
    bench = Bench(tmp_path, StepSpec(id="a", run="echo {{ inputs.x }}"), inputs={"x": "a; echo b"})
    assert bench.run().status == "success"
    assert bench.log("a") == "a\nb\n"


def test_an_output_that_is_a_template_of_an_event_stays_what_it_is(tmp_path: Path) -> None:
    made = Produces(outputs={"y": "{{ payload.x }}", "z": "{{ outputs.y | upper }}", "own": "from_stdout"})
    for number, run in enumerate(("steps.a.outputs.y", ".steps.a.y", "steps.a.outputs.z", "steps.a.outputs")):
        directory = tmp_path / str(number)
        directory.mkdir()
        steps = (
            StepSpec(id="a", run="echo 'own; words'", produces=made),
            StepSpec(id="b", run=f"echo {{{{ {run} }}}}"),
        )
        bench, state = ran(directory, *steps)
        assert "shell_quote" in refusal(state)
        assert read_state(bench.workspace.state).steps[0].tainted == ("y", "z")


def test_a_variable_that_holds_an_event_stays_so_as_an_output(tmp_path: Path) -> None:
    made = Produces(outputs={"i": "from_env:TAKO_INPUT_X", "v": "from_env:V"})
    first = StepSpec(id="a", run="true", env={"V": "{{ inputs.x }}"}, produces=made)
    for number, name in enumerate("iv"):
        directory = tmp_path / str(number)
        directory.mkdir()
        _bench, state = ran(directory, first, StepSpec(id="b", run=f"echo {{{{ steps.a.outputs.{name} }}}}"))
        assert "shell_quote" in refusal(state)


def test_what_a_step_itself_puts_out_is_its_own(tmp_path: Path) -> None:
    first = StepSpec(id="a", run="echo 'echo hello'", produces=Produces(outputs={"own": "from_stdout"}))
    bench, state = ran(tmp_path, first, StepSpec(id="b", run="{{ steps.a.outputs.own }}"))
    assert state.status == "success"
    assert bench.log("b") == "hello\n"


def test_the_environment_of_workflow_and_step_washes_nothing(tmp_path: Path) -> None:
    for number, name in enumerate(("W", "S", "T")):
        directory = tmp_path / str(number)
        directory.mkdir()
        step = StepSpec(id="a", run=f"echo {{{{ env.{name} }}}}", env={"S": "{{ env.W }}", "T": "a{{ inputs.x }}"})
        _bench, state = ran(directory, step, env={"W": "{{ payload.x }}"})
        assert "shell_quote" in refusal(state)


def test_the_name_of_an_artifacts_file_is_its_makers_choice(tmp_path: Path) -> None:
    event = make_event(artifacts=(ArtifactRef(repo="my-org/go-lib", name="lib", path="/tmp/$(touch PWNED)"),))
    _bench, state = ran(tmp_path, StepSpec(id="a", run="echo {{ artifacts.lib.path }}"), event=event)
    assert "shell_quote" in refusal(state)


def test_the_steps_of_an_on_failure_are_judged_as_well(tmp_path: Path) -> None:
    rescue = StepSpec(id="r", run="echo {{ error.message }} {{ payload.plain }}")
    _bench, state = ran(tmp_path, StepSpec(id="a", run="echo {{ inputs.x }}", on_failure=(rescue,)))
    handler = state.steps[0].handlers[0]
    assert handler.failure is not None
    assert "`error.message` holds" in handler.failure.message


def test_a_condition_and_a_directory_are_no_shell(tmp_path: Path) -> None:
    step = StepSpec(
        id="a", run="pwd", condition="payload.x.contains(';')", working_directory="{{ payload.list | length }}"
    )
    bench = Bench(tmp_path, step, event=make_event(payload=PAYLOAD))
    (bench.repo / "1").mkdir()
    assert bench.run().status == "success"
