"""Subscriptions that repeat others, or listen for more than somebody may mean."""

from __future__ import annotations

from collections.abc import Iterator

from tako.config.event_globs import EVERY_TYPE, is_glob, names_any
from tako.config.model import RepoConfig, Subscription
from tako.config.problems import quoted
from tako.lint.findings import Finding
from tako.lint.syntax import Node, Sheet
from tako.lint.walk import items, resolved, subscriptions_of
from tako.records import replace


def subscription_findings(sheet: Sheet, config: RepoConfig) -> Iterator[Finding]:
    """Events that a file lists twice for a workflow, and subscriptions to every event."""
    earlier: list[Subscription] = []
    for one, node in zip(config.subscriptions, subscriptions_of(sheet.root), strict=False):
        if one.enabled:
            yield from _repeated(sheet, one, node, earlier)
            yield from _every_event(sheet, one, node)
            earlier.append(one)


def _repeated(sheet: Sheet, one: Subscription, node: Node, earlier: list[Subscription]) -> Iterator[Finding]:
    listed: list[str] = []
    for type_, place in zip(one.events, _events(sheet, node), strict=False):
        same = next((other for other in earlier if _is_alike(one, other) and _covers(other.events, type_)), None)
        position = sheet.position((place or node).start)
        if same is not None:
            runs = f"runs workflow {quoted(one.workflow)} for {quoted(type_)} already"
            what = f"the subscription in line {same.line} {runs}"
            yield Finding(*position, "repeated-subscription", what)
        elif _covers(listed, type_):
            what = f"{quoted(type_)} is in the same 'events' already"
            yield Finding(*position, "repeated-subscription", what)
        listed.append(type_)


def _every_event(sheet: Sheet, one: Subscription, node: Node) -> Iterator[Finding]:
    for type_, place in zip(one.events, _events(sheet, node), strict=False):
        if type_ in EVERY_TYPE:
            what = (
                f"{quoted(type_)} is every event of {one.repo}, also those that it may emit one day; "
                "name the events that the workflow is for"
            )
            yield Finding(*sheet.position((place or node).start), "every-event", what)
            return


def _is_alike(one: Subscription, other: Subscription) -> bool:
    """Whether two subscriptions differ in nothing but their events, inputs and places."""
    own = {"events": (), "inputs": {}, "index": 0, "line": 0}
    return replace(one, **own) == replace(other, **own)


def _covers(events: tuple[str, ...] | list[str], type_: str) -> bool:
    return type_ in events or (not is_glob(type_) and names_any(events, type_))


def _events(sheet: Sheet, node: Node) -> tuple[Node | None, ...]:
    """Where the entries of ``events`` are written."""
    found = sheet.field(node, "events")
    return tuple(resolved(item) for item in items(resolved(found[1]))) if found else ()
