"""Steps that are left running, in trees of real processes: with whom they live on, and with whom they end."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import World
from tests.acceptance.observe import marked, wait_for
from tests.acceptance.recipes import WORKFLOW, config, fan_out, step
from tests.acceptance.trees import (
    Running,
    processes,
    run_named,
    seconds_until_all_are_gone,
    state_of,
    until_there,
    workspaces,
)

ROOT, MIDDLE, LEAF = "left/root", "left/middle", "left/leaf"

LIMIT = 5.0
"""Seconds after which nothing of a tree may be there whose root was killed."""


def service(world: World, id_: str = "db", **more: Any) -> dict[str, Any]:
    """A step that is left running; it writes down its pid, and hides a process behind itself."""
    hides = (
        f"(setsid sh -c 'exec sleep 6000' &)\necho $$ >> {world.root}/{id_}.new; echo x >> {world.root}/{id_}.starts"
    )
    return step(
        id_, f"{hides}; mv {world.root}/{id_}.new {world.root}/{id_}; sleep 6000 & wait", long_running=True, **more
    )


def up(world: World, id_: str = "db") -> dict[str, Any]:
    return step(f"{id_}-up", until_there(world.root / id_))


def is_up(world: World, id_: str = "db") -> str:
    """A script that fails if the service is not there."""
    return f"kill -0 $(cat {world.root}/{id_})"


def make_tree(world: World, *middle: dict[str, Any], leaf: str) -> Path:
    world.cached(MIDDLE, config(MIDDLE, *middle, hears=ROOT), git=False)
    world.cached(LEAF, config(LEAF, step("leaf", leaf), hears=MIDDLE), git=False)
    return world.working("root", config(ROOT, fan_out()))


def test_a_service_lives_on_while_its_run_waits_and_has_no_process(world: World) -> None:
    root = make_tree(
        world,
        service(world),
        up(world),
        fan_out(),
        step("after", is_up(world)),
        leaf=f"{is_up(world)}; true",
    )
    # One whose process ends meanwhile makes the root look for what that has left.
    world.cached("left/other", config("left/other", step("x", "(setsid sleep 6000 &)"), hears=MIDDLE), git=False)
    ran = world.tako("exec", WORKFLOW, "--json", "-v", "-j", "1", cwd=root)

    assert ran.code == 0, ran.text
    assert not marked(world.mark), "something of the tree was still there when the root had ended"
    (end,) = state_of(run_named(ran.json(), MIDDLE)["workspace"])["services"]
    assert (end["step"], end["how"]) == ("db", "stopped")
    assert f"■ {MIDDLE}:{WORKFLOW} step 'db' was still running and was stopped" in ran.err


def test_a_service_ends_within_seconds_when_the_root_is_killed_while_its_run_waits(world: World) -> None:
    there, go = world.root / "leaf", world.root / "go"
    root = make_tree(world, service(world), up(world), fan_out(), leaf=f"touch {there}; {until_there(go)}")
    running = Running(world, "exec", WORKFLOW, cwd=root)
    wait_for(there.exists, "the leaf was at work")
    assert processes(world, "serve.py")
    running.send(signal.SIGKILL)
    running.process.wait()

    assert seconds_until_all_are_gone(world) < LIMIT


def test_a_service_whose_run_waits_is_stopped_when_the_tree_is(world: World) -> None:
    there, go = world.root / "leaf", world.root / "go"
    leaf = f"touch {there}; {until_there(go)}"
    root = make_tree(
        world, service(world), up(world), fan_out(), step("late", until_there(world.root / "db")), leaf=leaf
    )
    running = Running(world, "exec", WORKFLOW, cwd=root)
    wait_for(there.exists, "the leaf was at work")
    running.send(signal.SIGINT)
    ran = running.finish()

    assert ran.code == 130, ran.text
    assert not marked(world.mark), "something of the tree was still there when the root had ended"
    (workspace,) = workspaces(world)
    (middle,) = (workspace / "children").iterdir()
    assert f"■ step 'db' of {middle.name} was still running and was stopped" in ran.err
    # Resumed, it is started again, before what is behind the fan-out counts on it.
    (world.root / "db").unlink()
    go.touch()
    again = world.tako("exec", "--resume", "@latest", "--json", cwd=root)
    assert again.code == 0, again.text
    assert (world.root / "db").exists()


def test_the_second_signal_kills_a_service_whose_run_waits(world: World) -> None:
    there = world.root / "leaf"
    asked = world.root / "asked"
    deaf = f"trap 'touch {asked}' TERM; touch {world.root}/db; while :; do sleep 0.02 || true; done"
    leaf = f"touch {there}; sleep 6000"
    root = make_tree(world, step("db", deaf, long_running=True), up(world), fan_out(), leaf=leaf)
    running = Running(world, "exec", WORKFLOW, cwd=root)
    wait_for(there.exists, "the leaf was at work")
    running.send(signal.SIGINT)
    # Of the tree nothing is left then but what runs on for the one that waits.
    wait_for(asked.exists, "the service was asked to end")
    running.send(signal.SIGINT)
    ran = running.finish()

    assert ran.code == 130, ran.text
    assert "SIGINT again: killing what is at work\n" in ran.err
    assert "step 'db' of " in ran.err
    assert not marked(world.mark)


@pytest.mark.parametrize("waits", [False, True])
def test_a_service_of_a_child_that_is_killed_ends_with_it_and_is_there_again_at_the_next_try(
    world: World, waits: bool
) -> None:
    died = world.root / "died"
    started = f"until [ $(wc -l < {world.root}/db.starts) = 2 ]; do sleep 0.02; done"
    dies = f"if test -e {died}; then {started}; else {is_up(world)}; touch {died}; kill -KILL $PPID; fi"
    waiting = [fan_out()] if waits else []
    world.cached(MIDDLE, config(MIDDLE, service(world), up(world), *waiting, step("dies", dies), hears=ROOT), git=False)
    root = world.working("root", config(ROOT, fan_out(retry={"attempts": 2, "delay": "10ms"})))
    ran = world.tako("exec", WORKFLOW, "--json", cwd=root)

    assert ran.code == 0, ran.text
    assert not marked(world.mark), "something of the tree was still there when the root had ended"
    run = run_named(ran.json(), MIDDLE)
    assert len(run["attempts"]) == 1
    assert [end["how"] for end in state_of(run["workspace"])["services"]] == ["stopped"]


def test_a_service_of_a_run_that_is_cancelled_while_it_waits_ends_soon(world: World) -> None:
    there, go = world.root / "leaf", world.root / "go"
    root = make_tree(world, service(world), up(world), fan_out(), leaf=f"touch {there}; {until_there(go)}")
    world.cached("left/other", config("left/other", step("x", until_there(go)), hears=ROOT), git=False)
    running = Running(world, "exec", WORKFLOW, "-j", "2", cwd=root)
    wait_for(there.exists, "the leaf was at work")
    (workspace,) = workspaces(world)
    (middle,) = [path.name for path in (workspace / "children").iterdir() if (path / "services").exists()]
    assert world.tako("cancel", workspace.name, "--child", middle).code == 0
    wait_for(lambda: not processes(world, "serve.py"), "the service had ended")
    assert running.process.poll() is None
    go.touch()

    assert running.finish().code == 1


def test_a_service_of_the_roots_own_is_told_at_the_end_and_in_the_result(world: World) -> None:
    fails = step("short", f"{until_there(world.root / 'db')}; exit 3", long_running=True)
    poll = {"id": "poll", "uses": "tako/poll@v1", "continue_on_error": True}
    poll["with"] = {"target": "step", "step_id": "short"}
    root = world.working("root", config(ROOT, service(world), fails, up(world), poll))
    ran = world.tako("exec", WORKFLOW, "--json", cwd=root)

    assert ran.code == 0, ran.text
    assert not marked(world.mark)
    services = ran.json()["services"]
    assert [(end["step"], end["how"], end["exit_code"], end["signal"]) for end in services] == [
        ("db", "stopped", 128 + signal.SIGTERM, signal.SIGTERM),
        ("short", "exited", 3, None),
    ]
    assert "■ step 'db' was still running and was stopped" in ran.err
    assert "✗ step 'poll' failed" in ran.err
    assert "; the run goes on" in ran.err
    status = world.tako("status", "@latest")
    assert "■ db was still running and was stopped" in status.out
    assert "✗ poll" in status.out


def test_a_service_of_the_roots_own_ends_within_seconds_when_the_root_is_killed(world: World) -> None:
    there = world.root / "there"
    root = world.working("root", config(ROOT, service(world), up(world), step("x", f"touch {there}; sleep 6000")))
    running = Running(world, "exec", WORKFLOW, cwd=root)
    wait_for(there.exists, "the step was at work")
    running.send(signal.SIGKILL)
    running.process.wait()

    assert seconds_until_all_are_gone(world) < LIMIT


def test_a_child_that_is_run_by_hand_leaves_nothing_running_when_it_waits(world: World) -> None:
    repo = world.working("middle", config(MIDDLE, service(world), up(world), fan_out()))
    ran = world.child("--repo", str(repo), "--workflow", WORKFLOW)

    assert ran.code == 0, ran.text
    assert seconds_until_all_are_gone(world) < LIMIT


def test_the_log_of_what_is_left_running_shows_no_secret(world: World) -> None:
    world.env["API_TOKEN"] = "what-nobody-may-see"
    prints = f'echo "it is $TOKEN"; test -z "$TAKO_SECRETS_FD" && touch {world.root}/db; sleep 6000 & wait'
    steps = (step("db", prints, long_running=True, env={"TOKEN": "API_TOKEN"}), up(world))
    root = world.working("root", config(ROOT, *steps, secrets=["API_TOKEN"]))
    ran = world.tako("exec", WORKFLOW, cwd=root)

    assert ran.code == 0, ran.text
    (workspace,) = workspaces(world)
    assert (workspace / "logs" / "db.log").read_text() == "it is ***\n"
