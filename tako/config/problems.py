"""What is wrong with a ``tako.yml``, and how it is told."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import islice

from tako.errors import ConfigError, Fault
from tako.records import record, replace

Path = tuple[str | int, ...]
"""The way from the top of a file to a value: field names, and places in lists from 0."""

Placed = tuple[int, int, str]
"""Line and column, both from 1, and what is wrong there."""

MAX_PROBLEMS = 200
"""How many problems of a file are told; who has more of them has another one."""

_SHOWN = 60
_COMPARED = 100


@record
class Problem:
    """One thing that is wrong at ``path``; ``on_key`` points to the field's name rather than to its value."""

    path: Path
    what: str
    on_key: bool = False
    because: Path = ()
    """What else the problem depends on: if that is itself at fault, this is not worth telling."""

    def following(self, *path: str | int) -> Problem:
        """The same problem, where it depends on what is at the path, too."""
        return replace(self, because=path)


def quoted(text: str) -> str:
    """Text from a file, fit for one line of a message: quoted, cut, and without control characters."""
    cut = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    safe = (char if char.isprintable() else char.encode("unicode_escape").decode() for char in cut)
    return f"'{''.join(safe)}'"


def listed(words: Iterable[object]) -> str:
    """Words with commas."""
    return ", ".join(str(word) for word in words)


def nearest(word: str, known: Iterable[str]) -> str:
    """``; did you mean …?`` for a word that is like one of the first known ones, else the empty text."""
    # A file may hold thousands of names and as many misspellings of them.
    close = _closest(word[:_SHOWN], tuple(islice(known, _COMPARED)))
    return f"; did you mean {quoted(close)}?" if close else ""


@lru_cache(maxsize=1024)
def _closest(word: str, known: tuple[str, ...]) -> str:
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, known, n=1)), "")


def refused(path: str, problems: Iterable[Placed]) -> ConfigError:
    """The error that tells all problems of a file, in the order of their places."""
    ordered = sorted(set(problems))
    count = "1 problem" if len(ordered) == 1 else f"{len(ordered)} problems"
    if len(ordered) > MAX_PROBLEMS:
        count = f"more than {MAX_PROBLEMS} problems, of which these are the first"
        del ordered[MAX_PROBLEMS:]
    return ConfigError(
        f"could not unmarshal config: {count}",
        where=path,
        faults=tuple(Fault(path, line, column, what) for line, column, what in ordered),
    )
