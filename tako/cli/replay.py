"""``tako replay``."""

from __future__ import annotations

import contextlib
import json
import os

import click

from tako.cli.carry_out import said
from tako.cli.find import find_child, find_named, find_run, require_begun
from tako.cli.runs import complete_runs
from tako.cli.secrets import require_secrets, secrets_option
from tako.cli.target import make_wiring
from tako.clock import duration
from tako.errors import MachineError, StateError, TakoError, UsageError
from tako.execution.request import read_request
from tako.execution.state import SUSPENDED, read_state
from tako.execution.workspace import Workspace, root_workspace
from tako.fanout.history import read_history
from tako.fanout.journal import read_journal
from tako.fanout.restore import restore
from tako.ids import new_run_id
from tako.limits import limit_memory
from tako.quantities import shown_size
from tako.records import replace, to_data
from tako.report.data import step_data
from tako.report.plain import PlainReporter
from tako.report.steps import step_lines
from tako.report.untriggered import untriggered
from tako.report.words import failure_lines, shown
from tako.signals import signal_name
from tako.stdio import say, say_line, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from click.shell_completion import CompletionItem

    from tako.execution.event import ArtifactRef, Event
    from tako.execution.request import RunRequest
    from tako.execution.state import StepRecord
    from tako.fanout.alone import AloneResult
    from tako.fanout.plan import Plan
    from tako.wiring import Wiring

EPILOG = """\b
Examples:
  tako replay exec-20261123-181803-0a1b2c3d --child exec-20261123-181803-4e5f6a7b
  tako replay @latest
  tako replay @latest --child my-org/app --json
"""


def complete_children(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The ids and repositories of all runs that the chosen root has triggered, at any depth."""
    from click.shell_completion import CompletionItem

    # As long as the option has no value, click has not told arguments from what is left over.
    named = next((word for word in (ctx.params.get("run_id"), *ctx.args) if word), "")
    try:
        _, *children = read_history(find_run(make_wiring().settings.home, named)).outcomes
    except (StateError, UsageError):
        return []
    offered = [(name, child) for child in children for name in (child.run_id, child.repo)]
    return [
        CompletionItem(name, help=f"{child.repo}:{child.workflow} {child.status}")
        for name, child in offered
        if name.startswith(incomplete)
    ]


@click.command(epilog=EPILOG)
@click.argument("run_id", shell_complete=complete_runs)
@click.option(
    "--child", metavar="CHILD", shell_complete=complete_children,
    help="Replay this one of the runs that it triggered: its id or its repository. Default: the run's own workflow.",
)  # fmt: skip
@secrets_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
@click.option("-v", "--verbose", is_flag=True, help="Show also the inputs and the event that it is given.")
def replay(run_id: str, *, child: str | None, secrets_file: str | None, as_json: bool, verbose: bool) -> int:
    """Run one run of the past again, alone, in the foreground: the run RUN_ID itself, or one that it triggered.

    It gets its recorded workflow, inputs, event and commit, in a checkout and a workspace of its own; nothing that was
    recorded is changed. What its fan-outs would trigger is told and not run: at a fan-out that it waits for it stops.
    Exits with 1 if it fails.
    """
    wiring = make_wiring(secrets_file=secrets_file, working_in=".")
    wiring.secrets.open()
    wiring.end_left_behind(say_line)
    named = find_named(wiring.settings.home, run_id)
    if child is None and named.child is not None:
        child = named.child.run_id
    recorded = find_recorded(require_begun(named.root), child)
    request = again(recorded, new_run_id(wiring.clock))
    require_secrets(wiring, request.workflow, request.inputs)
    missing = [each for each in request.visible_artifacts if not os.path.lexists(each.path)]
    say("".join(f"{line}\n" for line in _header(recorded, request, missing, verbose=verbose)))
    with wiring.signals.heeded():
        done = _run(wiring, request)
        _report(wiring, recorded, request, done, missing, as_json=as_json)
    if done.interrupted_by is not None:
        return 128 + done.interrupted_by
    if done.ok:
        return 0
    return MachineError.exit_code if done.is_the_machines_fault else 1


def _report(
    wiring: Wiring,
    recorded: RunRequest,
    request: RunRequest,
    done: AloneResult,
    missing: Sequence[ArtifactRef],
    *,
    as_json: bool,
) -> None:
    workspace = root_workspace(wiring.settings.home, request.run_id)
    state = read_state(workspace.state) if os.path.exists(workspace.state) else None
    steps = (*state.steps, *state.finals) if state is not None else ()
    plans = [(event, _plan(wiring, event, request)) for event in done.emitted]
    say(shown("".join(f"{line}\n" for line in _told(request, workspace, done, plans))))
    if as_json:
        show(json.dumps(_data(recorded, request, workspace, done, steps, plans, missing), indent=2) + "\n")
    else:
        show(shown("\n".join(_summary(recorded, request, done, steps)) + "\n"))


def _run(wiring: Wiring, request: RunRequest) -> AloneResult:
    """Run it as the child did, whose own process was limited, too. Raises as ``Wiring.run_alone``."""
    limit = request.workflow.mem_limit
    limit_memory(limit or 0)
    try:
        return wiring.run_alone(request, PlainReporter(say), echo=said(request.repo))
    except MemoryError as error:
        allowed = f"each of its processes may have {shown_size(limit)} (mem_limit)" if limit is not None else ""
        raise MachineError("it could not get the memory that it asked for", why=allowed) from error


def find_recorded(root: Workspace, child: str | None) -> RunRequest:
    """The request of a root run, or of one that it triggered, as ``find_child`` finds it; nothing is written.

    Raises ``UsageError`` if it has not triggered that, ``StateError`` if its files are damaged.
    """
    root_id = os.path.basename(root.path)
    if child is None or child == root_id:
        return read_request(root.request)
    found = find_child(root_id, read_history(root).outcomes[1:], child)
    path = Workspace(found.workspace).request
    with contextlib.suppress(StateError):
        return read_request(path)
    # One that was never started has no directory yet; what was planned for it is in the journal.
    planned = restore(read_request(root.request), root, read_journal(root.journal), failed_only=False)
    for run in planned.runs:
        if run.request.run_id == found.run_id:
            return run.request
    raise StateError(f"what {found.run_id} was asked to do cannot be read", where=path)


def again(recorded: RunRequest, run_id: str) -> RunRequest:
    """The request of a run that does the same again, by itself, in a checkout of its own, whatever is cached."""
    return replace(recorded, run_id=run_id, root_id=run_id, parent_id=None, private=True, no_cache=True)


def _header(recorded: RunRequest, request: RunRequest, missing: Sequence[ArtifactRef], *, verbose: bool) -> list[str]:
    at = f"commit {request.commit[:12]}" if request.commit else f"{request.source} as it is now"
    lines = [f"Replaying {request.label} of {recorded.run_id}, at {at}, as {request.run_id}"]
    if not recorded.private and request.commit:
        lines.append("  it ran in a working directory: what was not committed there is not recorded, and not here")
    if verbose:
        lines += [f"  input {name}: {json.dumps(value)}" for name, value in request.inputs.items()]
        if request.event is not None:
            event = request.event
            lines.append(f"  event {event.type} of {event.source} ({event.id}): {json.dumps(to_data(event.payload))}")
        lines += [f"  artifact {each.repo}:{each.name}: {each.path}" for each in request.visible_artifacts]
    lines += [f"warning: the artifact {each.repo}:{each.name} is gone: {each.path}" for each in missing]
    return lines


def _plan(wiring: Wiring, event: Event, request: RunRequest) -> Plan | TakoError:
    try:
        return wiring.orchestrator().plan(event, request)
    except TakoError as error:
        return error


def _told(
    request: RunRequest, workspace: Workspace, done: AloneResult, plans: Sequence[tuple[Event, Plan | TakoError]]
) -> list[str]:
    """What is said at the end: what was not triggered, and what went wrong."""
    lines = []
    for event, plan in plans:
        waits = f"{request.label} waits for its fan-out {event.type}; it is replayed alone and stops here."
        lines.append(waits if event.waiting else f"{request.label} emitted {event.type}; it is replayed alone.")
        told = [f"who subscribed cannot be told: {plan}"] if isinstance(plan, TakoError) else untriggered(plan)
        lines += [f"  {line}" for line in told]
    if done.result.failure is not None:
        lines += failure_lines(done.result.failure, request.workflow.step_names)
    elif done.interrupted_by is not None:
        lines.append(f"interrupted by {signal_name(done.interrupted_by)}")
    if not done.ok:
        lines.append(f"  logs: {workspace.logs}")
        if os.path.isdir(workspace.repo):
            lines.append(f"  its checkout: {workspace.repo}")
    return lines


def _summary(recorded: RunRequest, request: RunRequest, done: AloneResult, steps: Sequence[StepRecord]) -> list[str]:
    return [
        f"Replay completed: {request.run_id}, of {recorded.run_id}",
        f"Success: {'true' if done.ok else 'false'}",
        f"Duration: {duration(done.result.seconds)}",
        *(line for step in steps for line in step_lines(step, request.workflow.step_names)),
    ]


def _data(
    recorded: RunRequest,
    request: RunRequest,
    workspace: Workspace,
    done: AloneResult,
    steps: Sequence[StepRecord],
    plans: Sequence[tuple[Event, Plan | TakoError]],
    missing: Sequence[ArtifactRef],
) -> dict[str, Any]:
    return {
        "run_id": request.run_id,
        "replay_of": recorded.run_id,
        "root_id": recorded.root_id,
        "repository": request.repo,
        "workflow": request.workflow.name,
        "commit": request.commit,
        "inputs": dict(request.inputs),
        "event": to_data(request.event),
        "missing_artifacts": to_data(missing),
        "status": done.result.status,
        "success": done.ok,
        "waits": done.result.status == SUSPENDED,
        "duration_seconds": round(done.result.seconds, 3),
        "interrupted_by": done.interrupted_by,
        "failure": to_data(done.result.failure),
        "steps": [step_data(step, request.workflow.step_names) for step in steps],
        "not_triggered": [
            {
                "type": event.type,
                "waiting": event.waiting,
                "runs": [] if isinstance(plan, TakoError) else [planned.request.label for planned in plan.runs],
                "refused": None if isinstance(plan, TakoError) else to_data(plan.refused),
                "error": str(plan) if isinstance(plan, TakoError) else None,
            }
            for event, plan in plans
        ],
        "workspace": workspace.path,
    }
