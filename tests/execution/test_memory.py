"""Signs of a lack of memory: words in a log, and the kernel's own count."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from tako.execution import memory
from tako.execution.failure import EXITED, Failure
from tako.execution.memory import kills_for_memory, tells_of_memory, with_memory_hint

VMSTAT = Path("/proc/vmstat")


def failure(*log: str) -> Failure:
    return Failure(EXITED, "it ended", exit_code=1, log=log)


@pytest.mark.parametrize(
    "line",
    [
        "MemoryError",
        "    raise MemoryError()",
        "bash: fork: Cannot allocate memory",
        "virtual memory exhausted: Success",
        "terminate called after throwing an instance of 'std::bad_alloc'",
        "java.lang.OutOfMemoryError: Java heap space",
        "fatal error: runtime: out of memory",
        "Out of memory: Killed process 4711",
        "spawn ENOMEM",
        "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
        "RangeError: Array buffer allocation failed",
        "# There is insufficient memory for the Java Runtime Environment to continue.",
        "Error: Could not reserve enough space for 2097152KB object heap",
        "fork/exec /usr/bin/git: cannot allocate memory",
        "memory allocation of 1073741824 bytes failed",
        "in `*': failed to allocate memory (NoMemoryError)",
        "PHP Fatal error:  Allowed memory size of 134217728 bytes exhausted (tried to allocate 20480 bytes)",
        "Unhandled exception. System.OutOfMemoryException",
        "bash: xrealloc: cannot allocate 66711552 bytes",
        "Error: cannot allocate vector of size 7.5 Gb",
        "Fatal error: exception Out_of_memory",
        "lua: not enough memory",
        "numpy.core._exceptions._ArrayMemoryError: Unable to allocate 7.45 GiB",
    ],
)
def test_what_programs_say_when_memory_is_short_is_known(line: str) -> None:
    assert tells_of_memory(("before", line, "after"))


@pytest.mark.parametrize(
    "log", [(), ("",), ("AssertionError",), ("memory: 3 MiB",), ("remember the milk",), ("cannot allocate a port",)]
)
def test_nothing_else_is_taken_for_it(log: tuple[str, ...]) -> None:
    assert not tells_of_memory(log)


def test_the_hint_names_the_limit_if_there_is_one_and_changes_nothing_else() -> None:
    hinted = with_memory_hint(failure("MemoryError"), 64 << 20)

    assert hinted.message == ("it ended; memory is the likely cause: each of its processes may have 64 MiB (mem_limit)")
    assert (hinted.kind, hinted.exit_code, hinted.log) == (EXITED, 1, ("MemoryError",))
    assert with_memory_hint(failure(), None).message == "it ended; memory is the likely cause"


@pytest.mark.parametrize(
    ("content", "kills"),
    [
        ("nr_free_pages 1\noom_kill 42\nballoon_inflate 0\n", 42),
        ("nr_free_pages 1\n", 0),
        ("oom_kill_disable 7\n", 0),
        ("oom_kill many\n", 0),
        ("", 0),
    ],
)
def test_the_kernels_count_is_read_or_nothing(monkeypatch: pytest.MonkeyPatch, content: str, kills: int) -> None:
    asked: list[Any] = []

    def give(path: str, **_how: Any) -> io.StringIO:
        asked.append(path)
        return io.StringIO(content)

    monkeypatch.setattr(memory, "open", give, raising=False)

    assert kills_for_memory() == kills
    assert asked == [str(VMSTAT)]


def test_where_the_kernel_does_not_say_nothing_was_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: str, **_how: Any) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(memory, "open", refuse, raising=False)

    assert kills_for_memory() == 0


@pytest.mark.skipif(not VMSTAT.exists(), reason="this system has no /proc/vmstat")
def test_on_this_machine_it_is_what_the_kernel_says() -> None:
    counts = dict(line.split() for line in VMSTAT.read_text().splitlines())

    assert kills_for_memory() == int(counts.get("oom_kill", 0))
