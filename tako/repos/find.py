"""Finds the checkout that a user names: by its place in the cache, or as the repository that it is."""

from __future__ import annotations

from tako.errors import NotCachedError, TakoError, UsageError
from tako.repos.hosts import is_named
from tako.repos.identity import identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.repos.cache import CacheEntry, RepoCache
    from tako.repos.git import Git


def find_entry(cache: RepoCache, text: str, git: Git) -> CacheEntry:
    """Return the checkout that ``owner/name`` means, with ``:ref`` behind it or without.

    The name is that of a place in the cache; else the path of a repository's origin, with its groups, or with the host
    in front. Raises ``UsageError`` for a text of another form or a repository that is there more than once, and
    ``NotCachedError``.
    """
    try:
        return cache.locate(text)
    except (NotCachedError, UsageError) as error:
        name, colon, ref = text.partition(":")
        found = [entry for entry in cache.entries() if not entry.problem and _is_it(entry, name, git)]
        if not found:
            raise error from None
        if len(found) > 1:
            places = ", ".join(entry.path for entry in found)
            raise UsageError(
                f"{name} is in the cache more than once", where=places, cure="name its place in the cache, owner/name"
            ) from None
        return cache.locate(f"{found[0].owner_name}{colon}{ref}") if colon else found[0]


def _is_it(entry: CacheEntry, name: str, git: Git) -> bool:
    try:
        return is_named(identity(None, entry.path, entry, git), name)
    except TakoError:
        return False
