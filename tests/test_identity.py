"""A process is known by its pid and its start: nobody else is taken for it, and nobody else is signalled."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tako import identity
from tako.identity import Identity, each_marked, identity_of, is_alive, is_stopped, marked, send
from tako.process import Process, Processes
from tako.records import replace

Wait = Callable[[Callable[[], object]], None]
Start = Callable[..., Process]

SLEEP = "import time; print(1, flush=True); time.sleep(600)"


def known(process: Process) -> Identity:
    """The identity of a process that is there."""
    found = identity_of(process.pid)
    assert found is not None
    return found


def test_a_process_is_the_same_at_every_look(start_python: Start) -> None:
    process = known(start_python(SLEEP))

    assert process == identity_of(process.pid)
    assert is_alive(process)
    assert process != identity_of(os.getpid())


@pytest.mark.parametrize("pid", [0, -1, 2**22 + 1])
def test_a_pid_that_nobody_can_have_is_nobody(pid: int) -> None:
    assert identity_of(pid) is None
    assert not is_alive(Identity(pid, 1.0))
    assert not send(Identity(pid, 1.0), signal.SIGKILL)


def test_a_zombie_is_not_alive(start_python: Start, wait_until: Wait, is_gone: Callable[[int], bool]) -> None:
    process = start_python("")
    wait_until(lambda: is_gone(process.pid))

    assert identity_of(process.pid) is not None
    assert not is_alive(known(process))


@pytest.mark.parametrize("name", ["a b", "a) R (b", ") Z 1 2 3", "(", "a\nb"])
def test_no_name_of_a_program_confuses(tmp_path: Path, processes: Processes, name: str) -> None:
    program = tmp_path / name
    program.symlink_to("/bin/sleep")
    process = processes.spawn([str(program), "600"], env={})
    me = identity_of(os.getpid())
    assert me is not None
    try:
        assert is_alive(known(process))
        assert known(process).started >= me.started
    finally:
        os.kill(process.pid, signal.SIGKILL)
        os.waitpid(process.pid, 0)


def test_a_stopped_process_is_told_until_it_goes_on(start_python: Start, wait_until: Wait) -> None:
    process = known(start_python(SLEEP))
    assert not is_stopped(process)

    assert send(process, signal.SIGSTOP)
    wait_until(lambda: is_stopped(process))
    assert is_alive(process)
    assert not is_stopped(replace(process, started=process.started + 1))
    assert send(process, signal.SIGCONT)
    wait_until(lambda: not is_stopped(process))


@pytest.fixture(params=["pidfd", "without"])
def pidfd(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Once with pidfds, once on a system that has none."""
    if request.param == "without":
        monkeypatch.delattr(os, "pidfd_open")
    return str(request.param)


@pytest.mark.usefixtures("pidfd")
def test_a_signal_reaches_its_process(start_python: Start, wait_until: Wait) -> None:
    process = start_python(SLEEP)

    assert send(known(process), signal.SIGTERM)
    wait_until(process.poll)
    exit_ = process.poll()
    assert exit_ is not None
    assert exit_.signal == signal.SIGTERM
    assert not send(Identity(process.pid, 1.0), signal.SIGTERM)


@pytest.mark.usefixtures("pidfd")
@pytest.mark.parametrize("difference", [-1, 1, 1000])
def test_whoever_reuses_a_pid_is_not_signalled(start_python: Start, difference: int) -> None:
    process = start_python(SLEEP)
    earlier = replace(known(process), started=known(process).started + difference)

    assert not is_alive(earlier)
    assert not send(earlier, signal.SIGKILL)
    assert is_alive(known(process))


def test_a_process_that_ends_before_the_signal_is_gone(start_python: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is gone, and its pid somebody else's, between the comparison and the signal."""
    first, other = start_python(SLEEP), start_python(SLEEP)
    identity_of_first = known(first)
    really_alive = identity.is_alive

    def alive_and_then_gone(process: Identity) -> bool:
        alive = really_alive(process)
        os.kill(first.pid, signal.SIGKILL)
        while first.poll() is None:
            pass
        return alive

    monkeypatch.setattr(identity, "is_alive", alive_and_then_gone)
    assert not send(identity_of_first, signal.SIGKILL)
    assert other.poll() is None


def test_sending_keeps_no_descriptor(start_python: Start) -> None:
    process = known(start_python(SLEEP))
    before = os.listdir("/proc/self/fd")
    for number in (0, signal.SIGCONT):
        send(process, number)
        send(replace(process, started=0.0), number)

    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_another_users_process_is_not_ours_to_signal(
    public_path: Path, unprivileged: Callable[[Path, str, str], object]
) -> None:
    code = f"try:\n    send(identity_of({os.getpid()}), 0)\nexcept PermissionError:\n    open('refused', 'w').close()\n"
    unprivileged(public_path, "from tako.identity import identity_of, send", code)

    assert (public_path / "refused").exists()


# Found by their environment.


def spawn_marked(processes: Processes, value: str, *more: str) -> Process:
    return processes.spawn(["/bin/sleep", "600"], env=dict(each.split("=", 1) for each in (f"MARKED={value}", *more)))


def end(*started: Process) -> None:
    for process in started:
        os.kill(process.pid, signal.SIGKILL)
        os.waitpid(process.pid, 0)


def test_only_those_with_exactly_that_variable_are_marked(tmp_path: Path, processes: Processes) -> None:
    value = str(tmp_path)
    started = [
        spawn_marked(processes, value),
        spawn_marked(processes, f"{value}/more"),
        spawn_marked(processes, value[:-1]),
        spawn_marked(processes, "other", f"ALSO_MARKED={value}"),
        spawn_marked(processes, "other", f"X=MARKED={value}"),
        spawn_marked(processes, value, "A=b", "C=ü"),
    ]
    try:
        found = marked("MARKED", value)
        assert sorted(found, key=lambda each: each.pid) == [known(started[0]), known(started[5])]
        assert set(each_marked("MARKED", value)) == set(found)
    finally:
        end(*started)
    assert marked("MARKED", value) == ()


def test_a_value_that_is_no_utf_8_marks_too(processes: Processes) -> None:
    value = os.fsdecode(b"caf\xe9 " + str(os.getpid()).encode())
    process = spawn_marked(processes, value)
    try:
        assert marked("MARKED", value) == (known(process),)
    finally:
        end(process)


def test_whoever_asks_is_not_among_the_marked(tmp_path: Path, processes: Processes) -> None:
    code = "import os; from tako.identity import marked; print(marked('MARKED', os.environ['MARKED']))"
    ran = processes.run([sys.executable, "-c", code], env={**os.environ, "MARKED": str(tmp_path)})
    assert ran.stdout == b"()\n", ran.message()


def test_no_thread_is_taken_for_a_process(tmp_path: Path, processes: Processes) -> None:
    """Threads have numbers of their own, and /proc answers for each; here they are born while they are looked for."""
    code = (
        "import os, threading; from tako.identity import marked\n"
        "def born():\n"
        "    while not enough.is_set():\n"
        "        thread = threading.Thread(target=enough.wait, args=(0.002,)); thread.start(); thread.join()\n"
        "enough = threading.Event(); threading.Thread(target=born).start()\n"
        "print([marked('MARKED', os.environ['MARKED']) for _ in range(10)]); enough.set()"
    )
    ran = processes.run([sys.executable, "-c", code], env={**os.environ, "MARKED": str(tmp_path)})
    assert ran.stdout.decode() == f"{[()] * 10}\n", ran.message()


# A new process all the time, in a session of its own, whose parent is gone; not for ever, if nobody ends it.
RESTLESS = """
import os, time
end = time.monotonic() + 120
while time.monotonic() < end:
    if os.fork():
        os._exit(0)
    os.setsid()
"""


def test_one_that_keeps_forking_is_found_though_it_is_another_at_each_look(
    tmp_path: Path, processes: Processes, wait_until: Wait
) -> None:
    process = processes.spawn([sys.executable, "-S", "-c", RESTLESS], env={"MARKED": str(tmp_path)})
    os.waitpid(process.pid, 0)
    try:
        found: set[Identity] = set()

        def five_found() -> bool:
            found.update(marked("MARKED", str(tmp_path)))
            return len(found) >= 5

        wait_until(five_found)
    finally:
        while True:
            there = [send(each, signal.SIGKILL) for each in each_marked("MARKED", str(tmp_path))]
            if not there:
                break
    assert marked("MARKED", str(tmp_path)) == ()


def test_the_dead_are_not_marked(tmp_path: Path, processes: Processes, wait_until: Wait) -> None:
    process = spawn_marked(processes, str(tmp_path))
    os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(known(process)))

    assert marked("MARKED", str(tmp_path)) == ()
    os.waitpid(process.pid, 0)


# On a system without /proc the same is asked of psutil.


@pytest.fixture
def _elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "_HAS_PROC", False)


@pytest.mark.usefixtures("_elsewhere")
def test_elsewhere_processes_are_known_and_signalled_too(
    tmp_path: Path, processes: Processes, wait_until: Wait
) -> None:
    process = spawn_marked(processes, str(tmp_path))
    try:
        (found,) = marked("MARKED", str(tmp_path))
        assert found == known(process)
        assert is_alive(found)
        assert not is_alive(replace(found, started=found.started + 1))
        send(found, signal.SIGSTOP)
        wait_until(lambda: is_stopped(found))
        assert send(found, signal.SIGKILL)
        wait_until(lambda: not is_alive(found))
    finally:
        os.waitpid(process.pid, 0)
    assert identity_of(process.pid) is None


@pytest.mark.usefixtures("_elsewhere")
@pytest.mark.parametrize("pid", [0, -1, 2**22 + 1])
def test_elsewhere_too_a_pid_that_nobody_can_have_is_nobody(pid: int) -> None:
    assert identity_of(pid) is None
    assert not send(Identity(pid, 1.0), signal.SIGKILL)
