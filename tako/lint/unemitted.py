"""Events of an older file that are announced and never emitted; in a present one they are errors."""

from __future__ import annotations

from collections.abc import Iterator

from tako.config.announcing import never_emitted
from tako.config.model import FAN_OUT, RepoConfig
from tako.config.problems import Path, quoted
from tako.lint.findings import Finding
from tako.lint.syntax import Sheet


def unemitted_events(sheet: Sheet, config: RepoConfig) -> Iterator[Finding]:
    """The events that a step announces and no later fan-out of its workflow emits."""
    for workflow in config.workflows:
        for each in never_emitted(workflow.steps):
            path: Path = ("workflows", workflow.name, "steps", each.step, "produces", "events", each.event)
            _, node = sheet.find(path)
            what = (
                f"event {quoted(each.type)} is announced and never emitted; add a step after it that uses "
                f"{FAN_OUT} with 'event_type: {each.type}'"
            )
            yield Finding(*sheet.position(node.start), "unemitted-event", what)
