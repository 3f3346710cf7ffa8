"""Values that no process can be given: scripts, inputs and variables that are too long, and NUL."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.acceptance.conftest import World

LONG = 170_000


def root(steps: str) -> str:
    lines = "\n".join(f"      {line}" for line in steps.splitlines())
    return f"""\
version: 1
metadata: {{name: my-org/lib}}
workflows:
  go:
    inputs:
      word: {{type: string, default: short}}
      many: {{type: number, default: 3}}
      dry-run: {{type: boolean, default: true}}
    steps:
{lines}
"""


def run(world: World, steps: str, *arguments: str) -> Any:
    return world.tako("exec", "go", "--json", "--root", str(world.working("lib", root(steps))), *arguments).json()


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize("source", ["from_stdout", "from_env:V"])
def test_a_long_script_runs_as_a_short_one(world: World, shell: str, source: str) -> None:
    lines = "\n".join(f"    : {'x' * 98}" for _ in range(1500))
    steps = f"""\
- id: a
  shell: {shell}
  working_directory: sub
  run: |
    export V="$(basename "$PWD") $TAKO_INPUT_WORD"
{lines}
    echo "$V"
  produces: {{outputs: {{v: '{source}'}}}}
- id: b
  run: |
    false
{lines}
  continue_on_error: true
"""
    lib = world.working("lib", root(steps), {"sub/x": ""})

    data = world.tako("exec", "go", "--json", "--root", str(lib)).json()

    assert data["steps"][0]["outputs"] == {"v": "sub short"}
    assert data["steps"][1]["failure"]["message"] == "exit code 1"


def test_a_long_value_in_a_script_runs(world: World) -> None:
    steps = """\
- id: a
  run: "python3 -c \\"print('x' * 60000)\\""
  produces: {outputs: {v: from_stdout}}
- id: b
  run: "printf %s {{ steps.a.outputs.v }}{{ steps.a.outputs.v }}{{ steps.a.outputs.v }} | wc -c"
  produces: {outputs: {v: from_stdout}}
"""

    assert run(world, steps)["steps"][1]["outputs"]["v"].strip() == "180000"


def test_all_inputs_are_in_a_file(world: World) -> None:
    steps = '- id: a\n  run: cat "$TAKO_INPUTS"\n  produces: {outputs: {v: from_stdout}}'

    data = run(world, steps, "-i", "word=größe", "-i", "many=1.5")

    assert json.loads(data["steps"][0]["outputs"]["v"]) == {"word": "größe", "many": 1.5, "dry-run": True}


EMIT = """\
version: 1
metadata: {name: my-org/lib}
workflows:
  go:
    steps:
      - id: make
        run: python3 -c "print('ü' * 30000)"
        produces: {outputs: {part: from_stdout}}
      - uses: tako/fan-out@v1
        with:
          event_type: told
          payload: {word: "{{ outputs.part }}{{ outputs.part }}{{ outputs.part }}"}
"""

HEARS = """\
version: 1
metadata: {name: my-org/client}
workflows:
  hear:
    on: event
    inputs:
      some-word: {type: string, required: true}
    steps:
      - id: a
        RUN
        produces: {outputs: {v: from_stdout}}
subscriptions:
  - {artifact: "my-org/lib:default", events: [told], workflow: hear, inputs: {some-word: "{{ event.payload.word }}"}}
"""


def hear(world: World, step: str) -> tuple[Any, str]:
    """What came of the step of a client that is sent an input of 180,000 bytes."""
    world.cached("my-org/client", HEARS.replace("RUN", step))
    ran = world.tako("exec", "go", "--json", "--root", str(world.working("lib", EMIT)))
    return ran.json()["runs"][0], ran.err


def test_a_step_that_does_not_read_a_long_input_runs(world: World) -> None:
    child, err = hear(world, "run: 'echo ok ${TAKO_REPO}'")

    assert child["outputs"] == {"a": {"v": "ok my-org/client"}}
    assert "input 'some-word' is too long for the environment of the run's steps" in err


def test_a_step_reads_a_long_input_from_the_file(world: World) -> None:
    script = """python3 -c 'import json, os; print(len(json.load(open(os.environ["TAKO_INPUTS"]))["some-word"]))'"""
    child, _ = hear(world, f"run: |\n          {script}")

    assert child["outputs"] == {"a": {"v": "90000"}}


@pytest.mark.parametrize(
    "step",
    [
        'run: echo "$TAKO_INPUT_SOME_WORD"',
        "run: 'echo \"${TAKO_INPUT_SOME_WORD}\"'\n        shell: bash",
        "run: |\n          #!/usr/bin/env python3\n          import os; os.environ['TAKO_INPUT_SOME_WORD']",
    ],
)
def test_a_step_that_reads_a_long_input_is_told_where_it_is(world: World, step: str) -> None:
    child, _ = hear(world, step)

    failure = child["failure"]
    assert failure["kind"] == "step_error"
    assert "the step reads $TAKO_INPUT_SOME_WORD" in failure["message"]
    assert "input 'some-word' has 180000 bytes" in failure["message"]
    assert """jq -r '.["some-word"]' "$TAKO_INPUTS\"""" in failure["message"]


def test_a_long_variable_is_refused_by_name(world: World) -> None:
    steps = """\
- id: a
  run: "python3 -c \\"print('x' * 60000)\\""
  produces: {outputs: {v: from_stdout}}
- id: b
  env: {WORDS: "{{ steps.a.outputs.v }}{{ steps.a.outputs.v }}{{ steps.a.outputs.v }}"}
  run: echo
"""

    failure = run(world, steps)["failure"]

    assert (failure["kind"], failure["step"]) == ("step_error", "b")
    assert "the variable WORDS has 180007 bytes" in failure["message"]


def test_many_long_inputs_run(world: World) -> None:
    names = [f"word-{number}" for number in range(60)]
    declared = "\n".join(f"      {name}: {{type: string}}" for name in names)
    given = ", ".join(f'{name}: "{{{{ event.payload.word }}}}"' for name in names)
    yml = HEARS.replace("RUN", "run: env | grep -c ^TAKO_INPUT_")
    yml = yml.replace("      some-word: {type: string, required: true}", declared)
    world.cached("my-org/client", yml.replace('some-word: "{{ event.payload.word }}"', given))
    three = "{{ outputs.part }}{{ outputs.part }}{{ outputs.part }}"
    lib = world.working("lib", EMIT.replace(three, "{{ outputs.part }}"))

    ran = world.tako("exec", "go", "--json", "--root", str(lib))

    (child,) = ran.json()["runs"]
    assert child["status"] == "success", child["failure"]
    assert 10 < int(child["outputs"]["a"]["v"]) < 40
    assert "are too long for the environment of the run's steps" in ran.err


def test_an_input_of_more_than_a_mebibyte_is_refused(world: World) -> None:
    yml = EMIT.replace("{{ outputs.part }}{{ outputs.part }}{{ outputs.part }}", "{{ outputs.part }}")
    word = "{{ event.payload.word }}" * 20
    world.cached("my-org/client", HEARS.replace("RUN", "run: echo").replace("{{ event.payload.word }}", word))

    ran = world.tako("exec", "go", "--json", "--root", str(world.working("lib", yml)))

    (child,) = ran.json()["runs"]
    assert child["failure"]["kind"] == "inputs_invalid"
    assert "input 'some-word': it has 1200000 bytes, more than 1048576" in child["failure"]["message"]


def test_a_nul_in_a_payload_is_refused_by_name(world: World) -> None:
    steps = """\
- uses: tako/fan-out@v1
  with: {event_type: told, payload: {word: "{{ 'a%cb' % 0 }}"}}
"""

    failure = run(world, steps)["failure"]

    assert "field 'word' of the payload of the event 'told' holds a NUL" in failure["message"]


def test_a_nul_in_a_variable_is_refused_by_name(world: World) -> None:
    failure = run(world, "- run: echo\n  env: {WORD: \"{{ 'a%cb' % 0 }}\"}")["failure"]

    assert "the variable WORD holds a NUL, at character 1" in failure["message"]


def test_a_nul_in_a_script_is_refused_by_name(world: World) -> None:
    failure = run(world, "- run: \"echo {{ 'a%cb' % 0 }}\"")["failure"]

    assert "the script holds a NUL" in failure["message"]


def test_a_long_artifact_command_runs(world: World) -> None:
    yml = f"""\
version: 1
metadata: {{name: my-org/lib}}
artifacts:
  notes: {{path: notes, command: "echo made > notes; : {"x" * LONG}"}}
"""

    ran = world.tako("artifacts", "build", "--json", "--root", str(world.working("lib", yml)))

    assert ran.code == 0, ran.text
