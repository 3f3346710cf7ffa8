"""Whole runs, with real children, seen and stopped from another terminal."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import World
from tests.acceptance.observe import children_at_work, entries, marked, wait_for
from tests.acceptance.recipes import WORKFLOW, config, fan_out, step
from tests.acceptance.trees import Running, letter, processes, run_named, state_of, until_there

ROOT = "seen/root"
HEADINGS = ["RUN", "REPOSITORY", "WORKFLOW", "STEP", "PID", "AGE", "CPU", "MEMORY", "STATUS"]
ENDED = "; it was ended by SIGTERM"


def hearer(world: World, name: str, *steps: dict[str, Any], hears: str = ROOT) -> None:
    """A cached repository that runs some steps because of another one."""
    world.cached(name, config(name, *steps, hears=hears), git=False)


def there(world: World, name: str) -> Path:
    """The file by which a step says that it is at work."""
    return world.root / f"there-{name}"


def held(world: World, name: str, *, before: str = "true") -> dict[str, Any]:
    """A step that is at work until the test lets it go."""
    return step("second", f"{before}; touch {there(world, name)}; {until_there(world.root / 'go')}")


class Tree:
    """A root with one child that waits for another, and some at work or to come."""

    def __init__(self, world: World, *, cap: int = 2, **params: Any) -> None:
        self.world = world
        hearer(
            world, "seen/a-waits", step("first", "true"), fan_out("tell"), step("never", f"touch {world.root}/never")
        )
        hearer(world, "seen/b-works", step("first", "true"), held(world, "b"), step("third", "true"))
        hearer(world, "seen/c-below", held(world, "c"), hears="seen/a-waits")
        hearer(world, "seen/d-below", step("first", f"touch {there(world, 'd')}"), hears="seen/a-waits")
        root = world.working("root", config(ROOT, fan_out(**params), step("after", f"touch {there(world, 'after')}")))
        self.running = Running(world, "exec", WORKFLOW, "--json", "-j", str(cap), cwd=root)
        wait_for(lambda: self.running.process.poll() is not None or self.is_there(), "two were at work")
        assert self.running.process.poll() is None, self.running.finish().text
        self.run_id = world.only_workspace().name

    def is_there(self) -> bool:
        return all(there(self.world, name).exists() for name in "bc")

    def child(self, name: str) -> str:
        """The id of the run of a repository."""
        told = self.world.tako("status", self.run_id, "--json").json()
        return str(run_named(told, f"seen/{name}")["run_id"])

    def let_go(self) -> None:
        (self.world.root / "go").touch()

    def status(self) -> dict[str, str]:
        told = self.world.tako("status", self.run_id, "--json").json()
        return {run["repository"].partition("/")[2]: run["status"] for run in told["runs"][1:]}

    @property
    def directory(self) -> Path:
        return self.world.workspace(self.run_id)


def rows(world: World) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = world.tako("ps", "--json").json()
    return data


# tako ps


def test_a_run_is_seen_with_its_children_while_it_is_alive(world: World) -> None:
    tree = Tree(world)
    told = rows(world)

    root, *children = told
    assert (root["run_id"], root["root_id"], root["parent_id"]) == (tree.run_id, tree.run_id, None)
    assert (root["repository"], root["workflow"], root["step"]) == (ROOT, WORKFLOW, "announce")
    assert (root["pid"], root["status"]) == (tree.running.pid, "waiting")
    assert {child["pid"] for child in children} == children_at_work(tree.running.pid)
    # The one that waits has no process, and the one to come neither.
    assert {child["repository"]: child["step"] for child in children} == dict.fromkeys(
        ("seen/b-works", "seen/c-below"), "second"
    )
    below = next(child for child in children if child["repository"] == "seen/c-below")
    assert (below["root_id"], below["parent_id"]) == (tree.run_id, tree.child("a-waits"))
    for row in told:
        assert 0 < row["age_seconds"] < 600
        assert row["cpu_seconds"] > 0
        assert row["memory_bytes"] > 1e6
    assert root["memory_bytes"] > sum(child["memory_bytes"] for child in children), "a root's row is its whole tree's"
    assert {child["status"] for child in children} == {"running"}

    tree.let_go()
    assert tree.running.finish().code == 0
    ran = world.tako("ps")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == f"no runs are alive in {world.home}\n"
    assert rows(world) == []
    assert not list((world.home / "alive").glob("*.json"))


def test_a_run_is_told_in_columns(world: World) -> None:
    tree = Tree(world)

    headings, root, *children = world.tako("ps").out.splitlines()
    assert headings.split() == HEADINGS
    pattern = rf"{tree.run_id} +{ROOT} +{WORKFLOW} +announce +{tree.running.pid} +[\d.ms]+ +[\d.ms]+ +[\d.]+MB +"
    assert re.match(pattern + r"waiting; 2 at work, 1 wait, 1 to come$", root), root
    for name, line in zip(("b-works", "c-below"), children, strict=True):
        pattern = rf"  {tree.child(name)} +seen/{name} +{WORKFLOW} +second +\d+ +[\d.ms]+ +[\d.ms]+ +[\d.]+MB +running$"
        assert re.match(pattern, line), line
    tree.let_go()
    tree.running.finish()


BUSY = """
import pathlib, time
kept = bytearray(64 << 20)
while time.process_time() < 1:
    pass
pathlib.Path("{there}").touch()
time.sleep(1000)
"""


def test_what_the_steps_of_a_child_use_counts(world: World) -> None:
    script = f"exec {sys.executable} -c '{BUSY.format(there=there(world, 'busy'))}'"
    hearer(world, "seen/busy", step("it", script))
    running = Running(world, "exec", WORKFLOW, cwd=world.working("root", config(ROOT, fan_out())))
    wait_for(there(world, "busy").exists, "it had used its second")

    _root, child = rows(world)
    assert child["cpu_seconds"] >= 1
    assert child["memory_bytes"] >= 64 << 20
    running.send(signal.SIGTERM)
    running.finish()


def test_runs_beside_each_other_are_all_seen(world: World) -> None:
    for name in ("one", "two"):
        world.working(name, config(f"seen/{name}", held(world, name)))
    both = [Running(world, "exec", WORKFLOW, cwd=world.root / name) for name in ("one", "two")]
    wait_for(lambda: all(there(world, name).exists() for name in ("one", "two")), "both were at work")

    told = {row["repository"]: (row["pid"], row["step"], row["status"]) for row in rows(world)}
    assert told == {
        f"seen/{name}": (running.pid, "second", "running") for name, running in zip(("one", "two"), both, strict=True)
    }
    (world.root / "go").touch()
    assert [running.finish().code for running in both] == [0, 0]


@pytest.mark.parametrize("command", ["ps", "cancel"])
def test_what_a_killed_run_left_is_told_and_ended(world: World, command: str) -> None:
    tree = Tree(world)
    for child in children_at_work(tree.running.pid):
        # It does not hear that its root is gone.
        os.kill(child, signal.SIGSTOP)
    tree.running.send(signal.SIGKILL)
    tree.running.finish()

    ran = world.tako(*(("ps",) if command == "ps" else ("cancel", tree.run_id)))

    assert f"{tree.run_id} was killed; " in ran.err
    last = f"no runs are alive in {world.home}" if command == "ps" else "is not alive: it ended as interrupted"
    assert last in ran.err
    assert ran.code == (0 if command == "ps" else 2)
    assert not marked(world.mark)


def test_how_long_the_runs_of_a_killed_root_were_at_work_is_told(world: World) -> None:
    tree = Tree(world)
    tree.running.send(signal.SIGKILL)
    tree.running.finish()
    wait_for(lambda: not marked(world.mark), "its children had ended")

    runs = world.tako("status", tree.run_id, "--json").json()["runs"]

    assert [run["status"] for run in runs] == ["interrupted"] * 4 + ["pending"]
    assert [run["duration_seconds"] > 0 for run in runs] == [True] * 4 + [False]


# tako cancel RUN


def test_a_cancelled_run_ends_in_good_order(world: World) -> None:
    tree = Tree(world)
    ran = world.tako("cancel", tree.run_id)

    assert (ran.code, ran.out) == (0, "")
    assert ran.err.splitlines()[0] == f"{tree.run_id} was asked to stop"
    assert ran.err.splitlines()[-1] == f"{tree.run_id} has ended"
    ended = tree.running.finish()
    assert ended.code == 143
    assert "SIGTERM: stopping 2 runs; send SIGTERM again to kill" in ended.err
    assert f"go on with it: TAKO_HOME={world.home} tako exec --resume {tree.run_id}" in ended.err
    assert ended.json()["interrupted_by"] == signal.SIGTERM
    assert not marked(world.mark)
    assert f"{tree.run_id}: interrupted" in world.tako("status", tree.run_id).out
    again = world.tako("cancel", tree.run_id)
    assert again.code == 2
    assert f"{tree.run_id} is not alive: it ended as interrupted" in again.err


def test_cancel_prints_status_as_json(world: World) -> None:
    tree = Tree(world)
    child = tree.child("b-works")
    ran = world.tako("cancel", tree.run_id, "--child", child, "--json")
    assert ran.json() == {"run_id": tree.run_id, "child_id": child, "status": "cancelled"}
    assert ran.err.endswith(f"{child} has ended: cancelled\n")

    ran = world.tako("cancel", tree.run_id, "--json")
    assert (ran.code, ran.json()) == (0, {"run_id": tree.run_id, "child_id": None, "status": "interrupted"})
    tree.running.finish()
    refused = world.tako("cancel", tree.run_id, "--json")
    assert (refused.code, refused.json()["error"]["code"]) == (2, "usage")


def test_cancel_waits_until_all_has_ended_and_says_that_it_does(world: World) -> None:
    slow = f"trap '{until_there(world.root / 'go')}; exit' TERM; {held(world, 'x')['run']}"
    hearer(world, "seen/slow", step("it", slow))
    running = Running(world, "exec", WORKFLOW, cwd=world.working("root", config(ROOT, fan_out())))
    wait_for(there(world, "x").exists, "it was at work")
    run_id = world.only_workspace().name
    cancel = Running(world, "cancel", run_id)
    cancel.wait_for(f"waiting for {run_id} to end\n")
    assert running.process.poll() is None

    (world.root / "go").touch()
    ran = cancel.finish()
    assert (ran.code, ran.err.splitlines()[-1]) == (0, f"{run_id} has ended")
    assert not [line for line in marked(world.mark) if "tako exec" not in line], "the root may still report"
    assert running.finish().code == 143


def test_nobody_waits_who_does_not_want_to(world: World) -> None:
    deaf = f"trap '' TERM; touch {there(world, 'x')}; sleep 1000; sleep 1000"
    hearer(world, "seen/deaf", step("it", deaf))
    running = Running(world, "exec", WORKFLOW, cwd=world.working("root", config(ROOT, fan_out())))
    wait_for(there(world, "x").exists, "it was at work")
    run_id = world.only_workspace().name

    ran = world.tako("cancel", run_id, "--no-wait")
    assert (ran.code, ran.err) == (0, f"{run_id} was asked to stop\n")
    running.wait_for("SIGTERM: stopping")
    assert running.process.poll() is None
    assert world.tako("cancel", run_id).code == 0, "asked a second time, it kills"
    assert "SIGTERM again: killing what is at work" in running.finish().err


@pytest.mark.parametrize("where", ["child", "root"])
def test_force_does_not_wait_for_steps_that_will_not_end(world: World, where: str) -> None:
    deaf = step("it", f"trap '' TERM; touch {there(world, 'x')}; sleep 1000; sleep 1000")
    hearer(world, "seen/deaf", deaf)
    root = world.working("root", config(ROOT, deaf if where == "root" else fan_out()))
    running = Running(world, "exec", WORKFLOW, cwd=root)
    wait_for(there(world, "x").exists, "it was at work")
    run_id = world.only_workspace().name

    ran = world.tako("cancel", run_id, "--force")

    assert ran.code == 0, ran.text
    ended = running.finish()
    assert ended.code == 143
    assert "SIGTERM again: killing what is at work" in ended.err
    assert not marked(world.mark)


def test_a_stopped_run_can_be_cancelled(world: World) -> None:
    tree = Tree(world)
    tree.running.send(signal.SIGSTOP)
    wait_for(lambda: letter(tree.running.pid) == "T", "it stood still")
    assert rows(world)[0]["status"] == "stopped"

    assert world.tako("cancel", tree.run_id).code == 0
    assert tree.running.finish().code == 143
    assert not marked(world.mark)


def test_a_run_that_is_stopped_while_it_ends_goes_on(world: World) -> None:
    slow = f"trap '{until_there(world.root / 'go')}; exit' TERM; {held(world, 'x')['run']}"
    hearer(world, "seen/slow", step("it", slow))
    running = Running(world, "exec", WORKFLOW, cwd=world.working("root", config(ROOT, fan_out())))
    wait_for(there(world, "x").exists, "it was at work")
    run_id = world.only_workspace().name
    cancel = Running(world, "cancel", run_id)
    running.wait_for("SIGTERM: stopping")

    running.send(signal.SIGSTOP)
    (world.root / "go").touch()

    assert cancel.finish().code == 0
    assert running.finish().code == 143


# tako cancel RUN --child ID


def cancelled(tree: Tree, name: str) -> None:
    """Cancel a child, and see what it says."""
    child = tree.child(name)
    ran = tree.world.tako("cancel", tree.run_id, "--child", child)
    assert (ran.code, ran.out) == (0, "")
    lines = [line for line in ran.err.splitlines() if line != f"waiting for {child} to end"]
    assert lines == [f"{child} was asked to stop", f"{child} has ended: cancelled"]


def finished(tree: Tree) -> Any:
    """Let the others end; the report."""
    tree.let_go()
    ran = tree.running.finish()
    assert ran.code == 1, ran.text
    assert not there(tree.world, "after").exists(), "its fan-out has failed"
    return ran.json()


def test_a_child_at_work_is_cancelled_and_the_others_go_on(world: World) -> None:
    tree = Tree(world)
    cancelled(tree, "b-works")

    report = finished(tree)
    run = run_named(report, "seen/b-works")
    assert (run["status"], run["failure"]["kind"], run["failure"]["step"]) == ("cancelled", "cancelled", "second")
    assert run["failure"]["message"] == f"cancelled by `tako cancel`{ENDED}"
    assert state_of(run["workspace"])["failure"]["kind"] == "interrupted"
    statuses = {one["repository"]: one["status"] for one in report["runs"]}
    assert statuses == {
        "seen/a-waits": "success",
        "seen/b-works": "cancelled",
        "seen/c-below": "success",
        "seen/d-below": "success",
    }
    assert report["failure"]["kind"] == "fan_out_failed"
    assert tree.status() == {name.partition("/")[2]: status for name, status in statuses.items()}


def test_a_child_that_waits_is_cancelled_with_all_below_it(world: World) -> None:
    tree = Tree(world)
    cancelled(tree, "a-waits")
    wait_for(lambda: tree.status()["c-below"] == "cancelled", "the one below it had ended, too")

    report = finished(tree)
    statuses = {one["repository"]: one["status"] for one in report["runs"]}
    assert statuses == {
        "seen/a-waits": "cancelled",
        "seen/b-works": "success",
        "seen/c-below": "cancelled",
        "seen/d-below": "cancelled",
    }
    below = run_named(report, "seen/c-below")["failure"]
    why = f"cancelled with seen/a-waits:work, which triggered it{ENDED}"
    assert (below["message"], below["step"]) == (why, "second")
    assert run_named(report, "seen/d-below")["started_at"] is None
    assert not there(world, "d").exists()
    assert not (world.root / "never").exists()


def test_a_child_to_come_is_cancelled_and_never_started(world: World) -> None:
    tree = Tree(world)
    cancelled(tree, "d-below")

    report = finished(tree)
    run = run_named(report, "seen/d-below")
    assert (run["status"], run["started_at"]) == ("cancelled", None)
    assert not there(world, "d").exists()
    assert run_named(report, "seen/a-waits")["failure"]["kind"] == "fan_out_failed"
    assert not any(entry.data["run_id"] == run["run_id"] for entry in entries(tree.directory, "started"))
    assert not Path(run["workspace"]).exists()


def test_a_cancelled_child_that_ignores_it_is_killed(world: World) -> None:
    deaf = f"trap '' TERM; (setsid sleep 1000 &); touch {there(world, 'x')}; sleep 1000; sleep 1000"
    hearer(world, "seen/deaf", step("it", deaf))
    hearer(world, "seen/works", held(world, "works"))
    running = Running(world, "exec", WORKFLOW, "--json", "-j", "2", cwd=world.working("root", config(ROOT, fan_out())))
    wait_for(lambda: all(there(world, name).exists() for name in ("x", "works")), "both were at work")
    run_id = world.only_workspace().name
    child = run_named(world.tako("status", run_id, "--json").json(), "seen/deaf")["run_id"]

    ran = world.tako("cancel", run_id, "--child", child)

    assert ran.err.splitlines()[-1] == f"{child} has ended: cancelled"
    assert not processes(world, "sleep 1000")
    assert running.process.poll() is None
    (world.root / "go").touch()
    report = running.finish().json()
    assert run_named(report, "seen/deaf")["status"] == "cancelled"
    assert run_named(report, "seen/works")["status"] == "success"


def test_one_whose_secret_is_still_looked_for_is_cancelled_and_never_started(world: World) -> None:
    asks = f"touch {there(world, 'asked')}; sleep 20; echo s3cr3t-v4lue"
    (world.home / "config.yml").write_text(json.dumps({"secrets": {"TOKEN": {"command": asks}}}))
    needy = config(
        "seen/needy", step("it", f"touch {there(world, 'it')}", env={"T": "TOKEN"}), hears=ROOT, secrets=["TOKEN"]
    )
    world.cached("seen/needy", needy, git=False)
    running = Running(world, "exec", WORKFLOW, "--json", cwd=world.working("root", config(ROOT, fan_out())))
    wait_for(there(world, "asked").exists, "its secret was asked for")
    run_id = world.only_workspace().name
    child = run_named(world.tako("status", run_id, "--json").json(), "seen/needy")["run_id"]

    ran = world.tako("cancel", run_id, "--child", child)

    assert ran.err.splitlines()[-1] == f"{child} has ended: cancelled"
    assert run_named(running.finish().json(), "seen/needy")["failure"]["message"] == "cancelled by `tako cancel`"
    assert not there(world, "it").exists()


def test_one_that_is_between_two_tries_is_cancelled(world: World) -> None:
    hearer(world, "seen/crashes", step("it", "kill -KILL $PPID; sleep 1000"))
    hearer(world, "seen/works", held(world, "works"))
    root = world.working("root", config(ROOT, fan_out(retry={"attempts": 2, "delay": "10m"})))
    running = Running(world, "exec", WORKFLOW, "--json", "-j", "2", cwd=root)
    running.wait_for("crashed at try 1")
    wait_for(there(world, "works").exists, "the other was at work")
    run_id = world.only_workspace().name
    assert "1 to try again" in world.tako("ps").out
    child = run_named(world.tako("status", run_id, "--json").json(), "seen/crashes")["run_id"]

    ran = world.tako("cancel", run_id, "--child", child)

    assert ran.err.splitlines()[-1] == f"{child} has ended: cancelled"
    (world.root / "go").touch()
    run = run_named(running.finish().json(), "seen/crashes")
    assert (run["status"], len(run["attempts"])) == ("cancelled", 1)


def test_who_has_ended_or_is_not_there_cannot_be_cancelled(world: World) -> None:
    tree = Tree(world)
    hearer(world, "seen/e-quick", step("it", "true"))
    below = tree.child("c-below")
    for arguments, told in (
        (("exec-20260101-000000-00000000",), "there is no run exec-20260101-000000-00000000"),
        (("rubbish",), "'rubbish' is not a run id"),
        ((tree.run_id, "--child", "exec-20260101-000000-00000000"), f"{tree.run_id} has not triggered exec-2026"),
        ((tree.run_id, "--child", tree.run_id), f"{tree.run_id} is the run itself"),
        ((below,), f"tako cancel {tree.run_id} --child {below}`"),
        ((tree.run_id, "--child", below, "--force"), "--child and --force exclude each other"),
    ):
        ran = world.tako("cancel", *arguments)
        assert (ran.code, ran.out) == (2, ""), arguments
        assert told in ran.err
        assert "fix: " in ran.err
    cancelled(tree, "c-below")
    ran = world.tako("cancel", tree.run_id, "--child", below)
    assert (ran.code, ran.err) == (0, f"{below} has ended already: cancelled\n")
    finished(tree)
