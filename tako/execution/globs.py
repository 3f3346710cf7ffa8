"""The files that a glob matches: as Python's ``glob`` does it, but ``**`` goes through no link to a directory.

Package managers link packages to each other in circles (pnpm's ``node_modules``), and through two such links there are
2^40 ways before the system refuses.
"""

from __future__ import annotations

import os

from tako.content import no_check

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tako.content import Check

_MAGIC = frozenset("*?[")
_ANY_DEPTH = "**"


def has_wildcard(pattern: str) -> bool:
    """Whether a pattern is more than a path."""
    return not _MAGIC.isdisjoint(pattern)


def match(pattern: str, directory: str, *, check: Check = no_check) -> Iterator[str]:
    """The paths in a directory that a pattern matches, relative to it, in no order; some more than once.

    ``*``, ``?`` and ``[…]`` match within a name, ``**`` any number of directories; none of them a leading dot. A
    pattern that ends with a slash matches directories. What cannot be listed holds nothing. ``check`` is called for
    each directory.
    """
    parts = [part for part in pattern.split("/") if part not in ("", os.curdir)]
    if pattern and not parts:
        yield os.curdir
    must_be_directory = pattern.endswith(("/", "/."))
    for path in _below("", parts, directory, check):
        if path and (not must_be_directory or os.path.isdir(os.path.join(directory, path))):
            yield path


def hidden_beside(pattern: str, directory: str) -> Iterator[str]:
    """What a pattern for all of a directory, ``dist/*`` or ``dist/**``, leaves out since it begins with a dot.

    Relative to the directory, in no order; what is in a hidden directory aside. Nothing for other patterns, and for
    those of the whole repository, where hidden files are its own.
    """
    parts = [part for part in pattern.split("/") if part not in ("", os.curdir)]
    if len(parts) < 2 or parts[-1] not in ("*", _ANY_DEPTH) or has_wildcard(parts[0]):
        return
    for above in match("/".join(parts[:-1]), directory):
        if os.path.isdir(os.path.join(directory, above)):
            for place in _directories(above, directory) if parts[-1] == _ANY_DEPTH else (above,):
                yield from (
                    os.path.join(place, entry.name)
                    for entry in _entries(place, directory)
                    if entry.name.startswith(".")
                )


def _below(base: str, parts: Sequence[str], directory: str, check: Check) -> Iterator[str]:
    check()
    if not parts:
        yield base
        return
    part, rest = parts[0], parts[1:]
    if part == _ANY_DEPTH:
        for place in _directories(base, directory):
            yield from _below(place, rest, directory, check)
            if not rest:
                yield from _others(place, directory)
        return
    for name in _matching(base, part, directory) if has_wildcard(part) else [part]:
        path = os.path.join(base, name)
        full = os.path.join(directory, path)
        if os.path.isdir(full) if rest else os.path.lexists(full):
            yield from _below(path, rest, directory, check)


def _directories(base: str, directory: str) -> Iterator[str]:
    """A directory and all below it, but hidden ones and those that are links."""
    pending = [base]
    while pending:
        place = pending.pop()
        yield place
        pending += [
            os.path.join(place, entry.name)
            for entry in _entries(place, directory)
            if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
        ]


def _others(place: str, directory: str) -> Iterator[str]:
    """What else is in a directory: files, and links to whatever."""
    for entry in _entries(place, directory):
        if not entry.name.startswith(".") and not entry.is_dir(follow_symlinks=False):
            yield os.path.join(place, entry.name)


def _matching(base: str, part: str, directory: str) -> list[str]:
    from fnmatch import filter as matching

    names = [entry.name for entry in _entries(base, directory)]
    return matching([name for name in names if part.startswith(".") or not name.startswith(".")], part)


def _entries(place: str, directory: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(os.path.join(directory, place)) as entries:
            return list(entries)
    except (OSError, ValueError):
        return []
