from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako.records import FrozenRecordError, record, replace, to_data


@record
class Point:
    """A record as the modules define them."""

    x: int
    y: int = 2
    tags: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """A property works as on any class."""
        return self.x + self.y


@record
class Line:
    """A record of records."""

    start: Point
    ends: tuple[Point, ...]
    notes: Any = None


def test_a_record_takes_its_fields_by_position_and_by_name() -> None:
    assert Point(1) == Point(x=1) == Point(1, 2) == Point(1, y=2, tags=())
    assert (Point(1).x, Point(1).y, Point(1).tags) == (1, 2, ())
    assert Point(3, 4).total == 7


@pytest.mark.parametrize(
    ("arguments", "keywords", "what"),
    [
        ((), {}, r"Point: missing \['x'\]"),
        ((1,), {"z": 3}, r"unknown \['z'\]"),
        ((1,), {"x": 3}, r"given twice \['x'\]"),
        ((1, 2, (), 4), {}, "Point takes 3 values, got 4"),
    ],
)
def test_wrong_arguments_are_named(arguments: tuple[Any, ...], keywords: dict[str, Any], what: str) -> None:
    with pytest.raises(TypeError, match=what):
        Point(*arguments, **keywords)


def test_a_record_cannot_be_changed() -> None:
    point = Point(1)

    with pytest.raises(FrozenRecordError, match=r"Point\.x is frozen"):
        point.x = 5  # type: ignore[misc]
    with pytest.raises(FrozenRecordError, match=r"Point\.new is frozen"):
        point.new = 5  # type: ignore[attr-defined]
    with pytest.raises(FrozenRecordError, match=r"Point\.x is frozen"):
        del point.x
    assert point == Point(1)


def test_records_are_equal_by_type_and_value() -> None:
    @record
    class Other:
        x: int
        y: int = 2
        tags: tuple[str, ...] = ()

    others: list[object] = [Point(2), Other(1), (1, 2, ())]
    assert Point(1) not in others
    assert len({Point(1), Point(1, 2), Point(2)}) == 2


def test_a_record_shows_its_fields() -> None:
    assert repr(Point(1, tags=("a",))) == "Point(x=1, y=2, tags=('a',))"


def test_a_record_can_be_matched() -> None:
    match Point(1, 5):
        case Point(x, 5):
            assert x == 1
        case _:
            pytest.fail("no match")


def test_a_record_keeps_its_docstring_name_and_module() -> None:
    assert Point.__doc__ == "A record as the modules define them."
    assert (Point.__name__, Point.__module__) == ("Point", __name__)


def test_replace_changes_a_copy() -> None:
    point = Point(1)

    assert replace(point, y=9) == Point(1, 9)
    assert point == Point(1)
    with pytest.raises(TypeError, match=r"unknown \['z'\]"):
        replace(point, z=1)


def test_records_survive_copying_and_pickling() -> None:
    line = Line(Point(1), (Point(2),), {"a": [1]})

    assert copy.deepcopy(line) == line
    assert copy.copy(line) == line
    assert pickle.loads(pickle.dumps(line)) == line


@given(x=st.integers(), y=st.integers(), tags=st.lists(st.text()))
def test_equal_values_make_equal_records_with_equal_hashes(x: int, y: int, tags: list[str]) -> None:
    first, second = Point(x, y, tuple(tags)), Point(tags=tuple(tags), y=y, x=x)

    assert first == second
    assert hash(first) == hash(second)
    assert Point(**to_data(first) | {"tags": tuple(tags)}) == first


def test_records_become_plain_data() -> None:
    line = Line(Point(1), (Point(2), Point(3)), {"inner": Point(4), "list": [Point(5), None]})

    data = to_data(line)

    assert json.loads(json.dumps(data)) == data
    assert data["start"] == {"x": 1, "y": 2, "tags": []}
    assert [end["x"] for end in data["ends"]] == [2, 3]
    assert data["notes"]["inner"]["x"] == 4
    assert data["notes"]["list"][1] is None
