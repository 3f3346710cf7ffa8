"""Finds the subscribers of an event among the cached repositories."""

from __future__ import annotations

from tako.fanout.subscriptions import Verdict, judge
from tako.records import record

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


@record
class Candidate:
    """One subscription of one repository, held against the event."""

    repository: Indexed
    subscription: Subscription
    verdict: Verdict


@record
class Discovery:
    """What was found for one event."""

    candidates: tuple[Candidate, ...]
    """Every subscription to the event's source repository, in the order of repositories and files."""
    unreadable: tuple[Indexed, ...]
    """Repositories whose ``tako.yml`` cannot be read."""
    repositories: int
    """How many were looked at."""


class DiscoveryManager:
    """Looks through an index of repositories."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def repositories(self) -> Sequence[Indexed]:
        """All that are looked at."""
        return self._index.scan()

    def find_subscribers(self, event: Event) -> Discovery:
        """Hold every subscription to the event's source against the event."""
        repositories = self._index.scan()
        candidates = tuple(
            Candidate(repository, subscription, judge(subscription, event, where=location(repository, subscription)))
            for repository in repositories
            if repository.config is not None
            for subscription in repository.config.subscriptions
            if subscription.repo == event.source
        )
        unreadable = tuple(repository for repository in repositories if repository.error is not None)
        return Discovery(candidates, unreadable, len(repositories))


def location(repository: Indexed, subscription: Subscription) -> str:
    """``file:line`` of a subscription."""
    return f"{repository.config.path if repository.config else repository.identity}:{subscription.line}"
