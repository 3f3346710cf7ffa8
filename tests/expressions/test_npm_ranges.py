"""Ranges of versions, held to the answers of npm's own ``semver``."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts import npm_ranges as npm
from tako.expressions import versions
from tako.expressions.npm_ranges import MAX_RANGE, parse_range
from tako.expressions.semver import parse


def answer(version: str, range_: str) -> str:
    try:
        found = parse_range(range_)
    except ValueError:
        return npm.REFUSES
    return npm.HOLDS if found.match(parse(version)) else npm.LACKS


def asked_anew(count: int, seed: int) -> list[tuple[str, str, str]]:
    directory = npm.npm()
    if directory is None:
        pytest.skip("node and npm are not installed")
    questions = npm.questions(count, seed)
    version, answers = npm.answers(directory, questions)
    if [int(number) for number in version.split(".")[:2]] < [7, 5]:
        pytest.skip(f"the semver of the installed npm is {version}, older than 7.5")
    return [(found, *question) for found, question in zip(answers, questions, strict=True)]


def test_two_thousand_answers_are_those_of_npm() -> None:
    table = npm.read_table()
    assert len(table) == npm.COUNT == 2000
    assert {found for found, _, _ in table} == {npm.HOLDS, npm.LACKS, npm.REFUSES}
    wrong = [(row, answer(*row[1:])) for row in table if answer(*row[1:]) != row[0]]
    assert wrong == []


def test_installed_npm_gives_the_committed_answers() -> None:
    assert asked_anew(npm.COUNT, npm.SEED) == npm.read_table()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_installed_npm_answers_other_questions_the_same(seed: int) -> None:
    wrong = [row for row in asked_anew(5000, seed) if answer(*row[1:]) != row[0]]
    assert wrong == []


@pytest.mark.parametrize(
    ("version", "range_", "held"),
    [
        ("2.0.0", "2.0.0-rc.1", False),
        ("2.0.0-rc.1", "<2", False),
        ("1.2.1", "~1.2.0-beta.2", True),
        ("1.0.0-rc.1", "<1.0.0-rc", False),
    ],
)
def test_prereleases_are_held_as_npm_holds_them(version: str, range_: str, held: bool) -> None:
    assert versions.in_range(version, range_, where="") is held


@pytest.mark.parametrize(
    ("range_", "why"),
    [
        (">=1.0.0 !=1.5.0", "`!=1.5.0` is no comparison with a version"),
        ("1.x.3", "`1.x.3` is no comparison with a version"),
        ("^1 || >=", "`>=` is no comparison with a version"),
        ("<=9007199254740992.0.0", "the numbers of `<=9007199254740992.0.0` go beyond 9007199254740991"),
        ("9007199254740991", "the numbers of `9007199254740991` go beyond 9007199254740991"),
        ("1" * 300, "a part of it has more than 256 characters"),
        ("1 " * MAX_RANGE, "it has 4,096 characters, 2,048 are allowed"),
    ],
)
def test_a_malformed_range_names_its_wrong_part(range_: str, why: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_range(range_)
    assert str(caught.value) == why


@given(st.text(alphabet="v=<>~^x*|-+. 01a", max_size=MAX_RANGE))
def test_any_range_is_read_or_refused(text: str) -> None:
    assert answer("1.2.3", text) in (npm.HOLDS, npm.LACKS, npm.REFUSES)
