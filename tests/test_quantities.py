"""Durations and sizes: what people write is what is meant, and everything else is refused with an example."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tako.process import Processes
from tako.quantities import parse_duration, parse_size, shown_size

TEN_YEARS = 315_360_000
UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
"""In milliseconds."""
SUFFIXES = {
    "": 1,
    **{letter: 1000**power for power, letter in enumerate("KMGTPE", 1)},
    **{f"{letter}i": 1024**power for power, letter in enumerate("KMGTPE", 1)},
}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30m", 1800),
        ("1h30m", 5400),
        ("10s", 10),
        ("500ms", 0.5),
        ("9ms", 0.009),
        ("1m1ms", 60.001),
        ("1.5h", 5400),
        ("2d", 172_800),
        ("1d2h3m4s5ms", 93_784.005),
        ("90", 90),
        ("1.25", 1.25),
        (".5", 0.5),
        ("5.", 5),
        ("007s", 7),
        (" 1h ", 3600),
        ("3650d", TEN_YEARS),
        ("315360000", TEN_YEARS),
    ],
)
def test_a_duration_is_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds
    assert type(parse_duration(text)) is float


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "m", "ms", ".", "..", "1.2.3", "1..5s", "-5", "+5", "1e3", "1_0", "0x10", "1:30", "1,5s", "²", "٣s"),
        *("30M", "1x", "1mm", "1sm", "1h 30m", "1h30", "1h.m", "1m1h", "1m1m", "1ms1s", "inf", "nan", "1 h", "{{ x }}"),
    ],
)
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must be a duration like 30m, 1h30m or 500ms$"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["0", "0s", "0.0h", "0h0m", "0." + "0" * 400 + "1"])
def test_a_duration_is_more_than_nothing(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must be more than 0, like 30m$"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["3651d", "3650d1ms", "315360001", "9" * 5000, "9" * 5000 + "d"])
def test_a_duration_is_at_most_ten_years(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must be at most ten years, like 30m or 3650d$"):
        parse_duration(text)


@given(st.lists(st.sampled_from(list(UNITS)), min_size=1, unique=True), st.data())
def test_the_parts_of_a_duration_add_up(chosen: list[str], draw: st.DataObject) -> None:
    falling = [unit for unit in UNITS if unit in chosen]
    numbers = [draw.draw(st.integers(1, 700)) for _ in falling]
    text = "".join(f"{number}{unit}" for number, unit in zip(numbers, falling, strict=True))
    wanted = sum(number * UNITS[unit] for number, unit in zip(numbers, falling, strict=True)) / 1000
    assert parse_duration(text) == pytest.approx(wanted, rel=1e-12)
    if len(falling) > 1:
        rising = "".join(f"{number}{unit}" for number, unit in zip(numbers[::-1], falling[::-1], strict=True))
        with pytest.raises(ValueError, match="like 30m"):
            parse_duration(rising)


@given(st.floats(0.001, TEN_YEARS))
def test_a_bare_number_is_just_as_many_seconds(number: float) -> None:
    assert parse_duration(f"{number:.20f}") == float(f"{number:.20f}")


def answer(parse: Callable[[str], float], text: str) -> float | str:
    try:
        return parse(text)
    except ValueError as error:
        return str(error)


@given(st.text(alphabet="0123456789.dhms kKi-", max_size=8) | st.text(max_size=8))
@example("1dd")
def test_any_text_is_a_duration_within_the_limits_or_refused(text: str) -> None:
    seconds = answer(parse_duration, text)
    assert "like 30m" in seconds if isinstance(seconds, str) else 0 < seconds <= TEN_YEARS


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512Mi", 512 * 2**20),
        ("1Gi", 2**30),
        ("64K", 64_000),
        ("64k", 64_000),
        ("64Ki", 65_536),
        ("64ki", 65_536),
        ("10M", 10_000_000),
        ("1G", 10**9),
        ("1E", 10**18),
        ("1000", 1000),
        ("1.5Gi", 3 * 2**29),
        (".5K", 500),
        ("0.1", 1),
        ("1.0001K", 1001),
        ("512MiB", 512 * 2**20),
        ("10MB", 10_000_000),
        ("5B", 5),
        (" 1Ki ", 1024),
        ("9223372036854775807", 2**63 - 1),
    ],
)
def test_a_size_is_bytes(text: str, size: int) -> None:
    assert parse_size(text) == size
    assert type(parse_size(text)) is int


@pytest.mark.parametrize(
    "text",
    [
        *("", "B", "Mi", ".", "1.2.3", "-1", "+1", "1e3", "1_0", "0x10", "²", "1 Mi", "{{ x }}", "0" * 41),
        *("512m", "512mi", "1mB", "1g", "1b", "1BB", "1Kii", "1i", "1kB2", "1iB", "1kk", "1Zi"),
    ],
)
def test_what_is_no_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must be a size like 512Mi, 1\.5Gi or 64K$"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("0", "must be more than 0, like 512Mi"),
        ("0.0Gi", "must be more than 0, like 512Mi"),
        ("8Ei", "must be less than 8Ei, like 512Mi"),
        ("9223372036854775808", "must be less than 8Ei, like 512Mi"),
        ("9" * 40, "must be less than 8Ei, like 512Mi"),
    ],
)
def test_a_size_has_limits(text: str, what: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_size(text)
    assert str(caught.value) == what


@given(st.integers(1, 7), st.sampled_from(list(SUFFIXES)), st.booleans())
def test_a_suffix_of_a_size_multiplies(number: int, suffix: str, b: bool) -> None:
    text = f"{number}{suffix}{'B' if b else ''}"
    assert parse_size(text) == number * SUFFIXES[suffix]
    assert parse_size(f"0.{number}{suffix}") == -(-number * SUFFIXES[suffix] // 10)


@given(st.text(alphabet="0123456789.kKMGiBm ", max_size=8) | st.text(max_size=8))
def test_any_text_is_a_size_within_the_limits_or_refused(text: str) -> None:
    size = answer(parse_size, text)
    assert "like 512Mi" in size if isinstance(size, str) else 0 < size < 2**63


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 B"),
        (1000, "1000 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (512 * 2**20, "512 MiB"),
        (3 * 2**29, "1.5 GiB"),
        (2**20 - 1, "1 MiB"),
        (10_000_000, "9.5 MiB"),
        (2**63 - 1, "8 EiB"),
        (2**75, "32768 EiB"),
    ],
)
def test_a_size_is_shown_in_the_unit_that_fits(size: int, shown: str) -> None:
    assert shown_size(size) == shown


@given(st.integers(1, 2**62))
def test_a_shown_size_is_near_the_size_and_short(size: int) -> None:
    shown = shown_size(size)
    assert len(shown) <= len("1023.9 MiB")
    assert parse_size(shown.replace(" ", "")) == pytest.approx(size, rel=0.05)


def test_importing_it_costs_the_child_nothing(processes: Processes) -> None:
    code = (
        "import sys, __future__, tako; before = set(sys.modules); import tako.quantities; "
        "print(*set(sys.modules) - before)"
    )
    run = processes.run([sys.executable, "-S", "-c", code], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert run.ok, run.message()
    assert run.stdout.split() == [b"tako.quantities"]
