"""The fakes that we ship, for our own tests and for those who extend Tako: a clock, a launcher, real repositories."""

from __future__ import annotations

import os
import sys

from tako.children.protocol import Hello, Result, encode
from tako.execution.request import read_request
from tako.execution.workspace import Workspace
from tako.files import make_dirs
from tako.process import Outcome, Processes
from tako.signals import Exit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tako.children.launchers.base import Launch
    from tako.children.protocol import Frame

IDENTITY = {
    "GIT_AUTHOR_NAME": "Tako Test",
    "GIT_AUTHOR_EMAIL": "test@localhost",
    "GIT_COMMITTER_NAME": "Tako Test",
    "GIT_COMMITTER_EMAIL": "test@localhost",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


class FakeClock:
    """A clock that stands still until it is told, or somebody sleeps."""

    def __init__(self, now: float = 1_795_460_400.0) -> None:
        self._now = now
        self._monotonic = 0.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def sleep(self, seconds: float) -> None:
        """Advance at once, and remember that it was asked for."""
        self.slept.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds
        self._monotonic += seconds


class FakeLauncher:
    """A ``Launcher`` without processes: a function says what the child of a directory would have said.

    ``script`` gets the directory and returns the frames after the hello, and how the process ended. By default every
    child succeeds. ``launched`` lists the directories in the order of their launches.
    """

    def __init__(self, script: Callable[[str], tuple[list[Frame], Exit]] | None = None) -> None:
        self._script = script or (lambda _directory: ([Result(status="success")], Exit(code=0)))
        self.launched: list[str] = []

    def launch(self, launch: Launch) -> Outcome:
        """Say what the script says; see ``Launcher``. A fake child has nothing to stop, and says nothing on stderr."""
        self.launched.append(launch.directory)
        request = read_request(Workspace(launch.directory).request)
        frames, exit_ = self._script(launch.directory)
        for frame in (Hello(run_id=request.run_id, pid=os.getpid()), *frames):
            if not launch.on_output(encode(frame)):
                break
        return Outcome(exit_)


def make_repo(directory: str, files: Mapping[str, str], *, origin: str | None = None, git: bool = True) -> str:
    """Make a repository with one commit on ``main`` and return its directory.

    ``files`` maps paths to contents, ``tako.yml`` among them. ``origin`` becomes its remote. Without ``git`` it is a
    plain directory. Raises ``MachineError`` or ``RuntimeError`` if git is missing or fails.
    """
    for name, content in files.items():
        path = os.path.join(directory, name)
        make_dirs(os.path.dirname(path))
        with open(path, "w", encoding="utf-8") as file:
            file.write(content)
    if git:
        commands = [["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "--allow-empty", "-m", "Begin"]]
        if origin is not None:
            commands.append(["remote", "add", "origin", origin])
        for command in commands:
            done = Processes().run(["git", "-C", directory, *command], env={**os.environ, **IDENTITY}, timeout=60)
            if not done.ok:
                raise RuntimeError(f"git {' '.join(command)}: {done.message()}")
    return directory


def make_cached_repo(home: str, name: str, files: Mapping[str, str], *, ref: str = "main", git: bool = True) -> str:
    """The same in the cache of a Tako home, under ``owner/name``; its origin is a real-looking address."""
    directory = os.path.join(home, "cache", "repos", *name.split("/"), ref)
    return make_repo(directory, files, origin=f"https://git.example/{name}.git", git=git)


def install_step_kind(directory: str, environment: dict[str, str], uses: str, cls: type) -> None:
    """Make a package of the module that a step kind is in, and have all Pythons of an environment find it.

    What an installed package of a third party is to Tako: an entry point ``tako.steps`` named ``uses``.
    """
    name = cls.__module__.rpartition(".")[2]
    info = os.path.join(directory, f"{name}-1.dist-info")
    make_dirs(info)
    with open(sys.modules[cls.__module__].__file__ or "", encoding="utf-8") as file:
        source = file.read()
    for path, content in {
        os.path.join(info, "METADATA"): f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1\n",
        os.path.join(info, "entry_points.txt"): f"[tako.steps]\n{uses} = {name}:{cls.__name__}\n",
        os.path.join(directory, f"{name}.py"): source,
    }.items():
        with open(path, "w", encoding="utf-8") as file:
            file.write(content)
    before = environment.get("PYTHONPATH")
    environment["PYTHONPATH"] = f"{directory}{os.pathsep}{before}" if before else directory
