"""Which runs are left to others when a step of the root triggers them anew."""

from __future__ import annotations

from tako.children.base import ChildResult
from tako.execution.event import Event
from tako.execution.failure import SUPERSEDED
from tako.execution.request import RunRequest
from tako.execution.workspace import Workspace
from tako.fanout.plan import Plan, PlannedRun
from tako.fanout.restore import Restored, RestoredRun, known_runs
from tako.fanout.superseded import supersede
from tako.records import replace
from tests.builders import ROOT_ID, make_event, make_request, make_root

WORKSPACE = Workspace("/nowhere")


def event(emitter: str, step: str) -> Event:
    return make_event(id=f"{emitter}-{step}", run_id=emitter, step_id=step)


def plan(event: Event, *runs: str, joins: bool = False) -> Plan:
    return Plan(event, tuple(PlannedRun(request(run), "why", joins=joins) for run in runs))


def request(run: str) -> RunRequest:
    return make_root() if run == ROOT_ID else make_request(run_id=run)


def tree(*plans: Plan, **ended: str) -> Restored:
    """Runs in the order of their planning; ``ended`` says how some of them did."""
    runs = [RestoredRun(request(ROOT_ID), WORKSPACE, None)]
    for each in plans:
        for planned in each.runs:
            if not planned.joins:
                run_id = planned.request.run_id
                result = ChildResult(ended[run_id], 1.0) if run_id in ended else None
                waits_for = (f"{run_id}-wait",)
                runs.append(RestoredRun(planned.request, WORKSPACE, each.event.id, result, waits_for))
    return Restored(tuple(runs), plans)


def superseded(restored: Restored, *steps: str) -> list[str]:
    return [run.request.run_id for run in supersede(restored, steps).runs if run.is_superseded]


def test_what_a_step_triggered_that_is_run_again_and_all_below_is_left_to_others() -> None:
    restored = tree(plan(event(ROOT_ID, "b"), "one", "two"), plan(event("one", "x"), "below"))

    assert superseded(restored, "b", "c") == ["one", "two", "below"]


def test_what_an_earlier_step_triggered_is_run_on() -> None:
    restored = tree(plan(event(ROOT_ID, "a"), "early"), plan(event("early", "b"), "below"))

    assert superseded(restored, "b") == []


def test_what_has_succeeded_stays_so() -> None:
    restored = tree(plan(event(ROOT_ID, "b"), "one", "two"), one="success")

    assert superseded(restored, "b") == ["two"]
    assert supersede(restored, ["b"]).runs[1] == replace(restored.runs[1], obsolete=True)


def test_what_an_earlier_step_triggers_as_well_is_run_on_with_all_below_it() -> None:
    restored = tree(
        plan(event(ROOT_ID, "b"), "shared", "own"),
        plan(event("shared", "x"), "below"),
        plan(event(ROOT_ID, "a"), "shared", joins=True),
        plan(event("below", "x"), "own", joins=True),
    )

    assert superseded(restored, "b") == []


def test_what_was_left_to_others_waits_for_nothing_and_fails_nobody() -> None:
    ended = supersede(tree(plan(event(ROOT_ID, "b"), "one")), ["b"])
    (_, run) = ended.runs
    (_, known) = known_runs(ended)

    assert run.result is not None
    assert run.result.failure is not None
    assert (run.result.status, run.result.failure.kind) == ("cancelled", SUPERSEDED)
    assert (run.waits_for, run.held, run.unrecorded) == ((), False, True)
    assert (known.ended, known.failed) == (True, False)
    assert ended.to_run == 0
    assert not replace(run, result=None).is_superseded
