"""Which announced events a fan-out emits. Pure; runs, previews and checks of a file ask the same functions.

A step's ``produces.events`` announces events. An announced event is pending until a later fan-out of its type emits it:
without ``artifact`` a fan-out emits all that are pending, with it those about that artifact. A fan-out with a
``payload`` of its own, or one for which nothing is pending, emits one event.
"""

from __future__ import annotations

from tako.config import names
from tako.config.model import DEFAULT_ARTIFACT, FAN_OUT
from tako.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from typing import Any, Protocol, TypeVar

    from tako.config.model import StepSpec

    class Announcement(Protocol):
        """An event that a step announces."""

        @property
        def type(self) -> str: ...

        @property
        def artifact(self) -> str | None:
            """The artifact that the step makes; None if it makes none by name."""

    A = TypeVar("A", bound=Announcement)


@record
class Unemitted:
    """An event that is announced and never emitted: its place among the steps and in the step's events, from 0."""

    type: str
    artifact: str | None
    step: int
    event: int


def has_own_payload(params: Mapping[str, Any]) -> bool:
    """Whether the ``with`` of a fan-out says what its event says; an empty ``payload`` does not."""
    return any(value is not None for value in (params.get("payload") or {}).values())


def to_emit(pending: Iterable[A], type_: str, artifact: str | None, *, own_payload: bool) -> tuple[A, ...]:
    """Return the pending events that a fan-out of a type emits, in the order in which they were announced."""
    chosen = [each for each in pending if each.type == type_ and (artifact is None or _is_about(each, {artifact}))]
    return tuple(chosen[-1:] if own_payload else chosen)


def still_pending(pending: Sequence[A], type_: str, artifacts: Collection[str]) -> list[A]:
    """Return what is pending after a fan-out emitted events of a type about these artifacts."""
    return [each for each in pending if each.type != type_ or not _is_about(each, artifacts)]


def left_by(
    params: Mapping[str, Any], pending: Sequence[A], latest: Callable[[Sequence[A]], Sequence[A]] = lambda each: each
) -> list[A]:
    """Return what is surely still pending after a fan-out, going by its ``with`` as it is written.

    ``latest`` returns those of some events that a fan-out with a payload of its own may emit.
    """
    type_, artifact = params.get("event_type"), params.get("artifact")
    if not isinstance(type_, str) or names.is_template(type_):
        return []
    if isinstance(artifact, str) and names.is_template(artifact):
        return [each for each in pending if each.type != type_]
    named = artifact if isinstance(artifact, str) and artifact else None
    emitted: Sequence[A] = to_emit(pending, type_, named, own_payload=False)
    if has_own_payload(params):
        emitted = latest(emitted)
    return still_pending(pending, type_, {artifact_of(each, named) for each in emitted})


def never_emitted(steps: Sequence[StepSpec]) -> list[Unemitted]:
    """Return the events that some steps of a workflow announce and no later one can emit."""
    pending: list[Unemitted] = []
    for index, step in enumerate(steps):
        if step.uses == FAN_OUT:
            pending = left_by(step.params, pending)
        produces = step.produces
        if produces is not None:
            events = enumerate(produces.events)
            found = [Unemitted(each.type, produces.artifact, index, position) for position, each in events]
            pending += [each for each in found if not names.is_template(each.type)]
    return pending


def artifact_of(announced: Announcement | None, named: str | None) -> str:
    """Return the artifact of an emitted event; ``named`` is what the fan-out's ``artifact`` says."""
    return named or (announced.artifact if announced is not None else None) or DEFAULT_ARTIFACT


def _is_about(announced: Announcement, artifacts: Collection[str]) -> bool:
    return announced.artifact is None or announced.artifact in artifacts
