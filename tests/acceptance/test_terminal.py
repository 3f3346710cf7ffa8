"""A person at a terminal: Ctrl-Z, fg, bg, Ctrl-C, a window that is closed. A real shell with job control on a pty."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import World
from tests.acceptance.observe import children_at_work, marked, wait_for
from tests.acceptance.recipes import WORKFLOW, config, fan_out, step
from tests.acceptance.terminal import HIDE, Terminal
from tests.acceptance.trees import letter, processes, until_there, workspaces

ROOT = "term/root"
STOPPED = "T"
WAITS_IN_THE_KERNEL = "D"


def there(world: World, name: str) -> Path:
    """The file by which a step says that it is at work."""
    return world.root / f"there-{name}"


def hearer(world: World, name: str, script: str, **more: Any) -> None:
    """A cached repository with one step, that runs because of the root."""
    world.cached(
        name, config(name, step("it", f"touch {there(world, name[-3:])}; {script}", **more), hears=ROOT), git=False
    )


def begin(world: World, terminal: Terminal, *names: str, arguments: str = "") -> int:
    """Start the run of the root's workflow in the foreground; returns the root's pid."""
    terminal.type(f"cd {world.root}/root; tako exec {WORKFLOW} -j 4 {arguments}\n")
    terminal.until(lambda: all(there(world, name).exists() for name in names), "all were at work")
    return root_of(world)


def root_of(world: World) -> int:
    """The process of the root."""
    (pid,) = [pid for pid, line in processes(world, "tako exec").items() if "-i" not in line.split()]
    return pid


def tree_of(world: World, terminal: Terminal) -> list[int]:
    """All processes but the shell's; without those that live for an instant."""
    return [pid for pid, line in processes(world).items() if pid != terminal.shell.pid and not line.startswith("sleep")]


def all_stand_still(world: World, terminal: Terminal) -> bool:
    """Whether all are stopped, or wait in the kernel for one that is: the shell's vfork(2) waits for what it starts."""
    letters = [letter(pid) for pid in processes(world) if pid != terminal.shell.pid]
    return len(letters) > 1 and STOPPED in letters and set(letters) <= {STOPPED, WAITS_IN_THE_KERNEL}


def all_go_on(world: World, terminal: Terminal) -> bool:
    letters = [letter(pid) for pid in processes(world) if pid != terminal.shell.pid]
    return len(letters) > 1 and STOPPED not in letters


@pytest.mark.parametrize("arguments", ["", "-v"])
def test_the_tree_stops_and_goes_on_together(world: World, terminal: Terminal, arguments: str) -> None:
    go = world.root / "go"
    daemon = f"(setsid sleep 1000 > /dev/null 2>&1 &); {until_there(go)}"
    hearer(world, "term/one", daemon)
    hearer(world, "term/two", until_there(go))
    aside = fan_out(wait_for_children=False)
    own = step("own", f"touch {there(world, 'own')}; {until_there(go)}")
    world.working("root", config(ROOT, aside, own, step("after", f"touch {world.root}/after")))
    root = begin(world, terminal, "one", "two", "own", arguments=arguments)
    assert len(children_at_work(root)) == 3, "two children, and the keeper of the root's own step"

    for _ in range(2):
        before = terminal.type("\x1a")
        terminal.until(lambda: all_stand_still(world, terminal), "all stood still")
        # The root, two children with a step each, and the keeper with the root's own step.
        assert len(tree_of(world, terminal)) >= 7
        terminal.wait_for_prompt(before)
        assert "Stopped" in terminal.shown[before:]
        assert terminal.cursor_is_visible
        # The terminal is the shell's again, and nothing moves on it.
        assert terminal.run("echo usable-$((6*7))") == "usable-42\n"
        assert all_stand_still(world, terminal)

        terminal.type("fg\n")
        terminal.until(lambda: all_go_on(world, terminal), "all went on")
    before = terminal.type("")
    go.touch()
    terminal.wait_for_prompt(before)

    assert terminal.run("echo code=$?") == "code=0\n"
    assert terminal.cursor_is_visible
    assert (world.root / "after").exists()
    wait_for(lambda: not tree_of(world, terminal), "the daemon had been ended, too")
    (run,) = workspaces(world)
    assert f"{run.name}: success" in world.tako("status", run.name).out


def test_nothing_moves_on_the_screen_while_the_tree_stands_still(world: World, terminal: Terminal) -> None:
    go = world.root / "go"
    hearer(world, "term/one", until_there(go))
    world.working("root", config(ROOT, fan_out()))
    begin(world, terminal, "one")
    terminal.wait_for("term/one:work")
    assert HIDE in terminal.shown, "the live display is there"

    before = terminal.type("\x1a")
    terminal.wait_for_prompt(before)
    since = terminal.type("")
    assert terminal.run("tako ps --json | grep status").count('"stopped"') == 2
    assert HIDE not in terminal.shown[since:]
    since = terminal.type("fg\n")
    terminal.wait_for(HIDE, since)
    terminal.wait_for("term/one:work", since)
    go.touch()
    terminal.wait_for_prompt(since)
    assert terminal.run("echo code=$?") == "code=0\n"


@pytest.mark.parametrize(
    ("where", "whose"),
    [("child", "step"), ("child", "workflow"), ("child", "fan-out"), ("root", "step"), ("root", "workflow")],
)
def test_time_in_which_the_tree_stood_still_does_not_count(
    world: World, terminal: Terminal, where: str, whose: str
) -> None:
    """The step needs no time at all once it goes on, and stands still for longer than it may take."""
    limit = 4
    go = world.root / "go"
    of_step = {"timeout": f"{limit}s"} if whose == "step" else {}
    of_workflow = {"timeout": f"{limit}s"} if whose == "workflow" else {}
    it = step("it", f"touch {there(world, 'one')}; {until_there(go)}", **of_step)
    telling = fan_out(**({"timeout": f"{limit}s"} if whose == "fan-out" else {}))
    if where == "child":
        world.cached("term/one", config("term/one", it, hears=ROOT, **of_workflow), git=False)
        world.working("root", config(ROOT, telling))
    else:
        world.working("root", config(ROOT, it, **of_workflow))
    begin(world, terminal, "one")

    terminal.type("\x1a")
    terminal.until(lambda: all_stand_still(world, terminal), "all stood still")
    until = time.monotonic() + limit + 2
    wait_for(lambda: time.monotonic() > until, "the time would have been up")
    before = terminal.type("fg\n")
    terminal.until(lambda: all_go_on(world, terminal), "all went on")
    go.touch()
    terminal.wait_for_prompt(before)

    assert terminal.run("echo code=$?") == "code=0\n", terminal.shown


def test_a_run_that_was_stopped_is_cancelled_from_another_terminal(world: World, terminal: Terminal) -> None:
    hearer(world, "term/one", "sleep 1000")
    world.working("root", config(ROOT, fan_out()))
    begin(world, terminal, "one")
    before = terminal.type("\x1a")
    terminal.wait_for_prompt(before)
    (run,) = workspaces(world)

    ran = world.tako("cancel", run.name)

    assert (ran.code, ran.err.splitlines()[-1]) == (0, f"{run.name} has ended")
    terminal.until(lambda: not tree_of(world, terminal), "all had ended")
    assert f"{run.name}: interrupted" in world.tako("status", run.name).out
    assert terminal.cursor_is_visible


def test_it_goes_on_in_the_background(world: World, terminal: Terminal) -> None:
    go = world.root / "go"
    hearer(world, "term/one", until_there(go))
    world.working("root", config(ROOT, fan_out()))
    begin(world, terminal, "one")
    before = terminal.type("\x1a")
    terminal.wait_for_prompt(before)
    terminal.type("bg\n")
    terminal.until(lambda: all_go_on(world, terminal), "all went on")
    go.touch()
    terminal.until(lambda: not tree_of(world, terminal), "it had ended")

    terminal.type("wait; echo code=$?\n")
    terminal.wait_for("code=0")
    (run,) = workspaces(world)
    assert f"{run.name}: success" in world.tako("status", run.name).out
    assert terminal.cursor_is_visible


DEAF = "trap '' TERM INT HUP; sleep 1000; sleep 1000"


@pytest.mark.parametrize("script", ["sleep 1000", DEAF])
def test_ctrl_c_leaves_the_terminal_as_it_was(world: World, terminal: Terminal, script: str) -> None:
    hearer(world, "term/one", script)
    world.working("root", config(ROOT, fan_out()))
    settings = terminal.run("stty -a")
    assert "isig" in settings
    begin(world, terminal, "one")

    before = terminal.type("\x03")
    terminal.wait_for("SIGINT: stopping 1 run; press Ctrl-C again to kill", before)
    if script is DEAF:
        terminal.type("\x03")
        terminal.wait_for("SIGINT again: killing what is at work", before)
    terminal.wait_for_prompt(before)

    assert terminal.run("echo code=$?") == "code=130\n"
    assert "execution interrupted by SIGINT" in terminal.shown
    assert terminal.cursor_is_visible
    assert terminal.run("stty -a") == settings
    assert not tree_of(world, terminal)


@pytest.mark.parametrize("stopped", [False, True])
def test_a_run_whose_window_is_closed_ends(world: World, terminal: Terminal, stopped: bool) -> None:
    hearer(world, "term/one", "trap 'touch asked; exit' TERM; while :; do sleep 0.02 || true; done")
    world.working("root", config(ROOT, fan_out()))
    begin(world, terminal, "one")
    if stopped:
        terminal.type("\x1a")
        terminal.until(lambda: all_stand_still(world, terminal), "all stood still")

    terminal.close()

    wait_for(lambda: not marked(world.mark), "all had ended")
    (run,) = workspaces(world)
    told = world.tako("status", run.name, "--json").json()
    assert told["status"] == "interrupted"
    (child,) = told["runs"][1:]
    assert child["failure"]["kind"] == "interrupted", child
    assert Path(child["workspace"], "repo", "asked").exists(), child["failure"]
    assert not list((world.home / "alive").glob("*.json")), "it ended in good order"


def test_a_window_that_is_closed_is_nothing_with_nohup(world: World, terminal: Terminal) -> None:
    go = world.root / "go"
    hearer(world, "term/one", until_there(go))
    world.working("root", config(ROOT, fan_out()))
    terminal.type(f"cd {world.root}/root; nohup tako exec {WORKFLOW} > {world.root}/nohup.out 2>&1 &\n")
    terminal.until(there(world, "one").exists, "it was at work")

    terminal.close()
    terminal.shell.wait(10)
    go.touch()

    wait_for(lambda: not marked(world.mark), "it had ended")
    assert "Success: true" in (world.root / "nohup.out").read_text()


def test_a_stop_by_a_signal_is_like_one_by_a_key(world: World, terminal: Terminal) -> None:
    """SIGTSTP from elsewhere, and SIGCONT; SIGSTOP stops the root alone, which nobody can catch."""
    go = world.root / "go"
    hearer(world, "term/one", until_there(go))
    world.working("root", config(ROOT, fan_out()))
    root = begin(world, terminal, "one")

    os.kill(root, signal.SIGTSTP)
    terminal.until(lambda: all_stand_still(world, terminal), "all stood still")
    os.kill(root, signal.SIGCONT)
    terminal.until(lambda: all_go_on(world, terminal), "all went on")
    os.kill(root, signal.SIGSTOP)
    terminal.until(lambda: letter(root) == STOPPED, "the root stood still")
    before = terminal.type("fg\n")
    terminal.until(lambda: letter(root) != STOPPED, "the root went on")
    go.touch()
    terminal.wait_for_prompt(before)
    assert terminal.run("echo code=$?") == "code=0\n"


def test_what_is_shown_after_a_stop_is_no_mess(world: World, terminal: Terminal) -> None:
    """Each line that says something stands on a line of its own, and no half of the live display is left."""
    go = world.root / "go"
    hearer(world, "term/one", until_there(go))
    world.working("root", config(ROOT, fan_out()))
    begin(world, terminal, "one")
    terminal.wait_for("term/one:work")
    before = terminal.type("\x1a")
    terminal.wait_for_prompt(before)

    after = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.shown[before:])
    assert re.search(r"\n\[1\]\+  Stopped +tako exec", after), after
