from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tako import locks
from tako.clock import SystemClock, iso
from tako.errors import LockTimeoutError, MachineError
from tako.process import Completed, Process, Processes
from tako.signals import Exit, signal_group

if TYPE_CHECKING:
    from tests.conftest import FakeClock

Start = Callable[..., Process]
Wait = Callable[[Callable[[], object]], None]
Unprivileged = Callable[[Path, str, str], Completed]

_HOLDS = """
import sys, time
from tako import locks
from tako.clock import SystemClock
kind, path = sys.argv[1:]
options = {} if kind == "own" else {"clock": SystemClock(), "timeout": 10}
with getattr(locks, kind)(path, **options):
    print("held", flush=True)
    time.sleep(1000)
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "locks" / "one.lock")


@pytest.fixture
def held_by(start_python: Start, path: str) -> Callable[[str], Process]:
    """Has another process hold the lock in one of the three ways."""

    def hold(kind: str) -> Process:
        read, write = os.pipe()
        process = start_python(_HOLDS, kind, path, stdout=write)
        os.close(write)
        with os.fdopen(read) as pipe:
            assert pipe.readline() == "held\n"
        return process

    return hold


def take(kind: str, path: str, clock: Any, timeout: float = 0.5, **options: Any) -> AbstractContextManager[None]:
    if kind == "own":
        return locks.own(path, clock=clock)
    return {"shared": locks.shared, "exclusive": locks.exclusive}[kind](path, clock=clock, timeout=timeout, **options)


@pytest.mark.parametrize("wanted", ["shared", "exclusive", "own"])
@pytest.mark.parametrize("held", ["shared", "exclusive", "own"])
def test_only_readers_hold_a_lock_together(
    held_by: Callable[[str], Process], path: str, fake_clock: FakeClock, held: str, wanted: str
) -> None:
    held_by(held)

    if held == wanted == "shared":
        with take(wanted, path, fake_clock):
            assert fake_clock.sleeps == []
    else:
        with pytest.raises(LockTimeoutError), take(wanted, path, fake_clock):
            pytest.fail("two hold it")


@pytest.mark.parametrize("wanted", ["shared", "exclusive", "own"])
@pytest.mark.parametrize("held", ["shared", "exclusive", "own"])
def test_a_killed_holder_holds_nothing(
    held_by: Callable[[str], Process],
    path: str,
    processes: Processes,
    fake_clock: FakeClock,
    held: str,
    wanted: str,
) -> None:
    process = held_by(held)
    signal_group(process.pid, signal.SIGKILL)
    assert processes.supervise(process, {}).exit == Exit(signal=signal.SIGKILL)

    with take(wanted, path, fake_clock):
        assert fake_clock.sleeps == []


@pytest.mark.parametrize("kind", ["shared", "exclusive", "own"])
def test_a_lock_is_free_again_after_its_block_even_if_that_failed(path: str, fake_clock: FakeClock, kind: str) -> None:
    with contextlib.suppress(RuntimeError), take(kind, path, fake_clock):
        raise RuntimeError("the body failed")

    with locks.own(path, clock=fake_clock):
        assert fake_clock.sleeps == []


@pytest.mark.parametrize("held", ["exclusive", "own"])
def test_a_timeout_says_who_holds_the_lock_and_since_when(
    held_by: Callable[[str], Process], path: str, fake_clock: FakeClock, held: str
) -> None:
    process = held_by(held)

    with pytest.raises(LockTimeoutError) as caught, locks.shared(path, clock=fake_clock, timeout=30):
        pass

    error = caught.value
    assert error.what == "the lock was not free within 30.0s"
    assert error.where == path
    assert f"held by process {process.pid} (-c {held}) since 20" in error.why
    assert error.cure


def test_a_timeout_names_readers_too(held_by: Callable[[str], Process], path: str, fake_clock: FakeClock) -> None:
    first, second = sorted([held_by("shared").pid, held_by("shared").pid])

    with pytest.raises(LockTimeoutError) as caught, locks.exclusive(path, clock=fake_clock, timeout=1):
        pass

    assert caught.value.why == f"it is held by processes {first}, {second}"


def test_a_name_left_by_a_killed_holder_is_not_told(
    held_by: Callable[[str], Process], path: str, processes: Processes, fake_clock: FakeClock
) -> None:
    process = held_by("own")
    signal_group(process.pid, signal.SIGKILL)
    processes.supervise(process, {})
    assert Path(path).read_text().startswith(f"{process.pid}\t")

    with locks.shared(path, clock=fake_clock, timeout=1):
        assert locks.holder(path) == f"process {os.getpid()}"


@pytest.mark.parametrize(
    "content", ["", "rubbish", "1\t2", "x\ty\tz\n", "0\ta\tb\n", "-1\ta\tb\n", "9" * 30 + "\ta\tb"]
)
def test_a_damaged_name_is_not_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "lock").write_text(content)

    assert locks.holder(str(tmp_path / "lock")) == "another process"


def test_the_holders_name_is_there_while_it_holds(
    path: str, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/tako", "exec", "--input", "token=secret"])

    with locks.exclusive(path, clock=fake_clock, timeout=1):
        assert Path(path).read_text() == f"{os.getpid()}\ttako exec\t{iso(fake_clock.now())}\n"

    assert Path(path).read_text() == ""


def test_a_module_that_runs_as_a_program_is_called_by_its_name(
    path: str, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/runner_child/__main__.py", "/a\tb/child"])

    with locks.own(path, clock=fake_clock):
        assert Path(path).read_text().split("\t")[1] == "runner_child /a b/child"


@pytest.mark.parametrize("kind", ["shared", "exclusive"])
def test_who_waits_gets_the_lock_when_it_is_free(path: str, fake_clock: FakeClock, kind: str) -> None:
    told: list[str] = []
    with contextlib.ExitStack() as held:
        held.enter_context(locks.own(path))
        fake_clock.on_sleep = lambda: held.close() if fake_clock.time > 1_800_000_005 else None

        with take(kind, path, fake_clock, timeout=60, waiting=told.append):
            assert 1_800_000_005 < fake_clock.time < 1_800_000_006

    assert len(told) == 1
    assert f"held by process {os.getpid()}" in told[0]


def test_a_short_wait_is_not_worth_telling(path: str, fake_clock: FakeClock) -> None:
    with contextlib.ExitStack() as held:
        held.enter_context(locks.own(path))
        fake_clock.on_sleep = lambda: held.close() if fake_clock.time > 1_800_000_000.9 else None

        with locks.shared(path, clock=fake_clock, timeout=60, waiting=pytest.fail):
            pass


def test_waiting_is_told_after_one_second(path: str, fake_clock: FakeClock) -> None:
    times: list[float] = []
    with (
        locks.own(path),
        pytest.raises(LockTimeoutError),
        locks.shared(path, clock=fake_clock, timeout=30, waiting=lambda _text: times.append(fake_clock.time)),
    ):
        pass

    assert len(times) == 1
    assert 1 <= times[0] - 1_800_000_000 < 1.2


def test_pauses_grow_to_a_limit_and_end_at_the_timeout(path: str, fake_clock: FakeClock) -> None:
    with locks.own(path), pytest.raises(LockTimeoutError), locks.shared(path, clock=fake_clock, timeout=5):
        pass

    assert fake_clock.sleeps[0] <= 0.001
    assert fake_clock.sleeps[:-1] == sorted(fake_clock.sleeps[:-1])
    assert max(fake_clock.sleeps) <= 0.1
    assert fake_clock.time == pytest.approx(1_800_000_005)


@pytest.mark.parametrize("kind", ["shared", "exclusive"])
def test_without_time_to_wait_a_free_lock_is_still_taken(path: str, fake_clock: FakeClock, kind: str) -> None:
    with take(kind, path, fake_clock, timeout=0):
        pass
    with locks.own(path), pytest.raises(LockTimeoutError), take(kind, path, fake_clock, timeout=0):
        pass

    assert fake_clock.sleeps == []


def test_two_writers_of_one_process_exclude_each_other(path: str, fake_clock: FakeClock) -> None:
    with (
        locks.exclusive(path, clock=fake_clock, timeout=1),
        pytest.raises(LockTimeoutError),
        locks.exclusive(path, clock=fake_clock, timeout=1),
    ):
        pass


def test_a_claim_fails_almost_at_once(held_by: Callable[[str], Process], path: str, fake_clock: FakeClock) -> None:
    process = held_by("own")

    with pytest.raises(LockTimeoutError, match=f"held by process {process.pid}"), locks.own(path, clock=fake_clock):
        pass

    assert sum(fake_clock.sleeps) < 0.2


def test_a_claim_is_not_refused_because_somebody_looks(path: str, fake_clock: FakeClock) -> None:
    with locks.own(path):
        pass
    looking = os.open(path, os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    fake_clock.on_sleep = lambda: fcntl.flock(looking, fcntl.LOCK_UN)
    try:
        with locks.own(path, clock=fake_clock):
            assert len(fake_clock.sleeps) == 1
    finally:
        os.close(looking)


def test_whether_a_lock_is_held_can_be_asked(path: str, fake_clock: FakeClock) -> None:
    assert not locks.is_held(path)
    assert not Path(path).exists()

    with locks.own(path):
        assert locks.is_held(path)
        assert locks.is_held(path), "asking has not freed it"
    assert not locks.is_held(path)
    with locks.exclusive(path, clock=fake_clock, timeout=1):
        assert locks.is_held(path)
    with locks.shared(path, clock=fake_clock, timeout=1):
        assert not locks.is_held(path)


def test_a_lock_held_by_another_process_is_held_until_that_dies(
    held_by: Callable[[str], Process], path: str, wait_until: Wait
) -> None:
    process = held_by("own")
    assert locks.is_held(path)

    signal_group(process.pid, signal.SIGKILL)

    wait_until(lambda: not locks.is_held(path))


@pytest.mark.parametrize("kind", ["shared", "exclusive", "own"])
def test_what_the_holder_starts_does_not_keep_the_lock(
    path: str, fake_clock: FakeClock, processes: Processes, kind: str
) -> None:
    with take(kind, path, fake_clock):
        process = processes.spawn(["sleep", "1000"], env=os.environ)
    try:
        # In real time: a descriptor that is closed on exec is open a moment longer than posix_spawn takes.
        with locks.own(path):
            assert process.poll() is None
    finally:
        signal_group(process.pid, signal.SIGKILL)
        processes.supervise(process, {})


def test_a_lock_file_that_was_removed_meanwhile_is_not_the_lock(
    path: str, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock = fcntl.flock
    calls: list[int] = []

    def tidied_away_before(descriptor: int, operation: int) -> None:
        if not calls:
            os.unlink(path)
        calls.append(operation)
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", tidied_away_before)

    with locks.shared(path, clock=fake_clock, timeout=1):
        monkeypatch.undo()
        assert len(calls) == 2
        with pytest.raises(LockTimeoutError), locks.own(path, clock=fake_clock):
            pass


@pytest.mark.parametrize("kind", ["shared", "exclusive", "own"])
def test_a_place_where_there_can_be_no_lock_is_an_error_of_the_machine(
    tmp_path: Path, fake_clock: FakeClock, kind: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "directory").mkdir()

    for place in (tmp_path / "file" / "lock", tmp_path / "directory"):
        with pytest.raises(MachineError, match="cannot lock"), take(kind, str(place), fake_clock):
            pass
    assert fake_clock.sleeps == []


def test_a_full_disk_does_not_spoil_a_lock(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(_descriptor: int, _content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", no_space)

    with locks.own(path):
        assert locks.is_held(path)


def test_a_cache_of_somebody_else_can_be_read_under_its_lock(tmp_path: Path, unprivileged: Unprivileged) -> None:
    (tmp_path / "lock").touch()
    (tmp_path / "lock").chmod(0o444)

    completed = unprivileged(
        tmp_path,
        "from tako import locks; from tako.clock import SystemClock",
        "with locks.shared('lock', clock=SystemClock(), timeout=1): print(open('/proc/locks').read())",
    )

    assert completed.ok, completed.message()
    assert f":{(tmp_path / 'lock').stat().st_ino} " in completed.stdout.decode()


def test_many_writers_never_meet(path: str, tmp_path: Path, start_python: Start, processes: Processes) -> None:
    code = """
import sys
from tako.clock import SystemClock
from tako.locks import exclusive
for _ in range(30):
    with exclusive(sys.argv[1], clock=SystemClock(), timeout=60):
        with open(sys.argv[2], "r+") as file:
            count = int(file.read())
            file.seek(0)
            file.write(str(count + 1))
"""
    (tmp_path / "count").write_text("0")

    writers = [start_python(code, path, tmp_path / "count") for _ in range(3)]
    for writer in writers:
        assert processes.supervise(writer, {}, timeout=60).exit.ok

    assert (tmp_path / "count").read_text() == "90"


def test_the_module_is_cheap_to_import(processes: Processes) -> None:
    code = "import sys; sys.path[:0] = [sys.argv[1]]; import tako.locks; print(*sys.modules)"
    root = str(Path(locks.__file__).parent.parent)

    loaded = processes.run([sys.executable, "-S", "-c", code, root], env=os.environ).stdout.decode().split()

    dear = {"typing", "dataclasses", "pathlib", "subprocess", "shutil", "tempfile", "re", "hashlib", "filelock", "json"}
    assert "tako.locks" in loaded
    assert dear & set(loaded) == set()


def test_the_real_clock_serves(path: str) -> None:
    with locks.exclusive(path, clock=SystemClock(), timeout=1):
        pass


def test_directory_is_held_alone_under_any_of_its_names(tmp_path: Path) -> None:
    place, link = tmp_path / "place", tmp_path / "link"
    place.mkdir()
    link.symlink_to(place)
    with locks.directory(str(place), clock=SystemClock(), timeout=0):
        assert locks.holders(str(link)) == [os.getpid()]
        with pytest.raises(LockTimeoutError), locks.directory(str(link), clock=SystemClock(), timeout=0):
            pass
    with locks.directory(str(link), clock=SystemClock(), timeout=0):
        pass
    assert list(place.iterdir()) == []


def test_directory_that_is_not_there_cannot_be_locked(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    with pytest.raises(MachineError, match="cannot lock"), locks.directory(str(gone), clock=SystemClock(), timeout=0):
        pass
