"""Find subscriptions that miss an event by one typing error, or by upper and lower case. Pure.

A name that means something else, such as another artifact of the emitter or another cached repository, is no error.
This runs for every subscription of every repository, so lengths are compared first.
"""

from __future__ import annotations

from functools import lru_cache

from tako.config.model import FAN_OUT
from tako.fanout.subscriptions import names_artifact, names_type
from tako.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from tako.config.model import ArtifactSpec, EventSpec, Subscription, WorkflowSpec
    from tako.execution.event import Event


@record
class Words:
    """The artifacts and the types of events that an emitter's file speaks of: who uses one of them means it."""

    artifacts: frozenset[str] = frozenset()
    events: frozenset[str] = frozenset()


def words_of(
    artifacts: Iterable[ArtifactSpec], events: Iterable[EventSpec], workflows: Iterable[WorkflowSpec]
) -> Words:
    """The artifacts that a file declares, and the events that it declares, announces or emits."""
    types = {event.type for event in events}
    for step in (step for workflow in workflows for step in workflow.steps):
        if step.produces is not None:
            types |= {event.type for event in step.produces.events}
        if step.uses == FAN_OUT:
            types.add(str(step.params.get("event_type", "")))
    return Words(artifacts=frozenset(artifact.name for artifact in artifacts), events=frozenset(types))


def near_miss(subscription: Subscription, event: Event, known: Words, meant: Collection[str]) -> str:
    """What a subscription listens for and what it might mean, as a question; empty if it is right or far away.

    ``meant`` are the names of the repositories that its own name means. One that hears the event's source, artifact
    and type is right, whatever its filters say.
    """
    if not subscription.enabled:
        return ""
    wanted: list[tuple[str, str, str]] = []
    if event.source not in meant:
        here = next((name for name in _names_of(event) if is_near(subscription.repo, name)), "")
        if meant or not here:
            return ""
        wanted.append(("repository", subscription.repo, here))
    if not names_artifact(subscription, event.artifact):
        if subscription.artifact in known.artifacts or not is_near(subscription.artifact, event.artifact):
            return ""
        wanted.append(("artifact", subscription.artifact, event.artifact))
    if not names_type(subscription, event.type):
        near = [each for each in subscription.events if each not in known.events and is_near(each, event.type)]
        if not near:
            return ""
        wanted.append(("event", near[0], event.type))
    if not wanted:
        return ""
    written = " and ".join(f"{kind} `{there}`" for kind, there, _ in wanted)
    emitted = " and ".join(f"`{here}`" for *_, here in wanted)
    return f"listens for {written}; did you mean {emitted}?"


def _names_of(event: Event) -> tuple[str, ...]:
    """The names of an event's source, without and with its host."""
    return (event.source, f"{event.host}/{event.source}") if event.host else (event.source,)


@lru_cache(maxsize=4096)
def is_near(one: str, other: str) -> bool:
    """Return whether two names differ in case, or by one typing error: a letter changed, added, missing or swapped."""
    if abs(len(one) - len(other)) > 1 or one == other:
        return False
    short, long = sorted((one.casefold(), other.casefold()), key=len)
    at = next((place for place, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if len(short) < len(long):
        return short[at:] == long[at + 1 :]
    turned = short[at : at + 2] == long[at : at + 2][::-1] and short[at + 2 :] == long[at + 2 :]
    return turned or short[at + 1 :] == long[at + 1 :]
