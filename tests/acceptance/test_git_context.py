"""Tako started by git: no step, command or service sees the repository that git is about."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest

from tako.git_context import GIT_CONTEXT
from tests.acceptance.conftest import BIN, World
from tests.acceptance.recipes import WORKFLOW, config, fan_out, step

ROOT, CHILD = "ctx/root", "ctx/child"
NAMES = "env | sed -n 's/^\\(GIT_[A-Z_0-9]*\\)=.*/\\1/p' | sort"
COMMIT = "echo changed > file; git add -A; git commit --quiet -m 'by the child'; git log -1 --format=%s"
TAKO = shlex.join([str(BIN / "tako"), "exec", WORKFLOW, "--json"])


def git(directory: Path, *arguments: str, world: World) -> str:
    ran = world.run(["git", "-C", str(directory), *arguments])
    assert ran.code == 0, ran.text
    return ran.out


@pytest.fixture
def user(world: World) -> Path:
    """The user's own repository, whose root step and child say what they see of git; the child commits."""
    say = step("say", NAMES, produces={"outputs": {"names": "from_stdout"}})
    commit = step("commit", COMMIT, produces={"outputs": {"subject": "from_stdout"}})
    world.cached(CHILD, config(CHILD, say, commit, hears=ROOT))
    return world.working("user", config(ROOT, say, step("branch", "git rev-parse --git-dir"), fan_out()))


def seen(report: Path) -> dict[str, set[str]]:
    """The names of git's variables that the steps of the root and of the child saw."""
    data = json.loads(report.read_text())
    assert data["success"], data
    (child,) = data["runs"]
    assert child["outputs"]["commit"]["subject"].strip() == "by the child"
    return {
        "root": set(data["steps"][0]["outputs"]["names"].split()),
        "child": set(child["outputs"]["say"]["names"].split()),
    }


def assert_none_seen(report: Path) -> None:
    for names in seen(report).values():
        assert not names & GIT_CONTEXT
        assert {"GIT_AUTHOR_NAME", "GIT_CONFIG_GLOBAL"} <= names


def hook(directory: Path, name: str, script: str) -> None:
    path = directory / name
    path.write_text(f"#!/bin/sh\nset -e\n{script}\n")
    path.chmod(0o755)


def test_steps_of_pre_commit_hook_leave_commit_alone(world: World, user: Path) -> None:
    report = world.root / "report.json"
    hook(user / ".git" / "hooks", "pre-commit", f"env > {world.root}/hook.env; {TAKO} > {report}")
    (user / "mine").write_text("my work\n")
    git(user, "add", "mine", world=world)

    git(user, "commit", "--quiet", "-m", "mine", "--", "mine", world=world)

    assert "GIT_INDEX_FILE=" in (world.root / "hook.env").read_text()
    assert_none_seen(report)
    assert git(user, "log", "--format=%s", world=world).split("\n")[:2] == ["mine", "Begin"]
    assert git(user, "show", "--name-only", "--format=", world=world).split() == ["mine"]


def test_steps_of_rebase_exec_leave_branch_alone(world: World, user: Path) -> None:
    report = world.root / "report.json"
    git(user, "commit", "--quiet", "--allow-empty", "-m", "second", world=world)

    git(user, "rebase", "--quiet", "--keep-empty", "--exec", f"{TAKO} > {report}", "HEAD~1", world=world)

    assert_none_seen(report)
    assert git(user, "log", "--format=%s", world=world).split() == ["second", "Begin"]


def test_steps_of_alias_in_linked_worktree(world: World, user: Path) -> None:
    report, linked = world.root / "report.json", world.root / "linked"
    git(user, "worktree", "add", "--quiet", "-b", "side", str(linked), world=world)
    git(user, "config", "alias.work", f"!env > {world.root}/alias.env; {TAKO} > {report}", world=world)

    git(linked, "-c", "user.nick=me", "work", world=world)

    assert "GIT_DIR=" in (world.root / "alias.env").read_text()
    assert_none_seen(report)
    assert "GIT_CONFIG_PARAMETERS" in seen(report)["child"]
    assert git(linked, "log", "--format=%s", world=world).split() == ["Begin"]


def test_root_is_found_by_directory_not_git_dir(world: World, user: Path) -> None:
    other = world.working("other", config("ctx/other", step("say", "true")))
    git(other, "commit", "--quiet", "--allow-empty", "-m", "elsewhere", world=world)
    world.env.update(GIT_DIR=str(other / ".git"), GIT_WORK_TREE=str(other), GIT_INDEX_FILE=str(other / ".git/index"))

    ran = world.tako("exec", WORKFLOW, "--json", cwd=user)

    assert ran.code == 0, ran.text
    request = json.loads((world.workspace(ran.json()["run_id"]) / "request.json").read_text())
    expected = subprocess.run(
        ["git", "--git-dir", str(user / ".git"), "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    )
    assert expected.stdout.strip() in json.dumps(request)


def test_no_command_of_tako_passes_variables_on(world: World) -> None:
    """Services, failing steps, resumed and replayed runs, children by hand, commands of secrets and artifacts."""
    world.env.update(dict.fromkeys(GIT_CONTEXT, str(world.root / "elsewhere")))
    unseen = f"! env | grep -E '^({'|'.join(GIT_CONTEXT)})='"
    up = {"id": "up", "uses": "tako/poll@v1", "with": {"target": "file", "path": "served", "step_id": "serve"}}
    serve = step("serve", f"{unseen} && touch served && exec sleep 60", long_running=True)
    check = step("check", unseen, env={"TOKEN": "TOKEN"})
    failing = step("failing", f"{unseen} && exit 7", on_failure=[step("undo", f"{unseen} && touch undone")])
    text = json.loads(config(ROOT, serve, up, check, fan_out(), failing, secrets=["TOKEN"]))
    text["artifacts"] = {"lib": {"path": "lib.txt", "command": f"{unseen} && echo made > lib.txt"}}
    world.cached(CHILD, config(CHILD, step("check", f"{unseen} && exit 5"), hears=ROOT))
    root = world.working("user", json.dumps(text))
    (world.home / "config.yml").write_text(json.dumps({"secrets": {"TOKEN": {"command": f"{unseen} && echo value"}}}))

    ran = world.tako("exec", WORKFLOW, "--json", cwd=root)
    (child,) = ran.json()["runs"]
    assert child["failure"]["exit_code"] == 5, ran.text
    by_hand = world.child(child["workspace"])
    assert "exit code 5" in by_hand.text, by_hand.text
    resumed = world.tako("exec", "--resume", ran.json()["run_id"], "--json", cwd=root)
    assert resumed.json()["runs"][0]["failure"]["exit_code"] == 5, resumed.text
    replayed = world.tako("replay", ran.json()["run_id"], "--child", child["run_id"], cwd=root)
    assert "exit code 5" in replayed.text, replayed.text

    (root / "tako.yml").write_text(json.dumps({**text, "workflows": {WORKFLOW: {"steps": [failing]}}}))
    ran = world.tako("exec", WORKFLOW, "--json", cwd=root)
    assert ran.json()["steps"][0]["failure"]["exit_code"] == 7, ran.text
    assert (root / "undone").exists()
    built = world.tako("artifacts", "build", cwd=root)
    assert built.code == 0, built.text
