"""A script whose first line names what runs it runs with that, from a file, with all that a shell step has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.conftest import World
from tests.acceptance.recipes import WORKFLOW, config, fan_out, step, subscription

BASH = """\
#!/usr/bin/env bash
set -euo pipefail
words=(one two)
if [[ "${words[1]}" == t* ]]; then echo "then ${#words[@]}"; else echo else; fi
"""
PYTHON = """\
#!/usr/bin/env python3
import os, sys
print(os.getcwd(), os.environ["NAME"], os.environ["TAKO_STEP_ID"], "{{ inputs.v }}", sys.argv[1:])
with open(os.environ["TAKO_OUTPUT"], "a") as file:
    file.write("made=it\\n")
"""


def logged(world: World, step_id: str) -> str:
    return (world.only_workspace() / "logs" / f"{step_id}.log").read_text()


def test_bash_script_takes_the_branch_that_it_says(world: World) -> None:
    lib = world.working("lib", config("a/lib", step("s", BASH)))
    assert world.tako("validate", cwd=lib).code == 0
    ran = world.tako("exec", WORKFLOW, cwd=lib)
    assert ran.code == 0, ran.text
    assert logged(world, "s") == "then 2\n"


def test_python_script_has_directory_environment_outputs_and_templates(world: World) -> None:
    steps = [
        step("s", PYTHON, env={"NAME": "n-{{ inputs.v }}"}, working_directory="sub"),
        step("t", "echo {{ steps.s.outputs.made }}"),
    ]
    lib = world.working("lib", config("a/lib", *steps, inputs={"v": {"default": "x"}}), {"sub/f": ""})
    ran = world.tako("exec", WORKFLOW, cwd=lib)
    assert ran.code == 0, ran.text
    assert logged(world, "s") == f"{lib}/sub n-x s x []\n"
    assert logged(world, "t") == "it\n"
    assert not list(world.only_workspace().rglob("*.script"))


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("#!/usr/bin/env python3\nimport sys; sys.exit(7)", "exit code 7"),
        ("#!/no/such/program\nx", "exit code 127"),
        ("#!/usr/bin/env python3\nimport os; os.kill(os.getpid(), 9)", "killed by SIGKILL"),
    ],
)
def test_failing_script_fails_its_step(world: World, script: str, told: str) -> None:
    lib = world.working("lib", config("a/lib", step("s", script)))
    ran = world.tako("exec", WORKFLOW, cwd=lib)
    assert ran.code == 1
    assert told in ran.text


def test_script_is_ended_by_its_timeout(world: World) -> None:
    lib = world.working(
        "lib", config("a/lib", step("s", "#!/usr/bin/env python3\nimport time; time.sleep(60)", timeout="1s"))
    )
    ran = world.tako("exec", WORKFLOW, cwd=lib)
    assert ran.code == 1
    assert "took longer than its timeout of 1.0s" in ran.text


def test_script_may_be_left_running(world: World) -> None:
    serve = "#!/usr/bin/env python3\nimport time\nopen('up', 'w').close()\ntime.sleep(600)"
    poll = {"id": "p", "uses": "tako/poll@v1", "with": {"target": "file", "path": "up"}}
    lib = world.working("lib", config("a/lib", step("s", serve, long_running=True), poll))
    ran = world.tako("exec", WORKFLOW, cwd=lib)
    assert ran.code == 0, ran.text


@pytest.mark.parametrize(
    ("line", "works"),
    [
        ('print("{{ payload.x }}")', False),
        ("print('''{{ payload.x }}''')", False),
        ('print("{{ payload.x | json_escape }}")', True),
        ("import os; print(os.environ['TAKO_INPUT_X'])", True),
    ],
)
def test_event_value_does_not_become_code_of_a_script(world: World, line: str, works: bool) -> None:
    evil = 'a"); __import__("os").system("touch never"); print("' if not works else 'a "b" \\ c'
    root = world.working("root", config("a/root", fan_out(payload={"x": evil})))
    hears = {**subscription("a/root"), "inputs": {"x": "{{ event.payload.x }}"}}
    child = {
        "version": 1,
        "metadata": {"name": "a/child"},
        "workflows": {
            WORKFLOW: {"inputs": {"x": {"default": "-"}}, "steps": [step("s", f"#!/usr/bin/env python3\n{line}\n")]}
        },
        "subscriptions": [hears],
    }
    world.cached("a/child", json.dumps(child))
    ran = world.tako("exec", WORKFLOW, "--json", cwd=root)
    (run,) = ran.json()["runs"]
    if not works:
        assert ran.code == 1
        assert "could become code of the script" in ran.text
        assert not list(world.root.rglob("never"))
    else:
        assert ran.code == 0, ran.text
        assert (Path(run["workspace"]) / "logs" / "s.log").read_text() == f"{evil}\n"


def test_artifact_command_may_name_what_runs_it(world: World) -> None:
    command = "#!/usr/bin/env python3\nimport pathlib\npathlib.Path('out').write_text('made')\n"
    data = {"version": 1, "artifacts": {"lib": {"path": "out", "command": command}}}
    lib = world.working("lib", json.dumps(data))
    ran = world.tako("artifacts", "build", cwd=lib)
    assert ran.code == 0, ran.text
    assert (lib / "out").read_text() == "made"
