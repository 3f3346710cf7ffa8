"""What one part of a file says of another: subscriptions and their workflows, steps and their kinds."""

from __future__ import annotations

import pytest

from tako.config import loader, schema
from tako.errors import ConfigError
from tako.steps.registry import BUILT_IN

FILE = """\
version: 1
workflows:
  test:
    steps: [make]
    inputs:
      version: {required: true}
      count: {type: number, validation: {max: 5}}
      mode: {default: fast, required: true, validation: {enum: [fast, slow]}}
      tag: {validation: {pattern: ^v}}
subscriptions:
  - artifact: a/b
    events: [e]
    workflow: test
    inputs: {version: '1'}
"""


def problems(text: str, *kinds: str) -> list[str]:
    try:
        loader.loads_thoroughly(text.encode(), "p", kinds=kinds or None)
    except ConfigError as error:
        return [f"{one.line}:{one.column}: {one.message}" for one in error.faults]
    return []


def subscribed(inputs: str) -> list[str]:
    return problems(FILE.replace("{version: '1'}", inputs))


def test_a_good_subscription_is_no_problem() -> None:
    assert problems(FILE) == []
    assert subscribed("{version: '{{ payload.v }}', count: 5, mode: slow, tag: v1}") == []


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ("{version: '1', moed: fast}", "14:28: workflow 'test' has no input 'moed'; did you mean 'mode'?"),
        (
            "{version: '1', x: '{{ payload.x }}'}",
            "14:28: workflow 'test' has no input 'x'; its inputs are version, count, mode, tag",
        ),
        (
            "{version: '1', count: many}",
            "14:35: input 'count' of subscription 1: value 'many' is not a number",
        ),
        ("{version: '1', count: 6}", "14:35: input 'count' of subscription 1: value '6' is more than 5"),
        (
            "{version: '1', mode: slwo}",
            "14:34: input 'mode' of subscription 1: value 'slwo' is not in allowed values: fast, slow",
        ),
        ("{version: '1', tag: x}", "14:33: input 'tag' of subscription 1: value 'x' does not match the pattern ^v"),
        ("{}", "14:5: subscription 1 does not give workflow 'test' its required input 'version'"),
    ],
)
def test_the_inputs_of_a_subscription_are_those_of_its_workflow(inputs: str, expected: str) -> None:
    assert subscribed(inputs) == [expected]


def test_a_required_input_that_nothing_is_said_of_is_told_where_the_subscription_is() -> None:
    text = FILE.replace("    inputs: {version: '1'}\n", "")
    assert problems(text) == ["11:5: subscription 1 does not give workflow 'test' its required input 'version'"]


def test_an_older_subscription_is_told_where_it_is() -> None:
    before, given = FILE.split("subscriptions:\n")
    older = f"{before}events:\n  subscriptions:\n{given}"
    (problem,) = problems(older.replace("'1'", "'1', count: many"))
    assert problem.startswith("15:35: input 'count' of subscription 1: ")


def test_a_workflow_that_is_not_there_is_told_with_the_nearest() -> None:
    (problem,) = problems(FILE.replace("workflow: test", "workflow: tset"))
    assert problem.endswith("runs workflow 'tset', which this file does not have; did you mean 'test'?")


def test_all_problems_come_at_once() -> None:
    found = subscribed("{count: many, moed: fast}")
    assert len(found) == 3


@pytest.mark.parametrize("wrong", ["5", "[x]"])
def test_what_follows_from_a_fault_elsewhere_is_not_told(wrong: str) -> None:
    inputs = FILE[FILE.index("    inputs:") : FILE.index("subscriptions:")]
    assert len(problems(FILE.replace(inputs, f"    inputs: {wrong}\n"))) == 1
    workflows = FILE[FILE.index("workflows:") : FILE.index("subscriptions:")]
    assert len(problems(FILE.replace(workflows, f"workflows: {wrong}\n"))) == 1


def test_a_pattern_that_is_wrong_is_told_once() -> None:
    (problem,) = problems(FILE.replace("pattern: ^v", "pattern: (").replace("{version: '1'}", "{version: '1', tag: x}"))
    assert "is not a regular expression" in problem


def using(kind: str) -> str:
    return f"version: 1\nworkflows: {{w: {{steps: [{{uses: {kind}, with: {{event_type: e}}}}]}}}}\n"


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("tako/fan-out@v2", "names version 'v2' of 'tako/fan-out'; there is tako/fan-out@v1"),
        ("tako/fanout@v1", "names an unknown kind of step, 'tako/fanout@v1'; did you mean 'tako/fan-out@v1'?"),
        (
            "tako/wwwwwwwwwwwwwwww@v1",
            f"names an unknown kind of step, 'tako/wwwwwwwwwwwwwwww@v1'; known are {', '.join(sorted(schema.WITH))}",
        ),
    ],
)
def test_a_kind_of_ours_that_there_is_not_is_told_while_loading(kind: str, what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loader.loads(using(kind).encode(), "p")
    (problem,) = caught.value.problems
    assert problem.startswith(f"p:2:32: 'uses' of step 1 of workflow 'w' {what}")


def test_a_kind_from_elsewhere_is_known_by_what_is_installed() -> None:
    assert problems(using("acme/deploy@v1")) == []
    assert problems(using("acme/deploy@v1"), "acme/deploy@v1") == []
    (problem,) = problems(using("acme/deplyo@v1"), "acme/deploy@v1")
    assert problem == (
        "2:32: 'uses' of step 1 of workflow 'w' names an unknown kind of step, 'acme/deplyo@v1'; "
        "did you mean 'acme/deploy@v1'?; else install the package that provides it"
    )
    (problem,) = problems(using("acme/deploy@v2"), "acme/deploy@v1")
    assert problem.endswith("names version 'v2' of 'acme/deploy'; there is acme/deploy@v1")


def test_the_kinds_that_have_a_shape_are_those_that_are_built_in() -> None:
    assert set(schema.WITH) == set(BUILT_IN)
