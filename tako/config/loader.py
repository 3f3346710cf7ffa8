"""``tako.yml`` in, ``RepoConfig`` out, or one error with everything that is wrong."""

from __future__ import annotations

from collections.abc import Iterable

from tako.config import build, dialects, reading, refusals, source, validate
from tako.config.checks import check
from tako.config.expressions import check_expressions
from tako.config.model import RepoConfig
from tako.config.problems import Path, Placed, Problem, refused
from tako.config.tidy import tidy

__all__ = ["check_expressions", "load", "loads"]


def load(path: str) -> RepoConfig:
    """Read a ``tako.yml``; its path is in the records and in messages as given.

    Raises ``ConfigError``, which holds every problem found as ``path:line:column: what``.
    """
    return loads(reading.read(path), path)


def loads(data: bytes, path: str) -> RepoConfig:
    """The meaning of a ``tako.yml`` with this content; raises as ``load`` does."""
    document = source.parse(reading.decode(data, path), path)
    normal = dialects.normalise(document.data)
    tidied = tidy(normal.data, validate.ROOT, lambda place: document.text(normal.origin(place)))
    found = refusals.take_out(tidied)
    root, faults = validate.read(tidied)
    found += faults
    if root is not None:
        found += _beside(check(root), faults)
    problems = [
        *document.problems,
        *_placed(normal.problems, document),
        *_placed((Problem(normal.origin(one.path), one.what, one.on_key) for one in found), document),
    ]
    if problems or root is None:
        raise refused(path, problems)
    return build.config(root, path, lambda place: document.line(normal.origin(place)))


def _placed(problems: Iterable[Problem], document: source.Document) -> Iterable[Placed]:
    for problem in problems:
        yield (*document.position(problem.path, on_key=problem.on_key), problem.what)


def _beside(problems: Iterable[Problem], faults: list[Problem]) -> Iterable[Problem]:
    """The problems that do not merely follow from a part that was at fault and replaced."""
    for problem in problems:
        if not any(_follows(problem.path, fault.path) for fault in faults):
            yield problem


def _follows(path: Path, fault: Path) -> bool:
    """Whether a place is that of a fault, within it, or what directly holds it."""
    return path == fault[:-1] or path[: len(fault)] == fault
