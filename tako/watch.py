"""Waits for a process and for what comes out of it, in one poll."""

from __future__ import annotations

import os
import select

from tako.patience import Seen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tako.process import Process
    from tako.signals import Stops

    Sink = Callable[[bytes], object]

_CHUNK = 1 << 16
_DRAIN_LIMIT = 1 << 20
_LONGEST_POLL = 86400.0
"""Seconds: poll(2) takes its milliseconds as a C int."""


class Watch:
    """The descriptors of one supervised process, and what to do when they have something to say.

    A sink that returns False wants the process to end. ``closed`` is called with an output's descriptor when nothing
    more can come out of it though the process runs.
    """

    def __init__(
        self, process: Process, outputs: Mapping[int, Sink], stops: Stops, closed: Callable[[int], object]
    ) -> None:
        self._process = process
        self._closed = closed
        self._sinks = dict(outputs)
        self._stops = stops
        self._open_stops = set(stops.all)
        self._poll = select.poll()
        self._seen: set[int] = set()
        self._refused = False
        for descriptor in self._sinks:
            os.set_blocking(descriptor, False)
        for descriptor in (*self._sinks, *self._open_stops):
            self._poll.register(descriptor, select.POLLIN)
        self._handle = process.wait_handle()
        if self._handle >= 0:
            self._poll.register(self._handle, select.POLLIN)

    def turn(self, seconds: float | None) -> None:
        """Wait for something to happen, and deal with it."""
        if self._process.wait_handle() < 0:
            if self._handle >= 0:
                # The process has ended, and its descriptor is given back.
                self._poll.unregister(self._handle)
                self._handle = -1
            seconds = min(seconds, 0.02) if seconds is not None else 0.02
        milliseconds = None if seconds is None else min(seconds, _LONGEST_POLL) * 1000 + 1
        for descriptor, _event in self._poll.poll(milliseconds):
            if descriptor in self._sinks:
                if self._read(descriptor) == b"":
                    self._poll.unregister(descriptor)
                    del self._sinks[descriptor]
                    self._closed(descriptor)
            elif descriptor in self._open_stops:
                self._seen.add(descriptor)
                self._open_stops.discard(descriptor)
                self._poll.unregister(descriptor)

    def seen(self, due: float | None) -> Seen:
        """What is to be said of the process now; ``due`` is passed on."""
        return Seen(
            stop=self._refused or not self._seen.isdisjoint(self._stops.ask),
            interrupt=not self._refused and self._stops.by_interrupt,
            lost=not self._seen.isdisjoint(self._stops.lost),
            force=not self._seen.isdisjoint(self._stops.force),
            due=due,
        )

    def ignore_all(self) -> None:
        """Read nothing and hear of no stop any more."""
        for descriptor in (*self._sinks, *self._open_stops):
            self._poll.unregister(descriptor)
        self._sinks.clear()
        self._open_stops.clear()

    def drain(self) -> None:
        """Read what is still in the pipes: a bounded amount, so that a daemon that writes on cannot hold us."""
        for descriptor in tuple(self._sinks):
            for _ in range(_DRAIN_LIMIT // _CHUNK):
                if not self._read(descriptor):
                    break

    def _read(self, descriptor: int) -> bytes | None:
        """Pass one chunk on; None if there is none now, empty if there will be none."""
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return None
        if data and self._sinks[descriptor](data) is False:
            self._refused = True
        return data
