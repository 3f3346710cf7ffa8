from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tako.children.base import StepUpdate
from tako.children.protocol import (
    MAX_FRAME,
    MAX_NESTING,
    MAX_NOTE,
    RESULT_STATUSES,
    STEP_STATUSES,
    VERSION,
    Conversation,
    Frame,
    Hello,
    Note,
    Result,
    decode,
    encode,
    quotable,
)
from tako.errors import ProtocolError
from tako.execution.event import Event
from tako.execution.failure import MAX_HEADLINE, STEP_FAILED, Failure
from tako.files import canonical
from tako.records import replace, to_data
from tests.builders import CHILD_ID, EVENTS, FAILURES, JSON, OUTPUTS, SECONDS, TEXT, make_event

HELLO = Hello(run_id=CHILD_ID, pid=4711)
RUNNING = StepUpdate(id="build", status="running")
DONE = StepUpdate(id="build", status="success", seconds=1.5, outputs={"version": "1.2.0"})
WAITING = make_event(run_id=CHILD_ID)
ASIDE = make_event(run_id=CHILD_ID, step_id="aside", waiting=False)
FAILURE = Failure(kind=STEP_FAILED, message="exit code 1", step="build", exit_code=1, log=("a", "b"))
SUCCESS = Result(status="success", outputs={})

HELLOS = st.builds(Hello, run_id=TEXT, pid=st.integers(1, 2**40), protocol=st.integers(0, 9))
STEPS = st.builds(
    StepUpdate,
    id=TEXT,
    status=st.sampled_from(STEP_STATUSES),
    seconds=SECONDS,
    exit_code=st.none() | st.integers(0, 255),
    signal=st.none() | st.integers(1, 64),
    cached=st.booleans(),
    outputs=OUTPUTS,
    message=TEXT,
    attempt=st.integers(1, 9),
    delay=SECONDS,
    tolerated=st.booleans(),
)
RESULTS = st.builds(
    Result,
    status=st.sampled_from(RESULT_STATUSES),
    failure=st.none() | FAILURES,
    cached=st.lists(TEXT, max_size=3).map(tuple),
    outputs=st.none() | st.dictionaries(TEXT, OUTPUTS, max_size=3),
)
NOTES = st.builds(Note, text=st.text(max_size=MAX_NOTE).filter(str.isprintable))
FRAMES: st.SearchStrategy[Frame] = HELLOS | STEPS | EVENTS | NOTES | RESULTS


def feed(conversation: Conversation, *frames: Frame | bytes) -> list[Frame]:
    """Say something; bytes are taken for a line of their own."""
    heard: list[Frame] = []
    for frame in frames:
        heard += conversation.feed(frame + b"\n" if isinstance(frame, bytes) else encode(frame))
    return heard


def converse(*frames: Frame | bytes) -> Conversation:
    conversation = Conversation(CHILD_ID)
    feed(conversation, *frames)
    return conversation


def line(frame: Frame, **changes: Any) -> bytes:
    """A frame with some fields changed, or taken away by ``...``."""
    body = {**json.loads(encode(frame)), **changes}
    return json.dumps({name: value for name, value in body.items() if value is not ...}).encode()


def event_line(**changes: Any) -> bytes:
    body = {**to_data(WAITING), **changes}
    return line(WAITING, event={name: value for name, value in body.items() if value is not ...})


# What is said is what is heard.


@given(FRAMES)
def test_every_frame_survives_the_wire(frame: Frame) -> None:
    encoded = encode(frame)

    assert encoded.count(b"\n") == 1
    assert encoded.endswith(b"\n")
    assert decode(encoded[:-1]) == frame


def outcome(chunks: Sequence[bytes]) -> tuple[list[Frame], str, Conversation]:
    """What is heard from a child that says these bytes, and the error that ends it."""
    conversation = Conversation(CHILD_ID)
    heard: list[Frame] = []
    try:
        for chunk in chunks:
            # One by one, so that what came before an error counts.
            for frame in conversation.feed(chunk):
                heard.append(frame)  # noqa: PERF402
        conversation.end()
    except ProtocolError as error:
        return heard, str(error), conversation
    return heard, "", conversation


SAID: list[Frame] = [HELLO, RUNNING, DONE, ASIDE, WAITING, SUCCESS, Result("suspended", outputs={})]
TALKS = st.lists(
    st.sampled_from(SAID).map(encode)
    | st.sampled_from([b"\n", b"rubbish\n", b"{}\n", b"\xff\x00\n", b'{"frame":"step"', b"\xe2\x82"]),
    max_size=6,
).map(lambda said: encode(HELLO) + b"".join(said))


@given(talk=TALKS, data=st.data())
def test_it_does_not_matter_how_the_bytes_are_cut(talk: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(talk)), max_size=8)))
    chunks = [talk[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(talk)], strict=True)]

    cut, whole = outcome(chunks), outcome([talk])

    assert cut[:2] == whole[:2]
    assert cut[2].result == whole[2].result
    assert cut[2].waiting == whole[2].waiting


def test_a_whole_life_is_heard_byte_by_byte() -> None:
    life: list[Frame] = [HELLO, RUNNING, DONE, ASIDE, WAITING, Result("suspended", outputs={"build": {"a": "b"}})]
    talk = b"".join(encode(frame) for frame in life)

    heard, error, conversation = outcome([bytes([byte]) for byte in talk])

    assert heard == life
    assert error == ""
    assert conversation.hello == HELLO
    assert conversation.waiting == [WAITING]
    assert conversation.result == life[-1]


def test_what_was_said_before_a_broken_rule_is_heard() -> None:
    conversation = Conversation(CHILD_ID)
    frames = conversation.feed(encode(HELLO) + encode(RUNNING) + b"Segmentation fault\n")

    assert [next(frames), next(frames)] == [HELLO, RUNNING]
    with pytest.raises(ProtocolError, match="not a frame"):
        next(frames)


# Nothing but frames and protocol errors.


@given(st.binary(max_size=200))
def test_any_bytes_are_frames_or_a_protocol_error(data: bytes) -> None:
    heard, _, _ = outcome([data, b"\n"])

    assert not heard


ANYTHING = JSON | st.integers(10**30, 10**31) | st.sampled_from([float("nan"), float("inf"), -float("inf"), [[]], -1])


@given(frame=FRAMES, data=st.data())
def test_a_frame_with_anything_in_any_field_is_a_frame_or_a_protocol_error(frame: Frame, data: st.DataObject) -> None:
    body = json.loads(encode(frame))
    place = body
    if "event" in body and data.draw(st.booleans()):
        place = body["event"]
    name = data.draw(st.sampled_from(sorted(place)) | TEXT)
    if name in place and data.draw(st.booleans()):
        del place[name]
    else:
        place[name] = data.draw(ANYTHING)
    try:
        heard = decode(json.dumps(body).encode())
    except ProtocolError:
        return
    # What is let in can be compared, kept and written down.
    assert decode(encode(heard)[:-1]) == heard or "nan" in repr(heard).lower()
    canonical(to_data(heard))


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"ok",
        b"null",
        b"[]",
        b'"hello"',
        b"{}",
        b'{"frame":null}',
        b'{"frame":["hello"]}',
        b'{"frame":{"a":1}}',
        b'{"frame":"goodbye"}',
        b'{"frame":"hello"}',
        b"{'frame': 'hello'}",
        b'{"frame":"hello","run_id":"a","pid":1,"protocol":1',
        b'{"frame":"hello","run_id":"a","pid":1,"protocol":1} {}',
        b"\x00" * 10,
        b"\x7fELF\x02\x01\x01\x00",
        b"\xff\xfe\xfd",
        encode(HELLO)[:-1].decode().encode("utf-16"),
        encode(HELLO)[:-1] + b"\x00",
        b"\xef\xbb\xbf" + encode(HELLO)[:-1],
        b'{"frame":"hello","run_id":"\xc3","pid":1,"protocol":1}',
        b'{"frame":"hello","run_id":"a","pid":' + b"9" * 5000 + b',"protocol":1}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
    ],
    ids=lambda said: ascii(said[:30]),
)
def test_a_line_that_is_no_frame_is_refused(said: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode(said)


@pytest.mark.parametrize(
    "said",
    [
        line(HELLO, pid="1"),
        line(HELLO, pid=True),
        line(HELLO, pid=None),
        line(HELLO, run_id=1),
        line(HELLO, run_id=...),
        line(HELLO, protocol=...),
        line(HELLO, protocol="1"),
        line(HELLO, more=1),
        line(DONE, id=None),
        line(DONE, status="great"),
        line(DONE, status=["success"]),
        line(DONE, seconds="1"),
        line(DONE, delay=-1),
        line(DONE, message=3),
        line(DONE, message="x" * (MAX_HEADLINE + 1)),
        line(DONE, attempt="1"),
        line(DONE, attempt=True),
        line(DONE, tolerated=1),
        line(DONE, seconds=-1),
        line(DONE, seconds=float("nan")),
        line(DONE, seconds=float("inf")),
        line(DONE, seconds=10**400),
        line(DONE, exit_code="1"),
        line(DONE, signal=[9]),
        line(DONE, cached=1),
        line(DONE, cached=None),
        line(DONE, outputs=None),
        line(DONE, outputs=[]),
        line(DONE, outputs={"a": 1}),
        line(DONE, outputs={"a": None}),
        line(DONE, more=1),
        line(WAITING, event=None),
        line(WAITING, event=[]),
        line(WAITING, more=1),
        line(WAITING, event=..., message=to_data(WAITING)),
        event_line(id=...),
        event_line(type=1),
        event_line(payload=[]),
        event_line(payload=None),
        event_line(waiting=1),
        event_line(waiting=None),
        event_line(schema_version=1.2),
        event_line(step_id=None),
        event_line(artifacts=None),
        event_line(artifacts=["lib"]),
        event_line(artifacts=[{"repo": "a/b", "name": "c"}]),
        event_line(artifacts=[{"repo": "a/b", "name": "c", "path": 5, "sha256": None}]),
        event_line(artifacts=[{"repo": "a/b", "name": ["c"], "path": "/p", "sha256": None}]),
        event_line(artifacts=[{"repo": "a/b", "name": "c", "path": "/p", "sha256": 1}]),
        event_line(artifacts=[{"repo": "a/b", "name": "c", "path": "/p", "sha256": None, "more": 1}]),
        event_line(more=1),
        line(SUCCESS, status="done"),
        line(SUCCESS, status=["success"]),
        line(SUCCESS, cached="build"),
        line(SUCCESS, cached=[1]),
        line(SUCCESS, cached=None),
        line(SUCCESS, outputs=[]),
        line(SUCCESS, outputs={"build": "1"}),
        line(SUCCESS, outputs={"build": {"version": 1}}),
        line(SUCCESS, more=1),
        line(SUCCESS, failure=...),
        line(SUCCESS, failure="sad"),
        line(SUCCESS, failure={"kind": "weather", "message": "rain"}),
        line(SUCCESS, failure={"kind": ["step_failed"], "message": "rain"}),
        line(SUCCESS, failure={**to_data(FAILURE), "message": 5}),
        line(SUCCESS, failure={**to_data(FAILURE), "step": 5}),
        line(SUCCESS, failure={**to_data(FAILURE), "exit_code": "1"}),
        line(SUCCESS, failure={**to_data(FAILURE), "signal": {}}),
        line(SUCCESS, failure={**to_data(FAILURE), "log": 5}),
        line(SUCCESS, failure={**to_data(FAILURE), "more": 5}),
    ],
    ids=lambda said: ascii(said[:90]),
)
def test_a_frame_with_a_wrong_field_is_refused_and_quoted(said: bytes) -> None:
    with pytest.raises(ProtocolError, match="not a frame: ") as caught:
        decode(said)

    assert caught.value.why


@pytest.mark.parametrize("levels", [MAX_NESTING + 1, 500])
def test_a_payload_nested_too_deep_is_refused(levels: int) -> None:
    with pytest.raises(ProtocolError, match="not a frame"):
        decode(event_line(payload=nested(levels)))


def test_a_payload_nested_deep_enough_can_still_be_written_down() -> None:
    heard = decode(event_line(payload=nested(MAX_NESTING)))

    assert isinstance(heard, Event)
    assert json.loads(canonical(to_data(heard)))["payload"] == nested(MAX_NESTING)


def nested(levels: int) -> dict[str, Any]:
    """An object with so many levels, itself the first; objects and lists by turns."""
    value: Any = {} if levels % 2 else []
    for level in range(levels - 1, 0, -1):
        value = {"deeper": value} if level % 2 else [value]
    assert isinstance(value, dict)
    return value


@settings(max_examples=25)
@given(st.integers(-3, 3))
def test_a_frame_of_a_mebibyte_is_heard_and_a_longer_one_is_not(surplus: int) -> None:
    empty = len(encode(replace(DONE, outputs={"a": ""})))
    text = "x" * (MAX_FRAME - empty + surplus)
    body = to_data(replace(DONE, outputs={"a": text}))
    said = json.dumps({"frame": "step", **body}, separators=(",", ":")).encode() + b"\n"
    assert len(said) == MAX_FRAME + surplus
    heard, error, _ = outcome([encode(HELLO), said])

    if surplus <= 0:
        assert encode(replace(DONE, outputs={"a": text})) == said
        assert heard == [HELLO, replace(DONE, outputs={"a": text})]
    else:
        assert heard == [HELLO]
        assert f"longer than {MAX_FRAME} bytes" in error
        with pytest.raises(ProtocolError, match="longer than"):
            encode(replace(DONE, outputs={"a": text}))


def test_a_line_that_comes_in_small_pieces_costs_no_more_than_many_lines_do() -> None:
    count = 100_000

    def cpu_seconds(piece: bytes) -> float:
        conversation = converse(HELLO)
        began = time.process_time()
        for _ in range(count):
            list(conversation.feed(piece))
        return time.process_time() - began

    # Looking again at all that came before, piece by piece, takes more than that, even for a tenth of a frame.
    assert cpu_seconds(b"x") < cpu_seconds(encode(RUNNING))


def test_a_line_that_never_ends_is_refused_as_soon_as_it_is_too_long_and_quoted_briefly() -> None:
    conversation = converse(HELLO)
    feed_raw(conversation, b"x" * (MAX_FRAME - 1))

    with pytest.raises(ProtocolError, match="longer than") as caught:
        feed_raw(conversation, b"x")
    assert len(str(caught.value)) < 300


def feed_raw(conversation: Conversation, data: bytes) -> None:
    assert list(conversation.feed(data)) == []


# The order of what is said.


@pytest.mark.parametrize("first", [RUNNING, WAITING, ASIDE, SUCCESS])
def test_the_first_frame_is_a_hello(first: Frame) -> None:
    with pytest.raises(ProtocolError, match="no hello"):
        converse(first)


def test_a_second_hello_is_refused() -> None:
    with pytest.raises(ProtocolError, match="hello twice"):
        converse(HELLO, HELLO)


def test_a_hello_of_another_run_is_refused() -> None:
    with pytest.raises(ProtocolError, match="the child runs exec-x, not exec-"):
        converse(replace(HELLO, run_id="exec-x"))


@pytest.mark.parametrize("version", [0, VERSION + 1, -1])
def test_a_hello_of_another_protocol_version_is_refused(version: int) -> None:
    with pytest.raises(ProtocolError, match=f"speaks protocol {version}"):
        converse(replace(HELLO, protocol=version))


@pytest.mark.parametrize("after", [SUCCESS, RUNNING, HELLO, ASIDE, b"", b"bye"])
def test_nothing_comes_after_the_result(after: Frame | bytes) -> None:
    conversation = converse(HELLO, SUCCESS)

    with pytest.raises(ProtocolError):
        feed(conversation, after)


def test_a_second_result_is_refused_and_does_not_replace_the_first() -> None:
    conversation = converse(HELLO, SUCCESS)

    with pytest.raises(ProtocolError, match="after the result"):
        feed(conversation, Result("failed", failure=FAILURE))
    assert conversation.result == SUCCESS


@pytest.mark.parametrize("status", ["success", "failed"])
def test_a_waiting_event_without_a_suspended_result_is_refused(status: str) -> None:
    conversation = converse(HELLO, WAITING)

    with pytest.raises(ProtocolError, match="belong together"):
        feed(conversation, Result(status, failure=FAILURE if status == "failed" else None))
    assert conversation.result is None


@pytest.mark.parametrize("events", [[], [ASIDE]])
def test_a_suspended_result_without_a_waiting_event_is_refused(events: list[Frame]) -> None:
    with pytest.raises(ProtocolError, match="belong together"):
        converse(HELLO, *events, Result("suspended"))


@pytest.mark.parametrize(
    "result", [Result("failed"), Result("success", failure=FAILURE)], ids=["without-failure", "with-failure"]
)
def test_a_failure_comes_with_a_failed_result_and_only_there(result: Result) -> None:
    with pytest.raises(ProtocolError, match="failed result and a failure belong together"):
        converse(HELLO, result)


def test_child_waits_for_all_events_of_one_step() -> None:
    other = replace(WAITING, id=f"{WAITING.id}-2")

    assert converse(HELLO, WAITING, other, Result("suspended", outputs={})).waiting == [WAITING, other]


def test_child_waits_for_one_step_at_a_time() -> None:
    with pytest.raises(ProtocolError, match="two steps"):
        converse(HELLO, WAITING, replace(WAITING, id="evt-other", step_id="other"))


@pytest.mark.parametrize("again", [ASIDE, replace(ASIDE, waiting=True)])
def test_an_event_is_emitted_once(again: Event) -> None:
    with pytest.raises(ProtocolError, match="twice"):
        converse(HELLO, ASIDE, again)


def test_an_event_that_nobody_waits_for_is_not_what_the_child_waits_for() -> None:
    assert converse(HELLO, ASIDE, SUCCESS).waiting == []


# The end of what is said.


@pytest.mark.parametrize("said", [b"", encode(HELLO), encode(HELLO) + encode(SUCCESS)])
def test_a_talk_may_end_after_any_whole_frame(said: bytes) -> None:
    conversation = Conversation(CHILD_ID)
    list(conversation.feed(said))

    conversation.end()


@pytest.mark.parametrize("cut", [1, 10, len(encode(SUCCESS)) - 1])
def test_a_talk_that_ends_within_a_frame_is_refused(cut: int) -> None:
    conversation = converse(HELLO)
    feed_raw(conversation, encode(SUCCESS)[:cut])

    with pytest.raises(ProtocolError, match="not complete"):
        conversation.end()
    assert conversation.result is None


def test_a_quotation_shows_no_control_characters() -> None:
    with pytest.raises(ProtocolError) as caught:
        decode(b"\x1b[31mred\x07" + b"x" * 500)

    assert "\x1b" not in str(caught.value)
    assert "\x07" not in str(caught.value)
    assert len(str(caught.value)) < 400


LONG = "\x1b[2J" + "x" * 500_000


@pytest.mark.parametrize(
    "said",
    [
        line(HELLO, **{LONG: 1}),
        json.dumps({"frame": LONG}).encode(),
        line(SUCCESS, status=LONG),
        line(SUCCESS, failure={**to_data(FAILURE), "kind": LONG}),
        line(DONE, message=LONG),
        line(HELLO, run_id=LONG),
        LONG.encode(),
    ],
    ids=lambda said: ascii(said[:60]),
)
def test_an_error_quotes_little_of_a_long_line_and_nothing_that_acts_on_a_terminal(said: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        converse(said)

    assert len(str(caught.value)) < 800
    assert str(caught.value).replace("\n", "").isprintable()


@given(st.text(max_size=300))
def test_what_is_quoted_is_short_and_printable(text: str) -> None:
    quoted = quotable(text, 100)

    assert quoted.isprintable()
    assert len(quoted) <= 100 * len("\\U0001f419") + len("… (300 characters)")
    assert quoted == text or not text.isprintable() or len(text) > 100


@pytest.mark.parametrize("kind", ["hello", "step", "event", "result"])
def test_every_kind_of_frame_is_in_the_table_of_the_module(kind: str) -> None:
    import tako.children.protocol as protocol

    assert protocol.__doc__ is not None
    assert f"\n{kind} " in protocol.__doc__
