"""What ``tako exec --dry-run`` prints."""

from __future__ import annotations

from tako.records import to_data
from tako.report.passed_over import how_to_add, looked, passed_over_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from tako.fanout.preview import FanOutPreview, StepPreview


def preview_text(repo: str, workflow: str, steps: Sequence[StepPreview]) -> str:
    """The plan as indented text; each line of it is marked, as in the Go tool."""
    lines = [f"would run {repo}:{workflow}", *_steps(steps, "  ")]
    for warning in dict.fromkeys(_warnings(steps)):
        first, *more = warning.splitlines()
        lines += [f"warning: {first}", *(f"  {line}" for line in more)]
    marked = [f"[dry-run] {line}" for line in (*lines, "nothing was run")]
    return "\n".join([f"Executing workflow '{workflow}'", *marked]) + "\n"


def preview_data(repo: str, workflow: str, inputs: Mapping[str, Any], steps: Sequence[StepPreview]) -> dict[str, Any]:
    """The plan for programs."""
    return {
        "repository": repo,
        "workflow": workflow,
        "inputs": dict(inputs),
        "steps": [_step_data(step) for step in steps],
        "warnings": list(dict.fromkeys(_warnings(steps))),
    }


def _step_data(preview: StepPreview) -> dict[str, Any]:
    """A step in the words of ``tako.yml``, with what its fan-out would start."""
    step = preview.step
    said = {"id": step.id, "name": step.name, "run": step.run, "uses": step.uses, "if": step.condition}
    data: dict[str, Any] = {name: value for name, value in said.items() if value}
    if step.uses:
        data["with"] = to_data(step.params)
    data["skipped"] = preview.skipped
    data["finally"] = preview.final
    fan_outs = [_fan_out_data(fan_out) for fan_out in preview.fan_outs]
    if fan_outs:
        data["fan_out"] = fan_outs[0]
    if len(fan_outs) > 1:
        data["more_fan_outs"] = fan_outs[1:]
    return data


def _fan_out_data(preview: FanOutPreview) -> dict[str, Any]:
    """One event of a fan-out, with the steps of what it would start."""
    data: dict[str, Any] = to_data(preview)
    for run, run_data in zip(preview.runs, data["runs"], strict=True):
        run_data["steps"] = [_step_data(below) for below in run.steps]
    return data


def _steps(steps: Sequence[StepPreview], indent: str) -> list[str]:
    lines: list[str] = []
    for preview in steps:
        step = preview.step
        what = step.uses or (step.run or "").strip().partition("\n")[0]
        condition = f", if {step.condition}" if step.condition else ""
        if preview.skipped:
            condition = f", skipped, since this does not hold: {step.condition}"
        name = f" ({step.name})" if step.name and step.name != step.id else ""
        at_the_end = "finally " if preview.final else ""
        lines.append(f"{indent}{at_the_end}{step.id}{name}: {what}{condition}")
        for fan_out in preview.fan_outs:
            lines += _fan_out(fan_out, indent + "  ")
    return lines


def _warnings(steps: Sequence[StepPreview]) -> Iterator[str]:
    """The warnings of all steps and fan-outs."""
    for preview in steps:
        yield from preview.warnings
        for fan_out in preview.fan_outs:
            yield from fan_out.warnings
            for run in fan_out.runs:
                yield from _warnings(run.steps)


def _fan_out(fan_out: FanOutPreview, indent: str) -> list[str]:
    lines = [f"{indent}emits {fan_out.event_type} about the artifact {fan_out.artifact}"]
    if fan_out.unknown:
        lines.append(f"{indent}known only when it runs: {', '.join(fan_out.unknown)}")
    if fan_out.problem:
        return [*lines, f"{indent}would fail: {fan_out.problem}"]
    if fan_out.is_open:
        return [*lines, f"{indent}so nothing can be said of its subscribers"]
    if not fan_out.runs:
        lines.append(f"{indent}no repository would run anything ({looked(fan_out.looked_at, fan_out.looked_in)})")
        lines += [f"{indent}{line}" for line in how_to_add(fan_out.looked_in, fan_out.passed_over)]
    for run in fan_out.runs:
        verb = "would run" if run.certain else "might run"
        lines.append(f"{indent}{verb} {run.repo}:{run.workflow} ({run.where}): {run.why}")
        if run.needs:
            lines.append(f"{indent}  it needs an event of each: {', '.join(run.needs)}")
        lines += _steps(run.steps, indent + "  ")
        if run.stopped:
            lines.append(f"{indent}  but {run.stopped}")
    return [*lines, *passed_over_lines(fan_out.passed_over, f"{indent}would not run")]
