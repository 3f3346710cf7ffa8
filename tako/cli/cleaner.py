"""Removes runs' directories, one after another, and keeps account: for ``tako workspace clean`` and after a run."""

from __future__ import annotations

import contextlib
import os
from collections import Counter

from tako.cli.runs import INTERRUPTED, NEVER_BEGUN, UNREADABLE, outcome_word, root_runs
from tako.directories import measure
from tako.errors import LockTimeoutError, MachineError, StateError, UsageError
from tako.execution.retention import FoundRun, Retention, age, is_old_enough, why_kept
from tako.execution.state import FAILED, SUCCESS
from tako.execution.workspace import root_workspace
from tako.fanout.history import read_history
from tako.fanout.journal import last_entry
from tako.quantities import shown_size
from tako.stdio import say, show
from tako.workspaces import TRASH, Removed, cleaning, discard, empty, last_active, trash, who_works

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from tako.errors import TakoError
    from tako.execution.workspace import Workspace
    from tako.wiring import Wiring

HALF_REMOVED = "half removed"

MAX_NAMED = 20
"""Things in one run's directory that could not be removed and are named."""

AUTOMATIC_RUNS = 10
"""Removed at the end of one ``tako exec``, at most."""

AUTOMATIC_SECONDS = 2.0
"""After which no further run is removed at the end of a ``tako exec``."""


class Cleaner:
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
