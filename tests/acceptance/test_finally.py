"""``finally``: what a workflow does at its end, however that comes about."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Ran, World
from tests.acceptance.observe import wait_for
from tests.acceptance.recipes import WORKFLOW, config, fan_out, step
from tests.acceptance.trees import Running, state_of, workspaces

NAME = "fin/root"


def notes(world: World, name: str = "root") -> Path:
    """Where the finally step of a run writes how the run ended."""
    return world.root / f"notes-{name}"


def noting(world: World, name: str = "root", script: str = "", **more: Any) -> list[dict[str, Any]]:
    """A finally step that writes down how the run has ended."""
    line = f'echo "$TAKO_STATUS {{{{ status }}}} {{{{ error.kind | default("none") }}}}" >> {notes(world, name)}'
    return [step("note", f"{line}\n{script}", **more)]


def waiting(world: World, name: str = "there") -> str:
    """A script that tells that it is at work, and does not end by itself."""
    return f"touch {world.root}/{name}; sleep 1000; sleep 1000"


def root(world: World, *steps: dict[str, Any], **workflow: Any) -> Path:
    return world.working("root", config(NAME, *steps, **workflow))


def statuses(ran: Ran) -> dict[str, str]:
    return {each["id"]: each["status"] for each in ran.json()["steps"]}


@pytest.mark.parametrize(
    ("steps", "more", "code", "said"),
    [
        ([step("it", "true")], {}, 0, "success success none"),
        ([step("it", "exit 3"), step("never", "touch never")], {}, 1, "failed failed step_failed"),
        ([step("it", "sleep 1000; true", timeout="200ms")], {}, 1, "timeout timeout step_timeout"),
        ([step("it", "sleep 1000; true")], {"timeout": "200ms"}, 1, "timeout timeout workflow_timeout"),
        ([step("it", "exit 3", continue_on_error=True)], {}, 0, "success success none"),
        ([step("it", "echo {{ inputs.gone }}")], {"inputs": {"gone": {}}}, 1, ""),
        ([], {}, 0, "success success none"),
    ],
)
def test_it_runs_once_however_the_steps_end(
    world: World, steps: list[dict[str, Any]], more: dict[str, Any], code: int, said: str
) -> None:
    directory = root(
        world, *(steps or [step("skipped", "false", **{"if": "false"})]), **more, **{"finally": noting(world)}
    )
    ran = world.tako("exec", WORKFLOW, "--json", cwd=directory)

    assert ran.code == code, ran.text
    assert not (directory / "never").exists()
    if said:
        assert notes(world).read_text() == f"{said}\n"
        assert statuses(ran)["note"] == "success"


def test_child_runs_it_however_its_steps_end(world: World) -> None:
    ends = {"fine": ("true", {}), "fails": ("exit 3", {}), "slow": ("sleep 1000; true", {"timeout": "300ms"})}
    for name, (script, more) in ends.items():
        content = config(f"fin/{name}", step("it", script), hears=NAME, **more, **{"finally": noting(world, name)})
        world.cached(f"fin/{name}", content)
    ran = world.tako("exec", WORKFLOW, "--json", cwd=root(world, fan_out()))

    assert ran.code == 1
    assert [notes(world, name).read_text().split()[0] for name in ends] == ["success", "failed", "timeout"]
    assert {run["repository"]: run["steps"][-1]["finally"] for run in ran.json()["runs"]} == {
        f"fin/{name}": True for name in ends
    }


@pytest.mark.parametrize(
    ("by", "code", "said"),
    [("SIGINT", 130, "interrupted"), ("SIGTERM", 143, "cancelled"), ("SIGHUP", 129, "interrupted")],
)
def test_root_and_child_run_it_when_they_are_stopped(world: World, by: str, code: int, said: str) -> None:
    child = config("fin/child", step("it", waiting(world, "child")), hears=NAME, **{"finally": noting(world, "child")})
    world.cached("fin/child", child)
    steps = (fan_out(wait_for_children=False), step("it", waiting(world)))
    running = Running(world, "exec", WORKFLOW, "-j", "2", cwd=root(world, *steps, **{"finally": noting(world)}))
    wait_for(lambda: (world.root / "there").exists() and (world.root / "child").exists(), "both were at work")
    running.send(getattr(signal, by))

    assert running.finish().code == code
    assert notes(world).read_text() == f"{said} {said} interrupted\n"
    child_said = "interrupted" if by == "SIGINT" else "cancelled"
    assert notes(world, "child").read_text() == f"{child_said} {child_said} interrupted\n"


def test_second_interrupt_ends_it_at_once(world: World) -> None:
    final = noting(world, script=waiting(world, "final"))
    running = Running(world, "exec", WORKFLOW, cwd=root(world, step("it", waiting(world)), **{"finally": final}))
    wait_for((world.root / "there").exists, "the step was at work")
    running.send(signal.SIGINT)
    wait_for((world.root / "final").exists, "the finally step was at work")
    running.send(signal.SIGINT)

    assert running.finish().code == 130
    assert state_of(workspaces(world)[0])["finals"] == []


def test_it_is_bounded_when_somebody_waits_for_the_end(world: World) -> None:
    final = noting(world, script="sleep 1000; true", timeout="300ms")
    running = Running(world, "exec", WORKFLOW, cwd=root(world, step("it", waiting(world)), **{"finally": final}))
    wait_for((world.root / "there").exists, "the step was at work")
    running.send(signal.SIGINT)

    assert running.finish().code == 130
    (final_record,) = state_of(workspaces(world)[0])["finals"]
    assert final_record["failure"]["kind"] == "step_timeout"


def test_failing_finally_step_fails_the_run(world: World) -> None:
    final = [step("one", "exit 4"), step("two", f"touch {world.root}/two")]
    ran = world.tako("exec", WORKFLOW, "--json", cwd=root(world, step("it", "true"), **{"finally": final}))

    assert ran.code == 1
    failure = ran.json()["failure"]
    assert (failure["kind"], failure["step"], failure["exit_code"]) == ("step_failed", "one", 4)
    assert (world.root / "two").exists()


def test_failing_finally_step_never_hides_the_first_failure(world: World) -> None:
    final = [step("one", "exit 4")]
    ran = world.tako("exec", WORKFLOW, "--json", cwd=root(world, step("it", "exit 3"), **{"finally": final}))

    failure = ran.json()["failure"]
    assert (failure["kind"], failure["step"], failure["exit_code"]) == ("step_failed", "it", 3)
    assert "its finally step 'one' failed as well: exit code 4" in failure["message"]


def test_conditions_see_how_the_run_ended(world: World) -> None:
    final = [
        step("good", "true", **{"if": "status == 'success'"}),
        step("bad", "true", **{"if": "status != 'success' && error.exit_code == 3"}),
        step("say", "echo '{{ steps.it.outputs.v }} {{ steps.bad.status }}'"),
    ]
    it = step("it", "echo v=1 >> $TAKO_OUTPUT")
    ran = world.tako("exec", WORKFLOW, "--json", cwd=root(world, it, step("b", "exit 3"), **{"finally": final}))

    assert {name: status for name, status in statuses(ran).items() if name not in ("it", "b")} == {
        "good": "skipped",
        "bad": "success",
        "say": "success",
    }
    assert (workspaces(world)[0] / "logs" / "say.log").read_text() == "1 success\n"


def test_waiting_run_ends_when_its_fan_out_has(world: World) -> None:
    world.cached("fin/child", config("fin/child", step("it", f"test ! -e {notes(world)}"), hears=NAME))
    directory = root(world, fan_out(), step("after", f"test ! -e {notes(world)}"), **{"finally": noting(world)})

    assert world.tako("exec", WORKFLOW, cwd=directory).code == 0
    assert notes(world).read_text() == "success success none\n"


@pytest.mark.parametrize(("by", "said"), [("SIGINT", "interrupted"), ("SIGTERM", "cancelled")])
def test_runs_that_wait_are_started_for_it_when_the_tree_is_stopped(world: World, by: str, said: str) -> None:
    middle = config("fin/middle", fan_out(), hears=NAME, **{"finally": noting(world, "middle")})
    world.cached("fin/middle", middle)
    world.cached("fin/leaf", config("fin/leaf", step("it", waiting(world)), hears="fin/middle"))
    directory = root(world, fan_out(), **{"finally": noting(world)})
    running = Running(world, "exec", WORKFLOW, "-j", "1", cwd=directory)
    wait_for((world.root / "there").exists, "the leaf was at work")
    running.send(getattr(signal, by))

    assert running.finish().code > 128
    assert notes(world).read_text() == f"{said} {said} interrupted\n"
    assert notes(world, "middle").read_text() == f"{said} {said} interrupted\n"

    (world.root / "there").unlink()
    resumed = Running(world, "exec", "--resume", "@latest", cwd=directory)
    wait_for((world.root / "there").exists, "the leaf was at work again")
    resumed.send(signal.SIGINT)
    assert resumed.finish().code == 130
    assert notes(world).read_text().splitlines()[1:] == ["interrupted interrupted interrupted"]


def test_run_that_waits_is_started_for_it_when_it_is_cancelled(world: World) -> None:
    middle = config("fin/middle", fan_out(), hears=NAME, **{"finally": noting(world, "middle", script="exit 5")})
    world.cached("fin/middle", middle)
    world.cached("fin/leaf", config("fin/leaf", step("it", waiting(world)), hears="fin/middle"))
    running = Running(world, "exec", WORKFLOW, "-j", "1", "--json", cwd=root(world, fan_out()))
    wait_for((world.root / "there").exists, "the leaf was at work")
    (workspace,) = workspaces(world)
    (child,) = [path for path in (workspace / "children").iterdir() if state_of(path)["repo"] == "fin/middle"]
    assert world.tako("cancel", workspace.name, "--child", child.name).code == 0

    runs = {run["repository"]: run for run in json.loads(running.finish().out)["runs"]}
    assert notes(world, "middle").read_text() == "cancelled cancelled cancelled\n"
    assert runs["fin/middle"]["status"] == "cancelled"
    assert "its finally step 'note' failed as well: exit code 5" in runs["fin/middle"]["failure"]["message"]


def test_run_that_crashed_is_started_for_it(world: World) -> None:
    crash = step("it", "kill -KILL $PPID; sleep 1000")
    world.cached("fin/child", config("fin/child", crash, hears=NAME, **{"finally": noting(world, "child")}))
    ran = world.tako("exec", WORKFLOW, "--json", cwd=root(world, fan_out()))

    (run,) = ran.json()["runs"]
    assert run["failure"]["kind"] == "killed"
    assert notes(world, "child").read_text() == "failed failed killed\n"


def test_resumed_run_that_failed_runs_it_again(world: World) -> None:
    directory = root(world, step("it", f"test -e {world.root}/go"), **{"finally": noting(world)})
    assert world.tako("exec", WORKFLOW, cwd=directory).code == 1
    (world.root / "go").touch()
    assert world.tako("exec", "--resume", "@latest", cwd=directory).code == 0

    assert notes(world).read_text() == "failed failed step_failed\nsuccess success none\n"


def test_resumed_run_of_which_only_the_end_failed_runs_that_alone(world: World) -> None:
    count = world.root / "count"
    final = noting(world, script=f"test -e {world.root}/go")
    directory = root(world, step("it", f"echo x >> {count}"), **{"finally": final})
    assert world.tako("exec", WORKFLOW, cwd=directory).code == 1
    (world.root / "go").touch()
    assert world.tako("exec", "--resume", "@latest", cwd=directory).code == 0

    assert count.read_text() == "x\n"
    assert notes(world).read_text() == "success success none\n" * 2


def test_services_are_there_until_it_has_run(world: World) -> None:
    port = world.root / "serves"
    serve = step(
        "serve", f"touch {port}; trap 'rm {port}; exit 0' TERM; while :; do sleep 0.05; done", long_running=True
    )
    wait = {"id": "wait", "uses": "tako/poll@v1", "with": {"target": "file", "path": "made"}}
    directory = root(
        world,
        serve,
        step("make", f"until test -e {port}; do sleep 0.02; done; touch made"),
        wait,
        **{"finally": [step("use", f"test -e {port}")]},
    )

    assert world.tako("exec", WORKFLOW, cwd=directory).code == 0
    assert not port.exists()


def test_it_is_shown_wherever_steps_are(world: World) -> None:
    final = [{**step("clean", "rm -f x"), "name": "Clean up"}]
    directory = root(world, step("it", "true"), **{"finally": final})
    dry = world.tako("exec", WORKFLOW, "--dry-run", cwd=directory)
    ran = world.tako("exec", WORKFLOW, cwd=directory)
    status = world.tako("status", "@latest")
    verbose = world.tako("exec", WORKFLOW, "-v", cwd=directory)

    assert "finally clean (Clean up): rm -f x" in dry.out
    assert "✓ clean: Clean up (" in ran.out
    assert ", finally)" in ran.out
    assert ", finally)" in status.out
    assert "step 'clean'" in verbose.err


@pytest.mark.parametrize(
    ("final", "said"),
    [
        ([fan_out()], "must not be a fan-out: a run that has ended triggers nothing"),
        ([{"run": "x", "produces": {"events": [{"type": "a"}]}}], "is not for a step of 'finally'"),
        ([{"run": "x", "long_running": True}], "unknown field 'long_running'"),
        ([{"id": "it", "run": "x"}], "duplicate step id 'it'"),
        ([{"run": "echo {{ statu }}"}], "`statu` is not known here"),
        ([{"run": "x", "timeout": "soon"}], "finally step 1"),
        ("", "must"),
    ],
)
def test_what_cannot_be_is_refused(world: World, final: Any, said: str) -> None:
    directory = root(world, step("it", "true"), **{"finally": final})
    ran = world.tako("validate", cwd=directory)

    assert (ran.code, said in ran.text) == (2, True), ran.text


def test_status_is_for_finally_only(world: World) -> None:
    ran = world.tako("validate", cwd=root(world, step("it", "echo {{ status }}")))

    assert "`status` is there in 'finally' only" in ran.text
