from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako.errors import ExpressionError
from tako.expressions import versions


def in_range(version: str | None, range_: str | None) -> bool:
    return versions.in_range(version, range_, where="tako.yml:3:5")


@pytest.mark.parametrize(
    ("version", "range_", "held"),
    [
        ("1.1.0", "(1.1.0...2.0.0]", False),
        ("1.1.1", "(1.1.0...2.0.0]", True),
        ("2.0.0", "(1.1.0...2.0.0]", True),
        ("2.0.1", "(1.1.0...2.0.0]", False),
        ("1.0.0", "[1.0.0...2.0.0)", True),
        ("0.9.9", "[1.0.0...2.0.0)", False),
        ("2.0.0", "[1.0.0...2.0.0)", False),
        ("1.0.0", "[1.0.0...1.0.0]", True),
        ("0.0.1", "(...2.0.0]", True),
        ("2.0.1", "(...2.0.0]", False),
        ("99.0.0", "[1.0.0...)", True),
        ("0.9.0", "[1.0.0...)", False),
        ("1.5.0", " [ 1.0.0 ... v2 ) ", True),
    ],
)
def test_interval_brackets_include_or_exclude_their_bounds(version: str, range_: str, held: bool) -> None:
    assert in_range(version, range_) is held


@pytest.mark.parametrize(
    ("version", "range_", "held"),
    [
        ("2.0.0-rc.1", "[1.0.0...2.0.0)", True),
        ("1.0.0-rc.1", "[1.0.0...2.0.0)", False),
        ("1.0.0-rc.2", "[1.0.0-rc.1...1.0.0)", True),
        ("1.0.0-rc.10", "(1.0.0-rc.9...1.0.0)", True),
        ("1.0.0+build.5", "[1.0.0...1.0.0]", True),
    ],
)
def test_precedence_alone_decides_on_prereleases_in_an_interval(version: str, range_: str, held: bool) -> None:
    assert in_range(version, range_) is held


@pytest.mark.parametrize(
    ("version", "range_", "held"),
    [
        ("1.9.0", "^1.0.0", True),
        ("2.0.0", "^1.0.0", False),
        ("1.0.9", "~1.0.0", True),
        ("1.1.0", "~1.0.0", False),
        ("1.0.0", "1.0.0", True),
        ("1.0.1", "1.0.0", False),
        ("1.5.0", ">=1.0.0 <2.0.0", True),
        ("2.0.0", ">=1.0.0 <2.0.0", False),
        ("1.7.3", "1.x", True),
        ("2.0.0", "1.x", False),
        ("7.8.9", "*", True),
        ("1.5.0", ">= 1.0.0, < 2.0.0", True),
        ("2.5.0", ">= 1.0.0, < 2.0.0", False),
        ("1.5.0", ">=v1.0.0   <v2.0.0", True),
        ("1.5.0", "1.0.0 - 2.0.0", True),
        ("2.1.0", "1.0.0 - 2.0.0", False),
        ("3.1.0", "^1.0.0 || ^3.0.0", True),
        ("2.1.0", "^1.0.0||^3.0.0", False),
        ("1.1.0-rc.1", "^1.0.0", False),
        ("1.0.0-rc.1", "1.0.0-rc.1", True),
    ],
)
def test_npm_ranges(version: str, range_: str, held: bool) -> None:
    assert in_range(version, range_) is held


@pytest.mark.parametrize(
    ("version", "range_"),
    [("v1.2.3", "1.2.3"), ("1.2.3", "v1.2.3"), ("v1.2.3", "^1.2.0"), ("1.2", "1.2.0"), ("1", "[1.0.0...1.0.0]")],
)
def test_a_leading_v_and_missing_parts_are_accepted(version: str, range_: str) -> None:
    assert in_range(version, range_)


@pytest.mark.parametrize("nothing", [None, "", "  "])
def test_no_version_is_in_every_range_and_no_range_holds_every_version(nothing: str | None) -> None:
    assert in_range(nothing, "^5.0.0")
    assert in_range("1.0.0", nothing)
    assert in_range(nothing, nothing)


@pytest.mark.parametrize(
    "range_",
    [
        "nonsense",
        "1.0.0...2.0.0",
        "(1.0.0...2.0.0",
        "1.0.0...2.0.0]",
        "(1.0.0..2.0.0]",
        "(1.0.0,2.0.0]",
        "(x...2.0.0]",
        "[2.0.0...1.0.0]",
        "(1.0.0...1.0.0]",
        "[1.0.0...1.0.0)",
        "!=1.0.0",
        ">=",
        "foo - bar",
        ">=1 - 2",
        "1 - 2 - 3",
        "(",
        "1.0.0-01",
        "01.0.0",
    ],
)
def test_a_malformed_range_is_refused_with_the_forms_there_are(range_: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        versions.check_range(range_, where="tako.yml:3:5")
    assert caught.value.where == "tako.yml:3:5"
    assert f"`{range_}` is not a range" in caught.value.what
    assert "(1.1.0...2.0.0]" in caught.value.cure
    with pytest.raises(ExpressionError):
        in_range("1.0.0", range_)


@pytest.mark.parametrize("range_", ["^1.0.0", "1.0.0", "(1.1.0...2.0.0]", "(...2.0.0]", "*", "1.x", ""])
def test_a_good_range_passes_the_check(range_: str) -> None:
    versions.check_range(range_, where="")


@pytest.mark.parametrize("version", ["x", "01.2.3", "1.2.3.4", "-", "1.2.3-a_b", "٣.0.0", "1.2.3-", "9" * 5000])
def test_a_malformed_version_is_named(version: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        in_range(version, "*")
    assert version[:200] in caught.value.what
    assert len(str(caught.value)) < 500
    assert "1.2.0" in caught.value.cure


@pytest.mark.parametrize("version", ["1.2.3", "v1.2.3", "1.2.3-rc.1+build"])
def test_part_gives_major_minor_and_patch(version: str) -> None:
    assert [versions.part(version, index) for index in range(3)] == [1, 2, 3]


def test_part_of_what_is_no_version_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="`main` is not a version"):
        versions.part("main", 0)


@pytest.mark.parametrize("version", ["^1.0.0", "1.x", "*", ">=1.0.0 <2.0.0", "1.0.0 - 2.0.0", "[1.0.0...2.0.0)"])
def test_a_range_where_a_version_stands_is_called_a_range(version: str) -> None:
    for refused in (lambda: in_range(version, "*"), lambda: versions.check_version(version, where="tako.yml:3:5")):
        with pytest.raises(ExpressionError) as caught:
            refused()
        assert caught.value.what == f"`{version}` is not a version"
        assert caught.value.why == "it is a range of versions, and one version must stand here"
        assert caught.value.where == "tako.yml:3:5"
    with pytest.raises(ValueError, match="it is a range of versions"):
        versions.part(version, 0)


@pytest.mark.parametrize("version", ["1.2.3", "v1.2.3", "1.2", "1", "1.2-rc.1", "1.0.0-rc.1+b5"])
def test_a_version_passes_the_check(version: str) -> None:
    versions.check_version(version, where="")


@pytest.mark.parametrize(
    ("version", "whole"),
    [("1", "1.0.0"), ("v1.2", "1.2.0"), ("v1.2.3", "1.2.3"), ("1.2-rc.1+b", "1.2.0-rc.1+b"), ("1.2.3", "1.2.3")],
)
def test_a_version_is_written_in_full(version: str, whole: str) -> None:
    assert versions.written_in_full(version) == whole


def test_plain_versions_are_compared_without_regular_expressions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tako.expressions.npm_ranges", None)
    monkeypatch.setitem(sys.modules, "tako.expressions.semver", None)
    monkeypatch.delattr("tako.expressions.npm_ranges", raising=False)
    monkeypatch.delattr("tako.expressions.semver", raising=False)
    assert in_range("v1.2.3", "1.2.3")
    assert not in_range("1.2.4", "1.2.3")
    assert versions.part("1.2.3", 2) == 3
    with pytest.raises(ImportError):
        in_range("1.2.4", "^1.2.3")


_NUMBERS = st.integers(0, 12)
_IDENTIFIERS = st.one_of(_NUMBERS.map(str), st.sampled_from(["alpha", "beta", "rc", "x-1", "B"]))
_VERSIONS = st.tuples(_NUMBERS, _NUMBERS, _NUMBERS, st.lists(_IDENTIFIERS, max_size=3).map(tuple))
_Version = tuple[int, int, int, tuple[str, ...]]


def _text(version: _Version) -> str:
    core = ".".join(str(number) for number in version[:3])
    return f"{core}-{'.'.join(version[3])}" if version[3] else core


def _precedence(version: _Version) -> tuple[object, ...]:
    """https://semver.org/#spec-item-11, written a second time."""
    identifiers = [(0, int(item), "") if item.isdigit() else (1, 0, item) for item in version[3]]
    return (*version[:3], not version[3], identifiers)


@given(_VERSIONS, _VERSIONS, _VERSIONS, st.sampled_from("(["), st.sampled_from(")]"))
def test_an_interval_holds_what_precedence_puts_between_its_bounds(
    version: _Version, one: _Version, other: _Version, opening: str, closing: str
) -> None:
    low, high = sorted((one, other), key=_precedence)
    at, bottom, top = _precedence(version), _precedence(low), _precedence(high)
    range_ = f"{opening}{_text(low)}...{_text(high)}{closing}"
    if bottom == top and (opening, closing) != ("[", "]"):
        with pytest.raises(ExpressionError, match="not a range"):
            versions.check_range(range_, where="")
        return
    above = at >= bottom if opening == "[" else at > bottom
    below = at <= top if closing == "]" else at < top
    assert in_range(_text(version), range_) is (above and below)


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_text_gives_an_answer_or_an_expression_error(version: str, range_: str) -> None:
    try:
        assert in_range(version, range_) in (True, False)
    except ExpressionError as error:
        assert error.cure  # noqa: PT017
