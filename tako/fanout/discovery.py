"""Finds the subscribers of an event among the cached repositories."""

from __future__ import annotations

from tako.fanout.dependents import Said, concerns, named
from tako.fanout.naming import Names, clash_of_names, clash_of_places
from tako.fanout.near import Words, near_miss, words_of
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
NO_WORDS = Words()


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

    @property
    def label(self) -> str:
        """``owner/name:workflow`` of what would run."""
        return f"{self.repository.identity}:{self.subscription.workflow}"


@record
class Nearly:
    """A subscription that does not hear the event and may be misspelled."""

    label: str
    where: str
    question: str
    """What it listens for and what it might mean."""


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
    undecided: tuple[Candidate, ...] = ()
    """The candidates of which cannot be said whether they hear the event."""
    nearly: tuple[Nearly, ...] = ()
    looked_in: str = ""
    """The directory of the repositories that were looked at."""
    uncommitted: tuple[str, ...] = ()
    """How working trees differ from the committed files, which were looked at."""


class DiscoveryManager:
    """Looks through an index of repositories."""

    def __init__(self, index: Index, *, looked_in: str = "") -> None:
        """``looked_in`` is the directory of the repositories, for messages."""
        self._index = index
        self._looked_in = looked_in

    def repositories(self) -> Sequence[Indexed]:
        """All that are looked at."""
        return self._index.scan()

    def names(self, runs: Iterable[Run]) -> Names:
        """What all that are looked at are called, beside the repositories of some runs."""
        return Names(self._index.scan(), runs)

    def find_subscribers(
        self, event: Event, said: Said = NOTHING_SAID, path: Sequence[Run] = (), *, words: Words = NO_WORDS
    ) -> Discovery:
        """Hold every subscription to the event's source against the event; ``said`` are the source's dependents.

        A dependent whose own subscription hears the event and runs the same workflow is left to that. ``path`` are the
        runs from the root down to the emitter. ``words`` are the artifacts and events that the source's file speaks of:
        a subscription to one of them is no misspelling of another.
        """
        names = self.names((_Source(event.source, event.host), *path))
        words = _with_words_of(event.source, names.repositories, words)
        candidates: list[Candidate] = []
        nearly: list[Nearly] = []
        clashes = []
        for repository in names.repositories:
            for written in repository.config.subscriptions if repository.config is not None else ():
                meant = names.find(written.repo)
                question = near_miss(written, event, words, meant)
                if question:
                    label = f"{repository.identity}:{written.workflow}"
                    nearly.append(Nearly(label, location(repository, written), question))
                if event.source not in meant:
                    continue
                subscription = replace(written, repo=event.source) if written.repo != event.source else written
                where = location(repository, subscription)
                candidates.append(Candidate(repository, subscription, judge(subscription, event, where=where)))
                if len(meant) > 1 and candidates[-1].verdict.hears:
                    clashes.append(clash_of_names(written.repo, meant, where))
        found = Discovery(
            tuple(candidates),
            tuple(repository for repository in names.repositories if repository.error is not None),
            len(names.repositories),
            undecided=tuple(candidate for candidate in candidates if candidate.verdict.undecided),
            nearly=tuple(nearly),
            looked_in=self._looked_in,
            uncommitted=tuple(repository.warning for repository in names.repositories if repository.warning),
        )
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
        for each in named(said, event, by_name, self._at, [each.identity for each in names.repositories]):
            if isinstance(each, PassedOver):
                missing.append(each)
            elif (each.repository.identity, each.subscription.workflow) not in taken:
                taken.add((each.repository.identity, each.subscription.workflow))
                dependents.append(Candidate(each.repository, each.subscription, each.verdict, each.where))
        warnings = (*found.uncommitted, *(each.repository.warning for each in dependents if each.repository.warning))
        return replace(
            found,
            candidates=(*found.candidates, *dependents),
            missing=tuple(missing),
            clashes=tuple(clashes),
            uncommitted=tuple(dict.fromkeys(warnings)),
        )

    def _at(self, repository: Indexed, ref: str) -> Indexed | None:
        other = self._index.at(repository, ref)
        return None if other is None else replace(other, identity=repository.identity, same_as=repository.same_as)


def location(repository: Indexed, subscription: Subscription) -> str:
    """``file:line`` of a subscription."""
    return f"{repository.config.path if repository.config else repository.identity}:{subscription.line}"


def _with_words_of(source: str, repositories: Sequence[Indexed], words: Words) -> Words:
    """Words, and those of the file that the source has in the cache, if it is there."""
    configs = [each.config for each in repositories if each.config is not None and each.identity == source]
    own = [words_of(config.artifacts, config.events, config.workflows) for config in configs]
    return Words(
        artifacts=words.artifacts.union(*(each.artifacts for each in own)),
        events=words.events.union(*(each.events for each in own)),
    )
