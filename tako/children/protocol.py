"""What a child says on its stdout: one JSON object a line, the same code on both sides.

====== ============================ ===========================================================================
frame  when                         fields
====== ============================ ===========================================================================
hello  first                        ``protocol``, ``run_id``, ``pid``
step   a step starts, is tried      ``id``, ``status``, ``seconds``, ``exit_code``, ``signal``, ``outputs``,
       again or ends                ``message``, ``attempt``, ``delay``, ``tolerated``, ``cached``
event  a fan-out step emitted, a    ``event``, which says whether the emitter waits
       frame for each event
note   a reader should know it      ``text``, a line: what the child waits for, and who holds that
result last, exactly once           ``status`` (success, failed, suspended), ``failure``, ``outputs``: by step, or
                                    null if they are too many for a frame and are in ``state.json`` only; ``cached``,
                                    the ids of the steps that came from the step cache; ``warnings``, lines
====== ============================ ===========================================================================

A frame has at most 1 MiB, an event's payload at most 100 levels. Whatever breaks these rules is a ``ProtocolError``:
nothing is guessed.
"""

from __future__ import annotations

import json

from tako.children.base import StepUpdate
from tako.errors import ProtocolError
from tako.execution.event import Event, event_from_data
from tako.execution.failure import MAX_HEADLINE, Failure, failure_from_data
from tako.execution.service import EXITED, LOST, STOPPED
from tako.records import record, to_data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

VERSION = 1
MAX_FRAME = 1 << 20
"""Bytes, the newline included."""

MAX_NESTING = 100
"""Levels of an event's payload: what is read here is walked later by code that recurses."""

MAX_NOTE = 1000
MAX_WARNINGS = 100

MAX_SECONDS = 1e12
"""Duration of a step: no clock goes further, and infinity is not a duration."""

STEP_STATUSES = ("running", "retrying", "success", "failed", "skipped", "suspended", STOPPED, EXITED, LOST)
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
    cached: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    """Lines of at most ``MAX_NOTE`` printable characters, at most ``MAX_WARNINGS``."""


@record
class Note:
    text: str
    """A line of at most ``MAX_NOTE`` printable characters."""


Frame = Hello | StepUpdate | Event | Note | Result


def encode(frame: Frame) -> bytes:
    """A frame as one line. Raises ``ProtocolError`` if it is too long."""
    match frame:
        case Hello():
            body = {"frame": "hello", **to_data(frame)}
        case StepUpdate():
            body = {"frame": "step", **to_data(frame)}
        case Event():
            body = {"frame": "event", "event": to_data(frame)}
        case Note():
            body = {"frame": "note", **to_data(frame)}
        case Result():
            body = {"frame": "result", **to_data(frame)}
    line = json.dumps(body, separators=(",", ":")).encode() + b"\n"
    if len(line) > MAX_FRAME:
        raise ProtocolError(f"a {body['frame']} frame of {len(line)} bytes is longer than {MAX_FRAME}")
    return line


def decode(line: bytes) -> Frame:
    """The frame in a line. Raises ``ProtocolError`` if there is none."""
    try:
        body = json.loads(line.decode())  # a str, since of bytes it would take UTF-16 as well
        kind = body.pop("frame")
        return _FRAMES[kind](body)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = quotable(f"{type(error).__name__}: {error}")
        raise ProtocolError(f"not a frame: {_excerpt(line)}", why=why) from error


class Conversation:
    """Reads one child's frames from its bytes and holds it to the rules.

    ``feed`` yields the frames that became complete; ``end`` says that no byte will follow. Both raise
    ``ProtocolError``, after which the conversation is over: ``feed`` has then yielded what came before, however the
    bytes were cut.
    """

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._pending = bytearray()
        self._emitted: set[str] = set()
        self.hello: Hello | None = None
        self.waiting: list[Event] = []
        """The events that the child waits for, all of one step."""
        self.result: Result | None = None

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take some bytes; they may hold any part of any number of frames."""
        self._pending += data
        # What is pending is searched once, or a long line that comes in small pieces takes time with its square.
        if b"\n" in data:
            *lines, rest = self._pending.split(b"\n")
            self._pending = rest
            for line in lines:
                yield self._accept(bytes(line))
        if len(self._pending) >= MAX_FRAME:
            raise ProtocolError(f"a frame is longer than {MAX_FRAME} bytes: {_excerpt(bytes(self._pending))}")

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
        elif isinstance(frame, Event):
            self._emit(frame)
        return frame

    def _greet(self, hello: Hello) -> None:
        if self.hello is not None:
            raise ProtocolError("the child said hello twice")
        if hello.protocol != VERSION:
            raise ProtocolError(f"the child speaks protocol {hello.protocol}, this Tako speaks {VERSION}")
        if hello.run_id != self._run_id:
            raise ProtocolError(f"the child runs {quotable(hello.run_id)}, not {self._run_id}")
        self.hello = hello

    def _emit(self, event: Event) -> None:
        if event.id in self._emitted:
            raise ProtocolError(f"the child emitted the event {quotable(event.id)} twice")
        self._emitted.add(event.id)
        if event.waiting:
            if self.waiting and self.waiting[0].step_id != event.step_id:
                raise ProtocolError("the child waits for the events of two steps at once")
            self.waiting.append(event)

    def _conclude(self, result: Result) -> None:
        if (result.status == "suspended") != bool(self.waiting):
            raise ProtocolError("a suspended result and a waiting event belong together, one came without the other")
        if (result.status == "failed") != (result.failure is not None):
            raise ProtocolError("a failed result and a failure belong together, one came without the other")
        self.result = result


def _hello(body: dict[str, Any]) -> Hello:
    if not isinstance(body["run_id"], str) or type(body["pid"]) is not int or type(body["protocol"]) is not int:
        raise ValueError("run_id, pid or protocol has the wrong type")
    return Hello(**body)


def _step(body: dict[str, Any]) -> StepUpdate:
    if not isinstance(body["id"], str) or body["status"] not in STEP_STATUSES:
        raise ValueError("id is not text, or the status is unknown")
    for name in ("seconds", "delay"):
        value = body.get(name, 0.0)
        if not isinstance(value, int | float) or not 0 <= value <= MAX_SECONDS:
            raise ValueError(f"{name} is not a duration")
    if not isinstance(body["exit_code"], int | None) or not isinstance(body["signal"], int | None):
        raise ValueError("exit_code or signal is not a number")
    message = body.get("message", "")
    if not isinstance(message, str) or len(message) > MAX_HEADLINE or type(body.get("attempt", 1)) is not int:
        raise ValueError("message is no short text, or attempt is not a number")
    for flag in ("tolerated", "cached"):
        if not isinstance(body.get(flag, False), bool):
            raise ValueError(f"{flag} is neither true nor false")
    artifacts = body.get("artifacts", [])
    if not isinstance(artifacts, list) or not all(_is_line(line) for line in artifacts):
        raise ValueError("artifacts is no list of lines to be shown")
    return StepUpdate(**{**body, "outputs": _texts(body["outputs"]), "artifacts": tuple(artifacts)})


def _event(body: dict[str, Any]) -> Event:
    (only,) = body.items()
    if only[0] != "event":
        raise ValueError("an event frame holds an event")
    event = event_from_data(only[1])
    if _is_nested_deeper(event.payload, MAX_NESTING):
        raise ValueError(f"the payload is nested more than {MAX_NESTING} levels deep")
    return event


def _note(body: dict[str, Any]) -> Note:
    note = Note(**body)
    if not _is_line(note.text):
        raise ValueError("the text is no line to be shown")
    return note


def _is_line(text: Any) -> bool:
    return isinstance(text, str) and len(text) <= MAX_NOTE and text.isprintable()


def _is_nested_deeper(value: Any, levels: int) -> bool:
    """Level by level, since the depth of the stack is what is being protected."""
    level = [value]
    for _ in range(levels):
        inside = (item.values() if isinstance(item, dict) else item for item in level)
        level = [inner for items in inside for inner in items if isinstance(inner, dict | list)]
        if not level:
            return False
    return True


def _result(body: dict[str, Any]) -> Result:
    if body["status"] not in RESULT_STATUSES:
        raise ValueError(f"unknown status {body['status']!r}")
    outputs = body["outputs"]
    if outputs is not None:
        outputs = {step: _texts(values) for step, values in outputs.items()}
    cached = body.get("cached", [])
    if not isinstance(cached, list) or not all(isinstance(step, str) for step in cached):
        raise ValueError("cached is no list of steps")
    warnings = body.get("warnings", [])
    if not isinstance(warnings, list) or len(warnings) > MAX_WARNINGS or not all(map(_is_line, warnings)):
        raise ValueError("warnings are no list of lines to be shown")
    failure = failure_from_data(body["failure"])
    return Result(
        **{**body, "failure": failure, "outputs": outputs, "cached": tuple(cached), "warnings": tuple(warnings)}
    )


def _texts(values: Any) -> dict[str, str]:
    if not all(isinstance(value, str) for value in values.values()):
        raise ValueError("an output is not text")
    return dict(values)


_FRAMES: Mapping[str, Callable[[dict[str, Any]], Frame]] = {
    "hello": _hello,
    "step": _step,
    "event": _event,
    "note": _note,
    "result": _result,
}


def quotable(said: str, limit: int = 200) -> str:
    """The beginning of what a child said, fit for a message: ``limit`` characters, none that acts on a terminal."""
    shown = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in said[:limit])
    return f"{shown}… ({len(said)} characters)" if len(said) > limit else shown


def _excerpt(data: bytes, limit: int = 120) -> str:
    text = ascii(data[:limit].decode("utf-8", "replace"))
    return f"{text}… ({len(data)} bytes)" if len(data) > limit else text
