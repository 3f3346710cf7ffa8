"""What crashed is tried again, what failed by itself is not; what crashes again and again is not started any more."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance import own_code
from tests.acceptance.conftest import World
from tests.acceptance.observe import entries, marked
from tests.acceptance.recipes import WORKFLOW, config, fan_out, step
from tests.acceptance.trees import Running, run_named, state_of

ROOT = "retry/root"
CHILD = "retry/child"
TWICE = {"attempts": 2, "delay": "10ms"}
# What it printed last is in the step's log before it dies.
CRASH = """{ echo dying; until grep -q dying "$TAKO_WORKSPACE/logs/$TAKO_STEP_ID.log"; do sleep 0.01; done
kill -KILL $PPID; sleep 1000; }"""
CRASH_AT_FIRST = f'[ "$TAKO_ATTEMPT" = 2 ] || {CRASH}'


def make_root(world: World, **params: Any) -> Path:
    """A root that tells all who hear it."""
    return world.working("root", config(ROOT, fan_out(**params)))


def hearer(world: World, name: str, *steps: dict[str, Any], hears: str = ROOT) -> None:
    """A cached repository that runs some steps because of another one."""
    world.cached(name, config(name, *steps, hears=hears), git=False)


def diary(world: World) -> list[str]:
    """What the steps wrote down, outside of all runs."""
    path = world.root / "diary"
    return path.read_text().splitlines() if path.exists() else []


def write(world: World, text: str) -> str:
    return f'echo "{text}" >> {world.root}/diary'


def logs(directory: Path) -> dict[str, str]:
    """The steps' logs in a directory."""
    return {path.stem: path.read_text() for path in directory.glob("*.log")}


def test_a_child_that_crashed_goes_on_where_it_was(world: World) -> None:
    before = f'{write(world, "before $TAKO_ATTEMPT")}; echo "made=here" >> "$TAKO_OUTPUT"; echo kept > kept.txt'
    crash = f"{write(world, 'crash $TAKO_ATTEMPT')}; echo try $TAKO_ATTEMPT; {CRASH_AT_FIRST}"
    after = write(world, "after $TAKO_ATTEMPT {{ steps.before.outputs.made }} $(cat kept.txt)")
    hearer(world, CHILD, step("before", before), step("crash", crash), step("after", after))

    ran = world.tako("exec", WORKFLOW, "--json", cwd=make_root(world, retry=TWICE))

    assert ran.code == 0, ran.text
    assert diary(world) == ["before 1", "crash 1", "crash 2", "after 2 here kept"]
    run = run_named(ran.json(), CHILD)
    assert (run["status"], run["failure"]) == ("success", None)
    (attempt,) = run["attempts"]
    failure = attempt["failure"]
    assert attempt["number"] == 1
    assert 0 < attempt["duration_seconds"] < run["duration_seconds"]
    assert (failure["kind"], failure["step"], failure["signal"]) == ("killed", "crash", signal.SIGKILL)
    assert failure["log"] == ["try 1", "dying"]
    workspace = Path(run["workspace"])
    assert logs(workspace / "attempt-1") == {"before": "", "crash": "try 1\ndying\n"}
    assert logs(workspace / "logs") == {"crash": "try 2\n", "after": ""}
    assert sorted(path.name for path in workspace.glob("attempt-*")) == ["attempt-1"]
    assert [one["id"] for one in state_of(workspace)["steps"]] == ["before", "crash", "after"]
    # In words, while it happens and afterwards.
    crashed = f"↻ {CHILD}:{WORKFLOW} ({run['run_id']}) crashed at try 1: killed at step 'crash': "
    assert crashed in ran.err
    told = world.tako("status", ran.json()["run_id"]).out
    assert "2 tries" in told
    assert f"{CHILD}:{WORKFLOW}: try 1: killed at step 'crash': the child process was killed by SIGKILL" in told
    assert [one["number"] for one in world.tako("status", ran.json()["run_id"], "--json").json()["runs"][1]["attempts"]]


def test_the_summary_tells_how_often_a_run_was_tried(world: World) -> None:
    hearer(world, CHILD, step("crash", CRASH_AT_FIRST))
    hearer(world, "retry/fine", step("good", "true"))

    ran = world.tako("exec", WORKFLOW, cwd=make_root(world, retry=TWICE))

    assert ran.code == 0, ran.text
    lines = {line.split()[2].partition(":")[0]: line for line in ran.out.splitlines() if f":{WORKFLOW}" in line}
    assert lines[CHILD].endswith("2 tries")
    assert "tries" not in lines["retry/fine"]


def test_one_that_crashes_every_time_fails_with_its_last_crash(world: World) -> None:
    hearer(world, CHILD, step("crash", f"echo try $TAKO_ATTEMPT; {write(world, '$TAKO_ATTEMPT')}; {CRASH}"))

    ran = world.tako("exec", WORKFLOW, "--json", cwd=make_root(world, retry={"attempts": 3, "delay": "10ms"}))

    assert ran.code == 1, ran.text
    assert diary(world) == ["1", "2", "3"]
    run = run_named(ran.json(), CHILD)
    assert (run["failure"]["kind"], run["failure"]["log"]) == ("killed", ["try 3", "dying"])
    assert [one["number"] for one in run["attempts"]] == [1, 2]
    for number in (1, 2):
        assert logs(Path(run["workspace"], f"attempt-{number}")) == {"crash": f"try {number}\ndying\n"}
    assert logs(Path(run["workspace"], "logs")) == {"crash": "try 3\ndying\n"}


@pytest.mark.parametrize(
    ("script", "more", "kind"),
    [
        ("exit 3", {}, "step_failed"),
        ("kill -KILL $$", {}, "step_killed"),
        ("sleep 1000", {"timeout": "200ms"}, "step_timeout"),
        ("echo '{{ payload.absent }}'", {}, "step_error"),
    ],
)
def test_what_failed_by_itself_is_not_tried_again(world: World, script: str, more: dict[str, Any], kind: str) -> None:
    hearer(world, CHILD, step("first", write(world, "$TAKO_ATTEMPT")), step("bad", script, **more))

    ran = world.tako("exec", WORKFLOW, "--json", cwd=make_root(world, retry={"attempts": 5, "delay": "10ms"}))

    assert ran.code == 1, ran.text
    assert diary(world) == ["1"]
    run = run_named(ran.json(), CHILD)
    assert (run["failure"]["kind"], run["attempts"]) == (kind, [])
    assert not list(Path(run["workspace"]).glob("attempt-*"))


def test_without_a_retry_nothing_is_tried_again(world: World) -> None:
    hearer(world, CHILD, step("crash", f"{write(world, '$TAKO_ATTEMPT')}; {CRASH}"))

    ran = world.tako("exec", WORKFLOW, "--json", cwd=make_root(world))

    assert ran.code == 1
    assert diary(world) == ["1"]
    assert run_named(ran.json(), CHILD)["attempts"] == []


# Events and crashes.


def test_what_was_announced_before_a_crash_is_delivered_once(world: World) -> None:
    aside = fan_out("tell", wait_for_children=False)
    hearer(world, CHILD, aside, step("crash", CRASH_AT_FIRST), step("after", write(world, "after")))
    hearer(world, "retry/below", step("hear", write(world, "heard $TAKO_EVENT_ID")), hears=CHILD)

    ran = world.tako("exec", WORKFLOW, "--json", cwd=make_root(world, retry=TWICE))

    assert ran.code == 0, ran.text
    report = ran.json()
    assert len(report["runs"]) == 2
    run_named(report, "retry/below")
    assert Counter(line.split()[0] for line in diary(world)) == {"heard": 1, "after": 1}


KILLED_BEFORE = """
import os
from runner_child import child
if os.environ["TAKO_ATTEMPT"] == "1":
    send = child.Frames.send
    def send_or_die(self, frame):
        if {condition}:
            os.kill(os.getpid(), 9)
        send(self, frame)
    child.Frames.send = send_or_die
"""


def killed_before(condition: str) -> dict[str, Any]:
    """A step of the child's after which it is killed, at its first try, instead of saying something."""
    return own_code.python("arm", KILLED_BEFORE.format(condition=condition))


def test_what_a_crash_kept_from_being_announced_is_delivered_after_all(world: World) -> None:
    """The state has it, the root has not: killed between the two."""
    own_code.install(world.root / "plugins", world.env)
    aside = fan_out("tell", wait_for_children=False)
    hearer(
        world, CHILD, killed_before("hasattr(frame, 'payload')"),
        aside, step("after", write(world, "after $TAKO_ATTEMPT")),
    )  # fmt: skip
    hearer(world, "retry/below", step("hear", write(world, "heard")), hears=CHILD)

    ran = world.tako("exec", WORKFLOW, "--json", cwd=make_root(world, retry=TWICE))

    assert ran.code == 0, ran.text
    assert [one["failure"]["kind"] for one in run_named(ran.json(), CHILD)["attempts"]] == ["killed"]
    assert sorted(diary(world)) == ["after 2", "heard"]


@pytest.mark.parametrize("at", ["the event", "the result"])
def test_one_that_was_killed_on_its_way_to_waiting_waits_at_its_second_try(world: World, at: str) -> None:
    own_code.install(world.root / "plugins", world.env)
    condition = "hasattr(frame, 'payload')" if at == "the event" else "getattr(frame, 'status', '') == 'suspended'"
    hearer(world, CHILD, killed_before(condition), fan_out("tell"), step("after", write(world, "after $TAKO_ATTEMPT")))
    hearer(world, "retry/below", step("hear", write(world, "heard")), hears=CHILD)

    ran = world.tako("exec", WORKFLOW, "--json", cwd=make_root(world, retry=TWICE))

    assert ran.code == 0, ran.text
    assert len(run_named(ran.json(), CHILD)["attempts"]) == 1
    assert diary(world) == ["heard", "after 2"]


def test_one_that_was_killed_after_its_last_step_does_not_run_it_again(world: World) -> None:
    own_code.install(world.root / "plugins", world.env)
    last = step("last", f'{write(world, "last")}; echo "made=it" >> "$TAKO_OUTPUT"')
    hearer(world, CHILD, killed_before("getattr(frame, 'status', '') == 'success' and not hasattr(frame, 'id')"), last)

    ran = world.tako("exec", WORKFLOW, "--json", cwd=make_root(world, retry=TWICE))

    assert ran.code == 0, ran.text
    run = run_named(ran.json(), CHILD)
    assert len(run["attempts"]) == 1
    assert run["outputs"]["last"] == {"made": "it"}
    assert diary(world) == ["last"]


def test_what_was_triggered_and_answered_before_a_crash_is_not_run_again(world: World) -> None:
    crash = step("crash", f"{write(world, 'crash $TAKO_ATTEMPT {{ steps.tell.outputs.succeeded }}')}; {CRASH_AT_FIRST}")
    hearer(world, CHILD, step("first", write(world, "first")), fan_out("tell"), crash)
    hearer(world, "retry/below", step("hear", write(world, "heard")), hears=CHILD)

    ran = world.tako("exec", WORKFLOW, "--json", "-j", "1", cwd=make_root(world, retry=TWICE))

    assert ran.code == 0, ran.text
    assert diary(world) == ["first", "heard", "crash 1 1", "crash 2 1"]
    assert len(ran.json()["runs"]) == 2
    assert len(run_named(ran.json(), CHILD)["attempts"]) == 1


def test_a_second_try_may_wait_and_keeps_the_logs_of_the_first_apart(world: World) -> None:
    hearer(
        world, CHILD, step("crash", f"echo try $TAKO_ATTEMPT; {CRASH_AT_FIRST}"), fan_out("tell"), step("end", "true")
    )
    hearer(world, "retry/below", step("hear", write(world, "heard")), hears=CHILD)

    ran = world.tako("exec", WORKFLOW, "--json", cwd=make_root(world, retry=TWICE))

    assert ran.code == 0, ran.text
    workspace = Path(run_named(ran.json(), CHILD)["workspace"])
    assert logs(workspace / "attempt-1") == {"crash": "try 1\ndying\n"}
    assert logs(workspace / "logs") == {"crash": "try 2\n", "end": ""}
    assert diary(world) == ["heard"]


def test_a_crash_further_down_is_dealt_with_as_the_fan_out_says_that_triggered_it(world: World) -> None:
    hearer(world, CHILD, fan_out("tell"))
    hearer(world, "retry/below", step("crash", f"{write(world, '$TAKO_ATTEMPT')}; {CRASH}"), hears=CHILD)

    ran = world.tako("exec", WORKFLOW, "--json", cwd=make_root(world, retry=TWICE))

    assert ran.code == 1
    assert diary(world) == ["1"]
    assert run_named(ran.json(), CHILD)["attempts"] == [], "a run that failed since another did has not crashed"


def test_a_run_that_is_between_two_tries_holds_no_place(world: World) -> None:
    """With one place, the others run while it rests."""
    hearer(world, "retry/a", step("crash", f"{write(world, 'a $TAKO_ATTEMPT')}; {CRASH_AT_FIRST}"))
    hearer(world, "retry/b", step("good", write(world, "b")))

    ran = world.tako("exec", WORKFLOW, "-j", "1", cwd=make_root(world, retry={"attempts": 2, "delay": "3s"}))

    assert ran.code == 0, ran.text
    assert diary(world) == ["a 1", "b", "a 2"]


def test_what_rests_between_two_tries_ends_with_the_tree(world: World) -> None:
    hearer(world, CHILD, step("crash", CRASH))
    running = Running(world, "exec", WORKFLOW, "--json", cwd=make_root(world, retry={"attempts": 2, "delay": "5m"}))
    running.wait_for("crashed at try 1")

    running.send(signal.SIGINT)
    ran = running.finish()

    assert ran.code == 130, ran.text
    assert not marked(world.mark)
    report = ran.json()
    assert len(run_named(report, CHILD)["attempts"]) == 1
    told = world.tako("status", report["run_id"], "--json").json()
    assert (told["status"], told["runs"][1]["status"]) == ("interrupted", "interrupted")
    assert "1 run at work" not in ran.err


# The breaker.


def telling(count: int) -> list[dict[str, Any]]:
    """Fan-outs that nobody waits for, each with its number."""
    return [fan_out(f"tell-{n}", wait_for_children=False, payload={"n": str(n)}) for n in range(1, count + 1)]


def crashes_for(world: World, *numbers: int) -> dict[str, Any]:
    """A step that crashes when it was told one of these numbers."""
    which = "|".join(map(str, numbers))
    deed = f"{write(world, '{{ payload.n }}')}; case {{{{ payload.n }}}} in {which}) {CRASH} ;; esac"
    return step("it", deed)


def outcomes(report: Any, name: str = CHILD) -> list[str]:
    """How the runs of a repository ended, in the order in which they were triggered."""
    runs = [run for run in report["runs"] if run["repository"] == name]
    return [run["failure"]["kind"] if run["failure"] else run["status"] for run in runs]


def test_what_crashes_again_and_again_is_not_started_any_more(world: World) -> None:
    hearer(world, CHILD, crashes_for(world, 1, 2, 3, 4))
    hearer(world, "retry/other", step("it", "true"))
    root = world.working("root", config(ROOT, *telling(4), step("last", write(world, "last"))))

    ran = world.tako("exec", WORKFLOW, "--json", "-j", "1", "--max-crashes", "2", cwd=root)

    assert ran.code == 1, ran.text
    report = ran.json()
    assert outcomes(report) == ["killed", "killed", "circuit_open", "circuit_open"]
    assert outcomes(report, "retry/other") == ["success"] * 4
    assert sorted(diary(world)) == ["1", "2", "last"]
    for run in report["runs"]:
        if run["failure"] and run["failure"]["kind"] == "circuit_open":
            assert (run["status"], run["started_at"]) == ("failed", None)
            assert not Path(run["workspace"]).exists()
            message = f"{CHILD}:{WORKFLOW} crashed 2 times in a row in this run; it was not started"
            assert run["failure"]["message"] == message
            paragraph = ran.err.partition(f"\n{CHILD}:{WORKFLOW} failed before it was started ({run['run_id']})\n")[2]
            assert paragraph.startswith(f"  circuit_open: {message}\n")
    not_started = {run["run_id"] for run in report["runs"] if run["failure"]} - {
        entry.data["run_id"] for entry in entries(world.workspace(report["run_id"]), "started")
    }
    assert len(not_started) == 2


def test_a_success_in_between_closes_the_circuit(world: World) -> None:
    hearer(world, CHILD, crashes_for(world, 1, 3, 4))
    root = world.working("root", config(ROOT, *telling(6)))

    ran = world.tako("exec", WORKFLOW, "--json", "-j", "1", "--max-crashes", "2", cwd=root)

    assert outcomes(ran.json()) == ["killed", "success", "killed", "killed", "circuit_open", "circuit_open"]
    assert diary(world) == ["1", "2", "3", "4"]


def test_five_crashes_in_a_row_are_enough_if_nobody_says_otherwise(world: World) -> None:
    hearer(world, CHILD, crashes_for(world, 1, 2, 3, 4, 5, 6))
    root = world.working("root", config(ROOT, *telling(6)))

    ran = world.tako("exec", WORKFLOW, "--json", "-j", "1", cwd=root)

    assert outcomes(ran.json()) == ["killed"] * 5 + ["circuit_open"]


def test_tries_count_for_the_breaker_and_it_ends_them(world: World) -> None:
    hearer(world, CHILD, step("it", f"{write(world, '$TAKO_ATTEMPT')}; {CRASH}"))
    root = make_root(world, retry={"attempts": 5, "delay": "10ms"})

    ran = world.tako("exec", WORKFLOW, "--json", "--max-crashes", "3", cwd=root)

    assert ran.code == 1
    assert diary(world) == ["1", "2", "3"]
    run = run_named(ran.json(), CHILD)
    assert (run["failure"]["kind"], len(run["attempts"])) == ("killed", 2)


def test_what_fails_by_itself_opens_no_circuit(world: World) -> None:
    hearer(world, CHILD, step("it", f"{write(world, 'ran')}; exit 1"))
    root = world.working("root", config(ROOT, *telling(3)))

    ran = world.tako("exec", WORKFLOW, "--json", "-j", "1", "--max-crashes", "1", cwd=root)

    assert outcomes(ran.json()) == ["step_failed"] * 3
    assert diary(world) == ["ran"] * 3


def until_told(kind: str) -> str:
    """The script that waits until the root has heard of a failure of that kind."""
    return f'until grep -q \'"kind":"{kind}"\' "$TAKO_WORKSPACE/journal.jsonl"; do sleep 0.02; done'


def test_a_run_that_waits_only_for_what_is_not_started_goes_on(world: World) -> None:
    """Nothing else is at work that could wake it."""
    hearer(world, CHILD, crashes_for(world, 1))
    first = fan_out("tell-1", wait_for_children=False, payload={"n": "1"})
    wait = step("wait", until_told("killed"))
    root = world.working("root", config(ROOT, first, wait, fan_out("tell-2", payload={"n": "2"})))

    ran = world.tako("exec", WORKFLOW, "--json", "--max-crashes", "1", cwd=root)

    assert ran.code == 1, ran.text
    report = ran.json()
    assert outcomes(report) == ["killed", "circuit_open"]
    assert (report["failure"]["kind"], report["failure"]["step"]) == ("fan_out_failed", "tell-2")
    message = f"{CHILD}:{WORKFLOW} crashed once in this run; it was not started"
    assert report["failure"]["message"] == f"1 of 1 triggered runs failed: {CHILD}:{WORKFLOW}: {message}"


def test_one_that_is_not_started_is_a_failure_to_a_fan_out_that_fails_fast(world: World) -> None:
    hearer(world, CHILD, crashes_for(world, 1))
    hearer(world, "retry/other", step("it", write(world, "other {{ payload.n }}")))
    first = fan_out("tell-1", wait_for_children=False, payload={"n": "1"})
    wait = step("wait", until_told("killed"))
    second = fan_out("tell-2", payload={"n": "2"}, fail_fast=True)
    root = world.working("root", config(ROOT, first, wait, second))

    ran = world.tako("exec", WORKFLOW, "--json", "-j", "4", "--max-crashes", "1", cwd=root)

    assert ran.code == 1, ran.text
    assert outcomes(ran.json()) == ["killed", "circuit_open"]
    assert outcomes(ran.json(), "retry/other") == ["success", "cancelled"]
    assert sorted(diary(world)) == ["1", "other 1"]


@pytest.mark.parametrize("number", ["0", "-1", "x"])
def test_a_threshold_below_one_is_refused(world: World, number: str) -> None:
    ran = world.tako("exec", WORKFLOW, "--max-crashes", number, cwd=make_root(world))

    assert ran.code == 2
    assert "--max-crashes" in ran.err
