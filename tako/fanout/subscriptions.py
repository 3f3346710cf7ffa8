"""Which subscription hears which event. Pure; see "Which subscription hears which event" in the language."""

from __future__ import annotations

from tako.config.event_globs import names_any
from tako.config.model import DEFAULT_ARTIFACT
from tako.errors import ExpressionError
from tako.expressions import cel, versions
from tako.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.config.model import Subscription
    from tako.execution.event import Event


@record
class Verdict:
    """Whether a subscription hears an event, and why or why not."""

    hears: bool
    why: str
    undecided: bool = False
    """Whether it does not hear only because its schema version or a filter could not be evaluated."""
    lacks: str = ""
    """The key that a filter looked for and the event does not have."""


def names_type(subscription: Subscription, event_type: str) -> bool:
    """Whether a type is one of those that a subscription listens for."""
    return names_any(subscription.events, event_type)


def names_artifact(subscription: Subscription, artifact: str) -> bool:
    """Whether an event of an artifact is one that a subscription listens for; any is, of the implicit artifact."""
    return artifact in (subscription.artifact, DEFAULT_ARTIFACT)


def judge(subscription: Subscription, event: Event, *, where: str) -> Verdict:
    """Hold one subscription against one event; the first condition that does not hold is the reason.

    What cannot be evaluated, for a missing field or a malformed version say, is undecided and does not match.
    """
    if subscription.repo != event.source:
        return Verdict(False, f"waits for {subscription.repo}")
    if not names_type(subscription, event.type):
        return Verdict(False, f"waits for the events {', '.join(subscription.events)}")
    if not names_artifact(subscription, event.artifact):
        return Verdict(False, f"waits for the artifact {subscription.artifact}, the event is about {event.artifact}")
    if not subscription.enabled:
        return Verdict(False, "is not enabled")
    try:
        if not versions.in_range(event.schema_version, subscription.schema_version, where=where):
            return Verdict(
                False, f"wants schema version {subscription.schema_version}, the event has {event.schema_version}"
            )
    except ExpressionError as error:
        why = f" ({error.why})" if error.why else ""
        return Verdict(False, f"its schema version cannot be compared: {error.what}{why}", undecided=True)
    return _filters(subscription, event, where)


def _filters(subscription: Subscription, event: Event, where: str) -> Verdict:
    scope = {"event": event.scope(), "payload": event.payload}
    for text in subscription.filters:
        try:
            if not cel.evaluate(text, scope, where=where):
                return Verdict(False, f"its filter does not hold: {text}")
        except ExpressionError as error:
            why = f"its filter cannot be evaluated: {text} ({error.why or error.what})"
            return Verdict(False, why, undecided=True, lacks=cel.missing_key(error))
    return Verdict(True, f"hears {event.type} of {event.source}:{event.artifact}")
