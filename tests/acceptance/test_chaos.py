"""Faults on purpose, `tako exec --chaos`: each strikes as it says, and is told for what it was."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tako.execution.chaos import KINDS, SLOW_SECONDS
from tests.acceptance.conftest import World
from tests.acceptance.observe import marked
from tests.acceptance.recipes import WORKFLOW, config, fan_out, step
from tests.acceptance.trees import Running, run_named, seconds_until_all_are_gone, until_there, workspaces

ROOT = "chaos/root"


def make_root(world: World, *before: dict[str, Any], **params: Any) -> Path:
    """A root that tells all who hear it."""
    return world.working("root", config(ROOT, *before, fan_out(**params)))


def hearer(world: World, name: str, *steps: dict[str, Any]) -> None:
    world.cached(name, config(name, *steps, hears=ROOT), git=False)


def two_children(world: World, **more: Any) -> None:
    """One that has the step at which faults strike, and one that has not."""
    hearer(world, "chaos/struck", step("first", "true"), step("test", f"touch {world.root}/ran", **more))
    hearer(world, "chaos/spared", step("other", "true"))


@pytest.mark.parametrize(
    ("kind", "expected", "message"),
    [
        ("kill-child", {"kind": "killed", "signal": 9, "exit_code": 137}, "SIGKILL"),
        ("segfault", {"kind": "killed", "signal": 11, "exit_code": 139}, "SIGSEGV"),
        ("garbage-stdout", {"kind": "protocol", "signal": None, "exit_code": None}, "rubbish"),
    ],
)
def test_a_fault_strikes_the_child_at_its_step_and_is_told(
    world: World, kind: str, expected: dict[str, Any], message: str
) -> None:
    two_children(world)

    ran = world.tako("exec", WORKFLOW, "--json", "--chaos", f"{kind}@test", cwd=make_root(world))

    assert ran.code == 1, ran.text
    report = ran.json()
    run = run_named(report, "chaos/struck")
    assert {name: run["failure"][name] for name in expected} == expected
    assert run["failure"]["step"] == "test"
    assert message in run["failure"]["message"]
    assert f"chaos: {kind} at step 'test'" in run["failure"]["log"]
    assert f"| chaos: {kind} at step 'test'" in ran.err
    # A fault strikes before the step's own work; a child that wrote rubbish gets a little further until it is ended.
    assert kind == "garbage-stdout" or not (world.root / "ran").exists()
    assert run_named(report, "chaos/spared")["status"] == "success"


@pytest.mark.parametrize("limit", ["step", "workflow", "fan-out"])
def test_one_that_hangs_is_ended_by_a_timeout(world: World, limit: str) -> None:
    """It ignores SIGTERM, and no longer keeps its timeouts itself: somebody else does."""
    own = {"timeout": "1s"}
    it = step("test", "true", **(own if limit == "step" else {}))
    workflow = own if limit == "workflow" else {}
    world.cached("chaos/struck", config("chaos/struck", it, hears=ROOT, **workflow), git=False)
    hearer(world, "chaos/spared", step("other", "true"))
    root = make_root(world, **(own if limit == "fan-out" else {}))

    ran = world.tako("exec", WORKFLOW, "--json", "--chaos", "hang@test", cwd=root)

    assert ran.code == 1, ran.text
    failure = run_named(ran.json(), "chaos/struck")["failure"]
    assert (failure["kind"], failure["step"]) == (f"{limit.replace('-', '_')}_timeout", "test")
    assert "longer than its timeout of 1.0s" in failure["message"]
    assert run_named(ran.json(), "chaos/spared")["status"] == "success"
    assert not marked(world.mark)


def test_a_slow_start_is_only_slow(world: World) -> None:
    two_children(world)
    root = make_root(world, step("test", "true"))

    ran = world.tako("exec", WORKFLOW, "--json", "--chaos", "slow-start@test", cwd=root)

    assert ran.code == 0, ran.text
    report = ran.json()
    assert run_named(report, "chaos/struck")["duration_seconds"] >= SLOW_SECONDS
    assert report["duration_seconds"] >= 2 * SLOW_SECONDS, "it strikes the root's own step, too"
    assert (world.root / "ran").exists()
    assert ran.err.count("chaos: slow-start at step 'test'\n") == 1, "what a child says is in its log"


@pytest.mark.parametrize("where", ["child", "root"])
def test_a_killed_root_leaves_nothing_behind(world: World, where: str) -> None:
    deaf = f"trap '' TERM; (setsid sleep 1000 &); touch {world.root}/there; sleep 1000; sleep 1000"
    wait = until_there(world.root / "there")
    if where == "child":
        hearer(
            world,
            "chaos/struck",
            step("first", f"until [ -e {world.root}/there ]; do sleep 0.02; done"),
            step("test", "true"),
        )
        hearer(world, "chaos/deaf", step("it", deaf))
        root = make_root(world)
    else:
        hearer(world, "chaos/deaf", step("it", deaf))
        steps = (fan_out(wait_for_children=False), step("first", wait), step("test", "true"))
        root = world.working("root", config(ROOT, *steps))
    running = Running(world, "exec", WORKFLOW, "-j", "2", "--chaos", "kill-root@test", cwd=root)

    assert running.process.wait(60) == -signal.SIGKILL
    assert seconds_until_all_are_gone(world) < 5
    (run,) = workspaces(world)
    assert f"{run.name}: interrupted" in world.tako("status", run.name).out
    # What a child says last is lost with its root, which would have written it down.
    assert where == "child" or "chaos: kill-root at step 'test'" in running.said


def test_only_what_can_strikes_the_workflow_that_was_started(world: World) -> None:
    """Its steps run in tako's own process, which no child's fault is meant for."""
    root = make_root(world, step("test", "true"))
    faults = [
        part for kind in ("kill-child", "segfault", "hang", "garbage-stdout") for part in ("--chaos", f"{kind}@test")
    ]

    ran = world.tako("exec", WORKFLOW, *faults, cwd=root)

    assert ran.code == 0, ran.text
    assert "chaos: " not in ran.err


def test_several_faults_strike_at_their_own_steps(world: World) -> None:
    hearer(world, "chaos/one", step("one", "true"))
    hearer(world, "chaos/two", step("two", "true"))

    ran = world.tako(
        "exec", WORKFLOW, "--json", "--chaos", "kill-child@one", "--chaos", "segfault@two", cwd=make_root(world)
    )

    signals = {run["repository"]: run["failure"]["signal"] for run in ran.json()["runs"]}
    assert signals == {"chaos/one": 9, "chaos/two": 11}


def test_a_step_does_not_see_that_faults_were_asked_for(world: World) -> None:
    """Nor does a run within the run inherit them."""
    hearer(world, "chaos/one", step("look", 'env | grep -c CHAOS >> "$TAKO_WORKSPACE/seen" || true'))

    ran = world.tako("exec", WORKFLOW, "--json", "--chaos", "kill-child@elsewhere", cwd=make_root(world))

    assert ran.code == 0, ran.text
    (run,) = ran.json()["runs"]
    assert Path(run["workspace"], "seen").read_text() == "0\n"


@pytest.mark.parametrize(
    ("text", "problem", "cure"),
    [
        ("kill@test", "there is no kind 'kill'", "did you mean kill-"),
        ("segfalt@test", "there is no kind 'segfalt'", "did you mean segfault?"),
        ("", "there is no kind ''", "the kinds are kill-child, kill-root, segfault, hang, garbage-stdout, slow-start"),
        ("kill-child", "it names no step", "write it as kill-child@STEP"),
        ("kill-child@", "it names no step", "write it as kill-child@STEP"),
        ("kill-child@a/b", "'a/b' is no step's id", "name one step"),
        ("kill-child@test,2", "'2' is no probability", "a number above 0 and at most 1"),
        ("kill-child@test,0", "'0' is no probability", "a number above 0 and at most 1"),
        ("kill-child@test,", "'' is no probability", "a number above 0 and at most 1"),
        ("kill-child@test,nan", "'nan' is no probability", "a number above 0 and at most 1"),
    ],
)
def test_a_wrong_fault_is_refused_with_its_cure(world: World, text: str, problem: str, cure: str) -> None:
    two_children(world)

    ran = world.tako("exec", WORKFLOW, "--chaos", text, cwd=make_root(world))

    assert (ran.code, ran.out) == (2, "")
    assert problem in ran.err
    assert cure in ran.err.partition("fix: ")[2]
    assert not (world.home / "workspaces").exists(), "nothing was started"


def test_the_help_tells_what_each_fault_does(world: World) -> None:
    text = world.tako("exec", "--help").out

    assert all(re.search(rf"^ +{kind} +\w", text, re.MULTILINE) for kind in KINDS), text
    assert f"the step starts {SLOW_SECONDS:g} seconds late" in text


def test_with_retries_a_run_bears_faults_that_strike_now_and_then(world: World) -> None:
    """Success, or a failure that is told: in any case each step that ended was run once, and nothing is left."""
    for number in range(6):
        name = f"chaos/c{number}"
        hearer(world, name, *(step(f"s{n}", f"echo {name} s{n} >> {world.root}/diary") for n in range(3)))
    root = make_root(world, retry={"attempts": 4, "delay": "10ms"})
    faults = [part for n in range(3) for part in ("--chaos", f"kill-child@s{n},0.3")]

    ran = world.tako("exec", WORKFLOW, "--json", "-j", "3", "--max-crashes", "20", *faults, cwd=root)

    report = ran.json()
    failed = [run for run in report["runs"] if run["status"] != "success"]
    assert (ran.code, report["success"]) == ((1, False) if failed else (0, True)), ran.text
    for run in report["runs"]:
        assert [one["failure"]["kind"] for one in run["attempts"]] == ["killed"] * len(run["attempts"])
        assert [one["number"] for one in run["attempts"]] == list(range(1, len(run["attempts"]) + 1))
    for run in failed:
        assert (run["failure"]["kind"], len(run["attempts"])) == ("killed", 3)
        assert re.search(rf"^{run['repository']}:{WORKFLOW} failed after ", ran.err, re.MULTILINE)
    lines = (world.root / "diary").read_text().splitlines()
    assert len(lines) == len(set(lines)), "a fault strikes before a step's own work, so that none is run twice"
    ended = {f"{run['repository']} s{n}" for run in report["runs"] if run not in failed for n in range(3)}
    assert ended <= set(lines)
    assert not marked(world.mark)


def test_a_fault_that_strikes_always_is_not_borne(world: World) -> None:
    two_children(world)
    began = time.monotonic()

    ran = world.tako(
        "exec", WORKFLOW, "--json", "--chaos", "kill-child@test,1.0",
        cwd=make_root(world, retry={"attempts": 3, "delay": "10ms"}),
    )  # fmt: skip

    assert ran.code == 1
    run = run_named(ran.json(), "chaos/struck")
    assert (run["failure"]["kind"], len(run["attempts"])) == ("killed", 2)
    assert time.monotonic() - began < 60
