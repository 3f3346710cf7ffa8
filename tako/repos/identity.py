"""Who a repository is: the one name by which events and subscriptions know it."""

from __future__ import annotations

import os

from tako.errors import CheckoutError
from tako.repos.git import owner_and_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.config.model import RepoConfig
    from tako.repos.cache import CacheEntry
    from tako.repos.git import Git


def identity(config: RepoConfig | None, directory: str, entry: CacheEntry | None, git: Git) -> str:
    """The repository's name: ``metadata.name``, else its origin's, else its place in the cache.

    ``config`` is None where there is none that can be read, ``entry`` None for a directory outside the cache, which
    in the last resort is ``local/<directory name>``. Raises ``MachineError`` if git is needed and missing.
    """
    if config is not None and config.name:
        return config.name
    try:
        from_origin = owner_and_name(git.origin_url(directory) or "")
    except CheckoutError:
        # A repository that git cannot read still has a place; whoever checks it out reports git's words.
        from_origin = None
    if from_origin:
        return from_origin
    if entry is not None:
        return entry.owner_name
    return f"local/{os.path.basename(os.path.realpath(directory)) or 'root'}"
