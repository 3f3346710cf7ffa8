"""``tako exec --resume`` when the disk is full, the clock has gone back, or the root died at an unlikely moment."""

from __future__ import annotations

import json
import sys
from collections import Counter

import pytest

from tako.testing import crash_points
from tests.acceptance.conftest import Ran, World
from tests.acceptance.observe import entries
from tests.acceptance.recipes import WORKFLOW, config, fan_out, step
from tests.acceptance.test_dying_machine import can_mount

ROOT = "odd/root"
CHILD = "odd/child"


def note(world: World, script: str = "true") -> str:
    """A script that first writes down, outside of all runs, that it began."""
    return f'echo "$TAKO_REPO $TAKO_STEP_ID" >> {world.root}/diary; {script}'


def began(world: World) -> Counter[str]:
    return Counter((world.root / "diary").read_text().splitlines())


def mend(world: World) -> None:
    (world.root / "mended").touch()


def make_tree(world: World, **fan: str) -> None:
    """A root whose child fails in its second step until it is mended."""
    world.cached(ROOT, config(ROOT, step("one", note(world)), fan_out(**fan), step("end", note(world))), git=False)
    bad = step("two", note(world, f"test -e {world.root}/mended"))
    world.cached(CHILD, config(CHILD, step("one", note(world)), bad, hears=ROOT), git=False)


ONCE = {f"{ROOT} one": 1, f"{CHILD} one": 1, f"{CHILD} two": 2, f"{ROOT} end": 1}


def resume(world: World, *arguments: str) -> Ran:
    return world.tako("exec", "--resume", "@latest", *arguments)


# The disk.

WITH_A_SMALL_DISK = """
cp -a "$TAKO_HOME" "$1/aside"
mount -t tmpfs -o size=8m small "$TAKO_HOME"
cp -a "$1/aside/." "$TAKO_HOME"
tako exec {workflow} --repo {root} > "$1/first.out" 2>&1; echo "first $?" > "$1/codes"
touch "$1/mended"
head -c 64m /dev/zero > "$TAKO_HOME/filling" 2> "$1/filling.err"
tako exec --resume @latest > "$1/full.out" 2>&1; echo "full $?" >> "$1/codes"
rm "$TAKO_HOME/filling"
tako exec --resume @latest > "$1/room.out" 2>&1; echo "room $?" >> "$1/codes"
"""


@pytest.mark.skipif(not can_mount(), reason="a small disk needs mounts of one's own: user namespaces, or root")
def test_on_a_full_disk_it_fails_cleanly_and_goes_on_once_there_is_room(world: World) -> None:
    make_tree(world)
    script = WITH_A_SMALL_DISK.format(workflow=WORKFLOW, root=ROOT)

    world.run(["unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh", str(world.root)])

    said = {name: (world.root / f"{name}.out").read_text() for name in ("first", "full", "room")}
    assert "No space left" in (world.root / "filling.err").read_text(), "the disk was not filled"
    assert (world.root / "codes").read_text() == "first 1\nfull 3\nroom 0\n", said
    assert "No space left on device" in said["full"]
    assert "free some space" in said["full"]
    assert "Traceback" not in said["full"]
    assert began(world) == ONCE


# The clock.


def an_hour_later(world: World) -> None:
    """Let the clock of the root's process be an hour ahead; its children's are right."""
    directory = world.root / "ahead"
    directory.mkdir()
    (directory / "sitecustomize.py").write_text("import time\nright = time.time\ntime.time = lambda: right() + 3600\n")
    world.env["PYTHONPATH"] = str(directory)


def test_the_clock_may_have_gone_back_an_hour(world: World) -> None:
    make_tree(world, idempotency_key="once")
    an_hour_later(world)
    first = world.tako("exec", WORKFLOW, "--repo", ROOT, "--json")
    del world.env["PYTHONPATH"]
    mend(world)

    ran = resume(world, "--json")
    second = world.tako("exec", WORKFLOW, "--repo", ROOT, "--json")

    assert first.code == 1, first.text
    assert ran.code == 0, ran.text
    assert ran.json()["duration_seconds"] < 600
    assert second.code == 0, second.text
    assert second.json()["runs"][0]["delivered_by"] is not None
    again = {f"{ROOT} one": 2, f"{ROOT} end": 2}
    assert began(world) == {**ONCE, **again}, "what was delivered with the key is not delivered once more"
    planned, resumed = (entries(world.workspace(first.json()["run_id"]), kind)[0].at for kind in ("plan", "resumed"))
    assert planned - resumed > 3000, "the clock was not ahead"


# The root is killed at one write.


def run_until_killed(world: World, crash: str, *arguments: str) -> None:
    world.env[crash_points.WRITES] = str(world.root / "writes")
    world.env[crash_points.CRASH] = crash
    world.run([sys.executable, crash_points.ENTRY, "exec", WORKFLOW, "--repo", ROOT, *arguments])
    del world.env[crash_points.WRITES], world.env[crash_points.CRASH]
    assert crash_points.KILLED in (world.root / "writes").read_text(), "nobody was killed"


@pytest.mark.parametrize("who", [ROOT, CHILD])
def test_a_refusal_that_was_answered_when_the_root_died_is_thought_over(world: World, who: str) -> None:
    make_tree(world)
    mend(world)
    if who == CHILD:
        world.cached(CHILD, config(CHILD, step("one", note(world)), fan_out(), hears=ROOT), git=False)
    broken = world.cached("odd/broken", "version: 1\n", git=False)
    spoil = step("one", note(world, f"printf 'version: [' > {broken}/tako.yml"))
    data = json.loads((world.home / "cache" / "repos" / who / "main" / "tako.yml").read_text())
    data["workflows"][WORKFLOW]["steps"][0] = spoil
    world.cached(who, json.dumps(data), git=False)
    run_until_killed(world, "after:itself:root answers 1", "--strict")
    (broken / "tako.yml").write_text("version: 1\n")

    ran = resume(world, "--strict")

    assert ran.code == 0, ran.text
    assert began(world)[f"{who} one"] == 1


def test_a_root_that_died_before_its_request_was_written_is_told_as_never_begun(world: World) -> None:
    make_tree(world)
    run_until_killed(world, "before:itself:root request 1")
    run_id = world.only_workspace().name

    listed, shown = world.tako("status"), world.tako("status", run_id)
    resumed = resume(world)
    cleaned = world.tako("workspace", "clean", "--older-than", "0s")

    assert (listed.code, listed.err) == (0, "")
    assert f"{run_id}  " in listed.out
    assert "never begun" in listed.out
    assert shown.code == resumed.code == 2
    assert "Tako was killed before it had written down what was asked" in shown.err
    assert "start a new run" in resumed.err
    assert cleaned.code == 0, cleaned.text
    assert not (world.home / "workspaces" / run_id).exists()
    assert not (world.root / "diary").exists()
