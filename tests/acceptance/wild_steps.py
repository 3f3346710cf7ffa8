"""A kind of step that dies, or misbehaves, inside the child process itself.

It stands for whatever third parties may install: `install` makes it known to every Tako of a world, the way an
installed package is, through the entry points ``tako.steps``.
"""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tako.steps.base import StepContext, StepResult

USES = "acceptance/wild@v1"
RUBBISH = b"\x00\xff\xfe rubbish {\x9f\x1b[2J"


def install(directory: Path, environment: dict[str, str]) -> None:
    """Make a package of this module, and have all Pythons of an environment find it."""
    info = directory / "wild_steps-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: wild-steps\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[tako.steps]\n{USES} = wild_steps:WildStep\n")
    (directory / "wild_steps.py").write_bytes(Path(__file__).read_bytes())
    before = environment.get("PYTHONPATH")
    environment["PYTHONPATH"] = f"{directory}{os.pathsep}{before}" if before else str(directory)


class WildStep:
    """Does what its ``with`` says: ``{do: …}``."""

    def run(self, context: StepContext) -> StepResult:
        sys.stderr.write(f"about to {context.spec.params['do']}\n")
        sys.stderr.flush()
        DEEDS[context.spec.params["do"]]()
        return StepResult(outputs={"survived": "yes"})


def _leave(code: int) -> Callable[[], None]:
    return lambda: os._exit(code)


def _raise() -> None:
    raise ValueError("a third party's mistake")


def _print_everywhere() -> None:
    """All that a program can do to its standard streams without looking for others."""
    sys.stdout.write('{"frame": "result", "status": "failed"}\n')
    sys.stdout.flush()
    for descriptor in (1, 2):
        os.write(descriptor, RUBBISH * 20_000)
    # A program started without care gets every descriptor that can be inherited, and writes to each.
    script = 'for fd in /proc/self/fd/*; do (echo \'{"frame": "result"}\' >&${fd##*/}) 2>/dev/null; done; true'
    subprocess.run(["/bin/sh", "-c", script], check=True, close_fds=False)


def _write_frame(content: bytes) -> Callable[[], None]:
    return lambda: _write(frames_descriptor(), content)


def _rubbish_for_the_result() -> None:
    _write(frames_descriptor(), b"this is no result\n")
    os._exit(0)


def frames_descriptor() -> int:
    """The one pipe of which this process holds the writing end only."""
    found: dict[int, list[int]] = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            status = os.fstat(int(name))
        except OSError:
            continue
        if stat.S_ISFIFO(status.st_mode):
            found.setdefault(status.st_ino, []).append(int(name))
    alone = [ends[0] for ends in found.values() if len(ends) == 1]
    (frames,) = [end for end in alone if fcntl.fcntl(end, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY]
    return frames


def _write(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


DEEDS: dict[str, Callable[[], None]] = {
    "exit 3": _leave(3),
    "exit 0": _leave(0),
    "raise": _raise,
    "print everywhere": _print_everywhere,
    "write rubbish": _rubbish_for_the_result,
    "write too much": _write_frame(b"x" * (3 << 20)),
    "write a foreign event": _write_frame(b'{"frame":"hello","protocol":1,"run_id":"exec-1","pid":1}\n'),
}
