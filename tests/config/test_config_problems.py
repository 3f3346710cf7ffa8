"""All problems of a file are told, up to as many as anybody reads."""

from __future__ import annotations

import pytest

from tako.config import loader
from tako.config.problems import MAX_PROBLEMS
from tako.errors import ConfigError, Fault

MANY = MAX_PROBLEMS * 3


def refused(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        loader.loads_thoroughly(text.encode(), "p")
    return caught.value


def with_problems(count: int) -> str:
    return "version: 1\n" + "".join(f"a{number}: 1\n" for number in range(count))


def test_a_problem_is_a_line_for_people_and_parts_for_programs() -> None:
    error = refused("version: 1\nworkflow: {}\n")
    message = "unknown field 'workflow' at the top level; did you mean 'workflows'?"
    assert error.faults == (Fault("p", 2, 1, message),)
    assert error.problems == (f"p:2:1: {message}",)


def test_as_many_as_are_told_are_all_told() -> None:
    error = refused(with_problems(MAX_PROBLEMS))
    assert len(error.problems) == MAX_PROBLEMS
    assert error.what == f"could not unmarshal config: {MAX_PROBLEMS} problems"


@pytest.mark.parametrize(
    "text",
    [
        with_problems(MANY),
        "version: 1\n" * MANY,
        "version: 1\n" + "".join(f"{number}: 1\n" for number in range(MANY)),
        "version: 1\nworkflows:\n  w:\n    steps:\n" + "    - {runn: x}\n" * MANY,
        "version: 1\nworkflows:\n  w:\n    steps:\n" + "    - {uses: tako/fan-out@v1, with: {x: 1}}\n" * MANY,
        "version: 1\nsubscriptions:\n" + "- {artifact: a/b, events: [e], workflow: w}\n" * MANY,
        "version: 1\nworkflows:\n  w:\n    steps:\n" + "    - {run: '{{ x }}'}\n" * MANY,
        "version: 1\nworkflows:\n  w:\n    steps:\n" + "    - {run: x, volumes: [a]}\n" * MANY,
    ],
)
def test_of_more_the_first_are_told(text: str) -> None:
    error = refused(text)
    assert error.what == f"could not unmarshal config: more than {MAX_PROBLEMS} problems, of which these are the first"
    lines = [fault.line for fault in error.faults]
    assert len(lines) == MAX_PROBLEMS
    assert lines[0] <= 5
    assert lines == sorted(lines)
