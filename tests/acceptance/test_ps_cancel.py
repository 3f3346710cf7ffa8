"""Runs seen, and stopped, from another terminal: the installed command beside a root that is really there."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tako.clock import SystemClock
from tako.execution.workspace import root_workspace
from tako.ids import new_run_id
from tako.locks import is_held
from tests.acceptance.conftest import World
from tests.acceptance.observe import entries, wait_for
from tests.acceptance.stand_in_root import child_id

REPOSITORY = Path(__file__).parents[2]
NOBODY = "exec-20260101-000000-00000000"


Start = Callable[..., "Root"]


class Root:
    """A stand-in root in a process of its own."""

    def __init__(self, world: World, manner: str = "prompt") -> None:
        self.world = world
        self.run_id = f"{new_run_id(SystemClock())[:-1]}f"
        self.directory = world.workspace(self.run_id)
        argv = [sys.executable, "-m", "tests.acceptance.stand_in_root", str(world.home), self.run_id, manner]
        self.process = subprocess.Popen(argv, cwd=REPOSITORY, env=world.env, stdin=subprocess.DEVNULL)
        wait_for(lambda: (self.directory / "ready").exists() or self.process.poll() is not None, "the root is ready")
        assert self.process.poll() is None

    def child(self, name: str) -> str:
        return child_id(self.run_id, name)

    @property
    def worker(self) -> int:
        """The process of the child that is at work."""
        started = {entry.data["run_id"]: entry.data["pid"] for entry in entries(self.directory, "started")}
        return int(started[self.child("working")])

    @property
    def asked(self) -> list[str]:
        path = self.directory / "asked"
        return path.read_text().split() if path.exists() else []

    def kill(self) -> None:
        """In one instant, with its children."""
        if self.process.poll() is None:
            self.process.kill()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.worker, signal.SIGKILL)
            self.process.wait()


def rows(world: World) -> list[dict[str, Any]]:
    ran = world.tako("ps", "--json")
    assert (ran.code, ran.err) == (0, ""), ran.text
    data: list[dict[str, Any]] = ran.json()
    return data


@pytest.fixture
def start(world: World) -> Iterator[Callable[..., Root]]:
    """Starts roots, which are killed when the test ends."""
    started: list[Root] = []

    def start(manner: str = "prompt") -> Root:
        started.append(Root(world, manner))
        return started[-1]

    yield start
    for root in started:
        root.kill()


# tako ps


def test_nothing_is_alive(world: World) -> None:
    ran = world.tako("ps")
    assert (ran.code, ran.out, ran.err) == (0, "", f"no runs are alive in {world.home}\n")
    ran = world.tako("ps", "--json")
    assert (ran.code, ran.out, ran.err) == (0, "[]\n", "")


def test_a_run_is_shown_with_its_children_at_work(world: World, start: Start) -> None:
    root = start()
    ran = world.tako("ps")

    assert (ran.code, ran.err) == (0, "")
    headings, first, second = ran.out.splitlines()
    assert headings.split() == ["RUN", "REPOSITORY", "WORKFLOW", "STEP", "PID", "AGE", "CPU", "MEMORY", "STATUS"]
    assert re.fullmatch(
        rf"{root.run_id}    my-org/go-lib   release   fan-out +{root.process.pid} +\S+s +\S+s +[\d.]+MB"
        r"  waiting; 1 at work, 1 wait, 1 to try again, 1 to come",
        first,
    )
    assert re.fullmatch(
        rf"  {root.child('working')}  my-org/working  verify    test +{root.worker} +\S+s +\S+s +[\d.]+MB  running",
        second,
    )


def test_programs_are_told_the_same(world: World, start: Start) -> None:
    root = start()
    first, second = rows(world)

    assert (first["run_id"], first["root_id"], first["parent_id"]) == (root.run_id, root.run_id, None)
    assert (first["repository"], first["workflow"], first["step"]) == ("my-org/go-lib", "release", "fan-out")
    assert (first["status"], first["pid"]) == ("waiting", root.process.pid)
    assert (second["run_id"], second["root_id"]) == (root.child("working"), root.run_id)
    assert (second["repository"], second["workflow"], second["step"]) == ("my-org/working", "verify", "test")
    assert (second["status"], second["pid"]) == ("running", root.worker)
    assert 0 <= second["age_seconds"] <= first["age_seconds"] < 60
    # The root's are those of its whole tree: a Python, a shell and its sleep.
    assert first["cpu_seconds"] > second["cpu_seconds"] >= 0
    assert first["memory_bytes"] > second["memory_bytes"] + 5_000_000 > 5_000_000


def test_stopped_processes_are_shown_as_stopped(world: World, start: Start) -> None:
    root = start()
    os.kill(root.worker, signal.SIGSTOP)
    root.process.send_signal(signal.SIGSTOP)
    wait_for(lambda: [row["status"] for row in rows(world)] == ["stopped", "stopped"], "both are stopped")
    assert "stopped; 1 at work" in world.tako("ps").out


def test_a_child_whose_process_is_gone_has_none(world: World, start: Start) -> None:
    root = start()
    os.killpg(root.worker, signal.SIGKILL)
    wait_for(lambda: rows(world)[1]["pid"] is None, "its process is gone")
    assert rows(world)[1]["memory_bytes"] is None
    assert re.search(r"verify +test +- +\S+ +- +-  running$", world.tako("ps").out, re.MULTILINE)


def test_runs_come_in_the_order_in_which_they_began_each_with_its_own_children(world: World, start: Start) -> None:
    roots = sorted((start(), start()), key=lambda root: root.run_id)

    wanted = [run_id for root in roots for run_id in (root.run_id, root.child("working"))]
    assert [row["run_id"] for row in rows(world)] == wanted
    for root in roots:
        root.kill()
    ran = world.tako("ps", "--json")
    assert (ran.code, ran.json()) == (0, [])
    assert ran.err == "".join(f"{root.run_id} was killed; it left no processes\n" for root in roots)
    assert rows(world) == []


def test_a_run_whose_files_are_damaged_is_alive_all_the_same(world: World, start: Start) -> None:
    root = start()
    (root.directory / "request.json").write_text("{")

    ran = world.tako("ps", "--json")
    assert ran.code == 0
    assert "the request file is damaged" in ran.err
    (row,) = ran.json()
    assert (row["run_id"], row["status"], row["pid"]) == (root.run_id, "unreadable", root.process.pid)
    assert row["repository"] is None


def test_a_damaged_entry_is_told(world: World, start: Start) -> None:
    root = start()
    entry = world.home / "alive" / f"{root.run_id}.json"
    entry.write_text("{")

    ran = world.tako("ps")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.startswith(f"cannot tell whether {root.run_id} is alive: {entry}: ")
    ran = world.tako("cancel", root.run_id)
    assert ran.code == 3
    assert "is alive, but which process runs it is not known" in ran.err


def test_the_reader_may_go_away(world: World, start: Start) -> None:
    start()
    ran = world.run(["bash", "-o", "pipefail", "-c", "tako ps | true"])
    assert (ran.code, ran.err) == (0, "")


# tako cancel


def test_a_run_is_asked_to_stop_and_waited_for(world: World, start: Start) -> None:
    root = start()
    ran = world.tako("cancel", root.run_id)

    assert (ran.code, ran.out) == (0, "")
    assert ran.err == f"{root.run_id} was asked to stop\n{root.run_id} has ended\n"
    assert not is_held(root_workspace(str(world.home), root.run_id).run_lock)
    assert root.process.wait() == 0
    assert root.asked == ["SIGTERM"]
    assert rows(world) == []


def test_nobody_waits_who_does_not_want_to(world: World, start: Start) -> None:
    root = start("deaf")
    ran = world.tako("cancel", root.run_id, "--no-wait")

    assert (ran.code, ran.err) == (0, f"{root.run_id} was asked to stop\n")
    assert root.process.poll() is None
    assert root.asked == ["SIGTERM"]


def test_force_asks_twice(world: World, start: Start) -> None:
    root = start("stubborn")
    ran = world.tako("cancel", root.run_id, "--force")

    assert ran.err == f"{root.run_id} was asked to stop\n{root.run_id} has ended\n"
    assert root.process.wait() == 0
    assert root.asked == ["SIGTERM", "SIGTERM"]


def test_waiting_is_told_after_a_second(world: World, start: Start) -> None:
    root = start("stubborn")
    process = world.start("cancel", root.run_id)
    assert process.stderr is not None
    assert [process.stderr.readline(), process.stderr.readline()] == [
        f"{root.run_id} was asked to stop\n",
        f"waiting for {root.run_id} to end\n",
    ]
    root.process.terminate()
    ran = world.finish(process)
    assert (ran.code, ran.err) == (0, f"{root.run_id} has ended\n")
    root.process.wait()


def test_a_stopped_run_goes_on_in_order_to_end(world: World, start: Start) -> None:
    root = start()
    root.process.send_signal(signal.SIGSTOP)
    wait_for(lambda: rows(world)[0]["status"] == "stopped", "it is stopped")

    assert world.tako("cancel", root.run_id).code == 0
    assert root.process.wait() == 0


def test_a_run_that_is_not_alive_cannot_be_cancelled(world: World, start: Start) -> None:
    root = start()
    assert world.tako("cancel", root.run_id).code == 0
    root.process.wait()

    ran = world.tako("cancel", root.run_id)
    assert ran.code == 2
    assert f"{root.run_id} is not alive: it ended as interrupted" in ran.err
    assert "`tako ps`" in ran.err


def test_whoever_has_the_pid_of_a_killed_root_now_is_not_signalled(world: World, start: Start) -> None:
    root = start()
    root.kill()
    path = world.home / "alive" / f"{root.run_id}.json"
    path.write_text(path.read_text().replace(f'"pid":{root.process.pid}', f'"pid":{os.getpid()}'))

    ran = world.tako("cancel", root.run_id)
    assert ran.code == 2
    assert "is not alive: it ended as interrupted" in ran.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((NOBODY,), f"there is no run {NOBODY}"),
        (("../../etc",), "'../../etc' is not a run id"),
        ((), "Missing argument 'RUN_ID'"),
        ((NOBODY, "--child", NOBODY, "--force"), "--child and --force exclude each other"),
    ],
)
def test_wrong_usage_ends_with_2(world: World, arguments: tuple[str, ...], told: str) -> None:
    ran = world.tako("cancel", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert told in ran.err
    assert "fix: " in ran.err


# tako cancel --child


@pytest.mark.parametrize("name", ["working", "waiting", "retrying", "pending"])
def test_one_child_is_cancelled_in_whatever_phase_it_is(world: World, start: Start, name: str) -> None:
    root = start()
    ran = world.tako("cancel", root.run_id, "--child", root.child(name))

    child = root.child(name)
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == f"{child} was asked to stop\n{child} has ended: cancelled\n"
    assert root.asked == []
    assert root.process.poll() is None
    assert list((root.directory / "inbox").iterdir()) == []
    told = world.tako("status", root.run_id).out
    assert re.search(rf"⊘ .* my-org/{name}:verify .*cancelled", told)


def test_a_child_that_has_ended_is_not_cancelled(world: World, start: Start) -> None:
    root = start()
    ran = world.tako("cancel", root.run_id, "--child", root.child("ended"))

    assert (ran.code, ran.err) == (0, f"{root.child('ended')} has ended already: success\n")
    assert not (root.directory / "inbox").exists()


def test_nobody_waits_for_a_child_who_does_not_want_to(world: World, start: Start) -> None:
    root = start()
    root.process.send_signal(signal.SIGSTOP)
    ran = world.tako("cancel", root.run_id, "--child", root.child("working"), "--no-wait")

    assert (ran.code, ran.err) == (0, f"{root.child('working')} was asked to stop\n")
    (asked,) = (root.directory / "inbox").iterdir()
    assert asked.name == f"cancel-{root.child('working')}"
    assert re.fullmatch(r"tako cancel, process \d+\n", asked.read_text())


def test_a_root_that_ends_first_ends_the_waiting(world: World, start: Start) -> None:
    root = start("hasty")
    child = root.child("working")
    ran = world.tako("cancel", root.run_id, "--child", child)

    assert ran.code == 0
    assert ran.err == f"{child} was asked to stop\n{root.run_id} has ended, and {child} with it\n"
    root.process.wait()


def test_a_child_that_the_run_does_not_have_cannot_be_cancelled(world: World, start: Start) -> None:
    root, other = start(), start()
    for child, told in (
        (other.child("working"), f"{root.run_id} has not triggered {other.child('working')}"),
        ("rubbish", f"{root.run_id} has not triggered rubbish"),
        (root.run_id, f"{root.run_id} is the run itself"),
    ):
        ran = world.tako("cancel", root.run_id, "--child", child)
        assert ran.code == 2
        assert told in ran.err
        assert "fix: " in ran.err


def test_a_child_given_as_the_run_is_told_how_to_be_cancelled(world: World, start: Start) -> None:
    root = start()
    child = root.child("working")
    ran = world.tako("cancel", child)

    assert ran.code == 2
    assert f"{child} is a child of run {root.run_id}\n" in ran.err
    assert f"fix: `TAKO_HOME={world.home} tako cancel {root.run_id} --child {child}`" in ran.err


def test_run_ids_are_completed(world: World, start: Start) -> None:
    root = start()
    script = """
        source <(tako completion bash)
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
        _tako_completion tako
        printf '%s\\n' "${COMPREPLY[@]}"
    """

    def completed(*words: str) -> list[str]:
        ran = world.run(["bash", "--norc", "-c", script, "bash", "tako", "cancel", *words])
        assert ran.err == ""
        return ran.out.split()

    assert completed("exec-") == [root.run_id]
    open_ones = [root.child(name) for name in ("working", "waiting", "retrying", "pending")]
    assert completed(root.run_id, "--child", "exec-") == open_ones
    assert completed(NOBODY, "--child", "exec-") == []
    root.kill()
    assert completed("exec-") == []


# tako status, of what it did not know before


def test_status_tells_tries(world: World, start: Start) -> None:
    root = start()
    told = world.tako("status", root.run_id).out
    assert re.search(r"… ├─ my-org/retrying:verify .* retrying  try 2\n", told)
    assert "my-org/retrying:verify: try 1: killed: killed by SIGKILL\n" in told
    data = world.tako("status", root.run_id, "--json").json()
    (attempts,) = [run["attempts"] for run in data["runs"] if run["repository"] == "my-org/retrying"]
    assert [attempt["number"] for attempt in attempts] == [1]

    root.kill()
    assert re.search(r"✗ ├─ my-org/retrying:verify .* interrupted  try 2\n", world.tako("status", root.run_id).out)
