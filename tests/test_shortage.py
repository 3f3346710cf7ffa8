"""What the machine lacks for a moment is asked for again; the last descriptors are for what needs them for a moment."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from tako.errors import MachineError
from tako.process import Processes
from tako.shortage import is_shortage, patiently
from tests.conftest import FakeClock

ROOT = str(Path(__file__).parents[1])

TAKE_ALL = f"""
import errno, os, resource, sys
sys.path.insert(0, {ROOT!r})
from tako.shortage import lasting_pipe

limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

def take(make):
    taken = 0
    while True:
        try:
            make()
        except OSError as error:
            assert error.errno == errno.EMFILE
            return taken
        taken += 1

print(take(lasting_pipe), take(lambda: os.open(os.devnull, os.O_RDONLY)))
"""


@pytest.mark.parametrize(("limit", "left"), [(40, 10), (200, 50), (1000, 64)])
def test_what_lasts_leaves_descriptors_for_what_is_soon_closed(processes: Processes, limit: int, left: int) -> None:
    done = processes.run([sys.executable, "-c", TAKE_ALL, str(limit)], env=os.environ, timeout=60)

    pipes, files = map(int, done.stdout.split())
    assert files in (left, left + 1), "a pipe has two ends, and the last two may not both fit"
    assert 2 * pipes + files <= limit - 3
    assert 2 * pipes + files > limit - 10, "one that was refused is not left open"


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE])
def test_a_shortage_is_waited_for_and_then_told(fake_clock: FakeClock, number: int) -> None:
    def refuse() -> None:
        raise OSError(number, "not now")

    with pytest.raises(OSError, match="not now"):
        patiently(refuse, fake_clock)

    assert fake_clock.sleeps == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6]


def test_what_is_no_shortage_is_not_waited_for(fake_clock: FakeClock) -> None:
    def refuse() -> None:
        raise FileNotFoundError(errno.ENOENT, "not there")

    with pytest.raises(FileNotFoundError):
        patiently(refuse, fake_clock)

    assert fake_clock.sleeps == []


def test_an_error_of_ours_is_a_shortage_if_its_cause_is() -> None:
    error = MachineError("cannot write")
    error.__cause__ = OSError(errno.EMFILE, "Too many open files")

    assert is_shortage(error)
    assert not is_shortage(MachineError("cannot write"))
