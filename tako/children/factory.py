"""Makes the directory from which a child runs."""

from __future__ import annotations

import os

from tako.errors import StateError
from tako.execution.request import read_request, write_request
from tako.execution.state import require_recorded
from tako.files import set_aside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.children.base import ChildRequest


class ChildRunnerFactory:
    """Prepares ``<parent workspace>/children/<run id>/`` with its ``request.json``.

    The request is not flushed to the disk: the plan, which says the same, was, before the first child started. One that
    is damaged, as after a power cut, or names another source, as after a move of the Tako home, is made again out of
    that.
    """

    def prepare(self, child: ChildRequest) -> str:
        """Create the child's directory and return its path; set aside the logs of a try before this one.

        Raises ``MachineError``, also if what a run that waited has recorded is no longer there.
        """
        if child.resumed:
            require_recorded(child.workspace.state)
        if child.attempt > 1:
            set_aside(child.workspace.logs, child.workspace.attempt(child.attempt - 1))
        child.workspace.make()
        if child.fresh or not _names(child.workspace.request, child.run.source):
            write_request(child.workspace.request, child.run, durable=False)
        return child.workspace.path


def _names(path: str, source: str) -> bool:
    """Whether a request is there and whole, and names this source."""
    if not os.path.exists(path):
        return False
    try:
        return read_request(path).source == source
    except StateError:
        return False
