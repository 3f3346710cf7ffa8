"""Children that stand still (SIGSTOP) and so cannot keep their own timeouts: their parent does."""

from __future__ import annotations

from tests.acceptance.conftest import World
from tests.acceptance.dying import Death, die, wild
from tests.acceptance.recipes import step

STOPS_ITS_CHILD = "echo stopping; kill -STOP $PPID; sleep 1000"


def test_a_stopped_child_is_caught_by_its_timeout(world: World) -> None:
    own = ("took longer than its timeout of 1.0s", "it was stopped, or hung")
    whole = ("the workflow was at work for longer than its timeout of 2.0s", "it was stopped, or hung")
    woken, killed = "it ended when it was asked to", "it did not end when asked to, and was killed by SIGKILL"
    die(
        world,
        {
            "dying/stopped": Death(
                (wild("stop", timeout="1s"), step("stay", "sleep 1000")),
                "step_timeout",
                "wild",
                message=(*own, woken),
                log="about to stop",
                own_kind="interrupted",
            ),
            "dying/stops-for-ever": Death(
                (wild("stop for ever", timeout="1s"),),
                "step_timeout",
                "wild",
                message=(*own, killed),
                signal=9,
                log="about to stop for ever",
                own_kind=None,
            ),
            "dying/stopped-by-its-step": Death(
                (step("stop", STOPS_ITS_CHILD),),
                "workflow_timeout",
                "stop",
                message=(*whole, woken),
                log="stopping",
                workflow={"timeout": "2s"},
                own_kind="interrupted",
            ),
            "dying/stopped-in-a-workflow": Death(
                (wild("stop for ever"),),
                "workflow_timeout",
                "wild",
                message=(*whole, killed),
                signal=9,
                log="about to stop for ever",
                workflow={"timeout": "2s"},
                own_kind=None,
            ),
            # The step alone stands still; its child is well, and sees to it.
            "dying/stopped-step": Death(
                (step("stop", "echo stopping; kill -STOP $$", timeout="1s"),),
                "step_timeout",
                "stop",
                signal=15,
                message=("took longer than its timeout of 1.0s; it was ended",),
                log="stopping",
            ),
        },
        seconds=90,
    )
