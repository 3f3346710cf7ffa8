"""Two runs in one directory: the second waits, and sees what the first has left."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.acceptance.conftest import World
from tests.acceptance.observe import wait_for
from tests.acceptance.recipes import WORKFLOW, config, fan_out, step

ROOT, CHILD = "one/root", "one/child"


def hold(world: World, name: str) -> str:
    return f"touch {world.root}/{name}.there; until [ -e {world.root}/{name} ]; do sleep 0.02; done"


def let_go(world: World, name: str) -> None:
    (world.root / name).touch()


def make_root(world: World) -> Path:
    """A root whose artifact is its version, and which waits between making and sending it; a child that prints it."""
    made = {"artifact": "notes"}
    data = json.loads(
        config(
            ROOT,
            step("make", "echo {{ inputs.v }} > notes.txt", produces=made),
            step("hold", hold(world, "go")),
            fan_out(artifact="notes"),
        )
    )
    data["artifacts"] = {"notes": {"path": "notes.txt"}}
    data["workflows"][WORKFLOW]["inputs"] = {"v": {"type": "string", "required": True}}
    root = world.working("root", json.dumps(data))
    show = step("show", f'cat "$TAKO_ARTIFACT_NOTES_PATH" >> {world.root}/shown')
    child = json.loads(config(CHILD, show, hears=ROOT))
    child["subscriptions"][0]["artifact"] = f"{ROOT}:notes"
    world.cached(CHILD, json.dumps(child))
    return root


def test_second_run_waits_and_says_for_whom(world: World) -> None:
    root = make_root(world)
    first = world.start("exec", WORKFLOW, "-i", "v=1", cwd=root)
    wait_for((world.root / "go.there").exists, "the first run was at work")
    run_id = world.only_workspace().name
    second = world.start("exec", WORKFLOW, "-i", "v=2", cwd=root)
    assert second.stderr is not None
    said = second.stderr.readline()
    assert said.startswith(f"{root} is in use; waiting for {run_id} (process {first.pid}, since 20")
    let_go(world, "go")

    assert world.finish(first).code == 0
    assert world.finish(second).code == 0
    assert (world.root / "shown").read_text() == "1\n2\n"


def test_waiting_run_reads_its_workflow_afterwards(world: World) -> None:
    root = make_root(world)
    first = world.start("exec", WORKFLOW, "-i", "v=1", cwd=root)
    wait_for((world.root / "go.there").exists, "the first run was at work")
    second = world.start("exec", WORKFLOW, "-i", "v=2", cwd=root)
    assert second.stderr is not None
    assert "waiting for" in second.stderr.readline()
    (root / "tako.yml").write_text(config(ROOT, step("changed", f"touch {world.root}/changed")))
    let_go(world, "go")

    assert world.finish(first).code == 0
    ran = world.finish(second)

    assert "unknown input" in ran.err or ran.code == 1, ran.text
    assert "'v'" in ran.err, ran.text


@pytest.mark.parametrize("way", ["same", "link", "other home", "subdirectory"])
def test_no_wait_refuses(world: World, way: str) -> None:
    root = make_root(world)
    first = world.start("exec", WORKFLOW, "-i", "v=1", cwd=root)
    wait_for((world.root / "go.there").exists, "the first run was at work")
    where = root
    if way == "link":
        where = world.root / "link"
        where.symlink_to(root)
    if way == "subdirectory":
        where = root / "below"
        where.mkdir()
    home = world.env["TAKO_HOME"]
    if way == "other home":
        world.env["TAKO_HOME"] = str(world.root / "other")

    ran = world.tako("exec", WORKFLOW, "-i", "v=2", "--no-wait", "--json", cwd=where)
    world.env["TAKO_HOME"] = home
    let_go(world, "go")

    assert ran.code == 2, ran.text
    error = ran.json()["error"]
    assert error["code"] == "run_alive"
    assert "is in use by" in error["message"]
    assert str(first.pid) in error["message"]
    if way != "other home":
        assert "tako cancel" in error["fix"]
    assert world.finish(first).code == 0


def test_ctrl_c_ends_the_waiting(world: World) -> None:
    root = make_root(world)
    first = world.start("exec", WORKFLOW, "-i", "v=1", cwd=root)
    wait_for((world.root / "go.there").exists, "the first run was at work")
    second = world.start("exec", WORKFLOW, "-i", "v=2", cwd=root)
    assert second.stderr is not None
    assert "waiting for" in second.stderr.readline()
    second.send_signal(signal.SIGINT)

    assert world.finish(second).code == 130
    assert len(list((world.home / "workspaces").iterdir())) == 1
    let_go(world, "go")
    assert world.finish(first).code == 0


def test_killed_holder_does_not_block(world: World) -> None:
    root = make_root(world)
    first = world.start("exec", WORKFLOW, "-i", "v=1", cwd=root)
    wait_for((world.root / "go.there").exists, "the first run was at work")
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    let_go(world, "go")

    ran = world.tako("exec", WORKFLOW, "-i", "v=2", "--no-wait", cwd=root)

    assert ran.code == 0, ran.text
    assert (world.root / "shown").read_text() == "2\n"


def test_private_runs_and_previews_do_not_wait(world: World) -> None:
    root = make_root(world)
    world.cached("one/other", config("one/other", step("quick", "true")))
    first = world.start("exec", WORKFLOW, "-i", "v=1", cwd=root)
    wait_for((world.root / "go.there").exists, "the first run was at work")

    private = world.tako("exec", WORKFLOW, "--repo", "one/other", cwd=root)
    preview = world.tako("exec", WORKFLOW, "-i", "v=2", "--dry-run", cwd=root)
    let_go(world, "go")

    assert (private.code, preview.code) == (0, 0), private.text + preview.text
    assert world.finish(first).code == 0


def test_resumed_run_holds_its_directory_too(world: World) -> None:
    steps = step("fail", f"test -e {world.root}/mended"), step("hold", hold(world, "go"))
    root = world.working("root", config(ROOT, *steps))
    assert world.tako("exec", WORKFLOW, cwd=root).code == 1
    let_go(world, "mended")
    resumed = world.start("exec", "--resume", "@latest", cwd=world.root)
    wait_for((world.root / "go.there").exists, "the resumed run was at work")

    ran = world.tako("exec", WORKFLOW, "--no-wait", cwd=root)
    let_go(world, "go")

    assert ran.code == 2, ran.text
    assert world.finish(resumed).code == 0


def test_run_started_by_a_step_of_the_holder_does_not_wait(world: World) -> None:
    data = json.loads(config(ROOT, step("again", "tako exec inner")))
    data["workflows"]["inner"] = {"steps": [step("touch", f"touch {world.root}/inner")]}
    root = world.working("root", json.dumps(data))

    ran = world.tako("exec", WORKFLOW, "-v", cwd=root)

    assert ran.code == 0, ran.text
    assert (world.root / "inner").exists()
    assert "which started this run; not waiting for it" in ran.err
