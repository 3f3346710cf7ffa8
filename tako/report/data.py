"""What ``--json`` prints of a run. Field names are stable."""

from __future__ import annotations

from tako.clock import iso
from tako.records import to_data
from tako.report.again import replay_command
from tako.report.words import NO_NAMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from tako.execution.failure import Failure
    from tako.execution.request import RunRequest
    from tako.execution.retry import StepAttempt
    from tako.execution.service import ServiceEnd
    from tako.execution.state import StepRecord
    from tako.fanout.result import Attempt, ChildOutcome, TreeResult


def result_data(
    result: TreeResult,
    request: RunRequest,
    steps: Sequence[StepRecord],
    services: Sequence[ServiceEnd] = (),
    *,
    steps_of: Callable[[ChildOutcome], Sequence[StepRecord]] = lambda _run: (),
) -> dict[str, Any]:
    """A finished run; ``steps`` and ``services`` are the root's own, ``steps_of`` returns those of another run."""
    return {
        "run_id": result.root.run_id,
        "repository": request.repo,
        "ref": request.ref,
        "workflow": request.workflow.name,
        "inputs": dict(request.inputs),
        "success": result.ok,
        "duration_seconds": round(result.seconds, 3),
        "resumed_at": iso(result.resumed_at) if result.resumed_at is not None else None,
        "interrupted_by": result.interrupted_by,
        "commit": result.root.commit,
        "failure": _failure_data(result.root.failure, result.root.step_names),
        "steps": [step_data(step, result.root.step_names) for step in steps],
        "services": [service_data(end) for end in services],
        "runs": [outcome_data(run, steps_of(run)) for run in result.runs],
        "fan_outs": [
            {
                "event_id": fan_out.event.id,
                "type": fan_out.event.type,
                "source": fan_out.event.source,
                "emitted_by": fan_out.event.run_id,
                "success": fan_out.ok,
                "children": [child.run_id for child in fan_out.children],
                "refused": to_data(fan_out.refused),
                "expired": to_data(fan_out.expired),
                "looked_at": fan_out.looked_at,
                "looked_in": fan_out.looked_in,
            }
            for fan_out in result.fan_outs
        ],
        "warnings": list(result.warnings),
    }


def service_data(end: ServiceEnd) -> dict[str, Any]:
    """How a step that was left running has ended."""
    return {
        "step": end.step,
        "how": end.how,
        "exit_code": end.exit_code,
        "signal": end.signal,
        "duration_seconds": round(end.seconds, 3),
    }


def step_data(step: StepRecord, names: Mapping[str, str] = NO_NAMES) -> dict[str, Any]:
    """One step, and what ran since it failed; ``names`` are those of all steps by their ids."""
    return {
        "id": step.id,
        "name": names.get(step.id),
        "status": step.status,
        "cached": step.cached,
        "started_at": iso(step.started_at),
        "duration_seconds": round(step.seconds, 3),
        "outputs": dict(step.outputs),
        "artifacts": to_data(step.artifacts),
        "notes": list(step.notes),
        "failure": _failure_data(step.failure, names),
        "continued": step.tolerated,
        "finally": step.final,
        "attempts": _attempts_data(step.attempts, names),
        "on_failure": [step_data(handler, names) for handler in step.handlers],
    }


def _attempts_data(
    attempts: Iterable[StepAttempt | Attempt], names: Mapping[str, str] = NO_NAMES
) -> list[dict[str, Any]]:
    """The tries before the last one."""
    return [
        {
            "number": each.number,
            "failure": _failure_data(each.failure, names),
            "duration_seconds": round(each.seconds, 3),
        }
        for each in attempts
    ]


def _failure_data(failure: Failure | None, names: Mapping[str, str]) -> dict[str, Any] | None:
    if failure is None:
        return None
    return {**to_data(failure), "step_name": names.get(failure.step) if failure.step else None}


def outcome_data(run: ChildOutcome, steps: Sequence[StepRecord] = ()) -> dict[str, Any]:
    """One run of a tree, and its steps."""
    return {
        "run_id": run.run_id,
        "parent_id": run.parent_id,
        "event_id": run.event_id,
        "repository": run.repo,
        "workflow": run.workflow,
        "commit": run.commit,
        "depth": run.depth,
        "status": run.status,
        "duration_seconds": round(run.seconds, 3),
        "started_at": iso(run.started_at) if run.started_at is not None else None,
        "ended_at": iso(run.ended_at) if run.ended_at is not None else None,
        "workspace": run.workspace,
        "failure": _failure_data(run.failure, run.step_names),
        "steps": [step_data(step, run.step_names) for step in steps],
        "outputs": to_data(run.outputs),
        "attempts": _attempts_data(run.attempts, run.step_names),
        "delivered_by": run.delivered_by,
        "cached": list(run.cached),
        "replay": replay_command(run) if run.failure is not None and run.delivered_by is None else None,
    }
