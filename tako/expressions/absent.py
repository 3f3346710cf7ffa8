"""What to say of an output that a step does not have because it was skipped, or has failed."""

from __future__ import annotations

from tako.errors import ExpressionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_WHY = {
    "skipped": "the step was skipped, since its `if` did not hold, and has no outputs",
    "failed": "the step has failed, and has no outputs",
}


def owner_step(owner: object, scope: Mapping[str, Any], flat: Mapping[str, Any]) -> str:
    """The id of the step of which ``owner`` is the entry, or the outputs, in the scope; empty if there is none.

    ``flat`` are the steps with their outputs beside their own fields.
    """
    for step_id, step in scope.get("steps", {}).items():
        if owner is step or owner is step.get("outputs") or owner is flat.get(step_id):
            return str(step_id)
    return ""


def named_step(key: str, text: str, scope: Mapping[str, Any]) -> str:
    """The id of the step of which a condition wants the output ``key``; empty if there is none."""
    import re

    def part(name: str) -> str:
        return rf"(?:\s*\.\s*{re.escape(name)}\b|\s*\[\s*['\"]{re.escape(name)}['\"]\s*\])"

    for step_id in scope.get("steps", {}):
        way = rf"\b[sS]teps{part(step_id)}(?:{part('outputs')})?{part(key)}"
        if re.search(way, text):
            return str(step_id)
    return ""


def absent(step_id: str, key: object, scope: Mapping[str, Any], *, where: str, cure: str) -> ExpressionError | None:
    """The error for an output of a step that has none; None if the step has succeeded."""
    why = _WHY.get(scope["steps"][step_id].get("status"))
    if why is None:
        return None
    return ExpressionError(f"step `{step_id}` has no output `{key}`", where=where, why=why, cure=cure)
