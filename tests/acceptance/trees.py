"""Trees of real processes that a test holds in its hand: their steps wait for a file, and what they say is at hand."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.acceptance.conftest import BIN, Ran, World
from tests.acceptance.observe import PATIENCE, marked, wait_for


class Running:
    """A ``tako`` that was started, with what it has said so far."""

    def __init__(self, world: World, *arguments: str, cwd: Path | None = None, before: str = "") -> None:
        """``before`` is what a shell does before it becomes ``tako``."""
        self._out = _new_file(world.root, "out")
        self._err = _new_file(world.root, "err")
        with self._out.open("wb") as out, self._err.open("wb") as err:
            argv = [str(BIN / "tako"), *arguments]
            self.process = subprocess.Popen(
                ["sh", "-c", f'{before}; exec "$@"', "sh", *argv] if before else argv,
                cwd=cwd or world.root,
                env=world.env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                text=True,
            )
        world.started.append(self.process)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def said(self) -> str:
        """What it has written to stderr."""
        return self._err.read_text(errors="replace")

    def wait_for(self, text: str) -> None:
        """Wait until it has said something."""
        wait_for(lambda: text in self.said or self.process.poll() is not None, f"it said {text!r}")
        assert text in self.said, self.said

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def finish(self) -> Ran:
        """Wait for its end."""
        self.process.wait(PATIENCE)
        return Ran(self.process.returncode, self._out.read_text(errors="replace"), self.said)


def until_there(path: Path) -> str:
    """The script that waits for a file, in a shell that can hear of a signal meanwhile.

    The signal ends the ``sleep``, too, and the shell must not end because of that before its trap.
    """
    return f"until [ -e {path} ]; do sleep 0.02 || true; done"


def run_named(report: Any, name: str) -> Any:
    """The one run of a repository."""
    (run,) = [run for run in report["runs"] if run["repository"] == name]
    return run


def state_of(workspace: Path | str) -> Any:
    """What a run's ``state.json`` says."""
    return json.loads(Path(workspace, "state.json").read_text())["data"]


def workspaces(world: World) -> list[Path]:
    """The directories of the root runs, by name: that is by age, but for those of one second."""
    return sorted((world.home / "workspaces").glob("exec-*"))


def seconds_until_all_are_gone(world: World) -> float:
    """How long it takes from now until no process of a world is there any more; gives up some time after a minute."""
    began = time.monotonic()
    while marked(world.mark):
        assert time.monotonic() - began < PATIENCE, f"still there: {marked(world.mark)}"
        time.sleep(0.01)
    return time.monotonic() - began


def processes(world: World, *words: str) -> dict[int, str]:
    """The living processes of a world whose command line has all of some words, by pid."""
    lines = (line.partition(": ") for line in marked(world.mark))
    return {int(pid): line for pid, _, line in lines if all(word in line for word in words)}


def letter(pid: int) -> str:
    """The state of a process as proc_pid_stat(5) has it: ``T`` for one that stands still; empty if it is no more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def environment_of(pid: int) -> Mapping[str, str]:
    """The environment with which a process was started."""
    pairs = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}


def _new_file(directory: Path, suffix: str) -> Path:
    number = len(os.listdir(directory))
    path = directory / f"{number}.{suffix}"
    path.touch()
    return path
