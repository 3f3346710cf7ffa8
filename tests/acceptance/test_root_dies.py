"""The root may end however it ends: by a signal in good order, by SIGKILL, or at once with all its children."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tako import cgroup
from tako.clock import SystemClock
from tako.locks import exclusive
from tako.process import GRACE_SECONDS
from tako.signals import kill_hint
from tests.acceptance import own_code
from tests.acceptance.conftest import World
from tests.acceptance.observe import children_at_work, entries, marked, wait_for, warden_of
from tests.acceptance.recipes import WORKFLOW, config, fan_out, step
from tests.acceptance.trees import (
    Running,
    environment_of,
    letter,
    processes,
    run_named,
    seconds_until_all_are_gone,
    state_of,
    until_there,
    workspaces,
)

ROOT = "dies/root"
LIMIT = 5.0
"""Seconds after the root was killed within which all of its tree must be gone."""


def make_root(world: World, *before: dict[str, Any], name: str = ROOT) -> Path:
    """A root that tells all who hear it; the step after that leaves a file."""
    return world.working("root", config(name, *before, fan_out(), step("after", f"touch {world.root}/after")))


def hearer(world: World, name: str, *steps: dict[str, Any], hears: str = ROOT, git: bool = False) -> None:
    """A cached repository that runs some steps because of another one."""
    world.cached(name, config(name, *steps, hears=hears), git=git)


def there(world: World, name: str) -> Path:
    """The file by which a step says that it is at work."""
    return world.root / f"there-{name}"


def at_work(world: World, *names: str) -> bool:
    return all(there(world, name).exists() for name in names)


def start(world: World, root: Path, *names: str, arguments: tuple[str, ...] = ("--json",), before: str = "") -> Running:
    """A run whose steps of these names have all come to where they wait."""
    running = Running(world, "exec", WORKFLOW, "-j", "4", *arguments, cwd=root, before=before)
    wait_for(lambda: running.process.poll() is not None or at_work(world, *names), "all were at work")
    assert running.process.poll() is None, running.finish().text
    return running


# A signal asks for the end.


def asked_politely(world: World, name: str) -> str:
    """A step that is in no hurry when it is asked to end."""
    go = world.root / "go"
    return f"""
trap 'touch {world.root}/asked-{name}; {until_there(go)}; echo tidied up; exit 0' TERM INT
touch {there(world, name)}
while :; do sleep 0.02 || true; done
"""


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_ends_the_whole_tree_in_good_order(world: World, name: str, code: int) -> None:
    hearer(world, "dies/wide", step("done", "true"), step("wide", asked_politely(world, "wide")), step("never", "true"))
    hearer(world, "dies/waits", fan_out(), step("never", "true"))
    hearer(world, "dies/deep", step("deep", asked_politely(world, "deep")), hears="dies/waits")
    running = start(world, make_root(world), "wide", "deep")

    running.send(getattr(signal, name))
    # It says so at once, and not when all have ended: those wait for a file that is not there yet.
    hint = kill_hint(getattr(signal, name))
    running.wait_for(f"{name}: stopping 2 runs{hint}\n")
    wait_for(lambda: all((world.root / f"asked-{one}").exists() for one in ("wide", "deep")), "both were asked to end")
    assert running.process.poll() is None
    (world.root / "go").touch()
    ran = running.finish()

    assert ran.code == code, ran.text
    assert not marked(world.mark), "a process of the tree was still there when the root had ended"
    report = ran.json()
    assert (report["success"], report["interrupted_by"]) == (False, getattr(signal, name))
    for one, at in (("dies/wide", "wide"), ("dies/deep", "deep")):
        run = run_named(report, one)
        assert (run["status"], run["failure"]["kind"], run["failure"]["step"]) == ("failed", "interrupted", at)
        assert "tidied up\n" in Path(run["workspace"], "logs", f"{at}.log").read_text()
        state = state_of(run["workspace"])
        assert (state["status"], state["failure"]["kind"]) == ("failed", "interrupted")
    assert [one["id"] for one in state_of(run_named(report, "dies/wide")["workspace"])["steps"]] == ["done"]
    # What waits has no process that could end, or write: it is as it was when it left work.
    assert run_named(report, "dies/waits")["status"] == "pending"
    root = world.workspace(report["run_id"])
    assert [state_of(one)["status"] for one in (root, run_named(report, "dies/waits")["workspace"])] == [
        "suspended"
    ] * 2
    assert not (world.root / "after").exists()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_an_interrupted_run_says_how_to_go_on(world: World, name: str) -> None:
    hearer(world, "dies/child", step("long", f"touch {there(world, 'long')}; sleep 1000"))
    running = start(world, make_root(world), "long", arguments=())

    running.send(getattr(signal, name))
    ran = running.finish()

    (root,) = workspaces(world)
    last = (
        f"\nexecution interrupted by {name}\n  go on with it: TAKO_HOME={world.home} tako exec --resume {root.name}\n"
    )
    assert ran.err.endswith(last)
    told = world.tako("status", root.name)
    assert (told.code, told.out.partition(",")[0]) == (0, f"{root.name}: interrupted")
    assert "dies/child:work: interrupted at step 'long'" in told.out


def test_a_signal_ends_the_step_of_the_root_itself(world: World) -> None:
    script = asked_politely(world, "own")
    root = world.working("root", config(ROOT, step("own", script), step("after", f"touch {world.root}/after")))
    running = start(world, root, "own", arguments=())

    running.send(signal.SIGINT)
    running.wait_for("SIGINT: stopping 1 run; press Ctrl-C again to kill\n")
    (world.root / "go").touch()
    ran = running.finish()

    assert ran.code == 130, ran.text
    assert not marked(world.mark)
    (workspace,) = workspaces(world)
    assert "tidied up\n" in (workspace / "logs" / "own.log").read_text()
    assert "step 'own' failed: stopped before the step had ended" in ran.err
    resume = f"TAKO_HOME={world.home} tako exec --resume {workspace.name}"
    assert f"\nexecution interrupted by SIGINT\n  go on with it: {resume}\n" in ran.err
    state = state_of(workspace)
    assert (state["status"], state["failure"]["kind"], state["steps"]) == ("failed", "interrupted", [])
    assert not (world.root / "after").exists()


COUNTS = """
import pathlib, signal, time
heard = []
signal.signal(signal.SIGTERM, lambda *_: heard.append(time.monotonic()))
pathlib.Path("{there}").touch()
while not heard or time.monotonic() - heard[0] < 0.5:
    time.sleep(0.005)
print(len(heard))
"""


def test_everybody_is_asked_only_once(world: World) -> None:
    """Many programs take a second SIGTERM as leave to skip their cleaning up."""
    names = ("own", "child")
    scripts = {name: f"exec {sys.executable} -c '{COUNTS.format(there=there(world, name))}'" for name in names}
    hearer(world, "dies/child", step("child", scripts["child"]))
    telling = fan_out(wait_for_children=False)
    root = world.working("root", config(ROOT, telling, step("own", scripts["own"])))
    running = start(world, root, *names)

    running.send(signal.SIGTERM)
    ran = running.finish()

    assert ran.code == 143, ran.text
    (workspace,) = workspaces(world)
    logs = [workspace / "logs" / "own.log", *workspace.glob("children/*/logs/child.log")]
    assert [log.read_text() for log in logs] == ["1\n", "1\n"]


def deaf(world: World, name: str) -> str:
    """A step that no SIGTERM ends, nor any of those that it started."""
    return f"trap '' TERM INT HUP; (sleep 1000 &); touch {there(world, name)}; sleep 1000 & wait; wait; sleep 1000"


@pytest.mark.parametrize("where", ["child", "root"])
def test_a_step_that_ignores_the_request_is_killed_after_the_grace(world: World, where: str) -> None:
    hearer(world, "dies/child", step("deaf", deaf(world, "deaf")))
    root = make_root(world, *([step("own", deaf(world, "own"))] if where == "root" else []))
    running = start(world, root, "own" if where == "root" else "deaf")

    running.send(signal.SIGTERM)
    running.wait_for("SIGTERM: stopping")
    assert marked(world.mark), "it may have some time"
    ran = running.finish()

    assert ran.code == 143, ran.text
    assert not marked(world.mark)
    assert "SIGTERM again: killing" not in ran.err
    report = ran.json()
    failure = report["failure"] if where == "root" else run_named(report, "dies/child")["failure"]
    assert failure["kind"] == "interrupted"
    assert report["duration_seconds"] > GRACE_SECONDS


@pytest.mark.parametrize("where", ["child", "root"])
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_the_second_signal_kills_at_once(world: World, name: str, where: str) -> None:
    hearer(world, "dies/child", step("deaf", deaf(world, "deaf")))
    root = make_root(world, *([step("own", deaf(world, "own"))] if where == "root" else []))
    running = start(world, root, "own" if where == "root" else "deaf")

    running.send(getattr(signal, name))
    running.wait_for(f"{name}: stopping")
    running.send(getattr(signal, name))
    ran = running.finish()

    assert ran.code == 128 + getattr(signal, name), ran.text
    assert f"{name} again: killing what is at work\n" in ran.err
    assert not marked(world.mark)
    report = ran.json()
    failure = report["failure"] if where == "root" else run_named(report, "dies/child")["failure"]
    assert failure["kind"] == "interrupted"
    assert report["interrupted_by"] == getattr(signal, name)
    assert where == "root" or failure["signal"] == signal.SIGKILL


@pytest.mark.parametrize("second", ["SIGHUP", "SIGTERM"])
def test_a_hangup_is_no_second_request(world: World, second: str) -> None:
    """The kernel and the shell each send one when a window is closed, and who ends a session a SIGTERM besides."""
    hearer(world, "dies/child", step("child", asked_politely(world, "child")))
    running = start(world, make_root(world), "child")

    running.send(signal.SIGHUP)
    running.wait_for("SIGHUP: stopping")
    running.send(getattr(signal, second))
    running.send(signal.SIGHUP)
    wait_for(lambda: not has_pending_signals(running.pid), "the signals had come in")
    (world.root / "go").touch()
    ran = running.finish()

    assert ran.code == 129, ran.text
    assert "killing" not in ran.err
    run = run_named(ran.json(), "dies/child")
    assert "tidied up\n" in Path(run["workspace"], "logs", "child.log").read_text()


def has_pending_signals(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    return any(int(mask, 16) for mask in re.findall(r"(?:SigPnd|ShdPnd):\s*(\w+)", status))


def test_a_child_that_does_not_end_by_itself_is_told_as_interrupted_too(world: World) -> None:
    own_code.install(world.root / "plugins", world.env)
    hearer(world, "dies/child", own_code.python("own", HANG.format(there=there(world, "own"))))
    running = start(world, make_root(world), "own")

    running.send(signal.SIGINT)
    ran = running.finish()

    assert ran.code == 130, ran.text
    failure = run_named(ran.json(), "dies/child")["failure"]
    assert (failure["kind"], failure["step"]) == ("interrupted", "own")
    assert failure["message"] == "stopped, and did not end in good order: killed by SIGKILL (signal 9)"


def test_with_nohup_a_hangup_is_nothing(world: World) -> None:
    go = world.root / "go"
    script = f"touch {there(world, 'child')}; {until_there(go)}; kill -HUP $$; echo went on"
    hearer(world, "dies/child", step("child", script))
    running = start(world, make_root(world), "child", before="trap '' HUP")

    for pid in (running.pid, *children_at_work(running.pid)):
        os.kill(pid, signal.SIGHUP)
    go.touch()
    ran = running.finish()

    assert ran.code == 0, ran.text
    assert "SIGHUP" not in ran.err
    # What the user ignores is ignored by steps too.
    run = run_named(ran.json(), "dies/child")
    assert Path(run["workspace"], "logs", "child.log").read_text() == "went on\n"


def test_what_has_nobody_at_work_ends_at_once(world: World) -> None:
    """One that crashed and rests before its next try is no reason to wait."""
    crash = f"touch {there(world, 'child')}; kill -KILL $PPID; sleep 1000"
    hearer(world, "dies/child", step("child", crash))
    root = world.working("root", config(ROOT, fan_out(retry={"attempts": 2, "delay": "10m"})))
    running = start(world, root, "child")

    running.wait_for("crashed at try 1")
    running.send(signal.SIGINT)
    ran = running.finish()

    assert ran.code == 130, ran.text
    assert "SIGINT: stopping\n" in ran.err
    assert not marked(world.mark)
    run = run_named(ran.json(), "dies/child")
    assert [one["failure"]["kind"] for one in run["attempts"]] == ["killed"]


# The root is killed.

HANG = """
import pathlib, signal, subprocess, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
subprocess.Popen(["sleep", "1000"], start_new_session=True)
pathlib.Path("{there}").touch()
while True:
    time.sleep(1000)
"""
DAEMON = "setsid sh -c 'trap \"\" TERM HUP; sleep 1000; sleep 1000' > /dev/null 2>&1 & touch {there}; sleep 1000"
FORKS_TWICE = "(setsid sh -c '(sleep 1000 &)' &); touch {there}; sleep 1000"
DEAF = "trap '' TERM INT HUP; (sleep 1000 &); touch {there}; sleep 1000; sleep 1000"

STEPS = {
    "ignores-sigterm": lambda file: step("it", DEAF.format(there=file)),
    "has-a-daemon": lambda file: step("it", DAEMON.format(there=file)),
    "forked-twice": lambda file: step("it", FORKS_TWICE.format(there=file)),
    "hangs-in-its-own-code": lambda file: own_code.python("it", HANG.format(there=file)),
}


def kill_and_measure(world: World, running: Running) -> float:
    """How long anything of the tree outlives its root."""
    assert marked(world.mark)
    running.process.kill()
    seconds = seconds_until_all_are_gone(world)
    assert running.finish().code == -signal.SIGKILL
    return seconds


@pytest.mark.parametrize("name", STEPS)
def test_nothing_of_its_children_outlives_a_killed_root(world: World, name: str) -> None:
    own_code.install(world.root / "plugins", world.env)
    hearer(world, "dies/one", STEPS[name](there(world, "one")))
    hearer(world, "dies/two", STEPS[name](there(world, "two")))
    running = start(world, make_root(world), "one", "two")
    assert len(children_at_work(running.pid)) == 2

    assert kill_and_measure(world, running) < LIMIT
    (root,) = workspaces(world)
    told = world.tako("status", root.name)
    assert (told.code, told.out.partition(";")[0]) == (0, f"{root.name}: interrupted")


@pytest.mark.parametrize("name", [name for name in STEPS if "own-code" not in name])
def test_nothing_of_its_own_step_outlives_a_killed_root(world: World, name: str) -> None:
    running = start(world, make_root(world, STEPS[name](there(world, "own"))), "own")

    assert kill_and_measure(world, running) < LIMIT


def test_a_child_that_makes_its_checkout_does_not_outlive_a_killed_root(world: World) -> None:
    """Its git hangs, and no signal but SIGKILL ends it."""
    slow = world.root / "bin" / "git"
    slow.parent.mkdir()
    body = f"case \" $* \" in *' reset '*) touch {there(world, 'git')}; sleep 1000; sleep 1000;; esac"
    slow.write_text(f"#!/bin/sh\ntrap '' TERM\n{body}\nPATH=${{PATH#*:}} exec git \"$@\"\n")
    slow.chmod(0o755)
    hearer(world, "dies/child", step("never", "true"), git=True)
    root = make_root(world)
    world.env["PATH"] = f"{slow.parent}:{world.env['PATH']}"
    running = start(world, root, "git")

    assert kill_and_measure(world, running) < LIMIT


# The root is killed in the same instant as all its children.


def kill_in_one_instant(running: Running, *, warden: bool) -> None:
    """First nobody moves, so that no lifeline is heeded and no guard goes off."""
    everyone = [running.pid, *children_at_work(running.pid), *([warden_of(running.pid)] if warden else [])]
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in everyone:
            os.kill(pid, number)
    running.process.wait()


@pytest.mark.parametrize("name", [name for name in STEPS if "own-code" not in name])
def test_what_was_left_by_one_instant_is_ended_by_the_next_command(world: World, name: str) -> None:
    hearer(world, "dies/one", STEPS[name](there(world, "one")))
    hearer(world, "dies/two", STEPS[name](there(world, "two")))
    running = start(world, make_root(world), "one", "two")
    (killed,) = workspaces(world)
    kill_in_one_instant(running, warden=True)
    left = processes(world, "sleep 1000")
    assert len(left) >= 2, "nothing lives on that could be ended"

    other = world.working("other", config("dies/other", step("say", "true")))
    ran = world.tako("exec", WORKFLOW, cwd=other)

    assert ran.code == 0, ran.text
    (told,) = [line for line in ran.err.splitlines() if killed.name in line]
    found = re.fullmatch(rf"{killed.name} was killed; ended (\d+) processes that it left \(pids ([\d, ]+)\)", told)
    assert found is not None, told
    ended = {int(pid) for pid in found[2].split(", ")}
    assert (len(ended), left.keys() - ended) == (int(found[1]), set())
    assert not marked(world.mark)
    assert killed.name not in world.tako("exec", WORKFLOW, cwd=other).err, "it is told once"
    assert f"{killed.name}: interrupted" in world.tako("status", killed.name).out


@pytest.mark.parametrize("name", [name for name in STEPS if "own-code" not in name])
def test_what_was_left_by_one_instant_is_ended_within_seconds_without_another_command(world: World, name: str) -> None:
    hearer(world, "dies/one", STEPS[name](there(world, "one")))
    telling = fan_out(wait_for_children=False)
    own = STEPS[name](there(world, "own"))
    running = start(world, world.working("root", config(ROOT, telling, own)), "one", "own")

    kill_in_one_instant(running, warden=False)
    assert len(processes(world, "sleep 1000")) >= 2, "nothing lives on that could be ended"

    assert seconds_until_all_are_gone(world) < LIMIT


def test_what_hid_even_its_environment_ends_with_a_tree_that_was_killed_in_one_instant(world: World) -> None:
    if cgroup.group_of_tree("x") is None:
        pytest.skip("this user may make no control groups on this machine")
    pid = world.root / "pid"
    hide = f"(env -i setsid sh -c 'echo $$ > {pid}.new; mv {pid}.new {pid}; exec sleep 1000' &)"
    hearer(world, "dies/one", step("one", f"{hide}; {until_there(pid)}; touch {there(world, 'one')}; sleep 1000"))
    running = start(world, make_root(world), "one")

    kill_in_one_instant(running, warden=False)

    assert seconds_until_all_are_gone(world) < LIMIT
    wait_for(lambda: letter(int(pid.read_text())) in ("", "Z"), "what hid had ended")


def test_a_stopped_child_does_not_outlive_a_killed_root(world: World) -> None:
    hearer(world, "dies/one", step("one", f"touch {there(world, 'one')}; sleep 1000"))
    running = start(world, make_root(world), "one")
    (child,) = children_at_work(running.pid)
    os.kill(child, signal.SIGSTOP)

    assert kill_and_measure(world, running) < LIMIT


def test_a_run_beside_it_is_not_touched(world: World) -> None:
    hearer(world, "dies/one", STEPS["has-a-daemon"](there(world, "one")))
    go = world.root / "go"
    hearer(world, "lives/one", step("live", f"touch {there(world, 'lives')}; {until_there(go)}"), hears="lives/root")
    beside = world.working("beside", config("lives/root", fan_out()))
    living = start(world, beside, "lives")
    (living_run,) = workspaces(world)
    running = start(world, make_root(world), "one")
    (killed_run,) = set(workspaces(world)) - {living_run}
    kill_in_one_instant(running, warden=True)
    # Those that lead a group; the shell that waits for the file starts a `sleep` now and then.
    leaders = (pid for pid in processes(world) if leads_a_group(pid))
    keep = {pid for pid in leaders if environment_of(pid).get("TAKO_ROOT_RUN_ID") == living_run.name}
    assert len(keep) == 2, "a child and its step"

    other = world.working("other", config("dies/other", step("say", "true")))
    ran = world.tako("exec", WORKFLOW, cwd=other)

    assert f"{killed_run.name} was killed; ended " in ran.err
    assert living_run.name not in ran.err
    assert {row["root_id"] for row in world.tako("ps", "--json").json()} == {living_run.name}
    assert all(letter(pid) for pid in keep)
    assert not processes(world, "sleep 1000")
    go.touch()
    assert living.finish().code == 0


def leads_a_group(pid: int) -> bool:
    """False also for a process that has ended since it was found."""
    try:
        return os.getpgid(pid) == pid
    except ProcessLookupError:
        return False


def test_a_stopped_child_that_outlived_its_root_is_ended_by_the_next_command(world: World) -> None:
    """One that is stopped cannot notice that its root is gone."""
    hearer(world, "dies/one", step("one", f"touch {there(world, 'one')}; sleep 1000"))
    running = start(world, make_root(world), "one")
    (child,) = children_at_work(running.pid)
    os.kill(child, signal.SIGSTOP)
    os.kill(warden_of(running.pid), signal.SIGKILL)
    running.process.kill()
    running.finish()
    assert letter(child) == "T"

    other = world.working("other", config("dies/other", step("say", "true")))
    ran = world.tako("exec", WORKFLOW, cwd=other)

    assert f"{child}" in ran.err.partition("was killed; ended ")[2]
    assert not marked(world.mark)


# Somebody holds what it waits for.


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL"])
@pytest.mark.parametrize(("begin", "known"), [(("--root", "root"), 2), (("--repo", "dies/child"), 1)])
def test_who_waits_for_the_cache_ends_when_told(world: World, begin: tuple[str, str], known: int, name: str) -> None:
    hearer(world, "dies/child", step("never", "true"), git=True)
    make_root(world)
    lock = world.home / "cache" / "locks" / "dies" / "child" / "main.lock"
    with exclusive(str(lock), clock=SystemClock(), timeout=10):
        process = world.start("exec", WORKFLOW, *begin)
        wait_for(lambda: started(world) == known, "the run that needs the cache was at work")
        process.send_signal(getattr(signal, name))
        ran = world.finish(process)
        wait_for(lambda: not marked(world.mark), "all had ended, the lock being held still")

    if name == "SIGTERM":
        assert ran.code == 143, ran.text
        assert "interrupted: stopped before its checkout was made" in ran.err


def started(world: World) -> int:
    """How many runs of the one tree are known to have started."""
    if not (world.home / "workspaces").is_dir() or not list((world.home / "workspaces").iterdir()):
        return 0
    return len(entries(world.only_workspace(), "started"))


# Nobody reads any more.


@pytest.mark.parametrize(
    ("redirection", "reader"),
    [("2>/dev/null", "true"), ("2>&1", "head -1"), ("2>&1 >/dev/null", "head -1"), ("2>&1", "true")],
)
@pytest.mark.parametrize("how", ["", "--json", "-v"])
def test_a_reader_who_goes_away_does_not_break_a_run(world: World, redirection: str, reader: str, how: str) -> None:
    go = world.root / "go"
    hearer(world, "dies/one", step("one", f"{until_there(go)}; seq 20000; touch {there(world, 'one')}"))
    hearer(world, "dies/two", step("two", f"seq 20000 >&2; touch {there(world, 'two')}"))
    command = f"tako exec {WORKFLOW} {how} {redirection}; echo $? > {world.root}/code"
    # The run goes on only when the reader has gone.
    script = f"cd {make_root(world)}; {{ {command}; }} | {{ {reader}; exec <&-; touch {go}; }}"

    world.run(["sh", "-c", script])

    assert (world.root / "code").read_text() == "0\n"
    assert at_work(world, "one", "two")
    assert (world.root / "after").exists()
    (root,) = workspaces(world)
    told = world.tako("status", root.name, "--json").json()
    assert told["status"] == "success"
    assert {run["status"] for run in told["runs"]} == {"success"}


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "2>&- >&-", "<&- 2>&- >&-"])
def test_streams_that_were_closed_beforehand_do_not_break_a_run(world: World, closed: str) -> None:
    hearer(world, "dies/one", step("one", f"echo hello; touch {there(world, 'one')}"))

    ran = world.run(["sh", "-c", f"cd {make_root(world)}; tako exec {WORKFLOW} -v {closed}"])

    assert ran.code == 0, ran.text
    assert at_work(world, "one")
    (root,) = workspaces(world)
    (log,) = root.glob("children/*/logs/one.log")
    assert log.read_text() == "hello\n"
