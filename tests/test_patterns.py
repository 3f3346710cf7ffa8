"""Patterns: RE2's syntax, linear time, and errors that say what is not in it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako import patterns

EVIL = ["(a+)+$", "(a|aa)+$", "(.*a){20}$", r"^(\w+\s?)*$", "(a*)*b"]


@pytest.mark.parametrize("pattern", EVIL)
def test_no_pattern_takes_more_than_a_moment(pattern: str) -> None:
    began = time.process_time()
    patterns.is_found(pattern, "a" * 100_000 + "!")
    patterns.first_group(pattern, "a" * 100_000 + "!")
    assert time.process_time() - began < 5


def test_a_pattern_may_match_anywhere() -> None:
    assert patterns.is_found("b", "abc")
    assert not patterns.is_found("^b", "abc")


def test_the_end_of_a_text_is_its_very_end() -> None:
    assert patterns.is_found("^v[0-9]+$", "v1")
    assert not patterns.is_found("^v[0-9]+$", "v1\n")
    assert not patterns.is_found("^v[0-9]+$", "v1\nrm -rf /")


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("^version=(.*)$", "a\nversion=é1\nb", "é1"),
        ("[0-9]+", "a12b34", "12"),
        ("(x)|b", "ab", None),
        ("c", "ab", None),
        ("a(.)(.)", "abc", "b"),
    ],
)
def test_the_first_group_or_all_that_matched(pattern: str, text: str, found: str | None) -> None:
    assert patterns.first_group(pattern, text) == found


@pytest.mark.parametrize("pattern", ["(?=a)", "(?<!a)b", r"(a)\1", "a++(?>b)"])
def test_what_cannot_be_linear_is_refused_and_said(pattern: str) -> None:
    assert patterns.fault(pattern).startswith("is not a regular expression: ")


def test_look_around_is_named() -> None:
    assert "without look-around and back-references" in patterns.fault("(?=a)")
    assert "without look-around and back-references" in patterns.fault(r"(a)\1")


@pytest.mark.parametrize("pattern", ["(", "a{100000}", "((a{1000}){1000}){1000}", "[z-a]", "\ud800", "*"])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    assert patterns.fault(pattern)
    with pytest.raises(ValueError):
        patterns.is_found(pattern, "a")


def test_the_number_of_groups_may_be_asked_for() -> None:
    assert patterns.fault("a(b)", groups=1) == ""
    assert patterns.fault("ab", groups=1) == "must have 1 group in parentheses, not 0"


@given(st.text(), st.text())
def test_no_pattern_and_no_text_bring_a_traceback(pattern: str, text: str) -> None:
    if patterns.fault(pattern) == "":
        patterns.is_found(pattern, text)
        patterns.first_group(pattern, text)


def test_text_that_is_no_unicode_is_searched_all_the_same() -> None:
    assert patterns.is_found("b$", "\ud800b")
