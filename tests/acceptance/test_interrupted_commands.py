"""A signal while there is no run that could be asked to end: a command begins, builds, asks for a secret, reports.

Where such a moment is an instant, an import is what it is made longer by.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tako.clock import SystemClock
from tako.locks import exclusive
from tako.signals import kill_hint
from tests.acceptance.conftest import Ran, World
from tests.acceptance.observe import marked, wait_for
from tests.acceptance.recipes import WORKFLOW, config, fan_out, step
from tests.acceptance.terminal import HIDE, Terminal
from tests.acceptance.trees import Running, processes, workspaces

SIGNALS = [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)]

SITE = """
import os, sys, time

class Waits:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r} and not os.path.exists({there!r}):
            open({there!r}, "w").close()
            while not os.path.exists({go!r}):
                time.sleep(0.01)

sys.meta_path.insert(0, Waits())
"""


def wait_at(world: World, module: str) -> Path:
    """Let a Tako of a world wait, for the file ``go``, as it comes to import a module; returns what tells it there."""
    there = world.root / "there"
    site = world.root / "site"
    site.mkdir()
    content = SITE.format(module=module, there=str(there), go=str(world.root / "go"))
    (site / "sitecustomize.py").write_text(content)
    world.env["PYTHONPATH"] = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    return there


def go_on(world: World) -> None:
    (world.root / "go").touch()


def tree(world: World) -> Path:
    """A root with one child."""
    world.cached("cut/child", config("cut/child", step("it", "true"), hears="cut/root"), git=False)
    return world.working("root", config("cut/root", fan_out()))


# Before the run.

WHILE_IT_STARTS = "tako.cli.exec"
BEFORE_IT_CAN_HEAR = "tako.children.factory"
AS_IT_REPORTS = "tako.report.summary"


@pytest.mark.parametrize(("name", "code"), SIGNALS)
def test_a_command_that_is_interrupted_as_it_starts_says_so_in_a_line(world: World, name: str, code: int) -> None:
    root = tree(world)
    there = wait_at(world, WHILE_IT_STARTS)
    running = Running(world, "exec", WORKFLOW, cwd=root)
    wait_for(there.exists, "it was starting")

    running.send(getattr(signal, name))

    assert running.finish() == Ran(code, "", f"\ninterrupted by {name}\n")


@pytest.mark.parametrize(("name", "code"), SIGNALS)
def test_a_signal_before_the_run_can_hear_it_ends_it_in_good_order(
    world: World, terminal: Terminal, name: str, code: int
) -> None:
    """Its directory is there, it is registered, and the live display has hidden the cursor."""
    root = tree(world)
    there = wait_at(world, BEFORE_IT_CAN_HEAR)
    settings = terminal.run("stty -a")
    before = terminal.type(f"cd {root}; PYTHONPATH={world.env['PYTHONPATH']} tako exec {WORKFLOW}\n")
    terminal.until(there.exists, "it was about to begin")
    terminal.until(lambda: HIDE in terminal.shown[before:], "the live display was there")

    (pid,) = [pid for pid, line in processes(world, "tako exec").items() if "-i" not in line.split()]
    os.kill(pid, getattr(signal, name))
    go_on(world)
    terminal.wait_for_prompt(before)

    (run,) = workspaces(world)
    shown = terminal.shown[before:]
    assert terminal.run("echo code=$?") == f"code={code}\n", shown
    assert f"{name}: stopping" in shown
    assert f"go on with it: TAKO_HOME={world.home} tako exec --resume {run.name}\r\n" in shown
    assert terminal.cursor_is_visible
    assert terminal.run("stty -a") == settings
    assert not list((world.home / "alive").glob("*.json"))
    assert f"{run.name}: interrupted" in world.tako("status", run.name).out
    assert world.tako("exec", "--resume", run.name).code == 0


def test_ctrl_z_before_the_run_can_hear_it_shows_the_cursor_first(world: World, terminal: Terminal) -> None:
    root = tree(world)
    there = wait_at(world, BEFORE_IT_CAN_HEAR)
    before = terminal.type(f"cd {root}; PYTHONPATH={world.env['PYTHONPATH']} tako exec {WORKFLOW}\n")
    terminal.until(there.exists, "it was about to begin")
    terminal.until(lambda: HIDE in terminal.shown[before:], "the live display was there")

    before = terminal.type("\x1a")
    go_on(world)
    terminal.wait_for_prompt(before)
    assert "Stopped" in terminal.shown[before:]
    assert terminal.cursor_is_visible
    before = terminal.type("fg\n")
    terminal.wait_for_prompt(before)

    assert terminal.run("echo code=$?") == "code=0\n", terminal.shown
    assert terminal.cursor_is_visible


# After the run.


def test_a_signal_while_the_run_reports_does_not_cut_that_off(world: World) -> None:
    root = tree(world)
    there = wait_at(world, AS_IT_REPORTS)
    running = Running(world, "exec", WORKFLOW, "--json", cwd=root)
    wait_for(there.exists, "the run had ended")

    running.send(signal.SIGINT)
    go_on(world)
    ran = running.finish()

    assert ran.code == 0, ran.text
    assert ran.json()["success"] is True
    assert "interrupted" not in ran.err


def test_the_second_signal_while_the_run_reports_does(world: World) -> None:
    root = tree(world)
    there = wait_at(world, AS_IT_REPORTS)
    running = Running(world, "exec", WORKFLOW, cwd=root)
    wait_for(there.exists, "the run had ended")

    running.send(signal.SIGTERM)
    wait_for(lambda: not is_pending(running.pid, signal.SIGTERM), "the first had come in")
    running.send(signal.SIGTERM)
    ran = running.finish()

    assert (ran.code, ran.out) == (143, "")
    assert ran.err.endswith("\ninterrupted by SIGTERM\n")
    (run,) = workspaces(world)
    assert f"{run.name}: success" in world.tako("status", run.name).out


def is_pending(pid: int, number: int) -> bool:
    masks = [
        int(line.split()[1], 16)
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith(("SigPnd", "ShdPnd"))
    ]
    return any(mask >> (number - 1) & 1 for mask in masks)


# Commands that have started something.


@pytest.mark.parametrize(("name", "code"), SIGNALS)
def test_the_command_for_a_secret_does_not_outlive_an_interrupted_one(world: World, name: str, code: int) -> None:
    there = world.root / "there"
    command = f"trap '' TERM; (sleep 1000 &); touch {there}; sleep 1000; sleep 1000"
    (world.home / "config.yml").write_text(f'secrets:\n  TOKEN:\n    command: "{command}"\n')
    root = world.working("root", config("cut/root", step("it", "true"), secrets=["TOKEN"]))
    running = Running(world, "exec", WORKFLOW, cwd=root)
    wait_for(there.exists, "the secret was asked for")

    running.send(getattr(signal, name))
    ran = running.finish()

    assert ran == Ran(code, "", f"\ninterrupted by {name}\n")
    assert not marked(world.mark)
    assert not (world.home / "workspaces").exists()


@pytest.mark.parametrize("again", [False, True])
def test_a_child_that_is_stopped_while_its_secret_is_asked_for_is_told_as_interrupted(
    world: World, again: bool
) -> None:
    there = world.root / "there"
    command = f"{'trap : TERM;' if again else ''} touch {there}; while :; do sleep 0.02 || true; done"
    (world.home / "config.yml").write_text(f'secrets:\n  TOKEN:\n    command: "{command}"\n')
    world.cached("cut/child", config("cut/child", step("it", "true"), hears="cut/root", secrets=["TOKEN"]), git=False)
    root = world.working("root", config("cut/root", fan_out()))
    running = Running(world, "exec", WORKFLOW, "--json", cwd=root)
    wait_for(there.exists, "the secret was asked for")

    running.send(signal.SIGINT)
    if again:
        running.wait_for("SIGINT: stopping")
        running.send(signal.SIGINT)
    ran = running.finish()

    assert ran.code == 130, ran.text
    (child,) = ran.json()["runs"]
    failure = child["failure"]
    assert (failure["kind"], failure["message"]) == ("interrupted", "stopped before its secrets were known")
    assert not marked(world.mark)


def library(world: World, *, build: str = "touch x", install: str = "true", cached: bool = False) -> Path:
    """A repository with an artifact."""
    content = (
        "version: 1\nmetadata: {name: cut/lib}\nartifacts:\n"
        f'  x: {{path: x, command: "{build}", install_command: "{install}"}}\n'
    )
    return world.cached("cut/lib", content) if cached else world.working("lib", content)


def client(world: World) -> Path:
    return world.working("client", "version: 1\nmetadata: {name: cut/client}\n", {"file": "as it was\n"})


@pytest.mark.parametrize(("name", "code"), SIGNALS)
def test_an_interrupted_build_ends_its_command(world: World, name: str, code: int) -> None:
    there = world.root / "there"
    lib = library(world, build=f"trap 'echo tidied up' INT TERM; touch {there}; sleep 1000 & wait")
    running = Running(world, "artifacts", "build", cwd=lib)
    wait_for(there.exists, "it was building")

    running.send(getattr(signal, name))
    ran = running.finish()

    hint = kill_hint(getattr(signal, name))
    assert (ran.code, ran.out) == (code, "")
    assert ran.err == f"{name}: stopping{hint}\ntidied up\ninterrupted\n"
    assert not marked(world.mark)


@pytest.mark.parametrize("doing", ["build", "install"])
def test_the_second_signal_kills_a_command_that_does_not_end(world: World, doing: str) -> None:
    there = world.root / "there"
    deaf = f"echo changed > file; trap '' TERM INT; touch {there}; sleep 1000; sleep 1000"
    library(world, build=deaf if doing == "build" else "touch x", install=deaf)
    here = client(world)
    running = Running(world, "artifacts", "install", "../lib", cwd=here)
    wait_for(there.exists, "it was at work")

    running.send(signal.SIGINT)
    running.wait_for("SIGINT: stopping; press Ctrl-C again to kill\n")
    running.send(signal.SIGINT)
    ran = running.finish()

    assert ran.code == 130, ran.text
    assert "SIGINT again: killing what is at work\n" in ran.err
    assert "interrupted; the tracked files that had changed are put back\n" in ran.err
    assert (here / "file").read_text() == "as it was\n"
    assert not marked(world.mark)


@pytest.mark.parametrize("of", ["the artifact", "the cache"])
def test_an_install_that_waits_for_a_lock_ends_when_told(world: World, of: str) -> None:
    cached = of == "the cache"
    library(world, cached=cached)
    lock = "cache/locks/cut/lib/main.lock" if cached else "artifacts/cut/lib/x.lock"
    with exclusive(str(world.home / lock), clock=SystemClock(), timeout=10):
        running = Running(world, "artifacts", "install", "cut/lib" if cached else "../lib", cwd=client(world))
        running.wait_for("waiting since ")
        running.send(signal.SIGTERM)
        ran = running.finish()

    assert ran.code == 143, ran.text
    assert ran.err.endswith("\ninterrupted; the tracked files that had changed are put back\n")
    assert not list(Path(os.environ["TMPDIR"]).glob("tako-*"))
