"""Waits for a process and for what comes out of it, in one poll."""

from __future__ import annotations

import os
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tako.process import Process

    Sink = Callable[[bytes], object]

_CHUNK = 1 << 16
_DRAIN_LIMIT = 1 << 20
_LONGEST_POLL = 86400.0
"""Seconds: poll(2) takes its milliseconds as a C int."""


class Watch:
    """The descriptors of one supervised process, and what to do when they have something to say."""

    def __init__(self, process: Process, outputs: Mapping[int, Sink], stop_fds: Iterable[int]) -> None:
        self._process = process
        self._sinks = dict(outputs)
        self._stops = set(stop_fds)
        self._poll = select.poll()
        for descriptor in self._sinks:
            os.set_blocking(descriptor, False)
            self._poll.register(descriptor, select.POLLIN)
        for descriptor in self._stops:
            self._poll.register(descriptor, select.POLLIN)
        if process.wait_handle() >= 0:
            self._poll.register(process.wait_handle(), select.POLLIN)

    def turn(self, seconds: float | None) -> bool:
        """Wait for something to happen and deal with output; return whether a stop was asked for."""
        if self._process.wait_handle() < 0:
            seconds = min(seconds, 0.02) if seconds is not None else 0.02
        stop_seen = False
        milliseconds = None if seconds is None else min(seconds, _LONGEST_POLL) * 1000 + 1
        for descriptor, _event in self._poll.poll(milliseconds):
            if descriptor in self._stops:
                stop_seen = True
            elif descriptor in self._sinks and self._read(descriptor) == b"":
                self._forget(descriptor)
        return stop_seen

    def ignore_stops(self) -> None:
        """Hear of no stop any more."""
        for descriptor in self._stops:
            self._poll.unregister(descriptor)
        self._stops.clear()

    def ignore_outputs(self) -> None:
        """Read nothing any more."""
        for descriptor in tuple(self._sinks):
            self._forget(descriptor)

    def drain(self) -> None:
        """Read what is still in the pipes: a bounded amount, so that a daemon that writes on cannot hold us."""
        for descriptor in tuple(self._sinks):
            for _ in range(_DRAIN_LIMIT // _CHUNK):
                if not self._read(descriptor):
                    break

    def _forget(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        del self._sinks[descriptor]

    def _read(self, descriptor: int) -> bytes | None:
        """Pass one chunk on; None if there is none now, empty if there will be none."""
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return None
        if data:
            self._sinks[descriptor](data)
        return data
