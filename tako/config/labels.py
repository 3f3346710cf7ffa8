"""What to call a place of a ``tako.yml`` in a message."""

from __future__ import annotations

from collections.abc import Iterator

from tako.config.problems import Path, Problem, quoted

_NOUNS = {
    "workflows": "workflow",
    "artifacts": "artifact",
    "events": "event",
    "inputs": "input",
    "steps": "step",
    "subscriptions": "subscription",
    "dependents": "dependent",
    "payload": "field",
    "outputs": "output",
    "env": "variable",
    "filters": "filter",
    "on_failure": "on_failure step",
    "finally": "finally step",
}


def label(path: Path) -> str:
    """``'shell' of step 2 of workflow 'release'``; what has no name is counted from 1."""
    parts = []
    index = 0
    while index < len(path):
        word = path[index]
        noun = _NOUNS.get(str(word))
        if noun and index + 1 < len(path):
            key = path[index + 1]
            parts.append(f"{noun} {key + 1 if isinstance(key, int) else quoted(key)}")
            index += 2
        else:
            parts.append(f"item {word + 1}" if isinstance(word, int) else quoted(word))
            index += 1
    return " of ".join(reversed(parts))


def inside(path: Path) -> str:
    """``in workflow 'release'``, or ``at the top level``."""
    return f"in {label(path)}" if path else "at the top level"


def fault(path: Path, what: str, value: str | None = None, *, on_key: bool = False) -> Iterator[Problem]:
    """The problem that a rule found in a value, or in the name at the end of a path; none if ``what`` is empty."""
    if what:
        given = "" if value is None else f" (got {quoted(value)})"
        yield Problem(path, f"{label(path)} {what}{given}", on_key)
