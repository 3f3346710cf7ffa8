"""One run of the past run again, alone: ``tako replay``."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tako.execution.request import read_request
from tests.acceptance import wild_steps
from tests.acceptance.conftest import World
from tests.acceptance.observe import marked, wait_for
from tests.acceptance.recipes import WORKFLOW, config, fan_out, step

ROOT, MIDDLE, LEAF = "re/root", "re/middle", "re/leaf"


class Tree:
    """A run of a root, of a middle that waits for its fan-out, and of a leaf that fails."""

    def __init__(self, world: World) -> None:
        self.world = world
        make = step("make", "echo made > lib.txt", produces={"artifact": "default", "artifacts": [{"path": "lib.txt"}]})
        tell = fan_out(payload={"word": "hello"})
        self.source = world.working("root", config(ROOT, make, tell))
        self.middle_source = world.cached(
            MIDDLE,
            config(MIDDLE, step("look", "cat code"), fan_out(), step("after", "exit 9"), hears=ROOT),
            {"code": "old\n"},
        )
        script = 'echo "$TAKO_EVENT_ID {{ payload.word | default("none") }}"; cat {{ artifacts.default.path }}; exit 5'
        world.cached(LEAF, config(LEAF, step("test", script), hears=MIDDLE))
        ran = world.tako("exec", WORKFLOW, "--json", cwd=self.source)
        assert ran.code == 1, ran.text
        report = ran.json()
        self.root_id: str = report["run_id"]
        runs = {run["repository"]: run for run in report["runs"]}
        self.middle, self.leaf = runs[MIDDLE], runs[LEAF]

    def fingerprint(self) -> dict[str, Any]:
        """Everything there is of the recorded run: names, kinds, times, contents."""
        found: dict[str, Any] = {}
        for path in [self.world.workspace(self.root_id), *self.world.workspace(self.root_id).rglob("*")]:
            status = path.lstat()
            content = path.read_bytes() if path.is_file() else b""
            found[str(path)] = (status.st_mode, status.st_ino, status.st_mtime_ns, content)
        return found

    def replays(self) -> set[Path]:
        """The workspaces beside that of the recorded run."""
        return set((self.world.home / "workspaces").iterdir()) - {self.world.workspace(self.root_id)}


@pytest.fixture
def tree(world: World) -> Tree:
    return Tree(world)


def test_a_run_further_down_is_run_again_as_it_was_and_nothing_recorded_changes(world: World, tree: Tree) -> None:
    before = tree.fingerprint()

    ran = world.tako("replay", tree.root_id, "--child", tree.leaf["run_id"])

    assert ran.code == 1, ran.text
    event_id = tree.leaf["event_id"]
    assert f"[{LEAF} test] {event_id} none\n[{LEAF} test] made\n" in ran.err
    assert "step_failed at step 'test': exit code 5" in ran.err
    assert "Success: false\n" in ran.out
    assert tree.fingerprint() == before
    (workspace,) = tree.replays()
    recorded = read_request(f"{tree.leaf['workspace']}/request.json")
    request = read_request(str(workspace / "request.json"))
    assert (request.event, request.inputs, request.commit, request.workflow) == (
        recorded.event, recorded.inputs, recorded.commit, recorded.workflow,
    )  # fmt: skip
    assert (request.run_id, request.root_id, request.parent_id) == (workspace.name, workspace.name, None)
    assert f"its checkout: {workspace}/repo" in ran.err
    assert world.tako("status", workspace.name, "--json").json()["status"] == "failed"


def test_a_fan_out_that_it_waits_for_is_told_and_not_run(world: World, tree: Tree) -> None:
    before = tree.fingerprint()

    ran = world.tako("replay", tree.root_id, "--child", tree.middle["run_id"], "--json")

    assert ran.code == 0, ran.text
    report = ran.json()
    assert (report["success"], report["waits"], report["status"]) == (True, True, "suspended")
    assert [each["id"] for each in report["steps"]] == ["look", "announce"]
    assert report["not_triggered"][0]["runs"] == [f"{LEAF}:{WORKFLOW}"]
    assert f"{MIDDLE}:{WORKFLOW} waits for its fan-out made; it is replayed alone and stops here." in ran.err
    assert f"would trigger {LEAF}:{WORKFLOW}" in ran.err
    assert tree.fingerprint() == before
    (workspace,) = tree.replays()
    assert not (workspace / "children").exists()
    status = world.tako("status", workspace.name, "--json").json()
    assert (status["status"], len(status["runs"])) == ("success", 1)


def test_a_fan_out_that_nobody_waits_for_is_told_and_the_run_goes_on(world: World) -> None:
    source = world.working("root", config(ROOT, fan_out(wait_for_children=False), step("after", "echo behind")))
    world.cached(LEAF, config(LEAF, step("test", f"touch {world.root}/ran"), hears=ROOT))
    run_id = world.tako("exec", WORKFLOW, "--json", cwd=source).json()["run_id"]
    (world.root / "ran").unlink()

    ran = world.tako("replay", run_id)

    assert ran.code == 0, ran.text
    assert f"[{ROOT} after] behind\n" in ran.err
    assert f"{ROOT}:{WORKFLOW} emitted made; it is replayed alone.\n  would trigger {LEAF}:{WORKFLOW}" in ran.err
    assert not (world.root / "ran").exists()


def test_it_runs_at_the_recorded_commit_with_the_recorded_workflow(world: World, tree: Tree, run_git: Any) -> None:
    (tree.middle_source / "code").write_text("new\n")
    (tree.middle_source / "tako.yml").write_text(config(MIDDLE, step("look", "exit 77"), hears=ROOT))
    run_git(tree.middle_source, "commit", "--quiet", "--all", "--message", "second")

    ran = world.tako("replay", tree.root_id, "--child", tree.middle["run_id"])

    assert ran.code == 0, ran.text
    assert f"[{MIDDLE} look] old\n" in ran.err


def test_without_a_child_the_root_is_run_again_in_a_checkout_of_its_own(world: World, tree: Tree) -> None:
    (tree.source / "tako.yml").write_text("nothing")
    (tree.source / "lib.txt").unlink()

    ran = world.tako("replay", "@latest", "-v")

    assert ran.code == 0, ran.text
    assert "it ran in a working directory" in ran.err
    assert not (tree.source / "lib.txt").exists()
    assert f"would trigger {MIDDLE}:{WORKFLOW}" in ran.err


def test_what_it_is_given_is_told_with_verbose(world: World, tree: Tree) -> None:
    ran = world.tako("replay", tree.root_id, "--child", tree.middle["run_id"], "-v")

    assert f'  event made of {ROOT} ({tree.middle["event_id"]}): {{"word": "hello"}}\n' in ran.err
    assert f"  artifact {ROOT}:default: {world.workspace(tree.root_id)}/" in ran.err


def test_an_artifact_that_is_gone_is_told(world: World, tree: Tree) -> None:
    (artifact,) = (world.workspace(tree.root_id) / "artifacts").rglob("lib.txt")
    artifact.unlink()

    ran = world.tako("replay", tree.root_id, "--child", tree.middle["run_id"], "--json")

    assert f"warning: the artifact {ROOT}:default is gone: {artifact}\n" in ran.err
    assert [each["path"] for each in ran.json()["missing_artifacts"]] == [str(artifact)]
    assert ran.code == 0, ran.text


def test_a_commit_that_is_gone_is_a_failure_that_says_so(world: World, tree: Tree) -> None:
    tree.middle_source.rename(world.root / "away")

    ran = world.tako("replay", tree.root_id, "--child", tree.middle["run_id"])

    assert ran.code == 1, ran.text
    assert "checkout_failed: " in ran.err
    assert "the repository is not there" in ran.err
    (workspace,) = tree.replays()
    assert world.tako("status", workspace.name, "--json").json()["status"] == "failed"


def test_a_run_that_was_planned_and_never_started_is_replayed(world: World, tree: Tree) -> None:
    request = Path(tree.leaf["workspace"], "request.json")
    request.unlink()

    ran = world.tako("replay", tree.root_id, "--child", tree.leaf["run_id"])

    assert ran.code == 1, ran.text
    assert f"[{LEAF} test] {tree.leaf['event_id']} none\n" in ran.err


def test_what_is_not_there_is_refused(world: World, tree: Tree) -> None:
    other = "exec-20260101-000000-00000000"
    for arguments, what in {
        (other,): f"there is no run {other}",
        (tree.root_id, "--child", other): f"{tree.root_id} has not triggered {other}",
        (tree.root_id, "--child", "../x"): f"{tree.root_id} has not triggered ../x",
    }.items():
        ran = world.tako("replay", *arguments)
        assert (ran.code, ran.out) == (2, ""), ran.text
        assert what in ran.err
    assert tree.replays() == set()


def test_its_children_are_completed(world: World, tree: Tree) -> None:
    words = f"tako replay {tree.root_id} --child "
    env = {**world.env, "_TAKO_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": "4"}
    said = subprocess.run(["tako"], env=env, capture_output=True, text=True, check=True).stdout

    offered = {line.partition(",")[2] for line in said.splitlines()}
    assert offered == {tree.middle["run_id"], tree.leaf["run_id"], MIDDLE, LEAF}


@pytest.fixture
def sleeping(world: World) -> str:
    """The id of a run whose one step, run again, waits for ever beside a process of its own."""
    go = world.root / "go"
    go.touch()
    script = f"if [ -e {go} ]; then exit 0; fi; sleep 1000 & echo there; touch {world.root}/there; sleep 1000"
    source = world.working("root", config(ROOT, step("wait", script)))
    run_id: str = world.tako("exec", WORKFLOW, "--json", cwd=source).json()["run_id"]
    go.unlink()
    return run_id


def test_ctrl_c_ends_it_with_its_step(world: World, sleeping: str) -> None:
    process = world.start("replay", sleeping)
    wait_for((world.root / "there").exists, "its step is at work")

    process.send_signal(signal.SIGINT)
    ran = world.finish(process)

    assert ran.code == 130, ran.text
    assert "SIGINT: stopping" in ran.err
    assert marked(world.mark) == []
    (workspace,) = {path.name for path in (world.home / "workspaces").iterdir()} - {sleeping}
    assert world.tako("status", workspace, "--json").json()["status"] == "interrupted"


def test_cancel_ends_it(world: World, sleeping: str) -> None:
    process = world.start("replay", sleeping)
    wait_for((world.root / "there").exists, "its step is at work")
    (workspace,) = {path.name for path in (world.home / "workspaces").iterdir()} - {sleeping}

    assert world.tako("cancel", workspace).code == 0

    assert world.finish(process).code == 128 + signal.SIGTERM


def test_killed_it_leaves_nothing(world: World, sleeping: str) -> None:
    process = world.start("replay", sleeping)
    wait_for((world.root / "there").exists, "its step is at work")

    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    wait_for(lambda: marked(world.mark) == [], "nothing is left")


def test_a_child_that_was_out_of_memory_is_replayed_below_its_limit(world: World) -> None:
    wild_steps.install(world.root / "plugins", world.env)
    greedy = {"id": "wild", "uses": wild_steps.USES, "with": {"do": "allocate"}}
    limited = {"resources": {"mem_limit": "128Mi"}}
    world.cached("re/greedy", config("re/greedy", greedy, hears=ROOT, **limited))
    ran = world.tako("exec", WORKFLOW, "--json", cwd=world.working("root", config(ROOT, fan_out())))
    (run,) = ran.json()["runs"]
    assert run["failure"]["kind"] == "out_of_memory"

    # Without a limit it would take all that the machine has.
    replayed = world.run(["sh", "-c", f"ulimit -v 8000000; {run['replay']}"])

    assert replayed.code == 1, replayed.text
    told = (
        "out_of_memory at step 'wild': the run's own process could not get the memory that it asked for; memory is the"
    )
    assert f"{told} likely cause: each of its processes may have 128 MiB (mem_limit)" in replayed.err
