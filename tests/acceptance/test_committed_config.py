"""What runs of a cached repository is what is committed; repositories of every kind that git makes can be cached."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import World
from tests.acceptance.recipes import WORKFLOW, config, fan_out, step

ROOT, CHILD = "com/root", "com/child"
OLD, NEW = "echo the committed one", "echo the uncommitted one"


def git(directory: Path, *arguments: str) -> str:
    command = ["git", "-C", str(directory), "-c", "protocol.file.allow=always", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def root(world: World) -> Path:
    return world.working("root", config(ROOT, fan_out()))


def said(script: str, *, hears: str | tuple[str, ...] = ROOT) -> str:
    return config(CHILD, step("say", script, produces={"outputs": {"said": "from_stdout"}}), hears=hears)


def ran(world: World, root: Path) -> Any:
    done = world.tako("exec", WORKFLOW, "--json", cwd=root)
    assert done.code == 0, done.text
    return done.json()


def outputs(report: Any) -> list[str]:
    return [run["outputs"]["say"]["said"].strip() for run in report["runs"]]


@pytest.mark.parametrize("stage", [False, True])
def test_uncommitted_config_is_warned_of_and_not_run(world: World, root: Path, stage: bool) -> None:
    cached = world.cached(CHILD, said(OLD))
    (cached / "tako.yml").write_text(said(NEW))
    if stage:
        git(cached, "add", "tako.yml")

    report = ran(world, root)

    assert outputs(report) == ["the committed one"]
    (warning,) = report["warnings"]
    assert f"{cached}/tako.yml has uncommitted changes" in warning
    assert "uncommitted changes" in world.tako("exec", WORKFLOW, cwd=root).err
    dry = world.tako("exec", WORKFLOW, "--dry-run", cwd=root)
    assert "uncommitted changes" in dry.text
    dry = world.tako("exec", WORKFLOW, "--dry-run", "--json", cwd=root)
    assert "uncommitted changes" in dry.json()["warnings"][0]
    assert world.tako("exec", WORKFLOW, "--strict", cwd=root).code == 0


def test_uncommitted_subscription_is_warned_of(world: World, root: Path) -> None:
    cached = world.cached(CHILD, said(OLD, hears=()))
    (cached / "tako.yml").write_text(said(NEW))

    report = ran(world, root)

    assert report["runs"] == []
    assert "uncommitted changes" in report["warnings"][0]


def test_uncommitted_damage_does_no_harm(world: World, root: Path) -> None:
    cached = world.cached(CHILD, said(OLD))
    (cached / "tako.yml").write_text("not: [yaml")

    assert outputs(ran(world, root)) == ["the committed one"]


def test_config_that_was_never_committed_does_not_count(world: World, root: Path) -> None:
    cached = world.cached(CHILD, said(OLD))
    git(cached, "rm", "--quiet", "--cached", "tako.yml")
    git(cached, "commit", "--quiet", "--allow-empty", "--message", "without")

    report = ran(world, root)

    assert report["runs"] == []
    assert f"{cached}/tako.yml is not committed" in report["warnings"][0]


def test_repo_option_runs_and_validates_the_committed_config(world: World) -> None:
    cached = world.cached(CHILD, said(OLD))
    (cached / "tako.yml").write_text("not: [yaml")

    done = world.tako("exec", WORKFLOW, "--repo", CHILD, "--json")

    assert done.code == 0, done.text
    assert done.json()["steps"][0]["outputs"]["said"].strip() == "the committed one"
    assert "uncommitted changes" in done.err
    assert world.tako("validate", "--repo", CHILD).code == 0


def test_working_root_runs_what_lies_there(world: World, root: Path) -> None:
    (root / "tako.yml").write_text(said(NEW))

    assert ran(world, root)["steps"][0]["outputs"]["said"].strip() == "the uncommitted one"


def test_resuming_compares_with_the_committed_config(world: World, root: Path) -> None:
    cached = world.cached(CHILD, said(f"{OLD}; test -e {world.root}/ready"))
    failed = world.tako("exec", WORKFLOW, "--json", cwd=root)
    assert failed.code == 1, failed.text
    (cached / "tako.yml").write_text(said(NEW))
    (world.root / "ready").touch()

    resumed = world.tako("exec", "--resume", failed.json()["run_id"], "--json", cwd=root)

    assert resumed.code == 0, resumed.text
    assert outputs(resumed.json()) == ["the committed one"]


def test_repository_without_commit_is_run_as_it_lies(world: World, root: Path) -> None:
    cached = world.cached(
        CHILD, said("cat file; git rev-parse --is-inside-work-tree"), {"file": "as it lies\n"}, git=False
    )
    git(cached, "init", "--quiet")

    assert outputs(ran(world, root)) == ["as it lies\ntrue"]
    alone = world.tako("exec", WORKFLOW, "--repo", CHILD, "--json")
    assert alone.code == 0, alone.text
    working = world.root / "uncommitted"
    working.mkdir()
    git(working, "init", "--quiet")
    (working / "tako.yml").write_text(config(ROOT, fan_out()))
    assert outputs(ran(world, working)) == ["as it lies\ntrue"]


def add_submodule(world: World, directory: Path, name: str, inner: Path) -> None:
    git(directory, "submodule", "--quiet", "add", str(inner), name)
    git(directory, "commit", "--quiet", "--message", f"submodule {name}")


@pytest.mark.parametrize("shared", [False, True])
def test_populated_submodules_are_populated_in_the_child(world: World, root: Path, shared: bool) -> None:
    inmost = world.working("inmost", "version: 1\n", {"deep": "inmost\n"})
    inner = world.working("inner", "version: 1\n", {"file": "inner\n"})
    add_submodule(world, inner, "sub/inmost", inmost)
    script = """
        cat lib/inner/file lib/inner/sub/inmost/deep
        git -C lib/inner commit -q --allow-empty -m child
        git submodule status | cut -c 1
        echo changed > lib/inner/file
    """
    cached = world.cached(CHILD, said(script))
    add_submodule(world, cached, "lib/inner", inner)
    git(cached, "submodule", "--quiet", "update", "--init", "--recursive")
    if shared:
        # Only git itself makes a copy of this.
        git(cached, "config", "core.fsmonitor", "false")
    before = git(cached / "lib/inner", "rev-parse", "HEAD")

    report = ran(world, root)

    assert outputs(report) == ["inner\ninmost\n+"]
    assert git(cached / "lib/inner", "rev-parse", "HEAD") == before
    assert git(cached, "status", "--short") == ""


def test_submodules_are_at_the_commit_that_runs(world: World, root: Path) -> None:
    inner = world.working("inner", "version: 1\n", {"file": "old\n"})
    cached = world.cached(CHILD, said("cat inner/file"))
    add_submodule(world, cached, "inner", inner)
    (cached / "inner" / "file").write_text("new\n")
    git(cached / "inner", "commit", "--quiet", "--all", "--message", "not in the commit of the outer one")

    assert outputs(ran(world, root)) == ["old"]


def test_submodule_that_is_not_populated_stays_empty(world: World, root: Path) -> None:
    inner = world.working("inner", "version: 1\n")
    cached = world.cached(CHILD, said("ls -A inner | wc -l"))
    add_submodule(world, cached, "inner", inner)
    git(cached, "submodule", "--quiet", "deinit", "--force", "--all")

    assert outputs(ran(world, root)) == ["0"]


def test_submodule_without_the_commit_is_named(world: World, root: Path) -> None:
    inner = world.working("inner", "version: 1\n")
    cached = world.cached(CHILD, said("true"))
    add_submodule(world, cached, "inner", inner)
    git(cached, "update-index", "--cacheinfo", f"160000,{'1' * 40},inner")
    git(cached, "commit", "--quiet", "--message", "elsewhere")

    done = world.tako("exec", WORKFLOW, "--json", cwd=root)

    assert done.code == 1
    message = json.dumps(done.json()["runs"][0]["failure"])
    assert "the submodule inner cannot be checked out" in message
    assert "1" * 40 in message


@pytest.mark.parametrize("kind", ["--bare", "--mirror"])
def test_bare_repository_in_the_cache_is_used(world: World, root: Path, kind: str) -> None:
    made = world.working("made", said("cat file; git log -1 --format=%s"), {"file": "from a bare one\n"})
    place = world.home / "cache" / "repos" / CHILD / "main"
    place.parent.mkdir(parents=True)
    git(world.root, "clone", "--quiet", kind, str(made), str(place))

    assert outputs(ran(world, root)) == ["from a bare one\nBegin"]
    alone = world.tako("exec", WORKFLOW, "--repo", CHILD, "--json")
    assert alone.code == 0, alone.text
    assert "would run com/child:work" in world.tako("exec", WORKFLOW, "--dry-run", cwd=root).out


def test_bare_repository_without_commit_at_head_is_a_warning(world: World, root: Path) -> None:
    cached = world.cached(CHILD, said(OLD))
    source = cached.rename(world.root / "source")
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=other", str(cached)], check=True)
    git(source, "push", "--quiet", str(cached), "HEAD:refs/heads/main")

    report = ran(world, root)

    assert report["runs"] == []
    (warning,) = report["warnings"]
    assert f"{cached} is a bare repository whose HEAD has no commit" in warning
    git(cached, "symbolic-ref", "HEAD", "refs/heads/main")
    assert outputs(ran(world, root)) == ["the committed one"]


def test_config_outside_a_sparse_checkout_is_no_deleted_one(world: World, root: Path) -> None:
    cached = world.cached(CHILD, said(OLD), {"kept": ""})
    git(cached, "sparse-checkout", "set", "--no-cone", "/kept")
    assert not (cached / "tako.yml").exists()

    report = ran(world, root)

    assert (outputs(report), report["warnings"]) == (["the committed one"], [])


def test_bare_repository_at_a_wrong_place_is_named(world: World, root: Path) -> None:
    made = world.working("made", said("true"))
    place = world.home / "cache" / "repos" / CHILD
    place.parent.mkdir(parents=True)
    git(world.root, "clone", "--quiet", "--bare", str(made), str(place))

    report = ran(world, root)

    assert report["runs"] == []
    assert str(place) in report["warnings"][0]


def test_other_ref_of_a_dependent_runs_what_is_committed(world: World) -> None:
    cached = world.cached(CHILD, said(OLD, hears=()))
    other = cached.parent / "v1"
    subprocess.run(["cp", "-r", str(cached), str(other)], check=True)
    (other / "tako.yml").write_text(said(NEW, hears=()))
    text = json.loads(config(ROOT, fan_out()))
    text["dependents"] = [{"repo": f"{CHILD}:v1", "workflows": [WORKFLOW]}]

    report = ran(world, world.working("root", json.dumps(text)))

    assert outputs(report) == ["the committed one"]
    assert [f"{other}/tako.yml" in warning for warning in report["warnings"]] == [True]
