"""Who depends on an emitter by the emitter's own word: ``dependents``, the inverse of a subscription. Pure."""

from __future__ import annotations

from tako.config.model import DEFAULT_ARTIFACT, Subscription
from tako.fanout.near import is_near
from tako.fanout.plan import PassedOver
from tako.fanout.subscriptions import Verdict
from tako.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from tako.config.model import Dependent
    from tako.execution.event import Event
    from tako.execution.request import RunRequest
    from tako.repos.index import Indexed

    At = Callable[[Indexed, str], Indexed | None]
    """A repository at another ref than the one that stands for it; None if it is not in the cache at that."""


@record
class Said:
    """What a file says of its dependents."""

    dependents: tuple[Dependent, ...] = ()
    path: str = ""
    """The file, for messages."""

    def where(self, dependent: Dependent) -> str:
        """``file:line`` of one of them."""
        return f"{self.path or 'tako.yml'}:{dependent.line}"


@record
class Named:
    """A workflow that is to run since the emitter says so."""

    repository: Indexed
    subscription: Subscription
    """What the repository would have said itself, to the same effect."""
    verdict: Verdict
    where: str


def said_by(request: RunRequest) -> Said:
    """What the file of a run's repository says."""
    return Said(request.dependents, request.config_path)


def concerns(dependent: Dependent, event: Event) -> bool:
    """Whether an event, of whatever type, is about what somebody depends on; by the same rule as for subscriptions."""
    return not dependent.artifacts or event.artifact in (*dependent.artifacts, DEFAULT_ARTIFACT)


def named(
    said: Said, event: Event, repositories: Mapping[str, Indexed], at: At, cached: Collection[str] = ()
) -> Iterator[Named | PassedOver]:
    """Every workflow that the emitter names for an event: to run, or with the reason why it cannot.

    ``repositories`` are those that it may name, by their names; ``cached`` are the names of all, for messages.
    """
    for dependent in said.dependents:
        if not concerns(dependent, event):
            continue
        where = said.where(dependent)
        repository = _at_ref(repositories.get(dependent.repo), dependent, at, cached)
        for workflow in dependent.workflows:
            why = repository if isinstance(repository, str) else _lacks(repository, workflow)
            if why or isinstance(repository, str):
                yield PassedOver(dependent.repo, workflow, where, why)
                continue
            subscription = Subscription(
                repo=event.source,
                artifact=event.artifact,
                events=(event.type,),
                workflow=workflow,
                line=dependent.line,
            )
            verdict = Verdict(True, f"is a dependent of {event.source}, which says so itself")
            yield Named(repository, subscription, verdict, where)


def _at_ref(found: Indexed | None, dependent: Dependent, at: At, cached: Collection[str]) -> Indexed | str:
    """The repository as it is to be run, or why it cannot be."""
    if found is None:
        near = next((name for name in cached if is_near(name, dependent.repo)), "")
        return "it is a dependent that is not in the cache" + (f"; did you mean {near}?" if near else "")
    if dependent.ref in (None, found.entry.ref):
        return found
    other = at(found, dependent.ref or "") if dependent.ref in found.entry.other_refs else None
    if other is None:
        there = ", ".join((found.entry.ref, *found.entry.other_refs))
        return f"it is a dependent that is not in the cache at {dependent.ref}, but at {there}"
    return other


def _lacks(repository: Indexed, workflow: str) -> str:
    """Why a workflow of a dependent cannot run; empty if it can."""
    if repository.error is not None:
        return "it is a dependent whose tako.yml cannot be read"
    if repository.config is None:
        return "it is a dependent without a tako.yml"
    if repository.config.workflow(workflow) is None:
        return "it is a dependent that has no such workflow"
    return ""
