"""What the shape of a file cannot say of its ``dependents``."""

from __future__ import annotations

from collections.abc import Iterator, Set

from tako.config import names, schema
from tako.config.labels import fault, label
from tako.config.problems import Path, Problem, nearest, quoted


def dependent_problems(given: schema.Dependent, path: Path, artifacts: Set[str]) -> Iterator[Problem]:
    """Every problem of the dependent at ``path``; ``artifacts`` are those that this repository makes."""
    repo, colon, ref = given.repo.partition(":")
    if names.repository_fault(repo) or (colon and not ref.strip()):
        yield from fault((*path, "repo"), "must be owner/name, or owner/name:branch", given.repo)
    if not given.workflows:
        yield from fault((*path, "workflows"), "must name a workflow of that repository")
    for index, workflow in enumerate(given.workflows):
        yield from fault((*path, "workflows", index), names.name_fault(workflow), workflow)
    for index, artifact in enumerate(given.artifacts):
        if artifact not in artifacts:
            place: Path = (*path, "artifacts", index)
            what = f"artifact {quoted(artifact)} of {label(path)} is not declared under 'artifacts'"
            yield Problem(place, what + nearest(artifact, sorted(artifacts)))
