"""Cached steps from the command line: in the root, in children at the same time, and `tako cache`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tests.acceptance.conftest import World

LIB = """\
version: 1
metadata: {name: org/lib}
artifacts: {lib: {path: dist/lib.txt}}
workflows:
  release:
    inputs: {notes: {default: ""}}
    steps:
      - id: build
        run: echo ran >> "$RUNS/lib"; mkdir -p dist; cat source > dist/lib.txt; echo v1
        cache_key_files: source
        produces:
          artifact: lib
          outputs: {version: from_stdout}
          events: [{type: built, payload: {version: "{{ outputs.version }}", notes: "{{ inputs.notes }}"}}]
      - {id: tell, uses: tako/fan-out@v1, with: {event_type: built}}
"""
APP = """\
version: 1
metadata: {name: org/NAME}
workflows:
  test:
    inputs: {notes: {default: ""}}
    steps:
      - id: install
        run: echo ran >> "$RUNS/NAME"; echo installed
        cache_key_files: ["deps/**"]
        produces: {outputs: {log: from_stdout}}
      - id: test
        run: echo ran >> "$RUNS/NAME-test"; cat "$TAKO_ARTIFACT_LIB_PATH"; echo passed=3 >> "$TAKO_OUTPUT"
        cache_key_files: ["tests/**"]
      - id: last
        run: echo "{{ artifacts.lib.sha256 }} {{ artifacts['org/lib:lib'].path }} $TAKO_ARTIFACT_LIB_PATH"
subscriptions:
  - {artifact: "org/lib:lib", events: [built], workflow: test, inputs: {notes: "{{ event.payload.notes }}"}}
"""
NAMES = ("a", "b", "c")


class Tree:
    """A library and three applications, all with cached steps."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.runs = world.root / "runs"
        self.runs.mkdir()
        world.env["RUNS"] = str(self.runs)
        self.lib = world.working("lib", LIB, {"source": "one\n"})
        for name in NAMES:
            world.cached(f"org/{name}", APP.replace("NAME", name), {"deps/lock": "x", "tests/t": "y"})

    def release(self, *arguments: str) -> dict[str, Any]:
        ran = self.world.tako("exec", "release", "--json", *arguments, cwd=self.lib)
        assert ran.code == 0, ran.text
        result: dict[str, Any] = ran.json()
        return result

    def counted(self) -> dict[str, int]:
        return {path.name: len(path.read_text().splitlines()) for path in sorted(self.runs.iterdir())}


def cached(result: dict[str, Any]) -> dict[str, list[str]]:
    """The cached steps of every run, by repository."""
    own = [step["id"] for step in result["steps"] if step["cached"]]
    return {"lib": own, **{run["repository"].removeprefix("org/"): run["cached"] for run in result["runs"]}}


def test_roots_and_children_run_what_has_changed_and_restore_the_rest(world: World) -> None:
    tree = Tree(world)
    once = dict.fromkeys(("a", "a-test", "b", "b-test", "c", "c-test", "lib"), 1)

    assert cached(tree.release()) == {"lib": [], "a": [], "b": [], "c": []}
    assert tree.counted() == once
    (tree.lib / "dist/lib.txt").unlink()
    again = tree.release("-i", "notes=other", "-j", "3")
    assert cached(again) == {"lib": ["build"], **{name: ["install", "test"] for name in NAMES}}
    assert tree.counted() == once
    assert (tree.lib / "dist/lib.txt").read_text() == "one\n"
    child = next(run for run in again["runs"] if run["repository"] == "org/a")
    assert child["outputs"]["test"] == {"passed": "3"}
    digest, first, second = (Path(child["workspace"]) / "logs/last.log").read_text().split()
    assert first == second == again["steps"][0]["artifacts"][0]["path"]
    assert digest == again["steps"][0]["artifacts"][0]["sha256"]
    # Another library: what is tested with it is tested anew, what is installed without it is not.
    (tree.lib / "source").write_text("two\n")
    assert cached(tree.release()) == {"lib": [], **{name: ["install"] for name in NAMES}}
    # And the old one is known still.
    (tree.lib / "source").write_text("one\n")
    shown = world.tako("exec", "release", "-v", cwd=tree.lib)
    assert "✓ step 'build' success (" in shown.err
    assert "ms, cached)" in shown.err.split("step 'build' success")[1].splitlines()[0]
    assert "org/a:test step 'test' success (" in shown.err
    assert "cached: install, test" in shown.out
    assert "ms, cached)" in next(line for line in shown.out.splitlines() if " build (" in line)
    run_id = shown.out.split()[2]
    told = world.tako("status", run_id).out
    assert told.count("cached: install, test") == 3
    assert json.loads(world.tako("status", run_id, "--json").out)["runs"][0]["cached"] == ["build"]

    before = tree.counted()
    child_id = json.loads(world.tako("status", run_id, "--json").out)["runs"][1]["run_id"]
    replayed = world.tako("replay", run_id, "--child", child_id, "--json").json()
    assert [step["cached"] for step in replayed["steps"]] == [False] * 3
    assert sum(tree.counted().values()) == sum(before.values()) + 2

    before = tree.counted()
    assert cached(tree.release("--no-cache")) == {"lib": [], "a": [], "b": [], "c": []}
    assert tree.counted() == {name: count + 1 for name, count in before.items()}


def test_a_resumed_run_goes_on_as_it_began_and_what_is_to_be_run_again_is_run(world: World) -> None:
    directory = world.working(
        "one",
        """\
version: 1
workflows:
  go:
    steps:
      - {id: a, run: 'echo ran >> "$RUNS"; echo 1', cache_key_files: src, produces: {outputs: {x: from_stdout}}}
      - {id: b, run: 'test -e ready && echo {{ steps.a.outputs.x }}'}
""",
        {"src/x": ""},
    )
    world.env["RUNS"] = str(world.root / "runs")
    failed = world.tako("exec", "go", "--json", cwd=directory)
    assert failed.code == 1
    (directory / "ready").write_text("")
    run_id = failed.json()["run_id"]

    refused = world.tako("exec", "--resume", run_id, "--no-cache", cwd=directory)
    assert refused.code == 2
    assert "--resume does not go with --no-cache" in refused.err
    assert world.tako("exec", "--resume", run_id, cwd=directory).code == 0
    assert world.tako("exec", "--resume", run_id, "--rerun-from", "a", cwd=directory).code == 0
    assert (world.root / "runs").read_text() == "ran\nran\n"


def test_the_cache_can_be_looked_at_and_emptied(world: World) -> None:
    tree = Tree(world)
    assert world.tako("cache", "list").err == f"no steps in {world.home}/cache/steps\n"
    tree.release()

    rows = world.tako("cache", "list", "--json").json()
    assert {(row["repository"], row["step"]) for row in rows} == {
        ("org/lib", "build"),
        *((f"org/{name}", step) for name in NAMES for step in ("install", "test")),
    }
    assert all(row["size_bytes"] > 0 and row["age_seconds"] >= 0 and not row["damaged"] for row in rows)
    table = world.tako("cache", "list").out.splitlines()
    assert table[0].split() == ["KEY", "REPOSITORY", "STEP", "SIZE", "AGE", "LAST", "USED"]
    assert table[-1].startswith("7 steps, ")

    oldest = next(row for row in rows if row["repository"] == "org/b")
    os.utime(Path(oldest["path"]) / "entry.json", (1, 1))
    dry = world.tako("cache", "clean", "--older-than", "7d", "--dry-run", "--json").json()
    assert [(item["key"], item["repository"]) for item in dry["removed"]] == [(oldest["key"], "org/b")]
    assert len(world.tako("cache", "list", "--json").json()) == 7
    assert "removed " in world.tako("cache", "clean", "--older-than", "7d").out
    broken = next(row for row in rows if row["repository"] == "org/lib")
    (Path(broken["path"]) / "files/dist/lib.txt").write_text("spoilt")
    left = Path(world.home) / "cache/steps/00/.writing-1999999999-abc"
    left.mkdir(parents=True)
    (left / "x").write_text("x")

    pruned = world.tako("cache", "prune", "--json").json()

    assert [(item["key"], item["why"]) for item in pruned["removed"]] == [
        (broken["key"], "it is damaged"),
        (None, "somebody was killed over it"),
    ]
    assert not left.exists()
    world.env["TAKO_CACHE_LIMIT"] = "1"
    assert world.tako("cache", "prune").out.endswith("; 5 removed\n")
    assert world.tako("cache", "list", "--json").json() == []
    tree.release()
    assert world.tako("cache", "clean").out.endswith("; 7 removed\n")
    for wrong in (["clean", "--older-than", "7"], ["prune", "--max-size", "x"]):
        ran = world.tako("cache", *wrong)
        assert (ran.code, "Traceback" in ran.text) == (2, False)
        assert f"fix: write {wrong[1]}" in ran.err
