"""Outputs that are no text, that an earlier attempt left, and exit codes of what a signal killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import World

YML = """\
version: 1
metadata: {{name: my-org/lib}}
workflows:
  go:
    steps:
{steps}
"""


def repo(world: World, steps: str, files: dict[str, str] | None = None) -> Path:
    lines = "\n".join(f"      {line}" for line in steps.splitlines())
    return world.working("lib", YML.format(steps=lines), files)


def run(world: World, steps: str, files: dict[str, str] | None = None) -> Any:
    return world.tako("exec", "go", "--json", "--root", str(repo(world, steps, files))).json()


BAD = "printf 'ab\\377c\\n'"

WAYS = {
    "stdout": (BAD, "from_stdout"),
    "stderr": (f"{BAD} >&2", "from_stderr"),
    "file": (f"{BAD} > v", "from_file:v"),
    "env": (f'export V="$({BAD})"', "from_env:V"),
    "regex": (f"echo v=; {BAD}", "(?s)(a.*c)"),
    "TAKO_OUTPUT": (f'printf "v=%s\\n" "$({BAD})" >> "$TAKO_OUTPUT"', ""),
    "TAKO_OUTPUT block": (f'printf "v<<E\\n%s\\nE\\n" "$({BAD})" >> "$TAKO_OUTPUT"', ""),
    "env of TAKO_OUTPUT": (f'printf "V=%s\\n" "$({BAD})" >> "$TAKO_OUTPUT"', "from_env:V"),
}


@pytest.mark.parametrize("way", WAYS)
def test_an_output_that_is_not_utf8_is_refused(world: World, way: str) -> None:
    script, source = WAYS[way]
    produces = f"\n  produces: {{outputs: {{v: {source!r}}}}}" if source else ""

    data = run(world, f"- id: a\n  run: |\n    {script}{produces}")

    assert data["failure"]["kind"] == "step_error"
    assert "not UTF-8" in data["failure"]["message"]
    assert "output 'v'" in data["failure"]["message"].replace("'V'", "'v'")


def test_text_in_other_alphabets_is_kept(world: World) -> None:
    data = run(world, "- id: a\n  run: printf 'größe \\357\\277\\275 日本'\n  produces: {outputs: {v: '(.+)'}}")

    assert data["steps"][0]["outputs"] == {"v": "größe \N{REPLACEMENT CHARACTER} 日本"}


@pytest.mark.parametrize("way", ["from_stdout", "from_file:v"])
def test_an_output_with_a_nul_is_refused(world: World, way: str) -> None:
    data = run(world, f"- id: a\n  run: printf 'a\\000b' | tee v\n  produces: {{outputs: {{v: '{way}'}}}}")

    assert "output 'v' holds a NUL, at offset 1" in data["failure"]["message"]


@pytest.mark.parametrize("source", ["from_stdout", "from_file:v"])
def test_outputs_are_counted_in_bytes(world: World, source: str) -> None:
    script = "python3 -c \"print('ü' * 40000)\" | tee v"

    data = run(world, f"- id: a\n  run: |\n    {script}\n  produces: {{outputs: {{v: '{source}'}}}}")

    assert "output 'v' has more than 65536 bytes" in data["failure"]["message"]


RETRIED = """\
- id: a
  run: |
    {script}
  retry: {{attempts: 2, delay: 1ms}}
  produces: {{outputs: {{v: from_file:v.txt}}}}
"""


def test_a_file_of_an_earlier_attempt_is_no_output(world: World) -> None:
    script = 'if [ "$TAKO_STEP_ATTEMPT" = 1 ]; then echo old > v.txt; exit 3; fi'

    data = run(world, RETRIED.format(script=script))

    assert data["failure"]["kind"] == "step_error"
    assert "promised from the file 'v.txt', which this attempt did not write" in data["failure"]["message"]


def test_a_checked_in_file_that_an_earlier_attempt_changed_is_no_output(world: World) -> None:
    script = 'if [ "$TAKO_STEP_ATTEMPT" = 1 ]; then echo old > v.txt; exit 3; fi'

    data = run(world, RETRIED.format(script=script), {"v.txt": "1.0"})

    assert "this attempt did not write" in data["failure"]["message"]


def test_a_file_that_the_last_attempt_writes_is_an_output(world: World) -> None:
    data = run(world, RETRIED.format(script='echo "$TAKO_STEP_ATTEMPT" > v.txt; test "$TAKO_STEP_ATTEMPT" = 2'))

    assert data["steps"][0]["outputs"] == {"v": "2"}


def test_a_checked_in_file_that_no_attempt_touches_is_an_output(world: World) -> None:
    data = run(world, RETRIED.format(script='test "$TAKO_STEP_ATTEMPT" = 2'), {"v.txt": "1.0"})

    assert data["steps"][0]["outputs"] == {"v": "1.0"}


def test_a_file_of_an_attempt_before_a_resumption_is_no_output(world: World) -> None:
    steps = "- id: a\n  run: test -e go || { echo old > v.txt; exit 3; }\n  produces: {outputs: {v: from_file:v.txt}}"
    lib = repo(world, steps)
    assert world.tako("exec", "go", "--root", str(lib)).code == 1
    (lib / "go").touch()

    resumed = world.tako("exec", "--resume", "@latest", "--json")

    assert "this attempt did not write" in resumed.json()["failure"]["message"]


KILLS = {
    "by itself": "kill -9 $$",
    "a command": "sh -c 'kill -9 $$'; true",
    "the only command": "sh -c 'kill -9 $$'",
    "exec": "exec sh -c 'kill -9 $$'",
    "bash": "kill -9 $$\n  shell: bash",
    "shebang": "|\n    #!/bin/sh\n    kill -9 $$",
}


@pytest.mark.parametrize("way", KILLS)
def test_a_signal_is_128_and_its_number_everywhere(world: World, way: str) -> None:
    steps = f"""\
- id: a
  run: {KILLS[way]}
  retry: {{attempts: 2, delay: 1ms, on_exit_codes: [137]}}
  on_failure:
    - id: tell
      if: error.exit_code == 137 && error.signal == 9
      run: echo "$TAKO_ERROR_EXIT_CODE {{{{ error.exit_code }}}}"
      produces: {{outputs: {{code: from_stdout}}}}
"""

    data = run(world, steps)

    (step,) = data["steps"]
    assert (step["failure"]["exit_code"], step["failure"]["signal"]) == (137, 9)
    assert [attempt["failure"]["exit_code"] for attempt in step["attempts"]] == [137]
    assert step["on_failure"][0]["outputs"] == {"code": "137 137"}


def test_a_service_that_a_signal_killed_is_128_and_its_number(world: World) -> None:
    steps = """\
- {id: serve, run: 'kill -9 $$', long_running: true}
- uses: tako/poll@v1
  with: {target: step, step_id: serve, success_on_exit_code: 137}
"""

    data = run(world, steps)

    assert data["success"], data["failure"]
    assert data["steps"][1]["outputs"] == {"exit_code": "137"}
    assert data["services"][0]["exit_code"] == 137
