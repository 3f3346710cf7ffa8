"""What the result of a cached step hangs on, as one key.

The key is the SHA-256 of a document that holds:

- the step: repository, id, script after expansion, shell, working directory after expansion, ``produces``, the paths of
  the artifact that it produces, and the environment that workflow and step declare, after expansion; a variable that
  stands for a secret is that secret's name;
- the files that ``cache_key_files`` match: path, kind (program or not), content;
- the run's inputs, if the step or one of those files names ``TAKO_INPUT_…`` or ``TAKO_INPUTS``, and the checksums of
  the artifacts that it was sent, if one names ``TAKO_ARTIFACT_``.

Where an artifact lies is another place in every run, so a template sees ``sha256:…`` there while the key is made. A
step that is expanded with what tells one run from another (``run.id``, ``event.id``) has a key of its own in each.
"""

from __future__ import annotations

import os
import stat

from tako.content import PIECE, no_check
from tako.errors import StepError
from tako.execution.artifacts import declared_paths, find
from tako.execution.checksums import describe, walk
from tako.execution.globs import has_wildcard
from tako.files import canonical, checksum, machine_errors
from tako.records import record, replace, to_data
from tako.steps.base import StepContext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from tako.content import Check
    from tako.execution.event import ArtifactRef, Event
    from tako.execution.request import RunRequest

FORMAT = 1
"""Raised when keys of this Tako must not be found by those of another."""

NAMES_INPUTS = b"TAKO_INPUT"
NAMES_ARTIFACTS = b"TAKO_ARTIFACT_"


@record
class StepKey:
    """The key of a step, and what is to be said of how it came about."""

    value: str
    """64 hexadecimal digits."""
    unmatched: tuple[str, ...] = ()
    """The globs that match no file."""


def step_key(context: StepContext) -> StepKey:
    """The key of a step that is about to run.

    Raises ``StepError`` if a glob leads out of the repository, ``ExpressionError`` for a template, and
    ``MachineError`` if a file cannot be read; what ends the step's time, see ``StepContext.check``.
    """
    spec, request = context.spec, context.request
    check = context.check
    found = {
        pattern: key_files(pattern, context.capabilities.repo_dir, check=check) for pattern in spec.cache_key_files
    }
    files = sorted({name for names in found.values() for name in names})
    root = os.path.realpath(context.capabilities.repo_dir)
    directories: dict[str, str] = {}
    listed = [_listed(name, root, directories, context) for name in files]
    definition = _definition(_placeless(context))
    words = canonical(definition).encode("utf-8", "surrogatepass")
    document: dict[str, Any] = {"format": FORMAT, "step": definition, "files": listed}
    if request.inputs and _names(NAMES_INPUTS, words, root, files, check):
        document["inputs"] = dict(request.inputs)
    sent = sorted([each.repo, each.name, _identity(each)] for each in request.visible_artifacts)
    if sent and _names(NAMES_ARTIFACTS, words, root, files, check):
        document["artifacts"] = sent
    unmatched = tuple(pattern for pattern, names in found.items() if not names)
    return StepKey(checksum(canonical(document)), unmatched)


def key_files(pattern: str, repo_dir: str, *, check: Check = no_check) -> tuple[str, ...]:
    """The files and links that a glob matches, relative to the repository.

    What names a directory plainly, without a wildcard, means everything in it but git's own files.
    """
    place = os.path.join(repo_dir, pattern)
    if not has_wildcard(pattern) and os.path.isdir(place):
        found = [os.path.join(pattern, name) for name in walk(place, check=check) if ".git" not in name.split("/")]
    else:
        found = find([pattern], repo_dir, check=check)
    return tuple(name for name in map(os.path.normpath, found) if not _is_directory(os.path.join(repo_dir, name)))


def _is_directory(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def _definition(context: StepContext) -> dict[str, Any]:
    spec, request = context.spec, context.request
    declared = {**request.workflow.env, **spec.env}
    return {
        "repo": request.repo,
        "id": spec.id,
        "run": context.render_script(spec.run or ""),
        "shell": spec.shell,
        "working_directory": context.render(spec.working_directory or ""),
        # Not what the environment makes of them: there the name of a secret is its value.
        "env": {name: context.render(value) for name, value in declared.items()},
        "produces": to_data(spec.produces),
        "artifact": list(declared_paths(spec.produces, request.artifacts)) if spec.produces else [],
    }


def _placeless(context: StepContext) -> StepContext:
    """The step as it would be if artifacts were not places but contents."""
    request = _without_places(context.request)
    return StepContext(replace(context.capabilities, request=request), context.spec, context.state)


def _without_places(request: RunRequest) -> RunRequest:
    def placeless(event: Event) -> Event:
        artifacts = tuple(replace(each, path=_identity(each)) for each in event.artifacts)
        return replace(event, artifacts=artifacts)

    return replace(
        request,
        event=placeless(request.event) if request.event is not None else None,
        heard=tuple(map(placeless, request.heard)),
    )


def _identity(artifact: ArtifactRef) -> str:
    """What an artifact is, wherever it lies; one of an older Tako may have no checksum, and is only known by place."""
    return f"sha256:{artifact.sha256}" if artifact.sha256 is not None else artifact.path


def _listed(name: str, root: str, directories: dict[str, str], context: StepContext) -> list[str]:
    """A key file as the key knows it. Of a link that stays inside, what it leads to counts as well.

    ``directories`` are those whose real paths are known by now: telling them costs more than reading a small file.
    """
    path = os.path.join(root, name)
    above, base = os.path.split(path)
    if above not in directories:
        directories[above] = os.path.realpath(above)
    real = os.path.realpath(path) if os.path.islink(path) else os.path.join(directories[above], base)
    if not real.startswith(root + os.sep):
        raise StepError(
            f"a key file leads out of the repository: {name}",
            where=context.where,
            cure="let `cache_key_files` match only what is in the repository",
        )
    led_to = describe(real, "", check=context.check) if real != path and os.path.isfile(real) else ""
    return [describe(path, name, check=context.check), led_to]


def _names(word: bytes, words: bytes, root: str, files: Sequence[str], check: Check) -> bool:
    return word in words or any(_holds(os.path.join(root, name), word, check) for name in files)


def _holds(path: str, word: bytes, check: Check) -> bool:
    return any(word in block for block in _blocks(path, len(word) - 1, check))


def _blocks(path: str, overlap: int, check: Check) -> Iterator[bytes]:
    """A file piece by piece, each with the end of the one before."""
    with machine_errors("read", path):
        if not stat.S_ISREG(os.stat(path).st_mode if os.path.exists(path) else 0):
            return
        kept = b""
        with open(path, "rb") as file:
            while block := file.read(PIECE):
                check()
                yield kept + block
                kept = block[-overlap:]
