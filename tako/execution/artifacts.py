"""Puts what a step made where the runs it triggers can find it; what that is, ``artifact_files`` decides."""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from tako.config.model import DEFAULT_ARTIFACT
from tako.content import no_check
from tako.errors import StepError, TakoError
from tako.execution.artifact_files import (
    DANGLING,
    DIRECTORY,
    FILE,
    LINK,
    SPECIAL,
    Found,
    choose,
    ends_in_any_depth,
    name_in_artifact,
    without_places,
)
from tako.execution.event import ArtifactRef
from tako.execution.globs import hidden_beside
from tako.files import leads_out, machine_errors, make_dirs, remove_tree
from tako.records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from tako.config.model import ArtifactSpec, Produces
    from tako.content import Check
    from tako.execution.artifact_files import Chosen
    from tako.execution.lay_there import LayThere
    from tako.repos.git import Git
    from tako.steps.base import StepContext

_AT_ONCE = 200
"""Paths given to one git process."""

_ITS_OWN_FAULT = frozenset({errno.EACCES, errno.EPERM, errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.EISDIR})
"""Errors about a file that a step made, not about the machine."""


def declared_paths(produces: Produces, artifacts: Iterable[ArtifactSpec]) -> tuple[str, ...]:
    """The files or globs of the artifact that a step produces; none for an implicit artifact without files."""
    if produces.paths:
        return produces.paths
    return tuple(artifact.path for artifact in artifacts if artifact.name == produces.artifact and artifact.path)


def select(
    name: str,
    patterns: Sequence[str],
    *,
    directory: str,
    where: str,
    lay_there: LayThere | None = None,
    tracked: Callable[[list[str]], Collection[str]] = lambda paths: paths,
    check: Check = no_check,
) -> Chosen:
    """The files of an artifact that the patterns match in a directory.

    ``lay_there`` is what was there before it was made; without it all counts as made. ``tracked`` tells which of some
    paths git has. Raises ``StepError`` if there is nothing, or something that cannot be sent.
    """
    found = [
        each for pattern in patterns for each in _found_by(pattern, directory, lay_there, artifact=name, check=check)
    ]
    if not found:
        raise StepError(
            f"artifact {name!r} was not made: nothing matches {', '.join(patterns)}",
            where=where,
            why=f"looked in {directory}",
            cure=f"let the step make it, or correct the artifact's path{_forms(patterns)}",
        )
    for match in dict.fromkeys(each.match for each in found):
        if leads_out(os.path.join(directory, match), directory):
            raise StepError(f"artifact {name!r} leads out of the repository: {match}", where=where)
    chosen = choose(found, artifact=name, where=where, tracked=tracked)
    hidden = {each for pattern in patterns for each in hidden_beside(pattern, directory)}
    return replace(chosen, hidden=tuple(sorted(hidden.difference(each.source for each in found))))


def _forms(patterns: Sequence[str]) -> str:
    """What a pattern that matches nothing may have been meant to say."""
    hints = []
    if any("{" in pattern for pattern in patterns):
        hints.append("a pattern knows no {a,b}")
    if any("[" in pattern for pattern in patterns):
        hints.append("a bracket in a name is written [[]")
    return f" ({'; '.join(hints)})" if hints else ""


def select_in_run(name: str, patterns: Sequence[str], context: StepContext) -> Chosen:
    """The files of an artifact that a step has made; as ``select``, and raises what ``StepContext.check`` raises."""
    from tako.execution.lay_there import recall

    return select(
        name,
        patterns,
        directory=context.capabilities.repo_dir,
        where=context.where,
        lay_there=recall(context),
        tracked=lambda paths: _tracked(context, paths),
        check=context.check,
    )


def store_artifact(
    name: str, chosen: Chosen, *, repo: str, directory: str, store: str, where: str, check: Check = no_check
) -> ArtifactRef:
    """Copy the chosen files of a directory to ``<store>/<owner>/<repo>/<name>/``.

    The artifact's path is the file or directory itself if there is one, else the directory that holds them all.
    Raises ``StepError`` if a file cannot be read, ``MachineError`` if copying fails, and what ``check`` raises; nothing
    of it is there then.
    """
    from tako.execution.checksums import path_checksum

    target = os.path.join(store, *repo.split("/"), name)
    remove_tree(target, check=check)
    make_dirs(target)
    try:
        _copy(chosen, directory, target, artifact=name, where=where, check=check)
        path = os.path.join(target, chosen.single or "").rstrip("/")
        sha256 = path_checksum(path, check=check)
    except BaseException:
        with contextlib.suppress(TakoError):
            remove_tree(target)
        raise
    return ArtifactRef(repo=repo, name=name, path=path, sha256=sha256, size=chosen.size, files=chosen.count)


def store_of_run(name: str, chosen: Chosen, context: StepContext) -> ArtifactRef:
    """As ``store_artifact``, into the workspace of a step's run."""
    return store_artifact(
        name,
        chosen,
        repo=context.request.repo,
        directory=context.capabilities.repo_dir,
        store=context.capabilities.workspace.artifacts,
        where=context.where,
        check=context.check,
    )


def found_artifact(name: str, context: StepContext) -> tuple[ArtifactRef, Chosen] | None:
    """A declared artifact that no step of the run produced by name, but whose file is there; copied as if one had.

    None if it is not declared, has been produced, or has no file. Raises as ``select_in_run`` and ``store_of_run`` do.
    """
    request, capabilities = context.request, context.capabilities
    if any(each.name == name for each in context.state.artifacts):
        return None
    patterns = tuple(each.path for each in request.artifacts if each.name == name and each.path)
    if not find(patterns, capabilities.repo_dir, check=context.check):
        return None
    chosen = select_in_run(name, patterns, context)
    return store_of_run(name, chosen, context), chosen


def find(patterns: Sequence[str], directory: str, *, check: Check = no_check) -> list[str]:
    """What the patterns match, relative to the directory, sorted, each once."""
    from tako.execution.globs import match

    return sorted({found for pattern in patterns for found in match(pattern, directory, check=check)})


def produced_name(produces: Produces) -> str:
    """The name of the artifact that a step's events are about."""
    return produces.artifact or DEFAULT_ARTIFACT


def _found_by(
    pattern: str, directory: str, lay_there: LayThere | None, *, artifact: str, check: Check
) -> Iterator[Found]:
    """What a pattern matches, with all that is in directories."""
    from tako.execution.globs import match

    every = frozenset(match(pattern, directory, check=check))
    for path in without_places(every):
        name = name_in_artifact(pattern, path)
        if not name and ends_in_any_depth(pattern):
            # The place itself, with nothing in it.
            continue
        for source, inside, status in _with_content(os.path.join(directory, path), every, path, artifact, check):
            source_name = os.path.normpath(os.path.join(path, source)) if source else path
            yield Found(
                pattern,
                path,
                source_name,
                os.path.join(name, source).rstrip("/"),
                inside,
                status.st_size if inside == FILE else 0,
                lay_there is None or lay_there.is_touched(source_name, status),
                _led_to(os.readlink(os.path.join(directory, path)), path) if inside == LINK and not source else "",
            )


def _with_content(
    place: str, every: Collection[str], path: str, artifact: str, check: Check
) -> Iterator[tuple[str, str, os.stat_result]]:
    """A matched path and, of a directory, what is in it: where in it, the kind, what the system says of it."""
    status = os.lstat(place)
    if stat.S_ISLNK(status.st_mode):
        try:
            led_to = os.stat(place)
        except OSError:
            yield "", DANGLING, status
            return
        if _led_to(os.readlink(place), path) in every:
            yield "", LINK, status
            return
        status = led_to
    kind = _kind(status)
    yield "", kind, status
    pending = [""] if kind == DIRECTORY else []
    while pending:
        inside = pending.pop()
        check()
        try:
            with os.scandir(os.path.join(place, inside)) as entries:
                listed = [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
        except OSError as error:
            raise _unreadable(artifact, os.path.join(path, inside), error) from error
        for name, status in listed:
            below = os.path.join(inside, name)
            kind = LINK if stat.S_ISLNK(status.st_mode) else _kind(status)
            yield below, kind, status
            if kind == DIRECTORY:
                pending.append(below)


def _kind(status: os.stat_result) -> str:
    if stat.S_ISREG(status.st_mode):
        return FILE
    return DIRECTORY if stat.S_ISDIR(status.st_mode) else SPECIAL


def _led_to(text: str, path: str) -> str:
    """Where a link leads, relative to the repository; what its own pattern matches too, it leads to in the artifact."""
    return os.path.normpath(os.path.join(os.path.dirname(path), text))


def _copy(chosen: Chosen, directory: str, target: str, *, artifact: str, where: str, check: Check) -> None:
    from tako.content import copy_link, copy_status
    from tako.tree_copy import FileCopies

    copies = FileCopies(check)
    directories: list[tuple[str, str]] = []
    for each in chosen.files:
        check()
        source, place = os.path.join(directory, each.source), os.path.join(target, each.name)
        make_dirs(place if each.kind == DIRECTORY else os.path.dirname(place))
        if each.kind == DIRECTORY:
            directories.append((source, place))
            continue
        with machine_errors("copy", source):
            try:
                copy_link(source, place) if each.kind == LINK else copies.copy(source, place)
            except OSError as error:
                if error.filename != source or error.errno not in _ITS_OWN_FAULT:
                    raise
                raise _unreadable(artifact, each.source, error, where=where) from error
    # Last: a directory may be read-only, and its time changes with what is put in it.
    for source, place in reversed(directories):
        with machine_errors("copy", source):
            copy_status(os.stat(source), place)


def _unreadable(artifact: str, path: str, error: OSError, *, where: str = "") -> StepError:
    return StepError(f"artifact {artifact!r} cannot be sent: {path} cannot be read: {error.strerror}", where=where)


def _tracked(context: StepContext, paths: list[str]) -> Collection[str]:
    """Those of some paths that git has. What lay in a private checkout before the first step is of its commit."""
    if context.request.private:
        return paths
    from tako.repos.git import Git

    git = Git(context.capabilities.processes, stops=context.capabilities.stops)
    return tracked_files(git, context.capabilities.repo_dir, paths)


def tracked_files(git: Git, directory: str, paths: Sequence[str]) -> list[str]:
    """Those of some paths in a directory that git has; none where there is no repository. Raises ``MachineError``."""
    found: list[str] = []
    for start in range(0, len(paths), _AT_ONCE):
        some = paths[start : start + _AT_ONCE]
        listed = git.run("--literal-pathspecs", "-C", directory, "ls-files", "-z", "--", *some)
        found += [os.fsdecode(name) for name in listed.stdout.split(b"\0") if name]
    return found
