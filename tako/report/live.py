"""A tree of runs that moves, for a terminal: who is at work on what, for how long, what has failed.

Loaded only on a terminal, since rich takes 90 ms. What it shows is bounded by the terminal's height, so that a redraw
costs the same with 5,000 runs as with 50.
"""

from __future__ import annotations

import signal
import threading
import time

from rich.console import Console
from rich.live import Live
from rich.text import Text

from tako.clock import duration
from tako.records import record, replace
from tako.report.plain import plan_lines
from tako.report.words import MARKS, failure_title

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import TextIO

    from tako.children.base import StepUpdate
    from tako.execution.request import RunRequest
    from tako.fanout.plan import Plan
    from tako.fanout.result import ChildOutcome

REDRAWS_PER_SECOND = 8
WORKING = "running"
WAITING = "waiting"
PENDING = "pending"
FAILED = "failed"

_STYLES = {"success": "green", FAILED: "bold red", WORKING: "cyan", WAITING: "dim", PENDING: "dim"}


@record
class Row:
    """One run, as the live tree shows it."""

    label: str
    parent_id: str | None
    depth: int
    status: str = PENDING
    step: str = ""
    since: float = 0.0
    """When it began to work this time, on the monotonic clock."""
    seconds: float = 0.0
    """At work before that."""


@record
class View:
    """What fits on the screen."""

    rows: tuple[Row, ...]
    hidden: Mapping[str, int]
    """How many runs of each status are not shown."""


def visible(rows: Mapping[str, Row], order: Sequence[str], limit: int) -> View:
    """Choose at most ``limit`` runs: all if they fit, else those at work, then the failed, then those that wait.

    ``order`` lists the ids of runs in the order of the tree.
    """
    if len(order) <= limit:
        return View(tuple(rows[run_id] for run_id in order), {})
    by_weight = {WORKING: 0, FAILED: 1, WAITING: 2}
    worth = [run_id for run_id in order if rows[run_id].status in by_weight]
    worth.sort(key=lambda run_id: by_weight[rows[run_id].status])
    chosen = set(worth[:limit])
    hidden: dict[str, int] = {}
    for run_id in order:
        if run_id not in chosen:
            status = rows[run_id].status
            hidden[status] = hidden.get(status, 0) + 1
    return View(tuple(rows[run_id] for run_id in order if run_id in chosen), hidden)


class LiveReporter:
    """A ``TreeObserver`` that redraws; a context manager that leaves the terminal as it was.

    The tree goes away at the end: the summary shows the final one.
    """

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream)
        self._lock = threading.Lock()
        self._rows: dict[str, Row] = {}
        self._order: list[str] = []
        self._live = Live(
            console=self._console,
            get_renderable=self.render,
            refresh_per_second=REDRAWS_PER_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> LiveReporter:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def render(self) -> Text:
        """The tree as it is now; called by rich's thread."""
        with self._lock:
            view = visible(self._rows, self._order, max(3, self._console.height - 4))
        now = time.monotonic()
        lines = [_line(row, now) for row in view.rows]
        if view.hidden:
            hidden = ", ".join(f"{count} {status}" for status, count in sorted(view.hidden.items()))
            lines.append(Text(f"… and {hidden}", style="dim"))
        return Text("\n", no_wrap=True, overflow="ellipsis").join(lines)

    def run_started(self, request: RunRequest, *, resumed: bool) -> None:
        """A run is at work, for the first time or again."""
        del resumed
        with self._lock:
            row = self._row(request)
            self._rows[request.run_id] = replace(row, status=WORKING, since=time.monotonic())

    def run_step(self, request: RunRequest, step: StepUpdate) -> None:
        """A step began or ended; those of the root stay on the screen."""
        ended = step.status not in (WORKING, "suspended")
        with self._lock:
            row = self._rows[request.run_id]
            self._rows[request.run_id] = replace(row, step="" if ended else step.id)
        if ended and request.parent_id is None:
            mark = MARKS.get(step.status, "?")
            self._print(f"{mark} step '{step.id}' {step.status} ({duration(step.seconds)})")

    def run_waiting(self, request: RunRequest) -> None:
        """A run has left work until its fan-out has ended."""
        with self._lock:
            row = self._rows[request.run_id]
            spent = row.seconds + time.monotonic() - row.since
            self._rows[request.run_id] = replace(row, status=WAITING, seconds=spent)

    def run_ended(self, outcome: ChildOutcome) -> None:
        """A run has ended."""
        with self._lock:
            row = self._rows[outcome.run_id]
            self._rows[outcome.run_id] = replace(row, status=outcome.status, step="", seconds=outcome.seconds)
        if outcome.failure is not None and outcome.parent_id is not None:
            self._print(f"{MARKS[FAILED]} {row.label} ({outcome.run_id}): {failure_title(outcome.failure)}")

    def planned(self, plan: Plan, emitter: RunRequest) -> None:
        """An event was planned: its runs come below their emitter."""
        with self._lock:
            place = self._order.index(emitter.run_id) + 1
            runs = [planned.request for planned in plan.runs]
            self._order[place:place] = [request.run_id for request in runs]
            for request in runs:
                self._row(request)
        if plan.warnings or not plan.runs:
            for line in plan_lines(plan, emitter, verbose=False):
                self._print(line)

    def interrupted(self, signal_number: int) -> None:
        """A signal asked the tree to stop."""
        self._print(f"{signal.Signals(signal_number).name}: stopping; waiting for what is at work to end")

    def _row(self, request: RunRequest) -> Row:
        """The run's row, made if it is new; with the lock held."""
        if request.run_id not in self._rows:
            self._rows[request.run_id] = Row(request.label, request.parent_id, request.depth)
            if request.parent_id is None:
                self._order.append(request.run_id)
        return self._rows[request.run_id]

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def _line(row: Row, now: float) -> Text:
    seconds = row.seconds + (now - row.since if row.status == WORKING else 0.0)
    took = f"  {duration(seconds)}" if row.status != PENDING else ""
    step = f"  {row.step}" if row.step else ""
    return Text.assemble(
        "  " * row.depth,
        (f"{MARKS.get(row.status, '?')} {row.label}", _STYLES.get(row.status, "")),
        (f"{took}{step}", "dim"),
    )
