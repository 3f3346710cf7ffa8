"""A limit of memory holds for the process that sets it and for all that it starts. In processes of their own."""

from __future__ import annotations

import os
import sys
import textwrap
from pathlib import Path

import pytest

from tako.process import Completed, Processes

ROOT = str(Path(__file__).parents[1])

MIB = 1 << 20

PRELUDE = f"""
import os, resource, subprocess, sys
sys.path.insert(0, {ROOT!r})
from tako.limits import limit_memory

KIND = resource.RLIMIT_DATA if sys.platform.startswith("linux") else resource.RLIMIT_AS
MIB = 1 << 20

def allocates(size):
    try:
        bytearray(size)
    except MemoryError:
        return False
    return True
"""


def run(processes: Processes, body: str) -> Completed:
    done = processes.run([sys.executable, "-c", PRELUDE + textwrap.dedent(body)], env=os.environ, timeout=60)
    assert done.ok, done.message()
    return done


def said(processes: Processes, body: str) -> list[str]:
    return run(processes, body).stdout.decode().split()


def test_a_process_can_allocate_up_to_its_limit_and_no_more(processes: Processes) -> None:
    body = """
    print(allocates(400 * MIB))
    limit_memory(200 * MIB)
    print(allocates(50 * MIB), allocates(400 * MIB), allocates(50 * MIB))
    """
    assert said(processes, body) == ["True", "True", "False", "True"]


def test_what_a_process_starts_has_the_same_limit(processes: Processes) -> None:
    body = """
    limit_memory(200 * MIB)
    for size in (50, 400):
        done = subprocess.run([sys.executable, "-c", f"bytearray({size} << 20)"], capture_output=True)
        print(done.returncode, b"MemoryError" in done.stderr)
    """
    assert said(processes, body) == ["0", "False", "1", "True"]


@pytest.mark.parametrize("allowance", [0, -1])
def test_no_limit_is_no_limit(processes: Processes, allowance: int) -> None:
    body = f"""
    before = resource.getrlimit(KIND)
    limit_memory({allowance})
    print(resource.getrlimit(KIND) == before)
    """
    assert said(processes, body) == ["True"]


def test_a_limit_that_is_there_is_never_raised(processes: Processes) -> None:
    body = """
    resource.setrlimit(KIND, (100 * MIB, 300 * MIB))
    limit_memory(200 * MIB)
    print(*(each // MIB for each in resource.getrlimit(KIND)))
    limit_memory(900 * MIB)
    print(*(each // MIB for each in resource.getrlimit(KIND)))
    """
    # The harder of the two, which a process cannot raise, counts; the other is the user's to move.
    assert said(processes, body) == ["200", "300", "300", "300"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere the limit is on the address space")
def test_memory_that_is_only_reserved_does_not_count(processes: Processes) -> None:
    body = """
    import mmap
    limit_memory(200 * MIB)
    # Nobody may read or write there (PROT_NONE): it costs nothing.
    print(len(mmap.mmap(-1, 1000 * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=0)) // MIB)
    """
    assert said(processes, body) == ["1000"]
