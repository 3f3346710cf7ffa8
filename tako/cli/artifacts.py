"""``tako artifacts``."""

from __future__ import annotations

import json
import os
import sys

import click

from tako.cli.target import find_target, make_wiring, repository_options
from tako.errors import UsageError, WorkflowError
from tako.execution.artifacts import find
from tako.files import file_checksum
from tako.stdio import show, silence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from tako.config.model import ArtifactSpec
    from tako.wiring import Wiring

EPILOG = """\b
Examples:
  tako artifacts build
  tako artifacts build go-lib --root ../go-lib
"""


@click.group(epilog=EPILOG)
def artifacts() -> None:
    """Build the artifacts that a repository declares."""


@artifacts.command(epilog=EPILOG, short_help="Build one artifact, or all that have a command.")
@click.argument("name", required=False)
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
    secret = {name for workflow in target.config.workflows for name in workflow.secrets}
    declared = target.config.artifacts
    wanted = [artifact for artifact in declared if artifact.command and name in (None, artifact.name)]
    if not wanted:
        names = ", ".join(artifact.name for artifact in declared if artifact.command)
        what = f"no artifact {name!r}" if name else "no artifact"
        cure = f"those with a command are {names}" if names else "give the artifact a `command` that builds it"
        raise UsageError(f"there is {what} with a command", where=target.config.path, cure=cure)
    built = [row for artifact in wanted for row in _build(wiring, artifact, target.source, secret)]
    if as_json:
        show(json.dumps(built, indent=2) + "\n")
    else:
        for row in built:
            show(f"{row['artifact']}  {row['path']}  {'sha256:' + row['sha256'] if row['sha256'] else 'directory'}\n")
    return 0


def _build(
    wiring: Wiring, artifact: ArtifactSpec, directory: str, secret: Collection[str]
) -> list[dict[str, str | None]]:
    """Run an artifact's command, without the variables that are secrets of workflows."""

    def pass_on(data: bytes) -> None:
        try:
            sys.stderr.buffer.write(data)
            sys.stderr.buffer.flush()
        except OSError:
            silence(2)

    script = f'cd -- "$TAKO_DIRECTORY" && unset TAKO_DIRECTORY\n{artifact.command}'
    inherited = {name: value for name, value in os.environ.items() if name not in secret}
    outcome = wiring.processes.run_piped(
        ["/bin/sh", "-e", "-c", script],
        env={**inherited, "TAKO_DIRECTORY": directory},
        on_stdout=pass_on,
        on_stderr=pass_on,
    )
    if not outcome.exit.ok:
        raise WorkflowError(f"building artifact {artifact.name!r} failed: {outcome.exit.describe()}")
    found = [os.path.join(directory, match) for match in find([artifact.path], directory)]
    if not found:
        raise WorkflowError(f"building artifact {artifact.name!r} made nothing that matches {artifact.path}")
    return [
        {"artifact": artifact.name, "path": path, "sha256": file_checksum(path) if os.path.isfile(path) else None}
        for path in found
    ]
