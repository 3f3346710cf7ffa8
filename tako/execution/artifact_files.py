"""Decides which files an artifact is made of, and what they are called in it. Pure.

- What a pattern matches is called as it lies below the fixed part of the pattern, before the first wildcard:
  ``packages/*/package.json`` gives ``a/package.json`` and ``b/package.json``. Without a wildcard it is the last part.
- A directory that a pattern matches is sent whole, unless other matches lie in it: then it is only their place.
- A wildcard in the last part, but for ``**``, stands for what a step makes: where the run has made or changed some of
  the matches of one directory, those that lay there before and that git does not track are left out. A tracked one is
  part of the sources, unless it is one of the new ones in another version (``lib-1.0.zip`` beside ``lib-1.1.zip``).
- Everything else that was not made or changed is sent, and told. ``**``, a directory and a fixed name are trees, and a
  build that makes only what has changed leaves most of a tree as it is.
"""

from __future__ import annotations

import os
import posixpath

from tako.errors import StepError
from tako.execution.globs import has_wildcard
from tako.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

FILE, DIRECTORY, LINK = "file", "directory", "link"
"""The kinds of what can be sent; a link is one that stays a link."""

DANGLING, SPECIAL = "a link that leads nowhere", "no file: a FIFO, a socket or a device"
"""The kinds of what cannot."""


@record
class Found:
    """A path that a pattern matches, or that lies in a directory which it matches."""

    pattern: str
    match: str
    """What the pattern matches: the path, or the directory that it lies in; relative to the repository."""
    source: str
    """Relative to the repository."""
    name: str
    """In the artifact."""
    kind: str = FILE
    size: int = 0
    """Bytes of a file."""
    touched: bool = True
    """Whether the run has made or changed it."""
    leads_to: str = ""
    """Of a link that stays one: what it leads to, relative to the repository."""


@record
class Chosen:
    """What an artifact is made of."""

    files: tuple[Found, ...]
    """Directories before what is in them."""
    left_out: tuple[str, ...] = ()
    """What lay there before, beside what the run has made."""
    stale: tuple[str, ...] = ()
    """What is sent though it lay there before, and is none of git's files."""
    unchanged: tuple[str, ...] = ()
    """What is sent as the sources have it."""
    hidden: tuple[str, ...] = ()
    """What a pattern for a whole directory does not match because it begins with a dot."""

    @property
    def matches(self) -> tuple[str, ...]:
        """What the patterns match of it, each once."""
        return tuple(dict.fromkeys(found.match for found in self.files))

    @property
    def single(self) -> str | None:
        """Its name, if the artifact is one file or one directory."""
        names = {found.match: found.name for found in self.files if found.source == found.match}
        return next(iter(names.values())) if len(self.matches) == 1 else None

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(found.size for found in self.files)

    @property
    def count(self) -> int:
        """How many files there are, links included."""
        return sum(found.kind != DIRECTORY for found in self.files)


def name_in_artifact(pattern: str, path: str) -> str:
    """What a path that a pattern matches is called in the artifact; empty if it is the artifact itself."""
    if not has_wildcard(pattern):
        name = posixpath.basename(posixpath.normpath(path))
        return "" if name == "." else name
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    fixed = next(at for at, part in enumerate(parts) if has_wildcard(part))
    return "/".join(path.split("/")[fixed:])


def without_places(matches: Iterable[str]) -> list[str]:
    """The matches of one pattern, sorted, each once, but those that are the directories of others."""
    every = set(matches)
    places = {place for match in every for place in _above(match)}
    return sorted(every - places)


def is_tree(pattern: str) -> bool:
    """Whether what a pattern matches belongs together, whoever made it: see the module's text."""
    return ends_in_any_depth(pattern) or not has_wildcard(_last(pattern))


def ends_in_any_depth(pattern: str) -> bool:
    """Whether a pattern matches all that is below a place."""
    return _last(pattern) == "**"


def _last(pattern: str) -> str:
    return pattern.rstrip("/").rpartition("/")[2]


def choose(
    found: Sequence[Found], *, artifact: str, where: str, tracked: Callable[[list[str]], Collection[str]]
) -> Chosen:
    """Choose what is sent of what was found; of one path that several patterns match, the first one's name counts.

    ``tracked`` tells which of some paths are files that git has. Raises ``StepError`` if something of it cannot be
    sent, or two files would have one name.
    """
    once = _each_once(found)
    old = [each.source for each in once if not each.touched and each.kind != DIRECTORY]
    gits = frozenset(tracked(old)) if old else frozenset()
    out = _to_be_left_out(once, gits)
    files = tuple(sorted((each for each in once if each.match not in out), key=lambda each: each.name))
    _refuse_unsendable(files, artifact, where)
    _refuse_collisions(files, artifact, where)
    sent_old = [each.source for each in files if not each.touched and each.kind != DIRECTORY]
    return Chosen(
        files,
        left_out=tuple(sorted(out)),
        stale=tuple(source for source in sent_old if source not in gits),
        unchanged=tuple(source for source in sent_old if source in gits),
    )


def _each_once(found: Sequence[Found]) -> list[Found]:
    """Without what an earlier pattern has found, too."""
    first: dict[str, str] = {}
    for each in found:
        first.setdefault(each.source, each.pattern)
    return [each for each in found if first[each.source] == each.pattern]


def _to_be_left_out(found: Sequence[Found], gits: Collection[str]) -> set[str]:
    touched: dict[tuple[str, str], dict[str, bool]] = {}
    for each in found:
        if each.kind != DIRECTORY and not is_tree(each.pattern):
            group = touched.setdefault((each.pattern, posixpath.dirname(each.match)), {})
            group[each.match] = group.get(each.match, False) or each.touched
    # One file of git's makes a directory the sources' own.
    own = {each.match for each in found if each.source in gits}
    out: set[str] = set()
    for group in touched.values():
        new = {_without_version(match) for match, is_new in group.items() if is_new}
        old = [match for match, is_new in group.items() if not is_new]
        out |= {match for match in old if new and (match not in own or _without_version(match) in new)}
    return out - {each.leads_to for each in found if each.match not in out}


def _without_version(path: str) -> str:
    """A file's name with one ``#`` for each part that has a digit in it and is not the first; equal for its versions.

    Empty, and equal to no other, for a name without such a part.
    """
    parts: list[str] = []
    for part in posixpath.basename(path).replace("_", "-").replace("+", "-").replace(".", "-").split("-"):
        shown = "#" if parts and any(char.isdigit() for char in part) else part
        if shown != "#" or parts[-1] != "#":
            parts.append(shown)
    return "-".join(parts) if "#" in parts else path


def _refuse_unsendable(files: Sequence[Found], artifact: str, where: str) -> None:
    for each in files:
        if each.kind in (DANGLING, SPECIAL):
            raise StepError(
                f"artifact {artifact!r} cannot be sent: {each.source} is {each.kind}",
                where=where,
                cure="let the step remove it, or let the artifact's path match files and directories only",
            )
        if ".." in each.name.split("/"):
            raise StepError(
                f"artifact {artifact!r} cannot be sent: {each.pattern} goes back by '..' behind a wildcard",
                where=where,
                cure="write the path without '..'",
            )


def _refuse_collisions(files: Sequence[Found], artifact: str, where: str) -> None:
    by_name: dict[str, Found] = {}
    for each in files:
        other = by_name.setdefault(each.name, each)
        if other is not each and not other.kind == each.kind == DIRECTORY:
            raise _collision(other, each, each.name, artifact, where)
    for each in files:
        for place in _above(each.name):
            above = by_name.get(place)
            if above is not None and above.kind != DIRECTORY:
                raise _collision(above, each, place, artifact, where)


def _collision(first: Found, second: Found, name: str, artifact: str, where: str) -> StepError:
    return StepError(
        f"artifact {artifact!r} would have two things of one name, {name}: {first.source} and {second.source}",
        where=where,
        why=f"they come from {first.pattern} and {second.pattern}; a path is kept from the first wildcard on",
        cure="begin the wildcards further left, or make two artifacts of it",
    )


def _above(path: str) -> Iterable[str]:
    """The directories that a relative path lies in, nearest first; the one that it is relative to is none."""
    while path := posixpath.dirname(path):
        yield path


def notes(artifact: str, chosen: Chosen) -> tuple[str, ...]:
    """What a reader must know of a choice, a line each."""
    lines = []
    if chosen.left_out:
        lines.append(
            f"artifact {artifact!r}: left out {_some(chosen.left_out)}: there before this run, and no step of it made "
            "or changed that; what the run made is sent"
        )
    if chosen.stale:
        lines.append(
            f"artifact {artifact!r}: no step of this run made or changed {_some(chosen.stale)}, which was there before "
            "it and is sent"
        )
    if chosen.hidden:
        lines.append(
            f"artifact {artifact!r}: left out {_some(chosen.hidden)}: no wildcard matches a name that begins with a "
            "dot; give the directory itself as the path to send all that is in it"
        )
    return tuple(lines)


def _some(paths: Sequence[str], limit: int = 5) -> str:
    more = f" and {len(paths) - limit} more" if len(paths) > limit else ""
    return f"{', '.join(os.fsencode(path).decode('utf-8', 'replace') for path in paths[:limit])}{more}"
