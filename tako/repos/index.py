"""What every cached repository says in its ``tako.yml``, read again only if that, or its commit, has changed."""

from __future__ import annotations

import os
import stat

from tako.errors import CheckoutError, ConfigError, MachineError, TakoError
from tako.records import record
from tako.repos.committed import CONFIG_FILE, bare_without_commit, committed_config
from tako.repos.hosts import Identity
from tako.repos.identity import identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from tako.config.model import RepoConfig
    from tako.repos.cache import CacheEntry, RepoCache
    from tako.repos.git import Git

    Stamp = tuple[tuple[int, int, int] | None, str | None]

    class Load(Protocol):
        """Reads the ``tako.yml`` at a path, or the one with other content than that. Raises ``TakoError``."""

        def __call__(self, path: str, *, data: bytes | None = None) -> RepoConfig: ...


@record
class Indexed:
    """One cached repository.

    ``config`` and ``error`` are both None for a repository without a ``tako.yml``, which is nothing wrong; else
    exactly one of them is set.
    """

    entry: CacheEntry
    config: RepoConfig | None
    error: TakoError | None
    identity: str
    """Its name: the path of its origin, else ``metadata.name``, else its place in the cache."""
    host: str = ""
    """The host of its origin, if it has one on another machine."""
    same_as: tuple[str, ...] = ()
    """Where in the cache the same repository is, too."""
    warning: str = ""
    """How its working tree differs from the committed ``tako.yml``, which counts, or why there is no commit."""
    commit: str | None = None
    """The commit that ``config`` is of."""


@record
class _Known:
    """What was read when the file and the commit were those of ``stamp``."""

    stamp: Stamp
    config: RepoConfig | None
    error: TakoError | None
    identity: Identity
    warning: str = ""


class RepoIndex:
    """The cache's configurations; one per run, used by one thread."""

    def __init__(self, cache: RepoCache, *, load: Load, git: Git) -> None:
        self._cache = cache
        self._load = load
        self._git = git
        self._known: dict[str, _Known] = {}

    def scan(self) -> tuple[Indexed, ...]:
        """Every cached repository, by its place in the cache; what cannot be read is there with its error."""
        known: dict[str, _Known] = {}
        found = tuple(self._indexed(entry, known) for entry in self._cache.entries())
        self._known = known
        return found

    def at(self, repository: Indexed, ref: str) -> Indexed | None:
        """A repository at another of its refs; None if it is not in the cache at that."""
        try:
            entry = self._cache.locate(f"{repository.entry.owner_name}:{ref}")
        except TakoError:
            return None
        return self._indexed(entry, self._known)

    def _indexed(self, entry: CacheEntry, known: dict[str, _Known]) -> Indexed:
        if entry.problem:
            what = f"{entry.owner_name} in the cache cannot be used"
            return Indexed(entry, None, MachineError(what, where=entry.path, why=entry.problem), entry.owner_name)
        try:
            stamp = (_stamp(os.path.join(entry.path, CONFIG_FILE)), self._commit(entry.path))
        except TakoError as error:
            return Indexed(entry, None, error, entry.owner_name)
        before = self._known.get(entry.path)
        read = before if before is not None and before.stamp == stamp else self._read(entry, stamp)
        # Only what the file itself says stays true while the file does; a machine's trouble may pass.
        if read.error is None or isinstance(read.error, ConfigError):
            known[entry.path] = read
        config, who = read.config, read.identity
        return Indexed(entry, config, read.error, who.path, who.host, warning=read.warning, commit=stamp[1])

    def _commit(self, path: str) -> str | None:
        try:
            return self._git.head_commit(path)
        except CheckoutError:
            # Whoever checks it out reports what is wrong.
            return None

    def _read(self, entry: CacheEntry, stamp: Stamp) -> _Known:
        config, error, warning = None, None, ""
        path = os.path.join(entry.path, CONFIG_FILE)
        try:
            committed = committed_config(entry.path, stamp[1], self._git)
            warning = committed.warning if committed is not None else bare_without_commit(entry.path, stamp[1])
            if committed is not None and committed.content is not None:
                config = self._load(path, data=committed.content)
            elif committed is None and stamp[0] is not None:
                config = self._load(path)
        except TakoError as found:
            error = found
        try:
            return _Known(stamp, config, error, identity(config, entry.path, entry, self._git), warning)
        except ConfigError as found:
            # It claims another one's name; it is still who its origin says.
            return _Known(stamp, None, error or found, identity(None, entry.path, entry, self._git))
        except TakoError as found:
            return _Known(stamp, None, error or found, Identity(entry.owner_name))


def _stamp(path: str) -> tuple[int, int, int] | None:
    """What changes when a file does: mtime in nanoseconds, size, inode; None if there is no file.

    Raises ``TakoError`` if it cannot be a configuration.
    """
    try:
        status = os.stat(path)
    except FileNotFoundError:
        if os.path.islink(path):
            raise ConfigError("this is a broken symbolic link", where=path) from None
        return None
    except OSError as error:
        raise MachineError(f"cannot read it: {error.strerror}", where=path) from error
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError("this is not a file", where=path)
    return status.st_mtime_ns, status.st_size, status.st_ino
