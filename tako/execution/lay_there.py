"""What lay in a repository before a run's first step, of what its artifacts are made of: so that it is known what the
run itself has made or changed.

It is written down beside the run's state, since a run may go on in another process. Only what costs little is looked
at: a tree (``dist``, ``dist/**``) is sent as it is, and nobody asks for the age of its files.
"""

from __future__ import annotations

import os

from tako.errors import StateError
from tako.execution.artifact_files import ends_in_any_depth, without_places
from tako.execution.globs import has_wildcard, match
from tako.files import make_dirs, read_document, write_document
from tako.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tako.content import Check
    from tako.execution.request import RunRequest
    from tako.steps.base import StepContext

KIND = "lay-there"
SCHEMA = 1

MOST = 10_000
"""Paths that are remembered for one pattern. Of one that matches more nothing is: all counts as made by the run."""


@record
class LayThere:
    """The files that lay there, by their paths in the repository, with what tells whether they have changed."""

    stamps: Mapping[str, tuple[int, ...]] = {}

    def is_touched(self, path: str, status: os.stat_result) -> bool:
        """Whether a file is new or has changed."""
        return self.stamps.get(path) != _stamp(status)


def remember(context: StepContext) -> None:
    """Write down what lies there before the first step, unless that has been done, or it is too late for it.

    Raises ``MachineError``, or what ``StepContext.check`` raises.
    """
    path = context.capabilities.workspace.lay_there
    patterns = list(dict.fromkeys(_patterns(context.request)))
    if not patterns or context.state.steps or os.path.exists(path):
        return
    found: dict[str, tuple[int, ...]] = {}
    for pattern in patterns:
        found.update(_look(pattern, context.capabilities.repo_dir, context.check))
    make_dirs(os.path.dirname(path))
    write_document(path, KIND, SCHEMA, {name: list(stamp) for name, stamp in found.items()}, durable=False)


def recall(context: StepContext) -> LayThere:
    """What was written down; nothing if that is lost, so that all counts as made by the run."""
    try:
        data = read_document(context.capabilities.workspace.lay_there, KIND, SCHEMA)
        return LayThere({str(name): tuple(stamp) for name, stamp in data.items()})
    except (StateError, AttributeError, TypeError):
        return LayThere()


def look(patterns: Iterable[str], directory: str, check: Check) -> LayThere:
    """What lies in a directory now."""
    return LayThere({name: stamp for pattern in patterns for name, stamp in _look(pattern, directory, check).items()})


def _patterns(request: RunRequest) -> Iterator[str]:
    """Of all artifacts that the run may make."""
    yield from (artifact.path for artifact in request.artifacts if artifact.path)
    for spec in request.workflow.every_step:
        if spec.produces is not None:
            yield from spec.produces.paths


def _look(pattern: str, directory: str, check: Check) -> dict[str, tuple[int, ...]]:
    if ends_in_any_depth(pattern):
        return {}
    stamps: dict[str, tuple[int, ...]] = {}
    for name in without_places(match(pattern, directory, check=check)):
        for each in _files_at(name, directory, check, inside=has_wildcard(pattern)):
            try:
                stamps[each] = _stamp(os.lstat(os.path.join(directory, each)))
            except OSError:
                continue
            if len(stamps) > MOST:
                return {}
    return stamps


def _files_at(name: str, directory: str, check: Check, *, inside: bool) -> Iterator[str]:
    """A file, or if wanted those that are inside a directory."""
    if not os.path.isdir(os.path.join(directory, name)):
        yield name
        return
    if not inside:
        return
    for place, _, files in os.walk(os.path.join(directory, name)):
        check()
        yield from (os.path.relpath(os.path.join(place, file), directory) for file in files)


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
