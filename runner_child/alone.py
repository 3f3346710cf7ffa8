"""What a child does for which there is no root: it finds its secrets, and says who it would have triggered."""

from __future__ import annotations

import os
import sys

from tako.effective import settings_from
from tako.errors import TakoError
from tako.execution.state import read_state
from tako.records import replace
from tako.report.untriggered import untriggered
from tako.secrets.store import SecretStore
from tako.wiring import Wiring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tako.execution.request import RunRequest
    from tako.execution.workspace import Workspace
    from tako.process import Processes


def say_who_would_run(request: RunRequest, workspace: Workspace) -> None:
    """Plan the events that the child waits for and write the plans to stderr; start nothing."""
    for event in read_state(workspace.state).steps[-1].emitted:
        lines = [f"{request.label} waits for its fan-out {event.type}; this child runs alone and stops here."]
        try:
            plan = Wiring(settings_from(os.environ)).orchestrator().plan(event, request)
        except TakoError as error:
            lines.append(f"  who subscribed cannot be told: {error}")
        else:
            lines += [f"  {line}" for line in untriggered(plan)]
        sys.stderr.write("\n".join(lines) + "\n")


def find_secrets(names: Sequence[str], file: str | None, processes: Processes) -> dict[str, str]:
    """The values of secrets, from where ``tako`` takes them, too. Raises ``SecretError`` if some have none."""
    sources = settings_from(os.environ, secrets_file=file, working_in=os.curdir).secrets
    # Its own copy: what is found there is taken out of the environment.
    return SecretStore(replace(sources, environment=dict(sources.environment)), processes).values(names)
