"""``coalesce: true``: a workflow that several events of one run trigger runs once, with all of them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Ran, World
from tests.acceptance.observe import entries, marked, wait_for
from tests.acceptance.recipes import WORKFLOW, config, fan_out, step, subscription

ROOT = "one/root"
LEFT, RIGHT, BOTTOM = "one/left", "one/right", "one/bottom"


def note(world: World, script: str = "true") -> str:
    return f'echo "$TAKO_REPO" >> {world.root}/diary; {script}'


def diary(world: World) -> Counter[str]:
    return Counter((world.root / "diary").read_text().splitlines())


def hold(world: World, name: str = "go") -> str:
    return f"touch {world.root}/{name}.there; until [ -e {world.root}/{name} ]; do sleep 0.02; done"


def let_go(world: World, name: str = "go") -> None:
    (world.root / name).touch()


def plain(world: World, name: str, *steps: dict[str, Any], hears: str | Iterable[str] = ROOT) -> None:
    world.cached(name, config(name, *steps, hears=hears), git=False)


def bottom(
    world: World, *steps: dict[str, Any], hears: Iterable[str] = (LEFT, RIGHT), name: str = BOTTOM, **more: Any
) -> None:
    """A repository whose workflow runs once for all it hears."""
    data = json.loads(config(name, *(steps or (step("test", note(world)),))))
    data["subscriptions"] = [subscription(each, **{"coalesce": True, **more}) for each in hears]
    world.cached(name, json.dumps(data), git=False)


def diamond(world: World, *, left: Any = None, right: Any = None, **params: Any) -> None:
    plain(world, ROOT, fan_out(**params), hears=())
    for name, first in ((LEFT, left), (RIGHT, right)):
        plain(world, name, first or step("make", note(world)), fan_out())


def run(world: World, *arguments: str, command: tuple[str, ...] = (WORKFLOW, "--repo", ROOT)) -> Ran:
    return world.tako("exec", *command, "-j", "2", *arguments)


def resume(world: World, *arguments: str) -> Ran:
    return run(world, *arguments, command=("--resume", "@latest"))


def planned_bottoms(world: World) -> list[dict[str, Any]]:
    return [
        run for entry in entries(world.only_workspace(), "plan") for run in entry.data["runs"] if run["repo"] == BOTTOM
    ]


def heard_by(run: dict[str, Any]) -> list[str]:
    return [event["source"] for event in run["heard"]]


def by_repository(report: Any) -> dict[str, Any]:
    return {each["repository"]: each for each in report["runs"]}


@pytest.mark.parametrize("cap", ["1", "2"])
def test_a_diamond_runs_its_bottom_once_with_both_events_and_artifacts(world: World, cap: str) -> None:
    made = {"artifact": "box"}
    for name in (LEFT, RIGHT):
        data = json.loads(config(name, step("make", f"echo {name} > box.txt", produces=made), fan_out(), hears=ROOT))
        data["artifacts"] = {"box": {"path": "box.txt"}}
        data["workflows"][WORKFLOW]["steps"][1]["with"] |= {"artifact": "box", "payload": {"from": name}}
        world.cached(name, json.dumps(data), git=False)
    plain(world, ROOT, fan_out(), hears=())
    read = "cat {{ artifacts['one/left:box'].path }} {{ artifacts['one/right:box'].path }}"
    listed = "{% for each in events %}{{ each.source }} {% endfor %}"
    data = json.loads(config(BOTTOM, step("test", note(world, f"{read}; echo '{listed}'; echo $TAKO_INPUT_ALL"))))
    data["workflows"][WORKFLOW]["inputs"] = {"all": {"required": True}}
    inputs = {"all": "{% for each in events %}{{ each.payload['from'] }},{% endfor %}"}
    data["subscriptions"] = [
        {**subscription(each, coalesce=True, inputs=inputs), "artifact": f"{each}:box"} for each in (LEFT, RIGHT)
    ]
    world.cached(BOTTOM, json.dumps(data), git=False)

    ran = world.tako("exec", WORKFLOW, "--repo", ROOT, "-j", cap, "--json")

    assert ran.code == 0, ran.text
    assert diary(world) == {BOTTOM: 1}
    runs = by_repository(ran.json())
    assert len(ran.json()["runs"]) == 3
    lines = Path(runs[BOTTOM]["workspace"], "logs", "test.log").read_text().split()
    assert lines[:2] == [LEFT, RIGHT], "the artifacts of both"
    assert sorted(lines[2:4]) == [LEFT, RIGHT], "the events in the step"
    assert sorted(lines[4].strip(",").split(",")) == [LEFT, RIGHT], "the events in the subscription's inputs"


def test_both_that_wait_go_on_when_the_one_run_has_ended(world: World) -> None:
    plain(world, ROOT, fan_out(), hears=())
    for name in (LEFT, RIGHT):
        plain(world, name, fan_out(), step("after", note(world)))
    bottom(world)

    ran = run(world, "--json")

    assert ran.code == 0, ran.text
    lines = (world.root / "diary").read_text().splitlines()
    assert lines[0] == BOTTOM
    assert sorted(lines[1:]) == [LEFT, RIGHT]


def test_the_failure_of_the_one_run_fails_all_that_triggered_it(world: World) -> None:
    diamond(world)
    bottom(world, step("test", note(world, f"test -e {world.root}/mended")))

    ran = run(world, "--json")
    let_go(world, "mended")
    again = resume(world, "--json")

    assert {name: each["status"] for name, each in by_repository(ran.json()).items()} == {
        LEFT: "failed",
        RIGHT: "failed",
        BOTTOM: "failed",
    }
    assert again.code == 0, again.text
    assert diary(world) == {LEFT: 1, RIGHT: 1, BOTTOM: 2}


def test_it_is_held_for_one_that_may_come_from_far_down(world: World) -> None:
    plain(world, ROOT, fan_out(), hears=())
    plain(world, LEFT, step("make", note(world)), fan_out())
    plain(world, RIGHT, fan_out())
    plain(world, "one/below", step("make", note(world, hold(world))), fan_out(), hears=RIGHT)
    bottom(world, hears=(LEFT, "one/below"))
    process = world.start("exec", WORKFLOW, "--repo", ROOT, "-j", "4", "--json")
    wait_for((world.root / "go.there").exists, "the one far down was at work")
    wait_for(lambda: len(entries(world.only_workspace(), "plan")) == 3, "the left one had triggered the bottom")
    assert BOTTOM not in diary(world)
    let_go(world)

    ran = world.finish(process)

    assert ran.code == 0, ran.text
    assert diary(world) == {LEFT: 1, "one/below": 1, BOTTOM: 1}


def test_a_run_that_fails_before_its_event_holds_nothing_up(world: World) -> None:
    diamond(world, right=step("make", note(world, f"test -e {world.root}/mended")))
    bottom(world)

    ran = run(world)
    first = diary(world)
    let_go(world, "mended")
    again = resume(world)

    assert ran.code == 1
    assert first == {LEFT: 1, RIGHT: 1, BOTTOM: 1}
    # What the left one triggered had run by then, so the right one's event starts another run, which hears both.
    assert again.code == 0, again.text
    assert diary(world) == {LEFT: 1, RIGHT: 2, BOTTOM: 2}
    assert [heard_by(run) for run in planned_bottoms(world)] == [[LEFT], [LEFT, RIGHT]]


def test_one_that_does_not_wait_counts_until_it_has_emitted(world: World) -> None:
    plain(world, ROOT, fan_out(wait_for_children=False), step("after", note(world)), hears=())
    plain(world, LEFT, fan_out(wait_for_children=False))
    plain(world, RIGHT, step("make", note(world)), fan_out(wait_for_children=False), step("end", note(world)))
    bottom(world)

    ran = run(world)

    assert ran.code == 0, ran.text
    assert diary(world) == {ROOT: 1, RIGHT: 2, BOTTOM: 1}


def test_two_that_could_trigger_each_other_do_not_wait_for_ever(world: World) -> None:
    plain(world, ROOT, fan_out(), hears=())
    for name, other in (("one/ping", "one/pong"), ("one/pong", "one/ping")):
        quiet = step("make", note(world)), {**fan_out(), "if": "false"}
        bottom(world, *quiet, hears=(ROOT, other), name=name)

    ran = run(world)

    assert ran.code == 0, ran.text
    assert diary(world) == {"one/ping": 1, "one/pong": 1}


def at_hold(world: World, *, cap: str = "2") -> Any:
    """A diamond whose right side holds, so that the bottom is held."""
    diamond(world, right=step("make", note(world, hold(world))))
    bottom(world)
    process = world.start("exec", WORKFLOW, "--repo", ROOT, "-j", cap, "--json")
    wait_for((world.root / "go.there").exists, "the right one was at work")
    wait_for(lambda: len(entries(world.only_workspace(), "plan")) == 2, "the left one had triggered the bottom")
    return process


def kill_all(world: World, root: Any) -> None:
    """Kill every process of a tree, its root first, and wait for that."""
    pids = [int(line.partition(":")[0]) for line in marked(world.mark)]
    for pid in sorted(pids, key=lambda pid: pid != root.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    root.communicate()


def test_a_held_run_survives_the_death_of_its_root(world: World) -> None:
    process = at_hold(world)
    kill_all(world, process)
    let_go(world)

    ran = resume(world)

    assert ran.code == 0, ran.text
    assert diary(world) == {LEFT: 1, RIGHT: 2, BOTTOM: 1}
    (heard,) = [
        run["heard"]
        for entry in entries(world.only_workspace(), "plan")
        for run in entry.data["runs"]
        if run["repo"] == BOTTOM and run["joins"]
    ]
    assert {event["source"] for event in heard} == {LEFT, RIGHT}


def test_a_held_run_can_be_cancelled(world: World) -> None:
    process = at_hold(world)
    (held,) = [
        run["run_id"] for entry in entries(world.only_workspace(), "plan") for run in entry.data["runs"] if run["held"]
    ]
    cancelled = world.tako("cancel", world.only_workspace().name, "--child", held)
    wait_for(lambda: entries(world.only_workspace(), "ended"), "it was cancelled")
    let_go(world)

    ran = world.finish(process)

    assert cancelled.code == 0, cancelled.text
    assert ran.code == 1, ran.text
    ended = {entry.data["run_id"]: entry.data["status"] for entry in entries(world.only_workspace(), "ended")}
    assert ended[held] == "cancelled"
    # The right one's event comes after that, and starts a run of its own.
    assert diary(world) == {LEFT: 1, RIGHT: 1, BOTTOM: 1}


def test_the_timeout_of_a_fan_out_ends_what_it_holds(world: World) -> None:
    plain(world, ROOT, fan_out(), hears=())
    plain(world, LEFT, fan_out(timeout="2s"))
    plain(world, RIGHT, step("make", note(world, hold(world))), fan_out())
    bottom(world)
    process = world.start("exec", WORKFLOW, "--repo", ROOT, "-j", "2", "--json")
    wait_for((world.root / "go.there").exists, "the right one was at work")
    wait_for(lambda: entries(world.only_workspace(), "ended"), "the held run was ended")
    let_go(world)

    ran = world.finish(process)

    assert ran.code == 1, ran.text
    statuses = [
        each["failure"]["kind"] for each in ran.json()["runs"] if each["repository"] == BOTTOM and each["failure"]
    ]
    assert statuses == ["fan_out_timeout"]


def test_fail_fast_leaves_a_held_run_to_those_who_trigger_it(world: World) -> None:
    plain(world, ROOT, fan_out(), hears=())
    plain(world, LEFT, fan_out(fail_fast=True))
    plain(world, "one/bad", step("test", note(world, "exit 1")), hears=LEFT)
    plain(world, RIGHT, step("make", note(world, hold(world))), fan_out())
    bottom(world)
    process = world.start("exec", WORKFLOW, "--repo", ROOT, "-j", "2", "--json")
    wait_for((world.root / "go.there").exists, "the right one was at work")
    wait_for(lambda: entries(world.only_workspace(), "ended"), "the bad one had failed")
    let_go(world)

    ran = world.finish(process)

    assert ran.code == 1, ran.text
    assert diary(world) == {"one/bad": 1, RIGHT: 1, BOTTOM: 1}


SOURCES = "{% for each in events %}{{ each.source }} {% endfor %}"


def needs_both(world: World, **more: Any) -> None:
    """A bottom that fails without the events of both; the right one fails once, before its event."""
    diamond(world, right=step("make", note(world, f"test -e {world.root}/mended")))
    script = note(world, f"set -- {SOURCES}; echo $# >> {world.root}/heard; test $# = 2")
    bottom(world, step("test", script), **more)


def heard_counts(world: World) -> list[str]:
    return (world.root / "heard").read_text().split()


@pytest.mark.parametrize("cap", ["1", "2"])
def test_resumed_join_waits_for_emitter_that_had_failed(world: World, cap: str) -> None:
    needs_both(world)
    first = run(world, "-j", cap)
    let_go(world, "mended")

    again = resume(world, "-j", cap, "--json")

    assert first.code == 1, first.text
    assert again.code == 0, again.text
    assert diary(world) == {LEFT: 1, RIGHT: 2, BOTTOM: 2}
    assert heard_counts(world) == ["1", "2"]
    assert [run["repository"] for run in again.json()["runs"]].count(BOTTOM) == 1


def test_join_that_failed_alone_continues_where_nothing_else_comes(world: World) -> None:
    diamond(world)
    bottom(world, step("one", note(world)), step("two", f"test -e {world.root}/mended"))
    first = run(world)
    let_go(world, "mended")

    again = resume(world)

    assert (first.code, again.code) == (1, 0), again.text
    assert diary(world) == {LEFT: 1, RIGHT: 1, BOTTOM: 1}, "its first step ran again"


def test_joined_run_begins_anew_after_two_deaths_of_its_root(world: World) -> None:
    """The event joins in a first resumption, which is killed before the joined run starts; the second one starts it."""
    diamond(world, right=step("make", note(world, f"test -e {world.root}/mended")))
    plain(world, "one/slow", step("wait", note(world, hold(world))), fan_out(), hears=RIGHT)
    script = f"set -- {SOURCES}; echo $# >> {world.root}/heard; test $# -gt 1"
    bottom(world, step("one", note(world)), step("two", script), hears=(LEFT, RIGHT, "one/slow"))
    assert run(world).code == 1
    let_go(world, "mended")
    process = world.start("exec", "--resume", "@latest", "-j", "2", "--json")
    wait_for((world.root / "go.there").exists, "the slow one was at work")
    kill_all(world, process)
    let_go(world)

    ran = resume(world)

    assert ran.code == 0, ran.text
    assert heard_counts(world) == ["1", "3"]
    assert diary(world)[BOTTOM] == 2, "the first step did not run again with all events"


def test_needing_all_runs_once_with_an_event_of_each(world: World) -> None:
    diamond(world)
    bottom(world, step("test", note(world, f"echo {SOURCES} > {world.root}/heard")), coalesce="all")

    ran = run(world, "--json")

    assert ran.code == 0, ran.text
    assert diary(world) == {LEFT: 1, RIGHT: 1, BOTTOM: 1}
    assert sorted(heard_counts(world)) == [LEFT, RIGHT]


def test_needing_all_is_not_triggered_when_one_never_comes(world: World) -> None:
    diamond(world)
    plain(world, RIGHT, step("make", note(world)), {**fan_out(), "if": "false"})
    bottom(world, coalesce="all")

    ran = run(world)
    told = world.tako("status", "@latest")
    data = run(world, "--json")

    assert ran.code == 0, ran.text
    assert BOTTOM not in diary(world)
    assert f"warning: {BOTTOM}:{WORKFLOW}: not triggered: {RIGHT} did not emit made" in ran.text
    assert "skipped" in told.out
    report = data.json()
    assert by_repository(report)[BOTTOM]["status"] == "skipped"
    assert f"{BOTTOM}:{WORKFLOW}: not triggered: {RIGHT} did not emit made" in report["warnings"]


def test_needing_all_waits_over_a_resumption(world: World) -> None:
    needs_both(world, coalesce="all")
    first = run(world)
    assert BOTTOM not in diary(world)
    let_go(world, "mended")

    again = resume(world)

    assert first.code == 1, first.text
    assert f"not triggered: {RIGHT} did not emit made" in first.text
    assert again.code == 0, again.text
    assert heard_counts(world) == ["2"]


def test_preview_says_what_needs_all(world: World) -> None:
    diamond(world)
    bottom(world, coalesce="all")

    ran = run(world, "--dry-run")

    assert ran.code == 0, ran.text
    assert f"needs an event of each: {LEFT}, {RIGHT}" in ran.out


@pytest.mark.parametrize(("value", "code"), [("all", 0), ("on", 0), ("every", 2)])
def test_validate_knows_the_forms(world: World, value: str, code: int) -> None:
    bottom(world, coalesce=value)

    ran = world.tako("validate", str(world.home / "cache/repos" / BOTTOM / "main"))

    assert ran.code == code, ran.text
    assert ("must be true, false or all" in ran.text) is (code == 2)


def test_needing_all_tells_subscriptions_to_one_source_apart(world: World) -> None:
    plain(world, ROOT, fan_out(), hears=())
    plain(world, LEFT, fan_out(payload={"kind": "a"}))
    data = json.loads(config(BOTTOM, step("test", note(world, "exit 1"))))
    filters = [[f"event.payload.kind == '{kind}'"] for kind in "ab"]
    data["subscriptions"] = [subscription(LEFT, coalesce="all", filters=each) for each in filters]
    world.cached(BOTTOM, json.dumps(data), git=False)

    ran = run(world)

    assert ran.code == 0, ran.text
    assert f"not triggered: {LEFT} did not emit made with event.payload.kind == 'b'" in ran.text


def test_needing_all_is_not_waived_by_another_subscription(world: World) -> None:
    diamond(world)
    plain(world, RIGHT, step("make", note(world)), {**fan_out(), "if": "false"})
    needed = [subscription(each, coalesce="all") for each in (LEFT, RIGHT)]
    data = json.loads(config(BOTTOM, step("test", note(world))))
    data["subscriptions"] = [*needed, subscription(ROOT, coalesce=True)]
    world.cached(BOTTOM, json.dumps(data), git=False)

    ran = run(world)
    previewed = run(world, "--dry-run").out

    assert ran.code == 0, ran.text
    assert BOTTOM not in diary(world)
    assert f"{BOTTOM}:{WORKFLOW}: not triggered: {RIGHT} did not emit made" in ran.text
    assert f"would run {BOTTOM}" not in previewed


def test_join_of_repeated_step_hears_no_event_of_before(world: World) -> None:
    diamond(world)
    bottom(world, step("test", note(world, f"set -- {SOURCES}; echo $# >> {world.root}/heard")), coalesce="all")
    assert run(world).code == 0

    ran = resume(world, "--rerun-from", "announce")

    assert ran.code == 0, ran.text
    assert heard_counts(world) == ["2", "2"]


def test_repeated_step_needs_all_again(world: World) -> None:
    diamond(world, right=step("make", note(world, f"test ! -e {world.root}/broken")))
    bottom(world, coalesce="all")
    assert run(world).code == 0
    let_go(world, "broken")

    ran = resume(world, "--rerun-from", "announce")

    assert ran.code == 1, ran.text
    assert diary(world)[BOTTOM] == 1
    assert f"not triggered: {RIGHT} did not emit made" in ran.text
