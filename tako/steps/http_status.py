"""Asks an address of this machine whether it is there: the status of its answer, no more.

By hand on a socket that does not block, since whoever waits for it must hear at once when to stop. ``http.client``
blocks, and takes 30 ms to import.
"""

from __future__ import annotations

import os
import select
import socket

from tako.clock import SystemClock
from tako.loopback import host_and_port
from tako.steps.base import RunInterruptedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.signals import Stops

ANSWER_SECONDS = 5.0
"""For an answer to begin."""

_LONGEST_LINE = 4096
_ADDRESSES = {"localhost": ("127.0.0.1", "::1")}


def addresses_of(host: str) -> tuple[str, ...]:
    """The addresses at which a loopback host is asked, in that order."""
    return _ADDRESSES.get(host.lower(), (host,))


def status_of(url: str, stops: Stops, *, seconds: float = ANSWER_SECONDS) -> tuple[int | None, str]:
    """The status with which a loopback URL answers to GET, and in words what happened; None if it does not answer.

    Redirects are not followed. Raises ``RunInterruptedError`` as soon as a stop is asked for.
    """
    host, port = host_and_port(url)
    status, reason = None, ""
    for address in addresses_of(host):
        found, words = _ask(address, int(port), host, _path(url), stops, seconds)
        if found is not None:
            return found, words
        reason = reason or words
    return status, reason


def _path(url: str) -> str:
    rest = url.partition("://")[2].partition("#")[0]
    start = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    path = rest[start:]
    return path if path.startswith("/") else f"/{path}"


def _ask(address: str, port: int, host: str, path: str, stops: Stops, seconds: float) -> tuple[int | None, str]:
    shown = f"[{host}]" if ":" in host else host
    request = f"GET {path} HTTP/1.1\r\nHost: {shown}:{port}\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as connection:
            connection.setblocking(False)
            conversation = _Conversation(connection, stops, seconds)
            connection.connect_ex((address, port))
            conversation.wait(select.POLLOUT)
            failed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if failed:
                return None, os.strerror(failed).lower()
            # It fits into the buffer of a socket that has just been opened.
            connection.send(request.encode("utf-8", "replace"))
            return _status(conversation.first_line())
    except TimeoutError:
        return None, "no answer"
    except OSError as error:
        return None, (error.strerror or str(error)).lower()


def _status(line: bytes) -> tuple[int | None, str]:
    parts = line.split(None, 2)
    if len(parts) > 1 and parts[0].startswith(b"HTTP/") and parts[1].isdigit():
        return int(parts[1]), f"status {int(parts[1])}"
    return None, "an answer that is not HTTP"


class _Conversation:
    """Waits for one socket, as long as the time that is left, and no longer than until a stop is asked for."""

    def __init__(self, connection: socket.socket, stops: Stops, seconds: float) -> None:
        self._connection = connection
        self._stops = stops
        self._clock = SystemClock()
        self._ends_at = self._clock.monotonic() + seconds

    def wait(self, events: int) -> None:
        poll = select.poll()
        poll.register(self._connection, events)
        for descriptor in self._stops.all:
            poll.register(descriptor, select.POLLIN)
        ready = poll.poll(max(0.0, self._ends_at - self._clock.monotonic()) * 1000)
        if any(descriptor != self._connection.fileno() for descriptor, _ in ready):
            raise RunInterruptedError
        if not ready:
            raise TimeoutError

    def first_line(self) -> bytes:
        data = b""
        while b"\n" not in data and len(data) < _LONGEST_LINE:
            self.wait(select.POLLIN)
            more = self._connection.recv(_LONGEST_LINE)
            if not more:
                break
            data += more
        return data.partition(b"\n")[0]
