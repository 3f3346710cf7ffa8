"""Events that a step announces and no later fan-out step can emit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import UnsetType

from tako.config import names, schema
from tako.config.announcing import left_by
from tako.config.labels import label
from tako.config.model import FAN_OUT
from tako.config.problems import Path, Problem, listed, quoted
from tako.config.step_ids import step_id
from tako.records import record


@record
class _Announced:
    """An event that a step announces."""

    type: str
    artifact: str | None
    path: Path
    step: int
    certain: bool
    """Whether the step runs in any case."""


def announced_problems(root: schema.Root) -> Iterator[Problem]:
    """Every announced event of a file that no later fan-out of its workflow emits.

    A fan-out counts whatever its ``if``. One whose event type only a run can tell may emit all that are pending.
    """
    for name, workflow in root.workflows.items():
        path: Path = ("workflows", name, "steps")
        for each in _never_emitted(workflow.steps, path):
            why = _why(each, workflow.steps)
            what = f"{label(each.path)} announces {quoted(each.type)}, which is never emitted: {why}"
            yield Problem((*each.path, "type"), what)


def _never_emitted(steps: Sequence[schema.Step], path: Path) -> list[_Announced]:
    pending: list[_Announced] = []
    for index, step in enumerate(steps):
        if step.uses == FAN_OUT:
            pending = left_by(step.params, pending, _perhaps_the_latest)
        pending += _announced(step, index, (*path, index))
    return pending


def _announced(step: schema.Step, index: int, path: Path) -> Iterator[_Announced]:
    if isinstance(step.produces, UnsetType):
        return
    artifact = step.produces.artifact if isinstance(step.produces.artifact, str) else None
    certain = isinstance(step.condition, UnsetType)
    for position, event in enumerate(step.produces.events):
        if not names.is_template(event.type):
            place = (*path, "produces", "events", position)
            yield _Announced(event.type, artifact, place, index, certain)


def _perhaps_the_latest(announced: Sequence[_Announced]) -> tuple[_Announced, ...]:
    """The last one, and those that are the last one when the steps behind them are skipped."""
    certain = [at for at, each in enumerate(announced) if each.certain]
    return tuple(announced[certain[-1] if certain else 0 :])


def _why(announced: _Announced, steps: Sequence[schema.Step]) -> str:
    same = [
        (index, step_id(step, index))
        for index, step in enumerate(steps)
        if step.uses == FAN_OUT and step.params.get("event_type") == announced.type
    ]
    later = [name for index, name in same if index > announced.step]
    about = "" if announced.artifact is None else f" about {quoted(announced.artifact)}"
    if later:
        known = listed(map(quoted, later))
        return (
            f"{known} emits a different event, because of its 'artifact' or 'payload'; "
            f"remove these, or add a fan-out step that emits the event{about}"
        )
    if same:
        return f"{listed(quoted(name) for _, name in same)} runs before it; move the fan-out step after this one"
    return f"add a step after it that uses {FAN_OUT} with 'event_type: {announced.type}'"
