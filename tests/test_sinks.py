"""What a command prints on two streams, written as one."""

from __future__ import annotations

import pytest

from tako.secrets.run import NO_SECRETS, RunSecrets
from tako.sinks import HOLD_SECONDS, LONGEST_HELD, JoinedSinks, LineBuffer


class Watch:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.moment = 100.0

    def __call__(self) -> float:
        return self.moment


@pytest.fixture
def written() -> list[bytes]:
    return []


def test_lines_pass_whole(written: list[bytes]) -> None:
    buffer = LineBuffer(written.append)
    for piece in (b"on", b"e\ntw", b"o\nthree\n"):
        buffer.feed(piece)

    assert written == [b"one\n", b"two\nthree\n"]


def test_part_of_a_line_passes_when_it_has_waited(written: list[bytes]) -> None:
    watch = Watch()
    buffer = LineBuffer(written.append, now=watch)
    assert buffer.tick() is None
    buffer.feed(b"Password: ")

    assert buffer.tick() == pytest.approx(HOLD_SECONDS)
    assert written == []
    watch.moment += HOLD_SECONDS + 0.001
    assert buffer.tick() is None
    assert written == [b"Password: "]


def test_waiting_part_counts_from_its_first_byte(written: list[bytes]) -> None:
    watch = Watch()
    buffer = LineBuffer(written.append, now=watch)
    for dot in range(4):
        buffer.feed(b".")
        assert (buffer.tick() is None) == (dot == 3)
        watch.moment += HOLD_SECONDS / 2.9

    assert written == [b"...."]


def test_very_long_line_is_not_held(written: list[bytes]) -> None:
    buffer = LineBuffer(written.append)
    buffer.feed(b"x" * (LONGEST_HELD + 1))

    assert written == [b"x" * (LONGEST_HELD + 1)]


def test_end_of_a_command_passes_the_rest(written: list[bytes]) -> None:
    sinks = JoinedSinks(NO_SECRETS, written.append, apart=True)
    sinks.on_stdout(b"no end")
    sinks.end()

    assert written == [b"no end"]


def test_two_streams_never_cut_each_others_lines(written: list[bytes]) -> None:
    sinks = JoinedSinks(NO_SECRETS, written.append, apart=True)
    assert sinks.on_stderr is not None
    sinks.on_stdout(b"one\nbegin")
    sinks.on_stderr(b"warning\n")
    sinks.on_stdout(b"ning\n")

    assert b"".join(written) == b"one\nwarning\nbeginning\n"


def test_one_pipe_needs_no_second_sink(written: list[bytes]) -> None:
    sinks = JoinedSinks(NO_SECRETS, written.append, apart=False)

    assert sinks.on_stderr is None
    assert sinks.on_stdout == written.append


@pytest.mark.parametrize("pieces", [["hunter2-secret\n"], ["hunt", "er2-secret\n"], ["hunter2-secre", "t"]])
def test_secret_in_one_stream_is_masked_whatever_comes_between(written: list[bytes], pieces: list[str]) -> None:
    sinks = JoinedSinks(RunSecrets({"T": "hunter2-secret"}), written.append, apart=True)
    assert sinks.on_stderr is not None
    for piece in pieces:
        sinks.on_stdout(piece.encode())
        sinks.on_stderr(b"between\n")
    sinks.end()

    shown = b"".join(written)
    assert b"***" in shown
    assert b"hunt" not in shown
