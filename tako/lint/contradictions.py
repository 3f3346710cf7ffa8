"""Parts of a file that do not go together, though each is right by itself."""

from __future__ import annotations

from collections.abc import Iterator

from tako.config.model import RepoConfig
from tako.config.problems import quoted
from tako.lint.findings import Finding
from tako.lint.syntax import Sheet
from tako.lint.walk import named_workflows, subscriptions_of


def contradictions(sheet: Sheet, config: RepoConfig) -> Iterator[Finding]:
    """Workflows that nothing can start, and those that run once for some events and each time for others."""
    yield from _unreachable(sheet, config)
    yield from _mixed_coalesce(sheet, config)


def _unreachable(sheet: Sheet, config: RepoConfig) -> Iterator[Finding]:
    subscribed = {subscription.workflow for subscription in config.subscriptions}
    for name, workflow in named_workflows(sheet):
        on = sheet.field(workflow, "on")
        if on is not None and on[1].value == "event" and name not in subscribed:
            what = f"workflow {quoted(name)} is started by events only, but no subscription of this file runs it"
            yield Finding(*sheet.position(on[0].start), "unreachable-workflow", what)


def _mixed_coalesce(sheet: Sheet, config: RepoConfig) -> Iterator[Finding]:
    for one, node in zip(config.subscriptions, subscriptions_of(sheet.root), strict=False):
        others = [other for other in config.subscriptions if other.workflow == one.workflow and other.enabled]
        if one.enabled and one.coalesce and not all(other.coalesce for other in others):
            field = sheet.field(node, "coalesce")
            what = (
                f"another subscription runs workflow {quoted(one.workflow)} without 'coalesce'; it runs several times"
            )
            yield Finding(*sheet.position(field[0].start if field else node.start), "mixed-coalesce", what)
