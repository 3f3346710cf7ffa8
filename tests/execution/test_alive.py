"""Runs that are alive, and what is left of those that were killed: real roots, real processes, real locks."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tako import cgroup, identity
from tako.clock import SystemClock
from tako.execution import alive
from tako.execution.alive import AliveRun, alive_runs, end_left_by, left_behind, register, sweep, unregister
from tako.execution.workspace import root_workspace
from tako.files import read_document, write_document
from tako.identity import identity_of, marked
from tako.ids import new_run_id
from tako.locks import is_held, own
from tako.process import Process, Processes
from tako.testing import FakeClock
from tests.test_cgroup import ENDS, HIDDEN, MEMBER

Wait = Callable[[Callable[[], object]], None]

CLOCK = SystemClock()

# Sweeping finds processes on the whole machine, where other tests may run at the same time.
ROOT_ID, OTHER_ID = sorted((new_run_id(CLOCK), new_run_id(CLOCK)))

# A root as far as this is about: it registers, holds its lock, starts some shell commands that carry its mark in
# sessions of their own, says that all is there and waits to be killed.
STAND_IN = """
import os, sys, time
from tako.clock import SystemClock
from tako.execution.alive import MARK, register
from tako.execution.workspace import root_workspace
from tako.locks import own

home, run_id, *commands = sys.argv[1:]
workspace = root_workspace(home, run_id)
workspace.make()
with own(workspace.run_lock):
    register(home, run_id, clock=SystemClock())
    os.environ[MARK] = run_id
    for command in commands:
        os.posix_spawn("/bin/sh", ["sh", "-c", command], os.environ, setsid=True)
    open(f"{workspace.path}/ready", "w").close()
    time.sleep(600)
"""

STOPPED = "kill -STOP $$; exec sleep 600"

# Ignores SIGTERM for itself only: what it starts would inherit that.
STUBBORN = f"exec {sys.executable} -c 'import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)'"

# A new process every few tenths of a millisecond, its parent gone, each a leader of its own session.
RESTLESS = f"""exec {sys.executable} -S -c '
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
end = time.monotonic() + 120
while time.monotonic() < end:
    if os.fork():
        os._exit(0)
    os.setsid()
'"""


class Roots:
    """Stand-in roots below one home."""

    def __init__(self, home: Path, processes: Processes, wait_until: Wait) -> None:
        self.home = str(home)
        self.told: list[str] = []
        self._processes = processes
        self._wait_until = wait_until
        self._started: dict[str, Process] = {}

    def start(self, run_id: str, *commands: str) -> Process:
        """A root that has registered, holds its lock and has started those commands."""
        argv = [sys.executable, "-c", STAND_IN, self.home, run_id, *commands]
        process = self._started[run_id] = self._processes.spawn(argv, env=os.environ, stderr=2)
        self._wait_until((Path(root_workspace(self.home, run_id).path) / "ready").exists)
        return process

    def kill(self, run_id: str) -> None:
        """SIGKILL to a root."""
        process = self._started[run_id]
        os.kill(process.pid, signal.SIGKILL)
        self._wait_until(process.poll)

    def sweep(self) -> tuple[alive.Swept, ...]:
        return sweep(self.home, clock=CLOCK, say=self.told.append)

    def left(self, run_id: str) -> tuple[identity.Identity, ...]:
        """The living processes of a run that are not its root."""
        return marked(alive.MARK, run_id)

    def end(self) -> None:
        for run_id, process in self._started.items():
            if process.poll() is None:
                self.kill(run_id)
            alive._end_all_of(AliveRun(run_id, self.home, None, 0.0), CLOCK)


@pytest.fixture
def roots(tmp_path: Path, processes: Processes, wait_until: Wait) -> Iterator[Roots]:
    roots = Roots(tmp_path, processes, wait_until)
    yield roots
    roots.end()


# The registry.


def test_a_run_is_registered_until_it_is_unregistered(tmp_path: Path) -> None:
    home = str(tmp_path)
    clock = FakeClock(now=1000.0)
    register(home, ROOT_ID, clock=clock)
    clock.advance(1)
    register(home, OTHER_ID, clock=clock)

    me = identity_of(os.getpid())
    assert alive_runs(home) == (AliveRun(ROOT_ID, home, me, 1000.0), AliveRun(OTHER_ID, home, me, 1001.0))
    unregister(home, ROOT_ID)
    unregister(home, ROOT_ID)
    assert [run.run_id for run in alive_runs(home)] == [OTHER_ID]
    assert left_behind(home) == ()


def test_a_home_where_nothing_ever_ran_has_no_runs(tmp_path: Path) -> None:
    home = str(tmp_path / "none")
    assert alive_runs(home) == left_behind(home) == ()
    unregister(home, ROOT_ID)
    assert sweep(home, clock=CLOCK, say=pytest.fail) == ()
    assert not (tmp_path / "none").exists()


def test_to_sweep_where_nothing_is_registered_costs_one_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "alive").mkdir()
    (tmp_path / "alive" / "sweep.lock").touch()
    looked: list[str] = []
    really = os.listdir

    def look(path: str) -> list[str]:
        looked.append(path)
        return really(path)

    monkeypatch.setattr(os, "listdir", look)
    for name in ("open", "stat"):
        monkeypatch.setattr(os, name, lambda *_args, **_options: pytest.fail("more than one look"))

    assert sweep(str(tmp_path), clock=CLOCK, say=pytest.fail) == ()
    assert looked == [f"{tmp_path}/alive"]


def test_a_run_is_alive_by_its_lock_or_by_its_process(tmp_path: Path) -> None:
    home = str(tmp_path)
    lock = root_workspace(home, ROOT_ID).run_lock
    register(home, ROOT_ID, clock=CLOCK)
    assert [run.run_id for run in alive_runs(home)] == [ROOT_ID], "its process is ours"

    set_root(home, {"pid": os.getpid(), "started": 1.0})
    assert alive_runs(home) == ()
    assert [run.run_id for run in left_behind(home)] == [ROOT_ID], "who has its pid now is another"
    with own(lock):
        assert [run.run_id for run in alive_runs(home)] == [ROOT_ID]
        assert left_behind(home) == ()
    set_root(home, None)
    assert alive_runs(home) == ()


def set_root(home: str, root: object) -> None:
    """Change who an entry says is the root."""
    change_entry(home, root=root)


def change_entry(home: str, **fields: object) -> None:
    """Change what the entry of a run says."""
    path = f"{home}/alive/{ROOT_ID}.json"
    write_document(path, "alive", 1, {**read_document(path, "alive", 1), **fields})


DAMAGED = [
    b"",
    b"{",
    b"null\n",
    b'{"kind":"state","schema":1,"sha256":"","data":{}}',
]


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_entry_is_told_and_left_alone(tmp_path: Path, content: bytes) -> None:
    home = str(tmp_path)
    register(home, ROOT_ID, clock=CLOCK)
    register(home, OTHER_ID, clock=CLOCK)
    path = tmp_path / "alive" / f"{ROOT_ID}.json"
    path.write_bytes(content)
    told: list[str] = []

    assert sweep(home, clock=CLOCK, say=told.append) == ()
    assert [run.run_id for run in alive_runs(home, say=told.append)] == [OTHER_ID]
    assert left_behind(home) == ()
    assert path.read_bytes() == content
    assert told[0] == told[1]
    assert told[0].startswith(f"cannot tell whether {ROOT_ID} is alive: {path}: ")


@pytest.mark.parametrize(
    "data",
    [
        {},
        [],
        {"run_id": ROOT_ID, "started_at": 1.0},
        {"run_id": OTHER_ID, "started_at": 1.0, "root": None},
        {"run_id": ROOT_ID, "started_at": "now", "root": None},
        {"run_id": ROOT_ID, "started_at": 1.0, "root": {"pid": 1}},
        {"run_id": ROOT_ID, "started_at": 1.0, "root": {"pid": "1", "started": 1.0}},
        {"run_id": ROOT_ID, "started_at": 1.0, "root": None, "more": 1},
    ],
)
def test_an_entry_that_says_something_else_is_told(tmp_path: Path, data: object) -> None:
    register(str(tmp_path), ROOT_ID, clock=CLOCK)
    write_document(f"{tmp_path}/alive/{ROOT_ID}.json", "alive", 1, data)
    told: list[str] = []

    assert alive_runs(str(tmp_path), say=told.append) == ()
    assert len(told) == 1


def test_other_files_are_nobodys_entry(tmp_path: Path) -> None:
    register(str(tmp_path), ROOT_ID, clock=CLOCK)
    for name in ("x.json", f"{OTHER_ID}.json.12.tmp", "..json", OTHER_ID):
        (tmp_path / "alive" / name).write_text("{")

    assert len(alive_runs(str(tmp_path), say=pytest.fail)) == 1


# What was left behind.


def test_what_a_killed_root_left_is_found_and_ended(roots: Roots) -> None:
    roots.start(
        ROOT_ID, "exec sleep 600", "kill -STOP $$; exec sleep 600", STUBBORN, "setsid sleep 600 & exec sleep 600"
    )
    roots._wait_until(lambda: len(roots.left(ROOT_ID)) == 5)
    roots._wait_until(lambda: any(identity.is_stopped(each) for each in roots.left(ROOT_ID)))
    roots.kill(ROOT_ID)
    assert [run.run_id for run in left_behind(roots.home)] == [ROOT_ID]
    there = sorted(each.pid for each in roots.left(ROOT_ID))
    assert len(there) == 5

    (swept,) = roots.sweep()

    assert roots.left(ROOT_ID) == ()
    assert (swept.run_id, list(swept.ended), swept.left) == (ROOT_ID, there, ())
    pids = ", ".join(map(str, there))
    assert roots.told == [f"{ROOT_ID} was killed; ended 5 processes that it left (pids {pids})"]
    assert left_behind(roots.home) == ()
    assert roots.sweep() == ()
    assert len(roots.told) == 1


@pytest.mark.parametrize("how", ["asked", "forced"])
def test_what_cleared_its_environment_is_found_by_its_control_group(
    roots: Roots, how: str, start_python: Callable[..., Process], wait_until: Wait, is_gone: Callable[[int], bool]
) -> None:
    group = cgroup.group_of_tree(ROOT_ID)
    if group is None or not cgroup.make(f"{group}/child"):
        pytest.skip("this user may make no control groups on this machine")
    roots.start(ROOT_ID)
    change_entry(roots.home, group=group)
    wait_until(start_python(MEMBER, f"{group}/child", HIDDEN, ENDS).poll)
    wait_until(lambda: len(cgroup.members(group)) == 1)
    (hidden,) = cgroup.members(group)
    roots.kill(ROOT_ID)
    assert roots.left(ROOT_ID) == ()

    if how == "asked":
        (swept,) = roots.sweep()
        assert swept.ended == (hidden,)
    else:
        end_left_by(roots.home, ROOT_ID, clock=CLOCK)
    wait_until(lambda: is_gone(hidden))
    assert not os.path.exists(group)


def test_to_end_what_one_run_left_is_to_kill_it_and_leave_the_telling_to_others(roots: Roots) -> None:
    roots.start(ROOT_ID, STUBBORN)
    roots.start(OTHER_ID, STUBBORN)
    end_left_by(roots.home, ROOT_ID, clock=CLOCK)
    assert len(roots.left(ROOT_ID)) == 1, "its root is alive"
    roots.kill(ROOT_ID)
    roots.kill(OTHER_ID)

    with own(root_workspace(roots.home, ROOT_ID).run_lock):
        end_left_by(roots.home, ROOT_ID, clock=CLOCK)
    assert len(roots.left(ROOT_ID)) == 1, "somebody goes on with it"
    end_left_by(roots.home, ROOT_ID, clock=FakeClock())
    roots._wait_until(lambda: not roots.left(ROOT_ID))

    assert len(roots.left(OTHER_ID)) == 1
    assert [run.run_id for run in left_behind(roots.home)] == sorted((ROOT_ID, OTHER_ID))
    roots.sweep()
    assert roots.told[0] == f"{ROOT_ID} was killed; it left no processes"


def test_what_heeds_the_request_to_end_is_not_forced(roots: Roots, tmp_path: Path) -> None:
    cleaning = f"trap 'echo tidy >> {tmp_path}/said; exit' TERM; touch {tmp_path}/trapped; while :; do sleep 0.05; done"
    roots.start(ROOT_ID, cleaning)
    roots._wait_until((tmp_path / "trapped").exists)
    roots.kill(ROOT_ID)

    roots.sweep()
    assert (tmp_path / "said").read_text() == "tidy\n"


def test_what_keeps_forking_is_ended_too(roots: Roots) -> None:
    roots.start(ROOT_ID, RESTLESS)
    seen: set[identity.Identity] = set()

    def at_work() -> bool:
        seen.update(roots.left(ROOT_ID))
        return len(seen) > 2

    roots._wait_until(at_work)
    roots.kill(ROOT_ID)

    (swept,) = roots.sweep()
    assert len(swept.ended) > 1
    assert swept.left == ()
    assert [roots.left(ROOT_ID) for _ in range(5)] == [()] * 5


def test_a_run_that_is_alive_is_left_alone(roots: Roots) -> None:
    roots.start(ROOT_ID, "exec sleep 600")
    roots.start(OTHER_ID, "exec sleep 600")
    roots.kill(ROOT_ID)

    assert [each.run_id for each in roots.sweep()] == [ROOT_ID]
    assert roots.left(ROOT_ID) == ()
    assert len(roots.left(OTHER_ID)) == 1
    assert is_held(root_workspace(roots.home, OTHER_ID).run_lock)
    assert [run.run_id for run in alive_runs(roots.home)] == [OTHER_ID]


def test_a_run_that_left_nothing_is_told_once(roots: Roots) -> None:
    roots.start(ROOT_ID)
    roots.kill(ROOT_ID)

    (swept,) = roots.sweep()
    assert swept.ended == ()
    assert roots.told == [f"{ROOT_ID} was killed; it left no processes"]
    assert roots.sweep() == ()


def test_one_process_is_told_as_one(roots: Roots) -> None:
    roots.start(ROOT_ID, "exec sleep 600")
    roots.kill(ROOT_ID)

    (swept,) = roots.sweep()
    assert roots.told == [f"{ROOT_ID} was killed; ended 1 process that it left (pid {swept.ended[0]})"]


def test_whoever_has_a_dead_roots_pid_now_is_not_signalled(roots: Roots, start_python: Callable[..., Process]) -> None:
    bystander = start_python("import time; time.sleep(600)")
    register(roots.home, ROOT_ID, clock=CLOCK)
    set_root(roots.home, {"pid": bystander.pid, "started": 1.0})

    assert [each.ended for each in roots.sweep()] == [()]
    assert bystander.poll() is None


def test_a_run_that_was_resumed_meanwhile_is_left_alone(roots: Roots, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the sweep another root has taken the run's lock."""
    roots.start(ROOT_ID, "exec sleep 600")
    roots.kill(ROOT_ID)
    dead = left_behind(roots.home)
    monkeypatch.setattr(alive, "_registered", lambda _home, _say: list(dead))
    monkeypatch.setattr(alive, "_is_dead", lambda _run: True)
    with own(root_workspace(roots.home, ROOT_ID).run_lock):
        assert roots.sweep() == ()
    assert len(roots.left(ROOT_ID)) == 1
    assert roots.told == []


def test_nobody_can_take_a_run_while_it_is_swept(roots: Roots, monkeypatch: pytest.MonkeyPatch) -> None:
    roots.start(ROOT_ID)
    roots.kill(ROOT_ID)
    held: list[bool] = []
    really = identity.each_marked

    def look(name: str, value: str) -> Iterator[identity.Identity]:
        held.append(is_held(root_workspace(roots.home, ROOT_ID).run_lock))
        return really(name, value)

    monkeypatch.setattr(identity, "each_marked", look)
    roots.sweep()
    assert held == [True]


def test_a_run_whose_directory_was_removed_is_swept_and_gets_none_back(roots: Roots) -> None:
    import shutil

    roots.start(ROOT_ID, "exec sleep 600")
    roots.kill(ROOT_ID)
    workspace = root_workspace(roots.home, ROOT_ID).path
    shutil.rmtree(workspace)

    (swept,) = roots.sweep()
    assert len(swept.ended) == 1
    assert not os.path.exists(workspace)


def test_two_who_sweep_at_once_do_not_hurt_each_other(roots: Roots) -> None:
    roots.start(ROOT_ID, "exec sleep 600", STUBBORN)
    roots.kill(ROOT_ID)
    swept: list[alive.Swept] = []
    threads = [threading.Thread(target=lambda: swept.extend(roots.sweep())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [each.run_id for each in swept] == [ROOT_ID]
    assert len(roots.told) == 1
    assert roots.left(ROOT_ID) == ()


def test_whoever_sweeps_already_is_left_to_it(roots: Roots) -> None:
    roots.start(ROOT_ID, "exec sleep 600")
    roots.kill(ROOT_ID)
    with own(f"{roots.home}/alive/sweep.lock"):
        assert roots.sweep() == ()
    assert len(roots.left(ROOT_ID)) == 1
    assert roots.told == []


def test_who_sweeps_is_not_swept(roots: Roots, processes: Processes) -> None:
    roots.start(ROOT_ID)
    roots.kill(ROOT_ID)
    code = (
        "import sys; from tako.clock import SystemClock; from tako.execution.alive import sweep\n"
        "print(len(sweep(sys.argv[1], clock=SystemClock(), say=print)))"
    )
    ran = processes.run([sys.executable, "-c", code, roots.home], env={**os.environ, alive.MARK: ROOT_ID})

    assert ran.stdout.decode() == f"{ROOT_ID} was killed; it left no processes\n1\n", ran.message()


def test_what_cannot_be_ended_is_told_and_does_not_hold_anyone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(str(tmp_path), ROOT_ID, clock=CLOCK)
    set_root(str(tmp_path), None)
    stuck = identity.Identity(2**22 + 1, 1.0)
    sent: list[int] = []
    monkeypatch.setattr(identity, "each_marked", lambda _name, _value: iter([stuck]))
    monkeypatch.setattr(identity, "send", lambda _process, number: sent.append(number))
    clock = FakeClock()
    told: list[str] = []

    (swept,) = sweep(str(tmp_path), clock=clock, say=told.append)
    assert (swept.ended, swept.left) == ((), (stuck.pid,))
    assert told == [f"{ROOT_ID} was killed; could not end pid {stuck.pid}"]
    assert sent[:2] == [signal.SIGTERM, signal.SIGCONT]
    assert set(sent[2:]) == {signal.SIGKILL}
    assert 10.0 <= clock.monotonic() < 10.5
    assert left_behind(str(tmp_path)) == ()
