"""Children whose own process dies, or breaks the rules by which it speaks to its parent."""

from __future__ import annotations

import os
import signal
from typing import Any

from tako.execution.workspace import Workspace
from tests.acceptance import wild_steps
from tests.acceptance.conftest import World
from tests.acceptance.dying import Death, Tree, die, run_named, wild
from tests.acceptance.observe import wait_for
from tests.acceptance.recipes import WORKFLOW, config, fan_out, step

# The child has the line in the step's log before it dies; what it leaves behind must not outlive it for long.
FROM_A_STEP = """
echo "last words"
sleep 1000 &
(setsid sleep 1000 &)
until grep -q words "$TAKO_WORKSPACE/logs/hit.log"; do sleep 0.01; done
kill -{0} $PPID
sleep 1000
"""


def one(deed: str, kind: str, *message: str, **more: Any) -> Death:
    """A child that dies of one deed of its own."""
    return Death((wild(deed),), kind, "wild", message=message, log=f"about to {deed}", **more)


def protocol(deed: str, *message: str) -> Death:
    """A child that breaks a rule and ends."""
    return one(deed, "protocol", *message)


def living(deed: str, *message: str) -> Death:
    """A child that breaks a rule and goes on: it is asked to end, at its next step or before, and says so itself."""
    steps = (wild(deed), step("stay", "sleep 1000"))
    return Death(steps, "protocol", "wild", message=message, log=f"about to {deed}", own_kind="interrupted")


def test_the_process_of_a_child_dies(world: World) -> None:
    die(
        world,
        {
            "dying/exits": one("exit 3", "exited", "without a result", exit_code=3),
            "dying/silent": one("exit 0", "no_result", "without a result", exit_code=0),
            "dying/raises": Death(
                (wild("raise"),),
                "exception",
                "wild",
                message=("ValueError: a third party's mistake",),
                log="in _raise",
            ),
            "dying/killed": one("be killed", "killed", signal=9),
            "dying/segfaults": one("read nowhere", "killed", signal=11),
            "dying/aborts": one("abort", "killed", signal=6),
            "dying/killed-in-a-step": Death(
                (step("hit", FROM_A_STEP.format("KILL")),), "killed", "hit", signal=9, log="last words"
            ),
            "dying/segfaults-in-a-step": Death(
                (step("hit", FROM_A_STEP.format("SEGV")),), "killed", "hit", signal=11, log="last words"
            ),
        },
    )


def test_a_child_dies_between_two_tries_at_its_step(world: World) -> None:
    name = "dying/between"
    flaky = step("flaky", "echo flaky words; exit 75", retry={"attempts": 2, "delay": "1h"})
    death = Death((flaky,), "killed", "flaky", signal=9, log="flaky words")

    def kill(tree: Tree) -> None:
        wait_for(lambda: name in tree.run_ids(), "it was planned")
        # The log of a try is moved away when there is to be another.
        kept = Workspace(str(world.only_workspace())).child(tree.run_ids()[name]).attempt_log("flaky", 1)
        wait_for(lambda: os.path.exists(kept) and tree.pid(name), "the first try had failed")
        os.kill(tree.pid(name) or 0, signal.SIGKILL)

    die(world, {name: death}, meanwhile=kill)


def test_a_child_or_its_step_is_out_of_memory(world: World) -> None:
    limited = {"resources": {"mem_limit": "256Mi"}}
    likely = "memory is the likely cause: each of its processes may have 256 MiB (mem_limit)"
    greedy = "python3 -c 'kept = [bytearray(16 << 20) for _ in range(100)]'"
    die(
        world,
        {
            "dying/greedy-child": one("allocate", "out_of_memory", likely, workflow=limited),
            "dying/greedy-step": Death(
                (step("eat", greedy),),
                "step_failed",
                "eat",
                exit_code=1,
                message=(likely,),
                log="MemoryError",
                workflow=limited,
            ),
        },
    )


def test_a_child_says_what_is_not_in_the_protocol(world: World) -> None:
    die(
        world,
        {
            "dying/rubbish": protocol("write rubbish", "not a frame: 'this is no result'"),
            "dying/utf-16": protocol("write in UTF-16", "not a frame"),
            "dying/half-a-frame": one("write half a frame and exit", "no_result", exit_code=0),
            "dying/half-a-frame-killed": one("write half a frame and be killed", "killed", signal=9),
            "dying/one-and-a-half": protocol("write a result and half a frame", "the last frame is not complete"),
            "dying/too-long": living("write a frame of 50 MB", "a frame is longer than 1048576 bytes"),
            "dying/two-results": protocol("write two results", "a frame came after the result"),
            "dying/goes-on": living("write a result and go on", "a frame came after the result"),
            "dying/a-frame-more": protocol("write a result and another frame", "a frame came after the result"),
            "dying/other-result": protocol("write the result of another run", "not a frame", "exec-20260101"),
            "dying/other-hello": living("write a foreign event", "the child said hello twice"),
        },
    )


def test_a_child_closes_the_pipe_of_its_frames(world: World) -> None:
    report = die(
        world,
        {
            "dying/closes-and-hangs": protocol(
                "close the frames and wait", "closed its stdout before it gave its result"
            ),
            "dying/closes-and-exits": one("close the frames and exit", "no_result", exit_code=0),
            "dying/closes-and-goes-on": Death(
                (wild("close the frames and go on"),),
                "exited",
                "wild",
                exit_code=3,
                log="cannot write frames to stdout: Bad file descriptor",
            ),
        },
    )
    assert run_named(report, "dying/closes-and-hangs")["duration_seconds"] < 60


def test_a_child_does_not_need_the_streams_that_everybody_may_close(world: World) -> None:
    wild_steps.install(world.root / "plugins", world.env)
    after = step("after", 'echo "words=$(echo heard | cat)" >> "$TAKO_OUTPUT"; wc -c; echo to stderr >&2')
    for name, deed in (("closing/stdin", "close stdin"), ("closing/all", "close all streams")):
        world.cached(name, config(name, wild(deed), after, hears="closing/root"))
    root = world.working("root", config("closing/root", fan_out()))

    ran = world.tako("exec", WORKFLOW, "--json", cwd=root)

    assert ran.code == 0, ran.text
    for name in ("closing/stdin", "closing/all"):
        run = run_named(ran.json(), name)
        assert run["outputs"] == {"wild": {"survived": "yes"}, "after": {"words": "heard"}}
        with open(f"{run['workspace']}/logs/after.log") as log:
            assert log.read() == "0\nto stderr\n"
