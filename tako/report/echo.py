"""Shows what the root's steps print, while they do: whole lines, each with where it comes from."""

from __future__ import annotations

import codecs

from tako.sinks import LineBuffer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class LineEcho:
    """An ``Echo`` that shows lines. The beginning of one that takes long, as a prompt does, is shown as a line, too.

    Of what a progress bar draws over itself only the last is shown.
    """

    def __init__(self, show: Callable[[str, str], object]) -> None:
        """``show`` gets the id of a step, and a line without its end."""
        self._show = show
        self._steps: dict[str, tuple[LineBuffer, Callable[[], object]]] = {}

    def feed(self, step_id: str, data: bytes) -> None:
        """A step has printed something."""
        if step_id not in self._steps:
            self._steps[step_id] = self._lines_of(step_id)
        self._steps[step_id][0].feed(data)

    def tick(self) -> float | None:
        """Show what has waited long enough; returns the seconds until more will have, or None."""
        waits = [wait for buffer, _ in self._steps.values() if (wait := buffer.tick()) is not None]
        return min(waits, default=None)

    def end(self, step_id: str) -> None:
        """A step prints no more."""
        buffer, finish = self._steps.pop(step_id, (None, None))
        if buffer is not None and finish is not None:
            buffer.flush()
            finish()

    def _lines_of(self, step_id: str) -> tuple[LineBuffer, Callable[[], object]]:
        # A part of a line may end within a character.
        decoder = codecs.getincrementaldecoder("utf-8")("replace")

        def show(data: bytes, *, final: bool = False) -> None:
            text = decoder.decode(data, final=final)
            for line in text.removesuffix("\n").split("\n") if text else ():
                self._show(step_id, line.rstrip("\r").rpartition("\r")[2])

        return LineBuffer(show), lambda: show(b"", final=True)
