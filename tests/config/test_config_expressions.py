"""Every expression of a file is compiled, and told with the line and column of its value."""

from __future__ import annotations

import pytest

from tako.config import loader
from tako.errors import ConfigError

BAD = "{{ inputs. }}"


def problems(text: str) -> tuple[str, ...]:
    try:
        loader.loads_thoroughly(text.encode(), "tako.yml")
    except ConfigError as error:
        return error.problems
    return ()


def in_step(fields: str) -> str:
    return f"version: 1\nworkflows:\n  w:\n    steps:\n      - echo\n      - {{{fields}}}\n"


def in_subscription(fields: str) -> str:
    return (
        "version: 1\nworkflows: {w: {steps: [make], inputs: {a: }}}\nsubscriptions:\n"
        f"  - artifact: a/b\n    events: [e]\n    workflow: w\n    {fields}\n"
    )


@pytest.mark.parametrize(
    ("text", "start"),
    [
        (in_step(f"run: '{BAD}'"), "tako.yml:6:15: 'run' of step 2 of workflow 'w': "),
        (in_step(f"run: x, working_directory: 'a{BAD}'"), "tako.yml:6:37: 'working_directory' of step 2"),
        (in_step(f"run: x, env: {{A: '{BAD}'}}"), "tako.yml:6:27: variable 'A' of step 2 of workflow 'w': "),
        (in_step(f"run: x, env: ['A={BAD}']"), "tako.yml:6:24: variable 'A' of step 2 of workflow 'w': "),
        (in_step("run: x, if: '1 +'"), "tako.yml:6:22: 'if' of step 2 of workflow 'w': "),
        (in_step(f"uses: a/b@v1, with: {{a: [{{b: '{BAD}'}}]}}"), "tako.yml:6:39: 'b' of item 1 of 'a' of 'with'"),
        (in_step(f"run: x, produces: {{outputs: {{o: '{BAD}'}}}}"), "tako.yml:6:42: output 'o' of 'produces'"),
        (
            in_step(f"run: x, produces: {{events: [{{type: e, payload: {{a: '{BAD}'}}}}]}}"),
            "tako.yml:6:61: field 'a' of event 1 of 'produces' of step 2 of workflow 'w': ",
        ),
        (
            f"version: 1\nworkflows:\n  w:\n    env: {{A: '{BAD}'}}\n    steps: [make]\n",
            "tako.yml:4:14: variable 'A' of workflow 'w': ",
        ),
        (in_subscription("filters: ['true', '1 +']"), "tako.yml:7:23: filter 2 of subscription 1: "),
        (in_subscription("filter: '1 +'"), "tako.yml:7:13: filter 1 of subscription 1: "),
        (in_subscription("schema_version: newest"), "tako.yml:7:21: 'schema_version' of subscription 1: "),
        (in_subscription(f"inputs: {{a: '{BAD}'}}"), "tako.yml:7:17: input 'a' of subscription 1: "),
    ],
)
def test_an_expression_that_does_not_compile_is_told(text: str, start: str) -> None:
    (problem,) = problems(text)
    assert problem.startswith(start)


def test_a_misspelled_filter_is_told_with_the_right_one() -> None:
    (problem,) = problems(in_step("run: '{{ repo | shellquote }}'"))
    assert problem.endswith("(No filter named 'shellquote'.); did you mean `shell_quote`?")


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("version: 1\nevents: {e: {schema_version: ^1.0.0}}\n", "tako.yml:2:30: 'schema_version' of event 'e'"),
        (
            in_step("run: x, produces: {events: [{type: e, schema_version: 1.x}]}"),
            "tako.yml:6:64: 'schema_version' of event 1 of 'produces' of step 2 of workflow 'w'",
        ),
        (
            in_step("uses: tako/fan-out@v1, with: {event_type: e, schema_version: '>=1'}"),
            "tako.yml:6:71: 'schema_version' of 'with' of step 2 of workflow 'w'",
        ),
    ],
)
def test_a_range_as_the_version_of_an_event_is_told(text: str, start: str) -> None:
    (problem,) = problems(text)
    assert problem.startswith(start)
    assert "is not a version (it is a range of versions, and one version must stand here)" in problem


@pytest.mark.parametrize("version", ["1.2.3", "v1.2.3", "1.2", "1", "''", "'{{ inputs.x }}'"])
def test_a_version_of_an_event_is_no_problem(version: str) -> None:
    text = in_step(f"uses: tako/fan-out@v1, with: {{event_type: e, schema_version: {version}}}")
    assert problems(text.replace("    steps:", "    inputs: {x: }\n    steps:")) == ()


def test_good_expressions_are_no_problem() -> None:
    assert problems(in_step("run: 'echo {{ repo }} ${#a}', if: repo == 'y'")) == ()
    assert problems(in_subscription("filters: [has(event.payload.x)]\n    schema_version: ^1.0.0")) == ()


def test_all_problems_come_in_the_order_of_the_file() -> None:
    text = in_step(f"run: '{BAD}', if: '1 +', env: {{A: '{BAD}', B: '{BAD}'}}, shel: bash")
    assert [one.split(" of ")[0] for one in problems(text)] == [
        "tako.yml:6:15: 'run'",
        "tako.yml:6:36: 'if'",
        "tako.yml:6:52: variable 'A'",
        "tako.yml:6:72: variable 'B'",
        "tako.yml:6:90: unknown field 'shel' in step 2",
    ]


def test_loading_compiles_nothing() -> None:
    loader.loads(in_step(f"run: '{BAD}', if: '1 +'").encode(), "tako.yml")
