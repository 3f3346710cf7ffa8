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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.config.model import ArtifactSpec
    from tako.wiring import Wiring

EPILOG = """\b
Examples:
  tako artifacts build
  tako artifacts build go-lib --root ../go-lib
"""


@click.group()
def artifacts() -> None:
    """Build the artifacts that a repository declares."""


@artifacts.command(epilog=EPILOG)
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
    declared = target.config.artifacts
    wanted = [artifact for artifact in declared if artifact.command and name in (None, artifact.name)]
    if not wanted:
        names = ", ".join(artifact.name for artifact in declared if artifact.command) or "none"
        what = f"artifact {name!r}" if name else "any artifact"
        raise UsageError(f"nothing says how to build {what}", where=target.config.path, cure=f"with a command: {names}")
    built = [row for artifact in wanted for row in _build(wiring, artifact, target.source)]
    if as_json:
        click.echo(json.dumps(built, indent=2))
    else:
        for row in built:
            click.echo(f"{row['artifact']}  {row['path']}  sha256:{row['sha256']}")
    return 0


def _build(wiring: Wiring, artifact: ArtifactSpec, directory: str) -> list[dict[str, str | None]]:
    def show(data: bytes) -> None:
        sys.stderr.buffer.write(data)
        sys.stderr.buffer.flush()

    script = f'cd -- "$TAKO_DIRECTORY" && unset TAKO_DIRECTORY\n{artifact.command}'
    outcome = wiring.processes.run_piped(
        ["/bin/sh", "-e", "-c", script],
        env={**os.environ, "TAKO_DIRECTORY": directory},
        on_stdout=show,
        on_stderr=show,
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
