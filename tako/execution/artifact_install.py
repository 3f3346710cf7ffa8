"""Builds artifacts, and installs them in repositories that depend on them."""

from __future__ import annotations

import contextlib
import os
import tempfile

from tako.clock import duration
from tako.errors import TakoError, WorkflowError
from tako.execution.artifact_files import notes
from tako.execution.artifacts import find, select, store_artifact, tracked_files
from tako.execution.checksums import path_checksum
from tako.execution.lay_there import look
from tako.execution.script_file import command_of, write_script
from tako.execution.step_environment import is_long
from tako.expressions.shebang import has_shebang
from tako.files import remove_tree
from tako.process import NO_STOPS
from tako.records import record
from tako.repos.put_back import changed_since, put_back, remember
from tako.steps.base import StoppableClock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tako.config.model import ArtifactSpec
    from tako.execution.artifact_files import Chosen
    from tako.execution.event import ArtifactRef
    from tako.process import Processes
    from tako.repos.git import Git
    from tako.repos.put_back import Remembered
    from tako.signals import Stops

STORE = "artifacts"
"""The directory of a Tako home in which what is installed lies: some package managers keep pointing to it."""


@record
class Built:
    """One file or directory that building an artifact made."""

    artifact: str
    path: str
    sha256: str


@record
class Installed:
    """What came of installing one artifact."""

    artifact: ArtifactRef
    into: str
    verified: bool
    """Whether a ``verify_command`` ran; without one nobody knows whether it works."""
    changed: tuple[str, ...]
    """The tracked files that it changed, relative to ``top``."""
    top: str | None
    """The git working tree in which it was installed; None if it was none, and nothing is known of what changed."""
    failure: str = ""
    """Why it is not installed; the files that had changed are put back then."""


class StoppedError(Exception):
    """A stop was asked for while a command ran, or its files were copied or hashed."""


class Commands:
    """Runs the commands of artifacts, each in a directory, and passes on what they print."""

    def __init__(
        self,
        processes: Processes,
        *,
        env: Mapping[str, str],
        on_output: Callable[[bytes], object],
        stops: Stops = NO_STOPS,
        timeout: float | None = None,
    ) -> None:
        """``timeout`` is what each command has, in seconds."""
        self._processes = processes
        self._env = env
        self._on_output = on_output
        self._stops = stops
        self._timeout = timeout
        self._stoppable = StoppableClock(stops)

    def say(self, line: str) -> None:
        """Tell a line where the commands' output goes."""
        self._on_output(f"{line}\n".encode("utf-8", "replace"))

    def check(self) -> None:
        """Is called between pieces of long work. Raises ``StoppedError`` if a stop is asked for."""
        if self._stoppable.is_stopped():
            raise StoppedError

    def run(self, command: str, directory: str, **variables: str) -> str:
        """Run a command; returns what is wrong with how it ended, or nothing. Raises ``StoppedError``."""
        with_directory = {**variables, "TAKO_DIRECTORY": directory}
        script = f'cd -- "$TAKO_DIRECTORY" && unset TAKO_DIRECTORY\n{command}'
        if not has_shebang(command) and not is_long(script):
            return self._run(["/bin/sh", "-e", "-c", script], with_directory)
        with tempfile.TemporaryDirectory(prefix="tako-") as beside:
            path = os.path.join(beside, "command")
            if not has_shebang(command):
                write_script(path, script)
                return self._run(["/bin/sh", "-e", path], with_directory)
            write_script(path, command)
            return self._run(command_of(command, path, directory), variables)

    def _run(self, argv: Sequence[str], variables: Mapping[str, str]) -> str:
        outcome = self._processes.run_piped(
            argv,
            env={**self._env, **variables},
            on_stdout=self._on_output,
            stops=self._stops,
            timeout=self._timeout,
        )
        if outcome.stopped:
            raise StoppedError
        if outcome.timed_out:
            return f"it took longer than {duration(self._timeout or 0.0)}"
        return "" if outcome.exit.ok else outcome.exit.describe()


def build(artifact: ArtifactSpec, directory: str, commands: Commands, git: Git) -> Chosen:
    """Run the ``command`` of an artifact, if it has one, and choose its files.

    Raises ``WorkflowError`` if that fails, nothing is there, or something cannot be sent; ``StoppedError``.
    """
    before = look([artifact.path], directory, commands.check) if artifact.command else None
    wrong = commands.run(artifact.command, directory) if artifact.command else ""
    if wrong:
        raise WorkflowError(f"building artifact {artifact.name!r} failed: {wrong}")
    if not find([artifact.path], directory, check=commands.check):
        did = "building artifact {!r} made nothing that matches {}" if artifact.command else "artifact {!r} has no {}"
        raise WorkflowError(did.format(artifact.name, artifact.path), where=directory)
    chosen = select(
        artifact.name,
        [artifact.path],
        directory=directory,
        where=directory,
        lay_there=before,
        tracked=lambda paths: tracked_files(git, directory, paths),
        check=commands.check,
    )
    for note in notes(artifact.name, chosen) if artifact.command else ():
        commands.say(f"warning: {note}")
    return chosen


def built(artifact: ArtifactSpec, chosen: Chosen, directory: str, commands: Commands) -> list[Built]:
    """What there is of an artifact that was built, each file or directory that its path matches."""
    paths = [os.path.join(directory, match) for match in chosen.matches]
    return [Built(artifact.name, path, path_checksum(path, check=commands.check)) for path in paths]


def install(
    artifact: ArtifactSpec, repo: str, *, source: str, into: str, store: str, commands: Commands, git: Git
) -> Installed:
    """Build an artifact in its repository's directory ``source`` and install it in the directory ``into``.

    It is copied into ``store``; the ``install_command`` finds it there by ``TAKO_ARTIFACT_PATH``, and so does the
    ``verify_command`` after it. If one of them fails, or a stop is asked for, tracked files that have changed are put
    back. Raises ``WorkflowError`` if it cannot be built, ``StoppedError``, and ``CheckoutError`` or ``MachineError`` if
    something could not be put back: what was remembered is then kept, and the error says where.
    """
    chosen = build(artifact, source, commands, git)
    made = store_artifact(
        artifact.name, chosen, repo=repo, directory=source, store=store, where=source, check=commands.check
    )
    memory = tempfile.mkdtemp(prefix="tako-install-")
    tree = None
    try:
        tree = remember(into, memory, git, check=commands.check)
        failure = _install(artifact, made, into, commands)
    except BaseException:
        _undo(tree, git, memory)
        raise
    changed = changed_since(tree, git) if tree is not None else ()
    if failure:
        _undo(tree, git, memory)
    _forget(memory)
    verified = artifact.verify_command is not None and not failure
    return Installed(made, into, verified, changed, tree.top if tree else None, failure)


def _install(artifact: ArtifactSpec, made: ArtifactRef, into: str, commands: Commands) -> str:
    for doing, command in (("installing", artifact.install_command), ("verifying", artifact.verify_command)):
        wrong = commands.run(command, into, TAKO_ARTIFACT_PATH=made.path) if command else ""
        if wrong:
            return f"{doing} it failed: {wrong}"
    return ""


def _undo(tree: Remembered | None, git: Git, memory: str) -> None:
    try:
        if tree is not None:
            put_back(tree, changed_since(tree, git), git)
    except TakoError as error:
        error.cure = f"your files as they were before are in {memory}: index (git's) and files (what you had edited)"
        raise
    _forget(memory)


def _forget(memory: str) -> None:
    with contextlib.suppress(TakoError):
        remove_tree(memory)
