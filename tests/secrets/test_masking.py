"""What is masked: every spelling of a secret, however the text is cut, and nothing else."""

from __future__ import annotations

import base64
import html
import json
import shlex
import subprocess
import urllib.parse
from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako.secrets.forms import MIN_LENGTH, forms
from tako.secrets.masking import MASKED, Mask, MaskedStream, masked_pair

PLAIN = "s3cr3t-V4lue"
ODD = "q'u\"o/t+e\\d <&> é$1 100%"
PEM = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\nAQEFAASCBKcwggSjAgEAAoIB\n-----END KEY-----\n"

# Few letters, so that what is drawn overlaps and begins alike; no star, of which the mask is made.
FEW = "ab'/+"
TEXTS = st.text(FEW, max_size=60)
VALUES = st.dictionaries(
    st.sampled_from(["A", "B", "C"]),
    st.text(f"{FEW}\n", min_size=4, max_size=12).filter(lambda value: len(value.strip()) >= MIN_LENGTH),
    min_size=1,
)


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """The data in pieces, cut at some places."""
    ends = [*sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def masked(values: Mapping[str, str], pieces: Iterable[bytes]) -> bytes:
    stream = MaskedStream(Mask(values))
    return b"".join([*map(stream.feed, pieces), stream.end()])


def written_by_hand(values: Mapping[str, str], data: bytes) -> bytes:
    """The same in the plainest way: every byte of every spelling is hidden, and what overlaps is hidden as one."""
    spans = sorted(
        (start, start + len(form))
        for value in values.values()
        for form in forms(value)
        for start in range(len(data))
        if data.startswith(form, start)
    )
    out, done = b"", 0
    for start, end in spans:
        if start >= done:
            out += data[done:start] + MASKED
        done = max(done, end)
    return out + data[done:]


@given(values=VALUES, text=TEXTS, places=st.lists(st.integers(0, 200), max_size=12))
def test_what_comes_out_does_not_depend_on_how_it_was_cut(
    values: Mapping[str, str], text: str, places: list[int]
) -> None:
    data = text.encode()

    assert masked(values, cut(data, places)) == masked(values, [data]) == written_by_hand(values, data)


@given(values=VALUES, before=TEXTS, after=TEXTS, places=st.lists(st.integers(0, 200), max_size=12), which=st.data())
def test_no_spelling_of_a_secret_is_left(
    values: Mapping[str, str], before: str, after: str, places: list[int], which: st.DataObject
) -> None:
    every = sorted(form for value in values.values() for form in forms(value))
    form = which.draw(st.sampled_from(every))

    out = masked(values, cut(before.encode() + form + after.encode(), places))

    assert MASKED in out
    assert not [form for form in every if form in out]


@given(values=VALUES, pieces=st.lists(st.binary(max_size=8) | TEXTS.map(str.encode), max_size=8))
def test_only_what_may_be_the_beginning_of_a_secret_is_held_back(
    values: Mapping[str, str], pieces: list[bytes]
) -> None:
    mask = Mask(values)
    stream = MaskedStream(mask)
    every = [form for value in values.values() for form in forms(value)]
    given_so_far = shown = b""
    for piece in pieces:
        shown += stream.feed(piece)
        given_so_far += piece
        held = max(
            (size for form in every for size in range(len(form)) if given_so_far.endswith(form[:size])), default=0
        )
        assert mask.open_end(given_so_far) == held < mask.longest
    assert shown + stream.end() == written_by_hand(values, given_so_far)


@pytest.mark.parametrize("text", ["Password: ", "continue? [y/N] ", "one line\n"])
def test_a_prompt_comes_out_at_once(text: str) -> None:
    assert MaskedStream(Mask({"A": PLAIN})).feed(text.encode()) == text.encode()


def spellings(value: str) -> dict[str, str]:
    """How tools write a value, by the tool."""
    quoted = {
        "quote": urllib.parse.quote(value),
        "quote all": urllib.parse.quote(value, safe=""),
        "quote_plus": urllib.parse.quote_plus(value),
        "encodeURIComponent": urllib.parse.quote(value, safe="!'()*"),
        "shlex": shlex.quote(value).strip("'") if "'" not in value else value.replace("'", "'\"'\"'"),
        "bash %q": subprocess.run(
            ["bash", "-c", 'printf %q "$1"', "-", value], check=True, capture_output=True, text=True
        ).stdout,
        "json": json.dumps(value),
        "json in unicode": json.dumps(value, ensure_ascii=False),
        "json in json": json.dumps(json.dumps(value)),
        "php json": json.dumps(value).replace("/", "\\/"),
        "go json": json.dumps(value).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"),
        "repr": repr(value),
        "html": html.escape(value, quote=False),
        "html attribute": html.escape(value),
        "hex": value.encode().hex(),
        "HEX": value.encode().hex().upper(),
    }
    lower = {f"{name}, lower": text.lower() for name, text in quoted.items() if "quote" in name and value.islower()}
    return {**quoted, **lower}


@pytest.mark.parametrize("value", [PLAIN, ODD])
def test_every_spelling_of_every_tool_is_masked(value: str) -> None:
    mask = Mask({"A": value})
    left = {name: mask.hide(text) for name, text in spellings(value).items() if value != text}
    # What a tool puts around it may stay, and the value itself is not there in part either.
    assert {name: out for name, out in left.items() if out.strip("\"'\\") != "***"} == {}
    assert mask.hide(f"a{value}b") == "a***b"


@pytest.mark.parametrize("before", range(7))
@pytest.mark.parametrize("after", range(4))
@pytest.mark.parametrize("encode", [base64.standard_b64encode, base64.urlsafe_b64encode])
def test_base64_is_masked_wherever_the_value_begins_in_it(before: int, after: int, encode: type) -> None:
    value = "x~>?y~~?>s3cr3t"
    data = b"u" * before + value.encode() + b"p" * after
    for text in (encode(data), encode(data).rstrip(b"=")):
        out = Mask({"A": value}).hide_in(text)
        # The digits at both ends that others have a part in are the only ones that may stay.
        around = out.split(b"***")
        assert len(around) == 2
        assert len(text) - sum(map(len, around)) >= len(value) * 8 // 6 - 1
        assert len(around[0]) == -(-before * 8 // 6)


def test_base64_over_several_lines_is_masked_line_by_line() -> None:
    value = "".join(chr(ord("!") + index % 90) for index in range(200))
    assert Mask({"A": value}).hide_in(base64.encodebytes(value.encode())) == b"***\n" * 4


def test_a_value_of_several_lines_is_masked_line_by_line() -> None:
    mask = Mask({"KEY": PEM})
    first, second, third, last = PEM.splitlines()
    assert mask.hide(f"<{PEM}>") == "<***>"
    assert mask.hide(f"1 {second}\r\n2 {third} {first}\n{last}") == "1 ***\r\n2 *** ***\n***"
    assert mask.hide(json.dumps({"key": PEM})) == '{"key": "***"}'
    assert mask.hide("BEGIN KEY") == "BEGIN KEY"


def test_the_line_end_behind_a_value_is_no_part_of_the_secret() -> None:
    assert Mask({"A": f"{PLAIN}\n"}).hide(f"({PLAIN})") == "(***)"


def test_secrets_that_overlap_are_hidden_to_the_ends_of_both() -> None:
    mask = Mask({"A": "abcdef", "B": "efghij", "C": "abcdefgh", "D": "cdef"})
    assert mask.hide("<abcdefghij>") == "<***>"
    assert mask.hide("<abcdef>") == "<***>"
    assert mask.hide("<xcdefgh>") == "<x***gh>"


def test_the_name_of_what_is_found_is_told() -> None:
    mask = Mask({"A": PLAIN, "B": ODD})
    assert mask.find(f"x{PLAIN}") == "A"
    assert mask.find(json.dumps(ODD)) == "B"
    assert mask.find(PLAIN[:-1]) is None


def test_what_frames_any_key_is_masked_but_is_no_secret() -> None:
    mask = Mask({"KEY": PEM})
    frames = "-----BEGIN KEY-----\n-----END KEY-----"
    assert mask.hide(frames) == "***\n***"
    assert mask.find(frames) is None
    for line in PEM.splitlines()[1:3]:
        assert mask.find(f"{frames}\n{line}") == "KEY"
    assert mask.find(PEM) == mask.find(json.dumps(PEM)) == "KEY"
    short = "-----BEGIN K-----\n+/a\n-----END K-----"
    assert Mask({"KEY": short}).find(json.dumps(short)) == "KEY"


def test_text_of_any_kind_passes() -> None:
    mask = Mask({"A": PLAIN})
    for text in ("", "\ud800", "\udc80é\0", "***"):
        assert mask.hide(text) == text


@given(
    value=st.text(FEW, min_size=4, max_size=8),
    pieces=st.lists(st.tuples(st.booleans(), st.text(FEW, max_size=8)), max_size=12),
)
def test_two_streams_in_one_log_never_make_a_secret_together(value: str, pieces: list[tuple[bool, str]]) -> None:
    written = bytearray()
    first, second, end = masked_pair(Mask({"A": value}), written.extend)

    for is_first, text in pieces:
        (first if is_first else second)(text.encode())
    end()

    assert not [form for form in forms(value) if form in written]


def test_two_beginnings_that_are_left_at_the_end_make_no_secret_either() -> None:
    written = bytearray()
    first, second, end = masked_pair(Mask({"A": "abcabc"}), written.extend)
    first(b"out abc")
    second(b"err abc")
    end()
    assert bytes(written) == b"out err abc***"


def test_two_streams_that_take_turns_make_no_secret_of_pieces_that_came_out() -> None:
    written = bytearray()
    first, second, end = masked_pair(Mask({"A": "'a++"}), written.extend)
    second(b"'")
    second(b"a'")
    first(b"+")
    first(b"+")
    end()
    assert b"'a++" not in written
    assert bytes(written).startswith(b"'a+")
