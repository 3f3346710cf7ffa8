"""Arguments, variables and file names of any bytes get an answer, never a traceback."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.acceptance.conftest import BIN, Ran, World

BAD = b"\xff"
RUN_ID = b"exec-20261123-181803-0a1b2c3d"

LIB = """
version: 1
metadata: {name: me/lib}
artifacts: {notes: {path: "notes*", command: echo 1 > notes, install_command: "true"}}
workflows:
  release:
    inputs: {v: {type: string, default: one}}
    steps:
      - run: echo {{ inputs.v | shell_quote }} > notes
        produces: {artifact: notes, events: [{type: released, payload: {v: "{{ inputs.v }}"}}]}
      - {uses: tako/fan-out@v1, with: {event_type: released}}
"""
APP = """
version: 1
metadata: {name: me/app}
workflows: {check: {steps: [exit 7]}}
subscriptions: [{artifact: "me/lib:notes", events: [released], workflow: check}]
"""

COMMANDS = [
    [BAD],
    [b"exec", BAD],
    [b"exec", b"--" + BAD],
    [b"exec", b"release", b"--root", BAD],
    [b"exec", b"release", b"--repo", BAD],
    [b"exec", b"release", b"--repo", b"me/app:" + BAD],
    [b"exec", b"release", b"-i", BAD],
    [b"exec", b"release", b"-i", b"v=" + BAD],
    [b"exec", b"release", b"-i", BAD + b"=v"],
    [b"exec", b"release", b"--inputs.v", BAD],
    [b"exec", b"release", b"-j", BAD],
    [b"exec", b"release", b"--secrets-file", BAD],
    [b"exec", b"release", b"--chaos", BAD],
    [b"exec", b"--resume", BAD],
    [b"exec", b"--resume", RUN_ID[:-1] + BAD],
    [b"status", BAD],
    [b"cancel", BAD],
    [b"cancel", RUN_ID, b"--child", BAD],
    [b"replay", BAD],
    [b"replay", RUN_ID, b"--child", BAD],
    [b"child", BAD],
    [b"child", b"--repo", BAD, b"--workflow", b"release"],
    [b"child", b"--repo", b".", b"--workflow", BAD],
    [b"child", b"--repo", b".", b"--workflow", b"release", b"-i", b"v=" + BAD],
    [b"events", b"show", BAD],
    [b"events", b"redeliver", BAD],
    [b"events", b"redeliver", b"evt-1", b"--subscriber", BAD],
    [b"events", b"list", b"--since", BAD],
    [b"workspace", b"clean", BAD],
    [b"workspace", b"clean", b"--older-than", BAD],
    [b"cache", b"clean", b"--older-than", BAD],
    [b"cache", b"prune", b"--max-size", BAD],
    [b"artifacts", b"build", BAD],
    [b"artifacts", b"build", b"--root", BAD],
    [b"artifacts", b"install", BAD],
    [b"artifacts", b"install", b".:" + BAD],
    [b"artifacts", b"install", b".", b"--into", BAD],
    [b"artifacts", b"install", b".", b"--timeout", BAD],
    [b"init", b"--root", BAD],
    [b"init", b"--ecosystem", BAD],
    [b"lint", BAD],
    [b"validate", b"--root", BAD],
    [b"completion", BAD],
    [b"version", BAD],
    [b"schema", BAD],
    [b"ps", BAD],
]


def tako(world: World, arguments: Iterable[bytes], cwd: bytes, **env: bytes) -> Ran:
    ran = subprocess.run(
        [os.fsencode(BIN / "tako"), *arguments],
        cwd=cwd,
        env={**{os.fsencode(name): os.fsencode(value) for name, value in world.env.items()},
             **{os.fsencode(name): value for name, value in env.items()}},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=90,
        check=False,
    )  # fmt: skip
    said = Ran(ran.returncode, ran.stdout.decode(), ran.stderr.decode())
    assert "Traceback" not in said.err
    assert "bug in Tako" not in said.err
    return said


@pytest.fixture
def lib(world: World) -> bytes:
    """A repository in a directory whose name is not UTF-8."""
    directory = os.fsencode(world.root) + b"/l\xffb"
    os.rename(world.working("lib", LIB), directory)
    return directory


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda given: b" ".join(given).decode("ascii", "backslashreplace"))
def test_argument_of_any_bytes_is_refused(world: World, lib: bytes, arguments: list[bytes]) -> None:
    ran = tako(world, arguments, lib)
    assert ran.code in (1, 2), ran.text
    assert "error: " in ran.err or arguments[0] == b"lint"


def test_input_of_any_bytes_is_refused_by_name(world: World, lib: bytes) -> None:
    ran = tako(world, [b"exec", b"release", b"-i", b"v=\xff"], lib)
    assert (ran.code, "input 'v' is not text in UTF-8" in ran.err) == (1, True), ran.text


def test_message_shows_bytes_as_they_are(world: World, lib: bytes) -> None:
    assert "'z\\xff'" in tako(world, [b"exec", b"z\xff"], lib).err


def test_everything_works_in_directories_of_any_bytes(world: World, lib: bytes) -> None:
    world.cached("me/app", APP)
    home = os.fsencode(world.root) + b"/h\xffme"
    os.rename(world.home, home)
    ran = tako(world, [b"exec", b"release"], lib, TAKO_HOME=home)
    assert (ran.code, "exit code 7" in ran.err) == (1, True), ran.text
    (command,) = [line.partition(": ")[2] for line in ran.err.splitlines() if line.startswith("  run it again: ")]
    again = subprocess.run(["bash", "-c", command], env=world.env, capture_output=True, check=False)
    assert (again.returncode, b"exit code 7" in again.stderr) == (1, True), again.stderr
    for arguments, code in (
        ([b"status", b"@latest"], 0), ([b"workspace", b"list"], 0), ([b"exec", b"--resume", b"@latest"], 1),
        ([b"events", b"list"], 0), ([b"ps"], 0), ([b"validate"], 0), ([b"lint"], 0), ([b"artifacts", b"build"], 0),
        ([b"artifacts", b"install", lib], 0), ([b"workspace", b"clean", b"--older-than", b"0"], 0),
    ):  # fmt: skip
        assert tako(world, arguments, lib, TAKO_HOME=home).code == code, arguments


@pytest.mark.parametrize("name", ["FOO", "LANG", "TERM", "NO_COLOR", "TAKO_LOG", "TAKO_IDEMPOTENCY_KEY", "B\udcffD"])
def test_variable_of_any_bytes_changes_nothing(world: World, lib: bytes, name: str) -> None:
    assert tako(world, [b"exec", b"release"], lib, **{name: b"x\xff"}).code == 0


@pytest.mark.parametrize("name", ["TAKO_LOG_LIMIT", "TAKO_STRICT", "TAKO_STRICT_EXIT", "TAKO_SECRETS_FILE"])
def test_setting_of_any_bytes_is_refused(world: World, name: str) -> None:
    sealed = LIB.replace("    inputs:", "    secrets: [TOKEN]\n    inputs:")
    directory = os.fsencode(world.working("sealed", sealed))
    assert tako(world, [b"exec", b"release"], directory, **{name: b"x\xff"}).code == 2


def test_file_names_of_any_bytes_reach_children(world: World) -> None:
    made = LIB.replace("echo {{ inputs.v | shell_quote }} > notes", """'echo kept > "$(printf "notes\\\\377")"'""")
    directory = os.fsencode(world.working("named", made))
    world.cached("me/app", APP.replace("exit 7", 'grep kept "$TAKO_ARTIFACT_NOTES_PATH"'))
    ran = tako(world, [b"exec", b"release"], directory)
    assert ran.code == 0, ran.text
    assert Path(os.fsdecode(directory + b"/notes\xff")).exists()
