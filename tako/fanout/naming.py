"""The names of the repositories of a tree: no two share a name, and none has two. Pure."""

from __future__ import annotations

from tako.records import record, replace
from tako.repos.hosts import Identity, folded, is_named, is_same

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Protocol, TypeVar

    from tako.config.model import Dependent, RepoConfig, Subscription
    from tako.repos.index import Indexed

    class Run(Protocol):
        """A run, or one above it."""

        @property
        def repo(self) -> str: ...

        @property
        def host(self) -> str: ...

    Said = TypeVar("Said", Subscription, Dependent)


@record
class Known:
    """A repository in use."""

    identity: Identity
    shown: str
    """Its path; with the host in front if that path is on another host, too."""


def identity_of(shown: str, host: str) -> Identity:
    """Return the identity of a repository that is shown under a name, with or without the host in front."""
    return Identity(shown.removeprefix(f"{host}/") if host else shown, host)


class Names:
    """The names of the repositories in use: those of the runs so far, which keep theirs, and those in the cache."""

    def __init__(self, repositories: Sequence[Indexed], runs: Iterable[Run] = ()) -> None:
        self._by_path: dict[str, list[Known]] = {}
        for run in runs:
            identity = identity_of(run.repo, run.host)
            if not any(known.shown == run.repo for known in self._alike(identity)):
                self._alike(identity).append(Known(identity, run.repo))
        cached: dict[str, list[tuple[Identity, str]]] = {}
        for each in repositories:
            identity = Identity(each.identity, each.host)
            cached.setdefault(identity.path.lower(), []).append((identity, each.entry.path))
        self.repositories = tuple(
            self._named(each, cached[each.identity.lower()]) if self._is_shared(each, cached) else self._add(each)
            for each in repositories
        )
        """Those in the cache, each with the name that it is shown under and the places that are the same repository."""
        self._by_name = {each.identity: each for each in reversed(self.repositories)}

    def find(self, written: str) -> tuple[str, ...]:
        """The names of the repositories that a name in a ``tako.yml`` may mean; more than one if it is ambiguous."""
        found = [
            known.shown
            for path in folded(written)
            for known in self._by_path.get(path, ())
            if is_named(known.identity, written)
        ]
        return tuple(dict.fromkeys(found))

    def cached(self, written: str) -> Indexed | None:
        """The one repository in the cache that a name means; None if there is none, or more."""
        names = self.find(written)
        return self._by_name.get(names[0]) if len(names) == 1 else None

    def spelled(self, config: RepoConfig) -> RepoConfig:
        """A configuration whose subscriptions name repositories as they are shown, if they can be told."""
        subscriptions = tuple(self._spelled(each) for each in config.subscriptions)
        dependents = self.dependents(config.dependents)
        if (subscriptions, dependents) == (config.subscriptions, config.dependents):
            return config
        return replace(config, subscriptions=subscriptions, dependents=dependents)

    def dependents(self, dependents: Iterable[Dependent]) -> tuple[Dependent, ...]:
        """The same of dependents."""
        return tuple(self._spelled(each) for each in dependents)

    def _spelled(self, said: Said) -> Said:
        names = self.find(said.repo)
        return replace(said, repo=names[0]) if len(names) == 1 and names[0] != said.repo else said

    def _alike(self, identity: Identity) -> list[Known]:
        return self._by_path.setdefault(identity.path.lower(), [])

    def _is_shared(self, repository: Indexed, cached: dict[str, list[tuple[Identity, str]]]) -> bool:
        path = repository.identity.lower()
        return len(cached[path]) > 1 or path in self._by_path

    def _add(self, repository: Indexed) -> Indexed:
        identity = Identity(repository.identity, repository.host)
        self._alike(identity).append(Known(identity, identity.path))
        return repository

    def _named(self, repository: Indexed, cached: list[tuple[Identity, str]]) -> Indexed:
        """A repository beside others that have its path, but for the case of letters."""
        identity = Identity(repository.identity, repository.host)
        alike = self._alike(identity)
        hosts = {known.identity.host for known in alike} | {other.host for other, _ in cached}
        is_elsewhere = len(hosts - {""}) > 1
        kept = next((known.shown for known in alike if _keeps(known.identity, identity, is_elsewhere)), None)
        shown = kept or (identity.full if is_elsewhere else identity.path)
        if kept is None:
            alike.append(Known(identity, shown))
        same = tuple(place for other, place in cached if place != repository.entry.path and is_same(other, identity))
        return replace(repository, identity=shown, same_as=same)


def _keeps(known: Identity, identity: Identity, is_elsewhere: bool) -> bool:
    """Whether a repository has the name of one that is known: not of one without a host, if it may be several."""
    return is_same(known, identity) and (known.host == identity.host or not is_elsewhere)


def clash_of_places(repository: Indexed) -> str:
    """Why a repository that is in the cache more than once cannot be run, and what to do; empty if it is there once."""
    if not repository.same_as:
        return ""
    places = ", ".join(sorted((repository.entry.path, *repository.same_as)))
    return (
        f"{repository.identity} is in the cache more than once: {places}; remove all but one of them, or give each its"
        " own origin, or its own metadata.name if it has no origin"
    )


def clash_of_names(written: str, names: Sequence[str], where: str) -> str:
    """Why a name that means several repositories cannot be followed, and what to do."""
    return f"{where}: {written} may be any of {', '.join(sorted(names))}; write the one that is meant with its host"
