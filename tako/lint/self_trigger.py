"""Workflows of a file that trigger themselves, directly or through others of the same file."""

from __future__ import annotations

from collections.abc import Iterator

from tako.config.event_globs import names_any
from tako.config.model import FAN_OUT, RepoConfig, Subscription, WorkflowSpec
from tako.config.names import is_template
from tako.config.problems import quoted
from tako.lint.findings import Finding
from tako.lint.syntax import Sheet
from tako.lint.walk import subscriptions_of
from tako.repos.hosts import Identity, is_named


def self_triggers(sheet: Sheet, config: RepoConfig, own: Identity | None) -> Iterator[Finding]:
    """Subscriptions by which a workflow comes to run because of itself; ``own`` is who the repository is."""
    if own is None:
        return
    ours = [each for each in config.subscriptions if each.enabled and is_named(own, each.repo)]
    next_of = {
        workflow.name: {each.workflow for each in ours if _hears(each, workflow)} for workflow in config.workflows
    }
    for one, node in zip(config.subscriptions, subscriptions_of(sheet.root), strict=False):
        if one not in ours:
            continue
        emitters = [workflow.name for workflow in config.workflows if _hears(one, workflow)]
        way = next((way for name in emitters if (way := _way(one.workflow, name, next_of))), ())
        if way:
            chain = " -> ".join((*way, way[0]))
            what = f"workflow {quoted(one.workflow)} triggers itself, which Tako refuses when it happens: {chain}"
            yield Finding(*sheet.position(node.start), "self-trigger", what)


def _hears(subscription: Subscription, workflow: WorkflowSpec) -> bool:
    """Whether a subscription to the own repository surely listens for an event that a workflow emits."""
    types = [str(step.params.get("event_type", "")) for step in workflow.steps if step.uses == FAN_OUT]
    return any(names_any(subscription.events, type_) for type_ in types if not is_template(type_))


def _way(start: str, end: str, next_of: dict[str, set[str]]) -> tuple[str, ...]:
    """The workflows from one to another along what they trigger, both included; none if there is no way."""
    ways: list[tuple[str, ...]] = [(start,)]
    seen = {start}
    while ways:
        way = ways.pop(0)
        if way[-1] == end:
            return way
        for each in sorted(next_of.get(way[-1], set()) - seen):
            seen.add(each)
            ways.append((*way, each))
    return ()
