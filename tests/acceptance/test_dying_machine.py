"""Children that the machine fails: no room on the disk, and no directory any more."""

from __future__ import annotations

import subprocess

import pytest

from tests.acceptance.conftest import World
from tests.acceptance.dying import Death, die, wild
from tests.acceptance.recipes import step

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
