"""A run that waits is not a process: what that promises at every cap, seen from outside."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Ran, World
from tests.acceptance.observe import children_at_work, entries, most_at_once, wait_for
from tests.acceptance.recipes import WORKFLOW, config, fan_out, step


def make_plain(world: World, name: str, tako_yml: str) -> None:
    """A cached repository without git: many of them cost little."""
    world.cached(name, tako_yml, git=False)


def diary(world: World) -> Path:
    """A file outside of all runs, to which steps append."""
    return world.root / "diary"


def write(world: World, text: str) -> str:
    """The script that appends a line; the shell's ``>>`` does it in one write."""
    return f'echo "{text}" >> {diary(world)}'


def at_once(lines: Iterable[str]) -> int:
    """How many of those who wrote ``begin`` and ``end`` were between the two at most."""
    most = now = 0
    for line in lines:
        now += 1 if line.startswith("begin") else -1
        most = max(most, now)
    return most


def make_chain(world: World, length: int) -> Path:
    """A root with a chain of as many repositories below it, each waiting for the next; returns the root's place."""
    names = ["link/0", *(f"link/{number}" for number in range(1, length + 1))]
    for above, name in pairwise(names):
        last = name == names[-1]
        steps = [step("down", write(world, f"down {name}")), *([] if last else [fan_out()])]
        make_plain(world, name, config(name, *steps, step("up", write(world, f"up {name}")), hears=above))
    return world.working("root", config("link/0", fan_out(), step("up", write(world, "up link/0"))))


def test_ten_nested_fan_outs_complete_one_at_a_time(world: World) -> None:
    root = make_chain(world, 10)

    process = world.start("exec", WORKFLOW, "-j", "1", "--json", cwd=root)
    most, seen = most_at_once(process.pid, lambda: process.poll() is None)
    ran = world.finish(process)

    assert ran.code == 0, ran.text
    assert most == 1
    # Each but the last was a process twice: until its fan-out, and after it.
    assert len(seen) > 10
    down = [f"down link/{number}" for number in range(1, 11)]
    up = [f"up link/{number}" for number in range(10, -1, -1)]
    assert diary(world).read_text().splitlines() == down + up
    report = ran.json()
    assert {run["status"] for run in report["runs"]} == {"success"}
    assert [run["depth"] for run in report["runs"]] == list(range(1, 11))
    assert report["warnings"] == [
        f"{depth} fan-outs below each other; at most 10 are allowed" for depth in range(7, 11)
    ]


def test_an_eleventh_nested_fan_out_is_refused_with_its_path(world: World) -> None:
    root = make_chain(world, 11)

    ran = world.tako("exec", WORKFLOW, cwd=root)

    assert ran.code == 1, ran.text
    path = " → ".join(f"link/{number}:{WORKFLOW}" for number in range(12))
    assert f"more than 10 fan-outs below each other: {path}" in ran.err
    assert "warning: 7 fan-outs below each other; at most 10 are allowed" in ran.err
    lines = diary(world).read_text().splitlines()
    assert lines == [f"down link/{number}" for number in range(1, 11)], "something ran below, or went on, after all"


BRANCHES = 5


def make_tree(world: World) -> Path:
    """A root with five subscribers that have five each; all but the root write when they begin and end."""
    work = [step("begin", write(world, "begin")), step("end", write(world, "end"))]
    for middle in range(BRANCHES):
        steps = [*work, fan_out(), step("again", f"{write(world, 'begin')}; {write(world, 'end')}")]
        make_plain(world, f"middle/{middle}", config(f"middle/{middle}", *steps, hears="top/root"))
        for leaf in range(BRANCHES):
            name = f"leaf/{middle}{leaf}"
            make_plain(world, name, config(name, *work, hears=f"middle/{middle}"))
    return world.working("root", config("top/root", fan_out(), step("after", "true")))


@pytest.mark.parametrize("cap", [1, 3])
def test_a_tree_of_three_levels_never_has_more_children_than_the_cap(world: World, cap: int) -> None:
    root = make_tree(world)

    process = world.start("exec", WORKFLOW, "-j", str(cap), "--json", cwd=root)
    most, _ = most_at_once(process.pid, lambda: process.poll() is None)
    ran = world.finish(process)

    assert ran.code == 0, ran.text
    assert 1 <= most <= cap
    lines = diary(world).read_text().splitlines()
    # A middle one begins and ends once before it waits and once after.
    assert len(lines) == 2 * (2 * BRANCHES + BRANCHES**2)
    assert at_once(lines) <= cap
    report = ran.json()
    assert len(report["runs"]) == BRANCHES + BRANCHES**2
    assert {run["status"] for run in report["runs"]} == {"success"}


def test_as_many_children_as_the_cap_do_work_at_once(world: World) -> None:
    enough = world.root / "enough"
    # Nobody ends before the test has seen three at work, so a cap that was not used in full would never end.
    meet = f"{write(world, 'begin')}; until [ -e {enough} ]; do sleep 0.02; done; {write(world, 'end')}"
    for number in range(7):
        make_plain(world, f"leaf/{number}", config(f"leaf/{number}", step("meet", meet), hears="top/root"))
    root = world.working("root", config("top/root", fan_out()))

    process = world.start("exec", WORKFLOW, "-j", "3", cwd=root)
    wait_for(
        lambda: len(children_at_work(process.pid)) == 3 and begun(world) == 3, "three children are at work at once"
    )
    enough.touch()
    most, _ = most_at_once(process.pid, lambda: process.poll() is None)
    ran = world.finish(process)

    assert ran.code == 0, ran.text
    assert most <= 3
    lines = diary(world).read_text().splitlines()
    assert len(lines) == 2 * 7
    assert at_once(lines) == 3


def begun(world: World) -> int:
    """How many children have written that they have begun."""
    return diary(world).read_text().count("begin") if diary(world).exists() else 0


# Reads the pid in the state of the run above it, and says whether there is still a child process of that id.
LOOK_UP = """
pid=$(sed -E 's/.*"pid":([0-9]+).*/\\1/' "$TAKO_WORKSPACE/../../state.json")
if grep -q runner_child /proc/$pid/cmdline 2>/dev/null; then echo alive; else echo gone; fi
"""


def test_a_suspended_child_is_no_process_while_its_subscribers_run(world: World) -> None:
    world.cached("chain/middle", config("chain/middle", fan_out(), step("after", "true"), hears="chain/root"))
    look = step("look", LOOK_UP, produces={"outputs": {"above": "from_stdout"}})
    world.cached("chain/leaf", config("chain/leaf", look, hears="chain/middle"))
    root = world.working("root", config("chain/root", fan_out()))

    ran = world.tako("exec", WORKFLOW, "--json", cwd=root)

    assert ran.code == 0, ran.text
    middle, leaf = ran.json()["runs"]
    assert leaf["outputs"]["look"]["above"] == "gone"
    # The look was at the right process: the first of the two that the middle one was.
    pids = [entry.data["pid"] for entry in entries(world.only_workspace(), "started") if is_of(entry.data, middle)]
    assert len(pids) == 2
    assert pids[0] != pids[1]


def is_of(data: Any, run: Any) -> bool:
    """Whether a journal's entry is about a run."""
    return bool(data["run_id"] == run["run_id"])


def two_fan_outs(world: World) -> tuple[dict[str, Any], ...]:
    """The steps of a workflow with two fan-outs; what comes before one is used after it."""
    return (
        step(
            "build",
            f'{write(world, "$TAKO_REPO build")}; echo made > made.txt; echo "version=1.5" >> "$TAKO_OUTPUT"',
            produces={"outputs": {"shade": "from_env:SHADE"}},
            env={"SHADE": "deep blue"},
        ),
        fan_out("first", payload={"round": "1"}),
        step("middle", f"cat made.txt; {write(world, '$TAKO_REPO middle {{ steps.build.outputs.version }}')}"),
        fan_out("second", payload={"round": "2"}),
        step(
            "last",
            write(world, "$TAKO_REPO last {{ steps.build.outputs.shade }} {{ steps.second.outputs.succeeded }}"),
        ),
    )


def test_a_resumed_run_goes_on_at_its_next_step_with_all_it_had(world: World) -> None:
    make_plain(world, "two/middle", config("two/middle", *two_fan_outs(world), hears="two/root"))
    listen = json.loads(config("two/leaf", step("hear", write(world, "leaf $TAKO_INPUT_ROUND")), hears="two/middle"))
    listen["workflows"][WORKFLOW]["inputs"] = {"round": {"required": True}}
    listen["subscriptions"][0]["inputs"] = {"round": "{{ event.payload.round }}"}
    make_plain(world, "two/leaf", json.dumps(listen))
    root = world.working("root", config("two/root", fan_out()))

    ran = world.tako("exec", WORKFLOW, "--json", cwd=root)

    assert ran.code == 0, ran.text
    assert diary(world).read_text().splitlines() == [
        "two/middle build",
        "leaf 1",
        "two/middle middle 1.5",
        "leaf 2",
        "two/middle last deep blue 1",
    ]
    middle = ran.json()["runs"][0]
    assert middle["outputs"]["first"]["children"] == "1"
    log = Path(middle["workspace"], "logs", "middle.log").read_text()
    assert log == "made\n", "the checkout was not the one it had before it waited"


def test_the_root_too_may_fan_out_in_the_middle_and_twice(world: World) -> None:
    make_plain(world, "two/leaf", config("two/leaf", step("hear", write(world, "leaf")), hears="two/root"))
    root = world.working("root", config("two/root", *two_fan_outs(world)))

    ran = world.tako("exec", WORKFLOW, cwd=root)

    assert ran.code == 0, ran.text
    assert diary(world).read_text().splitlines() == [
        "two/root build",
        "leaf",
        "two/root middle 1.5",
        "leaf",
        "two/root last deep blue 1",
    ]


def run_cycle(world: World, *names: str) -> Ran:
    """Repositories each of which hears the one before it, the first the last; the first is the root."""
    for position, name in enumerate(names):
        steps = [step("begin", write(world, name)), fan_out()]
        make_plain(world, name, config(name, *steps, hears=names[position - 1]))
    return world.tako("exec", WORKFLOW, "--repo", names[0])


@pytest.mark.parametrize("names", [("ring/a",), ("ring/a", "ring/b"), ("ring/a", "ring/b", "ring/c")])
def test_a_cycle_is_refused_with_its_path(world: World, names: tuple[str, ...]) -> None:
    ran = run_cycle(world, *names)

    assert ran.code == 1, ran.text
    path = " -> ".join((*names, names[0]))
    assert f"circular dependency detected: {path} (workflows {names[0]}:{WORKFLOW} -> " in ran.err
    assert "Success: false" in ran.out
    assert diary(world).read_text().split() == list(names), "each ran once, and nothing after the refusal"


def test_a_cycle_below_the_root_names_only_the_runs_in_it(world: World) -> None:
    make_plain(world, "ring/b", config("ring/b", fan_out(), hears=["ring/a", "ring/c"]))
    make_plain(world, "ring/c", config("ring/c", fan_out(), hears="ring/b"))
    root = world.working("root", config("ring/a", fan_out()))

    ran = world.tako("exec", WORKFLOW, cwd=root)

    assert ran.code == 1, ran.text
    # b runs because of a, then because of c, and c because of b; only the second round of c is the same again.
    assert (
        "circular dependency detected: ring/c -> ring/b -> ring/c (workflows ring/c:work -> ring/b:work -> " in ran.err
    )


def test_a_run_that_waited_needs_nothing_of_the_cache_to_go_on(world: World) -> None:
    gone = world.cached("chain/middle", config("chain/middle", fan_out(), step("after", "true"), hears="chain/root"))
    aside = world.root / "aside"
    world.cached("chain/leaf", config("chain/leaf", step("away", f"mv {gone} {aside}"), hears="chain/middle"))
    root = world.working("root", config("chain/root", fan_out()))

    ran = world.tako("exec", WORKFLOW, cwd=root)

    assert ran.code == 0, ran.text
    assert aside.is_dir()
