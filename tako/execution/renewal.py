"""Lets a run of the past continue with a changed workflow and commit (``--accept-drift``)."""

from __future__ import annotations

from tako.content import no_check
from tako.execution.going_on import before
from tako.execution.request import write_request
from tako.execution.state import RUNNING, recorded_state, write_state
from tako.execution.workspace import remove_checkout
from tako.records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.content import Check
    from tako.execution.request import RunRequest
    from tako.execution.workspace import Workspace


def renew(
    workspace: Workspace, request: RunRequest, *, fresh: bool, rerun_from: str | None, check: Check = no_check
) -> None:
    """Record the changed request of a root. For who owns the workspace.

    ``check`` is called often. Raises what it raises, ``MachineError`` or ``StateError``.

    ``fresh`` removes the checkout, so that the run makes one of the request's commit. The steps from ``rerun_from`` on
    are then to run again, all of them if it is None. Without ``fresh``, checkout and finished steps stay.

    The request is written last. A crash before that leaves a run that still names the difference when it is resumed.
    """
    if fresh:
        remove_checkout(workspace, check=check)
        recorded = recorded_state(workspace.state)
        if recorded is not None:
            first = rerun_from or (recorded.steps[0].id if recorded.steps else "")
            write_state(workspace.state, replace(before(recorded, first), status=RUNNING))
    write_request(workspace.request, request)
