"""``tako exec --resume``: what is run again, what is not, and who may do it."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Ran, World
from tests.acceptance.observe import children_at_work, entries, marked, wait_for
from tests.acceptance.recipes import WORKFLOW, config, fan_out, step

ROOT = "go/root"


def diary(world: World) -> Path:
    """A file outside of all runs, to which steps append."""
    return world.root / "diary"


def began(world: World) -> Counter[str]:
    """How often each step began, as ``repository step``."""
    return Counter(diary(world).read_text().splitlines())


def note(world: World, script: str = "true") -> str:
    """A script that first writes down that it began."""
    return f'echo "$TAKO_REPO $TAKO_STEP_ID" >> {diary(world)}; {script}'


def unless(world: World, name: str) -> str:
    """A script that fails until somebody mends it."""
    return f"test -e {world.root}/{name}"


def mend(world: World, name: str = "mended") -> None:
    (world.root / name).touch()


def hold(world: World, name: str = "go") -> str:
    """A script that says it is there, and waits for leave to go on."""
    return f"touch {world.root}/{name}.there; until [ -e {world.root}/{name} ]; do sleep 0.02; done"


def plain(world: World, name: str, *steps: dict[str, Any], hears: str = ROOT, **workflow: Any) -> Path:
    """A cached repository without git."""
    return world.cached(name, config(name, *steps, hears=hears, **workflow), git=False)


def root(world: World, *steps: dict[str, Any]) -> None:
    """The root's repository, in the cache: the root has a checkout of its own."""
    world.cached(ROOT, config(ROOT, *steps), git=False)


def run(world: World, *arguments: str) -> Ran:
    return world.tako("exec", WORKFLOW, "--repo", ROOT, "-j", "2", *arguments)


def resume(world: World, *arguments: str, run_id: str = "@latest") -> Ran:
    return world.tako("exec", "--resume", run_id, "-j", "2", *arguments)


def statuses(world: World) -> dict[str, str]:
    """How each run is, says ``tako status``."""
    report = world.tako("status", world.only_workspace().name, "--json").json()
    return {each["repository"]: each["status"] for each in report["runs"]}


def test_only_what_had_not_succeeded_is_run_again(world: World) -> None:
    says = {"outputs": {"word": "from_stdout"}}
    root(
        world,
        step("build", note(world, "echo made > made.txt; echo word"), produces=says),
        fan_out(),
        step("after", note(world, "cat made.txt; test {{ steps.build.outputs.word }} = word")),
    )
    plain(world, "go/good", step("test", note(world)))
    plain(world, "go/bad", step("first", note(world)), step("second", note(world, unless(world, "mended"))))

    ran = run(world)
    assert ran.code == 1, ran.text
    before = statuses(world)
    mend(world)
    again = resume(world)

    assert again.code == 0, again.text
    assert before == {ROOT: "failed", "go/good": "success", "go/bad": "failed"}
    assert set(statuses(world).values()) == {"success"}
    assert began(world) == {
        f"{ROOT} build": 1,
        "go/good test": 1,
        "go/bad first": 1,
        "go/bad second": 2,
        f"{ROOT} after": 1,
    }
    assert (world.only_workspace() / "logs" / "after.log").read_text() == "made\n"
    assert "Resuming workflow 'work' of go/root" in again.err


def test_what_a_resumed_run_does_is_another_try_with_logs_of_its_own(world: World) -> None:
    root(world, fan_out())
    attempt = 'echo "try $TAKO_ATTEMPT"'
    plain(world, "go/bad", step("test", f"{attempt}; {unless(world, 'mended')}"))

    run(world)
    still = resume(world)
    mend(world)
    done = resume(world, "--json")

    assert (still.code, done.code) == (1, 0), still.text + done.text
    (child,) = done.json()["runs"]
    workspace = Path(child["workspace"])
    logs = [workspace / place / "test.log" for place in ("attempt-1", "attempt-2", "logs")]
    assert [log.read_text() for log in logs] == ["try 1\n", "try 2\n", "try 3\n"]
    assert [each["number"] for each in child["attempts"]] == [1, 2]
    text = world.tako("status", world.only_workspace().name).out
    assert "go/bad:work: try 1:" in text
    assert "go/bad:work: try 2:" in text


def test_a_root_whose_own_step_failed_goes_on_there(world: World) -> None:
    root(world, step("one", note(world)), step("two", note(world, unless(world, "mended"))), step("three", note(world)))

    assert run(world).code == 1
    mend(world)
    ran = resume(world)

    assert ran.code == 0, ran.text
    assert began(world) == {f"{ROOT} one": 1, f"{ROOT} two": 2, f"{ROOT} three": 1}


def test_a_completed_run_is_left_alone(world: World) -> None:
    root(world, step("one", note(world)))
    run(world)
    journal = (world.only_workspace() / "journal.jsonl").read_bytes()

    ran = resume(world)

    assert ran.code == 0
    assert ran.err == f"{world.only_workspace().name} has succeeded; there is nothing to resume\n"
    assert ran.out == ""
    assert began(world) == {f"{ROOT} one": 1}
    assert (world.only_workspace() / "journal.jsonl").read_bytes() == journal


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("exec-20200101-000000-00000000", "there is no run exec-20200101-000000-00000000"),
        ("../../etc", "'../../etc' is not a run id"),
        ("nonsense", "'nonsense' is not a run id"),
        ("@latest", "there are no runs yet"),
    ],
)
def test_a_run_that_is_none_is_named(world: World, given: str, said: str) -> None:
    ran = resume(world, run_id=given)

    assert ran.code == 2
    assert said in ran.err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((WORKFLOW,), "the workflow's name"),
        (("--repo", ROOT), "--repo"),
        (("--dry-run",), "--dry-run"),
        (("-i", "a=b"), "inputs"),
    ],
)
def test_what_a_run_has_already_cannot_be_given_again(world: World, arguments: tuple[str, ...], named: str) -> None:
    ran = resume(world, *arguments)

    assert ran.code == 2
    assert f"--resume does not go with {named}" in ran.err


@pytest.mark.parametrize("flag", [("--failed-only",), ("--accept-drift",), ("--rerun-from", "x")])
def test_what_only_a_resumption_knows_needs_one(world: World, flag: tuple[str, ...]) -> None:
    ran = world.tako("exec", WORKFLOW, *flag)

    assert ran.code == 2
    assert "need --resume RUN_ID" in ran.err


def test_a_run_that_is_alive_is_refused_with_its_pid(world: World) -> None:
    root(world, step("hold", hold(world)))
    process = world.start("exec", WORKFLOW, "--repo", ROOT)
    wait_for((world.root / "go.there").exists, "the step was at work")

    ran = resume(world)
    mend(world, "go")
    first = world.finish(process)

    assert ran.code == 2
    assert f"{world.only_workspace().name} is still alive: it is held by process {process.pid} (tako exec)" in ran.err
    assert first.code == 0, first.text


def test_of_two_resumptions_at_once_one_goes_on(world: World) -> None:
    root(world, fan_out())
    plain(world, "go/bad", step("test", note(world, f"{unless(world, 'mended')}; {hold(world)}")))
    run(world)
    mend(world)

    processes = [world.start("exec", "--resume", "@latest") for _ in range(2)]
    wait_for(lambda: any(process.poll() is not None for process in processes), "one of them was refused")
    (winner,) = [process for process in processes if process.poll() is None]
    mend(world, "go")
    ended = {process.pid: world.finish(process) for process in processes}

    won = ended.pop(winner.pid)
    (refused,) = ended.values()
    assert won.code == 0, won.text
    assert refused.code == 2
    assert f"is still alive: it is held by process {winner.pid} (tako exec)" in refused.err
    assert began(world) == {"go/bad test": 2}


def test_failed_only_leaves_a_parent_that_failed_for_another_reason(world: World) -> None:
    root(world, fan_out(wait_for_children=False), step("own", note(world, unless(world, "own"))))
    plain(world, "go/bad", step("test", note(world, unless(world, "mended"))))
    assert run(world).code == 1
    mend(world)

    ran = resume(world, "--failed-only")

    assert ran.code == 1, ran.text
    assert statuses(world) == {ROOT: "failed", "go/bad": "success"}
    assert began(world) == {f"{ROOT} own": 1, "go/bad test": 2}
    mend(world, "own")
    assert resume(world).code == 0
    assert began(world) == {f"{ROOT} own": 2, "go/bad test": 2}


def kill_all(world: World, process: Any) -> None:
    """SIGKILL a root and everything below it, as a machine that goes down does."""
    pids = [int(line.partition(":")[0]) for line in marked(world.mark)]
    os.kill(process.pid, signal.SIGKILL)
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.communicate()


def nested(world: World) -> None:
    """A root that waits for a middle one that waits for a leaf; the leaf holds until it may go on."""
    root(world, step("one", note(world)), fan_out(), step("end", note(world)))
    plain(world, "go/middle", step("one", note(world)), fan_out(), step("end", note(world)))
    plain(world, "go/leaf", step("one", note(world)), step("two", note(world, hold(world))), hears="go/middle")


NESTED_ONCE = {
    f"{name} {each}": 1
    for name, steps in {ROOT: ("one", "end"), "go/middle": ("one", "end"), "go/leaf": ("one",)}.items()
    for each in steps
}


@pytest.mark.parametrize("everything", [True, False], ids=["with its children", "alone"])
def test_a_root_that_was_killed_goes_on_where_it_was(world: World, everything: bool) -> None:
    nested(world)
    process = world.start("exec", WORKFLOW, "--repo", ROOT)
    wait_for((world.root / "go.there").exists, "the leaf was at work")
    if everything:
        kill_all(world, process)
    else:
        process.kill()
        process.communicate()
    between = statuses(world)
    mend(world, "go")

    ran = resume(world)

    assert ran.code == 0, ran.text
    assert set(between.values()) == {"interrupted"}
    assert began(world) == {**NESTED_ONCE, "go/leaf two": 2}
    assert set(statuses(world).values()) == {"success"}


def test_a_run_that_was_stopped_goes_on_where_it_was(world: World) -> None:
    nested(world)
    process = world.start("exec", WORKFLOW, "--repo", ROOT)
    wait_for((world.root / "go.there").exists, "the leaf was at work")
    process.send_signal(signal.SIGINT)
    stopped = world.finish(process)
    mend(world, "go")

    ran = resume(world)

    assert stopped.code == 130, stopped.text
    assert ran.code == 0, ran.text
    assert began(world) == {**NESTED_ONCE, "go/leaf two": 2}


def test_a_child_that_was_killed_goes_on_and_the_others_are_left(world: World) -> None:
    root(world, fan_out())
    plain(world, "go/good", step("test", note(world)))
    plain(world, "go/killed", step("one", note(world)), step("two", note(world, hold(world))))
    process = world.start("exec", WORKFLOW, "--repo", ROOT, "-j", "1")
    wait_for((world.root / "go.there").exists, "the child was at work")
    (child,) = children_at_work(process.pid)
    os.kill(child, signal.SIGKILL)
    first = world.finish(process)
    mend(world, "go")

    ran = resume(world)

    assert first.code == 1
    assert ran.code == 0, ran.text
    assert began(world) == {"go/good test": 1, "go/killed one": 1, "go/killed two": 2}


def test_runs_that_nobody_waits_for_are_gone_on_with(world: World) -> None:
    root(world, fan_out(wait_for_children=False), step("after", note(world)))
    plain(world, "go/slow", step("one", note(world, hold(world))))
    process = world.start("exec", WORKFLOW, "--repo", ROOT)
    wait_for((world.root / "go.there").exists, "the child was at work")
    wait_for(lambda: entries(world.only_workspace(), "ended"), "the root's own steps had ended")
    kill_all(world, process)
    mend(world, "go")

    ran = resume(world)

    assert ran.code == 0, ran.text
    assert began(world) == {f"{ROOT} after": 1, "go/slow one": 2}


def test_a_cancelled_child_is_run_again(world: World) -> None:
    root(world, fan_out())
    plain(world, "go/slow", step("one", note(world, hold(world))))
    process = world.start("exec", WORKFLOW, "--repo", ROOT)
    wait_for((world.root / "go.there").exists, "the child was at work")
    (plan,) = entries(world.only_workspace(), "plan")
    world.tako("cancel", world.only_workspace().name, "--child", plan.data["runs"][0]["run_id"])
    first = world.finish(process)
    mend(world, "go")

    ran = resume(world)

    assert first.code == 1, first.text
    assert ran.code == 0, ran.text
    assert began(world) == {"go/slow one": 2}


@pytest.mark.parametrize("waiting", [True, False])
def test_a_fan_out_that_was_refused_is_planned_again(world: World, waiting: bool) -> None:
    root(world, step("one", note(world)), fan_out(wait_for_children=waiting), step("after", note(world)))
    plain(world, "go/good", step("test", note(world)))
    broken = world.cached("go/broken", "version: [", git=False)

    first = run(world, "--strict")
    still = resume(world, "--strict")
    (broken / "tako.yml").write_text("version: 1\n")
    ran = resume(world, "--strict")

    assert (first.code, still.code) == (1, 1), still.text
    assert ran.code == 0, ran.text
    assert began(world) == {f"{ROOT} one": 1, "go/good test": 1, f"{ROOT} after": 1}


def test_a_refused_fan_out_of_a_child_that_succeeded_is_planned_again(world: World) -> None:
    root(world, fan_out())
    plain(world, "go/middle", step("one", note(world)), fan_out(wait_for_children=False))
    broken = world.cached("go/broken", "version: 1\n", git=False)
    plain(world, "go/leaf", step("test", note(world)), hears="go/middle")
    (broken / "tako.yml").write_text("version: 1\n")
    spoil = f"printf 'version: [' > {broken}/tako.yml"
    plain(world, "go/middle", step("one", note(world, spoil)), fan_out(wait_for_children=False))

    first = run(world, "--strict")
    (broken / "tako.yml").write_text("version: 1\n")
    ran = resume(world, "--strict")

    assert first.code == 1, first.text
    assert ran.code == 0, ran.text
    assert began(world) == {"go/middle one": 1, "go/leaf test": 1}


def test_inputs_that_do_not_fit_fail_again_and_stop_nothing_else(world: World) -> None:
    root(world, fan_out())
    plain(world, "go/bad", step("test", note(world, unless(world, "mended"))))
    misfit = json.loads(config("go/misfit", step("test", note(world)), hears=ROOT))
    misfit["workflows"][WORKFLOW]["inputs"] = {"count": {"type": "number"}}
    misfit["subscriptions"][0]["inputs"] = {"count": "{{ event.type }}"}
    world.cached("go/misfit", json.dumps(misfit), git=False)

    run(world)
    mend(world)
    ran = resume(world)

    assert ran.code == 1, ran.text
    assert statuses(world) == {ROOT: "failed", "go/bad": "success", "go/misfit": "failed"}
    assert began(world) == {"go/bad test": 2}


def test_the_whole_home_may_have_been_moved_meanwhile(world: World) -> None:
    made = {"artifact": "box"}
    data = json.loads(config(ROOT, step("make", note(world, "echo here > box.txt"), produces=made), fan_out()))
    data["artifacts"] = {"box": {"path": "box.txt"}}
    data["workflows"][WORKFLOW]["steps"].append(step("end", note(world)))
    world.cached(ROOT, json.dumps(data), git=False)
    read = 'cat "$TAKO_ARTIFACT_BOX_PATH" {{ artifacts.box.path }}'
    plain(world, "go/bad", step("one", note(world)), step("two", note(world, f"{unless(world, 'mended')}; {read}")))
    plain(world, "go/late", step("hold", note(world, hold(world))), step("read", note(world, read)))
    process = world.start("exec", WORKFLOW, "--repo", ROOT, "-j", "1", "--json")
    wait_for((world.root / "go.there").exists, "the second one was at work")
    kill_all(world, process)
    old = world.home
    world.home = old.rename(world.root / "moved")
    world.env["TAKO_HOME"] = str(world.home)
    mend(world)
    mend(world, "go")

    ran = resume(world, "--json")

    assert ran.code == 0, ran.text
    assert not old.exists(), "something was written where the home had been"
    assert began(world) == {
        f"{ROOT} make": 1,
        "go/bad one": 1,
        "go/bad two": 2,
        "go/late hold": 2,
        "go/late read": 1,
        f"{ROOT} end": 1,
    }
    logs = [Path(run["workspace"], "logs") for run in ran.json()["runs"]]
    assert [(logs[0] / "two.log").read_text(), (logs[1] / "read.log").read_text()] == ["here\nhere\n"] * 2
