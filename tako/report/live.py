"""A tree of runs that moves, for a terminal: who is at work on what, for how long, what has failed.

Loaded only on a terminal, since rich takes 90 ms. What it shows is bounded by the terminal's height, so that a redraw
costs the same with 5,000 runs as with 50.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from itertools import chain, islice
from typing import cast

from rich.console import Console
from rich.live import Live
from rich.text import Text

from tako.clock import duration
from tako.records import record, replace
from tako.report.echo import LineEcho
from tako.report.plain import interruption_line, is_interrupted, plan_lines, restored_line, retry_line, warning_lines
from tako.report.steps import update_line
from tako.report.style import COLORS
from tako.report.words import MARKS, failure_title, listed_step, quoted_step, shown
from tako.stdio import silence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Any, TextIO

    from tako.children.base import StepUpdate
    from tako.execution.request import RunRequest
    from tako.fanout.plan import Plan
    from tako.fanout.result import Attempt, ChildOutcome

REDRAWS_PER_SECOND = 2
MOST_PRINTED = 5
"""Lines that are shown of what the root's step at work prints."""

WORKING = "running"
WAITING = "waiting"
PENDING = "pending"
RETRYING = "retrying"
FAILED = "failed"

SHOWN_FIRST = (WORKING, FAILED, RETRYING, WAITING)
"""Whom the screen shows when not all fit."""

WORDS = {
    WORKING: "at work",
    FAILED: "failed",
    RETRYING: "waiting to be tried again",
    WAITING: "waiting for what they triggered",
    "success": "succeeded",
    PENDING: "waiting to start",
    "cancelled": "cancelled",
    "skipped": "not triggered",
}
"""The statuses that a run can have here, and what is said of those that are not shown."""


@record
class Row:
    """One run, as the live tree shows it."""

    label: str
    parent_id: str | None
    place: tuple[int, ...]
    """Its place in the tree: its parent's, and its own among its siblings; the root's is empty."""
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


def visible(rows: Mapping[str, Mapping[str, Row]], limit: int) -> View:
    """Choose at most ``limit`` runs: all if they fit, else those at work, then the failed, then those that wait.

    ``rows`` holds the runs by status and id. The chosen come in the order of the tree. Takes time in proportion to
    ``limit``, however many runs there are.
    """
    everything = sum(len(each) for each in rows.values()) <= limit
    statuses = tuple(rows) if everything else SHOWN_FIRST
    chosen = list(islice(chain.from_iterable(rows.get(status, {}).values() for status in statuses), limit))
    hidden = {status: len(each) for status, each in rows.items()}
    for row in chosen:
        hidden[row.status] -= 1
    chosen.sort(key=lambda row: row.place)
    return View(tuple(chosen), {status: count for status, count in hidden.items() if count})


class Screen:
    """A terminal to write to; when it goes away, the run goes on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:
        return self._stream.encoding or "utf-8"

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError:
            silence(self._stream.fileno())
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            silence(self._stream.fileno())


class LiveReporter:
    """A ``TreeObserver`` that redraws; a context manager that leaves the terminal as it was.

    The tree goes away at the end: the summary shows the final one.
    """

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=cast("TextIO", Screen(stream)))
        self._lock = threading.Lock()
        self._rows: dict[str, dict[str, Row]] = {status: {} for status in WORDS}
        self._status: dict[str, str] = {}
        self._planned = 0
        self._printed: deque[str] = deque(maxlen=MOST_PRINTED)
        """The last lines of the root's step at work."""
        self.echo = LineEcho(self._root_printed)
        """Shows what the root's steps print, below the tree while they are at work."""
        self._warned: set[str] = set()
        self._is_interrupted = False
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
            printed = list(self._printed)
            view = visible(self._rows, max(3, self._console.height - 4 - len(printed)))
        now = time.monotonic()
        lines = [_line(row, now) for row in view.rows]
        if view.hidden:
            hidden = ", ".join(f"{count} more {WORDS.get(status, status)}" for status, count in view.hidden.items())
            lines.append(Text(f"… {hidden}", style="dim"))
        lines += [Text(f"  │ {line}", style="dim") for line in printed]
        return Text("\n", no_wrap=True, overflow="ellipsis").join(lines)

    def run_started(self, request: RunRequest, *, resumed: bool) -> None:
        """A run is at work, for the first time or again."""
        del resumed
        with self._lock:
            if request.parent_id is None and request.run_id not in self._status:
                self._keep(request.run_id, Row(request.label, None, ()))
            self._change(request.run_id, status=WORKING, since=time.monotonic())

    def run_step(self, request: RunRequest, step: StepUpdate) -> None:
        """A step began or ended; those of the root stay on the screen."""
        ended = step.status not in (WORKING, RETRYING, "suspended")
        names = request.workflow.step_names
        again = f" (again after try {step.attempt})" if step.status == RETRYING else ""
        shown = f"{listed_step(step.id, names)}{again}"
        with self._lock:
            self._change(request.run_id, step="" if ended else shown)
            if request.parent_id is None:
                self._printed.clear()
        if (ended or step.status == RETRYING) and request.parent_id is None:
            self._print(update_line(f"step {quoted_step(step.id, names)}", step))

    def run_waiting(self, request: RunRequest) -> None:
        """A run has left work until its fan-out has ended."""
        with self._lock:
            row = self._row(request.run_id)
            self._change(request.run_id, status=WAITING, seconds=row.seconds + time.monotonic() - row.since)

    def run_ended(self, outcome: ChildOutcome) -> None:
        """A run has ended."""
        with self._lock:
            row = self._change(outcome.run_id, status=outcome.status, step="", seconds=outcome.seconds)
        stopped = self._is_interrupted and is_interrupted(outcome)
        if outcome.failure is not None and outcome.parent_id is not None and not stopped:
            title = failure_title(outcome.failure, outcome.step_names)
            self._print(f"{MARKS[row.status]} {row.label} ({outcome.run_id}): {title}")

    def planned(self, plan: Plan, emitter: RunRequest) -> None:
        """An event was planned: its runs come below their emitter."""
        with self._lock:
            place = self._row(emitter.run_id).place
            for request in (planned.request for planned in plan.runs):
                self._planned += 1
                self._keep(request.run_id, Row(request.label, request.parent_id, (*place, self._planned)))
        said = () if plan.runs else plan_lines(plan, emitter, verbose=False)
        for line in (*warning_lines(plan, self._warned), *said):
            self._print(line)

    def run_retrying(self, request: RunRequest, attempt: Attempt, delay: float) -> None:
        """A run crashed and will be tried again."""
        with self._lock:
            row = self._row(request.run_id)
            self._change(request.run_id, status=RETRYING, step="", seconds=row.seconds + time.monotonic() - row.since)
        self._print(retry_line(request, attempt, delay))

    def restored(self, plans: Sequence[Plan], outcomes: Sequence[ChildOutcome]) -> None:
        """A tree goes on."""
        with self._lock:
            root = outcomes[0]
            self._keep(root.run_id, Row(f"{root.repo}:{root.workflow}", None, ()))
            for request in (planned.request for plan in plans for planned in plan.runs):
                self._planned += 1
                place = (*self._row(str(request.parent_id)).place, self._planned)
                self._keep(request.run_id, Row(request.label, request.parent_id, place))
            for outcome in outcomes:
                self._change(outcome.run_id, status=outcome.status, seconds=outcome.seconds)
        self._print(restored_line(outcomes))

    def told(self, text: str) -> None:
        """A line for the reader."""
        self._print(text)

    def interrupted(self, signal_number: int, *, working: int, again: bool) -> None:
        """A signal asked the tree to stop."""
        self._is_interrupted = True
        self._print(interruption_line(signal_number, working=working, again=again))

    def paused(self) -> None:
        """Leave the terminal to others for a while."""
        self._live.stop()

    def unpaused(self) -> None:
        """Take it again."""
        self._live.start()

    def _root_printed(self, _step_id: str, line: str) -> None:
        with self._lock:
            self._printed.append(shown(Text.from_ansi(line).plain))

    # With the lock held:

    def _row(self, run_id: str) -> Row:
        return self._rows[self._status[run_id]][run_id]

    def _keep(self, run_id: str, row: Row) -> None:
        self._status[run_id] = row.status
        self._rows.setdefault(row.status, {})[run_id] = row

    def _change(self, run_id: str, **changes: Any) -> Row:
        row = self._row(run_id)
        changed = replace(row, **changes)
        if changed.status != row.status:
            del self._rows[row.status][run_id]
        self._keep(run_id, changed)
        return changed

    def _print(self, text: str) -> None:
        # As a Text, in which nothing is taken for markup or an emoji's name.
        self._console.print(Text(shown(text)), soft_wrap=True)


def _line(row: Row, now: float) -> Text:
    seconds = row.seconds + (now - row.since if row.status == WORKING else 0.0)
    took = f"  {duration(seconds)}" if row.status != PENDING else ""
    step = f"  {row.step}" if row.step else ""
    return Text.assemble(
        "  " * len(row.place),
        (f"{MARKS.get(row.status, '?')} {row.label}", COLORS.get(row.status, "")),
        (f"{took}{step}", "dim"),
    )
