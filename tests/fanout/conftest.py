"""A tree of functions for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fanout.cast import Cast


@pytest.fixture
def make_cast(tmp_path: Path) -> Iterator[Callable[..., Cast]]:
    """Makes the one tree of a test."""
    made: list[Cast] = []

    def make(**options: Any) -> Cast:
        made.append(Cast(tmp_path, **options))
        return made[-1]

    yield make
    for cast in made:
        cast.journal.close()


@pytest.fixture
def cast(make_cast: Callable[..., Cast]) -> Cast:
    return make_cast()
