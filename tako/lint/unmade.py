"""Artifacts that nothing makes."""

from __future__ import annotations

import os
from collections.abc import Iterator

from tako.config.model import RepoConfig
from tako.config.problems import quoted
from tako.execution.artifacts import find
from tako.lint.findings import Finding
from tako.lint.syntax import Sheet
from tako.lint.walk import fields


def unmade_artifacts(sheet: Sheet, config: RepoConfig, directory: str) -> Iterator[Finding]:
    """The declared artifacts that no step produces, no command builds, and whose file is not in the repository."""
    produced = {
        step.produces.artifact for workflow in config.workflows for step in workflow.every_step if step.produces
    }
    specs = {artifact.name: artifact for artifact in config.artifacts}
    declared = sheet.field(sheet.root, "artifacts")
    for key, _ in fields(declared[1] if declared else None):
        spec = specs.get(key.value)
        if spec is None or spec.name in produced or spec.command or find((spec.path,), directory or os.curdir):
            continue
        what = (
            f"nothing makes artifact {quoted(spec.name)}: no step has 'produces: {{artifact: {spec.name}}}', "
            f"it has no 'command', and {quoted(spec.path)} is not in the repository"
        )
        yield Finding(*sheet.position(key.start), "unmade-artifact", what)
