"""A keeper runs one command, ends as it does, and ends all of it when nobody waits for it any more."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tako.process import Completed, Process, Processes

Gone = Callable[[int], bool]
Wait = Callable[[Callable[[], object]], None]
Start = Callable[..., Process]

ROOT = str(Path(__file__).parents[1])

KEPT = f"""
import os, sys
sys.path.insert(0, {ROOT!r})
from tako.keeper import KeptProcesses
done = KeptProcesses(memory=int(sys.argv[1])).run(sys.argv[2:], env=dict(os.environ))
sys.stdout.buffer.write(done.stdout)
sys.stderr.buffer.write(done.stderr)
print(f"code={{done.exit.code}} signal={{done.exit.signal}}")
"""


def kept(processes: Processes, *argv: str, memory: int = 0) -> Completed:
    return processes.run([sys.executable, "-c", KEPT, str(memory), *argv], env=os.environ, timeout=60)


@pytest.mark.parametrize(
    ("script", "how"),
    [
        ("exit 0", "code=0 signal=None"),
        ("exit 42", "code=42 signal=None"),
        ("exit 125", "code=125 signal=None"),
        ("kill -KILL $$", "code=None signal=9"),
        ("kill -SEGV $$", "code=None signal=11"),
        ("kill -TERM $$", "code=None signal=15"),
        ("kill -INT $$", "code=None signal=2"),
    ],
)
def test_a_kept_command_is_seen_to_end_as_it_did(processes: Processes, script: str, how: str) -> None:
    assert kept(processes, "bash", "-c", script).stdout.decode().strip() == how


def test_a_kept_command_has_its_streams_an_empty_stdin_and_no_descriptor_more(processes: Processes) -> None:
    done = kept(processes, "sh", "-c", "wc -c; echo err >&2; ls /proc/self/fd")

    assert done.stdout.decode().split() == ["0", "0", "1", "2", "3", "code=0", "signal=None"]
    assert done.stderr == b"err\n"


def test_a_command_that_is_not_there_ends_as_in_a_shell(processes: Processes) -> None:
    done = kept(processes, "no-such-program-at-all")

    assert b"cannot start 'no-such-program-at-all'" in done.stderr
    assert done.stdout.strip() == b"code=127 signal=None"


def test_memory_is_limited(processes: Processes) -> None:
    code = "x = bytearray(512 << 20); print(len(x))"

    refused = kept(processes, sys.executable, "-c", code, memory=256 << 20)
    granted = kept(processes, sys.executable, "-c", code, memory=1 << 30)

    assert b"MemoryError" in refused.stderr
    assert refused.stdout.strip() == b"code=1 signal=None"
    assert granted.stdout.split() == [b"536870912", b"code=0", b"signal=None"]


def test_what_a_kept_command_left_behind_ends_with_it(
    processes: Processes, tmp_path: Path, wait_until: Wait, is_gone: Gone
) -> None:
    pid = tmp_path / "pid"
    script = f"setsid sh -c 'echo $$ > {pid}; exec sleep 1000' & until [ -s {pid} ]; do sleep 0.01; done"

    assert b"code=0" in kept(processes, "sh", "-c", script).stdout
    assert is_gone(int(pid.read_text()))


@pytest.mark.parametrize("hardness", ["", "trap '' TERM; "])
def test_a_kept_command_ends_with_who_waits_for_it(
    start_python: Start, tmp_path: Path, wait_until: Wait, is_gone: Gone, hardness: str
) -> None:
    pids = [tmp_path / "one", tmp_path / "two"]
    daemon = f"{hardness}setsid sh -c 'echo $$ > {pids[1]}; sleep 1000; sleep 1000' & "
    root = start_python(KEPT, 0, "sh", "-c", f"{daemon}echo $$ > {pids[0]}; while :; do sleep 1; done")
    wait_until(lambda: all(path.exists() and path.read_text() for path in pids))

    os.kill(root.pid, signal.SIGKILL)

    for path in pids:
        wait_until(lambda path=path: is_gone(int(path.read_text())))  # type: ignore[misc]
