"""Subscriptions whose `events` are globs, and workflows without steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import World
from tests.acceptance.recipes import WORKFLOW, fan_out, step

ROOT, APP = "shop/root", "shop/app"


def make_root(world: World, *types: str) -> Path:
    steps = [fan_out(f"tell-{number}", event_type=type_) for number, type_ in enumerate(types)]
    data = {"version": 1, "metadata": {"name": ROOT}, "workflows": {WORKFLOW: {"steps": steps}}}
    return world.working("root", json.dumps(data))


def hearer(world: World, *events: str, **more: Any) -> None:
    data = {
        "version": 1,
        "metadata": {"name": APP},
        "workflows": {WORKFLOW: {"steps": [step("note", f'echo "{{{{ event.type }}}}" >> {world.root}/diary')]}},
        "subscriptions": [{"artifact": ROOT, "events": list(events), "workflow": WORKFLOW, **more}],
    }
    world.cached(APP, json.dumps(data), git=False)


TYPES = ("built", "release/1", "release/1/rc")


@pytest.mark.parametrize(
    ("glob", "heard"),
    [("*", TYPES), ("release/*", TYPES[1:2]), ("release/**", TYPES[1:]), ("b?ilt", TYPES[:1]), ("rel*", ())],
)
def test_subscription_hears_the_events_that_its_glob_matches(world: World, glob: str, heard: tuple[str, ...]) -> None:
    hearer(world, glob)
    root = make_root(world, *TYPES)

    shown = world.tako("exec", WORKFLOW, "--dry-run", "--json", cwd=root).json()["steps"]
    assert [each["fan_out"]["event_type"] for each in shown if each["fan_out"]["runs"]] == list(heard)
    assert world.tako("exec", WORKFLOW, cwd=root).code == 0

    diary = world.root / "diary"
    assert (diary.read_text().splitlines() if heard else []) == list(heard)
    assert diary.exists() == bool(heard)


def test_coalesced_glob_waits_for_all_events_that_it_matches(world: World) -> None:
    hearer(world, "release/*", coalesce=True)
    root = make_root(world, "release/1", "built", "release/2")
    text = (root / "tako.yml").read_text().replace('"event_type"', '"wait_for_children": false, "event_type"')
    (root / "tako.yml").write_text(text)

    report = world.tako("exec", WORKFLOW, "--json", cwd=root).json()

    assert [each["repository"] for each in report["runs"]] == [APP]


@pytest.mark.parametrize("command", [("validate",), ("exec", WORKFLOW), ("lint",)])
def test_workflow_without_steps_is_refused(world: World, command: tuple[str, ...]) -> None:
    root = world.working("root", "version: 1\nworkflows:\n  work:\n    steps: []\n")

    ran = world.tako(*command, cwd=root)

    assert ran.code != 0
    assert "tako.yml:3:3: " in ran.text
    assert "workflow 'work' has no steps" in ran.text


def test_lint_finds_a_workflow_that_triggers_itself(world: World) -> None:
    data = json.loads((make_root(world, "built") / "tako.yml").read_text())
    data["subscriptions"] = [{"artifact": ROOT, "events": ["built"], "workflow": WORKFLOW}]
    (world.root / "root" / "tako.yml").write_text(json.dumps(data))

    assert "[self-trigger]" in world.tako("lint", cwd=world.root / "root").text


def test_triggered_workflow_without_steps_warns(world: World) -> None:
    data = {
        "version": 1,
        "metadata": {"name": APP},
        "workflows": {WORKFLOW: {"steps": []}},
        "subscriptions": [{"artifact": ROOT, "events": ["built"], "workflow": WORKFLOW}],
    }
    world.cached(APP, json.dumps(data), git=False)

    report = world.tako("exec", WORKFLOW, "--json", cwd=make_root(world, "built")).json()

    assert report["warnings"] == [f"{APP}:{WORKFLOW}: its workflow has no steps, so nothing was done"]
