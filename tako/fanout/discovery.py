"""Finds the subscribers of an event among the cached repositories."""

from __future__ import annotations

from tako.fanout.dependents import Said, concerns, named
from tako.fanout.naming import Names, clash_of_names, clash_of_places
from tako.fanout.plan import PassedOver
from tako.fanout.subscriptions import Verdict, judge
from tako.records import record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Protocol

    from tako.config.model import Subscription
    from tako.execution.event import Event
    from tako.fanout.naming import Run
    from tako.repos.index import Indexed

    class Index(Protocol):
        """Knows the cached repositories and what their ``tako.yml`` says."""

        def scan(self) -> Sequence[Indexed]: ...

        def at(self, repository: Indexed, ref: str) -> Indexed | None: ...


NOTHING_SAID = Said()


@record
class _Source:
    """The repository that emitted an event."""

    repo: str
    host: str


@record
class Candidate:
    """One subscription of one repository, held against the event; or what stands for one, by the emitter's own word."""

    repository: Indexed
    subscription: Subscription
    verdict: Verdict
    said_at: str = ""
    """``file:line``, if it is not the repository that says so."""

    @property
    def where(self) -> str:
        """``file:line`` of what says it."""
        return self.said_at or location(self.repository, self.subscription)


@record
class Discovery:
    """What was found for one event."""

    candidates: tuple[Candidate, ...]
    """Every subscription to the event's source repository, in the order of repositories and files; then dependents."""
    unreadable: tuple[Indexed, ...]
    """Repositories whose ``tako.yml`` cannot be read."""
    repositories: int
    """How many were looked at."""
    missing: tuple[PassedOver, ...] = ()
    """The workflows of dependents that cannot run."""
    clashes: tuple[str, ...] = ()
    """Which of those that would run are in the cache twice, or hear a name that several repositories have."""


class DiscoveryManager:
    """Looks through an index of repositories."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def repositories(self) -> Sequence[Indexed]:
        """All that are looked at."""
        return self._index.scan()

    def names(self, runs: Iterable[Run]) -> Names:
        """What all that are looked at are called, beside the repositories of some runs."""
        return Names(self._index.scan(), runs)

    def find_subscribers(self, event: Event, said: Said = NOTHING_SAID, path: Sequence[Run] = ()) -> Discovery:
        """Hold every subscription to the event's source against the event; ``said`` are the source's dependents.

        A dependent whose own subscription hears the event and runs the same workflow is left to that. ``path`` are the
        runs from the root down to the emitter.
        """
        names = self.names((_Source(event.source, event.host), *path))
        candidates: list[Candidate] = []
        clashes = []
        for repository in names.repositories:
            for written in repository.config.subscriptions if repository.config is not None else ():
                meant = names.find(written.repo)
                if event.source not in meant:
                    continue
                subscription = replace(written, repo=event.source) if written.repo != event.source else written
                where = location(repository, subscription)
                candidates.append(Candidate(repository, subscription, judge(subscription, event, where=where)))
                if len(meant) > 1 and candidates[-1].verdict.hears:
                    clashes.append(clash_of_names(written.repo, meant, where))
        unreadable = tuple(repository for repository in names.repositories if repository.error is not None)
        found = Discovery(tuple(candidates), unreadable, len(names.repositories))
        if said.dependents:
            found = self._with_dependents(found, event, said, names)
        twice = [clash_of_places(each.repository) for each in found.candidates if each.verdict.hears]
        return replace(found, clashes=tuple(dict.fromkeys(filter(None, (*clashes, *found.clashes, *twice)))))

    def _with_dependents(self, found: Discovery, event: Event, said: Said, names: Names) -> Discovery:
        taken = {
            (each.repository.identity, each.subscription.workflow) for each in found.candidates if each.verdict.hears
        }
        clashes = [
            clash_of_names(each.repo, meant, said.where(each))
            for each in said.dependents
            if concerns(each, event) and len(meant := names.find(each.repo)) > 1
        ]
        cached = [(each.repo, names.cached(each.repo)) for each in said.dependents]
        by_name = {repo: repository for repo, repository in cached if repository is not None}
        dependents, missing = [], []
        for each in named(said, event, by_name, self._at):
            if isinstance(each, PassedOver):
                missing.append(each)
            elif (each.repository.identity, each.subscription.workflow) not in taken:
                taken.add((each.repository.identity, each.subscription.workflow))
                dependents.append(Candidate(each.repository, each.subscription, each.verdict, each.where))
        return replace(
            found, candidates=(*found.candidates, *dependents), missing=tuple(missing), clashes=tuple(clashes)
        )

    def _at(self, repository: Indexed, ref: str) -> Indexed | None:
        other = self._index.at(repository, ref)
        return None if other is None else replace(other, identity=repository.identity, same_as=repository.same_as)


def location(repository: Indexed, subscription: Subscription) -> str:
    """``file:line`` of a subscription."""
    return f"{repository.config.path if repository.config else repository.identity}:{subscription.line}"
