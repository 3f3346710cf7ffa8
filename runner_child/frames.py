"""How a child speaks to its parent; what it says is in ``tako.children.protocol``."""

from __future__ import annotations

import os

from tako.children.protocol import MAX_NOTE, Note, Result, encode
from tako.errors import MachineError, ProtocolError
from tako.records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.children.base import StepUpdate
    from tako.children.protocol import Hello
    from tako.execution.event import Event
    from tako.execution.state import ExecutionState


class Frames:
    """Sends frames to the parent; a parent that is gone is noticed by the lifeline, not here."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def send(self, frame: Hello | StepUpdate | Event | Note | Result) -> None:
        """Write one frame.

        Raises ``ProtocolError`` if it is too long, ``MachineError`` if it cannot be written though somebody reads.
        """
        self.write(encode(frame))

    def note(self, text: str) -> None:
        """Tell a reader a line; what cannot be shown in it is replaced. Raises as ``send``."""
        shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
        self.send(Note(shown[:MAX_NOTE]))

    def write(self, data: bytes) -> None:
        """Write bytes where frames go. Raises ``MachineError`` if they cannot be written though somebody reads."""
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except BrokenPipeError:
            return
        except OSError as error:
            raise MachineError(f"cannot write frames to stdout: {error.strerror}") from error

    def step(self, update: StepUpdate) -> None:
        """A step's frame; what does not fit is left to the result, or to ``state.json``."""
        try:
            self.send(update)
        except ProtocolError:
            self.send(replace(update, outputs={}, artifacts=()))

    def result(self, state: ExecutionState) -> None:
        """The last frame; outputs that do not fit are left to ``state.json``."""
        result = Result(
            status=state.status,
            failure=state.failure,
            outputs=state.outputs,
            cached=state.cached,
            warnings=state.warnings,
        )
        try:
            self.send(result)
        except ProtocolError:
            self.send(replace(result, outputs=None))
