"""Starts again, for a run that goes on, what an earlier process of it had left running and is gone."""

from __future__ import annotations

from tako.config.model import POLL
from tako.execution.service import EXITED, end_of
from tako.records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tako.config.model import StepSpec
    from tako.execution.state import ExecutionState, StepRecord
    from tako.execution.workspace import Workspace


def revive(
    state: ExecutionState,
    specs: Sequence[StepSpec],
    workspace: Workspace,
    run: Callable[[StepSpec, ExecutionState], StepRecord],
) -> ExecutionState:
    """The state with every service at work that its next steps may count on.

    A service that did not end by itself is started again by ``run``, and whatever waited behind it for a file or an
    address waits again. If one of these fails, so has the run, there.
    """
    known = {spec.id: spec for spec in specs}
    steps: list[StepRecord] = []
    revived = False
    for step in state.steps:
        spec = known.get(step.id)
        gone = step.service is not None and _is_gone(step, workspace)
        if spec is None or not (gone or (revived and _waited(spec, step))):
            steps.append(step)
            continue
        revived = revived or gone
        again = run(spec, replace(state, steps=tuple(steps)))
        steps.append(again)
        if again.failure is not None:
            return replace(state, steps=tuple(steps), failure=again.failure)
    return replace(state, steps=tuple(steps)) if revived else state


def _is_gone(step: StepRecord, workspace: Workspace) -> bool:
    if step.service is None:
        return False
    end = end_of(workspace, step.id, step.service)
    return end is not None and end.how != EXITED


def _waited(spec: StepSpec, step: StepRecord) -> bool:
    return spec.uses == POLL and step.status == "success" and spec.params.get("target") != "step"
