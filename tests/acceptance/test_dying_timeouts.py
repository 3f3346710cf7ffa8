"""Children and steps whose time is up: asked first (SIGTERM), then forced (SIGKILL), with all that they started."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.acceptance.conftest import World
from tests.acceptance.dying import ROOT, Death, die, pids_of, run_named, wild
from tests.acceptance.recipes import config, fan_out, step

# It is asked once, and has the time to clean up.
POLITE = """
trap 'echo asked; echo asked >> {file}; exit 0' TERM
echo working
while :; do sleep 0.05; done
"""

# Nobody of these ends for being asked; one hides in a session, and without the environment it is known by.
DEAF = """
trap '' TERM
sh -c "trap '' TERM; sleep 1000; sleep 1000" &
env -i {python} -c 'import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.setsid()
print(os.getpid(), file=open("{pids}", "w"), flush=True)
time.sleep(1000)' &
echo working
while :; do sleep 0.05; done
"""


def asked(world: World) -> Path:
    """The file to which the polite ones write that they were asked."""
    return world.root / "asked"


def polite(world: World) -> str:
    return POLITE.format(file=asked(world))


def deaf(world: World, name: str) -> str:
    return DEAF.format(python=sys.executable, pids=pids_of(world, name))


def test_the_timeout_of_a_step_and_of_a_workflow(world: World) -> None:
    own = "took longer than its timeout of 1.0s"
    whole = "the workflow was at work for longer than its timeout of 3.0s"
    ended, killed = "it was ended", "it did not end when asked to, and was killed"
    deaths = {
        "dying/step-polite": Death(
            (step("long", polite(world), timeout="1s"),),
            "step_timeout",
            "long",
            message=(own, ended),
            log="asked",
        ),
        "dying/step-deaf": Death(
            (step("long", deaf(world, "dying/step-deaf"), timeout="1s"),),
            "step_timeout",
            "long",
            signal=9,
            message=(own, killed),
            log="working",
        ),
        "dying/workflow-polite": Death(
            (step("first", "true"), step("long", polite(world), timeout="1h")),
            "workflow_timeout",
            "long",
            message=(whole, ended),
            log="asked",
            workflow={"timeout": "3s"},
        ),
        "dying/workflow-deaf": Death(
            (step("first", "true"), step("long", deaf(world, "dying/workflow-deaf"))),
            "workflow_timeout",
            "long",
            signal=9,
            message=(whole, killed),
            log="working",
            workflow={"timeout": "3s"},
        ),
    }

    die(world, deaths)

    assert asked(world).read_text() == "asked\n" * 2, "each was asked once"


def test_the_timeout_of_a_fan_out(world: World) -> None:
    # Those whose time is up were started by one of the root's children, so that the siblings are not theirs.
    told = "its fan-out took longer than its timeout of 8.0s"
    emitter = "dying/emitter"
    deaths = {
        "dying/polite": Death(
            (step("long", polite(world)),),
            "fan_out_timeout",
            "long",
            message=(told,),
            log="asked",
            hears=emitter,
            own_kind="interrupted",
        ),
        "dying/deaf-step": Death(
            (step("long", deaf(world, "dying/deaf-step")),),
            "fan_out_timeout",
            "long",
            signal=9,
            message=(told, "it did not end when asked to, and was killed"),
            log="working",
            hears=emitter,
            own_kind="interrupted",
        ),
        # It must be killed itself, and what it started with it.
        "dying/deaf-child": Death(
            (wild("ignore and hang"),),
            "fan_out_timeout",
            "wild",
            signal=9,
            message=(told, "it did not end when asked to, and was killed"),
            log="about to ignore and hang",
            hears=emitter,
        ),
    }
    world.cached(emitter, config(emitter, fan_out(timeout="8s"), step("never", "true"), hears=ROOT))

    report = die(world, deaths, seconds=90)

    failed = run_named(report, emitter)
    assert (failed["status"], failed["failure"]["kind"], failed["failure"]["message"]) == (
        "failed",
        "fan_out_timeout",
        told,
    )
    assert failed["failure"]["step"] == "announce"
    assert asked(world).read_text() == "asked\n"
