from __future__ import annotations

import contextlib
import errno
import os
import resource
import select
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tako.errors import MachineError, SpawnError
from tako.process import Completed, Outcome, Process, Processes
from tako.signals import Exit, Stops, StopSignal, signal_group, signal_name

if TYPE_CHECKING:
    from tests.conftest import FakeClock

Wait = Callable[[Callable[[], object]], None]
Gone = Callable[[int], bool]
Start = Callable[..., Process]


def sh(processes: Processes, script: str, **options: object) -> Completed:
    return processes.run(["sh", "-c", script], env=os.environ, **options)  # type: ignore[arg-type]


def discard(_data: bytes) -> None:
    """A sink for what a test does not look at."""


def test_run_returns_the_exit_code_and_both_streams(processes: Processes) -> None:
    completed = sh(processes, "echo out; echo err >&2; exit 3")

    assert completed == Completed(exit=Exit(code=3), stdout=b"out\n", stderr=b"err\n")
    assert not completed.ok
    assert completed.exit.describe() == "exit code 3"


def test_a_command_that_succeeds_is_ok(processes: Processes) -> None:
    assert sh(processes, "exit 0").ok


def test_death_by_signal_is_told_by_its_name(processes: Processes) -> None:
    exit_ = sh(processes, "kill -SEGV $$").exit

    assert exit_ == Exit(signal=signal.SIGSEGV)
    assert not exit_.ok
    assert exit_.describe() == "killed by SIGSEGV (signal 11)"


def test_a_signal_without_a_name_is_told_by_its_number() -> None:
    assert signal_name(signal.SIGKILL) == "SIGKILL"
    assert signal_name(40) == "signal 40"


@pytest.mark.parametrize(
    ("stdout", "stderr", "message"),
    [(b"out\n", b" err\n", "err"), (b"out\n", b"\n", "out"), (b"", b"", "exit code 1"), (b"", b"\xff", "\ufffd")],
)
def test_the_message_is_the_last_words_there_are(stdout: bytes, stderr: bytes, message: str) -> None:
    assert Completed(exit=Exit(code=1), stdout=stdout, stderr=stderr).message() == message


def test_much_output_on_both_streams_is_complete_and_does_not_block(processes: Processes) -> None:
    completed = sh(processes, "head -c 3000000 /dev/zero & head -c 2000000 /dev/zero >&2; wait")

    assert (len(completed.stdout), len(completed.stderr)) == (3_000_000, 2_000_000)


def test_output_is_kept_up_to_the_limit_of_each_stream(processes: Processes) -> None:
    completed = sh(processes, "head -c 300000 /dev/zero; echo error >&2", limit=1000)

    assert completed.ok
    assert (len(completed.stdout), completed.stderr) == (1000, b"error\n")


def test_output_is_passed_on_while_the_process_runs(processes: Processes, tmp_path: Path) -> None:
    answer = tmp_path / "answer"

    def reply(data: bytes) -> None:
        assert data == b"question\n"
        answer.touch()

    script = f"echo question; until [ -e '{answer}' ]; do sleep 0.01; done; exit 5"
    outcome = processes.run_piped(["sh", "-c", script], env=os.environ, on_stdout=reply, on_stderr=discard, timeout=20)

    assert outcome.exit == Exit(code=5)


def test_an_error_in_a_sink_ends_the_process_and_is_raised(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bytes] = []
    poll, late = Process.poll, [None]
    read, write = os.pipe()

    def poll_late(process: Process) -> Exit | None:
        """Let the process seem to live on for one turn, as it may on a busy machine."""
        return late.pop() if seen and late else poll(process)

    def fail(data: bytes) -> None:
        seen.append(data)
        select.select([read], [], [], 10)
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(Process, "poll", poll_late)
    process = processes.spawn(["yes"], env=os.environ, stdout=write)
    os.close(write)
    try:
        with pytest.raises(RuntimeError, match="the disk is full"):
            processes.supervise(process, {read: fail})
    finally:
        os.close(read)

    assert len(seen) == 1
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


def stop_when_ready(processes: Processes, script: str, *, grace: float) -> tuple[Outcome, bytes]:
    """Run a script, ask it to stop when it first prints something; return what came of it and what it printed."""
    stop = StopSignal()
    printed = bytearray()
    read, write = os.pipe()
    try:
        process = processes.spawn(["sh", "-c", script], env=os.environ, stdout=write)
        os.close(write)

        def ready(data: bytes) -> None:
            printed.extend(data)
            stop.set()

        outcome = processes.supervise(process, {read: ready}, stops=Stops(ask=(stop.fd,)), grace=grace)
    finally:
        os.close(read)
        stop.close()
    return outcome, bytes(printed)


def test_stop_ends_the_process_and_its_group(processes: Processes, wait_until: Wait, is_gone: Gone) -> None:
    outcome, printed = stop_when_ready(processes, "sleep 1000 & echo $!; wait", grace=10)

    assert outcome == Outcome(Exit(signal=signal.SIGTERM), stopped=True)
    wait_until(lambda: is_gone(int(printed)))


def test_stop_lets_a_process_end_in_its_own_way(processes: Processes) -> None:
    script = "trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.01; done"

    outcome, printed = stop_when_ready(processes, script, grace=10)

    assert outcome == Outcome(Exit(code=7), stopped=True)
    assert printed == b"ready\nbye\n"


def test_stop_kills_a_process_that_ignores_it(processes: Processes) -> None:
    script = "trap '' TERM; echo ready; while :; do sleep 1; done"

    outcome, _ = stop_when_ready(processes, script, grace=0.05)

    assert outcome == Outcome(Exit(signal=signal.SIGKILL), stopped=True, forced=True)


def test_a_closed_lifeline_is_a_stop(processes: Processes) -> None:
    lifeline, other_end = os.pipe()
    os.close(other_end)
    try:
        outcome = processes.run_piped(
            ["sleep", "1000"], env=os.environ, on_stdout=discard, on_stderr=discard, stops=Stops(lost=(lifeline,))
        )
    finally:
        os.close(lifeline)

    assert outcome.stopped
    assert outcome.exit == Exit(signal=signal.SIGTERM)


def test_a_timeout_ends_the_process(processes: Processes) -> None:
    completed = processes.run(["sleep", "1000"], env=os.environ, timeout=0.05)

    assert completed.timed_out
    assert not completed.ok
    assert completed.exit == Exit(signal=signal.SIGTERM)


def test_a_timeout_longer_than_poll_can_wait_is_allowed(processes: Processes) -> None:
    assert processes.run(["true"], env=os.environ, timeout=90 * 86400.0).ok


def test_a_daemon_that_keeps_the_pipe_does_not_delay_the_return(
    processes: Processes, is_gone: Gone, tmp_path: Path
) -> None:
    away = tmp_path / "away"
    daemon_script = f"touch '{away}'; exec sleep 1000"
    completed = sh(processes, f'setsid sh -c "{daemon_script}" & until [ -e "{away}" ]; do sleep 0.01; done; echo $!')

    daemon = int(completed.stdout)
    assert not is_gone(daemon)
    os.kill(daemon, signal.SIGKILL)


def test_a_daemon_that_writes_without_end_does_not_delay_the_return(
    processes: Processes, wait_until: Wait, is_gone: Gone, tmp_path: Path
) -> None:
    away = tmp_path / "away"
    daemon_script = f"touch '{away}'; exec yes"
    completed = sh(
        processes, f'setsid sh -c "{daemon_script}" & until [ -e "{away}" ]; do sleep 0.01; done; echo $! >&2'
    )

    assert completed.ok
    # Its reader is gone, and SIGPIPE has its default meaning.
    wait_until(lambda: is_gone(int(completed.stderr)))


@pytest.mark.parametrize("preparation", ["true", "trap '' TERM"])
def test_what_a_finished_process_left_in_its_group_is_ended(
    processes: Processes, wait_until: Wait, is_gone: Gone, tmp_path: Path, preparation: str
) -> None:
    ready = tmp_path / "ready"
    leftover = f"({preparation}; touch '{ready}'; exec sleep 1000)"

    completed = sh(processes, f"{leftover} & until [ -e '{ready}' ]; do sleep 0.01; done; echo $!; exit 3")

    assert completed.exit == Exit(code=3)
    wait_until(lambda: is_gone(int(completed.stdout)))


def test_what_python_ignores_is_not_ignored_in_what_is_started_and_nothing_is_blocked(processes: Processes) -> None:
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    try:
        completed = processes.run(["grep", "-E", "SigIgn|SigBlk", "/proc/self/status"], env=os.environ)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    masks = masks_of(completed)
    assert masks["SigBlk:"] == 0
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        assert not masks["SigIgn:"] & (1 << (number - 1)), number


def test_what_the_user_ignores_is_ignored_in_what_is_started(processes: Processes) -> None:
    # As nohup(1) does, before it starts Tako.
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        completed = processes.run(["grep", "-E", "SigIgn", "/proc/self/status"], env=os.environ)
    finally:
        signal.signal(signal.SIGHUP, previous)

    assert masks_of(completed)["SigIgn:"] & (1 << (signal.SIGHUP - 1))


def masks_of(completed: Completed) -> dict[str, int]:
    return {name.decode(): int(mask, 16) for name, mask in (line.split() for line in completed.stdout.splitlines())}


def test_what_the_machine_lacks_for_a_moment_is_waited_for(
    fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = [errno.EAGAIN, errno.EMFILE, errno.ENOMEM]
    spawn = os.posix_spawnp

    def refuse(*arguments: Any, **options: Any) -> int:
        if refusals:
            raise OSError(refusals.pop(), "not now")
        return spawn(*arguments, **options)

    monkeypatch.setattr(os, "posix_spawnp", refuse)

    assert Processes(fake_clock).run(["true"], env=os.environ).ok
    assert fake_clock.sleeps[:3] == [0.05, 0.1, 0.2]


def test_what_the_machine_goes_on_lacking_is_told(fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: Any, **_options: Any) -> int:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "posix_spawnp", refuse)

    with pytest.raises(
        SpawnError, match=r"cannot start 'true': Resource temporarily unavailable \(tried for 3"
    ) as caught:
        Processes(fake_clock).run(["true"], env=os.environ)
    assert caught.value.passing
    assert "ulimit" in caught.value.cure


def test_a_full_table_of_descriptors_is_told_and_leaves_none_open(fake_clock: FakeClock) -> None:
    processes = Processes(fake_clock)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    before = len(os.listdir("/proc/self/fd"))
    # The numbers that are in use may have gaps, and the limit is on numbers.
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 4, hard))
    taken: list[int] = []
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        for _ in range(2):
            os.close(taken.pop())
        with pytest.raises(SpawnError, match="Too many open files"):
            processes.run(["true"], env=os.environ)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in taken:
            os.close(descriptor)

    assert len(os.listdir("/proc/self/fd")) == before
    assert processes.run(["true"], env=os.environ).ok


def test_a_stopped_process_is_woken_to_be_asked(processes: Processes, wait_until: Wait) -> None:
    outcome, printed = stop_when_ready(
        processes, "trap 'echo bye; exit 7' TERM; echo ready; kill -STOP $$; while :; do sleep 0.01; done", grace=10
    )

    assert outcome == Outcome(Exit(code=7), stopped=True)
    assert printed == b"ready\nbye\n"


def test_a_process_can_be_forced_at_once(processes: Processes) -> None:
    force = StopSignal()
    force.set()
    try:
        outcome = processes.run_piped(
            ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"],
            env=os.environ,
            on_stdout=discard,
            on_stderr=discard,
            stops=Stops(force=(force.fd,)),
        )
    finally:
        force.close()

    assert outcome == Outcome(Exit(signal=signal.SIGKILL), stopped=True, forced=True)


def test_a_sink_that_has_had_enough_ends_the_process(processes: Processes) -> None:
    outcome = processes.run_piped(
        ["sh", "-c", "echo line; exec sleep 1000"],
        env=os.environ,
        on_stdout=lambda _data: False,
        on_stderr=discard,
        timeout=60,
    )

    assert outcome == Outcome(Exit(signal=signal.SIGTERM), stopped=True)


def test_an_output_that_ends_early_is_told(processes: Processes) -> None:
    closed: list[int] = []
    read, write = os.pipe()
    process = processes.spawn(["sh", "-c", "exec >&-; exec sleep 1000"], env=os.environ, stdout=write)
    os.close(write)
    try:
        outcome = processes.supervise(
            process, {read: discard}, closed=closed.append, due=lambda: 0.0 if closed else None
        )
    finally:
        os.close(read)

    assert closed == [read]
    assert outcome == Outcome(Exit(signal=signal.SIGTERM), timed_out=True)


def test_no_descriptor_leaks_into_what_is_started(tmp_path: Path) -> None:
    inherited = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(inherited, True)
    try:
        listed = Processes().run(["ls", "/proc/self/fd"], env=os.environ).stdout.split()
    finally:
        os.close(inherited)

    # 3 is the directory that ls is reading.
    assert listed == [b"0", b"1", b"2", b"3"]


def test_no_descriptor_is_left_open_in_the_parent(processes: Processes) -> None:
    before = len(os.listdir("/proc/self/fd"))

    sh(processes, "exit 1")
    with pytest.raises(MachineError):
        processes.run(["no-such-program-at-all"], env=os.environ)

    assert len(os.listdir("/proc/self/fd")) == before


def test_standard_input_is_empty_unless_given(processes: Processes) -> None:
    assert processes.run(["cat"], env=os.environ, timeout=10).stdout == b""


def test_descriptors_that_are_given_become_the_standard_ones(processes: Processes, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"text")
    with (tmp_path / "in").open("rb") as source, (tmp_path / "out").open("wb") as target:
        process = processes.spawn(["cat"], env=os.environ, stdin=source.fileno(), stdout=target.fileno())
        outcome = processes.supervise(process, {})

    assert outcome.exit.ok
    assert (tmp_path / "out").read_bytes() == b"text"


def test_the_environment_is_exactly_the_one_given(processes: Processes) -> None:
    assert processes.run(["env"], env={"ONLY": "this"}).stdout == b"ONLY=this\n"


def test_a_missing_program_is_an_error_of_the_machine(processes: Processes) -> None:
    with pytest.raises(MachineError, match="cannot start 'no-such-program-at-all': No such file or directory"):
        processes.run(["no-such-program-at-all"], env=os.environ)


def test_a_file_that_is_no_program_is_an_error_of_the_machine(processes: Processes, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("text")

    with pytest.raises(MachineError, match="Permission denied"):
        processes.run([str(tmp_path / "text")], env=os.environ)


def test_an_argument_that_no_program_can_have_is_an_error_of_the_machine(processes: Processes) -> None:
    with pytest.raises(MachineError, match="cannot start 'echo'"):
        processes.run(["echo", "a\0b"], env=os.environ)


def test_a_process_leads_its_own_group_or_session(processes: Processes) -> None:
    in_group = processes.spawn(["sleep", "1000"], env=os.environ)
    in_session = processes.spawn(["sleep", "1000"], env=os.environ, session=True)
    try:
        assert os.getpgid(in_group.pid) == in_group.pid
        assert os.getsid(in_group.pid) == os.getsid(0)
        assert os.getsid(in_session.pid) == in_session.pid
    finally:
        for process in (in_group, in_session):
            signal_group(process.pid, signal.SIGKILL)
            assert processes.supervise(process, {}).exit == Exit(signal=signal.SIGKILL)


def test_supervision_works_where_there_is_no_pidfd(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_pid: int) -> int:
        raise PermissionError("seccomp")

    monkeypatch.setattr(os, "pidfd_open", refuse)

    assert sh(processes, "echo out; exit 4") == Completed(exit=Exit(code=4), stdout=b"out\n", stderr=b"")


def test_a_group_that_is_no_more_cannot_be_signalled(processes: Processes) -> None:
    process = processes.spawn(["true"], env=os.environ)
    assert processes.supervise(process, {}).exit.ok

    assert not signal_group(process.pid, signal.SIGTERM)


def test_a_stop_signal_stays_set() -> None:
    stop = StopSignal()
    try:
        assert select.select([stop.fd], [], [], 0)[0] == []
        for _ in range(100_000):
            stop.set()
        for _ in range(2):
            assert select.select([stop.fd], [], [], 0)[0] == [stop.fd]
    finally:
        stop.close()


def test_a_stop_that_was_set_before_stops_at_once(processes: Processes) -> None:
    stop = StopSignal()
    stop.set()
    try:
        outcome = processes.run_piped(
            ["sleep", "1000"], env=os.environ, on_stdout=discard, on_stderr=discard, stops=Stops(ask=(stop.fd,))
        )
    finally:
        stop.close()

    assert outcome.stopped
