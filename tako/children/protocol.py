"""What a child says on its stdout: one JSON object a line, the same code on both sides.

====== ============================ ===========================================================================
frame  when                         fields
====== ============================ ===========================================================================
hello  first                        ``protocol``, ``run_id``, ``pid``
step   a step starts or ends        ``id``, ``status``, ``seconds``, ``exit_code``, ``signal``, ``outputs``
event  a fan-out step emitted       ``event``, which says whether the emitter waits
result last, exactly once           ``status`` (success, failed, suspended), ``failure``, ``outputs``: by step, or
                                    null if they are too many for a frame and are in ``state.json`` only
====== ============================ ===========================================================================

A frame has at most 1 MiB. Whatever breaks these rules is a ``ProtocolError``: nothing is guessed.
"""

from __future__ import annotations

import json

from tako.children.base import StepUpdate
from tako.errors import ProtocolError
from tako.execution.event import Event, event_from_data
from tako.execution.failure import Failure, failure_from_data
from tako.records import record, to_data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

VERSION = 1
MAX_FRAME = 1 << 20
"""Bytes, the newline included."""

RESULT_STATUSES = ("success", "failed", "suspended")


@record
class Hello:
    run_id: str
    pid: int
    protocol: int = VERSION


@record
class Result:
    status: str
    failure: Failure | None = None
    outputs: Mapping[str, Mapping[str, str]] | None = None


Frame = Hello | StepUpdate | Event | Result


def encode(frame: Frame) -> bytes:
    """A frame as one line. Raises ``ProtocolError`` if it is too long."""
    match frame:
        case Hello():
            body = {"frame": "hello", **to_data(frame)}
        case StepUpdate():
            body = {"frame": "step", **to_data(frame)}
        case Event():
            body = {"frame": "event", "event": to_data(frame)}
        case Result():
            body = {"frame": "result", **to_data(frame)}
    line = json.dumps(body, separators=(",", ":")).encode() + b"\n"
    if len(line) > MAX_FRAME:
        raise ProtocolError(f"a {body['frame']} frame of {len(line)} bytes is longer than {MAX_FRAME}")
    return line


def decode(line: bytes) -> Frame:
    """The frame in a line. Raises ``ProtocolError`` if there is none."""
    try:
        body = json.loads(line)
        kind = body.pop("frame")
        return _FRAMES[kind](body)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ProtocolError(f"not a frame: {_excerpt(line)}", why=f"{type(error).__name__}: {error}") from error


class Conversation:
    """Reads one child's frames from its bytes and holds it to the rules.

    ``feed`` returns the frames that became complete; ``end`` says that no byte will follow. Both raise
    ``ProtocolError``, after which the conversation is over.
    """

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._pending = bytearray()
        self.hello: Hello | None = None
        self.waiting: Event | None = None
        """The event that the child waits for."""
        self.result: Result | None = None

    def feed(self, data: bytes) -> list[Frame]:
        """Take some bytes; they may hold any part of any number of frames."""
        self._pending += data
        *lines, rest = self._pending.split(b"\n")
        self._pending = bytearray(rest)
        frames = [self._accept(bytes(line)) for line in lines]
        if len(self._pending) >= MAX_FRAME:
            raise ProtocolError(f"a frame is longer than {MAX_FRAME} bytes: {_excerpt(bytes(self._pending))}")
        return frames

    def end(self) -> None:
        """Raises ``ProtocolError`` if the child stopped in the middle of a frame."""
        if self._pending:
            raise ProtocolError(f"the last frame is not complete: {_excerpt(bytes(self._pending))}")

    def _accept(self, line: bytes) -> Frame:
        if len(line) >= MAX_FRAME:
            raise ProtocolError(f"a frame is longer than {MAX_FRAME} bytes: {_excerpt(line)}")
        frame = decode(line)
        if self.result is not None:
            raise ProtocolError(f"a frame came after the result: {_excerpt(line)}")
        if isinstance(frame, Hello):
            self._greet(frame)
        elif self.hello is None:
            raise ProtocolError(f"the first frame is no hello: {_excerpt(line)}")
        elif isinstance(frame, Result):
            self._conclude(frame)
        elif isinstance(frame, Event) and frame.waiting:
            if self.waiting is not None:
                raise ProtocolError("the child waits for two events at once")
            self.waiting = frame
        return frame

    def _greet(self, hello: Hello) -> None:
        if self.hello is not None:
            raise ProtocolError("the child said hello twice")
        if hello.protocol != VERSION:
            raise ProtocolError(f"the child speaks protocol {hello.protocol}, this Tako speaks {VERSION}")
        if hello.run_id != self._run_id:
            raise ProtocolError(f"the child runs {hello.run_id}, not {self._run_id}")
        self.hello = hello

    def _conclude(self, result: Result) -> None:
        if (result.status == "suspended") != (self.waiting is not None):
            raise ProtocolError("a suspended result and a waiting event belong together, one came without the other")
        if (result.status == "failed") != (result.failure is not None):
            raise ProtocolError("a failed result and a failure belong together, one came without the other")
        self.result = result


def _hello(body: dict[str, Any]) -> Hello:
    if not isinstance(body["run_id"], str) or type(body["pid"]) is not int:
        raise ValueError("run_id or pid has the wrong type")
    return Hello(**body)


def _step(body: dict[str, Any]) -> StepUpdate:
    if not isinstance(body["id"], str) or not isinstance(body["status"], str):
        raise ValueError("id or status is not text")
    if not isinstance(body["seconds"], int | float):
        raise ValueError("seconds is not a number")
    return StepUpdate(**{**body, "outputs": _texts(body["outputs"])})


def _event(body: dict[str, Any]) -> Event:
    return event_from_data(body["event"])


def _result(body: dict[str, Any]) -> Result:
    if body["status"] not in RESULT_STATUSES:
        raise ValueError(f"unknown status {body['status']!r}")
    outputs = body["outputs"]
    if outputs is not None:
        outputs = {str(step): _texts(values) for step, values in outputs.items()}
    return Result(status=body["status"], failure=failure_from_data(body["failure"]), outputs=outputs)


def _texts(values: Any) -> dict[str, str]:
    if not all(isinstance(value, str) for value in values.values()):
        raise ValueError("an output is not text")
    return dict(values)


_FRAMES: Mapping[str, Callable[[dict[str, Any]], Frame]] = {
    "hello": _hello,
    "step": _step,
    "event": _event,
    "result": _result,
}


def _excerpt(data: bytes, limit: int = 120) -> str:
    text = ascii(data[:limit].decode("utf-8", "replace"))
    return f"{text}… ({len(data)} bytes)" if len(data) > limit else text
