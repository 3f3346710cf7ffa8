"""Drives the installed ``tako`` against real repositories, real children, real signals."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tako.records import record
from tako.testing import make_cached_repo, make_repo
from tests.acceptance.observe import MARK, marked, pids_marked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.acceptance.terminal import Terminal

BIN = Path(sys.executable).parent


@record
class Ran:
    """A finished command."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """What a person at a terminal saw."""
        return self.out + self.err

    def json(self) -> Any:
        return json.loads(self.out)


class World:
    """A Tako home with a cache, and the installed command."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "home"
        self.home.mkdir()
        self.env = {**os.environ, "TAKO_HOME": str(self.home), "PATH": f"{BIN}:{os.environ['PATH']}"}
        self.mark = str(root)
        """What tells the processes of this world from all others."""
        self.env[MARK] = self.mark
        self.started: list[subprocess.Popen[str]] = []

    def cached(self, name: str, tako_yml: str, files: Mapping[str, str] | None = None, *, git: bool = True) -> Path:
        """A repository in the cache."""
        content = {"tako.yml": tako_yml, **(files or {})}
        return Path(make_cached_repo(str(self.home), name, content, git=git))

    def working(self, name: str, tako_yml: str, files: Mapping[str, str] | None = None) -> Path:
        """A developer's own working directory, outside the cache."""
        return Path(make_repo(str(self.root / name), {"tako.yml": tako_yml, **(files or {})}))

    def tako(self, *arguments: str, cwd: Path | None = None, timeout: float = 90) -> Ran:
        """Run ``tako`` to its end."""
        return self.run([str(BIN / "tako"), *arguments], cwd=cwd, timeout=timeout)

    def child(self, *arguments: str, timeout: float = 90) -> Ran:
        """Run ``tako child`` to its end: no terminal, no parent."""
        return self.tako("child", *arguments, timeout=timeout)

    def start(self, *arguments: str, cwd: Path | None = None, around: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        """Start ``tako`` and leave it running; who calls this waits for it.

        ``around`` is a command that is given the whole command line to run.
        """
        process = subprocess.Popen(
            [*around, str(BIN / "tako"), *arguments],
            cwd=cwd or self.root,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        self.started.append(process)
        return process

    def finish(self, process: subprocess.Popen[str], *, timeout: float = 90) -> Ran:
        """Wait for what ``start`` started."""
        out, err = process.communicate(timeout=timeout)
        return Ran(process.returncode, out, err)

    def run(self, argv: list[str], *, cwd: Path | None = None, timeout: float = 90) -> Ran:
        done = subprocess.run(
            argv,
            cwd=cwd or self.root,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def workspace(self, run_id: str) -> Path:
        """The directory of a root run."""
        return self.home / "workspaces" / run_id

    def only_workspace(self) -> Path:
        """The directory of the one root run that there was or is."""
        (directory,) = (self.home / "workspaces").iterdir()
        return directory

    def end(self) -> list[str]:
        """End what a test left running, and say what that was."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()
        deadline = time.monotonic() + 10
        while (left := marked(self.mark)) and time.monotonic() < deadline:
            time.sleep(0.02)
        for pid in pids_marked(self.mark):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return left


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world of the test's own. Whatever the test does, no process of it may be there some seconds after the test."""
    world = World(tmp_path)
    yield world
    left = world.end()
    assert not left, f"still running: {left}"


@pytest.fixture
def terminal(world: World) -> Iterator[Terminal]:
    """A terminal in the world, with a shell that is gone when the test is over."""
    # Which builds on worlds.
    from tests.acceptance.terminal import Terminal

    terminal = Terminal(world)
    yield terminal
    terminal.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        terminal.shell.wait(10)
    terminal.shell.kill()
    terminal.shell.wait()
