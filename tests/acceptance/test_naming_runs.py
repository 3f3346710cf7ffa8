"""Which run a command line means: ``@latest``, a cut-off id, a child's id, a repository."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tako.execution.request import write_request
from tako.execution.run_order import record_start
from tako.execution.workspace import root_workspace
from tako.testing import FakeClock
from tests.acceptance.conftest import Ran, World
from tests.acceptance.observe import wait_for
from tests.acceptance.recipes import WORKFLOW, config, fan_out, step
from tests.builders import make_root

ROOT, APP, TOOL = "acme/lib", "acme/app", "other/tool"
FUTURE = "exec-20990101-000000-00000001"


def source_of(world: World, script: str = "true") -> Path:
    return world.working("source", config(ROOT, step("go", script)))


def execute(world: World, source: Path) -> str:
    run_id: str = world.tako("exec", WORKFLOW, "--json", cwd=source).json()["run_id"]
    return run_id


def status_of(world: World, name: str) -> str:
    run_id: str = world.tako("status", name, "--json").json()["run_id"]
    return run_id


def start_in_the_future(world: World, *, recorded: bool) -> None:
    """Leave the run of a clock that has been set back since, by an older Tako if it is not recorded."""
    workspace = root_workspace(str(world.home), FUTURE)
    workspace.make()
    if recorded:
        record_start(str(world.home), workspace, "exec", clock=FakeClock(4_070_908_800.0))
    write_request(workspace.request, make_root(run_id=FUTURE, root_id=FUTURE))


@pytest.mark.parametrize("recorded", [True, False])
def test_latest_is_newest_although_clock_went_back(world: World, recorded: bool) -> None:
    start_in_the_future(world, recorded=recorded)
    run_id = execute(world, source_of(world, "false"))

    assert status_of(world, "@latest") == run_id
    assert [row["run_id"] for row in world.tako("status", "--json").json()] == [run_id, FUTURE]
    assert [row["run_id"] for row in world.tako("workspace", "list", "--json").json()] == [run_id, FUTURE]
    assert f"({run_id})" in world.tako("exec", "--resume", "@latest").err


def test_replay_and_redelivery_are_not_latest(world: World) -> None:
    world.cached(APP, config(APP, step("hear", "true"), hears=ROOT))
    source = world.working("source", config(ROOT, fan_out(), step("end", "false")))
    run_id = execute(world, source)
    assert world.tako("replay", "@latest").code == 0
    (event,) = world.tako("events", "list", "--json").json()
    redelivered = world.tako("events", "redeliver", event["event_id"], "--json").json()["run_id"]

    assert len(world.tako("status", "--json").json()) == 3
    assert status_of(world, redelivered) == redelivered
    assert status_of(world, "@latest") == run_id
    assert f"({run_id})" in world.tako("exec", "--resume", "@latest").err


def test_latest_needs_a_run_of_exec(world: World) -> None:
    run_id = execute(world, source_of(world))
    assert world.tako("replay", run_id).code == 0
    assert world.tako("workspace", "clean", run_id).code == 0

    ran = world.tako("status", "@latest")

    assert ran.code == 2
    assert "`tako exec` has not started any of the runs there are" in ran.err


def test_cancel_stops_latest(world: World) -> None:
    source = source_of(world, f"touch {world.root}/there; sleep 600")
    process = world.start("exec", WORKFLOW, cwd=source)
    wait_for((world.root / "there").exists, "its step is at work")

    ran = world.tako("cancel", "@latest")

    assert ran.code == 0, ran.text
    assert "was asked to stop" in ran.err
    assert world.finish(process).code == 143
    run_id = world.only_workspace().name
    again = world.tako("cancel", "@latest")
    assert (again.code, f"{run_id} is not alive: it ended as interrupted" in again.err) == (2, True)


def test_cut_off_ids_name_their_run(world: World) -> None:
    run_id = execute(world, source_of(world, f"test -e {world.root}/mended"))
    start_in_the_future(world, recorded=True)
    short = run_id[:-6]

    assert status_of(world, short) == run_id
    assert f"of {run_id}" in world.tako("replay", short).err
    assert f"{run_id} is not alive" in world.tako("cancel", short).err
    (world.root / "mended").touch()
    assert f"({run_id})" in world.tako("exec", "--resume", short).err
    cleaned = world.tako("workspace", "clean", short, "--json").json()
    assert [each["run_id"] for each in cleaned["removed"]] == [run_id]


@pytest.mark.parametrize(
    "command",
    [("status",), ("replay",), ("cancel",), ("exec", "--resume"), ("workspace", "clean")],
    ids=" ".join,
)
def test_ambiguous_beginning_lists_the_runs(world: World, command: tuple[str, ...]) -> None:
    run_id = execute(world, source_of(world))
    start_in_the_future(world, recorded=True)

    ran = world.tako(*command, "exec-2")

    assert ran.code == 2, ran.text
    assert "exec-2 is the beginning of several run ids" in ran.err
    assert run_id in ran.err
    assert FUTURE in ran.err
    assert sorted(path.name for path in (world.home / "workspaces").glob("exec-*")) == [run_id, FUTURE]


def test_cut_off_event_id_names_its_event(world: World) -> None:
    source = world.working("source", config(ROOT, fan_out("one"), fan_out("two")))
    execute(world, source)
    ids = [each["event_id"] for each in world.tako("events", "list", "--json").json()]

    shown = world.tako("events", "show", ids[0][:-8], "--json").json()
    ambiguous = world.tako("events", "show", "evt-")

    assert shown["event_id"] == ids[0]
    assert ambiguous.code == 2
    assert all(event_id in ambiguous.err for event_id in ids)


@pytest.fixture
def tree(world: World) -> Any:
    """The report of a run with two children of two repositories."""
    for name in (APP, TOOL):
        world.cached(name, config(name, step("hear", "false"), hears=ROOT))
    source = world.working("source", config(ROOT, fan_out()))
    return world.tako("exec", WORKFLOW, "--json", cwd=source).json()


def child_of(tree: Any, repo: str) -> str:
    return next(str(run["run_id"]) for run in tree["runs"] if run["repository"] == repo)


def replayed(ran: Ran) -> Any:
    return ran.json()["replay_of"]


@pytest.mark.parametrize("name", [APP, "app", "ACME/App", f"{APP}:{WORKFLOW}"])
def test_child_is_named_by_its_repository(world: World, tree: Any, name: str) -> None:
    assert replayed(world.tako("replay", "@latest", "--child", name, "--json")) == child_of(tree, APP)


def test_child_is_named_by_beginning_of_its_id(world: World, tree: Any) -> None:
    child = child_of(tree, TOOL)
    assert replayed(world.tako("replay", "@latest", "--child", child[:-2], "--json")) == child
    several = world.tako("replay", "@latest", "--child", "exec-")
    assert several.code == 2
    assert f"{child} {TOOL}:{WORKFLOW} failed" in several.err


def test_repository_of_several_children_is_ambiguous(world: World) -> None:
    world.cached(APP, config(APP, step("hear", "true"), hears=ROOT))
    source = world.working("source", config(ROOT, fan_out("one"), fan_out("two")))
    runs = world.tako("exec", WORKFLOW, "--json", cwd=source).json()["runs"]

    ran = world.tako("replay", "@latest", "--child", APP)

    assert len(runs) == 2
    assert ran.code == 2
    assert f"{APP} could be several runs" in ran.err
    assert all(run["run_id"] in ran.err for run in runs)


def test_childs_id_is_answered_with_its_root(world: World, tree: Any) -> None:
    home = f"TAKO_HOME={world.home}"
    root, child = tree["run_id"], child_of(tree, APP)

    told = world.tako("status", child)
    assert told.code == 0
    assert f"{child} is a child of run {root}:\n" in told.err
    assert told.out.startswith(f"{root}: failed")
    assert replayed(world.tako("replay", child, "--json")) == child
    for command, fix in (
        (("exec", "--resume"), f"`{home} tako exec --resume {root}`"),
        (("cancel",), f"`{home} tako cancel {root} --child {child}`"),
        (("workspace", "clean"), f"`{home} tako workspace clean {root}`"),
    ):
        ran = world.tako(*command, child)
        assert ran.code == 2, ran.text
        assert f"{child} is a child of run {root}\n" in ran.err
        assert f"why: it runs {APP}:{WORKFLOW}" in ran.err
        assert f"fix: {fix}" in ran.err or f": {fix}" in ran.err


def test_cancel_names_child_by_its_repository(world: World) -> None:
    world.cached(APP, config(APP, step("hear", f"touch {world.root}/there; sleep 600"), hears=ROOT))
    source = world.working("source", config(ROOT, fan_out()))
    process = world.start("exec", WORKFLOW, "--json", cwd=source)
    wait_for((world.root / "there").exists, "the child is at work")

    ran = world.tako("cancel", "@latest", "--child", "app")

    assert ran.code == 0, ran.text
    (run,) = world.finish(process).json()["runs"]
    assert f"{run['run_id']} has ended: cancelled" in ran.err
