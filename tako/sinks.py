"""Takes what a command prints on its two streams, and writes it as one."""

from __future__ import annotations

import time

from tako.secrets.run import masked_sinks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tako.process import Sink
    from tako.secrets.run import RunSecrets

HOLD_SECONDS = 0.2
"""How long the beginning of a line waits for the rest: a prompt is to be seen."""

LONGEST_HELD = 64 * 1024
"""Bytes of a line that are held at most."""


class LineBuffer:
    """Passes on whole lines, and a part of one only when it has waited for ``HOLD_SECONDS`` or is very long."""

    def __init__(self, write: Callable[[bytes], object], *, now: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._now = now
        self._held = b""
        self._since = 0.0

    def feed(self, data: bytes) -> None:
        """Take some bytes."""
        end = data.rfind(b"\n") + 1
        if end:
            self._write(self._held + data[:end] if self._held else data[:end])
            self._held = b""
        if end == len(data):
            return
        if not self._held:
            self._since = self._now()
        self._held += data[end:]
        if len(self._held) > LONGEST_HELD:
            self.flush()

    def tick(self) -> float | None:
        """Pass on what has waited long enough; returns the seconds until the next part will have, or None."""
        if not self._held:
            return None
        left = self._since + HOLD_SECONDS - self._now()
        if left > 0:
            return left
        self.flush()
        return None

    def flush(self) -> None:
        """Pass on what is held."""
        held, self._held = self._held, b""
        if held:
            self._write(held)


class JoinedSinks:
    """Writes both streams of one command to one place, without the secrets.

    One pipe for both gives the order in which the command wrote. Two that must be kept ``apart`` are put together by
    lines, as they arrive: so none of one stream's lines is cut in two by the other, and a secret that comes through one
    of them in two parts is recognized.
    """

    def __init__(self, secrets: RunSecrets, write: Callable[[bytes], object], *, apart: bool) -> None:
        show_out, show_err, self._show_rest = masked_sinks(secrets, write)
        self._buffers: tuple[LineBuffer, ...] = ()
        self.on_stdout: Sink = show_out
        self.on_stderr: Sink | None = None
        """None if the command is to have one pipe for both."""
        if apart:
            out, err = self._buffers = (LineBuffer(show_out), LineBuffer(show_err))
            self.on_stdout, self.on_stderr = out.feed, err.feed

    def tick(self) -> float | None:
        """Write what has waited long enough; returns the seconds until more will have, or None."""
        waits = [wait for buffer in self._buffers if (wait := buffer.tick()) is not None]
        return min(waits, default=None)

    def end(self) -> None:
        """Write what is still held: the command has ended."""
        for buffer in self._buffers:
            buffer.flush()
        self._show_rest()
