"""What the workspace of a run holds of it, beside what its root knows."""

from __future__ import annotations

import contextlib

from tako.errors import StateError
from tako.execution.request import read_request
from tako.execution.state import read_state
from tako.execution.workspace import Workspace
from tako.records import replace
from tako.report.data import outcome_data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tako.execution.state import StepRecord
    from tako.fanout.result import ChildOutcome


def recorded_steps(run: ChildOutcome) -> tuple[StepRecord, ...]:
    """The steps of a run that have ended; none if it has not begun or its state cannot be read."""
    try:
        state = read_state(Workspace(run.workspace).state)
    except StateError:
        return ()
    return (*state.steps, *state.finals)


def run_data(run: ChildOutcome) -> dict[str, Any]:
    """One run of a tree that is read from its journal, which knows only the commit that was planned first."""
    # One that was never started has no request yet.
    with contextlib.suppress(StateError):
        run = replace(run, commit=read_request(Workspace(run.workspace).request).commit)
    return outcome_data(run, recorded_steps(run))
