"""Puts what a step made where the runs it triggers can find it."""

from __future__ import annotations

import os

from tako.config.model import DEFAULT_ARTIFACT
from tako.errors import StepError
from tako.execution.event import ArtifactRef
from tako.files import copy_into, leads_out, make_dirs, remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tako.config.model import ArtifactSpec, Produces
    from tako.steps.base import StepContext


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
    from tako.execution.checksums import path_checksum

    matches = find(patterns, repo_dir)
    if not matches:
        raise StepError(
            f"artifact {name!r} was not made: nothing matches {', '.join(patterns)}",
            where=where,
            why=f"looked in {repo_dir}",
            cure="let the step make it, or correct the artifact's path",
        )
    for each in matches:
        if leads_out(os.path.join(repo_dir, each), repo_dir):
            raise StepError(f"artifact {name!r} leads out of the repository: {each}", where=where)
    target = os.path.join(store, *repo.split("/"), name)
    remove_tree(target)
    make_dirs(target)
    copies = [copy_into(os.path.join(repo_dir, each), target) for each in matches]
    path = copies[0] if len(copies) == 1 else target
    return ArtifactRef(repo=repo, name=name, path=path, sha256=path_checksum(path))


def found_artifact(name: str, context: StepContext) -> ArtifactRef | None:
    """A declared artifact that no step of the run produced by name, but whose file is there; copied as if one had.

    None if it is not declared, has been produced, or has no file. Raises as ``collect_artifact`` does.
    """
    request, capabilities = context.request, context.capabilities
    if any(each.name == name for each in context.state.artifacts):
        return None
    patterns = tuple(each.path for each in request.artifacts if each.name == name and each.path)
    if not find(patterns, capabilities.repo_dir):
        return None
    return collect_artifact(
        name,
        patterns,
        repo=request.repo,
        repo_dir=capabilities.repo_dir,
        store=capabilities.workspace.artifacts,
        where=context.where,
    )


def find(patterns: Sequence[str], repo_dir: str) -> list[str]:
    """What the patterns match, relative to the repository, sorted, each once."""
    from tako.execution.globs import match

    return sorted({found for pattern in patterns for found in match(pattern, repo_dir)})


def produced_name(produces: Produces) -> str:
    """The name of the artifact that a step's events are about."""
    return produces.artifact or DEFAULT_ARTIFACT
