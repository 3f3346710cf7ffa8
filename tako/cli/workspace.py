"""``tako workspace``."""

from __future__ import annotations

import contextlib
import json
import os
import sys

import click

from tako.cli.cleaner import Cleaner
from tako.cli.find import find_run
from tako.cli.runs import NEVER_BEGUN, UNREADABLE, complete_runs, outcome_word, root_runs
from tako.cli.target import make_wiring
from tako.directories import measure
from tako.errors import MachineError, StateError, UsageError
from tako.execution.request import read_request
from tako.execution.retention import age
from tako.execution.workspace import root_workspace, workspaces_dir
from tako.fanout.history import read_history
from tako.quantities import shown_size
from tako.records import record, replace, to_data
from tako.settings import parse_age
from tako.stdio import say, say_line, show
from tako.workspaces import cleaning, last_active, trash

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tako.clock import Clock
    from tako.execution.workspace import Workspace
    from tako.wiring import Wiring

HEADINGS = ("RUN", "SIZE", "ON DISK", "AGE", "OUTCOME", "TRIGGERED", "WORKFLOW")

PROGRESS_AFTER_SECONDS = 1.0

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
    "--older-than", metavar="DURATION",
    help="Remove runs that have done nothing for so long, like 7d or 12h; by default 7d, and with 0 all.",
)  # fmt: skip
@click.option("--keep-failed/--no-keep-failed", default=None, help="Keep what has not succeeded.")
@click.option("--dry-run", is_flag=True, help="Print what would be removed, and remove nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def clean(
    run_ids: tuple[str, ...], *, older_than: str | None, keep_failed: bool | None, dry_run: bool, as_json: bool
) -> int:
    """Remove the directories of old runs, or of the runs RUN_ID, with those of the runs that they triggered.

    Options not given come from the settings. A run that is alive is never touched. Exits with 3 if
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
    for_child = "remove it with its whole tree: `tako workspace clean {root}`"
    roots = (find_run(wiring.settings.home, each, for_child=for_child) for each in run_ids)
    named = tuple(dict.fromkeys(os.path.basename(root.path) for root in roots))
    wiring.end_left_behind(say_line)
    cleaner = Cleaner(wiring, quiet=as_json, dry_run=dry_run)
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
    return cleaning(wiring.settings.home, clock=wiring.clock, waiting=say_line)


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
