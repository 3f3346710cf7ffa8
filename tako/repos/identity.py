"""Who a repository is: the one name by which events and subscriptions know it."""

from __future__ import annotations

import os

from tako.errors import CheckoutError, ConfigError, Fault
from tako.repos.hosts import Identity, is_named, parse_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.config.model import RepoConfig
    from tako.repos.cache import CacheEntry
    from tako.repos.git import Git

_SUFFIX = ".git"
"""What bare repositories and addresses have behind the name."""


def identity(config: RepoConfig | None, directory: str, entry: CacheEntry | None, git: Git) -> Identity:
    """Return who a repository is: its remote's host and path; without such, ``metadata.name``, else its place.

    ``config`` is None where there is none that can be read, ``entry`` None for a directory outside the cache, which
    in the last resort is ``local/<directory name>``. Raises ``ConfigError`` if ``metadata.name`` is another
    repository's than the origin's, ``MachineError`` if git is needed and missing.
    """
    try:
        origin = origin_of(directory, git)
    except CheckoutError:
        # A repository that git cannot read still has a place; whoever checks it out reports git's words.
        origin = None
    name = config.name.removesuffix(_SUFFIX) if config is not None and config.name else None
    if origin is not None and origin.host:
        if config is not None and name and not is_named(origin, name):
            raise _other_name(config, name, origin)
        return origin
    if name:
        return Identity(name)
    if origin is not None:
        return origin
    if entry is not None:
        return Identity(entry.owner_name.removesuffix(_SUFFIX))
    return Identity(f"local/{os.path.basename(os.path.realpath(directory)) or 'root'}")


def origin_of(directory: str, git: Git) -> Identity | None:
    """Return the repository that the remote of a directory is; None if its address does not tell, or without one.

    An address counts as it is written, since rewriting may lead to a mirror. Only one that starts with a word instead
    of a host (``gh:owner/name``) is expanded as git does. Raises as ``Git.origin_url`` and ``Git.expanded`` do.
    """
    address = git.origin_url(directory)
    if address is None:
        return None
    origin = parse_address(address)
    is_word = "." not in origin.host if origin is not None else not address.startswith(("/", "."))
    return parse_address(git.expanded(address)) if is_word else origin


def _other_name(config: RepoConfig, name: str, origin: Identity) -> ConfigError:
    what = f"metadata.name is {name}, but the repository's origin is {origin.full}"
    fault = Fault(config.path, *config.name_at, what)
    return ConfigError(
        what,
        where=f"{fault.file}:{fault.line}:{fault.column}",
        why="a repository that has a remote is known by its address, so that none can take another one's name",
        cure=f"write `name: {origin.path}`, or leave it out",
        faults=(fault,),
    )
