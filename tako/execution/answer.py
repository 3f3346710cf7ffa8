"""How a fan-out ended, as the root tells the run that waited for it: ``answers/<step>.json``."""

from __future__ import annotations

import contextlib
import os

from tako.errors import StateError
from tako.execution.failure import Failure, failure_from_data
from tako.execution.migration import MIGRATIONS
from tako.files import foreign_content, machine_errors, make_dirs, read_document, write_document
from tako.records import record, to_data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.execution.workspace import Workspace

KIND = "answer"
SCHEMA = 1


@record
class Answer:
    """The end of one fan-out."""

    event_id: str
    """The first event that the step emitted."""
    total: int
    """Runs that its events started, those further down not counted."""
    succeeded: int
    failure: Failure | None = None

    def outputs(self) -> dict[str, str]:
        """The outputs of the fan-out step."""
        return {
            "children": str(self.total),
            "succeeded": str(self.succeeded),
            "failed": str(self.total - self.succeeded),
        }


def write_answer(workspace: Workspace, step_id: str, answer: Answer) -> None:
    """Write the answer for a step. Raises ``MachineError``."""
    path = workspace.answer(step_id)
    make_dirs(path.rpartition("/")[0])
    write_document(path, KIND, SCHEMA, to_data(answer))


def forget_answer(workspace: Workspace, step_id: str) -> None:
    """Remove the answer for a step, if there is one. Raises ``MachineError``."""
    path = workspace.answer(step_id)
    with machine_errors("remove", path), contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def read_answer(workspace: Workspace, step_id: str, event_id: str) -> Answer:
    """Read the answer for a step. Raises ``StateError`` if there is none, or it is about another event."""
    path = workspace.answer(step_id)
    data = read_document(path, KIND, SCHEMA, MIGRATIONS[KIND])
    with foreign_content(KIND, path):
        answer = Answer(**{**data, "failure": failure_from_data(data["failure"])})
    if answer.event_id != event_id:
        raise StateError(f"the answer is about the event {answer.event_id}, not {event_id}", where=path)
    return answer
