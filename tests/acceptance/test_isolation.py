"""Each child has what it needs for itself alone, and no way of dying in one changes another."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tako import cgroup
from tests.acceptance import wild_steps
from tests.acceptance.conftest import World
from tests.acceptance.observe import marked, wait_for
from tests.acceptance.recipes import WORKFLOW, config, fan_out, step
from tests.acceptance.trees import state_of

ROOT = "iso/root"


def make_root(world: World) -> Path:
    """A root that tells all who hear it, and waits for them."""
    return world.working("root", config(ROOT, fan_out(), step("after", "true")))


def hearer(
    world: World, name: str, *steps: dict[str, Any], files: Mapping[str, str] | None = None, git: bool = True
) -> Path:
    """A cached repository that runs some steps because of the root."""
    return world.cached(name, config(name, *steps, hears=ROOT), files, git=git)


def fingerprint(directory: Path) -> dict[str, tuple[int, str]]:
    """Every file of a tree with its mode and content."""
    return {
        str(path.relative_to(directory)): (
            path.lstat().st_mode,
            os.readlink(path)
            if path.is_symlink()
            else hashlib.sha256(path.read_bytes()).hexdigest()
            if path.is_file()
            else "",
        )
        for path in directory.rglob("*")
    }


def run_named(report: Any, name: str) -> Any:
    """The one run of a repository."""
    (run,) = [run for run in report["runs"] if run["repository"] == name]
    return run


GIT_FACTS = """
echo "top=$(git rev-parse --show-toplevel)" >> "$TAKO_OUTPUT"
echo "origin=$(git remote get-url origin)" >> "$TAKO_OUTPUT"
echo "branch=$(git rev-parse --abbrev-ref HEAD)" >> "$TAKO_OUTPUT"
echo "log=$(git log --format=%s | tr '\\n' ,)" >> "$TAKO_OUTPUT"
echo "status=$(git status --porcelain | tr '\\n' ,)" >> "$TAKO_OUTPUT"
git fsck --strict
"""

HARM = """
echo changed > kept.txt
rm removed.txt
mkdir -p new && echo new > new/file
chmod 755 script.sh
git add -A
git commit -q -m Harm
git tag harmed
git gc -q --aggressive --prune=now
git config user.name Somebody
"""


def test_a_child_works_in_a_complete_clone_of_its_own(world: World) -> None:
    cached = hearer(
        world,
        "iso/git",
        step("facts", GIT_FACTS),
        step("harm", HARM),
        files={"kept.txt": "as it was\n", "removed.txt": "here\n", "script.sh": "true\n"},
    )
    # What nobody committed is nobody's business.
    (cached / "kept.txt").write_text("edited in the cache\n")
    (cached / "untracked.txt").write_text("left over\n")
    before = fingerprint(world.home / "cache" / "repos")

    ran = world.tako("exec", WORKFLOW, "--json", cwd=make_root(world))

    assert ran.code == 0, ran.text
    run = run_named(ran.json(), "iso/git")
    assert run["outputs"]["facts"] == {
        "top": f"{run['workspace']}/repo",
        "origin": "https://git.example/iso/git.git",
        "branch": "main",
        "log": "Begin,",
        "status": "",
    }
    assert fingerprint(world.home / "cache" / "repos") == before


def test_a_child_of_a_plain_directory_works_in_a_copy(world: World) -> None:
    script = "cat kept.txt; test ! -e .git; echo changed > kept.txt; echo new > new.txt"
    hearer(world, "iso/plain", step("harm", script), files={"kept.txt": "as it was\n"}, git=False)
    before = fingerprint(world.home / "cache" / "repos")

    ran = world.tako("exec", WORKFLOW, "--json", cwd=make_root(world))

    assert ran.code == 0, ran.text
    workspace = Path(run_named(ran.json(), "iso/plain")["workspace"])
    assert (workspace / "logs" / "harm.log").read_text() == "as it was\n"
    assert fingerprint(world.home / "cache" / "repos") == before


WHO = """
echo "session=$(ps -o sid= -p $$ | tr -d ' ')" >> "$TAKO_OUTPUT"
echo "parent=$PPID" >> "$TAKO_OUTPUT"
echo "workspace=$TAKO_WORKSPACE" >> "$TAKO_OUTPUT"
echo "there=$(ls "$TAKO_WORKSPACE" | sort | tr '\\n' ,)" >> "$TAKO_OUTPUT"
echo "locks=$(ls "$TAKO_WORKSPACE/locks")" >> "$TAKO_OUTPUT"
echo "stdin=$(wc -c)" >> "$TAKO_OUTPUT"
echo "descriptors=$(ls /proc/self/fd | tr '\\n' ,)" >> "$TAKO_OUTPUT"
echo "a word of $TAKO_REPO"
"""


def test_each_child_has_its_own_session_workspace_logs_and_locks(world: World) -> None:
    names = ["iso/one", "iso/two", "iso/three"]
    for name in names:
        hearer(world, name, step("who", WHO))

    ran = world.tako("exec", WORKFLOW, "--json", cwd=make_root(world))

    assert ran.code == 0, ran.text
    report = ran.json()
    root = world.workspace(report["run_id"])
    facts = {name: run_named(report, name)["outputs"]["who"] for name in names}
    # The child leads its session, and a step is in that of its child.
    assert all(fact["session"] == fact["parent"] for fact in facts.values())
    assert len({fact["session"] for fact in facts.values()}) == len(names)
    for name in names:
        run = run_named(report, name)
        assert facts[name]["workspace"] == run["workspace"] == str(root / "children" / run["run_id"])
        assert facts[name]["there"] == "locks,logs,repo,request.json,state.json,tmp,"
        assert facts[name]["locks"] == "run.lock"
        assert Path(run["workspace"], "logs", "who.log").read_text() == f"a word of {name}\n"


def test_each_child_has_a_control_group_of_its_own_that_goes_when_it_has_ended(world: World) -> None:
    if cgroup.group_of_tree("x") is None:
        pytest.skip("this user may make no control groups on this machine")
    tell = 'sed -n "s/^0::/group=/p" /proc/self/cgroup >> "$TAKO_OUTPUT"'
    hearer(world, "iso/one", step("tell", tell))
    hearer(world, "iso/two", step("tell", tell), step("crash", "kill -SEGV $PPID; sleep 1000"))

    report = world.tako("exec", WORKFLOW, "--json", cwd=make_root(world)).json()

    group = cgroup.group_of_tree(report["run_id"])
    assert group is not None
    for name in ("iso/one", "iso/two"):
        run = run_named(report, name)
        (tell_step,) = (one for one in state_of(run["workspace"])["steps"] if one["id"] == "tell")
        assert group.endswith(tell_step["outputs"]["group"].removesuffix(f"/{run['run_id']}"))
    assert not os.path.exists(group)


def test_a_step_reads_an_empty_stdin_and_inherits_only_its_streams(world: World) -> None:
    hearer(world, "iso/one", step("who", WHO))

    ran = world.tako("exec", WORKFLOW, "--json", cwd=make_root(world))

    assert ran.code == 0, ran.text
    facts = run_named(ran.json(), "iso/one")["outputs"]["who"]
    assert facts["stdin"] == "0"
    # 3 is the directory that `ls` reads.
    assert facts["descriptors"] == "0,1,2,3,"


NOISE = """
for stream in 1 2; do
  head -c 300000 /dev/urandom >&$stream
  printf '{"frame":"result","status":"failed","failure":null,"outputs":{}}\\n' >&$stream
  printf '\\000\\377\\r\\033[2J' >&$stream
done
for fd in /proc/self/fd/*; do (echo '{"frame": "result"}' >&${fd##*/}) 2>/dev/null || true; done
echo "quiet=no" >> "$TAKO_OUTPUT"
"""


def test_nothing_that_a_step_prints_can_pass_for_a_frame(world: World) -> None:
    wild_steps.install(world.root / "plugins", world.env)
    hearer(world, "iso/noisy", step("noise", NOISE), wild("print everywhere"))
    hearer(world, "iso/calm", step("calm", "echo fine"))

    ran = world.tako("exec", WORKFLOW, "--json", cwd=make_root(world))

    assert ran.code == 0, ran.text
    report = ran.json()
    noisy = run_named(report, "iso/noisy")
    assert noisy["outputs"] == {"noise": {"quiet": "no"}, "wild": {"survived": "yes"}}
    assert Path(noisy["workspace"], "logs", "noise.log").stat().st_size > 600_000
    assert run_named(report, "iso/calm")["status"] == "success"


def wild(deed: str) -> dict[str, Any]:
    """A step of the third party's kind, which runs inside the child's process."""
    return {"id": "wild", "uses": wild_steps.USES, "with": {"do": deed}}


# The child has the line in the step's log before it dies; what it leaves behind must not outlive it for long.
DIE = """
echo "last words"
sleep 1000 &
until grep -q words "$TAKO_WORKSPACE/logs/die.log"; do sleep 0.01; done
kill -%s $PPID
sleep 1000
"""

CRASHES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "iso/killed": (step("die", DIE % "KILL"), {"kind": "killed", "step": "die", "signal": 9, "exit_code": 137}),
    "iso/segv": (step("die", DIE % "SEGV"), {"kind": "killed", "step": "die", "signal": 11, "exit_code": 139}),
    "iso/exits": (wild("exit 3"), {"kind": "exited", "step": "wild", "signal": None, "exit_code": 3}),
    "iso/silent": (wild("exit 0"), {"kind": "no_result", "step": "wild", "signal": None, "exit_code": 0}),
    "iso/raises": (wild("raise"), {"kind": "exception", "step": "wild", "signal": None, "exit_code": None}),
    "iso/rubbish": (wild("write rubbish"), {"kind": "protocol", "step": "wild", "signal": None, "exit_code": None}),
    "iso/endless": (wild("write too much"), {"kind": "protocol", "step": "wild", "signal": None, "exit_code": None}),
    "iso/liar": (
        wild("write a foreign event"),
        {"kind": "protocol", "step": "wild", "signal": None, "exit_code": None},
    ),
}

WORDS = {
    "iso/killed": ("SIGKILL", "last words"),
    "iso/segv": ("SIGSEGV", "last words"),
    "iso/exits": ("exit code 3", "about to exit 3"),
    "iso/silent": ("without a result", "about to exit 0"),
    "iso/raises": ("ValueError: a third party's mistake", "in _raise"),
    "iso/rubbish": ("this is no result", "about to write rubbish"),
    "iso/endless": ("longer than 1048576", "about to write too much"),
    "iso/liar": ("hello twice", "about to write a foreign event"),
}

LIVING = ("iso/endless", "iso/liar")
HEALTHY = ("iso/early", "iso/late")


def test_every_way_of_dying_is_told_for_what_it_was_and_leaves_the_others_alone(world: World) -> None:
    wild_steps.install(world.root / "plugins", world.env)
    for name, (deed, _expected) in CRASHES.items():
        hearer(world, name, deed, step("never", "echo went on"))
    for name in HEALTHY:
        hearer(world, name, step("work", 'echo "result=$TAKO_REPO" >> "$TAKO_OUTPUT"'))

    ran = world.tako("exec", WORKFLOW, "--json", "-j", "3", cwd=make_root(world))

    assert ran.code == 1, ran.text
    report = ran.json()
    for name in HEALTHY:
        run = run_named(report, name)
        assert (run["status"], run["outputs"]) == ("success", {"work": {"result": name}})
    for name, (_deed, expected) in CRASHES.items():
        run = run_named(report, name)
        failure = run["failure"]
        assert {key: failure[key] for key in expected} == expected, (name, failure)
        message, last_words = WORDS[name]
        assert message in failure["message"], (name, failure)
        assert any(last_words in line for line in failure["log"]), (name, failure)
        replay = f"tako replay {report['run_id']} --child {run['run_id']}"
        assert run["replay"] == f"TAKO_HOME={world.home} {replay}"
        assert run["duration_seconds"] > 0
        # One that broke the rules and lives is asked to end, and may get a little further until then.
        assert name in LIVING or not Path(run["workspace"], "logs", "never.log").exists()
        for told in (f"{name}:{WORKFLOW} failed after ", f"run it again: {run['replay']}", message, last_words):
            assert told in ran.err, (name, told)
    # The steps of those that were killed left `sleep 1000` behind, twice each.
    assert not marked(world.mark)


def test_what_a_killed_child_left_running_is_ended_while_the_run_goes_on(world: World) -> None:
    go_on = world.root / "go-on"
    hearer(world, "iso/killed", step("die", DIE % "KILL"))
    hearer(world, "iso/slow", step("wait", f"until [ -e {go_on} ]; do sleep 0.02; done"))
    process = world.start("exec", WORKFLOW, "--json", "-j", "2", cwd=make_root(world))

    def told(status: str) -> bool:
        """Whether the root has heard of an end."""
        journals = list((world.home / "workspaces").glob("*/journal.jsonl"))
        return any(f'"status":"{status}"' in journal.read_text() for journal in journals)

    wait_for(lambda: told("failed"), "the killed child was noticed")
    assert not [line for line in marked(world.mark) if "sleep 1000" in line]
    go_on.touch()
    ran = world.finish(process)

    assert ran.code == 1, ran.text
    assert run_named(ran.json(), "iso/slow")["status"] == "success"


@pytest.mark.parametrize("end", ["true", "false"])
def test_what_a_step_leaves_running_ends_with_its_child(world: World, end: str) -> None:
    # With job control each background job has a process group of its own.
    script = "set -m; sleep 1000 & (sleep 1000 &); sleep 1000 > /dev/null 2>&1 & disown"
    hearer(world, "iso/daemons", step("start", script, shell="bash"), step("end", end))

    ran = world.tako("exec", WORKFLOW, cwd=make_root(world))

    assert ran.code == (0 if end == "true" else 1), ran.text
    assert not marked(world.mark)


def test_a_run_inside_a_run_is_a_run_of_its_own(world: World) -> None:
    inner = world.working("inner", config("iso/inner", step("say", 'echo "$TAKO_REPO:$TAKO_RUN_ID" > said')))
    hearer(world, "iso/outer", step("nest", f"cd {inner} && tako exec {WORKFLOW} > /dev/null"))

    ran = world.tako("exec", WORKFLOW, "--json", cwd=make_root(world))

    assert ran.code == 0, ran.text
    repo, _, run_id = (inner / "said").read_text().strip().partition(":")
    assert repo == "iso/inner"
    assert run_id != run_named(ran.json(), "iso/outer")["run_id"]
    assert json.loads((world.workspace(run_id) / "state.json").read_text())["data"]["status"] == "success"
