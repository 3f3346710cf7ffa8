"""Which runs are not run again, since the steps that triggered them are, and trigger others. Pure."""

from __future__ import annotations

from tako.children.base import ChildResult
from tako.execution.failure import SUPERSEDED, Failure
from tako.fanout.restore import Restored
from tako.records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from tako.fanout.plan import Plan
    from tako.fanout.restore import RestoredRun


def supersede(restored: Restored, steps: Collection[str]) -> Restored:
    """A tree whose root runs these steps again: what they had triggered, and all below, ends where it has not.

    A run that has succeeded keeps its success. One that waits for several events goes on for those that are left.
    """
    obsolete = _obsolete(restored, steps)
    runs = tuple(_superseded(run) if run.request.run_id in obsolete else run for run in restored.runs)
    return replace(restored, runs=runs)


def _superseded(run: RestoredRun) -> RestoredRun:
    return replace(_ended(run) if run.result is None else run, obsolete=True)


def _obsolete(restored: Restored, steps: Collection[str]) -> set[str]:
    """The runs that only those steps of the root triggered, or runs that only they did."""
    root_id = restored.root.request.run_id
    needed: set[str] = set()
    while True:
        runs: set[str] = set()
        kept: list[Plan] = []
        # A run is planned before what it emits.
        for plan in restored.plans:
            emitter = plan.event.run_id
            if emitter in runs or (emitter == root_id and plan.event.step_id in steps):
                runs |= _runs_of(plan) - needed
            else:
                kept.append(plan)
        found = needed | {run_id for plan in kept for run_id in _runs_of(plan)}
        if not runs & found:
            return runs
        needed = found


def _runs_of(plan: Plan) -> set[str]:
    return {planned.request.run_id for planned in plan.runs}


def _ended(run: RestoredRun) -> RestoredRun:
    failure = Failure(SUPERSEDED, "the step that triggered it was run again, and triggered others")
    ended = ChildResult("cancelled", run.seconds, failure=failure)
    return replace(run, result=ended, waits_for=(), held=False, unrecorded=True)
