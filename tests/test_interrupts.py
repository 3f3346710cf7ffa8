"""What the signals that ask for the end do, to a command and to a run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako.interrupts import STOP_SIGNALS, Insistence, RunSignals, SignalInterrupt, exit_code, handlers, told
from tako.patience import ASK, FORCE

INT, TERM, HUP = STOP_SIGNALS


@pytest.fixture(autouse=True)
def own_handlers() -> Iterator[list[int]]:
    """What comes to the handlers that were there before; the process's own are back afterwards."""
    heard: list[int] = []
    before = {number: signal.signal(number, lambda got, _frame: heard.append(got)) for number in STOP_SIGNALS}
    yield heard
    for number, handler in before.items():
        signal.signal(number, handler)


# What a signal means


@pytest.mark.parametrize(
    ("signals", "meanings"),
    [
        ((INT,), [ASK]),
        ((INT, INT), [ASK, FORCE]),
        ((TERM, INT, TERM), [ASK, FORCE, FORCE]),
        ((HUP, HUP), [ASK, None]),
        ((HUP, TERM), [ASK, None]),
        ((HUP, TERM, HUP, TERM), [ASK, None, None, FORCE]),
        ((INT, HUP), [ASK, None]),
    ],
)
def test_who_asks_twice_insists_and_a_hangup_is_nobodys_wish(signals: list[int], meanings: list[str | None]) -> None:
    insistence = Insistence()
    assert [insistence.hear(number) for number in signals] == meanings
    assert insistence.first == signals[0]


@given(st.lists(st.sampled_from(STOP_SIGNALS), min_size=1))
def test_it_is_asked_once_and_first_and_forced_when_wanted_twice(signals: list[int]) -> None:
    insistence = Insistence()
    meanings = [insistence.hear(number) for number in signals]
    assert meanings[0] == ASK
    assert ASK not in meanings[1:]
    assert (FORCE in meanings) == (sum(number != HUP for number in signals) > 1)


# A run


def test_a_signal_that_comes_before_the_run_is_kept_for_it(own_handlers: list[int]) -> None:
    run, heard = RunSignals(), list[int]()
    with run.heeded():
        signal.raise_signal(TERM)
        signal.raise_signal(INT)
        with run.handed_to(heard.append):
            assert heard == [TERM, INT]
            signal.raise_signal(HUP)
    assert heard == [TERM, INT, HUP]
    assert not own_handlers
    signal.raise_signal(INT)
    assert own_handlers == [INT]


def test_what_ends_behind_a_run_hears_the_signals_and_then_the_run_does_again(own_handlers: list[int]) -> None:
    run, of_run, behind = RunSignals(), list[int](), list[int]()
    with run.heeded(), run.handed_to(of_run.append):
        with run.handed_to(behind.append):
            signal.raise_signal(INT)
        signal.raise_signal(TERM)
    assert (of_run, behind, own_handlers) == ([TERM], [INT], [])


def test_after_the_run_one_signal_is_passed_by_and_the_next_is_not(own_handlers: list[int]) -> None:
    run, heard = RunSignals(), list[int]()
    with run.heeded():
        with run.handed_to(heard.append):
            pass
        signal.raise_signal(INT)
        assert not own_handlers
        signal.raise_signal(TERM)
        assert own_handlers == [TERM]
    assert not heard


def test_what_is_ignored_stays_so(own_handlers: list[int]) -> None:
    signal.signal(HUP, signal.SIG_IGN)
    heard: list[int] = []
    with handlers(heard.append):
        signal.raise_signal(HUP)
        signal.raise_signal(TERM)
    assert heard == [TERM]
    assert signal.getsignal(HUP) is signal.SIG_IGN
    assert not own_handlers


# A command


@pytest.mark.parametrize(
    ("error", "words", "code"),
    [
        (SignalInterrupt(TERM), "interrupted by SIGTERM", 143),
        (SignalInterrupt(HUP), "interrupted by SIGHUP", 129),
        (KeyboardInterrupt(), "interrupted", 130),
    ],
)
def test_an_interrupt_tells_what_it_was(error: BaseException, words: str, code: int) -> None:
    assert (told(error), exit_code(error)) == (words, code)


COMMAND = """
import os, signal
from tako.interrupts import SignalInterrupt, raise_on_signals
raise_on_signals()
try:
    signal.raise_signal(signal.{0})
except SignalInterrupt as error:
    print(error, flush=True)
signal.raise_signal(signal.{1})
print("tidied up", flush=True)
signal.raise_signal(signal.{2})
print("never", flush=True)
"""


def test_the_first_signal_raises_the_second_does_nothing_and_the_third_kills() -> None:
    code = COMMAND.format("SIGHUP", "SIGINT", "SIGTERM")
    ran = subprocess.run([sys.executable, "-c", code], env=os.environ, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (-TERM, "interrupted by SIGHUP\ntidied up\n"), ran.stderr
