"""``tako artifacts``."""

from __future__ import annotations

import json
import os
import signal
import sys

import click

from tako.cli.completers import complete_built_artifacts, complete_installed_artifacts
from tako.cli.installing import (
    built_in,
    installed_data,
    installed_line,
    is_path,
    split,
    stoppable,
    timeout_seconds,
    undone_lines,
)
from tako.cli.paths import HomePath
from tako.cli.target import find_target, make_wiring, repository_options
from tako.errors import InterruptedCommandError, UsageError
from tako.execution.artifact_install import STORE, Built, Commands, Installed, StoppedError
from tako.execution.artifact_install import build as build_artifact
from tako.execution.artifact_install import built as built_of
from tako.execution.artifact_install import install as install_artifact
from tako.records import record, to_data
from tako.stdio import say, say_line, show, silence
from tako.steps.base import RunInterruptedError, StoppableClock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.cli.installing import Stopped
    from tako.cli.target import Target
    from tako.clock import Clock
    from tako.config.model import ArtifactSpec
    from tako.wiring import Wiring

BUILD_EPILOG = """\b
Examples:
  tako artifacts build
  tako artifacts build go-lib --root ../go-lib
"""

INSTALL_EPILOG = """\b
Examples:
  tako artifacts install ../go-lib
  tako artifacts install ../go-lib:go-lib --into ../client
  tako artifacts install my-org/go-lib --timeout 10m --json
"""

LOCK_TIMEOUT_SECONDS = 600.0
"""How long to wait for somebody who installs the same artifact."""


@click.group(epilog="""\b
Examples:
  tako artifacts build
  tako artifacts install ../go-lib --into ../client
""")  # fmt: skip
def artifacts() -> None:
    """Build the artifacts that a repository declares, and install them in others."""


@artifacts.command(epilog=BUILD_EPILOG, short_help="Build one artifact, or all that have a command.")
@click.argument("name", required=False, shell_complete=complete_built_artifacts)
@repository_options
@click.option("--json", "as_json", is_flag=True, help="Print what was built as JSON.")
def build(name: str | None, root: str | None, repo: str | None, cache_dir: str | None, as_json: bool) -> int:
    """Run the `command` of the artifact NAME, or of every artifact that has one, and print what it made.

    The command runs in the repository's directory; what it prints goes to stderr.
    """
    if repo is not None:
        raise UsageError("an artifact is built in a working directory, not in the shared cache", cure="use --root DIR")
    wiring = make_wiring(cache_dir=cache_dir)
    target = find_target(wiring, root, repo)
    wanted = _wanted(target, name, "command", "builds it")
    with stoppable() as stopped:
        commands = Commands(wiring.processes, env=_environment(target), on_output=_pass_on, stops=stopped.stops)
        try:
            built = [
                each
                for artifact in wanted
                for each in built_of(
                    artifact,
                    build_artifact(artifact, target.source, commands, wiring.git),
                    target.source,
                    commands,
                )
            ]
        except StoppedError as error:
            raise _interrupted(stopped, "interrupted") from error
    if as_json:
        show(json.dumps([to_data(each) for each in built], indent=2) + "\n")
    else:
        show("".join(_built_line(each) for each in built))
    return 0


@artifacts.command(epilog=INSTALL_EPILOG, short_help="Build an artifact and install it in another repository.")
@click.argument("source", metavar="SOURCE[:NAME]", shell_complete=complete_installed_artifacts)
@click.option(
    "--into",
    type=HomePath(file_okay=False, exists=True),
    metavar="DIR",
    default=".",
    help="Install it in this directory; by default in the current one.",
)
@click.option("--timeout", metavar="DURATION", help="Stop each command after this long, like 10m.")
@click.option(
    "--cache-dir", type=HomePath(file_okay=False), metavar="DIR", help="Use this cache instead of TAKO_HOME/cache."
)
@click.option("--json", "as_json", is_flag=True, help="Print what was installed as JSON.")
def install(source: str, into: str, timeout: str | None, cache_dir: str | None, as_json: bool) -> int:
    """Build an artifact in its repository, install it in another one, and verify that this one works with it.

    SOURCE is a directory (`../go-lib`), or owner/name in the cache, which is built in a checkout of its own. Of the
    artifact NAME, or of every artifact that has an `install_command`, this runs `command` there, and then
    `install_command` and `verify_command` here, which find it at $TAKO_ARTIFACT_PATH. What they print goes to stderr.

    If one of them fails or is interrupted, the files that git tracks here and that have changed are put back as they
    were, with your uncommitted changes in them, and named; the exit code is 1. What git does not track, and what the
    commands stage or commit, stays as they leave it.
    """
    seconds = None if timeout is None else timeout_seconds(timeout)
    wiring = make_wiring(cache_dir=cache_dir)
    place, name = split(source)
    in_a_directory = is_path(place)
    target = find_target(wiring, place if in_a_directory else None, None if in_a_directory else place)
    wanted = _wanted(target, name, "install_command", "installs it")
    with stoppable() as stopped:
        stops = stopped.stops
        commands = Commands(
            wiring.processes, env=_environment(target), on_output=_pass_on, stops=stops, timeout=seconds
        )
        clock = StoppableClock(stops)
        try:
            with built_in(wiring, target, stops) as directory:
                places = _Places(directory, os.path.abspath(into))
                done = _install_all(wiring, wanted, target, places, commands, clock)
        except (StoppedError, RunInterruptedError) as error:
            raise _interrupted(stopped, "interrupted; the tracked files that had changed are put back") from error
    if as_json:
        show(json.dumps([installed_data(each) for each in done], indent=2) + "\n")
    else:
        show("".join(installed_line(each) for each in done))
    for each in done:
        if each.failure:
            say(f"error: artifact {each.artifact.name!r} is not installed: {each.failure}\n{undone_lines(each)}")
    return 1 if any(each.failure for each in done) else 0


def _interrupted(stopped: Stopped, what: str) -> InterruptedCommandError:
    return InterruptedCommandError(what, 128 + (stopped.signal or signal.SIGINT))


@record
class _Places:
    source: str
    into: str


def _install_all(
    wiring: Wiring, wanted: list[ArtifactSpec], target: Target, places: _Places, commands: Commands, clock: Clock
) -> list[Installed]:
    """Install artifacts one after another, up to the first that fails."""
    from tako.locks import exclusive

    store = os.path.join(wiring.settings.home, STORE)
    done: list[Installed] = []
    for artifact in wanted:
        lock = os.path.join(store, *target.repo.split("/"), f"{artifact.name}.lock")
        with exclusive(lock, clock=clock, timeout=LOCK_TIMEOUT_SECONDS, waiting=say_line):
            installed = install_artifact(
                artifact,
                target.repo,
                source=places.source,
                into=places.into,
                store=store,
                commands=commands,
                git=wiring.git,
            )
        done.append(installed)
        if installed.failure:
            break
    return done


def _wanted(target: Target, name: str | None, field: str, does: str) -> list[ArtifactSpec]:
    """The artifact of that name, or all, that have a command. Raises ``UsageError`` if none has."""
    declared = target.config.artifacts
    wanted = [artifact for artifact in declared if getattr(artifact, field) and name in (None, artifact.name)]
    if not wanted:
        names = ", ".join(artifact.name for artifact in declared if getattr(artifact, field))
        what = f"no artifact {name!r}" if name else "no artifact"
        has = "a command" if field == "command" else f"an {field}"
        cure = f"those with {has} are {names}" if names else f"give the artifact `{field}`, which {does}"
        raise UsageError(f"there is {what} with {has}", where=target.config.path, cure=cure)
    return wanted


def _environment(target: Target) -> dict[str, str]:
    """The user's environment, without the variables that are secrets of workflows of the artifact's repository."""
    secret = {name for workflow in target.config.workflows for name in workflow.secrets}
    return {name: value for name, value in os.environ.items() if name not in secret}


def _built_line(built: Built) -> str:
    return f"{built.artifact}  {built.path}  sha256:{built.sha256}\n"


def _pass_on(data: bytes) -> None:
    try:
        sys.stderr.buffer.write(data)
        sys.stderr.buffer.flush()
    except OSError:
        silence(2)
