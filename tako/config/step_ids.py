"""What the steps of a workflow are called, those that run when another has failed or at the end included."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UnsetType

from tako.config import schema
from tako.config.problems import Path


def step_id(step: schema.Step, index: int) -> str:
    """The id of the step at a place, from 0: its own, or ``step-1`` and so on."""
    return f"step-{index + 1}" if isinstance(step.id, UnsetType) else step.id


def handler_id(handler: schema.Handler, owner: str, index: int) -> str:
    """The id of what runs when the step ``owner`` has failed, at a place from 0: its own, or made of the step's."""
    return f"{owner}-on-failure-{index + 1}" if isinstance(handler.id, UnsetType) else handler.id


def final_id(step: schema.Handler, index: int) -> str:
    """The id of a step of ``finally`` at a place, from 0: its own, or ``finally-1`` and so on."""
    return f"finally-{index + 1}" if isinstance(step.id, UnsetType) else step.id


def named_steps(workflow: schema.Workflow, path: Path) -> Iterator[tuple[str, Path, schema.AnyStep]]:
    """Every step of the workflow at ``path``, each followed by its ``on_failure``, and ``finally``: id, place, step."""
    for index, step in enumerate(workflow.steps):
        name, place = step_id(step, index), (*path, "steps", index)
        yield name, place, step
        for position, handler in enumerate(step.on_failure):
            yield handler_id(handler, name, position), (*place, "on_failure", position), handler
    for index, final in enumerate(workflow.finals):
        yield final_id(final, index), (*path, "finally", index), final
