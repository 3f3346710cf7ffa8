"""``tako events``: what was delivered to whom, and delivering it once more."""

from __future__ import annotations

import contextlib
import json
import os
from functools import partial

import click

from tako.cli.completers import complete_repos
from tako.cli.find import ambiguous
from tako.cli.paths import HomePath
from tako.cli.secrets import secrets_option
from tako.cli.target import make_wiring
from tako.clock import iso
from tako.errors import StateError, UsageError
from tako.execution.failure import failure_from_data
from tako.fanout.ledger import NAME
from tako.ids import new_run_id
from tako.quantities import parse_duration
from tako.records import replace, to_data
from tako.report.words import MARKS, failure_title, shown
from tako.stdio import say, say_line, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from click.shell_completion import CompletionItem

    from tako.fanout.ledger import Ledger
    from tako.fanout.ledger_rows import Delivery, Recorded
    from tako.wiring import Wiring

LIST_EPILOG = """\b
Examples:
  tako events list --since 1d
"""

SHOW_EPILOG = """\b
Examples:
  tako events show evt-0123456789abcdef01234567
"""

REDELIVER_EPILOG = """\b
Examples:
  tako events redeliver evt-0123456789abcdef01234567
  tako events redeliver evt-0123456789abcdef01234567 --subscriber my-org/app
"""

EPILOG = """\b
Examples:
  tako events list --since 1d
  tako events show evt-0123456789abcdef01234567
  tako events redeliver evt-0123456789abcdef01234567 --subscriber my-org/app
"""

PENDING = "pending"
"""Of a delivery that is not acknowledged."""


@click.group(epilog=EPILOG)
def events() -> None:
    """Show what was delivered to whom; deliver it once more."""


def complete_events(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The ids of the events in the ledger, the latest first."""
    from click.shell_completion import CompletionItem

    with _ledger(make_wiring()) as ledger:
        found = ledger.events() if ledger is not None else []
    return [CompletionItem(each.event.id) for each in found if each.event.id.startswith(incomplete)]


@events.command("list", epilog=LIST_EPILOG)
@click.option("--since", metavar="DURATION", help="List only events emitted in the last 30m, 1d, …")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def list_(since: str | None, as_json: bool) -> int:
    """List the events that were emitted, the latest first, and how many deliveries came to what."""
    wiring = make_wiring()
    earliest = 0.0 if since is None else wiring.clock.now() - _duration(since)
    with _ledger(wiring) as ledger:
        found = ledger.events(since=earliest) if ledger is not None else []
    if as_json:
        show(json.dumps([_event_data(each) for each in found], indent=2) + "\n")
    elif not found:
        say(f"no events in {_path(wiring)}\n")
    else:
        for each in found:
            event = each.event
            told = f"{event.id}  {event.timestamp}  {event.source} {event.type}  {_totals(each)}{_notes(each)}\n"
            show(shown(told))
    return 0


@events.command("show", epilog=SHOW_EPILOG)
@click.argument("event_id", shell_complete=complete_events)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def show_(event_id: str, as_json: bool) -> int:
    """Show the event EVENT_ID: what it says, and what came of each delivery."""
    wiring = make_wiring()
    found = _find(wiring, event_id)
    if as_json:
        data = _event_data(found)
        show(json.dumps({**data, "deliveries": [_delivery_data(each) for each in found.deliveries]}, indent=2) + "\n")
        return 0
    event = found.event
    lines = [
        f"{event.id}: {event.type} of {event.source}, artifact {event.artifact}{_notes(found)}",
        f"  emitted {event.timestamp} by {event.run_id}, step '{event.step_id}', in {found.root_id}",
        *([f"  schema version {event.schema_version}"] if event.schema_version is not None else []),
        "  payload:",
        *(f"    {line}" for line in json.dumps(to_data(event.payload), indent=2).splitlines()),
        f"  deliveries: {_totals(found)}",
    ]
    for each in found.deliveries:
        lines += _delivery_lines(each)
    show(shown("\n".join(lines) + "\n"))
    return 0


@events.command("redeliver", epilog=REDELIVER_EPILOG)
@click.argument("event_id", shell_complete=complete_events)
@click.option(
    "--subscriber",
    metavar="OWNER/NAME[:WORKFLOW]",
    shell_complete=complete_repos,
    help="Deliver it only to this subscriber; by default to all.",
)
@click.option(
    "--cache-dir", type=HomePath(file_okay=False), metavar="DIR", help="Use this cache instead of TAKO_HOME/cache."
)
@click.option(
    "-j", "--max-concurrent-repos", "cap", type=click.IntRange(min=1), metavar="N",
    help="Run at most N children at once; by default as many as there are cores.",
)  # fmt: skip
@secrets_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
@click.option("-v", "--verbose", is_flag=True, help="Show the steps of children.")
def redeliver(
    event_id: str,
    subscriber: str | None,
    cache_dir: str | None,
    cap: int | None,
    secrets_file: str | None,
    as_json: bool,
    verbose: bool,
) -> int:
    """Deliver the event EVENT_ID once more, as a run of its own.

    Whoever hears the event now runs, whatever came of earlier deliveries; an idempotency key does not hinder it. What
    the artifacts of the event were is looked for where they were then. Exits with 1 if anything failed.
    """
    from tako.cli.carry_out import carry_out
    from tako.fanout.naming import identity_of
    from tako.fanout.redelivery import request_of
    from tako.repos.hosts import Identity, is_same

    wiring = make_wiring(cache_dir=cache_dir, cap=cap, secrets_file=secrets_file, working_in=".")
    wiring.secrets.open()
    event = _find(wiring, event_id).event
    cached = wiring.discovery().repositories()
    source = identity_of(event.source, event.host)
    request = request_of(
        event,
        run_id=new_run_id(wiring.clock),
        directory=wiring.settings.home,
        subscriber=subscriber,
        source=next((each.config for each in cached if is_same(source, Identity(each.identity, each.host))), None),
    )
    # The question that the run itself will ask; asked now too, since a run that reaches nobody is not what is wanted.
    trial = replace(event, run_id=request.run_id, step_id=request.workflow.steps[0].id)
    if not wiring.orchestrator().plan(trial, request).runs:
        whom = f"{subscriber} does not hear it" if subscriber is not None else "nobody hears it"
        raise UsageError(f"{event.id} cannot be delivered: {whom}", cure=f"see `tako events show {event.id}`")
    wiring.end_left_behind(say_line)
    say(f"Delivering {event.id} ({event.type} of {event.source}) once more: {request.run_id}\n")
    return carry_out(wiring, request, partial(wiring.execute, request), as_json=as_json, verbose=verbose)


def _duration(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--since {error}", cure="write it as --since 1d") from error


def _path(wiring: Wiring) -> str:
    return os.path.join(wiring.settings.home, NAME)


@contextlib.contextmanager
def _ledger(wiring: Wiring) -> Iterator[Ledger | None]:
    """The ledger, if there is one; looking makes none."""
    if not os.path.exists(_path(wiring)):
        yield None
        return
    ledger = wiring.ledger(say_line)
    try:
        yield ledger
    finally:
        ledger.close()


def _find(wiring: Wiring, event_id: str) -> Recorded:
    """The event of an id, or of the unique beginning of one. Raises ``UsageError``."""
    found = None
    with _ledger(wiring) as ledger:
        if ledger is not None and event_id:
            found = ledger.event(event_id)
            ids = ledger.ids_beginning_with(event_id) if found is None else []
            if len(ids) > 1:
                raise ambiguous(f"{event_id} is the beginning of several event ids", ids)
            found = ledger.event(ids[0]) if ids else found
    if found is None:
        raise UsageError(f"there is no event {event_id}", where=_path(wiring), cure="`tako events list` lists them")
    return found


def _outcomes(found: Recorded) -> dict[str, int]:
    """How many deliveries came to what."""
    totals: dict[str, int] = {}
    for each in found.deliveries:
        totals[each.status or PENDING] = totals.get(each.status or PENDING, 0) + 1
    return dict(sorted(totals.items()))


def _totals(found: Recorded) -> str:
    listed = ", ".join(f"{count} {status}" for status, count in _outcomes(found).items())
    return f"{len(found.deliveries)} delivered ({listed})" if listed else "delivered to nobody"


def _notes(found: Recorded) -> str:
    key = f"; key {found.event.key}" if found.event.key is not None else ""
    return key + (f"; repeats {found.redelivers}" if found.redelivers is not None else "")


def _delivery_lines(each: Delivery) -> list[str]:
    status = each.status or PENDING
    by = f", delivered by {each.delivered_by}" if each.delivered_by is not None else ""
    lines = [f"  {MARKS.get(status, '?')} {each.repo}:{each.workflow} {status} ({each.run.run_id}{by})"]
    failure = _failure(each)
    return [*lines, f"      {failure}"] if failure else lines


def _failure(each: Delivery) -> str:
    try:
        failure = failure_from_data(each.failure)
    except (KeyError, TypeError) as error:
        raise StateError(f"a failure in the ledger is none: {error}") from error
    return failure_title(failure, {}) if failure is not None else ""


def _event_data(found: Recorded) -> dict[str, Any]:
    event = found.event
    return {
        "event_id": event.id,
        "type": event.type,
        "source": event.source,
        "artifact": event.artifact,
        "schema_version": event.schema_version,
        "key": event.key,
        "payload": to_data(event.payload),
        "emitted_at": event.timestamp,
        "root_run_id": found.root_id,
        "run_id": event.run_id,
        "step": event.step_id,
        "redelivers": found.redelivers,
        "deliveries": len(found.deliveries),
        "outcomes": _outcomes(found),
    }


def _delivery_data(each: Delivery) -> dict[str, Any]:
    return {
        "repository": each.repo,
        "workflow": each.workflow,
        "run_id": each.run.run_id,
        "root_run_id": each.run.root_id,
        "delivered_at": iso(each.delivered_at),
        "status": each.status or PENDING,
        "failure": each.failure,
        "acknowledged_at": iso(each.acknowledged_at) if each.acknowledged_at is not None else None,
        "delivered_by": each.delivered_by,
    }
