"""What the steps of a workflow are called, those that run when another has failed included."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import UnsetType

from tako.config import schema
from tako.config.problems import Path


def step_id(step: schema.Step, index: int) -> str:
    """The id of the step at a place, from 0: its own, or ``step-1`` and so on."""
    return f"step-{index + 1}" if isinstance(step.id, UnsetType) else step.id


def handler_id(handler: schema.Handler, owner: str, index: int) -> str:
    """The id of what runs when the step ``owner`` has failed, at a place from 0: its own, or made of the step's."""
    return f"{owner}-on-failure-{index + 1}" if isinstance(handler.id, UnsetType) else handler.id


def named_steps(steps: Sequence[schema.Step], path: Path) -> Iterator[tuple[str, Path, schema.AnyStep]]:
    """Every step at ``path`` and everything in their ``on_failure``: id, place, step."""
    for index, step in enumerate(steps):
        name, place = step_id(step, index), (*path, index)
        yield name, place, step
        for position, handler in enumerate(step.on_failure):
            yield handler_id(handler, name, position), (*place, "on_failure", position), handler
