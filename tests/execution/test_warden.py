"""The process that outlives a root: real roots that are really killed, and how little it is otherwise."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from runner_child import WARDEN
from tako.clock import SystemClock
from tako.errors import SpawnError
from tako.execution.alive import MARK, left_behind
from tako.execution.warden import watched
from tako.execution.workspace import root_workspace
from tako.household import household
from tako.identity import marked
from tako.ids import new_run_id
from tako.process import Process, Processes

Wait = Callable[[Callable[[], object]], None]

ROOT = str(Path(__file__).parents[2])
CLOCK = SystemClock()

# A root that has a warden, and does what it is told.
STAND_IN = f"""
import os, sys, time
sys.path.insert(0, {ROOT!r})
from tako.clock import SystemClock
from tako.execution.alive import MARK, register
from tako.execution.warden import watched
from tako.execution.workspace import root_workspace
from tako.locks import own
from tako.process import Processes

home, run_id, then = sys.argv[1:]
workspace = root_workspace(home, run_id)
workspace.make()
processes = Processes()
with own(workspace.run_lock):
    register(home, run_id, clock=SystemClock())
    with watched(processes, home, run_id):
        exec(then)
"""

# What no SIGTERM ends, in a session of its own.
LEAVES = """
os.environ[MARK] = run_id
os.posix_spawn("/bin/sh", ["sh", "-c", "trap '' TERM; sleep 600 & wait; wait"], os.environ, setsid=True)
open(workspace.path + "/ready", "w").close()
time.sleep(600)
"""


def wardens(run_id: str) -> list[int]:
    """The pids of the wardens of a run."""
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if os.fsencode(WARDEN) in words and run_id.encode() in words:
            found.append(int(pid))
    return found


def test_what_a_killed_root_left_is_ended_though_nobody_else_is_there(
    tmp_path: Path, start_python: Callable[..., Process], wait_until: Wait
) -> None:
    run_id = new_run_id(CLOCK)
    root = start_python(STAND_IN, tmp_path, run_id, LEAVES)
    wait_until(Path(root_workspace(str(tmp_path), run_id).path, "ready").exists)
    assert len(wardens(run_id)) == 1
    os.kill(root.pid, signal.SIGKILL)
    wait_until(root.poll)
    assert marked(MARK, run_id)

    wait_until(lambda: not marked(MARK, run_id))
    wait_until(lambda: not wardens(run_id))
    assert [run.run_id for run in left_behind(str(tmp_path))] == [run_id], "the next command tells of it"


def test_a_root_that_ends_dismisses_its_warden(
    processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is gone with its root, and has never become what ends a killed one's tree."""
    run_id, became = new_run_id(CLOCK), tmp_path / "became"
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\ntouch {became}\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))

    with watched(processes, str(tmp_path), run_id):
        pass

    assert wardens(run_id) == []
    assert not became.exists()


def test_a_warden_is_none_of_those_at_work_and_has_nothing_of_its_root(
    processes: Processes, tmp_path: Path, wait_until: Wait
) -> None:
    run_id = new_run_id(CLOCK)
    before = household.at_work()
    with watched(processes, str(tmp_path), run_id):
        assert household.at_work() == before
        # One that has just been started has no command line for a moment.
        wait_until(lambda: wardens(run_id))
        (pid,) = wardens(run_id)
        proc = Path(f"/proc/{pid}")
        assert (proc / "environ").read_bytes() == b""
        assert os.getsid(pid) == pid, "a signal to its root's group, or from its terminal, does not reach it"
        assert sorted(os.listdir(proc / "fd")) == ["0", "1", "2"]
        assert not (proc / "comm").read_text().startswith("python"), "nothing is loaded before it is needed"


def test_without_room_for_a_warden_a_root_does_without(
    processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = new_run_id(CLOCK)
    before = set(os.listdir("/proc/self/fd"))

    def refuse(*_arguments: object, **_options: object) -> NoReturn:
        raise SpawnError("cannot start")

    for method in ("pipe", "spawn"):
        with monkeypatch.context() as without:
            without.setattr(processes, method, refuse)
            with watched(processes, str(tmp_path), run_id):
                assert wardens(run_id) == []
    assert set(os.listdir("/proc/self/fd")) == before
