"""Children that the machine fails: no room on the disk, and no directory any more."""

from __future__ import annotations

import subprocess

import pytest

from tests.acceptance.conftest import World
from tests.acceptance.dying import Death, die, run_named, wild
from tests.acceptance.recipes import WORKFLOW, config, fan_out, step

# Each dying child has a small disk of its own, so that the others' is as large as ever.
LOGS_ON_A_SMALL_DISK = 'mount -t tmpfs -o size=64k small "$TAKO_WORKSPACE/logs"'
ALL_ON_A_SMALL_DISK = """
cp -a "$TAKO_WORKSPACE" {copy}
mount -t tmpfs -o size=4m small "$TAKO_WORKSPACE"
cp -a {copy}/. "$TAKO_WORKSPACE"
"""
FILL = 'echo filling; head -c 8m /dev/zero > "$TAKO_WORKSPACE/filling" 2>/dev/null || true'
CHATTER = 'yes "one of many lines" | head -c 1000000'

# What is mounted goes with the namespace; what the children left there is copied before that.
OWN_MOUNTS = ("unshare", "--map-root-user", "--mount", "sh", "-c", '"$@"; code=$?; cp -a "$0" "$0-after"; exit $code')


def can_mount() -> bool:
    """Whether this machine lets this user have mounts of its own."""
    trial = ["unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "-o", "size=64k", "trial", "/mnt"]
    try:
        return subprocess.run(trial, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not can_mount(), reason="a small disk needs mounts of one's own: user namespaces, or root")
def test_the_disk_is_full(world: World) -> None:
    full = "No space left on device"

    def small(name: str) -> str:
        return ALL_ON_A_SMALL_DISK.format(copy=world.root / name)

    deaths = {
        "dying/log": Death(
            (step("mount", LOGS_ON_A_SMALL_DISK), step("print", CHATTER)),
            "disk_full",
            "print",
            message=(full, "print.log", "free some space"),
            log="one of many lines",
        ),
        "dying/log-while-it-goes-on": Death(
            (step("mount", LOGS_ON_A_SMALL_DISK), step("print", f"(sleep 1000 &); {CHATTER}; sleep 1000")),
            "disk_full",
            "print",
            message=(full, "print.log"),
            log="one of many lines",
        ),
        "dying/state": Death(
            (step("mount", small("state")), step("fill", FILL)),
            "disk_full",
            "fill",
            message=(full, "state.json", "free some space"),
            log="filling",
        ),
        # Its own words have no place either; that must not be what it dies of.
        "dying/words": Death(
            (
                step("mount", small("words")),
                wild("fill the disk and raise"),
            ),
            "exception",
            "wild",
            message=("ValueError: a third party's mistake",),
            log="in _raise",
        ),
    }

    die(world, deaths, around=(*OWN_MOUNTS, str(world.home)), home=world.root / "home-after")


# Its first step counts how often it has run, and what it waits for removes what its own script says.
WAITS = "echo once >> {counts}"
REMOVES = "cd /; rm -rf {what}"


def test_the_directory_of_a_child_vanishes_while_it_waits(world: World) -> None:
    counts = world.root / "counts"
    gone = f"{world.home}/workspaces/*/children/*"
    count = step("count", WAITS.format(counts=counts))
    world.cached("waits/child", config("waits/child", count, fan_out(), step("after", "true"), hears="waits/root"))
    world.cached("waits/for", config("waits/for", step("remove", REMOVES.format(what=gone)), hears="waits/child"))
    root = world.working("root", config("waits/root", fan_out()))

    ran = world.tako("exec", WORKFLOW, "--json", cwd=root)

    assert ran.code == 1, ran.text
    failure = run_named(ran.json(), "waits/child")["failure"]
    assert failure["kind"] == "machine_error", failure
    assert "the run's directory has vanished while it waited for its fan-out" in failure["message"]
    assert counts.read_text() == "once\n", "a step that had ended was run again"


def test_the_directory_of_the_root_vanishes_while_it_waits(world: World) -> None:
    counts = world.root / "counts"
    remove = step("remove", REMOVES.format(what=f"{world.home}/workspaces/*"))
    world.cached("waits/child", config("waits/child", remove, hears="waits/root"))
    count = step("count", WAITS.format(counts=counts))
    root = world.working("root", config("waits/root", count, fan_out(), step("after", "true")))

    ran = world.tako("exec", WORKFLOW, cwd=root)

    assert ran.code == 3, ran.text
    assert "the run's directory has vanished while it waited for its fan-out" in ran.err
    assert "--resume" not in ran.err, "there is nothing to go on with"
    assert counts.read_text() == "once\n"


ON_A_SMALL_HOME = """
cp -a "$TAKO_HOME" "$1/aside"
mount -t tmpfs -o size=6m small "$TAKO_HOME"
cp -a "$1/aside/." "$TAKO_HOME"
cd "$1/root"
tako exec work > "$1/full.out" 2>&1; echo "full $?" > "$1/codes"
rm "$TAKO_HOME/filling"
tako exec --resume @latest > "$1/room.out" 2>&1; echo "room $?" >> "$1/codes"
"""


@pytest.mark.skipif(not can_mount(), reason="a small disk needs mounts of one's own: user namespaces, or root")
def test_the_disk_is_full_for_the_root_as_well(world: World) -> None:
    once = (
        f'[ -e {world.root}/filled ] || {{ touch {world.root}/filled; head -c 64m /dev/zero > "$TAKO_HOME/filling"; }}'
    )
    world.cached("full/child", config("full/child", step("fill", once), hears="full/root"))
    world.working("root", config("full/root", fan_out(), step("after", "true")))

    world.run(["unshare", "--map-root-user", "--mount", "sh", "-c", ON_A_SMALL_HOME, "sh", str(world.root)])

    said = {name: (world.root / f"{name}.out").read_text() for name in ("full", "room")}
    assert (world.root / "codes").read_text() == "full 3\nroom 0\n", said
    assert "Traceback" not in said["full"]
    told, _, advice = said["full"].partition("\nerror: ")[2].partition("\n")
    assert told.startswith(f"cannot write {world.home}/workspaces/"), "what is in the message is not said twice"
    assert told.endswith("No space left on device")
    run_id = told.partition("/workspaces/")[2].partition("/")[0]
    resume = f"TAKO_HOME={world.home} tako exec --resume {run_id}"
    assert advice == f"  fix: free some space and try again\n  go on with it: {resume}\n"


def test_tako_is_started_in_a_directory_that_has_vanished(world: World) -> None:
    root = world.working("root", config("gone/root", fan_out()))
    world.cached("gone/child", config("gone/child", step("work", "git log"), hears="gone/root"))
    gone = world.root / "gone"
    gone.mkdir()
    within = ["sh", "-c", 'cd "$1" && rmdir "$1" && shift && exec tako "$@"', "sh", str(gone)]

    here = world.run([*within, "exec", WORKFLOW])
    gone.mkdir()
    elsewhere = world.run([*within, "exec", WORKFLOW, "--root", str(root)])

    assert here.code == 2, here.text
    assert "the directory in which this was started is no longer there" in here.err
    assert "--root DIR" in here.err
    assert elsewhere.code == 0, elsewhere.text


def test_the_directory_of_a_child_vanishes(world: World) -> None:
    gone = "its directory has vanished"
    remove = 'cd /; echo removing; rm -rf "$TAKO_WORKSPACE"'
    die(
        world,
        {
            "dying/ends-well": Death(
                (step("remove", remove),), "machine_error", "remove", message=(gone,), leaves_state=False
            ),
            "dying/ends-badly": Death(
                (step("remove", f"{remove}; exit 3"),), "machine_error", "remove", message=(gone,), leaves_state=False
            ),
            "dying/is-killed": Death(
                (step("remove", f"{remove}; kill -KILL $PPID; sleep 1000"),),
                "machine_error",
                "remove",
                signal=9,
                message=(gone,),
                leaves_state=False,
            ),
        },
    )
