"""Puts what a step made where the runs it triggers can find it."""

from __future__ import annotations

import os

from tako.config.model import DEFAULT_ARTIFACT
from tako.errors import StepError
from tako.execution.event import ArtifactRef
from tako.files import copy_into, file_checksum, leads_out, make_dirs, remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tako.config.model import ArtifactSpec, Produces


def declared_paths(produces: Produces, artifacts: Iterable[ArtifactSpec]) -> tuple[str, ...]:
    """The files or globs of the artifact that a step produces; none for an implicit artifact without files."""
    if produces.paths:
        return produces.paths
    return tuple(artifact.path for artifact in artifacts if artifact.name == produces.artifact and artifact.path)


def collect_artifact(
    name: str, patterns: Sequence[str], *, repo: str, repo_dir: str, store: str, where: str
) -> ArtifactRef:
    """Copy what the patterns match to ``<store>/<owner>/<repo>/<name>/``.

    The artifact's path is the file or directory itself if there is one, else the directory that holds them all.
    Raises ``StepError`` if nothing matches or a match leads out of the repository, ``MachineError`` if copying
    fails.
    """
    matches = find(patterns, repo_dir)
    if not matches:
        raise StepError(
            f"artifact {name!r} was not made: nothing matches {', '.join(patterns)}",
            where=where,
            why=f"looked in {repo_dir}",
            cure="let the step make it, or correct the artifact's path",
        )
    for match in matches:
        if leads_out(os.path.join(repo_dir, match), repo_dir):
            raise StepError(f"artifact {name!r} leads out of the repository: {match}", where=where)
    target = os.path.join(store, *repo.split("/"), name)
    remove_tree(target)
    make_dirs(target)
    copies = [copy_into(os.path.join(repo_dir, match), target) for match in matches]
    path = copies[0] if len(copies) == 1 else target
    return ArtifactRef(repo=repo, name=name, path=path, sha256=file_checksum(path) if os.path.isfile(path) else None)


def find(patterns: Sequence[str], repo_dir: str) -> list[str]:
    """What the patterns match, relative to the repository, sorted, each once."""
    from glob import glob

    return sorted({match for pattern in patterns for match in glob(pattern, root_dir=repo_dir, recursive=True)})


def produced_name(produces: Produces) -> str:
    """The name of the artifact that a step's events are about."""
    return produces.artifact or DEFAULT_ARTIFACT
