"""Workflows that do nothing."""

from __future__ import annotations

from collections.abc import Iterator

from tako.config import schema
from tako.config.labels import label
from tako.config.problems import Path, Problem


def empty_problems(root: schema.Root) -> Iterator[Problem]:
    """Every workflow of a file that has no steps."""
    for name, workflow in root.workflows.items():
        if not workflow.steps:
            path: Path = ("workflows", name)
            what = f"{label(path)} has no steps, so that it would succeed without doing anything; add a step to 'steps'"
            yield Problem(path, what, on_key=True).following(*path, "steps")
