"""What a report says of a run: the names of its steps, the commits of its runs, the steps of its children."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import World
from tests.acceptance.observe import wait_for

LIB = """
version: 1
metadata: {name: me/lib}
workflows:
  release:
    steps:
      - {id: tell, name: Tell the others, uses: tako/fan-out@v1, with: {event_type: released}}
"""
APP = """
version: 1
metadata: {name: me/app}
workflows:
  check:
    steps:
      - {id: prepare, run: "true"}
      - {id: unit, name: Run unit tests, run: exit 7, on_failure: [{id: mend, name: Clean up, run: "true"}]}
subscriptions: [{artifact: "me/lib:default", events: [released], workflow: check}]
"""


def head(repository: Path) -> str:
    asked = subprocess.run(["git", "rev-parse", "HEAD"], cwd=repository, capture_output=True, text=True, check=True)
    return asked.stdout.strip()


@pytest.fixture
def lib(world: World) -> Path:
    world.cached("me/app", APP)
    return world.working("lib", LIB)


def test_steps_name_is_beside_its_id(world: World, lib: Path) -> None:
    ran = world.tako("exec", "release", "-v", cwd=lib)
    assert ran.code == 1
    for words in (
        "… step 'tell' (Tell the others)\n",
        "✗ step 'tell' (Tell the others) failed",
        "me/app:check step 'unit' (Run unit tests) failed",
        "step_failed at step 'unit' (Run unit tests): exit code 7",
        "execution failed: step 'tell' (Tell the others) failed: ",
    ):
        assert words in ran.err, words
    assert "  ✗ tell: Tell the others (" in ran.out
    told = world.tako("status", "@latest").out
    for words in ("✗ tell: Tell the others (", "✗ unit: Run unit tests (", "on failure: ✓ mend: Clean up (",
                  "me/app:check: step_failed at step 'unit' (Run unit tests): exit code 7"):  # fmt: skip
        assert words in told, words
    assert "unit (Run unit tests)" in world.tako("exec", "check", "--repo", "me/app", "--dry-run").out
    (child,) = (world.only_workspace() / "children").iterdir()
    replayed = world.tako("replay", "@latest", "--child", child.name)
    assert "✗ unit: Run unit tests (" in replayed.out
    assert "step 'unit' (Run unit tests)" in replayed.err


def told_in_json(data: dict[str, Any], lib: Path, app: Path) -> None:
    run = data["runs"][-1]
    assert run["commit"] == head(app)
    assert [(step["id"], step["name"], step["status"]) for step in run["steps"]] == [
        ("prepare", None, "success"),
        ("unit", "Run unit tests", "failed"),
    ]
    assert run["steps"][1]["on_failure"][0]["name"] == "Clean up"
    assert (run["failure"]["step"], run["failure"]["step_name"]) == ("unit", "Run unit tests")
    assert data["steps"][0]["name"] == "Tell the others"


def test_json_has_commits_and_steps_of_every_run(world: World, lib: Path) -> None:
    app = world.home / "cache" / "repos" / "me" / "app" / "main"
    data = world.tako("exec", "release", "--json", cwd=lib).json()
    assert (data["commit"], data["failure"]["step_name"]) == (head(lib), "Tell the others")
    told_in_json(data, lib, app)
    status = world.tako("status", data["run_id"], "--json").json()
    assert status["runs"][0]["commit"] == head(lib)
    told_in_json(status, lib, app)


def test_json_has_the_commit_that_drift_led_to(world: World, lib: Path) -> None:
    data = world.tako("exec", "release", "--json", cwd=lib).json()
    app = world.home / "cache" / "repos" / "me" / "app" / "main"
    (app / "fix").touch()
    subprocess.run(["git", "add", "fix"], cwd=app, check=True)
    commit = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "fix"]
    subprocess.run(commit, cwd=app, check=True)
    again = world.tako("exec", "--resume", data["run_id"], "--accept-drift", "--json").json()
    told_in_json(again, lib, app)
    told_in_json(world.tako("status", data["run_id"], "--json").json(), lib, app)


def test_ps_names_the_step(world: World) -> None:
    hold = world.root / "hold"
    run = f"touch {hold}; while [ -e {hold} ]; do sleep 0.02; done"
    steps = f"[{{id: s, name: Wait for it, run: '{run}'}}]"
    lib = world.working("lib", f"version: 1\nmetadata: {{name: me/lib}}\nworkflows: {{w: {{steps: {steps}}}}}\n")
    running = world.start("exec", "w", cwd=lib)
    wait_for(hold.exists, "the step is at work")
    shown, rows = world.tako("ps").out, world.tako("ps", "--json").json()
    hold.unlink()
    assert world.finish(running).code == 0
    assert "s (Wait for it)" in shown
    assert (rows[0]["step"], rows[0]["step_name"]) == ("s", "Wait for it")
