"""A kind of step that dies, or misbehaves, inside the child process itself.

It stands for whatever third parties may install: `install` makes it known to every Tako of a world, the way an
installed package is, through the entry points ``tako.steps``. What a deed says of the child's conversation with its
parent is in ``tako.children.protocol``.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tako.execution.failure import Failure
from tako.steps.base import StepContext, StepResult
from tako.testing.own_frames import frames_descriptor

USES = "acceptance/wild@v1"
AT_LENGTH = "exit code 3: \x1b[31mred\x07\n" + "and so on, " * 300_000
RUBBISH = b"\x00\xff\xfe rubbish {\x9f\x1b[2J"


def install(directory: Path, environment: dict[str, str]) -> None:
    """Have all Pythons of an environment find this module's step kind."""
    from tako.testing import install_step_kind

    install_step_kind(str(directory), environment, USES, WildStep)


class WildStep:
    """Does what its ``with`` says: ``{do: …}``."""

    def run(self, context: StepContext) -> StepResult:
        sys.stderr.write(f"about to {context.spec.params['do']}\n")
        sys.stderr.flush()
        result = DEEDS[context.spec.params["do"]](context)
        return result if isinstance(result, StepResult) else StepResult(outputs={"survived": "yes"})


Deed = Callable[[StepContext], object]


def _leave(code: int) -> Deed:
    return lambda _context: os._exit(code)


def _raise(_context: StepContext) -> None:
    raise ValueError("a third party's mistake")


def _raise_at_length(_context: StepContext) -> None:
    raise ValueError(AT_LENGTH)


def _fail_at_length(_context: StepContext) -> StepResult:
    return StepResult(failure=Failure("step_failed", AT_LENGTH, exit_code=3, log=(AT_LENGTH,) * 50))


def _hit(number: int) -> Deed:
    return lambda _context: os.kill(os.getpid(), number)


def _read_nowhere(_context: StepContext) -> None:
    import ctypes

    ctypes.string_at(0)


def _print_everywhere(_context: StepContext) -> None:
    """All that a program can do to its standard streams without looking for others."""
    sys.stdout.write('{"frame": "result", "status": "failed"}\n')
    sys.stdout.flush()
    for descriptor in (1, 2):
        os.write(descriptor, RUBBISH * 20_000)
    # A program started without care gets every descriptor that can be inherited, and writes to each.
    script = 'for fd in /proc/self/fd/*; do (echo \'{"frame": "result"}\' >&${fd##*/}) 2>/dev/null; done; true'
    subprocess.run(["/bin/sh", "-c", script], check=True, close_fds=False)


# What it says to its parent.


def _say(content: bytes, then: Deed = lambda _context: None) -> Deed:
    def say(context: StepContext) -> None:
        descriptor = frames_descriptor()
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        then(context)

    return say


def _frame(**fields: object) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def _result(**more: object) -> bytes:
    return _frame(frame="result", status="success", failure=None, outputs={"wild": {"lie": "yes"}}, **more)


def _step(status: str) -> bytes:
    return _frame(frame="step", id="wild", status=status, seconds=1, exit_code=None, signal=None, outputs={})


def _close_frames(then: Deed) -> Deed:
    def close(context: StepContext) -> None:
        os.close(frames_descriptor())
        then(context)

    return close


def _close_streams(_context: StepContext) -> None:
    for descriptor in (0, 1, 2):
        os.close(descriptor)


# How it does not end.


def _wait_for_a_stop(context: StepContext) -> None:
    select.select(context.capabilities.stops.all, [], [])


def _hang(_context: StepContext) -> None:
    while True:
        time.sleep(1000)


def _ignore_and_hang(context: StepContext) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # With a helper that is as deaf.
    subprocess.Popen(["/bin/sh", "-c", "trap '' TERM; while :; do sleep 1000; done"])
    _hang(context)


def _stop_for_ever(_context: StepContext) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        os.kill(os.getpid(), signal.SIGSTOP)


# What it takes from the machine.


def _allocate(_context: StepContext) -> None:
    kept = []
    while True:
        kept.append(bytearray(16 << 20))


def _fill_the_disk(context: StepContext) -> None:
    try:
        with open(os.path.join(context.capabilities.workspace.path, "filling"), "wb") as file:
            while True:
                file.write(bytes(4096))
                file.flush()
    except OSError:
        _raise(context)


def _use_all_descriptors(_context: StepContext) -> None:
    import resource

    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 2, hard))


def _use_all_processes(_context: StepContext) -> None:
    """Come to the limit of processes (setrlimit(2)), which does not hold for the superuser and the privileged."""
    import ctypes
    import resource

    if os.getuid() == 0:
        # Its files stay its own: it is the real user whose processes are counted, and the effective one who owns.
        os.setresuid(61_000, 0, 0)
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)
        if ctypes.CDLL(None).capset(header, (ctypes.c_uint32 * 6)()) != 0:
            raise OSError("capset")
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


def _use_all_address_space(_context: StepContext) -> None:
    """Leave so little of it that no process can be started: posix_spawn(3) maps a stack of more than 32 KiB."""
    import resource

    # What is freed among what is kept goes back to nobody but Python, which goes on in that.
    reserve = [bytes(size) for _ in range(4000) for size in (*range(1, 480, 16), *range(600, 4000, 400))]
    _KEPT.extend(reserve[::997])
    del reserve
    with open("/proc/self/statm", "rb") as file:
        used = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (used + (8 << 10), resource.RLIM_INFINITY))


_KEPT: list[bytes] = []


def _look_for_programs_in(path: Callable[[StepContext], str]) -> Deed:
    def look(context: StepContext) -> None:
        os.environ["PATH"] = path(context)

    return look


DEEDS: dict[str, Deed] = {
    "exit 3": _leave(3),
    "exit 0": _leave(0),
    "raise": _raise,
    "raise at length": _raise_at_length,
    "fail at length": _fail_at_length,
    "be killed": _hit(signal.SIGKILL),
    "be segfaulted": _hit(signal.SIGSEGV),
    "read nowhere": _read_nowhere,
    "abort": lambda _context: os.abort(),
    "print everywhere": _print_everywhere,
    "write rubbish": _say(b"this is no result\n", _leave(0)),
    "write too much": _say(b"x" * (3 << 20)),
    "write a frame of 50 MB": _say(b'{"frame":"step","id":"' + b"x" * 50_000_000 + b'"}\n'),
    "write a foreign event": _say(b'{"frame":"hello","protocol":1,"run_id":"exec-1","pid":1}\n'),
    "write half a frame and exit": _say(_result()[:40], _leave(0)),
    "write half a frame and be killed": _say(_result()[:40], _hit(signal.SIGKILL)),
    "write a result and half a frame": _say(_result() + _step("success")[:20], _leave(0)),
    "write two results": _say(_result() * 2, _leave(0)),
    "write a result and go on": _say(_result()),
    "write a result and another frame": _say(_result() + _step("success"), _leave(0)),
    "write the result of another run": _say(_result(run_id="exec-20260101-000000-00000000"), _leave(0)),
    "write in UTF-16": _say(_step("success").decode().encode("utf-16"), _leave(0)),
    "close the frames and wait": _close_frames(_wait_for_a_stop),
    "close the frames and exit": _close_frames(_leave(0)),
    "close the frames and go on": _close_frames(lambda _context: None),
    "close stdin": lambda _context: os.close(0),
    "close all streams": _close_streams,
    "hang": _hang,
    "ignore and hang": _ignore_and_hang,
    "stop": _hit(signal.SIGSTOP),
    "stop for ever": _stop_for_ever,
    "allocate": _allocate,
    "fill the disk and raise": _fill_the_disk,
    "use all descriptors": _use_all_descriptors,
    "use all processes": _use_all_processes,
    "use all address space": _use_all_address_space,
    "lose the path": _look_for_programs_in(lambda _context: "/nonexistent"),
    "look for programs in its own directory": _look_for_programs_in(
        lambda context: os.path.join(context.capabilities.workspace.path, "bin")
    ),
}
