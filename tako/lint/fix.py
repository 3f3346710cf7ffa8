"""A file with its older spellings brought to the present ones, and the same meaning."""

from __future__ import annotations

from typing import Any

from tako.config import reading
from tako.config.loader import loads
from tako.config.model import RepoConfig, StepSpec, Subscription, WorkflowSpec
from tako.errors import ConfigError
from tako.execution.artifacts import declared_paths
from tako.lint.edits import Edits, Room, applied
from tako.lint.findings import is_silenced
from tako.lint.older import older_spellings
from tako.lint.spellings import present_condition, present_template
from tako.lint.syntax import Sheet
from tako.lint.walk import Spelling
from tako.records import record, replace, to_data

_ROUNDS = 100


@record
class Fixed:
    """A file's new content, and how many spellings were mended."""

    data: bytes
    mended: int


def fix(data: bytes, path: str) -> Fixed:
    """Mend every older spelling that can be mended without a change of meaning; one that is silenced stays.

    Mending what is mended changes nothing. Raises ``ConfigError`` if the file does not load.
    """
    meaning = meaning_of(loads(data, path))
    mark = data[: len(data) - len(data.removeprefix(b"\xef\xbb\xbf"))]
    text = reading.decode(data, path)
    mended = 0
    for _ in range(_ROUNDS):
        new, count = _round(text, path, meaning)
        if not count:
            break
        text, mended = new, mended + count
    return Fixed(mark + text.encode(), mended)


def meaning_of(config: RepoConfig) -> Any:
    """What a file means as plain data: equal for files that differ in spellings and places alone."""
    return to_data(
        replace(
            config,
            events=tuple(sorted(config.events, key=lambda one: one.type)),
            artifacts=tuple(sorted(config.artifacts, key=lambda one: one.name)),
            workflows=tuple(_workflow(workflow, config) for workflow in config.workflows),
            subscriptions=tuple(_subscription(one) for one in config.subscriptions),
        )
    )


def _workflow(workflow: WorkflowSpec, config: RepoConfig) -> WorkflowSpec:
    steps, finals = (tuple(_step(step, config) for step in group) for group in (workflow.steps, workflow.finals))
    inputs = tuple(sorted(workflow.inputs, key=lambda one: one.name))
    return replace(workflow, line=0, steps=steps, finals=finals, env=_texts(workflow.env), inputs=inputs)


def _step(step: StepSpec, config: RepoConfig) -> StepSpec:
    produces = step.produces
    if produces is not None:
        # An artifact that is declared and one that is not are collected from the same paths.
        produces = replace(produces, paths=declared_paths(produces, config.artifacts))
    condition = None if step.condition is None else present_condition(step.condition)
    fields = {name: _texts(value) for name, value in to_data(replace(step, produces=produces)).items()}
    handlers = tuple(_step(handler, config) for handler in step.on_failure)
    return replace(step, **{**fields, "condition": condition, "line": 0, "on_failure": handlers})


def _subscription(one: Subscription) -> Subscription:
    filters = tuple(present_condition(text) for text in one.filters)
    return replace(one, line=0, filters=filters, inputs=_texts(one.inputs))


def _texts(value: Any) -> Any:
    """Plain data with every template in it in the present spelling."""
    if isinstance(value, str):
        return present_template(value) if "{" in value else value
    if isinstance(value, dict):
        return {key: _texts(item) for key, item in value.items()}
    return [_texts(item) for item in value] if isinstance(value, list) else value


def _round(text: str, path: str, meaning: Any) -> tuple[str, int]:
    sheet, lines, room = Sheet(text), text.splitlines(), Room()
    wanted = [
        one.edits
        for one in older_spellings(sheet)
        if one.edits and not _is_silenced(sheet, lines, one) and room.take(one.edits)
    ]
    usable = _usable(text, wanted, path, meaning)
    together = applied(text, [edit for edits in usable for edit in edits])
    if not _same(together, path, meaning):
        usable = usable[:1]
        together = applied(text, [edit for edits in usable for edit in edits])
    return together, len(usable)


def _is_silenced(sheet: Sheet, lines: list[str], spelling: Spelling) -> bool:
    places = (spelling.at, spelling.at if spelling.owner is None else spelling.owner)
    return any(is_silenced(lines, sheet.position(place)[0], spelling.rule) for place in places)


def _usable(text: str, wanted: list[Edits], path: str, meaning: Any) -> list[Edits]:
    """Those of the changes that leave the meaning as it is, found by halves: mostly it is all."""
    if not wanted or _same(applied(text, [edit for edits in wanted for edit in edits]), path, meaning):
        return wanted
    if len(wanted) == 1:
        return []
    half = len(wanted) // 2
    return [*_usable(text, wanted[:half], path, meaning), *_usable(text, wanted[half:], path, meaning)]


def _same(text: str, path: str, meaning: Any) -> bool:
    try:
        return bool(meaning_of(loads(text.encode(), path)) == meaning)
    except ConfigError:
        return False
