"""What ``--json`` prints of a run. Field names are stable."""

from __future__ import annotations

from tako.clock import iso
from tako.records import to_data
from tako.report.again import replay_command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from tako.execution.request import RunRequest
    from tako.execution.retry import StepAttempt
    from tako.execution.service import ServiceEnd
    from tako.execution.state import StepRecord
    from tako.fanout.result import Attempt, ChildOutcome, TreeResult


def result_data(
    result: TreeResult, request: RunRequest, steps: Sequence[StepRecord], services: Sequence[ServiceEnd] = ()
) -> dict[str, Any]:
    """A finished run; ``steps`` and ``services`` are the root's own."""
    return {
        "run_id": result.root.run_id,
        "repository": request.repo,
        "ref": request.ref,
        "workflow": request.workflow.name,
        "inputs": dict(request.inputs),
        "success": result.ok,
        "duration_seconds": round(result.seconds, 3),
        "interrupted_by": result.interrupted_by,
        "failure": to_data(result.root.failure),
        "steps": [step_data(step) for step in steps],
        "services": [service_data(end) for end in services],
        "runs": [outcome_data(run) for run in result.runs],
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


def step_data(step: StepRecord) -> dict[str, Any]:
    """One step, and what ran since it failed."""
    return {
        "id": step.id,
        "status": step.status,
        "cached": step.cached,
        "started_at": iso(step.started_at),
        "duration_seconds": round(step.seconds, 3),
        "outputs": dict(step.outputs),
        "artifacts": to_data(step.artifacts),
        "failure": to_data(step.failure),
        "continued": step.tolerated,
        "attempts": _attempts_data(step.attempts),
        "on_failure": [step_data(handler) for handler in step.handlers],
    }


def _attempts_data(attempts: Iterable[StepAttempt | Attempt]) -> list[dict[str, Any]]:
    """The tries before the last one."""
    return [
        {"number": each.number, "failure": to_data(each.failure), "duration_seconds": round(each.seconds, 3)}
        for each in attempts
    ]


def outcome_data(run: ChildOutcome) -> dict[str, Any]:
    """One run of a tree."""
    return {
        "run_id": run.run_id,
        "parent_id": run.parent_id,
        "event_id": run.event_id,
        "repository": run.repo,
        "workflow": run.workflow,
        "depth": run.depth,
        "status": run.status,
        "duration_seconds": round(run.seconds, 3),
        "started_at": iso(run.started_at) if run.started_at is not None else None,
        "ended_at": iso(run.ended_at) if run.ended_at is not None else None,
        "workspace": run.workspace,
        "failure": to_data(run.failure),
        "outputs": to_data(run.outputs),
        "attempts": _attempts_data(run.attempts),
        "delivered_by": run.delivered_by,
        "cached": list(run.cached),
        "replay": replay_command(run) if run.failure is not None and run.delivered_by is None else None,
    }
