"""What a reader should know of how an event was matched: warnings, and what ``--strict`` makes a failure. Pure."""

from __future__ import annotations

from tako.fanout.plan import MAX_DEPTH, WARN_DEPTH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tako.execution.event import Event
    from tako.fanout.discovery import Discovery

MAX_NAMED = 3
"""How many of those that share a reason are named; the others are counted."""


def warnings_of(found: Discovery, event: Event, depth: int = 0) -> tuple[str, ...]:
    """The warnings of one fan-out; those that share a reason are one, with their number.

    ``depth`` is how many fan-outs are below each other, if there is one below this one.
    """
    warnings = [*_serious(found, event)]
    warnings += [f"{each.where}: {each.repo}:{each.workflow} does not run: {each.why}" for each in found.missing]
    warnings += found.uncommitted
    if depth >= WARN_DEPTH:
        warnings.append(f"{depth} fan-outs below each other; at most {MAX_DEPTH} are allowed")
    return tuple(warnings)


def strict_refusal(found: Discovery, event: Event) -> str:
    """Why a fan-out must not happen with ``--strict``; empty if it may."""
    what = []
    if found.unreadable:
        what.append("a repository's tako.yml cannot be read")
    if found.undecided:
        what.append("whether a subscription hears the event cannot be decided")
    if found.nearly:
        what.append("a subscription nearly hears the event")
    return f"{', '.join(what)}, and --strict was given: {'; '.join(_serious(found, event))}" if what else ""


def _serious(found: Discovery, event: Event) -> list[str]:
    """What may keep somebody from running who should."""
    warnings = [f"{item.identity}: {item.error}" for item in found.unreadable]
    undecided = grouped((each.verdict.why, (each.label, each.where)) for each in found.undecided)
    for why, whom in undecided.items():
        if len(whom) == 1:
            label, where = whom[0]
            warnings.append(f"{where}: {label} does not run: {why}")
        else:
            warnings.append(f"{len(whom)} subscriptions do not run: {why}: {named(whom)}")
    nearly = grouped((each.question, (each.label, each.where)) for each in found.nearly)
    for question, whom in nearly.items():
        emitted = f"{event.source} emitted `{event.type}` for `{event.artifact}`"
        if len(whom) == 1:
            label, where = whom[0]
            warnings.append(f"nearly: {where}: {label} {question} ({emitted})")
        else:
            plural = f"{len(whom)} subscriptions {question.replace('listens', 'listen', 1)}"
            warnings.append(f"nearly: {plural} ({emitted}): {named(whom)}")
    return warnings


def grouped(pairs: Iterable[tuple[str, tuple[str, str]]]) -> Mapping[str, list[tuple[str, str]]]:
    """Pairs of a reason and whom it concerns (label and place) by reason, in the order in which these come."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for reason, whom in pairs:
        groups.setdefault(reason, []).append(whom)
    return groups


def named(whom: list[tuple[str, str]]) -> str:
    """Some of those that share a reason, and how many more there are."""
    shown = ", ".join(f"{label} ({where})" for label, where in whom[:MAX_NAMED])
    more = len(whom) - MAX_NAMED
    return f"{shown} and {more} more" if more > 0 else shown
