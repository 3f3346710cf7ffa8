"""What a run that runs alone would have triggered, in words."""

from __future__ import annotations

from tako.report.passed_over import how_to_add, looked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.fanout.plan import Plan


def untriggered(plan: Plan) -> list[str]:
    """Who would run because of an event, a line each."""
    lines = [f"warning: {warning}" for warning in plan.warnings]
    if plan.refused is not None:
        lines.append(f"it would be refused: {plan.refused.message}")
    elif not plan.runs:
        lines.append(f"no repository subscribed to it ({looked(plan.repositories, plan.looked_in)})")
        lines += how_to_add(plan.looked_in, plan.passed_over)
    for planned in plan.runs:
        lines.append(f"would trigger {planned.request.label}: {planned.why}")
        if planned.failure is not None:
            lines.append(f"  but it would fail: {planned.failure.headline}")
    return lines
