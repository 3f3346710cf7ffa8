"""What a process left running is found and ended, however it hid. In processes of their own: they adopt orphans."""

from __future__ import annotations

import os
import signal
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tako import family
from tako.process import Completed, Processes

Gone = Callable[[int], bool]
Wait = Callable[[Callable[[], object]], None]

ROOT = str(Path(__file__).parents[1])

PRELUDE = f"""
import os, signal, sys, time
sys.path.insert(0, {ROOT!r})
from tako import family
from tako.household import household
from tako.process import Processes
from tako.signals import StopSignal, Stops

def living():
    return [each.pid for each in family.descendants(family.own_children())]

def run(script, **options):
    printed = bytearray()
    began = time.monotonic()
    outcome = processes.run_piped(
        ["bash", "-c", script], env=os.environ, on_stdout=printed.extend, on_stderr=print, **options
    )
    return outcome, printed.decode(), time.monotonic() - began
"""

# Forks twice with a session of its own in between, and tells its pid when it has lost its parent.
DAEMON = """
import os, sys, time
middle = os.fork()
if middle == 0:
    os.setsid()
    middle = os.getpid()
    if os.fork() == 0:
        while os.getppid() == middle:
            time.sleep(0.005)
        with open(sys.argv[1] + ".new", "w") as file:
            file.write(str(os.getpid()))
        os.rename(sys.argv[1] + ".new", sys.argv[1])
        time.sleep(1000)
    os._exit(0)
os.waitpid(middle, 0)
"""

# Each generation starts the next, in a session of its own, and ends. A test that fails leaves it: so not for ever.
REFORKS = """
import os, time
os.setsid()
end = time.monotonic() + 120
while time.monotonic() < end:
    if os.fork():
        os._exit(0)
"""


def adopting(processes: Processes, body: str, *arguments: str, timeout: float = 60) -> Completed:
    """Run code in a process that adopts orphans."""
    code = PRELUDE + "processes = Processes(adopts=True)\n" + textwrap.dedent(body)
    completed = processes.run([sys.executable, "-c", code, *arguments], env=os.environ, timeout=timeout)
    assert completed.ok, completed.message()
    return completed


@pytest.fixture
def daemon(tmp_path: Path) -> str:
    """A script that starts a daemon and goes on when that has left the family; the pid is in ``daemon.pid``."""
    program = tmp_path / "daemon.py"
    program.write_text(DAEMON)
    pid = tmp_path / "daemon.pid"
    return f"{sys.executable} {program} {pid}; until [ -e {pid} ]; do sleep 0.01; done"


def test_a_daemon_that_left_group_and_session_ends_with_what_started_it(
    processes: Processes, daemon: str, tmp_path: Path, is_gone: Gone
) -> None:
    done = adopting(
        processes,
        """
        outcome, printed, seconds = run(sys.argv[1] + "; echo done; exit 3")
        assert outcome.exit.code == 3 and printed == "done\\n"
        assert living() == [], living()
        """,
        daemon,
    )

    assert done.ok
    assert is_gone(int((tmp_path / "daemon.pid").read_text()))


def test_a_daemon_that_ignores_sigterm_is_killed(processes: Processes) -> None:
    adopting(
        processes,
        """
        daemon = "setsid sh -c 'echo up; sleep 1000; sleep 1000'"
        outcome, printed, seconds = run(f"trap '' TERM; exec 3< <({daemon}); read -r line <&3; echo $line")
        assert printed == "up\\n"
        assert living() == []
        """,
    )


def test_one_that_forks_again_and_again_is_met(processes: Processes, tmp_path: Path) -> None:
    program = tmp_path / "reforks.py"
    program.write_text(REFORKS)

    adopting(
        processes,
        f"""
        outcome, printed, seconds = run("{sys.executable} {program} & sleep 0.3")
        assert outcome.exit.ok
        time.sleep(0.05)
        assert living() == [], living()
        """,
    )


def test_a_daemon_is_ended_too_when_a_step_runs_out_of_time(processes: Processes, daemon: str) -> None:
    adopting(
        processes,
        """
        outcome, printed, seconds = run(sys.argv[1] + "; sleep 1000", timeout=3.0)
        assert outcome.timed_out and not outcome.forced
        assert living() == []
        """,
        daemon,
    )


def test_a_force_leaves_nothing_either(processes: Processes, daemon: str) -> None:
    adopting(
        processes,
        """
        force = StopSignal()
        def ready(data):
            force.set()
        outcome = processes.run_piped(
            ["bash", "-c", "trap '' TERM; " + sys.argv[1] + "; echo ready; while :; do sleep 1; done"],
            env=os.environ, on_stdout=ready, on_stderr=print, stops=Stops(force=(force.fd,)),
        )
        assert outcome.forced
        assert living() == []
        """,
        daemon,
    )


def test_what_ended_by_itself_is_taken_note_of(processes: Processes) -> None:
    adopting(
        processes,
        """
        run("for i in 1 2 3 4 5; do (setsid sh -c 'exit 0' &); done; sleep 0.2")
        assert family.own_children() == []
        """,
    )


def test_others_children_and_a_librarys_are_left_alone(processes: Processes) -> None:
    code = PRELUDE + textwrap.dedent(
        """
        import subprocess
        before = subprocess.Popen(["sleep", "1000"], start_new_session=True)
        processes = Processes(adopts=True)
        library = subprocess.Popen(["sleep", "1000"])
        run("true")
        assert before.poll() is None and library.poll() is None
        processes.kill_all()
        assert (before.wait(), library.wait()) == (-signal.SIGKILL, -signal.SIGKILL)
        assert living() == []
        """
    )
    completed = processes.run([sys.executable, "-c", code], env=os.environ, timeout=60)

    assert completed.ok, completed.message()


def test_at_work_at_once_each_keeps_its_own(processes: Processes) -> None:
    adopting(
        processes,
        """
        import threading
        results = []
        def work(number):
            results.append((number, run(f"sleep 0.3; exit {number}")[0].exit.code))
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads: thread.start()
        for _ in range(5): run("(setsid sleep 1000 &); true")
        for thread in threads: thread.join()
        assert sorted(results) == [(number, number) for number in range(8)], results
        assert living() == []
        """,
    )


def test_all_below_stands_still_and_goes_on(processes: Processes, tmp_path: Path) -> None:
    adopting(
        processes,
        """
        import threading
        def state(pid):
            return open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0]
        done = []
        script = f"(setsid sleep 1000 &); until [ -e {sys.argv[1]} ]; do sleep 0.05; done; echo on"
        thread = threading.Thread(target=lambda: done.append(run(script)))
        thread.start()
        while len(living()) < 2: time.sleep(0.01)
        processes.freeze()
        assert {state(pid) for pid in living()} == {"T"}
        processes.thaw()
        assert "T" not in {state(pid) for pid in living()}
        open(sys.argv[1], "w").close()
        thread.join()
        assert done[0][1] == "on\\n"
        """,
        str(tmp_path / "go-on"),
    )


def test_who_was_torn_from_waiting_kills_what_it_started_and_no_stranger(processes: Processes) -> None:
    adopting(
        processes,
        """
        import subprocess
        from tako.clock import SystemClock
        from tako.household import kill_ours
        stranger = subprocess.Popen(["sleep", "1000"])
        household._strangers = None
        household.open()
        script = "trap '' TERM; (setsid sleep 1000 &); sleep 1000 & wait"
        processes.spawn(["bash", "-c", script], env=os.environ)
        while len(living()) < 4: time.sleep(0.01)
        kill_ours(SystemClock())
        assert living() == [stranger.pid]
        stranger.kill()
        stranger.wait()
        """,
    )


def test_a_signal_does_not_reach_who_has_the_pid_by_now(processes: Processes) -> None:
    process = processes.spawn(["sleep", "1000"], env=os.environ)
    try:
        # Its parent is this process; a stranger with the same pid would have another.
        assert not family.send(family.Relative(os.getppid(), parent=process.pid), 0)
        assert family.send(family.Relative(process.pid, parent=os.getpid()), signal.SIGKILL)
    finally:
        assert processes.supervise(process, {}).exit.signal == signal.SIGKILL
    assert not family.send(family.Relative(process.pid, parent=os.getpid()), signal.SIGKILL)


@pytest.mark.parametrize("missing", ["os.pidfd_open", "family._children"])
def test_what_is_left_is_found_where_the_system_has_less(processes: Processes, missing: str, daemon: str) -> None:
    adopting(
        processes,
        f"""
        def refuse(*_): raise AttributeError
        {missing} = refuse if "pidfd" in "{missing}" else family._children_by_psutil
        outcome, printed, seconds = run(sys.argv[1] + "; echo done")
        assert printed == "done\\n"
        assert living() == []
        """,
        daemon,
    )
