"""``tako.yml`` in, ``RepoConfig`` out, or one error with everything that is wrong."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import chain, islice

from tako.config import build, declared, dialects, reading, refusals, schema, source, validate
from tako.config.check_texts import text_problems
from tako.config.checks import check
from tako.config.extensions import drop_extensions
from tako.config.model import RepoConfig
from tako.config.problems import MAX_PROBLEMS, Path, Placed, Problem, refused
from tako.config.tidy import tidy
from tako.records import replace

More = Callable[[schema.Root], Iterable[Problem]]
"""What else to look at in a file whose shape is right."""


def load(path: str) -> RepoConfig:
    """Read a ``tako.yml``; its path is in the records and in messages as given.

    Its expressions are not looked at: most readers need few of them. Raises ``ConfigError``, which holds every
    problem found as ``path:line:column: what``.
    """
    return loads(reading.read(path), path)


def load_thoroughly(path: str, *, kinds: Collection[str] | None = None) -> RepoConfig:
    """Read the ``tako.yml`` of a repository, look at everything in it, and raise as ``load`` does.

    That is: every expression compiles and reads what can be there, and no link in the repository leads a path out of
    it. ``kinds`` are the kinds of step that there are, if the file is looked at as ``tako validate`` does: those from
    elsewhere are to be known, too, no workflow may fail for an input that need not be given, and what a step announces
    must be emitted.
    """
    return loads_thoroughly(reading.read(path), path, directory=os.path.dirname(path) or ".", kinds=kinds)


def loads(data: bytes, path: str) -> RepoConfig:
    """The meaning of a ``tako.yml`` with this content; raises as ``load`` does."""
    return _loads(data, path, lambda _: ())


def loads_thoroughly(
    data: bytes, path: str, *, directory: str | None = None, kinds: Collection[str] | None = None
) -> RepoConfig:
    """The same with all that ``load_thoroughly`` looks at; ``directory`` is the repository's, if it is known."""
    return _loads(data, path, lambda normal: _more(normal, directory, kinds))


def _more(normal: dialects.Normal, directory: str | None, kinds: Collection[str] | None) -> Iterator[More]:
    from tako.config.check_announced import announced_problems
    from tako.config.check_empty import empty_problems
    from tako.config.check_kinds import kind_problems
    from tako.config.check_optional import optional_problems
    from tako.config.check_paths import link_problems
    from tako.config.expressions import expression_problems

    yield expression_problems
    yield empty_problems
    if directory is not None:
        yield lambda root: link_problems(root, directory)
    if kinds is not None:
        yield lambda root: kind_problems(root, kinds)
        yield optional_problems
        if not normal.is_older:
            yield announced_problems


def _loads(data: bytes, path: str, more: Callable[[dialects.Normal], Iterable[More]]) -> RepoConfig:
    document = source.parse(reading.decode(data, path), path)
    normal = dialects.normalise(document.data)
    drop_extensions(normal.data)
    tidied = tidy(normal.data, validate.ROOT, lambda place: document.text(normal.origin(place)))
    declared.keep_declared_text(tidied, lambda place: document.text(normal.origin(place)))
    found = refusals.take_out(tidied)
    root, faults = validate.read(tidied)
    found += faults
    if root is not None:
        # What else is said of a text in another tool's spelling only follows from that.
        misread = list(islice(_beside(text_problems(root), faults), MAX_PROBLEMS + 1))
        told = {problem.path for problem in misread}
        beside = _beside(chain.from_iterable(look(root) for look in (check, *more(normal))), faults)
        found += misread
        found += islice((problem for problem in beside if problem.path not in told), MAX_PROBLEMS + 1)
    problems = [
        *document.problems,
        *_placed(normal.problems, document),
        *_placed((Problem(normal.origin(one.path), one.what, one.on_key) for one in found), document),
    ]
    if problems or root is None:
        raise refused(path, problems)
    config = build.config(root, path, lambda place: document.line(normal.origin(place)))
    if config.name is None:
        return config
    return replace(config, name_at=document.position(normal.origin(("metadata", "name"))))


def _placed(problems: Iterable[Problem], document: source.Document) -> Iterable[Placed]:
    for problem in problems:
        yield (*document.position(problem.path, on_key=problem.on_key), problem.what)


def _beside(problems: Iterable[Problem], faults: list[Problem]) -> Iterable[Problem]:
    """The problems that do not merely follow from a part that was at fault and replaced."""
    places = {fault.path for fault in faults}
    owners = {path[:-1] for path in places}
    for problem in problems:
        follows = problem.path in owners or _is_within(problem.path, places) or _is_within(problem.because, places)
        if not places or not follows:
            yield problem


def _is_within(path: Path, places: Collection[Path]) -> bool:
    """Whether a path is, or lies below, one of the places."""
    return any(path[:size] in places for size in range(1, len(path) + 1))
