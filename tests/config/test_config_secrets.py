"""The secrets that a workflow declares, and the steps that name them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tako.config import loader
from tako.config.model import WorkflowSpec
from tako.errors import ConfigError


def load(**workflow: Any) -> WorkflowSpec:
    data = {"version": 1, "workflows": {"w": {"steps": ["true"], **workflow}}}
    return loader.loads(json.dumps(data).encode(), "tako.yml").workflows[0]


def problems(**workflow: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(**workflow)
    return [problem.split(": ", 1)[1] for problem in caught.value.problems]


def test_names_are_declared_and_steps_name_them_in_their_env() -> None:
    workflow = load(
        secrets=["GITHUB_TOKEN", "_b"],
        steps=[{"run": "x", "env": {"TOKEN": "GITHUB_TOKEN"}}, {"run": "y", "env": ["A=_b", "GITHUB_TOKEN=x"]}],
    )
    assert workflow.secrets == ("GITHUB_TOKEN", "_b")
    assert [dict(step.env) for step in workflow.steps] == [
        {"TOKEN": "GITHUB_TOKEN"},
        {"A": "_b", "GITHUB_TOKEN": "x"},
    ]


def test_a_workflow_has_none_by_default() -> None:
    assert load().secrets == load(secrets=[]).secrets == load(secrets=None).secrets == ()


@pytest.mark.parametrize(
    ("secrets", "problem"),
    [
        (["a-b"], "item 1 of 'secrets' of workflow 'w' must be letters, digits and '_', and not start with a digit"),
        (["A", "1A"], "item 2 of 'secrets' of workflow 'w' must be letters"),
        (["TAKO_TOKEN"], "item 1 of 'secrets' of workflow 'w' must not begin with TAKO_: these variables are Tako's"),
        (["A", "B", "A"], "secret 'A' is there twice"),
        ("A", "'secrets' of workflow 'w' must be a list"),
        ({"A": "value"}, "'secrets' of workflow 'w' must be a list"),
    ],
)
def test_what_is_no_list_of_names_is_refused(secrets: Any, problem: str) -> None:
    (found,) = problems(secrets=secrets)
    assert found.startswith(problem)


def test_a_secret_for_every_step_is_refused() -> None:
    assert problems(secrets=["A"], env={"X": "A", "Y": "B"}) == [
        (
            "variable 'X' of workflow 'w' would give the secret 'A' to every step; "
            "name it in the 'env' of the steps that need it"
        )
    ]
    assert load(env={"X": "A"}).env == {"X": "A"}


def test_a_step_that_starts_no_process_cannot_have_one() -> None:
    fan_out = {"uses": "tako/fan-out@v1", "with": {"event_type": "e"}, "env": {"X": "A", "Y": "B"}}
    assert problems(secrets=["A"], steps=[fan_out]) == [
        "step 1 of workflow 'w' starts no process that could read the secret 'A'"
    ]


def test_a_secret_is_no_output() -> None:
    step = {"run": "x", "env": {"X": "A"}, "produces": {"outputs": {"o": "from_env:X", "p": "from_env:Y"}}}
    assert problems(secrets=["A"], steps=[step]) == ["output 'o' would be the secret 'A'; an output is not secret"]


@pytest.mark.parametrize(
    "field",
    [
        {"run": "echo {{ env.TOKEN }}"},
        {"run": "echo {{ env['TOKEN'] | default('x') }}"},
        {"run": "true", "if": "env.TOKEN != ''"},
        {"run": "true", "env": {"TOKEN": "A", "B": "{{ .env.TOKEN }}"}},
        {"run": "true", "produces": {"outputs": {"o": "{{ env.TOKEN }}"}}},
        {"run": "echo {{ env.A }}"},
    ],
)
def test_an_expression_that_reads_a_secret_is_found_before_anything_runs(field: dict[str, Any]) -> None:
    data = {"version": 1, "workflows": {"w": {"secrets": ["A"], "steps": [{"env": {"TOKEN": "A"}, **field}]}}}
    with pytest.raises(ConfigError) as caught:
        loader.loads_thoroughly(json.dumps(data).encode(), "tako.yml")
    (problem,) = caught.value.problems
    name = "A" if "env.A" in json.dumps(field) else "TOKEN"
    assert f"'{name}' is a secret, which no expression can read; read \"${name}\" in the command" in problem


def test_a_variable_of_the_name_of_a_secret_is_read_where_it_is_none() -> None:
    steps = [{"run": "echo {{ env.A }}", "env": {"A": "plain"}}, {"run": "echo {{ env.B }}"}]
    data = {"version": 1, "workflows": {"w": {"secrets": ["A"], "steps": steps}}}
    assert loader.loads_thoroughly(json.dumps(data).encode(), "tako.yml").workflows
