"""``tako workspace``."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections import Counter

import click

from tako.cli.runs import NEVER_BEGUN, complete_runs, find_run, root_runs
from tako.cli.status import INTERRUPTED, outcome_word
from tako.cli.target import make_wiring
from tako.directories import measure
from tako.errors import LockTimeoutError, MachineError, StateError, UsageError
from tako.execution.request import read_request
from tako.execution.retention import FoundRun, Retention, age, is_old_enough, why_kept
from tako.execution.state import FAILED, SUCCESS
from tako.execution.workspace import root_workspace, workspaces_dir
from tako.fanout.history import read_history
from tako.fanout.journal import last_entry
from tako.quantities import shown_size
from tako.records import record, replace, to_data
from tako.settings import parse_age
from tako.stdio import say, show
from tako.workspaces import TRASH, Removed, cleaning, discard, empty, last_active, trash, who_works

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from tako.clock import Clock
    from tako.errors import TakoError
    from tako.execution.workspace import Workspace
    from tako.wiring import Wiring

UNREADABLE = "unreadable"
HALF_REMOVED = "half removed"

HEADINGS = ("RUN", "SIZE", "ON DISK", "AGE", "OUTCOME", "TRIGGERED", "WORKFLOW")

MAX_NAMED = 20
"""Things in one run's directory that could not be removed and are named."""

PROGRESS_AFTER_SECONDS = 1.0

AUTOMATIC_RUNS = 10
"""Removed at the end of one ``tako exec``, at most."""

AUTOMATIC_SECONDS = 2.0
"""After which no further run is removed at the end of a ``tako exec``."""

LIST_EPILOG = """\b
Examples:
  tako workspace list
  tako workspace list --json
"""

CLEAN_EPILOG = """\b
Examples:
  tako workspace clean --dry-run
  tako workspace clean --older-than 7d --keep-failed
  tako workspace clean --older-than 0
  tako workspace clean exec-20261123-181803-0a1b2c3d
"""


@click.group(epilog="""\b
Examples:
  tako workspace list
  tako workspace clean --older-than 7d --dry-run
""")  # fmt: skip
def workspace() -> None:
    """Show and remove what runs have left on the disk: their state, logs, artifacts and checkouts."""


@record
class Row:
    """One root run's directory, in the names of ``--json``."""

    run_id: str
    path: str
    size_bytes: int
    """What its files hold."""
    disk_bytes: int
    """What is free on the disk when it is gone."""
    age_seconds: float
    """Since it last did something."""
    outcome: str
    triggered: int | None
    """How many runs it triggered, in all; None if that cannot be read."""
    repository: str | None
    workflow: str | None


@workspace.command("list", epilog=LIST_EPILOG, short_help="Show the directories of all runs.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def list_(as_json: bool) -> int:
    """Show the directories of all root runs, the latest first, with those of the runs that they triggered.

    SIZE is what the files hold, ON DISK what is free when they are gone (what is shared with the cache does not count),
    AGE the time since the run last did something.
    """
    wiring = make_wiring()
    home, now = wiring.settings.home, wiring.clock.now()
    run_ids = root_runs(home)
    rows = []
    with _progress(wiring.clock, len(run_ids)) as tell:
        for number, run_id in enumerate(run_ids):
            tell(number)
            # One that is removed meanwhile is no row.
            with contextlib.suppress(MachineError):
                rows.append(_row(root_workspace(home, run_id), now))
        left = [measure(path).disk for path in trash(home)]
    if as_json:
        show(json.dumps([to_data(row) for row in rows], indent=2) + "\n")
    elif rows:
        total = sum(row.disk_bytes for row in rows)
        show("\n".join([*_aligned(rows), f"{len(rows)} in all, {shown_size(total)} on the disk"]) + "\n")
    else:
        say(f"no runs in {workspaces_dir(home)}\n")
    if left:
        say(f"and {shown_size(sum(left))} that somebody began to remove; `tako workspace clean` removes the rest\n")
    return 0


@workspace.command(epilog=CLEAN_EPILOG, short_help="Remove the directories of runs.")
@click.argument("run_ids", nargs=-1, metavar="[RUN_ID]...", shell_complete=complete_runs)
@click.option(
    "--older-than", metavar="AGE",
    help="Remove runs that have done nothing for so long, like 7d or 12h; 7d by default, 0 for all.",
)  # fmt: skip
@click.option("--keep-failed/--no-keep-failed", default=None, help="Keep what has not succeeded.")
@click.option("--dry-run", is_flag=True, help="Print what would be removed, and remove nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def clean(
    run_ids: tuple[str, ...], *, older_than: str | None, keep_failed: bool | None, dry_run: bool, as_json: bool
) -> int:
    """Remove the directories of old runs, or of the runs RUN_ID, with those of the runs that they triggered.

    What is not asked for by options is as the settings say. A run that is alive is never touched. Exits with 3 if
    something could not be removed, after everything else has been.
    """
    if run_ids and (older_than is not None or keep_failed is not None):
        raise UsageError("RUN_ID and --older-than or --keep-failed exclude each other", cure="leave out one of them")
    wiring = make_wiring(working_in=".")
    retention = wiring.settings.retention
    if older_than is not None:
        retention = replace(retention, older_than=_age(older_than))
    if keep_failed is not None:
        retention = replace(retention, keep_failed=keep_failed)
    named = tuple(dict.fromkeys(os.path.basename(find_run(wiring.settings.home, each).path) for each in run_ids))
    wiring.end_left_behind(lambda text: say(f"{text}\n"))
    cleaner = _Cleaner(wiring, quiet=as_json, dry_run=dry_run)
    if os.path.isdir(workspaces_dir(wiring.settings.home)):
        with _alone(wiring) if not dry_run else contextlib.nullcontext():
            cleaner.empty_trash()
            if named:
                cleaner.remove(named)
            else:
                cleaner.remove_by(retention)
    if as_json:
        show(json.dumps(cleaner.data(), indent=2) + "\n")
    else:
        show(cleaner.summary() + "\n")
    return cleaner.exit_code


def _alone(wiring: Wiring) -> contextlib.AbstractContextManager[None]:
    return cleaning(wiring.settings.home, clock=wiring.clock, waiting=lambda text: say(f"{text}\n"))


def clean_automatically(wiring: Wiring, *, sparing: str) -> None:
    """Remove some of the runs that the retention lets go, if that is to be done at the end of each run.

    Quick, silent, and never an error: what does not work now may work the next time. ``sparing`` is the run that has
    just ended.
    """
    settings = wiring.settings
    retention = settings.retention
    if not retention.automatic:
        return
    began = wiring.clock.monotonic()
    removed = 0
    with contextlib.suppress(MachineError, LockTimeoutError, OSError), cleaning(settings.home, clock=wiring.clock):
        now = wiring.clock.now()
        for run_id in reversed(root_runs(settings.home)):
            if removed >= AUTOMATIC_RUNS or wiring.clock.monotonic() - began > AUTOMATIC_SECONDS:
                return
            if run_id == sparing:
                continue
            with contextlib.suppress(MachineError, UsageError):
                found = root_workspace(settings.home, run_id)
                idle = now - last_active(found)
                if not is_old_enough(idle, retention):
                    continue
                if why_kept(FoundRun(run_id, idle, outcome_of(found)), retention) is None:
                    discard(settings.home, found, clock=wiring.clock)
                    removed += 1


def outcome_of(found: Workspace) -> str:
    """What became of a run, or ``unreadable``; of most from the end of their journal alone."""
    if not found.has_begun:
        return NEVER_BEGUN
    last = last_entry(found.journal)
    if last is not None and last.type == "finished":
        if last.data["interrupted_by"] is not None:
            return INTERRUPTED
        return SUCCESS if last.data["ok"] else FAILED
    try:
        return outcome_word(read_history(found), found)
    except StateError:
        return UNREADABLE


class _Cleaner:
    """Removes runs, one after another, and keeps account."""

    def __init__(self, wiring: Wiring, *, quiet: bool, dry_run: bool) -> None:
        self._home = wiring.settings.home
        self._clock = wiring.clock
        self._now = wiring.clock.now()
        self._quiet = quiet
        self._dry_run = dry_run
        self._removed: list[dict[str, Any]] = []
        self._kept: dict[str, str] = {}
        self._failed: list[dict[str, str]] = []
        self._freed = 0
        self.exit_code = 0

    def empty_trash(self) -> None:
        """Remove what somebody had begun to remove."""
        for path in trash(self._home):
            run_id = os.path.basename(path).removeprefix(TRASH)
            done = Removed(measure(path).disk) if self._dry_run else empty(path)
            self._account(FoundRun(run_id, 0.0, HALF_REMOVED), done)

    def remove(self, run_ids: Iterable[str]) -> None:
        """Remove these runs, unless somebody is at work on them."""
        for run_id in run_ids:
            self._remove(run_id, None)

    def remove_by(self, retention: Retention) -> None:
        """Remove the runs that nobody wants to keep."""
        for run_id in root_runs(self._home):
            self._remove(run_id, retention)

    def _remove(self, run_id: str, retention: Retention | None) -> None:
        found = root_workspace(self._home, run_id)
        try:
            idle = self._now - last_active(found)
            alive = who_works(self._home, found) is not None
            run = FoundRun(run_id, idle, outcome_of(found), alive)
            why = why_kept(run, retention) if retention is not None else None
            if why is not None:
                self._kept[run_id] = why
            elif not self._dry_run:
                self._account(run, discard(self._home, found, clock=self._clock))
            elif alive:
                raise UsageError(f"{run_id} is alive")
            else:
                self._account(run, Removed(measure(found.path).disk))
        except UsageError as error:
            self._fail(run_id, found.path, error)
        except MachineError as error:
            # Somebody may have removed it in between.
            if os.path.lexists(found.path):
                self._fail(run_id, found.path, error)

    def _fail(self, run_id: str, path: str, error: TakoError) -> None:
        self._failed.append({"run_id": run_id, "path": path, "why": error.what})
        self.exit_code = max(self.exit_code, error.exit_code)
        say(f"error: {error}\n")

    def _account(self, run: FoundRun, done: Removed) -> None:
        self._freed += done.freed
        for each in done.unremoved:
            self._failed.append({"run_id": run.run_id, "path": each.path, "why": each.why})
        if done.unremoved:
            self.exit_code = MachineError.exit_code
            say("".join(f"error: cannot remove {each.path}: {each.why}\n" for each in done.unremoved[:MAX_NAMED]))
            if len(done.unremoved) > MAX_NAMED:
                say(f"and {len(done.unremoved) - MAX_NAMED} more in {run.run_id}\n")
            return
        self._removed.append({"run_id": run.run_id, "outcome": run.outcome, "freed_bytes": done.freed})
        if not self._quiet:
            since = "" if run.outcome == HALF_REMOVED else f", {age(run.idle_seconds)} old"
            verb = "would remove" if self._dry_run else "removed"
            show(f"{verb} {run.run_id} ({run.outcome}{since}, {shown_size(done.freed)})\n")

    def summary(self) -> str:
        """What was done, in one line."""
        would, gone = ("would free", "to remove") if self._dry_run else ("freed", "removed")
        parts = [f"{len(self._removed)} {gone}", f"{len(self._kept)} kept"]
        reasons = Counter(self._kept.values())
        told = "".join(f"\n  kept {count}: {why}" for why, count in sorted(reasons.items()))
        return f"{would} {shown_size(self._freed)}; {', '.join(parts)}{told}"

    def data(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "dry_run": self._dry_run,
            "freed_bytes": self._freed,
            "removed": self._removed,
            "kept": [{"run_id": run_id, "why": why} for run_id, why in self._kept.items()],
            "failed": self._failed,
        }


def _row(found: Workspace, now: float) -> Row:
    idle = now - last_active(found)
    size = measure(found.path)
    row = Row(
        run_id=os.path.basename(found.path),
        path=found.path,
        size_bytes=size.apparent,
        disk_bytes=size.disk,
        age_seconds=round(idle, 3),
        outcome=UNREADABLE if found.has_begun else NEVER_BEGUN,
        triggered=None,
        repository=None,
        workflow=None,
    )
    with contextlib.suppress(StateError):
        request = read_request(found.request)
        row = replace(row, repository=request.repo, workflow=request.workflow.name)
        history = read_history(found)
        row = replace(row, outcome=outcome_word(history, found), triggered=len(history.outcomes) - 1)
    return row


def _aligned(rows: Iterable[Row]) -> list[str]:
    lines = [HEADINGS]
    for row in rows:
        label = "-" if row.repository is None else f"{row.repository}:{row.workflow}"
        triggered = "-" if row.triggered is None else str(row.triggered)
        sizes = shown_size(row.size_bytes), shown_size(row.disk_bytes)
        lines.append((row.run_id, *sizes, age(row.age_seconds), row.outcome, triggered, label))
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


@contextlib.contextmanager
def _progress(clock: Clock, total: int) -> Iterator[Callable[[int], None]]:
    """Tells a person at a terminal how many of ``total`` are done, if that takes long."""
    began = clock.monotonic()
    told = False

    def tell(done: int) -> None:
        nonlocal told
        if sys.stderr.isatty() and clock.monotonic() - began >= PROGRESS_AFTER_SECONDS:
            say(f"\rmeasured {done} of {total} workspaces")
            told = True

    try:
        yield tell
    finally:
        if told:
            say("\r\x1b[K")


def _age(text: str) -> float:
    try:
        return parse_age(text)
    except ValueError as error:
        raise UsageError(f"--older-than: {error}", cure="write --older-than 7d") from error
