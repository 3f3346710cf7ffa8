"""A tree of runs as lines of text: who ran, how it ended, how long, what it counted, who triggered it. Pure."""

from __future__ import annotations

from tako.clock import duration
from tako.execution.failure import INTERRUPTED
from tako.fanout.result import PENDING
from tako.records import record
from tako.report.style import Line, cells, cut
from tako.report.words import MARKS, named_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tako.fanout.result import ChildOutcome

COUNTED = "passed"
"""The name of the output that the tree shows: how many tests passed."""


NOT_STARTED = "not started"
MAX_NOT_STARTED = 3
"""Runs below one other that have not started and have lines of their own; more of them have one together."""

_ENDED = ("success", "failed", "cancelled", "skipped")
_RANKS = {"failed": 0, INTERRUPTED: 1, "cancelled": 2, NOT_STARTED: 4}
"""Failures come first among those below one other, what has not started last."""


def word_of(run: ChildOutcome) -> str:
    """How a run ended, for a reader: its status, or ``interrupted`` or ``not started`` where that says more."""
    if run.failure is not None and run.failure.kind == INTERRUPTED:
        return INTERRUPTED
    if run.status == PENDING:
        return NOT_STARTED if run.started_at is None else INTERRUPTED
    return run.status


ROOM_BESIDE_NAMES = 30
"""Cells that a terminal has for what follows a run's name."""

MIN_NAME = 20


@record
class TreeLine:
    """One run, in the order in which a reader expects it."""

    branch: str
    """The drawing before the run's name."""
    outcome: ChildOutcome
    others: tuple[ChildOutcome, ...] = ()
    """More runs that have not started either, in the same line."""

    @property
    def mark(self) -> str:
        return MARKS.get(word_of(self.outcome), "?")

    @property
    def label(self) -> str:
        label = f"{self.outcome.repo}:{self.outcome.workflow}"
        if not self.others:
            return label
        named = [label, *(f"{run.repo}:{run.workflow}" for run in self.others[: MAX_NOT_STARTED - 1])]
        return f"{len(self.others) + 1} not started: {', '.join(named)} and {len(self.others) + 1 - len(named)} more"


def tree_lines(outcomes: Sequence[ChildOutcome]) -> list[TreeLine]:
    """The runs of a tree, each below the one that triggered it, failures first."""
    children: dict[str | None, list[ChildOutcome]] = {}
    known = {outcome.run_id for outcome in outcomes}
    for outcome in outcomes:
        parent = outcome.parent_id if outcome.parent_id in known else None
        children.setdefault(parent, []).append(outcome)
    lines: list[TreeLine] = []
    roots = reversed(children.get(None, []))
    pending: list[tuple[str, str, tuple[ChildOutcome, ...]]] = [("", "", (outcome,)) for outcome in roots]
    while pending:
        branch, indent, (outcome, *others) = pending.pop()
        lines.append(TreeLine(branch, outcome, tuple(others)))
        below = [] if others else _gathered(children.get(outcome.run_id, []))
        for position, group in reversed(list(enumerate(below))):
            last = position == len(below) - 1
            corner, deeper = ("└─ ", "   ") if last else ("├─ ", "│  ")
            pending.append((indent + corner, indent + deeper, group))
    return lines


def _gathered(runs: Sequence[ChildOutcome]) -> list[tuple[ChildOutcome, ...]]:
    """The runs below one other as they have lines."""
    ranked = sorted(runs, key=lambda run: _RANKS.get(word_of(run), 3))
    begun = [run for run in ranked if word_of(run) != NOT_STARTED]
    others = ranked[len(begun) :]
    together = [tuple(others)] if len(others) > MAX_NOT_STARTED else [(run,) for run in others]
    return [*((run,) for run in begun), *together]


def render_tree(
    outcomes: Sequence[ChildOutcome],
    causes: Mapping[str, str],
    *,
    since: float | None = None,
    width: int | None = None,
) -> list[Line]:
    """The tree as aligned lines.

    ``causes`` maps an event's id to its type. ``since`` is when the tree was resumed, in seconds since the epoch;
    ``width`` how many cells a line may have.
    """
    lines = tree_lines(outcomes)
    longest = max((cells(line.branch) + cells(line.label) for line in lines if not line.others), default=0)
    if width is not None:
        longest = min(longest, max(width - ROOM_BESIDE_NAMES, MIN_NAME))
    return [_render(line, longest, causes, since) for line in lines]


def _render(line: TreeLine, width: int, causes: Mapping[str, str], since: float | None) -> Line:
    outcome = line.outcome
    head = f"{line.mark} {line.branch}{line.label}"
    if line.others:
        return Line(head, status=NOT_STARTED, head=len(head), may_be_cut=True)
    head = cut(head, width + 2)
    parts = [f"{' ' * (width + 2 - cells(head))}  {duration(outcome.seconds):>7}"]
    counted = counts(outcome)
    if counted:
        parts.append(f"{counted} passed")
    if outcome.event_id and outcome.event_id in causes:
        parts.append(f"after {causes[outcome.event_id]}")
    if outcome.failure is not None:
        parts.append(outcome.failure.kind)
    elif word_of(outcome) not in ("success", "failed"):
        parts.append(word_of(outcome))
    if outcome.delivered_by is not None:
        parts.append(f"delivered by {outcome.delivered_by}")
    if outcome.cached:
        parts.append(f"cached: {', '.join(named_step(step_id, outcome.step_names) for step_id in outcome.cached)}")
    if outcome.attempts:
        parts.append(tries(outcome))
    if since is not None and outcome.status in _ENDED and (outcome.ended_at is None or outcome.ended_at < since):
        # A resumed tree does not know when what ended before it did.
        parts.append("in an earlier attempt")
    return Line(head + "  ".join(parts), status=word_of(outcome), head=len(head), may_be_cut=True)


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


def counted_by_status(outcomes: Iterable[ChildOutcome]) -> str:
    """``2 failed, 6 interrupted, 52 not started``."""
    words = [word_of(outcome) for outcome in outcomes]
    return ", ".join(f"{words.count(word)} {word}" for word in sorted(set(words)))
