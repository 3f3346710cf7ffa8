"""The ``result`` of a step: what it printed on stdout, kept only if something in its workflow reads it."""

from __future__ import annotations

import re

from tako.errors import StepError
from tako.execution.outputs import MAX_OUTPUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from tako.config.model import WorkflowSpec
    from tako.steps.base import StepContext, StepResult

NAME = "result"

_STEPS = re.compile(r"\b[Ss]teps\b(?:\s*\.\s*([A-Za-z_][\w-]*)|\s*\[\s*(?:'([^']*)'|\"([^\"]*)\")\s*\])?")
_RESULT = re.compile(r"\bresult\b")
_CODE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)


def read_results(workflow: WorkflowSpec) -> frozenset[str]:
    """The ids of the steps whose result an expression of the workflow may read.

    Told from the text alone, since a child parses no template before it needs to. An expression that speaks of a result
    and of a step which it does not name may read that of any.
    """
    found: set[str] = set()
    ids: frozenset[str] = frozenset()
    for text, is_condition in _texts(workflow):
        if NAME not in text:
            continue
        code = text if is_condition else " ".join(_CODE.findall(text))
        if _RESULT.search(code) is None:
            continue
        ids = ids or frozenset(step.id for step in workflow.every_step)
        for match in _STEPS.finditer(code):
            named = next((name for name in match.groups() if name is not None), "")
            meant = {step_id for step_id in ids if named == step_id or named.startswith(f"{step_id}-")}
            if not meant:
                return ids
            found |= meant
    return frozenset(found)


def result_of(stdout: bytes, *, where: str) -> str:
    """What a step printed, trimmed. Raises ``StepError`` if that is too long for a value, or no text."""
    content = stdout.strip()
    if len(content) > MAX_OUTPUT:
        raise StepError(
            f"the step's result has more than {MAX_OUTPUT} bytes",
            where=where,
            why="an expression reads it, and a result is what the step printed on stdout",
            cure="write it to a file and declare it as an artifact",
        )
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise StepError(
            f"the step's result is not UTF-8: byte {content[error.start]:#04x} at offset {error.start}",
            where=where,
            why="an expression reads it, and a result is what the step printed on stdout",
            cure="print text, or write it to a file and declare it as an artifact",
        ) from None


def kept_result(context: StepContext, result: StepResult) -> str:
    """What a step that has succeeded printed, for one of which it is kept.

    Raises ``StepError``, also if there is a secret in it.
    """
    text = result_of(result.stdout, where=context.where)
    context.capabilities.secrets.refuse(text, "what the step printed, which an expression reads,", where=context.where)
    return text


def result_of_failed(context: StepContext, result: StepResult) -> str | None:
    """The same of one that has failed, for which there is none where it cannot be kept."""
    try:
        return kept_result(context, result)
    except StepError:
        return None


def _texts(workflow: WorkflowSpec) -> Iterator[tuple[str, bool]]:
    """All that may be an expression, and whether it is a condition."""
    yield from _within(workflow.env)
    for step in workflow.every_step:
        produces = step.produces
        if step.condition is not None:
            yield step.condition, True
        yield from _within((step.run, step.working_directory, step.params, step.env))
        if produces is not None:
            yield from _within((produces.outputs, [event.payload for event in produces.events]))


def _within(value: Any) -> Iterator[tuple[str, bool]]:
    if isinstance(value, str):
        yield value, False
    elif isinstance(value, dict):
        for item in value.values():
            yield from _within(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _within(item)
