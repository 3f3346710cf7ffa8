"""Every expression of a file is compiled, and told with the line of its step or subscription."""

from __future__ import annotations

import pytest

from tako.config import loader
from tako.config.loader import check_expressions

BAD = "{{ inputs. }}"


def problems(text: str) -> tuple[str, ...]:
    return check_expressions(loader.loads(text.encode(), "tako.yml"))


def in_step(fields: str) -> str:
    return f"version: 1\nworkflows:\n  w:\n    steps:\n      - echo\n      - {{{fields}}}\n"


def in_subscription(fields: str) -> str:
    return (
        "version: 1\nworkflows: {w: }\nsubscriptions:\n"
        f"  - artifact: a/b\n    events: [e]\n    workflow: w\n    {fields}\n"
    )


@pytest.mark.parametrize(
    ("text", "start"),
    [
        (in_step(f"run: '{BAD}'"), "tako.yml:6: 'run' of step 'step-2' of workflow 'w': "),
        (in_step(f"run: x, working_directory: 'a{BAD}'"), "tako.yml:6: 'working_directory' of step 'step-2'"),
        (in_step(f"run: x, env: {{A: '{BAD}'}}"), "tako.yml:6: 'env' of step 'step-2' of workflow 'w': "),
        (in_step("run: x, if: '1 +'"), "tako.yml:6: 'if' of step 'step-2' of workflow 'w': "),
        (in_step(f"uses: a/b@v1, with: {{a: [{{b: '{BAD}'}}]}}"), "tako.yml:6: 'with' of step 'step-2'"),
        (in_step(f"run: x, produces: {{outputs: {{o: '{BAD}'}}}}"), "tako.yml:6: 'outputs' of step 'step-2'"),
        (
            in_step(f"run: x, produces: {{events: [{{type: e, payload: {{a: '{BAD}'}}}}]}}"),
            "tako.yml:6: event 'e' of step 'step-2' of workflow 'w': ",
        ),
        (f"version: 1\nworkflows:\n  w:\n    env: {{A: '{BAD}'}}\n", "tako.yml:3: 'env' of workflow 'w': "),
        (in_subscription("filters: ['true', '1 +']"), "tako.yml:4: filter '1 +' of subscription 1: "),
        (in_subscription("schema_version: newest"), "tako.yml:4: 'schema_version' of subscription 1: "),
        (in_subscription(f"inputs: {{a: '{BAD}'}}"), "tako.yml:4: 'inputs' of subscription 1: "),
    ],
)
def test_an_expression_that_does_not_compile_is_told(text: str, start: str) -> None:
    (problem,) = problems(text)
    assert problem.startswith(start)


def test_good_expressions_are_no_problem() -> None:
    assert problems(in_step("run: 'echo {{ inputs.x }} ${#a}', if: inputs.x == 'y'")) == ()
    assert problems(in_subscription("filters: [has(event.payload.x)]\n    schema_version: ^1.0.0")) == ()


def test_all_problems_come_in_the_order_of_the_file() -> None:
    text = in_step(f"run: '{BAD}', if: '1 +', env: {{A: '{BAD}', B: '{BAD}'}}")
    assert [one.split(" of ")[0] for one in problems(text)] == [
        "tako.yml:6: 'if'",
        "tako.yml:6: 'run'",
        "tako.yml:6: 'env'",
    ]


def test_loading_compiles_nothing() -> None:
    loader.loads(in_step(f"run: '{BAD}', if: '1 +'").encode(), "tako.yml")
