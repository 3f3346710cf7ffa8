"""Delivering a recorded event once more: a run of its own, with one step, in the name of the event's source.

The step is a fan-out whose ``with`` holds the recorded event as it is; no ``tako.yml`` can say that. All else is that
of every other run: planning, journal, retries, resuming.
"""

from __future__ import annotations

from tako.config.model import FAN_OUT, StepSpec, WorkflowSpec
from tako.errors import UsageError
from tako.execution.request import RunRequest
from tako.records import to_data
from tako.repos.hosts import is_named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tako.config.model import RepoConfig
    from tako.execution.event import Event
    from tako.repos.hosts import Identity

STEP = "redeliver"
EVENT = "redelivers"
"""The field of the step's ``with`` that holds the recorded event."""
SUBSCRIBER = "subscriber"
"""The field that holds the only subscriber, ``owner/name`` or ``owner/name:workflow``; absent for all."""


def request_of(
    event: Event, *, run_id: str, directory: str, subscriber: str | None, source: RepoConfig | None = None
) -> RunRequest:
    """The request of a run that delivers an event once more, to one subscriber or to all that hear it now.

    ``directory`` is where its root is said to run; it does nothing there. ``source`` is what the event's source says
    now, if that is known: who depends on it hears the event too. Raises ``UsageError`` if the subscriber is
    not written as one.
    """
    params = {"event_type": event.type, EVENT: to_data(event)}
    if subscriber is not None:
        params[SUBSCRIBER] = _checked(subscriber)
    workflow = WorkflowSpec(
        name=f"redeliver-{event.id}",
        description=f"delivers {event.id} ({event.type} of {event.source}) once more",
        steps=(StepSpec(id=STEP, uses=FAN_OUT, params=params),),
    )
    return RunRequest(
        run_id=run_id,
        root_id=run_id,
        parent_id=None,
        repo=event.source,
        host=event.host,
        ref="",
        source=directory,
        commit=None,
        private=False,
        cache_lock=None,
        workflow=workflow,
        inputs={},
        config_path=source.path if source is not None else "",
        dependents=source.dependents if source is not None else (),
    )


def redelivered(emitter: RunRequest, step_id: str) -> str | None:
    """The id of the recorded event that a step of a run delivers once more; None if it is any other step."""
    step = next((step for step in emitter.workflow.steps if step.id == step_id), None)
    event = step.params.get(EVENT) if step is not None else None
    return str(event["id"]) if event is not None else None


def is_redelivery(request: RunRequest) -> bool:
    """Whether a run delivers a recorded event once more: its workflow is in no ``tako.yml``."""
    return any(EVENT in step.params for step in request.workflow.steps)


def is_addressed(emitter: RunRequest, step_id: str, subscriber: Identity, workflow: str) -> bool:
    """Whether the event of a step is for a subscriber: all are, but for those that a redelivery leaves out."""
    only = _only(emitter, step_id)
    if only is None:
        return True
    repo, colon, named = only.partition(":")
    return is_named(subscriber, repo) and (not colon or named == workflow)


def is_addressed_to_all(emitter: RunRequest, step_id: str) -> bool:
    """Whether the event of a step is for whoever hears it: all are, but a redelivery to one subscriber."""
    return _only(emitter, step_id) is None


def _only(emitter: RunRequest, step_id: str) -> Any:
    step = next((step for step in emitter.workflow.steps if step.id == step_id), None)
    return step.params.get(SUBSCRIBER) if step is not None else None


def _checked(subscriber: str) -> str:
    repo, colon, workflow = subscriber.partition(":")
    owner, slash, name = repo.partition("/")
    if not (owner and slash and name) or (colon and not workflow):
        raise UsageError(f"{subscriber!r} is no subscriber", cure="write it as owner/name or owner/name:workflow")
    return subscriber
