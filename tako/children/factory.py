"""Makes the directory from which a child runs."""

from __future__ import annotations

import os

from tako.execution.request import write_request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.children.base import ChildRequest


class ChildRunnerFactory:
    """Prepares ``<parent workspace>/children/<run id>/`` with its ``request.json``.

    The request is not flushed to the disk: the plan, which says the same, was, before the first child started.
    """

    def prepare(self, child: ChildRequest) -> str:
        """Create the child's directory and return its path. Raises ``MachineError``."""
        child.workspace.make()
        if not os.path.exists(child.workspace.request):
            write_request(child.workspace.request, child.run, durable=False)
        return child.workspace.path
