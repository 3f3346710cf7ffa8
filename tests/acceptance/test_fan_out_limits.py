"""What a fan-out step says about the runs it starts: `fail_fast`, `timeout`, `concurrency_limit`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import World
from tests.acceptance.observe import entries, marked, most_at_once
from tests.acceptance.recipes import WORKFLOW, config, fan_out, step
from tests.acceptance.trees import Running, run_named, state_of, until_there

ROOT = "limit/root"


def make_root(world: World, *after: dict[str, Any], **params: Any) -> Path:
    """A root that tells all who hear it."""
    return world.working("root", config(ROOT, fan_out(**params), *after))


def hearer(world: World, name: str, *steps: dict[str, Any], hears: str = ROOT) -> None:
    """A cached repository that runs some steps because of another one."""
    world.cached(name, config(name, *steps, hears=hears), git=False)


def there(world: World, name: str) -> Path:
    """The file by which a step says that it is at work, or was."""
    return world.root / f"there-{name}"


def long(world: World, name: str) -> dict[str, Any]:
    """A step that does not end by itself."""
    return step("long", f"touch {there(world, name)}; sleep 1000")


def kinds(report: Any) -> dict[str, str]:
    """How each repository's run ended."""
    return {run["repository"]: run["failure"]["kind"] if run["failure"] else run["status"] for run in report["runs"]}


# fail_fast


def test_fail_fast_cancels_what_has_not_started(world: World) -> None:
    """What is at work goes on to its end."""
    wait = f"touch {there(world, 'b')}; {until_there(world.root / 'failed')}; echo finished"
    hearer(world, "limit/a", step("bad", f"{until_there(there(world, 'b'))}; exit 3"))
    hearer(world, "limit/b", step("good", wait))
    for name in ("limit/c", "limit/d"):
        hearer(world, name, step("never", f"touch {there(world, name[-1])}"))
    running = Running(world, "exec", WORKFLOW, "--json", "-j", "2", cwd=make_root(world, fail_fast=True))
    running.wait_for("limit/d:work cancelled")
    (world.root / "failed").touch()
    ran = running.finish()

    assert ran.code == 1, ran.text
    report = ran.json()
    assert kinds(report) == {
        "limit/a": "step_failed",
        "limit/b": "success",
        "limit/c": "cancelled",
        "limit/d": "cancelled",
    }
    for name in ("limit/c", "limit/d"):
        run = run_named(report, name)
        assert (run["status"], run["started_at"]) == ("cancelled", None)
        assert run["failure"]["message"] == "cancelled since limit/a:work failed and its fan-out is fail_fast"
        assert f"⊘ {name}:work cancelled ({run['run_id']}, 0ms): cancelled: cancelled since limit/a:work" in ran.err
        assert not there(world, name[-1]).exists()
        assert not Path(run["workspace"]).exists()
    assert report["failure"]["kind"] == "fan_out_failed"
    assert (
        "1 of 4 triggered runs failed, 2 were cancelled: limit/a:work: exit code 3; limit/c:work: cancelled"
        in report["failure"]["message"]
    )
    started = {entry.data["run_id"] for entry in entries(world.workspace(report["run_id"]), "started")}
    assert len(started) == 3, "the root, and the two that were at work"


def test_without_fail_fast_everything_runs(world: World) -> None:
    hearer(world, "limit/a", step("bad", "exit 3"))
    for name in ("limit/b", "limit/c"):
        hearer(world, name, step("good", "true"))

    ran = world.tako("exec", WORKFLOW, "--json", "-j", "1", cwd=make_root(world))

    assert kinds(ran.json()) == {"limit/a": "step_failed", "limit/b": "success", "limit/c": "success"}


def test_fail_fast_is_no_business_of_other_fan_outs(world: World) -> None:
    """A failure further down fails the child that waits for it, and that is when its siblings are cancelled."""
    hearer(world, "limit/a", fan_out())
    hearer(world, "limit/b", step("good", "true"))
    hearer(world, "limit/below-1", step("bad", "exit 3"), hears="limit/a")
    hearer(world, "limit/below-2", step("good", "true"), hears="limit/a")
    hearer(world, "limit/c", step("never", "true"))

    ran = world.tako("exec", WORKFLOW, "--json", "-j", "1", cwd=make_root(world, concurrency_limit=1, fail_fast=True))

    assert kinds(ran.json())["limit/below-2"] == "success"
    assert kinds(ran.json())["limit/a"] == "fan_out_failed"


# timeout


def test_what_has_not_ended_when_the_time_is_up_is_ended(world: World) -> None:
    """Whatever it is at: at work, waiting for another, or not yet started, here or further down."""
    hearer(world, "limit/a-done", step("good", "true"))
    hearer(world, "limit/b-waits", fan_out("tell"), step("never", "true"))
    for name in ("limit/c-long", "limit/d-long"):
        hearer(world, name, long(world, name[6]), step("never", "true"))
    hearer(world, "limit/e-to-come", step("never", f"touch {there(world, 'e')}"))
    hearer(world, "limit/f-below", step("never", f"touch {there(world, 'f')}"), hears="limit/b-waits")
    root = make_root(world, step("never", f"touch {there(world, 'after')}"), timeout="6s")
    # As soon as the first two have left work, two others have both places for ever.
    running = Running(world, "exec", WORKFLOW, "--json", "-j", "2", cwd=root)
    ran = running.finish()

    assert ran.code == 1, ran.text
    assert not marked(world.mark)
    report = ran.json()
    assert there(world, "c").exists(), "the machine was too slow for this test"
    assert there(world, "d").exists(), "the machine was too slow for this test"
    late = ("limit/b-waits", "limit/c-long", "limit/d-long", "limit/e-to-come", "limit/f-below")
    assert kinds(report) == {"limit/a-done": "success", **dict.fromkeys(late, "fan_out_timeout")}
    own, ended = "took longer than its timeout of 6.0s", "; it was ended by SIGTERM"
    told = {name: run_named(report, name) for name in late}
    assert {run["status"] for run in told.values()} == {"failed"}
    assert {name: (run["failure"]["step"], run["failure"]["message"]) for name, run in told.items()} == {
        "limit/b-waits": ("tell", f"its fan-out {own}"),
        "limit/c-long": ("long", f"its fan-out {own}{ended}"),
        "limit/d-long": ("long", f"its fan-out {own}{ended}"),
        "limit/e-to-come": (None, f"its fan-out {own}"),
        "limit/f-below": (None, f"the fan-out of limit/root:work {own}"),
    }
    for name in ("limit/e-to-come", "limit/f-below"):
        assert (run_named(report, name)["started_at"], there(world, name[6]).exists()) == (None, False)
    assert (report["failure"]["kind"], report["failure"]["step"]) == ("fan_out_timeout", "announce")
    assert [one["status"] for one in report["steps"]] == ["failed"]
    assert state_of(world.workspace(report["run_id"]))["failure"]["kind"] == "fan_out_timeout"
    assert "step 'announce' failed: its fan-out took longer than its timeout of 6.0s" in ran.err
    assert not there(world, "after").exists()


def test_what_was_triggered_further_down_is_ended_too(world: World) -> None:
    hearer(world, "limit/waits", fan_out("tell"), step("never", f"touch {there(world, 'never')}"))
    hearer(world, "limit/below", fan_out("tell"), hears="limit/waits")
    hearer(world, "limit/deep", long(world, "deep"), hears="limit/below")
    running = Running(world, "exec", WORKFLOW, "--json", "-j", "1", cwd=make_root(world, timeout="6s"))
    ran = running.finish()

    assert there(world, "deep").exists(), "the machine was too slow for this test"
    assert kinds(ran.json()) == dict.fromkeys(("limit/waits", "limit/below", "limit/deep"), "fan_out_timeout")
    assert not there(world, "never").exists()
    assert not marked(world.mark)


def test_a_fan_out_of_a_child_has_a_time_of_its_own(world: World) -> None:
    hearer(world, "limit/hurried", fan_out("tell", timeout="1s"), step("never", "true"))
    hearer(world, "limit/below", long(world, "below"), hears="limit/hurried")
    hearer(world, "limit/calm", step("good", "true"))

    ran = world.tako("exec", WORKFLOW, "--json", "-j", "2", cwd=make_root(world))

    report = ran.json()
    assert kinds(report) == {
        "limit/hurried": "fan_out_timeout",
        "limit/below": "fan_out_timeout",
        "limit/calm": "success",
    }
    assert run_named(report, "limit/hurried")["failure"]["step"] == "tell"
    assert report["failure"]["kind"] == "fan_out_failed"


def test_a_step_that_ignores_sigterm_is_killed_when_its_fan_outs_time_is_up(world: World) -> None:
    deaf = f"trap '' TERM; touch {there(world, 'deaf')}; sleep 1000; sleep 1000"
    hearer(world, "limit/deaf", step("deaf", deaf))

    ran = world.tako("exec", WORKFLOW, "--json", cwd=make_root(world, timeout="1s"))

    failure = run_named(ran.json(), "limit/deaf")["failure"]
    assert (failure["kind"], failure["step"], failure["signal"]) == ("fan_out_timeout", "deaf", 9)
    assert failure["message"].endswith("; it did not end when asked to, and was killed by SIGKILL")
    assert not marked(world.mark)


def test_the_time_of_a_fan_out_that_nobody_waits_for_counts_all_the_same(world: World) -> None:
    hearer(world, "limit/long", long(world, "long"))
    after = step("after", f"{until_there(there(world, 'long'))}; touch {there(world, 'after')}")

    ran = world.tako("exec", WORKFLOW, "--json", cwd=make_root(world, after, wait_for_children=False, timeout="3s"))

    assert ran.code == 1, ran.text
    report = ran.json()
    assert (kinds(report), report["success"]) == ({"limit/long": "fan_out_timeout"}, False)
    assert there(world, "after").exists()
    assert "execution failed: 1 triggered runs failed; nobody waited for it" in ran.err


def test_what_ends_in_time_is_not_touched(world: World) -> None:
    hearer(world, "limit/quick", fan_out("tell", timeout="2m"))
    hearer(world, "limit/below", step("good", "true"), hears="limit/quick")
    # The run goes on for longer than the fan-out might have.
    after = step("after", f"{until_there(world.root / 'go')}; echo fine")
    running = Running(world, "exec", WORKFLOW, "--json", cwd=make_root(world, after, timeout="4s"))
    running.wait_for("✓ step 'announce' success")
    sleeper = Running(world, "exec", WORKFLOW, cwd=world.working("sleeper", config("limit/s", step("s", "sleep 4"))))
    assert sleeper.finish().code == 0
    (world.root / "go").touch()

    assert running.finish().code == 0


# concurrency_limit

WATCHED = """
echo begin >> {diary}
touch {seen}/$TAKO_RUN_ID
until [ "$(ls {seen} | wc -l)" -ge {together} ]; do sleep 0.02; done
echo end >> {diary}
"""


def watched(world: World, together: int) -> dict[str, Any]:
    """A step that goes on as soon as so many of its kind are, or were, at work."""
    seen = world.root / "seen"
    seen.mkdir(exist_ok=True)
    return step("it", WATCHED.format(diary=world.root / "diary", seen=seen, together=together))


def at_once(world: World) -> int:
    """How many were at work at the same time at most; a line is one write."""
    most = now = 0
    for line in (world.root / "diary").read_text().splitlines():
        now += 1 if line == "begin" else -1
        most = max(most, now)
    return most


@pytest.mark.parametrize(("limit", "cap", "expected"), [(2, 4, 2), (1, 4, 1), (3, 2, 2), (6, 3, 3)])
def test_never_more_are_at_work_than_the_limit_says_nor_than_the_cap(
    world: World, limit: int, cap: int, expected: int
) -> None:
    for number in range(6):
        hearer(world, f"limit/c{number}", watched(world, expected))
    root = make_root(world, concurrency_limit=limit)

    running = Running(world, "exec", WORKFLOW, "--json", "-j", str(cap), cwd=root)
    most, _seen = most_at_once(running.pid, lambda: running.process.poll() is None)
    ran = running.finish()

    assert ran.code == 0, ran.text
    assert at_once(world) == expected
    assert most == expected
    assert len(ran.json()["runs"]) == 6


def test_the_limit_is_one_of_its_own_runs_only(world: World) -> None:
    """Those further down, and those of other fan-outs, do not count."""
    hearer(world, "limit/a", fan_out("tell"))
    hearer(world, "limit/b", fan_out("tell"))
    for number in range(3):
        hearer(world, f"limit/below{number}", watched(world, 3), hears="limit/a")

    ran = world.tako("exec", WORKFLOW, "--json", "-j", "4", cwd=make_root(world, concurrency_limit=1))

    assert ran.code == 0, ran.text
    assert at_once(world) == 3


def test_two_fan_outs_with_limits_work_beside_each_other(world: World) -> None:
    """Each of two fan-outs has one at work: one alone would wait for ever for the other."""
    aside = {"wait_for_children": False, "concurrency_limit": 1}
    for number in range(2):
        hearer(world, f"limit/c{number}", watched(world, 2))
    root = world.working("root", config(ROOT, fan_out("one", **aside), fan_out("two", **aside)))

    ran = world.tako("exec", WORKFLOW, "--json", "-j", "4", cwd=root)

    assert ran.code == 0, ran.text
    assert len(ran.json()["runs"]) == 4
    assert at_once(world) == 2
