"""Children and steps that cannot be started for want of descriptors, processes or memory: the machine's fault.

The limits are real ones, and what they refuse is asked for again, for some seconds, before it is reported.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import pytest

from tests.acceptance import wild_steps
from tests.acceptance.conftest import BIN, World
from tests.acceptance.dying import ROOT, SIBLINGS, Death, Tree, die, run_named, wild
from tests.acceptance.observe import entries, wait_for
from tests.acceptance.recipes import config, fan_out, step
from tests.acceptance.remains import processes_of_run
from tests.acceptance.trees import Running, until_there

PATIENT = "(tried for 3 seconds)"
SHELL = step("run", "echo never")
TRIED_SECONDS = 3.0


def refused(deed: str, *message: str, **shell: Any) -> Death:
    """A child whose next step cannot be started."""
    return Death((wild(deed), {**SHELL, **shell}), "not_started", "run", message=(*message, PATIENT, "`ulimit"))


STARVED = {
    "dying/no-descriptors": refused("use all descriptors", "Too many open files"),
    "dying/no-processes": refused("use all processes", "cannot start '/bin/sh'", "Resource temporarily unavailable"),
    "dying/no-bash": refused("use all processes", "cannot start 'bash'", shell="bash"),
    "dying/no-memory": refused("use all address space", "cannot start '/bin/sh'", "Cannot allocate memory"),
}


def test_a_shell_that_cannot_be_started_is_the_machines_fault(world: World) -> None:
    report = die(world, STARVED, code=3)

    for name in STARVED:
        assert run_named(report, name)["duration_seconds"] > TRIED_SECONDS


def test_a_failure_of_a_workflow_beside_it_is_told_by_the_exit_code(world: World) -> None:
    name = "dying/no-processes"
    fails = Death((step("test", "echo oh no; exit 7"),), "step_failed", "test", exit_code=7, log="oh no")
    die(world, {name: STARVED[name], "dying/fails": fails}, code=1)


# At which of the several things that a child needs the root comes to its limit depends on where that lies.
@pytest.mark.parametrize("limit", [60, 62, 64])
def test_children_that_cannot_be_started_are_the_machines_fault(world: World, limit: int) -> None:
    late = tuple(f"late/{number}" for number in range(12))
    tree = Tree(world, {}, around=("prlimit", f"--nofile={limit}"), others=late)
    tree.start()
    # Those that were started hold what they have until all others have been told.
    wait_for(
        lambda: len(tree.reports()) + len(tree.journal("started")) >= len(late) + len(SIBLINGS),
        "all were started, or told",
    )
    failed = tree.reports()
    tree.let_go_on()
    ran = tree.finish()

    assert ran.code == 3, ran.text
    runs = ran.json()["runs"]
    assert len(failed) >= 2
    assert len(runs) - len(failed) >= len(SIBLINGS)
    for run in runs:
        if run["run_id"] not in failed:
            assert (run["status"], run["outputs"]) == ("success", {"work": {"result": run["repository"]}})
            continue
        failure = run["failure"]
        assert failure["kind"] == "not_started", failure
        assert "Too many open files" in failure["message"]
        assert run["duration_seconds"] > TRIED_SECONDS, "it was not tried for long"
        assert f"\n{run['repository']}:work failed" in ran.err
        assert not processes_of_run(run["run_id"])


def test_children_leave_the_root_the_descriptors_that_it_needs_to_go_on(world: World) -> None:
    """With as many at work as it can have, it reads who hears what they emit, and writes that down."""
    hold = "until [ -e {} ]; do sleep 0.02; done"
    emit, end = world.root / "emit", world.root / "end"
    for number in range(14):
        name = f"crowd/{number}"
        told = fan_out("tell", wait_for_children=False)
        world.cached(
            name,
            config(name, step("first", hold.format(emit)), told, step("last", hold.format(end)), hears=ROOT),
            git=False,
        )
        world.cached(f"below/{number}", config(f"below/{number}", step("it", "true"), hears=name), git=False)
    root = world.working("root", config(ROOT, fan_out()))
    process = world.start("exec", "work", "--json", "-j", "14", cwd=root, around=("prlimit", "--nofile=64"))

    def journal(kind: str) -> list[Any]:
        return entries(world.only_workspace(), kind) if (world.home / "workspaces").is_dir() else []

    wait_for(lambda: len(journal("ended")) + len(journal("started")) >= 1 + 14, "all were started, or told")
    crowd = {entry.data["run_id"] for entry in journal("started")} - {world.only_workspace().name}
    emit.touch()
    wait_for(lambda: len(journal("plan")) >= 1 + len(crowd), "all events were planned")
    end.touch()
    ran = world.finish(process)

    assert ran.code == 3, ran.text
    assert ran.json()["warnings"] == []
    below = [run for run in ran.json()["runs"] if run["repository"].startswith("below/")]
    assert len(below) == len(crowd) >= 4
    kinds = {run["failure"]["kind"] for run in ran.json()["runs"] if run["failure"]}
    assert kinds == {"not_started"}


ONLY_ONE = ("prlimit", "--nproc=0")
"""No process and no thread beside the one that is there, for whoever is not privileged."""


def unprivileged(user: int) -> tuple[str, ...]:
    """What makes that of the superuser, so that its files stay its own; processes are counted for each user."""
    if os.geteuid():
        return ()
    return ("setpriv", f"--ruid={user}", "--securebits=+noroot", "--bounding-set=-all", "--inh-caps=-all")


def test_a_child_that_has_no_thread_to_spare_was_not_started(world: World) -> None:
    world.cached("late/one", config("late/one", SHELL, hears=ROOT))
    ran = world.tako("exec", "work", "--json", cwd=world.working("root", config(ROOT, fan_out())))
    (run,) = ran.json()["runs"]
    world.env["TAKO_LIFELINE"] = "1"

    done = world.run([*unprivileged(61_500), *ONLY_ONE, sys.executable, "-m", "runner_child", run["workspace"]])

    assert done.code == 3, done.text
    frames = [json.loads(line) for line in done.out.splitlines()]
    assert [frame["frame"] for frame in frames] == ["hello", "result"]
    assert frames[-1]["failure"]["kind"] == "not_started"
    assert f"cannot start the thread that watches for the end of the parent {PATIENT}" in done.err


@pytest.mark.parametrize("limit", range(5))
def test_a_root_that_comes_to_the_limit_of_processes_is_the_machines_fault(world: World, limit: int) -> None:
    """Whatever it is that cannot be started: a thread for its run, the keeper of its step, or the step's shell."""
    root = world.working("root", config(ROOT, step("first", "exit 125", continue_on_error=True), step("last", "true")))
    around = (*unprivileged(61_510 + limit), "prlimit", f"--nproc={limit}")

    ran = world.run([*around, str(BIN / "tako"), "exec", "work", "--json"], cwd=root)

    assert ran.code == 3, ran.text
    assert PATIENT in ran.err
    assert "`ulimit -u`" in ran.err
    assert "Traceback" not in ran.err
    failure = ran.json()["failure"]
    assert failure["kind"] == "not_started"
    assert failure["step"] == (None if "a thread" in failure["message"] else "first")
    assert f"go on with it: TAKO_HOME={world.home} tako exec --resume exec-" in ran.err
    if limit < 4:
        # With more than that it is git that lacks something, and says so in its own way.
        replayed = world.run([*around, str(BIN / "tako"), "replay", "@latest"], cwd=root)
        assert replayed.code == 3, replayed.text
    resumed = world.tako("exec", "--resume", "@latest", "--json", cwd=root)
    assert resumed.code == 0, resumed.text
    assert [one["failure"] and one["failure"]["exit_code"] for one in resumed.json()["steps"]] == [125, None]


def test_children_at_work_go_on_when_a_step_of_the_root_cannot_be_started(world: World) -> None:
    wild_steps.install(world.root / "plugins", world.env)
    there, go_on = world.root / "there", world.root / "go-on"
    name = "alive/one"
    world.cached(name, config(name, step("work", f"touch {there}; {until_there(go_on)}"), hears=ROOT), git=False)
    aside = fan_out(wait_for_children=False)
    root = world.working(
        "root", config(ROOT, aside, step("wait", until_there(there)), wild("use all processes"), SHELL)
    )
    running = Running(world, "exec", "work", "--json", cwd=root)

    wait_for(
        lambda: (world.home / "workspaces").exists() and entries(world.only_workspace(), "ended"), "the root ended"
    )
    go_on.touch()
    ran = running.finish()

    assert ran.code == 3, ran.text
    report = ran.json()
    assert (report["failure"]["kind"], report["failure"]["step"]) == ("not_started", "run")
    assert run_named(report, name)["status"] == "success"


@pytest.mark.parametrize("limit", range(5, 32, 2))
def test_a_root_that_comes_to_the_limit_of_open_files_is_the_machines_fault(world: World, limit: int) -> None:
    name = "late/one"
    world.cached(name, config(name, step("run", "true"), hears=ROOT), git=False)
    root = world.working("root", config(ROOT, step("first", "true"), fan_out()))

    ran = world.run(["prlimit", f"--nofile={limit}", str(BIN / "tako"), "exec", "work"], cwd=root)

    assert ran.code in (0, 3), ran.text
    assert ran.code == 0 or ("Too many open files" in ran.err and "fix: close other programs, or raise" in ran.err)
    assert "Traceback" not in ran.err
    if ran.code and list((world.home / "workspaces").glob("*/request.json")):
        assert world.tako("exec", "--resume", "@latest", cwd=root).code == 0


def test_no_memory_is_no_bug_of_takos(world: World) -> None:
    code = """
import sys
from tako.cli import main
def refuse(*_arguments, **_options):
    raise MemoryError
main.cli.main = refuse
sys.argv = ["tako", "status"]
from tako.__main__ import main
main()
"""
    ran = world.run([sys.executable, "-c", code])

    assert (ran.code, ran.out) == (3, "")
    assert ran.err == (
        "error: Tako could not get the memory that it needs\n  fix: close other programs, or raise `ulimit -v`\n"
    )
