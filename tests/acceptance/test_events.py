"""``tako events``: what was delivered to whom, and delivering it once more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import World
from tests.acceptance.observe import wait_for
from tests.acceptance.recipes import WORKFLOW, config, fan_out, step, subscription

ROOT = "told/root"
GOOD, BAD = "told/good", "told/bad"
PAYLOAD = {"version": "{{ inputs.version }}", "raw": "{{ '{{ .inputs.x }} {% if' }}", "deep": [{"n": 1}]}


@pytest.fixture
def root(world: World) -> Path:
    """A root, one subscriber that succeeds and one that fails until ``world.root/mended`` is there."""
    note = f'echo "$TAKO_REPO $TAKO_EVENT_ID $TAKO_INPUT_RAW" >> {world.root}/effects'
    for name, script in {GOOD: note, BAD: f"{note}; test -e {world.root}/mended || exit 3"}.items():
        content = json.loads(config(name, step("work", script), inputs={"raw": {}}))
        content["subscriptions"] = [subscription(ROOT, inputs={"raw": "{{ event.payload.raw }}"})]
        world.cached(name, json.dumps(content))
    tell = fan_out(idempotency_key="v-{{ inputs.version }}", payload=PAYLOAD, schema_version="1.0.0")
    return world.working("root", config(ROOT, tell, inputs={"version": {"default": "1"}}))


def listed(world: World, *arguments: str) -> Any:
    return world.tako("events", "list", "--json", *arguments).json()


def effects(world: World) -> list[str]:
    path = world.root / "effects"
    return path.read_text().splitlines() if path.exists() else []


def test_without_a_ledger_there_are_no_events_and_looking_makes_none(world: World) -> None:
    ran = world.tako("events", "list")
    assert (ran.code, ran.out) == (0, "")
    assert f"no events in {world.home}/events.db" in ran.err
    assert listed(world) == []
    shown = world.tako("events", "show", "evt-0")
    assert (shown.code, shown.out) == (2, "")
    assert "there is no event evt-0" in shown.err
    assert not (world.home / "events.db").exists()


def test_an_event_is_listed_and_shown_with_its_deliveries(world: World, root: Path) -> None:
    report = world.tako("exec", WORKFLOW, "--json", cwd=root).json()
    (event,) = listed(world)
    assert (event["type"], event["source"], event["key"], event["schema_version"]) == ("made", ROOT, "v-1", "1.0.0")
    assert event["payload"] == {"version": "1", "raw": "{{ .inputs.x }} {% if", "deep": [{"n": 1}]}
    assert event["root_run_id"] == event["run_id"] == report["run_id"]
    assert (event["step"], event["deliveries"]) == ("announce", 2)
    assert event["outcomes"] == {"failed": 1, "success": 1}

    shown = world.tako("events", "show", event["event_id"], "--json").json()
    deliveries = {each["repository"]: each for each in shown["deliveries"]}
    assert deliveries[GOOD]["status"] == "success"
    assert deliveries[BAD]["failure"]["kind"] == "step_failed"
    assert {each["run_id"] for each in shown["deliveries"]} == {run["run_id"] for run in report["runs"]}
    assert all(each["delivered_at"] <= each["acknowledged_at"] for each in shown["deliveries"])

    line = world.tako("events", "list").out
    assert (
        f"{event['event_id']}  {event['emitted_at']}  {ROOT} made  2 delivered (1 failed, 1 success); key v-1\n" == line
    )
    text = world.tako("events", "show", event["event_id"]).out
    assert f"✓ {GOOD}:{WORKFLOW} success ({deliveries[GOOD]['run_id']})" in text
    assert "step_failed at step 'work': exit code 3" in text
    assert '"version": "1"' in text


def test_since_leaves_out_what_is_older(world: World, root: Path) -> None:
    world.tako("exec", WORKFLOW, cwd=root)
    assert len(listed(world, "--since", "1d")) == 1
    assert listed(world, "--since", "1ms") == []
    wrong = world.tako("events", "list", "--since", "yesterday")
    assert wrong.code == 2
    assert "--since must be a duration" in wrong.err


def test_redelivering_runs_all_who_hear_it_as_a_run_of_its_own(world: World, root: Path) -> None:
    world.tako("exec", WORKFLOW, cwd=root)
    (event,) = listed(world)
    (world.root / "mended").touch()
    ran = world.tako("events", "redeliver", event["event_id"], "--json")

    assert ran.code == 0, ran.text
    assert f"Delivering {event['event_id']} (made of {ROOT}) once more" in ran.err
    report = ran.json()
    assert sorted(run["repository"] for run in report["runs"]) == [BAD, GOOD]
    assert all(run["delivered_by"] is None for run in report["runs"])
    again = listed(world)[0]
    assert (again["redelivers"], again["key"], again["payload"]) == (event["event_id"], None, event["payload"])
    assert again["event_id"] != event["event_id"]
    assert len(effects(world)) == 4
    assert effects(world)[3].split(" ", 2)[2] == "{{ .inputs.x }} {% if"
    assert event["event_id"] in world.tako("status", report["run_id"]).out
    assert f"repeats {event['event_id']}" in world.tako("events", "list").out


def test_redelivering_to_one_subscriber_leaves_the_others(world: World, root: Path) -> None:
    world.tako("exec", WORKFLOW, cwd=root)
    (event,) = listed(world)
    for whom in (GOOD, f"{GOOD}:{WORKFLOW}"):
        ran = world.tako("events", "redeliver", event["event_id"], "--subscriber", whom, "--json")
        assert [run["repository"] for run in ran.json()["runs"]] == [GOOD]
    runs = len(list((world.home / "workspaces").iterdir()))
    for whom, why in (
        ("told/nobody", "told/nobody does not hear it"),
        (f"{GOOD}:other", f"{GOOD}:other does not hear it"),
        ("nonsense", "'nonsense' is no subscriber"),
    ):
        ran = world.tako("events", "redeliver", event["event_id"], "--subscriber", whom)
        assert ran.code == 2
        assert why in ran.err
    assert len(list((world.home / "workspaces").iterdir())) == runs


def test_a_redelivery_that_failed_or_was_killed_is_resumed_like_any_run(world: World, root: Path) -> None:
    world.tako("exec", WORKFLOW, cwd=root)
    (event,) = listed(world)
    failed = world.tako("events", "redeliver", event["event_id"], "--json")
    assert failed.code == 1
    before = len(effects(world))
    (world.root / "mended").touch()
    resumed = world.tako("exec", "--resume", failed.json()["run_id"], "--json")
    assert resumed.code == 0, resumed.text
    assert len(effects(world)) == before + 1
    assert listed(world)[0]["outcomes"] == {"success": 2}
    assert len(listed(world)) == 2


def test_a_redelivery_that_is_killed_goes_on_when_it_is_resumed(world: World, root: Path) -> None:
    world.tako("exec", WORKFLOW, cwd=root)
    (event,) = listed(world)
    (world.root / "mended").touch()
    known = set((world.home / "workspaces").iterdir())
    running = world.start("events", "redeliver", event["event_id"])
    wait_for(lambda: len(listed(world)) == 2, "the redelivery has planned")
    running.kill()
    world.finish(running)
    (workspace,) = set((world.home / "workspaces").iterdir()) - known
    resumed = world.tako("exec", "--resume", workspace.name)
    assert resumed.code == 0, resumed.text
    assert listed(world)[0]["outcomes"] == {"success": 2}


def test_no_tako_yml_can_say_what_a_redelivery_says(world: World) -> None:
    directory = world.working("sly", config("told/sly", fan_out(redelivers={"id": "evt-0"}, subscriber=GOOD)))
    ran = world.tako("validate", cwd=directory)
    assert ran.code != 0
    assert "unknown field 'redelivers'" in ran.text
    assert "unknown field 'subscriber'" in ran.text


def test_the_ledger_of_a_newer_tako_is_named(world: World, root: Path) -> None:
    import sqlite3

    world.tako("exec", WORKFLOW, cwd=root)
    raw = sqlite3.connect(world.home / "events.db")
    raw.execute("PRAGMA user_version=99")
    raw.close()
    ran = world.tako("events", "list")
    assert ran.code == 3
    assert "the delivery ledger has schema version 99" in ran.err
    again = world.tako("exec", WORKFLOW, cwd=root)
    assert "this run goes on without it" in again.err
    assert len(effects(world)) == 4
