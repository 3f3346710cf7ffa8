"""What runs leave on the disk, shown and removed: ``tako workspace``."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tako.clock import SystemClock
from tako.execution.alive import register
from tako.execution.failure import Failure
from tako.execution.request import write_request
from tako.execution.workspace import Workspace, root_workspace
from tako.fanout.journal import Journal
from tako.locks import own
from tests.acceptance.conftest import BIN, World
from tests.acceptance.observe import wait_for
from tests.acceptance.recipes import WORKFLOW, config, fan_out, step
from tests.builders import make_root

DAY = 86_400.0
CLOCK = SystemClock()

Make = Callable[..., Path]


class Maker:
    """Makes the directories of runs of the past: as Tako leaves them, without running anything."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._number = 0

    def __call__(self, outcome: str = "success", *, days: float = 10.0, size: int = 0) -> Path:
        """A run that has ended so, that many days ago, with a log of that size."""
        self._number += 1
        run_id = f"exec-20260101-000000-{self._number:08x}"
        workspace = root_workspace(str(self._world.home), run_id)
        workspace.make()
        write_request(workspace.request, make_root(run_id=run_id, root_id=run_id))
        with contextlib.closing(Journal(workspace.journal, CLOCK)) as journal:
            failure = Failure("step_failed", "exit code 1") if outcome == "failed" else None
            if outcome != "killed":
                journal.ended(run_id, "failed" if failure else "success", failure, 1.0, {})
                signalled = signal.SIGINT if outcome == "interrupted" else None
                journal.finished(ok=outcome == "success", seconds=1.0, interrupted_by=signalled)
        Path(workspace.log("test")).write_bytes(b"x" * size)
        if outcome == "unreadable":
            Path(workspace.request).write_text("nothing")
            Path(workspace.journal).unlink()
        then = time.time() - days * DAY
        for path in (workspace.journal, workspace.request):
            with contextlib.suppress(FileNotFoundError):
                os.utime(path, (then, then))
        return Path(workspace.path)


@pytest.fixture
def make(world: World) -> Maker:
    return Maker(world)


def names(world: World) -> set[str]:
    """What is in the directory of the workspaces, but for the lock of who cleans up."""
    return {path.name for path in (world.home / "workspaces").iterdir()} - {".clean.lock"}


def cleaned(world: World, *arguments: str, code: int = 0) -> Any:
    ran = world.tako("workspace", "clean", "--json", *arguments)
    assert ran.code == code, ran.text
    return ran.json()


def ids(rows: list[dict[str, Any]]) -> set[str]:
    return {row["run_id"] for row in rows}


# tako workspace list


def test_every_run_is_shown_the_latest_first(world: World) -> None:
    world.cached("w/good", config("w/good", step("a", "true"), hears="w/root"))
    good = world.working("good", config("w/root", step("write", "head -c 100000 /dev/zero"), fan_out()))
    bad = world.working("bad", config("w/bad", step("a", "false")))
    first = world.tako("exec", WORKFLOW, "--json", cwd=good).json()["run_id"]
    wait_for(lambda: time.strftime("%Y%m%d-%H%M%S", time.gmtime()) not in first, "the next second")
    second = world.tako("exec", WORKFLOW, "--json", cwd=bad).json()["run_id"]

    rows = world.tako("workspace", "list", "--json").json()

    assert [(row["run_id"], row["outcome"], row["triggered"]) for row in rows] == [
        (second, "failed", 0),
        (first, "success", 1),
    ]
    assert (rows[1]["repository"], rows[1]["workflow"]) == ("w/root", WORKFLOW)
    assert rows[1]["path"] == str(world.workspace(first))
    assert 100_000 < rows[1]["size_bytes"] < 200_000
    assert rows[1]["disk_bytes"] > rows[1]["size_bytes"]
    assert 0 <= rows[1]["age_seconds"] < 90
    shown = world.tako("workspace", "list")
    assert (shown.code, shown.err) == (0, "")
    headings, *lines, total = shown.out.splitlines()
    assert headings.split() == ["RUN", "SIZE", "ON", "DISK", "AGE", "OUTCOME", "TRIGGERED", "WORKFLOW"]
    assert [line.split()[0] for line in lines] == [second, first]
    assert lines[1].endswith(f"w/root:{WORKFLOW}")
    assert total.startswith("2 in all, ")


def test_nothing_is_shown_where_nothing_is(world: World) -> None:
    ran = world.tako("workspace", "list")
    assert (ran.code, ran.out, ran.err) == (0, "", f"no runs in {world.home}/workspaces\n")
    assert world.tako("workspace", "list", "--json").json() == []
    assert cleaned(world)["removed"] == []


@pytest.mark.parametrize("outcome", ["success", "failed", "interrupted", "killed", "unreadable"])
def test_what_became_of_a_run_is_shown(world: World, make: Maker, outcome: str) -> None:
    make(outcome)

    (row,) = world.tako("workspace", "list", "--json").json()

    assert row["outcome"] == {"killed": "interrupted"}.get(outcome, outcome)
    assert row["age_seconds"] == pytest.approx(10 * DAY, abs=120)


def test_progress_is_told_at_a_terminal_if_it_takes_long(world: World, make: Maker) -> None:
    run = make()
    for number in range(40_000):
        (run / f"artifact-{number}").touch()
    make()
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [str(BIN / "tako"), "workspace", "list"], env=world.env, stdout=subprocess.DEVNULL, stderr=terminal
    )
    os.close(terminal)
    told = b""
    with contextlib.suppress(OSError):
        while more := os.read(controller, 1000):
            told += more
    os.close(controller)

    assert process.wait() == 0
    # How long it takes is the machine's; if it took long, it was told and wiped out again.
    assert told in (b"", b"\rmeasured 1 of 2 workspaces\r\x1b[K")


# tako workspace clean: which


def test_without_options_what_is_younger_than_a_week_stays(world: World, make: Maker) -> None:
    old, failed, young = make(days=8), make("failed", days=8), make(days=6)

    data = cleaned(world)

    assert ids(data["removed"]) == {old.name, failed.name}
    assert data["kept"] == [{"run_id": young.name, "why": "it is younger than 7d"}]
    assert names(world) == {young.name}


def test_what_has_not_succeeded_can_be_kept(world: World, make: Maker) -> None:
    good = make()
    bad = {make(outcome).name for outcome in ("failed", "interrupted", "killed", "unreadable")}

    data = cleaned(world, "--keep-failed")

    assert ids(data["removed"]) == {good.name}
    assert names(world) == bad
    assert ids(cleaned(world, "--older-than", "9d", "--no-keep-failed")["removed"]) == bad


def test_the_age_can_be_said(world: World, make: Maker) -> None:
    old, young = make(days=3), make(days=0.5)

    assert ids(cleaned(world, "--older-than", "2d")["removed"]) == {old.name}
    assert ids(cleaned(world, "--older-than", "0")["removed"]) == {young.name}


def test_a_run_that_took_long_is_as_old_as_its_end(world: World, make: Maker) -> None:
    run = make(days=10)
    (run / "state.json").touch()

    assert cleaned(world)["removed"] == []


def test_the_settings_say_what_options_do_not(world: World, make: Maker) -> None:
    good, bad = make(days=3), make("failed", days=3)
    (world.home / "config.yml").write_text("retention: {older_than: 2d, keep_failed: true}\n")

    assert ids(cleaned(world, "--older-than", "4d")["removed"]) == set()
    assert ids(cleaned(world)["removed"]) == {good.name}
    assert ids(cleaned(world, "--no-keep-failed")["removed"]) == {bad.name}
    (world.home / "config.yml").write_text("retention: {older_then: 2d}\n")
    ran = world.tako("workspace", "clean")
    assert ran.code == 2
    assert f"{world.home}/config.yml:1:13: there is no setting 'retention.older_then'" in ran.err


def test_runs_can_be_named(world: World, make: Maker) -> None:
    first, other, latest = make(days=0.1), make(days=0.1), make("failed", days=0.1)

    data = cleaned(world, first.name, first.name, "@latest")

    assert ids(data["removed"]) == {first.name, latest.name}
    assert names(world) == {other.name}


def test_what_cannot_be_asked_removes_nothing(world: World, make: Maker) -> None:
    run = make()
    for arguments, what in {
        (run.name, "exec-20260101-000000-ffffffff"): "there is no run exec-20260101-000000-ffffffff",
        (run.name, "../../x"): "'../../x' is not a run id",
        (run.name, "--older-than", "1d"): "RUN_ID and --older-than or --keep-failed exclude each other",
        ("--older-than", "7"): "--older-than: must be an age with its unit, like 7d or 12h",
    }.items():
        ran = world.tako("workspace", "clean", *arguments)
        assert (ran.code, ran.out) == (2, ""), ran.text
        assert what in ran.err
    assert run.is_dir()


def test_a_dry_run_tells_what_would_go_and_removes_nothing(world: World, make: Maker) -> None:
    old, young = make(size=1 << 20), make(days=1)
    before = sorted(world.home.rglob("*"))

    ran = world.tako("workspace", "clean", "--dry-run")

    assert (ran.code, ran.err) == (0, "")
    first, second, third = ran.out.splitlines()
    assert first.startswith(f"would remove {old.name} (success, 10d old, 1 MiB")
    assert second == "would free 1 MiB; 1 to remove, 1 kept"
    assert third == "  kept 1: it is younger than 7d"
    assert sorted(world.home.rglob("*")) == before
    assert cleaned(world, "--dry-run")["freed_bytes"] == cleaned(world)["freed_bytes"] > 1 << 20
    assert names(world) == {young.name}


# tako workspace clean: never what is alive


@contextlib.contextmanager
def holding(path: str) -> Iterator[None]:
    with own(path):
        yield


def alive_by_lock(_world: World, workspace: Workspace) -> contextlib.AbstractContextManager[None]:
    return holding(workspace.run_lock)


def alive_by_registry(world: World, workspace: Workspace) -> contextlib.AbstractContextManager[None]:
    register(str(world.home), os.path.basename(workspace.path), clock=CLOCK)
    return contextlib.nullcontext()


def alive_by_a_child_further_down(_world: World, workspace: Workspace) -> contextlib.AbstractContextManager[None]:
    child = workspace.child("exec-20260101-000000-aaaaaaaa").child("exec-20260101-000000-bbbbbbbb")
    child.make()
    return holding(child.run_lock)


@pytest.mark.parametrize("how", [alive_by_lock, alive_by_registry, alive_by_a_child_further_down])
def test_a_run_that_is_alive_is_never_touched(world: World, make: Maker, how: Any) -> None:
    run, other = make(), make()
    with how(world, Workspace(str(run))):
        dry = cleaned(world, "--older-than", "0", "--dry-run")
        data = cleaned(world, "--older-than", "0")
        named = world.tako("workspace", "clean", run.name)

    assert ids(dry["removed"]) == ids(data["removed"]) == {other.name}
    assert data["kept"] == [{"run_id": run.name, "why": "it is alive"}]
    assert named.code == 2
    assert f"error: {run.name} is alive: " in named.err
    assert (run / "request.json").is_file()


def test_a_real_run_is_not_touched_while_it_works(world: World) -> None:
    go = world.root / "go"
    source = world.working(
        "root", config("w/root", step("a", f"touch {go}.there; until [ -e {go} ]; do sleep 0.02; done"))
    )
    process = world.start("exec", WORKFLOW, cwd=source)
    wait_for(Path(f"{go}.there").exists, "it is at work")

    data = cleaned(world, "--older-than", "0")

    go.touch()
    assert world.finish(process).code == 0
    assert data["removed"] == []
    assert ids(cleaned(world, "--older-than", "0")["removed"]) == ids(data["kept"])


def test_nobody_can_go_on_with_a_run_that_is_being_removed(world: World, make: Maker) -> None:
    run = make("failed")
    for number in range(20_000):
        (run / f"artifact-{number}").touch()
    process = world.start("workspace", "clean", run.name)
    try:
        wait_for(lambda: not run.exists(), "it is not there any more")
        ran = world.tako("exec", "--resume", run.name)
    finally:
        done = world.finish(process)

    assert done.code == 0, done.text
    assert ran.code == 2
    assert f"there is no run {run.name}" in ran.err
    assert names(world) == set()


def test_what_a_killed_run_left_is_ended_first(world: World) -> None:
    source = world.working("root", config("w/root", step("a", f"touch {world.root}/there; sleep 1000")))
    process = world.start("exec", WORKFLOW, cwd=source)
    wait_for((world.root / "there").exists, "it is at work")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    run_id = world.only_workspace().name

    ran = world.tako("workspace", "clean", "--older-than", "0")

    assert ran.code == 0, ran.text
    assert f"{run_id} was killed" in ran.err
    assert names(world) == set()
    assert [path.name for path in (world.home / "alive").iterdir() if path.suffix == ".json"] == []


# tako workspace clean: all of it, or told


def test_read_only_parts_and_links_are_no_hindrance(world: World, make: Maker) -> None:
    run, outside = make(), world.root / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    (run / "repo" / "inner").mkdir(parents=True)
    (run / "repo" / "inner" / "file").touch(mode=0o400)
    (run / "repo" / "link").symlink_to(outside)
    for path in (run / "repo" / "inner", run / "repo", run):
        path.chmod(0o500)

    assert ids(cleaned(world)["removed"]) == {run.name}
    assert names(world) == set()
    assert (outside / "precious").exists()


def test_what_cannot_be_removed_is_named_and_the_rest_goes(world: World, make: Maker) -> None:
    stuck, other = make(), make()
    (stuck / "repo").mkdir()
    immutable = stuck / "repo" / "immutable"
    immutable.touch()
    if subprocess.run(["chattr", "+i", str(immutable)], capture_output=True, check=False).returncode:
        pytest.skip("nothing can be made immutable here")
    left = world.home / "workspaces" / f".trash-{stuck.name}" / "repo" / "immutable"
    try:
        ran = world.tako("workspace", "clean")
        again = cleaned(world, code=3)
    finally:
        subprocess.run(["chattr", "-i", str(left)], check=True)

    assert ran.code == 3
    assert f"error: cannot remove {left}: Operation not permitted\n" in ran.err
    assert f"removed {other.name} " in ran.out
    assert again["failed"] == [{"run_id": stuck.name, "path": str(left), "why": "Operation not permitted"}]
    assert world.tako("workspace", "list", "--json").json() == []
    assert ids(cleaned(world)["removed"]) == {stuck.name}
    assert names(world) == set()


def test_a_run_in_which_something_is_mounted_stays_whole(world: World, make: Maker) -> None:
    run, other = make(), make()
    inside = run / "repo" / "mnt"
    inside.mkdir(parents=True)
    (world.root / "source").mkdir()
    (world.root / "source" / "precious").touch()
    script = 'mount --bind "$1" "$2" || exit 77; shift 2; exec "$@"'
    wrapped = ["unshare", "-m", "sh", "-c", script, "sh", str(world.root / "source"), str(inside)]
    ran = world.run([*wrapped, str(BIN / "tako"), "workspace", "clean", "--json"])
    if not ran.out:
        pytest.skip(f"nothing can be mounted here: {ran.err}")

    assert ran.code == 3
    assert ids(json.loads(ran.out)["removed"]) == {other.name}
    assert f"cannot remove {run.name}: something is mounted at {inside}" in ran.err
    assert f"umount {inside}" in ran.err
    assert (run / "request.json").is_file()
    assert (world.root / "source" / "precious").exists()


def test_killed_in_the_middle_it_leaves_nothing_that_looks_whole(world: World, make: Maker) -> None:
    run = make()
    for number in range(20_000):
        (run / f"artifact-{number}").touch()
    trash = world.home / "workspaces" / f".trash-{run.name}"
    process = world.start("workspace", "clean")
    wait_for(trash.exists, "it has begun")
    process.kill()
    process.wait()
    assert trash.exists(), "it was not killed in the middle"

    listed = world.tako("workspace", "list")
    assert run.name not in listed.text
    assert "that somebody began to remove; `tako workspace clean` removes the rest" in listed.err
    assert world.tako("status", run.name).code == 2
    assert ids(cleaned(world, "--dry-run")["removed"]) == {run.name}
    assert ids(cleaned(world)["removed"]) == {run.name}
    assert names(world) == set()


def test_two_who_clean_up_at_once_do_not_hinder_each_other(world: World, make: Maker) -> None:
    runs = {make().name for _ in range(30)}

    processes = [world.start("workspace", "clean", "--json") for _ in range(4)]
    done = [world.finish(process) for process in processes]

    assert [ran.code for ran in done] == [0] * 4, done
    removed = [row["run_id"] for ran in done for row in ran.json()["removed"]]
    assert (len(removed), set(removed)) == (30, runs)
    assert names(world) == set()


# at the end of a run


def test_a_run_cleans_up_at_its_end_if_that_is_wished(world: World, make: Maker) -> None:
    source = world.working("root", config("w/root", step("a", "true")))
    old = {make().name for _ in range(12)}
    bad, young = make("failed").name, make(days=1).name
    (world.home / "config.yml").write_text("retention: {keep_failed: true}\n")
    assert world.tako("exec", WORKFLOW, cwd=source).code == 0
    assert old < names(world)
    (world.home / "config.yml").write_text("retention: {keep_failed: true, automatic: true}\n")

    ran = world.tako("exec", WORKFLOW, "--json", cwd=source)

    assert ran.code == 0, ran.text
    assert len(old & names(world)) == 2, "no more than ten at a time"
    assert {bad, young, ran.json()["run_id"]} < names(world)
    assert "removed" not in ran.text


def test_cleaning_up_never_fails_a_run_and_spares_it(world: World, make: Maker) -> None:
    source = world.working("root", config("w/root", step("a", "true")))
    stuck = make()
    (stuck / "locks" / "run.lock").mkdir()
    (source / ".tako").mkdir()
    (source / ".tako" / "config.yml").write_text("retention: {automatic: true, older_than: 0s}\n")
    other = make()

    ran = world.tako("exec", WORKFLOW, "--json", cwd=source)

    assert (ran.code, "error" in ran.err) == (0, False), ran.text
    assert names(world) == {stuck.name, ran.json()["run_id"]}
    with own(str(world.home / "workspaces" / ".clean.lock")):
        other = make()
        assert world.tako("exec", WORKFLOW, cwd=source).code == 0
    assert other.is_dir()


# settings in a whole run


def test_a_run_obeys_the_projects_settings(world: World) -> None:
    source = world.working("root", config("w/root", step("a", "yes | head -c 300000"), fan_out(), step("b", "true")))
    (source / ".tako").mkdir()
    (source / ".tako" / "config.yml").write_text("log_limit: 64K\nmax_concurrent_repos: 1\n")
    for name in ("w/one", "w/two"):
        meet = f"mkdir {world.root}/busy; yes | head -c 300000; rmdir {world.root}/busy"
        world.cached(name, config(name, step("a", meet), hears="w/root"))

    ran = world.tako("exec", WORKFLOW, "--json", cwd=source)

    assert ran.code == 0, ran.text
    logs = [world.workspace(ran.json()["run_id"]) / "logs/a.log"]
    logs += [Path(run["workspace"], "logs/a.log") for run in ran.json()["runs"]]
    assert [log.stat().st_size <= 70_000 for log in logs] == [True] * 3
    (source / ".tako" / "config.yml").write_text("log_limt: 64K\n")
    refused = world.tako("exec", WORKFLOW, cwd=source)
    assert refused.code == 2
    assert f"{source}/.tako/config.yml:1:1: there is no setting 'log_limt'; did you mean 'log_limit'?" in refused.err
    assert world.tako("status").code == 0


@pytest.mark.parametrize("name", ["list", "clean"])
def test_the_help_has_examples(world: World, name: str) -> None:
    ran = world.tako("workspace", name, "--help")

    assert ran.code == 0
    assert f"Examples:\n    tako workspace {name}" in ran.out
