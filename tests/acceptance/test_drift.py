"""A run is gone on with as it was planned, or, if that has changed, not without leave."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Ran, World
from tests.acceptance.observe import entries
from tests.acceptance.recipes import WORKFLOW, config, fan_out, step

ROOT = "drift/root"
CHILD = "drift/child"

Git = Callable[..., str]


def write(world: World, text: str, script: str = "true") -> str:
    return f'echo "{text}" >> {world.root}/diary; {script}'


def diary(world: World) -> Counter[str]:
    return Counter((world.root / "diary").read_text().splitlines())


def unless_mended(world: World) -> str:
    return f"test -e {world.root}/mended"


def mend(world: World) -> None:
    (world.root / "mended").touch()


def child_config(world: World, second: str = "second", **workflow: Any) -> str:
    steps = step("one", write(world, "first")), step("two", write(world, second, unless_mended(world)))
    return config(CHILD, *steps, hears=ROOT, **workflow)


def failed_run(world: World, *, git: bool = False) -> tuple[Path, Path]:
    """A run whose child failed; the places of the root's repository and the child's."""
    root = world.cached(ROOT, config(ROOT, step("build", write(world, "build")), fan_out()), git=git)
    child = world.cached(CHILD, child_config(world), git=git)
    ran = world.tako("exec", WORKFLOW, "--repo", ROOT)
    assert ran.code == 1, ran.text
    mend(world)
    return root, child


def resume(world: World, *arguments: str) -> Ran:
    return world.tako("exec", "--resume", "@latest", *arguments)


def test_a_changed_step_is_named_with_what_it_was_and_is(world: World) -> None:
    _, child = failed_run(world)
    (child / "tako.yml").write_text(child_config(world, "changed"))

    ran = resume(world)

    assert ran.code == 2, ran.text
    (why,) = [line for line in ran.err.splitlines() if f"{CHILD}:{WORKFLOW}: step 'two': run: was " in line]
    old, new = why.split(", is ")
    assert (r"echo \"second\"" in old, r"echo \"changed\"" in new) == (True, True), why
    assert f"what {world.only_workspace().name} depends on has changed since it was planned" in ran.err
    assert "--accept-drift" in ran.err
    assert diary(world) == {"build": 1, "first": 1, "second": 1}, "something ran"
    assert not entries(world.only_workspace(), "resumed")


def test_accepted_drift_begins_the_child_anew_with_what_is_there_now(world: World) -> None:
    _, child = failed_run(world)
    (child / "tako.yml").write_text(child_config(world, "changed"))
    (child / "extra.txt").write_text("new\n")

    ran = resume(world, "--accept-drift")

    assert ran.code == 0, ran.text
    assert diary(world) == {"build": 1, "first": 2, "second": 1, "changed": 1}


def test_a_run_that_was_brought_back_is_gone_on_with(world: World) -> None:
    _, child = failed_run(world)
    (child / "tako.yml").write_text(child_config(world, "changed"))
    assert resume(world).code == 2
    (child / "tako.yml").write_text(child_config(world))

    ran = resume(world)

    assert ran.code == 0, ran.text
    assert diary(world) == {"build": 1, "first": 1, "second": 2}


def test_what_has_succeeded_may_change(world: World) -> None:
    failed_run(world)
    good = world.cached("drift/good", config("drift/good", step("one", "true"), hears=ROOT), git=False)
    assert world.tako("exec", WORKFLOW, "--repo", ROOT).code == 0
    (world.root / "mended").unlink()
    assert world.tako("exec", WORKFLOW, "--repo", ROOT).code == 1
    mend(world)
    (good / "tako.yml").write_text(config("drift/good", step("other", "false"), hears=ROOT))

    assert resume(world).code == 0


def commit(git: Git, directory: Path, name: str = "more.txt") -> tuple[str, str]:
    """Commit something more; the commit before, and the new one."""
    before = git(directory, "rev-parse", "HEAD").strip()
    (directory / name).write_text("more\n")
    git(directory, "add", "--all")
    git(directory, "commit", "--quiet", "--message", "more")
    return before, git(directory, "rev-parse", "HEAD").strip()


def test_a_moved_commit_of_a_child_is_drift(world: World, run_git: Git) -> None:
    _, child = failed_run(world, git=True)
    old, new = commit(run_git, child)

    ran = resume(world)
    accepted = resume(world, "--accept-drift", "--json")

    assert ran.code == 2, ran.text
    assert f"{CHILD}:{WORKFLOW}: commit: was {old}, is {new}" in ran.err
    assert accepted.code == 0, accepted.text
    assert diary(world) == {"build": 1, "first": 2, "second": 2}


def test_a_moved_commit_of_the_root_is_drift_and_its_steps_stand_if_it_is_accepted(world: World, run_git: Git) -> None:
    root = world.working("root", config(ROOT, step("build", write(world, "build")), fan_out()))
    world.cached(CHILD, child_config(world), git=False)
    assert world.tako("exec", WORKFLOW, cwd=root).code == 1
    mend(world)
    old, new = commit(run_git, root)

    ran = resume(world)
    accepted = resume(world, "--accept-drift")

    assert ran.code == 2, ran.text
    assert f"{ROOT}:{WORKFLOW}: commit: was {old}, is {new}" in ran.err
    assert accepted.code == 0, accepted.text
    assert diary(world) == {"build": 1, "first": 1, "second": 2}


def test_a_changed_event_is_drift_of_who_emits_it(world: World) -> None:
    def emitting(version: str) -> str:
        data = json.loads(config(ROOT, step("build", write(world, "build")), fan_out(payload={"a": "1"})))
        data["events"] = {"made": {"schema_version": version, "payload": {"a": {"type": "string"}}}}
        return json.dumps(data)

    root = world.cached(ROOT, emitting("1.0.0"), git=False)
    world.cached(CHILD, child_config(world), git=False)
    assert world.tako("exec", WORKFLOW, "--repo", ROOT).code == 1
    mend(world)
    (root / "tako.yml").write_text(emitting("2.0.0"))

    ran = resume(world)

    assert ran.code == 2, ran.text
    assert f'{ROOT}:{WORKFLOW}: event \'made\': schema_version: was "1.0.0", is "2.0.0"' in ran.err


@pytest.mark.parametrize("gone", ["workflow", "repository"])
def test_what_is_gone_cannot_be_accepted(world: World, gone: str) -> None:
    _, child = failed_run(world)
    if gone == "workflow":
        (child / "tako.yml").write_text("version: 1\nworkflows: {other: {steps: [x]}}\n")
    else:
        child.rename(world.root / "aside")

    ran = resume(world)
    accepted = resume(world, "--accept-drift")

    assert ran.code == 2, ran.text
    said = (
        "workflow: was there, is gone" if gone == "workflow" else f"repository: was at {child}, is not there any more"
    )
    assert f"{CHILD}:{WORKFLOW}: {said}" in ran.err
    assert "no commit" not in ran.err
    assert accepted.code == 2, accepted.text
    assert f"cannot be run again: its {gone} is gone" in accepted.err


STEPS = ("a", "b", "c")


def test_rerun_from_runs_a_step_and_those_behind_it_again(world: World) -> None:
    world.cached(ROOT, config(ROOT, *(step(name, write(world, name)) for name in STEPS)), git=False)
    assert world.tako("exec", WORKFLOW, "--repo", ROOT).code == 0

    ran = resume(world, "--rerun-from", "b")

    assert ran.code == 0, ran.text
    assert diary(world) == {"a": 1, "b": 2, "c": 2}


def test_rerun_from_before_a_fan_out_triggers_runs_of_its_own(world: World) -> None:
    world.cached(ROOT, config(ROOT, *(step(name, write(world, name)) for name in "ab"), fan_out()), git=False)
    world.cached(CHILD, config(CHILD, step("one", write(world, "child")), hears=ROOT), git=False)
    assert world.tako("exec", WORKFLOW, "--repo", ROOT).code == 0

    ran = resume(world, "--rerun-from", "b")

    assert ran.code == 0, ran.text
    assert diary(world) == {"a": 1, "b": 2, "child": 2}
    plans = entries(world.only_workspace(), "plan")
    assert len({plan.data["event"]["id"] for plan in plans}) == 2


def test_rerun_from_before_a_fan_out_that_failed_leaves_to_others_what_had_failed(world: World) -> None:
    failed_run(world)

    ran = resume(world, "--rerun-from", "build")

    assert ran.code == 0, ran.text
    assert diary(world) == {"build": 2, "first": 2, "second": 2}
    (failed, succeeded) = world.tako("status", "@latest", "--json").json()["runs"][1:]
    assert (failed["status"], failed["failure"]["kind"]) == ("cancelled", "superseded")
    assert succeeded["status"] == "success"
    assert "has succeeded" in resume(world).text
    assert diary(world) == {"build": 2, "first": 2, "second": 2}


def test_what_was_left_to_others_stays_so_when_these_fail_as_well(world: World) -> None:
    failed_run(world)
    (world.root / "mended").unlink()
    assert resume(world, "--rerun-from", "build").code == 1
    mend(world)

    ran = resume(world)

    assert ran.code == 0, ran.text
    assert diary(world) == {"build": 2, "first": 2, "second": 3}
    runs = world.tako("status", "@latest", "--json").json()["runs"]
    assert [run["status"] for run in runs] == ["success", "cancelled", "success"]


def test_rerun_from_a_step_that_is_none_names_those_there_are(world: World) -> None:
    world.cached(ROOT, config(ROOT, *(step(name, write(world, name)) for name in STEPS)), git=False)
    world.tako("exec", WORKFLOW, "--repo", ROOT)

    ran = resume(world, "--rerun-from", "nope")

    assert ran.code == 2
    assert f"{ROOT}:{WORKFLOW} has no step 'nope'" in ran.err
    assert "its steps are a, b, c" in ran.err


def cached_with_fix(world: World, git: Git) -> Path:
    """A root in the cache whose step `check` fails at its commit, and the fix committed since."""
    steps = (
        step("build", write(world, "build", "echo built > built.txt")),
        step("check", write(world, "check", "test -e fix.txt && git log -1 --format=%s > subject.txt")),
        step("end", write(world, "end", f"cp subject.txt built.txt {world.root}/ || true")),
    )
    root = world.cached(ROOT, config(ROOT, *steps))
    assert world.tako("exec", WORKFLOW, "--repo", ROOT).code == 1
    commit(git, root, "fix.txt")
    return root


def test_accepted_drift_checks_out_new_commit_of_root(world: World, run_git: Git) -> None:
    root = cached_with_fix(world, run_git)
    assert resume(world).code == 2

    ran = resume(world, "--accept-drift", "--json")

    assert ran.code == 0, ran.text
    assert diary(world) == {"build": 2, "check": 2, "end": 1}
    assert (world.root / "built.txt").exists()
    now = run_git(root, "rev-parse", "HEAD").strip()
    assert ran.json()["commit"] == now
    assert now in (world.only_workspace() / "request.json").read_text()
    assert "nothing to resume" in resume(world).text


def test_accepted_drift_is_not_asked_about_twice(world: World, run_git: Git) -> None:
    root = cached_with_fix(world, run_git)
    run_git(root, "rm", "-q", "fix.txt")
    run_git(root, "commit", "-qm", "worse")
    assert resume(world, "--accept-drift").code == 1

    ran = resume(world)

    assert ran.code == 1, ran.text
    assert diary(world) == {"build": 2, "check": 3}


def test_rerun_from_with_accepted_drift_checks_out_new_commit(world: World, run_git: Git) -> None:
    cached_with_fix(world, run_git)

    ran = resume(world, "--accept-drift", "--rerun-from", "check")

    assert ran.code == 0, ran.text
    assert diary(world) == {"build": 1, "check": 2, "end": 1}
    assert not (world.root / "built.txt").exists(), "what the step left in the old checkout"


def test_rerun_from_needs_step_in_accepted_workflow(world: World, run_git: Git) -> None:
    root = cached_with_fix(world, run_git)
    (root / "tako.yml").write_text(config(ROOT, step("other", "true")))
    run_git(root, "commit", "-qam", "other")

    ran = resume(world, "--accept-drift", "--rerun-from", "check")

    assert ran.code == 2, ran.text
    assert "has no step 'check'" in ran.err


def test_resumed_replay_with_accepted_drift_checks_out_new_commit(world: World, run_git: Git) -> None:
    root = world.cached(ROOT, config(ROOT, step("check", "test -e fix.txt")))
    assert world.tako("exec", WORKFLOW, "--repo", ROOT).code == 1
    replayed = world.tako("replay", world.only_workspace().name, "--json")
    assert replayed.code == 1, replayed.text
    commit(run_git, root, "fix.txt")

    ran = world.tako("exec", "--resume", replayed.json()["run_id"], "--accept-drift", "--json")

    assert ran.code == 0, ran.text


def test_accepted_drift_of_root_triggers_runs_anew(world: World, run_git: Git) -> None:
    root = world.cached(ROOT, config(ROOT, step("build", write(world, "build")), fan_out()))
    world.cached(CHILD, config(CHILD, step("test", write(world, "test", unless_mended(world))), hears=ROOT))
    assert world.tako("exec", WORKFLOW, "--repo", ROOT).code == 1
    commit(run_git, root)
    mend(world)

    ran = resume(world, "--accept-drift", "--json")

    assert ran.code == 0, ran.text
    assert diary(world) == {"build": 2, "test": 2}
    assert [run["status"] for run in ran.json()["runs"]] == ["cancelled", "success"]
    assert ran.json()["runs"][0]["failure"]["kind"] == "superseded"


@pytest.mark.parametrize("whose", ["root", "child"])
def test_resuming_with_broken_file_shows_what_is_wrong_with_it(world: World, whose: str) -> None:
    root = world.working("root", config(ROOT, step("build", "true"), fan_out()))
    child = world.cached(CHILD, child_config(world), git=False)
    assert world.tako("exec", WORKFLOW, cwd=root).code == 1
    broken = (root if whose == "root" else child) / "tako.yml"
    broken.write_text("version: 1\nworkflows: [\n")

    ran = resume(world, "--json")

    assert ran.code == 2, ran.text
    assert f"{broken}:3:1" in ran.err
    assert "gone" not in ran.text
    assert ran.json()["error"]["code"] == "config_invalid"


def test_resuming_moved_project_says_that_it_moved(world: World, run_git: Git) -> None:
    root = world.working("root", config(ROOT, step("check", "test -e fix.txt")))
    assert world.tako("exec", WORKFLOW, cwd=root).code == 1
    root.rename(world.root / "moved")

    ran = resume(world)

    assert ran.code == 2, ran.text
    assert f"{ROOT}:{WORKFLOW}: repository: was at {root}, is not there any more" in ran.err
    assert "commit" not in ran.err
    assert "fix: bring back what was there, or start a new run" in ran.err


STEPS_BY_NAME: dict[str, Callable[[World], dict[str, Any]]] = {
    "one": lambda world: step("one", write(world, "one")),
    "mid": lambda world: step("mid", write(world, "mid")),
    "new": lambda world: step("new", write(world, "new")),
    "two": lambda world: step("two", write(world, "two", unless_mended(world))),
    "other": lambda world: step("other", write(world, "other")),
    "tell": lambda _: fan_out("tell"),
    "last": lambda world: step("last", write(world, "last")),
}


def of_steps(world: World, names: str) -> str:
    return config(ROOT, *(STEPS_BY_NAME[name](world) for name in names.split()))


@pytest.mark.parametrize(
    ("planned", "now", "rerun_from", "done"),
    [
        ("one two last", "two last", "", "two last"),
        ("one two last", "one new two last", "", "new two last"),
        ("one two last", "new one two last", "", "new one two last"),
        ("one two last", "other two last", "", "other two last"),
        ("one two last", "one other last", "other", "other last"),
        ("one mid two last", "one two last", "two", "two last"),
        ("one mid tell two", "one tell two", "tell", "child two"),
        ("one tell two", "tell two", "", "two"),
        ("one tell two", "new tell two", "", "new child two"),
    ],
)
def test_steps_added_and_removed_shift_no_other(
    world: World, planned: str, now: str, rerun_from: str, done: str
) -> None:
    """A finished step is known by its id: where it stood before says nothing about what stands there now."""
    world.cached(CHILD, config(CHILD, step("it", write(world, "child")), hears=ROOT))
    root = world.working("root", of_steps(world, planned))
    assert world.tako("exec", WORKFLOW, cwd=root).code == 1
    mend(world)
    (world.root / "diary").unlink()
    (root / "tako.yml").write_text(of_steps(world, now))
    ran = resume(world, "--accept-drift", *(["--rerun-from", rerun_from] if rerun_from else []))

    assert ran.code == 0, ran.text
    assert (world.root / "diary").read_text().split() == done.split()


def test_removed_fan_out_leaves_nothing_to_wait_for(world: World) -> None:
    world.cached(CHILD, child_config(world))
    root = world.working("root", of_steps(world, "one tell last"))
    assert world.tako("exec", WORKFLOW, cwd=root).code == 1
    (root / "tako.yml").write_text(of_steps(world, "one last"))
    ran = resume(world, "--accept-drift")

    assert ran.code == 0, ran.text
    assert diary(world) == {"one": 1, "first": 1, "second": 1, "last": 1}
