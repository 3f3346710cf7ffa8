"""The cache of shared checkouts: ``<root>/repos/<owner>/<name>/<ref>/``, with a lock for each beside it."""

from __future__ import annotations

import os

from tako.errors import NotCachedError
from tako.records import record
from tako.repos.git import find_git_dir
from tako.repos.names import RepoRef, check, decode_ref, encode_ref, is_name, parse

PREFERRED_REFS = ("main", "master")


@record
class CacheEntry:
    """One cached checkout."""

    owner_name: str
    ref: str
    """Empty if the problem is not with one ref but with the repository's directory, or its owner's."""
    path: str
    other_refs: tuple[str, ...] = ()
    """Refs of the same repository that are in the cache too, and were passed over."""
    problem: str = ""
    """Why it cannot be used, if it cannot."""


@record
class _Place:
    """A directory of the cache, or what should be one."""

    name: str
    path: str
    problem: str = ""


class RepoCache:
    """Finds checkouts; makes none and changes none."""

    def __init__(self, root: str) -> None:
        """``root`` is the cache's directory; it need not exist."""
        self.root = root
        self._repos = os.path.join(root, "repos")

    @property
    def repositories(self) -> str:
        """The directory with the owners' directories."""
        return self._repos

    def path(self, wanted: RepoRef) -> str:
        """Where a checkout lies, or would. Raises ``UsageError`` for names that cannot be."""
        check(wanted)
        return os.path.join(self._repo_path(wanted), encode_ref(wanted.ref))

    def lock_path(self, wanted: RepoRef) -> str:
        """The lock file of a checkout: readers share it, who fetches holds it alone.

        It lies beside the checkout, which may be replaced as a whole. Raises ``UsageError`` as ``path`` does.
        """
        check(wanted)
        return os.path.join(self.root, "locks", *wanted.owner_name.split("/"), f"{encode_ref(wanted.ref)}.lock")

    def moved(self, path: str) -> str | None:
        """Where something of a cache is that lay at ``path`` before the cache was moved; None if it is not there."""
        for part in ("repos", "locks"):
            _, found, rest = path.rpartition(f"/{part}/")
            here = os.path.join(self.root, part, rest)
            if found and (part == "locks" or os.path.exists(here)):
                return here
        return None

    def entries(self) -> tuple[CacheEntry, ...]:
        """Every repository in the cache, by name, each at one ref: see ``choose_ref``.

        What cannot be used is there too, with its ``problem``.
        """
        owners, problem = _directories(self._repos)
        if problem:
            return (CacheEntry("*", "", self._repos, problem=problem),)
        found = [entry for owner in owners for entry in _entries_of(owner)]
        return tuple(sorted(found, key=lambda entry: entry.owner_name))

    def locate(self, text: str) -> CacheEntry:
        """The checkout that ``owner/name`` or ``owner/name:ref`` means.

        Without a ref it is ``main``, else ``master``, else the only one there is.
        Raises ``UsageError`` for a text of another form, and ``NotCachedError``, which says where it was looked for
        and what is there.
        """
        wanted = parse(text)
        directories, problem = _directories(self._repo_path(wanted))
        places = {decode_ref(place.name): place for place in directories}
        ref = wanted.ref if ":" in text else default_ref(tuple(places))
        if ref not in places and not problem:
            raise self._not_cached(wanted, tuple(sorted(places)), ref)
        place = places.get(ref or "", _Place("", self._repo_path(wanted), problem))
        if place.problem:
            raise NotCachedError(f"{text} cannot be used", where=place.path, why=place.problem)
        others = tuple(sorted(other for other in places if other != ref))
        return CacheEntry(wanted.owner_name, ref or "", place.path, other_refs=others)

    def _repo_path(self, wanted: RepoRef) -> str:
        return os.path.join(self._repos, *wanted.owner_name.split("/"))

    def _not_cached(self, wanted: RepoRef, refs: tuple[str, ...], ref: str | None) -> NotCachedError:
        name = wanted.owner_name
        what, branch = f"{name} is not in the cache", ""
        why = f"it is there at {', '.join(refs)}"
        if len(refs) > 1 and ref is None:
            what, cure = f"{name} is in the cache, but not at main", f"name one of these, as in {name}:{refs[0]}"
        else:
            if refs:
                what, branch = f"{what} at {ref}", f"--branch {ref} "
            else:
                why = _nearest(name, [entry.owner_name for entry in self.entries() if not entry.problem])
            from shlex import quote

            cure = f"put it there: git clone {branch}ADDRESS {quote(self.path(wanted))}"
        return NotCachedError(what, where=self._repo_path(wanted), why=why, cure=cure)


def default_ref(refs: tuple[str, ...]) -> str | None:
    """Which of a repository's refs is meant if none is named: ``main``, ``master``, the only one; else None."""
    for ref in PREFERRED_REFS:
        if ref in refs:
            return ref
    return refs[0] if len(refs) == 1 else None


def choose_ref(refs: tuple[str, ...]) -> str | None:
    """Which of a repository's refs stands for it in a scan: the default, else the first by name; None of none."""
    return default_ref(refs) or min(refs, default=None)


def _entries_of(owner: _Place) -> list[CacheEntry]:
    """An owner's repositories, each at one ref; those without any are left out."""
    repos, problem = _directories(owner.path, hidden=True)
    if owner.problem or problem:
        return [CacheEntry(owner.name, "", owner.path, problem=owner.problem or problem)]
    return [entry for repo in repos if (entry := _entry(f"{owner.name}/{repo.name}", repo)) is not None]


def _entry(owner_name: str, repo: _Place) -> CacheEntry | None:
    directories, problem = _directories(repo.path)
    if find_git_dir(repo.path) is not None:
        problem = "it is a checkout itself, where the cache has one directory for each ref, owner/name/ref"
    if repo.problem or problem:
        return CacheEntry(owner_name, "", repo.path, problem=repo.problem or problem)
    refs = {decode_ref(place.name): place for place in directories}
    chosen = choose_ref(tuple(refs))
    if chosen is None:
        return None
    others = tuple(sorted(ref for ref in refs if ref != chosen))
    return CacheEntry(owner_name, chosen, refs[chosen].path, other_refs=others, problem=refs[chosen].problem)


def _directories(path: str, *, hidden: bool = False) -> tuple[list[_Place], str]:
    """The directories in a directory, symbolic links followed, and why it cannot be read, if it cannot.

    A name with a leading dot is taken for somebody's temporary directory, except (``hidden``) as a repository's:
    ``owner/.github`` is a common one.
    """
    try:
        with os.scandir(path) as entries:
            shown = [entry for entry in entries if hidden or not entry.name.startswith(".")]
            return [place for entry in shown if (place := _place(entry)) is not None], ""
    except (FileNotFoundError, NotADirectoryError):
        return [], ""
    except OSError as error:
        return [], f"it cannot be read: {error.strerror}"


def _place(entry: os.DirEntry[str]) -> _Place | None:
    """A directory, or what should be one; None for files."""
    problem = ""
    try:
        if not entry.is_dir():
            if not entry.is_symlink() or os.path.exists(entry.path):
                return None
            problem = f"it is a broken symbolic link to {os.readlink(entry.path)}"
        elif not is_name(entry.name):
            problem = "its name is not one that a repository can have"
    except OSError as error:
        problem = f"it cannot be read: {error.strerror}"
    return _Place(entry.name, entry.path, problem)


def _nearest(owner_name: str, names: list[str]) -> str:
    """What is in the cache, the most alike first."""
    if not names:
        return "the cache is empty"
    from difflib import get_close_matches

    same_name = [name for name in names if name.split("/")[1] == owner_name.split("/")[1]]
    alike = list(dict.fromkeys([*same_name, *get_close_matches(owner_name, names, n=3)]))
    if alike:
        return f"the nearest names in it are {', '.join(alike[:5])}"
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"in it are {', '.join(names[:3])}{more}"
