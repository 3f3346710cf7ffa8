"""Ctrl-C reaches steps as SIGINT first, and as SIGTERM when half their time is over; all else asks by SIGTERM."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from pathlib import Path

import pytest

from tests.acceptance.conftest import World
from tests.acceptance.observe import wait_for
from tests.acceptance.recipes import WORKFLOW, config, fan_out, step
from tests.acceptance.trees import Running, workspaces

NOTES = """
import os, signal, sys
notes = sys.argv[1]
def note(number, frame):
    with open(notes, "a") as file:
        file.write(signal.Signals(number).name + " ")
    if number == signal.SIGTERM:
        os._exit(0)
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, note)
open(notes, "w").close()
while True:
    signal.pause()
"""

CLEANS = """
import sys, time
try:
    open(sys.argv[1] + ".there", "w").close()
    time.sleep(1000)
finally:
    time.sleep(0.7)
    open(sys.argv[1], "w").close()
"""


def script(code: str, argument: Path) -> str:
    """A script whose shell runs Python and does not become it."""
    return f"{sys.executable} -c {shlex.quote(code)} {argument}\necho never"


@pytest.fixture
def files(world: World) -> list[Path]:
    """What a step of the root and one of a child write to, whose run is prepared."""
    return [world.root / "root-notes", world.root / "child-notes"]


def tree(world: World, code: str, files: list[Path]) -> Running:
    world.cached("int/child", config("int/child", step("it", script(code, files[1])), hears="int/root"))
    steps = (fan_out(wait_for_children=False), step("own", script(code, files[0])))
    return Running(world, "exec", WORKFLOW, "-j", "2", cwd=world.working("root", config("int/root", *steps)))


def test_interrupt_comes_first_and_then_the_request_to_end(world: World, files: list[Path]) -> None:
    running = tree(world, NOTES, files)
    wait_for(lambda: all(file.exists() for file in files), "both were at work")
    running.send(signal.SIGINT)

    assert running.finish().code == 130
    assert [file.read_text() for file in files] == ["SIGINT SIGTERM ", "SIGINT SIGTERM "]


@pytest.mark.parametrize("by", ["SIGTERM", "SIGHUP", "cancel", "timeout"])
def test_everything_else_asks_to_end_at_once(world: World, by: str) -> None:
    notes = world.root / "notes"
    more = {"timeout": "1s"} if by == "timeout" else {}
    root = world.working("root", config("int/root", step("own", script(NOTES, notes), **more)))
    running = Running(world, "exec", WORKFLOW, cwd=root)
    wait_for(notes.exists, "the step was at work")
    if by == "cancel":
        assert world.tako("cancel", workspaces(world)[0].name).code == 0
    elif by != "timeout":
        running.send(getattr(signal, by))
    running.finish()

    assert notes.read_text() == "SIGTERM "


def test_what_a_shell_ran_has_time_to_clean_up(world: World, files: list[Path]) -> None:
    running = tree(world, CLEANS, files)
    wait_for(lambda: all(Path(f"{file}.there").exists() for file in files), "both were at work")
    running.send(signal.SIGINT)

    assert running.finish().code == 130
    assert [file.exists() for file in files] == [True, True]


def test_second_interrupt_kills(world: World, files: list[Path]) -> None:
    running = tree(world, CLEANS.replace("0.7", "1000"), files)
    wait_for(lambda: all(Path(f"{file}.there").exists() for file in files), "both were at work")
    running.send(signal.SIGINT)
    running.wait_for("SIGINT: stopping")
    running.send(signal.SIGINT)

    assert running.finish().code == 130
    assert [file.exists() for file in files] == [False, False]


def test_background_of_a_shell_is_asked_as_soon_as_nothing_else_is_left(world: World) -> None:
    notes = world.root / "notes"
    background = f"{sys.executable} -c {shlex.quote(NOTES.replace('signal.SIGINT, signal.SIGTERM', 'signal.SIGTERM,'))}"
    root = world.working("root", config("int/root", step("own", f"{background} {notes} &\nwait")))
    running = Running(world, "exec", WORKFLOW, cwd=root)
    wait_for(notes.exists, "the step was at work")
    running.send(signal.SIGINT)

    assert running.finish().code == 130
    assert notes.read_text() == "SIGTERM "


def test_run_begun_in_the_background_heeds_no_interrupt(world: World) -> None:
    """A shell without job control lets its background ignore SIGINT: whoever wants that is heard by SIGTERM."""
    notes = world.root / "notes"
    root = world.working("root", config("int/root", step("own", script(NOTES, notes))))
    running = Running(world, "exec", WORKFLOW, cwd=root, before="trap '' INT")
    wait_for(notes.exists, "the step was at work")
    running.send(signal.SIGINT)
    os.kill(running.pid, signal.SIGTERM)

    assert running.finish().code == 143
    assert notes.read_text() == "SIGTERM "


def test_artifact_command_is_interrupted_first(world: World) -> None:
    notes = world.root / "notes"
    command = script(NOTES, notes)
    root = world.working("root", config("int/root", step("it", "true")))
    (root / "tako.yml").write_text(
        "version: 1\nmetadata: {name: int/root}\nartifacts:\n  made:\n    path: made\n    command: |\n"
        + "".join(f"      {line}\n" for line in command.splitlines())
    )
    running = Running(world, "artifacts", "build", "made", cwd=root)
    wait_for(notes.exists, "the command was at work")
    running.send(signal.SIGINT)

    assert running.finish().code == 130
    assert notes.read_text() == "SIGINT SIGTERM "
