"""``tako cache``."""

from __future__ import annotations

import contextlib
import json
import os

import click

from tako.cli.target import make_wiring
from tako.directories import measure
from tako.errors import MachineError, UsageError
from tako.execution.cache_limit import Known, to_clean, to_prune
from tako.execution.retention import age
from tako.execution.step_cache import ENTRY, CachedStep, DamagedEntryError, StepCache
from tako.files import remove_tree
from tako.identity import identity_of
from tako.quantities import parse_size, shown_size
from tako.records import record
from tako.settings import parse_age
from tako.stdio import say, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from tako.wiring import Wiring

HEADINGS = ("KEY", "REPOSITORY", "STEP", "SIZE", "AGE", "LAST USED")

SHOWN_KEY = 12
"""Digits of a key in a table."""

LIST_EPILOG = """\b
Examples:
  tako cache list
  tako cache list --json
"""

CLEAN_EPILOG = """\b
Examples:
  tako cache clean --dry-run
  tako cache clean --older-than 7d
"""

PRUNE_EPILOG = """\b
Examples:
  tako cache prune
  tako cache prune --max-size 500Mi --dry-run
"""


@click.group(epilog="""\b
Examples:
  tako cache list
  tako cache clean --older-than 7d
  tako cache prune
""")  # fmt: skip
def cache() -> None:
    """Show and remove cached step results.

    Tako keeps the results of steps with `cache_key_files` in cache/steps of its home. A step whose result is
    removed runs again when it is needed next. Live runs are not harmed.
    """


@record
class Row:
    """One entry."""

    known: Known
    path: str
    entry: CachedStep | None
    """None if it cannot be read."""


@cache.command("list", epilog=LIST_EPILOG, short_help="Show what is cached.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def list_(as_json: bool) -> int:
    """Show cached step results, the last used first.

    AGE: time since the step was run. LAST USED: time since the last cache hit.
    """
    wiring = make_wiring(working_in=".")
    steps, now = StepCache(wiring.settings.home), wiring.clock.now()
    rows = sorted(_rows(steps, thorough=False), key=lambda row: -row.known.used_at)
    if as_json:
        show(json.dumps([_data(row, now) for row in rows], indent=2) + "\n")
    elif rows:
        total = shown_size(sum(row.known.size for row in rows))
        limit = shown_size(wiring.settings.cache_limit)
        counted = "1 step" if len(rows) == 1 else f"{len(rows)} steps"
        show("\n".join([*_aligned(rows, now), f"{counted}, {total}; `tako cache prune` leaves {limit}"]) + "\n")
    else:
        say(f"no steps in {steps.root}\n")
    return 0


@cache.command(epilog=CLEAN_EPILOG, short_help="Remove cached step results, all or those long unused.")
@click.option("--older-than", metavar="DURATION", help="Remove only what was not used for so long, like 7d or 12h.")
@click.option("--dry-run", is_flag=True, help="Print what would be removed, and remove nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def clean(older_than: str | None, *, dry_run: bool, as_json: bool) -> int:
    """Remove cached step results: all, or with --older-than those not used for that time.

    Exits with 3 if something could not be removed, after everything else has been.
    """
    seconds = 0.0 if older_than is None else _asked(parse_age, older_than, "--older-than", "7d")
    wiring = make_wiring()
    remover = _Remover(wiring, dry_run=dry_run, quiet=as_json)
    rows = list(_rows(remover.steps, thorough=False))
    going = set(to_clean((row.known for row in rows), now=wiring.clock.now(), older_than=seconds))
    why = "everything is to go" if older_than is None else f"it was of no use for {age(seconds)}"
    for row in rows:
        if row.known.key in going:
            remover.remove(row, why)
    return remover.finish(as_json=as_json)


@cache.command(epilog=PRUNE_EPILOG, short_help="Remove what is damaged, and what is over the limit.")
@click.option(
    "--max-size",
    metavar="SIZE",
    help="Leave at most this much, like 500Mi or 2Gi; by default 5Gi or what the settings say.",
)
@click.option("--dry-run", is_flag=True, help="Print what would be removed, and remove nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def prune(max_size: str | None, *, dry_run: bool, as_json: bool) -> int:
    """Check all that is cached, remove what is damaged, and then what was used longest ago until the rest fits.

    The limit is `cache_limit` of the settings, or TAKO_CACHE_LIMIT. Exits with 3 if something could not be removed.
    """
    limit = None if max_size is None else _asked(parse_size, max_size, "--max-size", "500Mi")
    wiring = make_wiring(working_in=".")
    remover = _Remover(wiring, dry_run=dry_run, quiet=as_json)
    rows = {row.known.key: row for row in _rows(remover.steps, thorough=True)}
    going = to_prune((row.known for row in rows.values()), wiring.settings.cache_limit if limit is None else limit)
    for key, why in going.items():
        remover.remove(rows[key], why)
    return remover.finish(as_json=as_json)


class _Remover:
    """Removes entries, and keeps account."""

    def __init__(self, wiring: Wiring, *, dry_run: bool, quiet: bool) -> None:
        self.steps = StepCache(wiring.settings.home)
        self._dry_run = dry_run
        self._quiet = quiet
        self._removed: list[dict[str, Any]] = []
        self._failed: list[dict[str, str]] = []

    def remove(self, row: Row, why: str) -> None:
        """Remove one entry, and say so."""
        if self._attempt(row.path, lambda: self.steps.remove(row.known.key)):
            entry = row.entry
            repo, step = (entry.repo, entry.step) if entry is not None else (None, None)
            self._account({"key": row.known.key, "repository": repo, "step": step}, row.known.size, why)

    def finish(self, *, as_json: bool) -> int:
        """Remove what nobody is at work on any more, sum up, and return the exit code."""
        for path, pid in list(self.steps.left_behind()):
            if identity_of(pid) is None:
                size = measure(path).disk
                if self._attempt(path, lambda path=path: remove_tree(path)):  # type: ignore[misc]
                    self._account({"key": None, "repository": None, "step": None}, size, "somebody was killed over it")
        freed = sum(item["freed_bytes"] for item in self._removed)
        if as_json:
            data = {"dry_run": self._dry_run, "freed_bytes": freed, "removed": self._removed, "failed": self._failed}
            show(json.dumps(data, indent=2) + "\n")
        else:
            verb = "would free" if self._dry_run else "freed"
            show(f"{verb} {shown_size(freed)}; {len(self._removed)} {'to remove' if self._dry_run else 'removed'}\n")
        return MachineError.exit_code if self._failed else 0

    def _attempt(self, path: str, act: Callable[[], None]) -> bool:
        if self._dry_run:
            return True
        try:
            act()
        except MachineError as error:
            self._failed.append({"path": path, "why": error.what})
            say(f"error: {error}\n")
            return False
        return True

    def _account(self, what: dict[str, Any], size: int, why: str) -> None:
        self._removed.append({**what, "freed_bytes": size, "why": why})
        if not self._quiet:
            verb = "would remove" if self._dry_run else "removed"
            name = f"{what['key'][:SHOWN_KEY]} " if what["key"] else ""
            whose = f"{what['repository']} step '{what['step']}', " if what["repository"] else ""
            show(f"{verb} {name}({whose}{shown_size(size)}): {why}\n")


def _rows(steps: StepCache, *, thorough: bool) -> Iterable[Row]:
    """The entries; with ``thorough`` their files are held against their checksums."""
    for key in steps.keys():  # noqa: SIM118  (no mapping)
        path = steps.path(key)
        entry = None
        with contextlib.suppress(DamagedEntryError):
            entry = steps.check(key) if thorough else steps.read(key)
        try:
            used_at = os.stat(os.path.join(path, ENTRY)).st_mtime
        except OSError:
            used_at = 0.0
        if os.path.lexists(path):
            yield Row(Known(key, measure(path).disk, used_at, damaged=entry is None), path, entry)


def _data(row: Row, now: float) -> dict[str, Any]:
    entry, known = row.entry, row.known
    return {
        "key": known.key,
        "repository": entry.repo if entry else None,
        "workflow": entry.workflow if entry else None,
        "step": entry.step if entry else None,
        "run_id": entry.run_id if entry else None,
        "size_bytes": known.size,
        "age_seconds": round(now - entry.created_at, 3) if entry else None,
        "unused_seconds": round(now - known.used_at, 3) if entry else None,
        "damaged": known.damaged,
        "path": row.path,
    }


def _aligned(rows: Iterable[Row], now: float) -> list[str]:
    lines = [HEADINGS]
    for row in rows:
        entry, size = row.entry, shown_size(row.known.size)
        key = row.known.key[:SHOWN_KEY]
        if entry is None:
            lines.append((key, "damaged", "-", size, "-", "-"))
        else:
            used = age(max(now - row.known.used_at, 0.0))
            lines.append((key, entry.repo, entry.step, size, age(max(now - entry.created_at, 0.0)), used))
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def _asked(read: Callable[[str], Any], text: str, option: str, example: str) -> Any:
    try:
        return read(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}", cure=f"write {option} {example}") from error
