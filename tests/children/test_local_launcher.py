"""Children of this machine, with a program in the child's place that does one thing each time."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tako.children.launchers.base import Launch
from tako.children.launchers.local import LocalLauncher
from tako.errors import SpawnError
from tako.process import Outcome, Process, Processes
from tako.signals import Exit, Stops, StopSignal

Wait = Callable[[Callable[[], object]], None]
Gone = Callable[[int], bool]

ROOT = str(Path(__file__).parents[2])

BEGIN = """
import os, signal, sys, time
directory = sys.argv[-1]
"""


class Launched:
    """One launch and what was heard of it. A list of words that are heard on stdout end it."""

    def __init__(self, processes: Processes, code: str, *, env: Mapping[str, str] | None = None) -> None:
        argv = (sys.executable, "-S", "-c", BEGIN + code)
        self.launcher = LocalLauncher(processes, env=os.environ if env is None else env, argv=argv)
        self.secrets: Mapping[str, str] = {}
        self.output = b""
        self.words = b""
        self.closed = 0
        self.enough = b"\0 never said"
        self.due: float | None = None
        self.on_output: Callable[[bytes], bool] = self.hear
        self.on_closed: Callable[[], object] = lambda: None

    def hear(self, data: bytes) -> bool:
        self.output += data
        return self.enough not in self.output

    def hear_words(self, data: bytes) -> None:
        self.words += data

    def hear_closed(self) -> None:
        self.closed += 1
        self.on_closed()

    def run(self, directory: Path, *, stops: Stops | None = None, **env: str) -> Outcome:
        launch = Launch(
            str(directory),
            env=env,
            secrets=self.secrets,
            on_output=self.on_output,
            on_words=self.hear_words,
            on_closed=self.hear_closed,
            due=lambda: self.due,
            stops=stops or Stops(),
        )
        return self.launcher.launch(launch)


def test_a_child_is_started_with_its_directory_and_both_its_streams_are_heard(
    processes: Processes, tmp_path: Path
) -> None:
    launch = Launched(processes, "print(directory, flush=True); sys.stderr.write('words'); sys.exit(3)")

    assert launch.run(tmp_path) == Outcome(Exit(code=3))
    assert launch.output.decode() == f"{tmp_path}\n"
    assert launch.words == b"words"


def test_much_on_both_streams_is_heard_whole_and_apart(processes: Processes, tmp_path: Path) -> None:
    code = "\nfor _ in range(100): os.write(1, b'o' * 10000); os.write(2, b'e' * 10000)"
    launch = Launched(processes, code)

    assert launch.run(tmp_path).exit.ok
    assert launch.output == b"o" * 1_000_000
    assert launch.words == b"e" * 1_000_000


def test_a_child_has_the_environment_of_all_children_and_its_own(processes: Processes, tmp_path: Path) -> None:
    code = "print(sorted((name, value) for name, value in os.environ.items() if name != 'LC_CTYPE'))"
    launch = Launched(processes, code, env={"SHARED": "all", "TAKO_ATTEMPT": "0"})
    launch.run(tmp_path, TAKO_ATTEMPT="2", OWN="mine")

    expected = [("OWN", "mine"), ("SHARED", "all"), ("TAKO_ATTEMPT", "2"), ("TAKO_LIFELINE", "1")]
    assert launch.output.decode().strip() == str(expected)


def test_a_child_leads_a_session_of_its_own(processes: Processes, tmp_path: Path) -> None:
    launch = Launched(processes, "print(os.getsid(0) == os.getpid() == os.getpgrp())")
    launch.run(tmp_path)

    assert launch.output == b"True\n"


def test_a_child_has_no_descriptor_beside_its_three(processes: Processes, tmp_path: Path) -> None:
    # The fourth is the listing's own.
    launch = Launched(processes, "print(sorted(os.listdir('/proc/self/fd')))")
    launch.run(tmp_path)

    assert launch.output.decode().strip() == str(["0", "1", "2", "3"])


def test_the_lifeline_is_open_and_silent_while_the_launcher_waits(processes: Processes, tmp_path: Path) -> None:
    launch = Launched(processes, "import select; print(select.select([0], [], [], 0.2)[0])")
    launch.run(tmp_path)

    assert launch.output == b"[]\n"


LAUNCHING = f"""
import os, sys
sys.path.insert(0, {ROOT!r})
from tako.children.launchers.base import Launch
from tako.children.launchers.local import LocalLauncher
from tako.process import Processes
program, directory = sys.argv[1:]
launcher = LocalLauncher(Processes(), env=os.environ, argv=(sys.executable, "-S", "-c", program))
launcher.launch(Launch(directory, on_output=lambda data: True))
"""

WAITS_FOR_ITS_LIFELINE = f"""{BEGIN}
def tell(name, text):
    with open(f"{{directory}}/new", "w") as file:
        file.write(text)
    os.rename(f"{{directory}}/new", f"{{directory}}/{{name}}")
tell("begun", str(os.getpid()))
tell("lost", repr(os.read(0, 1)))
"""


def test_the_lifeline_ends_when_the_launchers_process_is_gone_however_that_went(
    tmp_path: Path, start_python: Callable[..., Process], wait_until: Wait, is_gone: Gone
) -> None:
    launching = start_python(LAUNCHING, WAITS_FOR_ITS_LIFELINE, tmp_path)
    wait_until((tmp_path / "begun").exists)
    child = int((tmp_path / "begun").read_text())
    assert not (tmp_path / "lost").exists()

    os.kill(launching.pid, signal.SIGKILL)

    wait_until((tmp_path / "lost").exists)
    assert (tmp_path / "lost").read_text() == "b''"
    wait_until(lambda: is_gone(child))


def test_a_stdout_that_is_closed_early_is_told_once_and_what_is_then_due_holds(
    processes: Processes, tmp_path: Path
) -> None:
    launch = Launched(processes, "os.write(1, b'so far'); os.close(1); time.sleep(600)")

    def end_now() -> None:
        launch.due = 0.0

    launch.on_closed = end_now
    outcome = launch.run(tmp_path)

    assert launch.closed == 1
    assert launch.output == b"so far"
    assert outcome == Outcome(Exit(signal=signal.SIGTERM), timed_out=True)


def test_a_stderr_that_is_closed_early_is_nobodys_business(processes: Processes, tmp_path: Path) -> None:
    code = """
os.close(2)
os.write(1, b"a")
while not os.path.exists(f"{directory}/heard"): time.sleep(0.005)
os.write(1, b"b")
"""
    launch = Launched(processes, code)
    closed: list[int] = []

    def hear(data: bytes) -> bool:
        closed.append(launch.closed)
        (tmp_path / "heard").touch()
        return True

    launch.on_output = hear
    assert launch.run(tmp_path).exit.ok
    assert closed == [0, 0]


def test_a_child_that_says_what_is_refused_is_ended(processes: Processes, tmp_path: Path) -> None:
    launch = Launched(processes, "os.write(1, b'rubbish'); time.sleep(600)")
    launch.enough = b"rubbish"

    assert launch.run(tmp_path) == Outcome(Exit(signal=signal.SIGTERM), stopped=True)


@pytest.mark.parametrize("ignores", [False, True])
def test_a_child_can_be_asked_to_end_and_be_forced(processes: Processes, tmp_path: Path, ignores: bool) -> None:
    ask, force = StopSignal(), StopSignal()
    code = f"""
signal.signal(signal.SIGTERM, {"signal.SIG_IGN" if ignores else "lambda *_: sys.exit(7)"})
os.write(1, b"ready")
while True: time.sleep(600)
"""
    launch = Launched(processes, code)

    def hear(data: bytes) -> bool:
        (force if ignores else ask).set()
        return True

    launch.on_output = hear
    outcome = launch.run(tmp_path, stops=Stops(ask=(ask.fd,), force=(force.fd,)))
    ask.close()
    force.close()

    expected = Outcome(Exit(signal=signal.SIGKILL), stopped=True, forced=True)
    assert outcome == (expected if ignores else Outcome(Exit(code=7), stopped=True))


def test_what_a_child_left_running_in_its_session_is_ended(processes: Processes, tmp_path: Path, is_gone: Gone) -> None:
    code = """
told, tell = os.pipe()
if os.fork() == 0:
    os.setpgid(0, 0)
    os.write(1, str(os.getpid()).encode())
    os.write(tell, b"!")
    time.sleep(600)
os.read(told, 1)
"""
    launch = Launched(processes, code)
    launch.run(tmp_path)

    assert is_gone(int(launch.output))


def test_no_descriptor_is_left_open_however_the_launch_went(processes: Processes, tmp_path: Path) -> None:
    def open_ones() -> list[str]:
        return sorted(os.listdir("/proc/self/fd"))

    # That one is for all children, and as long as this process is there.
    processes.lifeline()
    before = open_ones()
    Launched(processes, "print(1)").run(tmp_path)
    assert open_ones() == before

    def fail(_data: bytes) -> bool:
        raise RuntimeError

    failing = Launched(processes, "print(1, flush=True); time.sleep(600)")
    failing.on_output = fail
    with pytest.raises(RuntimeError):
        failing.run(tmp_path)
    assert open_ones() == before

    missing = LocalLauncher(processes, env=os.environ, argv=("/no/such/python",))
    with pytest.raises(SpawnError, match="/no/such/python"):
        missing.launch(Launch(str(tmp_path), secrets={"A": "value"}, on_output=lambda _: True))
    assert open_ones() == before


def test_a_launch_without_descriptors_is_told_as_passing_and_leaves_none_open(
    processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = 0
    pipe = processes.pipe

    def one_only(what: str, *, lasting: bool = False) -> tuple[int, int]:
        nonlocal made
        made += 1
        if made > 1:
            raise SpawnError(f"cannot start {what!r}: Too many open files", passing=True)
        return pipe(what, lasting=lasting)

    processes.lifeline()
    monkeypatch.setattr(processes, "pipe", one_only)
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(SpawnError, match="a child's stderr"):
        Launched(processes, "print(1)").run(tmp_path)

    assert sorted(os.listdir("/proc/self/fd")) == before


def test_without_a_program_the_real_child_is_started(processes: Processes, tmp_path: Path) -> None:
    launch = Launched(processes, "")
    launch.launcher = LocalLauncher(processes, env=os.environ)
    outcome = launch.run(tmp_path)

    assert outcome.exit.code == 3
    assert b"request.json" in launch.words
