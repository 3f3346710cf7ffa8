"""Workflows of a file that trigger themselves, directly or through others of the same file."""

from __future__ import annotations

from collections.abc import Iterator

from tako.config.event_globs import names_any
from tako.config.model import FAN_OUT, RepoConfig, WorkflowSpec
from tako.config.names import is_template
from tako.config.problems import quoted
from tako.lint.findings import Finding
from tako.lint.syntax import Sheet
from tako.lint.walk import subscriptions_of
from tako.records import record
from tako.repos.hosts import Identity, is_named


@record
class _Link:
    """One place of a file by which some of its workflows trigger another."""

    at: int
    emitters: tuple[str, ...]
    workflow: str


def self_triggers(sheet: Sheet, config: RepoConfig, own: Identity | None) -> Iterator[Finding]:
    """Subscriptions and dependents by which a workflow runs because of itself; ``own`` is who the repository is."""
    if own is None:
        return
    links = [*_subscribed(sheet, config, own), *_depending(sheet, config, own)]
    next_of: dict[str, set[str]] = {}
    for link in links:
        for emitter in link.emitters:
            next_of.setdefault(emitter, set()).add(link.workflow)
    for link in links:
        way = next((way for name in link.emitters if (way := _way(link.workflow, name, next_of))), ())
        if way:
            chain = " -> ".join((*way, way[0]))
            what = f"workflow {quoted(link.workflow)} triggers itself, which Tako refuses when it happens: {chain}"
            yield Finding(*sheet.position(link.at), "self-trigger", what)


def _subscribed(sheet: Sheet, config: RepoConfig, own: Identity) -> Iterator[_Link]:
    for one, node in zip(config.subscriptions, subscriptions_of(sheet.root), strict=False):
        if one.enabled and is_named(own, one.repo):
            heard = {
                each.name: any(names_any(one.events, type_) for type_ in _types(each)) for each in config.workflows
            }
            yield _Link(node.start, tuple(name for name, is_heard in heard.items() if is_heard), one.workflow)


def _depending(sheet: Sheet, config: RepoConfig, own: Identity) -> Iterator[_Link]:
    """Dependents listen for every event."""
    emitters = tuple(each.name for each in config.workflows if _types(each))
    for index, dependent in enumerate(config.dependents):
        if is_named(own, dependent.repo):
            _, node = sheet.find(("dependents", index))
            yield from (_Link(node.start, emitters, workflow) for workflow in dependent.workflows)


def _types(workflow: WorkflowSpec) -> list[str]:
    """The types of the events that a workflow emits, as far as they are known."""
    types = [str(step.params.get("event_type", "")) for step in workflow.steps if step.uses == FAN_OUT]
    return [type_ for type_ in types if not is_template(type_)]


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
