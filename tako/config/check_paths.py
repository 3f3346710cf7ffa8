"""The paths that a file names, against the links that are in its repository."""

from __future__ import annotations

import os
from collections.abc import Iterator

from tako.config import schema
from tako.config.labels import label
from tako.config.model import POLL
from tako.config.names import FROM_FILE, is_template, path_fault
from tako.config.problems import Path, Problem, quoted
from tako.config.step_ids import named_steps
from tako.files import leads_out

_GLOB = frozenset("*?[")


def link_problems(root: schema.Root, directory: str) -> Iterator[Problem]:
    """Every path that a link leads out of the repository in ``directory``.

    What a glob matches is only known when it is used, and looked at then.
    """
    for path, name in _paths(root):
        # What is wrong by its text alone has been told, and may be anything.
        if is_template(name) or "\0" in name or path_fault(name):
            continue
        place = os.path.join(directory, _before_glob(name))
        if leads_out(place, directory):
            what = f"leads out of the repository through a link, to {quoted(os.path.realpath(place))}"
            yield Problem(path, f"{label(path)} {what}")


def _paths(root: schema.Root) -> Iterator[tuple[Path, str]]:
    """Every path in the file, as it is from the top of the repository."""
    for name, artifact in root.artifacts.items():
        yield ("artifacts", name, "path"), artifact.path
    for name, workflow in root.workflows.items():
        for _, path, step in named_steps(workflow, ("workflows", name)):
            yield from _of_step(step, path)


def _of_step(step: schema.AnyStep, path: Path) -> Iterator[tuple[Path, str]]:
    where = step.working_directory if isinstance(step.working_directory, str) else "."
    yield (*path, "working_directory"), where
    if step.uses == POLL and isinstance(step.params.get("path"), str):
        yield (*path, "with", "path"), os.path.join(where, step.params["path"])
    if isinstance(step, schema.Step) and isinstance(step.cache_key_files, list):
        for index, pattern in enumerate(step.cache_key_files):
            yield (*path, "cache_key_files", index), pattern
    if isinstance(step, schema.Step) and isinstance(step.cache_key_files, list):
        for index, pattern in enumerate(step.cache_key_files):
            yield (*path, "cache_key_files", index), pattern
    if isinstance(step.produces, schema.Produces):
        for index, artifact in enumerate(step.produces.artifacts):
            yield (*path, "produces", "artifacts", index, "path"), artifact.path
        for name, source in step.produces.outputs.items():
            if source.startswith(FROM_FILE):
                yield (*path, "produces", "outputs", name), os.path.join(where, source.removeprefix(FROM_FILE).strip())


def _before_glob(path: str) -> str:
    parts = path.split("/")
    plain = next((at for at, part in enumerate(parts) if _GLOB & set(part)), len(parts))
    return "/".join(parts[:plain])
