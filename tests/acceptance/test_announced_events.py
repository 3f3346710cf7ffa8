"""Events that steps announce: a fan-out emits one for each, and those that it starts are all its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Ran, World
from tests.acceptance.recipes import WORKFLOW, fan_out, step

ROOT = "shop/root"
APP, WEB = "shop/app", "shop/web"


def maker(name: str, **more: Any) -> dict[str, Any]:
    """A step that makes the artifact of its name and announces it."""
    announced = {"type": "made", "payload": {"of": name}}
    return step(name, f"echo {name} > {name}.txt", produces={"artifact": name, "events": [announced]}, **more)


def make_root(world: World, *steps: dict[str, Any]) -> Path:
    """A root that makes the artifacts ``lib`` and ``docs``."""
    data = {
        "version": 1,
        "metadata": {"name": ROOT},
        "artifacts": {name: {"path": f"{name}.txt"} for name in ("lib", "docs")},
        "workflows": {WORKFLOW: {"steps": list(steps)}},
    }
    return world.working("root", json.dumps(data))


def hearer(world: World, name: str, *artifacts: str, script: str = "", announces: str = "", **more: Any) -> None:
    """A repository that notes what it hears of some artifacts of the root."""
    produces = {"produces": {"events": [{"type": announces}]}} if announces else {}
    noted = "{% for each in events %}{{ each.payload.of | shell_quote }} {% endfor %}"
    data = {
        "version": 1,
        "metadata": {"name": name},
        "workflows": {
            WORKFLOW: {
                "steps": [step("note", f'echo "$TAKO_REPO" {noted} >> {world.root}/diary; {script}', **produces)]
            }
        },
        "subscriptions": [
            {"artifact": f"{ROOT}:{artifact}", "events": ["made"], "workflow": WORKFLOW, **more}
            for artifact in artifacts
        ],
    }
    world.cached(name, json.dumps(data), git=False)


def diary(world: World) -> list[str]:
    return sorted((world.root / "diary").read_text().splitlines())


def run(root: Path, world: World, *arguments: str) -> Ran:
    return world.tako("exec", WORKFLOW, "-j", "2", *arguments, cwd=root)


@pytest.mark.parametrize("wait", [True, False])
def test_fan_out_emits_each_announced_event(world: World, wait: bool) -> None:
    hearer(world, APP, "lib")
    hearer(world, WEB, "docs")
    read = step("read", f"echo {{{{ steps.announce.outputs.children }}}} > {world.root}/count")
    root = make_root(world, maker("lib"), maker("docs"), fan_out(wait_for_children=wait), *([read] if wait else []))

    report = run(root, world, "--json").json()

    assert diary(world) == [f"{APP} lib", f"{WEB} docs"]
    assert len({each["event_id"] for each in report["fan_outs"]}) == 2
    assert {each["repository"]: each["status"] for each in report["runs"]} == {APP: "success", WEB: "success"}
    if wait:
        assert (world.root / "count").read_text() == "2\n"


def test_subscriber_to_both_artifacts_runs_for_each_event(world: World) -> None:
    hearer(world, APP, "lib", "docs")
    root = make_root(world, maker("lib"), maker("docs"), fan_out())

    assert run(root, world).code == 0
    assert diary(world) == [f"{APP} docs", f"{APP} lib"]


def test_coalesced_subscriber_runs_once_with_both_events(world: World) -> None:
    hearer(world, APP, "lib", "docs", coalesce=True)
    root = make_root(world, maker("lib"), maker("docs"), fan_out())

    assert run(root, world).code == 0
    assert diary(world) == [f"{APP} lib docs"]


def test_fan_out_with_artifact_emits_the_event_about_it(world: World) -> None:
    hearer(world, APP, "lib")
    hearer(world, WEB, "docs")
    root = make_root(
        world, maker("lib"), maker("docs"), fan_out("one", artifact="docs"), fan_out("two", artifact="lib")
    )

    report = run(root, world, "--json").json()

    assert diary(world) == [f"{APP} lib", f"{WEB} docs"]
    assert len(report["fan_outs"]) == 2


def test_fan_out_emits_only_what_was_announced_since(world: World) -> None:
    hearer(world, APP, "lib", "docs")
    root = make_root(world, maker("lib"), fan_out("one"), maker("docs"), fan_out("two"))

    assert run(root, world).code == 0
    assert diary(world) == [f"{APP} docs", f"{APP} lib"]


def test_fan_out_with_a_payload_emits_one_event(world: World) -> None:
    hearer(world, APP, "lib")
    root = make_root(world, maker("lib"), fan_out(payload={"of": "all"}))

    report = run(root, world, "--json").json()

    assert diary(world) == [f"{APP} all"]
    assert len(report["fan_outs"]) == 1


def test_fan_out_fails_with_the_failures_of_all_its_events(world: World) -> None:
    hearer(world, APP, "lib", script="exit 3")
    hearer(world, WEB, "docs", script="exit 4")
    root = make_root(world, maker("lib"), maker("docs"), fan_out())

    report = run(root, world, "--json").json()

    assert report["failure"]["message"].startswith("2 of 2 triggered runs failed: ")
    assert {APP, WEB} == {
        name for name in (APP, WEB) if f"{name}:{WORKFLOW}: exit code" in report["failure"]["message"]
    }


def test_fail_fast_holds_for_all_events_of_a_fan_out(world: World) -> None:
    hearer(world, APP, "lib", script="exit 3")
    hearer(world, WEB, "docs")
    root = make_root(world, maker("lib"), maker("docs"), fan_out(fail_fast=True))

    report = world.tako("exec", WORKFLOW, "-j", "1", "--json", cwd=root).json()

    assert {each["repository"]: each["status"] for each in report["runs"]} == {APP: "failed", WEB: "cancelled"}


def test_resumed_fan_out_runs_only_what_failed_of_all_events(world: World) -> None:
    hearer(world, APP, "lib", script=f"test -e {world.root}/mended")
    hearer(world, WEB, "docs")
    root = make_root(world, maker("lib"), maker("docs"), fan_out(), step("end", f"echo end >> {world.root}/diary"))
    assert run(root, world).code == 1
    (world.root / "mended").touch()

    assert world.tako("exec", "--resume", "@latest").code == 0

    assert diary(world) == ["end", f"{APP} lib", f"{APP} lib", f"{WEB} docs"]


def test_idempotency_key_keeps_the_events_of_a_fan_out_apart(world: World) -> None:
    hearer(world, APP, "lib", "docs")
    root = make_root(world, maker("lib"), maker("docs"), fan_out(idempotency_key="v1"))

    for _ in range(2):
        assert run(root, world).code == 0

    assert diary(world) == [f"{APP} docs", f"{APP} lib"]
    keys = sorted(each["key"] for each in world.tako("events", "list", "--json").json()[:2])
    assert keys == ["v1:docs", "v1:lib"]


def test_idempotent_run_keeps_events_about_other_artifacts_apart(world: World) -> None:
    hearer(world, APP, "lib", "docs")
    same = {"events": [{"type": "made", "payload": {"of": "it"}}]}
    steps = [step(name, f"touch {name}.txt", produces={"artifact": name, **same}) for name in ("lib", "docs")]
    root = make_root(world, *steps, fan_out())

    assert run(root, world, "--idempotent").code == 0
    assert run(root, world, "--idempotent").code == 0

    assert diary(world) == [f"{APP} it", f"{APP} it"]


def test_redelivering_one_of_two_events_delivers_that_one(world: World) -> None:
    hearer(world, APP, "lib")
    hearer(world, WEB, "docs")
    assert run(make_root(world, maker("lib"), maker("docs"), fan_out()), world).code == 0
    second = next(each for each in world.tako("events", "list", "--json").json() if each["payload"] == {"of": "docs"})
    assert second["event_id"].endswith("-2")

    assert world.tako("events", "redeliver", second["event_id"]).code == 0

    assert diary(world) == [f"{APP} lib", f"{WEB} docs", f"{WEB} docs"]


def test_dry_run_shows_each_event(world: World) -> None:
    hearer(world, APP, "lib")
    hearer(world, WEB, "docs")
    root = make_root(world, maker("lib"), maker("docs"), fan_out())

    text = run(root, world, "--dry-run").out
    told = run(root, world, "--dry-run", "--json").json()["steps"][2]

    for name, repo in (("lib", APP), ("docs", WEB)):
        assert f"emits made about the artifact {name}\n[dry-run]     would run {repo}:{WORKFLOW}" in text
    assert [each["runs"][0]["repo"] for each in (told["fan_out"], *told["more_fan_outs"])] == [APP, WEB]


def test_validate_refuses_an_announced_event_that_is_never_emitted(world: World) -> None:
    root = make_root(world, maker("lib"), maker("docs"), fan_out(artifact="lib"))

    ran = world.tako("validate", "--json", cwd=root)

    assert ran.code == 2
    (problem,) = ran.json()["error"]["problems"]
    assert "step 2 of workflow 'work' announces 'made', which is never emitted: 'announce' emits a different" in str(
        problem
    )
    assert problem["line"] > 0


@pytest.mark.parametrize("place", ["root", "child"])
def test_run_warns_of_announced_events_that_it_did_not_emit(world: World, place: str) -> None:
    templated = fan_out(event_type="{{ steps.lib.status }}")
    if place == "root":
        root, label = make_root(world, maker("lib"), maker("docs"), templated), ROOT
    else:
        hearer(world, APP, "lib", announces="built")
        root, label = make_root(world, maker("lib"), fan_out()), APP

    ran = run(root, world, "--json")

    assert ran.code == 0
    found = [warning for warning in ran.json()["warnings"] if "announced" in warning]
    types = (
        [("lib", "'made' about 'lib'"), ("docs", "'made' about 'docs'")] if place == "root" else [("note", "'built'")]
    )
    assert found == [
        f"{label}:{WORKFLOW}: step '{name}' announced the event {what}, and no later fan-out step emitted it"
        for name, what in types
    ]
    assert f"warning: {found[0]}" in run(root, world).text


def test_skipped_fan_out_is_no_reason_for_a_warning(world: World) -> None:
    root = make_root(world, maker("lib"), fan_out() | {"if": "false"})

    ran = run(root, world, "--json")

    assert (ran.code, ran.json()["warnings"]) == (0, [])


def test_concurrency_limit_holds_for_all_events_of_a_fan_out(world: World) -> None:
    alone = f"mkdir {world.root}/busy && sleep 0.2 && rmdir {world.root}/busy"
    hearer(world, APP, "lib", script=alone)
    hearer(world, WEB, "docs", script=alone)
    root = make_root(world, maker("lib"), maker("docs"), fan_out(concurrency_limit=1))

    assert run(root, world).code == 0


def test_timeout_holds_for_all_events_of_a_fan_out(world: World) -> None:
    hearer(world, APP, "lib", script="exec sleep 1000")
    hearer(world, WEB, "docs", script="exec sleep 1000")
    root = make_root(world, maker("lib"), maker("docs"), fan_out(timeout="2s"))

    report = run(root, world, "--json").json()

    assert {each["failure"]["kind"] for each in report["runs"]} == {"fan_out_timeout"}
    assert report["failure"]["kind"] == "fan_out_timeout"
    assert report["failure"]["message"].count("its fan-out took longer than its timeout of 2.0s") == 1


def test_dry_run_warns_of_what_is_never_emitted(world: World) -> None:
    root = make_root(world, maker("lib"), maker("docs"), fan_out(artifact="lib"))

    warning = "step 'docs' announces the event 'made', which nothing would emit"
    assert f"warning: {warning}\n" in run(root, world, "--dry-run").text
    assert run(root, world, "--dry-run", "--json").json()["warnings"] == [warning]
