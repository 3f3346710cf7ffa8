"""Events of an older file that are announced and never emitted; in a present one they are errors."""

from __future__ import annotations

from collections.abc import Iterator

from tako.config.announcing import left_by
from tako.config.model import FAN_OUT, RepoConfig
from tako.config.names import is_template
from tako.config.problems import Path, quoted
from tako.lint.findings import Finding
from tako.lint.syntax import Sheet
from tako.records import record


@record
class _Announced:
    """An event that a step announces."""

    type: str
    artifact: str | None
    path: Path


def unemitted_events(sheet: Sheet, config: RepoConfig) -> Iterator[Finding]:
    """The events that a step announces and no later fan-out of its workflow emits."""
    for workflow in config.workflows:
        pending: list[_Announced] = []
        for index, step in enumerate(workflow.steps):
            if step.uses == FAN_OUT:
                pending = left_by(step.params, pending)
            for position, event in enumerate(step.produces.events if step.produces else ()):
                if not is_template(event.type):
                    path: Path = ("workflows", workflow.name, "steps", index, "produces", "events", position)
                    pending.append(_Announced(event.type, step.produces.artifact if step.produces else None, path))
        for each in pending:
            _, node = sheet.find(each.path)
            what = (
                f"event {quoted(each.type)} is announced and never emitted; add a step after it that uses "
                f"{FAN_OUT} with 'event_type: {each.type}'"
            )
            yield Finding(*sheet.position(node.start), "unemitted-event", what)
