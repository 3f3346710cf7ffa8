"""Which types of events the names and globs of a subscription match."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako.config.event_globs import names_any


@pytest.mark.parametrize(
    ("pattern", "matched", "others"),
    [
        ("built", ["built"], ["Built", "built/x", "rebuilt"]),
        ("*", ["built", "release/1", "a/b/c", ""], []),
        ("**", ["built", "a/b/c"], []),
        ("release/*", ["release/1", "release/"], ["release", "release/1/x", "prerelease/1"]),
        ("release/**", ["release/1", "release/1/x", "release"], ["releases/1"]),
        ("**/done", ["done", "a/done", "a/b/done"], ["undone", "done/a"]),
        ("*_built", ["lib_built", "_built"], ["a/lib_built", "lib_built_"]),
        ("b?ilt", ["built"], ["bilt", "b/ilt"]),
        ("a*b*c", ["abc", "a-b-b-c"], ["ab", "acb"]),
        ("[ab]*", ["[ab]x"], ["a", "ax"]),
        ("x.*", ["x.y"], ["xy"]),
    ],
)
def test_globs_match_what_they_say(pattern: str, matched: list[str], others: list[str]) -> None:
    assert [each for each in (*matched, *others) if names_any([pattern], each)] == matched


def test_one_of_several_is_enough() -> None:
    assert names_any(["made", "release/*"], "release/2")
    assert not names_any(["made", "release/*"], "built")


@given(st.text("ab*?/", max_size=8), st.text("ab/", max_size=8))
def test_parts_match_as_a_regular_expression_does(pattern: str, event_type: str) -> None:
    if "**" in pattern or pattern == "*":
        return
    like = re.escape(pattern).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
    assert names_any([pattern], event_type) == (re.fullmatch(like, event_type) is not None)


def test_hostile_globs_take_no_time() -> None:
    assert not names_any(["*a" * 200 + "b"], "a" * 2000)
    assert not names_any(["/".join(["**"] * 200) + "/x"], "/".join("a" * 500))
