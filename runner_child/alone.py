"""What a child says when it waits for a fan-out and there is no root to run it."""

from __future__ import annotations

import os
import sys

from tako.errors import TakoError
from tako.execution.state import read_state
from tako.report.untriggered import untriggered
from tako.wiring import Wiring, settings_from

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.execution.request import RunRequest
    from tako.execution.workspace import Workspace


def say_who_would_run(request: RunRequest, workspace: Workspace) -> None:
    """Plan the event that the child waits for and write the plan to stderr; start nothing."""
    event = read_state(workspace.state).steps[-1].emitted
    if event is None:
        return
    lines = [f"{request.label} waits for its fan-out {event.type}; this child runs alone and stops here."]
    try:
        plan = Wiring(settings_from(os.environ)).orchestrator().plan(event, request)
    except TakoError as error:
        lines.append(f"  who subscribed cannot be told: {error}")
    else:
        lines += [f"  {line}" for line in untriggered(plan)]
    sys.stderr.write("\n".join(lines) + "\n")
