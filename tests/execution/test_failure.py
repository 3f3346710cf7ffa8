"""How much of its words a failure keeps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tako.children.protocol import MAX_FRAME, Result, decode, encode
from tako.execution.failure import LOG_TAIL, MAX_HEADLINE, MAX_MESSAGE, STEP_FAILED, Failure, concise
from tako.log_file import LONGEST_LINE

WORDS = st.text(max_size=5).flatmap(lambda text: st.integers(0, 10_000).map(lambda times: text * times))


@given(message=WORDS, log=st.lists(WORDS, max_size=2 * LOG_TAIL))
def test_a_concise_failure_keeps_what_is_short_and_cuts_what_is_long(message: str, log: list[str]) -> None:
    whole = Failure(STEP_FAILED, message, log=tuple(log))
    cut = concise(whole)

    assert len(cut.message) <= MAX_MESSAGE
    assert cut.message == message or f"({len(message)} characters)" in cut.message
    assert cut.message[: MAX_MESSAGE - 50] == message[: MAX_MESSAGE - 50]
    assert [line[: LONGEST_LINE - 1] for line in cut.log] == [line[: LONGEST_LINE - 1] for line in log[-LOG_TAIL:]]
    assert all(len(line) <= LONGEST_LINE for line in cut.log)
    assert concise(cut) == cut, "who is told of it cuts it again"
    assert len(cut.headline) <= MAX_HEADLINE


def test_a_concise_failure_fits_a_frame_whatever_its_characters() -> None:
    character = "\N{OCTOPUS}"  # 12 bytes of JSON
    failure = concise(Failure(STEP_FAILED, character * 10**6, log=(character * 10**4,) * 100))

    said = encode(Result("failed", failure=failure))

    assert len(said) < MAX_FRAME
    assert decode(said[:-1]) == Result("failed", failure=failure)


def test_a_headline_that_is_cut_says_so() -> None:
    assert Failure(STEP_FAILED, "x" * MAX_HEADLINE).headline == "x" * MAX_HEADLINE
    assert Failure(STEP_FAILED, "x" * MAX_HEADLINE + "y\nmore").headline == "x" * (MAX_HEADLINE - 1) + "…"
