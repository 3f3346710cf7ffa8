"""Finds the subscribers of an event among the cached repositories."""

from __future__ import annotations

from tako.fanout.dependents import Said, named
from tako.fanout.plan import PassedOver
from tako.fanout.subscriptions import Verdict, judge
from tako.records import record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from tako.config.model import Subscription
    from tako.execution.event import Event
    from tako.repos.index import Indexed

    class Index(Protocol):
        """Knows the cached repositories and what their ``tako.yml`` says."""

        def scan(self) -> Sequence[Indexed]: ...

        def at(self, repository: Indexed, ref: str) -> Indexed | None: ...


NOTHING_SAID = Said()


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


class DiscoveryManager:
    """Looks through an index of repositories."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def repositories(self) -> Sequence[Indexed]:
        """All that are looked at."""
        return self._index.scan()

    def find_subscribers(self, event: Event, said: Said = NOTHING_SAID) -> Discovery:
        """Hold every subscription to the event's source against the event; ``said`` are the source's dependents.

        A dependent whose own subscription hears the event and runs the same workflow is left to that.
        """
        repositories = self._index.scan()
        candidates = tuple(
            Candidate(repository, subscription, judge(subscription, event, where=location(repository, subscription)))
            for repository in repositories
            if repository.config is not None
            for subscription in repository.config.subscriptions
            if subscription.repo == event.source
        )
        unreadable = tuple(repository for repository in repositories if repository.error is not None)
        found = Discovery(candidates, unreadable, len(repositories))
        return self._with_dependents(found, event, said, repositories) if said.dependents else found

    def _with_dependents(
        self, found: Discovery, event: Event, said: Said, repositories: Sequence[Indexed]
    ) -> Discovery:
        taken = {
            (each.repository.identity, each.subscription.workflow) for each in found.candidates if each.verdict.hears
        }
        by_name = {repository.identity: repository for repository in reversed(repositories)}
        dependents, missing = [], []
        for each in named(said, event, by_name, self._index.at):
            if isinstance(each, PassedOver):
                missing.append(each)
            elif (each.repository.identity, each.subscription.workflow) not in taken:
                taken.add((each.repository.identity, each.subscription.workflow))
                dependents.append(Candidate(each.repository, each.subscription, each.verdict, each.where))
        return replace(found, candidates=(*found.candidates, *dependents), missing=tuple(missing))


def location(repository: Indexed, subscription: Subscription) -> str:
    """``file:line`` of a subscription."""
    return f"{repository.config.path if repository.config else repository.identity}:{subscription.line}"
