"""Which workflows can come to run because of what a run may still emit. Pure; from the configurations alone.

An over-estimate: filters, versions and conditions are only known when the event is. What cannot be reached here cannot
come.
"""

from __future__ import annotations

from tako.config.event_globs import names_any
from tako.config.model import FAN_OUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from tako.config.model import Dependent, RepoConfig, StepSpec

    Endpoint = tuple[str, str]
    """A repository's ``owner/name`` and the name of one of its workflows."""

ANY_TYPE = ""
"""Of an event whose type only a run can tell, and what somebody hears who hears all types."""


def emissions(steps: Iterable[StepSpec]) -> frozenset[str]:
    """The types of the events that some steps may emit."""
    types = [str(step.params.get("event_type", "")) for step in steps if step.uses == FAN_OUT]
    return frozenset(ANY_TYPE if "{{" in type_ or "{%" in type_ else type_ for type_ in types)


class Reach:
    """What can come of events, among some repositories."""

    def __init__(
        self,
        repositories: Iterable[tuple[str, RepoConfig]],
        dependents: Iterable[tuple[str, tuple[Dependent, ...]]] = (),
    ) -> None:
        """``repositories`` are pairs of ``owner/name`` and what the repository says; ``dependents`` who it names."""
        self._emits: dict[Endpoint, frozenset[str]] = {}
        self._hearers: dict[str, list[tuple[frozenset[str], Endpoint]]] = {}
        self._known: dict[tuple[str, frozenset[str]], frozenset[Endpoint]] = {}
        for name, config in repositories:
            for workflow in config.workflows:
                self._emits[name, workflow.name] = emissions(workflow.steps)
            for subscription in config.subscriptions:
                if subscription.enabled:
                    heard = (frozenset(subscription.events), (name, subscription.workflow))
                    self._hearers.setdefault(subscription.repo, []).append(heard)
        for name, named in dependents:
            ends = [(dependent.repo, workflow) for dependent in named for workflow in dependent.workflows]
            self._hearers.setdefault(name, []).extend((frozenset({ANY_TYPE}), end) for end in ends)

    def of(self, source: str, types: frozenset[str]) -> frozenset[Endpoint]:
        """The workflows that events of a repository, of these types, can bring to run, however far down."""
        if not types:
            return frozenset()
        key = (source, types)
        if key not in self._known:
            self._known[key] = self._search(source, types)
        return self._known[key]

    def _search(self, source: str, types: frozenset[str]) -> frozenset[Endpoint]:
        found: set[Endpoint] = set()
        pending: list[tuple[str, frozenset[str]]] = [(source, types)]
        while pending:
            emitter, emitted = pending.pop()
            for heard, endpoint in self._hearers.get(emitter, ()):
                if endpoint not in found and emitted and _may_hear(heard, emitted):
                    found.add(endpoint)
                    pending.append((endpoint[0], self._emits.get(endpoint, frozenset())))
        return frozenset(found)


def _may_hear(heard: frozenset[str], emitted: frozenset[str]) -> bool:
    return ANY_TYPE in emitted or ANY_TYPE in heard or any(names_any(heard, type_) for type_ in emitted)
