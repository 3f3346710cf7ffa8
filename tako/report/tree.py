"""A tree of runs as lines of text: who ran, how it ended, how long, what it counted, who triggered it. Pure."""

from __future__ import annotations

from tako.clock import duration
from tako.records import record
from tako.report.words import MARKS, named_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tako.fanout.result import ChildOutcome

COUNTED = "passed"
"""The name of the output that the tree shows: how many tests passed."""


@record
class TreeLine:
    """One run, in the order in which a reader expects it."""

    branch: str
    """The drawing before the run's name."""
    outcome: ChildOutcome

    @property
    def mark(self) -> str:
        return MARKS.get(self.outcome.status, "?")

    @property
    def label(self) -> str:
        return f"{self.outcome.repo}:{self.outcome.workflow}"


def tree_lines(outcomes: Sequence[ChildOutcome]) -> list[TreeLine]:
    """The runs of a tree, each below the one that triggered it."""
    children: dict[str | None, list[ChildOutcome]] = {}
    known = {outcome.run_id for outcome in outcomes}
    for outcome in outcomes:
        parent = outcome.parent_id if outcome.parent_id in known else None
        children.setdefault(parent, []).append(outcome)
    lines: list[TreeLine] = []
    pending = [("", "", outcome) for outcome in reversed(children.get(None, []))]
    while pending:
        branch, indent, outcome = pending.pop()
        lines.append(TreeLine(branch, outcome))
        below = children.get(outcome.run_id, [])
        for position, child in reversed(list(enumerate(below))):
            last = position == len(below) - 1
            corner, deeper = ("└─ ", "   ") if last else ("├─ ", "│  ")
            pending.append((indent + corner, indent + deeper, child))
    return lines


def render_tree(outcomes: Sequence[ChildOutcome], causes: Mapping[str, str]) -> list[str]:
    """The tree as aligned text. ``causes`` maps an event's id to its type."""
    lines = tree_lines(outcomes)
    width = max((len(line.branch) + len(line.label) for line in lines), default=0)
    return [_render(line, width, causes) for line in lines]


def _render(line: TreeLine, width: int, causes: Mapping[str, str]) -> str:
    outcome = line.outcome
    name = f"{line.branch}{line.label}".ljust(width)
    parts = [f"{line.mark} {name}  {duration(outcome.seconds):>7}"]
    counted = counts(outcome)
    if counted:
        parts.append(f"{counted} passed")
    if outcome.event_id and outcome.event_id in causes:
        parts.append(f"after {causes[outcome.event_id]}")
    if outcome.failure is not None:
        parts.append(outcome.failure.kind)
    elif outcome.status not in ("success", "failed"):
        parts.append(outcome.status)
    if outcome.delivered_by is not None:
        parts.append(f"delivered by {outcome.delivered_by}")
    if outcome.cached:
        parts.append(f"cached: {', '.join(named_step(step_id, outcome.step_names) for step_id in outcome.cached)}")
    if outcome.attempts:
        parts.append(tries(outcome))
    return "  ".join(parts)


def tries(outcome: ChildOutcome) -> str:
    """How often a run was tried, if it has ended: ``2 tries``; else which try it is at, or next: ``try 2``."""
    number = len(outcome.attempts) + 1
    return f"{number} tries" if outcome.ended_at is not None else f"try {number}"


def counts(outcome: ChildOutcome) -> str:
    """The sum of the run's outputs named ``passed``; empty if there is none."""
    found = [values[COUNTED] for values in outcome.outputs.values() if COUNTED in values]
    numbers = [int(value) for value in found if value.isdecimal()]
    return str(sum(numbers)) if numbers else ""


def count_by_status(outcomes: Iterable[ChildOutcome]) -> dict[str, int]:
    """How many runs ended in which way."""
    totals: dict[str, int] = {}
    for outcome in outcomes:
        totals[outcome.status] = totals.get(outcome.status, 0) + 1
    return totals
