"""Timeouts, memory limits and what a fan-out says of its runs: numbers in the records, or refused at their place."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tako.config import loader, model
from tako.errors import ConfigError
from tako.records import to_data


def load(text: str) -> model.RepoConfig:
    return loader.loads(text.encode(), "tako.yml")


def refused(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(text)
    return [problem.removeprefix("tako.yml:") for problem in caught.value.problems]


def one(text: str) -> str:
    (problem,) = refused(text)
    return problem


def workflow(fields: str) -> str:
    """A file whose one workflow has these fields, which start at line 3, column 7."""
    return f"version: 1\nworkflows:\n  w: {{{fields}}}"


def step(fields: str) -> str:
    """A file whose one step has these fields, which start at line 5, column 10."""
    return f"version: 1\nworkflows:\n  w:\n    steps:\n      - {{{fields}}}"


def fan_out(fields: str) -> str:
    """A file with a fan-out of these fields, which start at line 8, column 11."""
    head = "version: 1\nworkflows:\n  w:\n    steps:\n      - uses: tako/fan-out@v1\n        with:\n"
    return f"{head}          event_type: e\n          {fields}"


def only_workflow(text: str) -> model.WorkflowSpec:
    (made,) = load(text).workflows
    return made


def params(fields: str) -> Any:
    given = dict(only_workflow(fan_out(fields)).steps[0].params)
    assert given.pop("event_type") == "e"
    return given


def test_the_helpers_put_fields_where_they_say() -> None:
    assert one(workflow("foo: 1")).startswith("3:7: ")
    assert one(step("foo: 1, run: x")).startswith("5:10: ")
    assert one(fan_out("foo: 1")).startswith("8:11: ")


@pytest.mark.parametrize(
    ("written", "seconds"), [("30m", 1800), ("90", 90), ("'90'", 90), ("1.50", 1.5), (".5", 0.5), ("1h30m", 5400)]
)
def test_a_timeout_is_seconds(written: str, seconds: float) -> None:
    timeouts = [
        only_workflow(workflow(f"timeout: {written}")).timeout,
        only_workflow(step(f"run: x, timeout: {written}")).steps[0].timeout,
        only_workflow(step(f"uses: acme/x@v1, timeout: {written}")).steps[0].timeout,
        params(f"timeout: {written}")["timeout"],
    ]
    assert timeouts == [seconds] * 4
    assert {type(timeout) for timeout in timeouts} == {float}


@pytest.mark.parametrize(
    ("written", "size"), [("512Mi", 2**29), ("1073741825", 2**30 + 1), ("64k", 64_000), ("'1.5GiB'", 3 * 2**29)]
)
@pytest.mark.parametrize("name", ["mem_limit", "memory"])
def test_a_memory_limit_is_bytes_in_either_spelling(name: str, written: str, size: int) -> None:
    limit = only_workflow(workflow(f"resources: {{{name}: {written}}}")).mem_limit
    assert (limit, type(limit)) == (size, int)


def test_what_is_not_said_is_none() -> None:
    for fields in (
        "timeout: , resources: ",
        "resources: {}",
        "resources: {mem_limit: }",
        "resources: {memory: , cpu: }",
    ):
        made = only_workflow(workflow(fields))
        assert (made.timeout, made.mem_limit) == (None, None)
    assert only_workflow(step("run: x, timeout: ")).steps[0].timeout is None
    assert params("timeout: ") == params("concurrency_limit: ") == params("retry: ") == params("fail_fast: ") == {}


def test_a_fan_out_says_how_its_runs_are_supervised() -> None:
    assert params("concurrency_limit: 4") == {"concurrency_limit": 4}
    assert params("fail_fast: true") == {"fail_fast": True}
    assert params("fail_fast: false") == {"fail_fast": False}
    made = params("concurrency_limit: 4.0\n          retry: {attempts: 3, delay: 1m, backoff: 1.5}")
    assert made == {"concurrency_limit": 4, "retry": {"attempts": 3, "delay": 60.0, "backoff": 1.5}}
    assert [type(value) for value in (made["concurrency_limit"], *made["retry"].values())] == [int, int, float, float]


def test_a_retry_has_its_defaults() -> None:
    made = params("retry: {attempts: 1}")
    assert made == {"retry": {"attempts": 1, "delay": 1.0, "backoff": 2.0}}
    assert [type(value) for value in made["retry"].values()] == [int, float, float]


NO_DURATION = "must be a duration like 30m, 1h30m or 500ms"


@pytest.mark.parametrize(
    ("written", "what"),
    [
        ("soon", f"{NO_DURATION} (got 'soon')"),
        ("true", f"{NO_DURATION} (got 'true')"),
        ("-5", f"{NO_DURATION} (got '-5')"),
        ("''", f"{NO_DURATION} (got '')"),
        ("0", "must be more than 0, like 30m (got '0')"),
        ("11y", f"{NO_DURATION} (got '11y')"),
        ("4000d", "must be at most ten years, like 30m or 3650d (got '4000d')"),
        ("'{{ inputs.t }}'", f"{NO_DURATION}; it must be a literal, not a template (got '{{{{ inputs.t }}}}')"),
        ("'{% if a %}1h{% endif %}'", f"{NO_DURATION}; it must be a literal, not a template (got '{{% if a %}}1h"),
        ("[30m]", "must be a duration like 30m, not a list"),
        ("{m: 30}", "must be a duration like 30m, not a mapping"),
    ],
)
def test_a_timeout_that_is_none_is_refused_at_its_place(written: str, what: str) -> None:
    assert one(workflow(f"timeout: {written}")).startswith(f"3:16: 'timeout' of workflow 'w' {what}")
    assert one(step(f"run: x, timeout: {written}")).startswith(f"5:27: 'timeout' of step 1 of workflow 'w' {what}")
    assert one(fan_out(f"timeout: {written}")).startswith(f"8:20: 'timeout' of 'with' of step 1 of workflow 'w' {what}")
    assert one(fan_out(f"retry: {{attempts: 2, delay: {written}}}")).startswith(
        f"8:39: 'delay' of 'retry' of 'with' of step 1 of workflow 'w' {what}"
    )


@pytest.mark.parametrize(
    ("written", "what"),
    [
        ("512m", "must be a size like 512Mi, 1.5Gi or 64K (got '512m')"),
        ("0", "must be more than 0, like 512Mi (got '0')"),
        ("8Ei", "must be less than 8Ei, like 512Mi (got '8Ei')"),
        ("'{{ x }}'", "must be a size like 512Mi, 1.5Gi or 64K; it must be a literal, not a template (got '{{ x }}')"),
        ("[1]", "must be a size like 512Mi, not a list"),
    ],
)
@pytest.mark.parametrize(("name", "column"), [("mem_limit", 30), ("memory", 27)])
def test_a_memory_limit_that_is_none_is_refused_where_it_was_written(
    name: str, column: int, written: str, what: str
) -> None:
    problem = one(workflow(f"resources: {{{name}: {written}}}"))
    assert problem == f"3:{column}: 'mem_limit' of 'resources' of workflow 'w' {what}"


WITH = "of 'with' of step 1 of workflow 'w'"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ("concurrency_limit: 0", f"8:30: 'concurrency_limit' {WITH} must be a whole number, 1 or more"),
        ("concurrency_limit: -1", f"8:30: 'concurrency_limit' {WITH} must be a whole number, 1 or more"),
        ("concurrency_limit: 1.5", f"8:30: 'concurrency_limit' {WITH} must be a whole number, 1 or more"),
        ("concurrency_limit: many", f"8:30: 'concurrency_limit' {WITH} must be a number, not 'many'"),
        ("concurrency_limit: true", f"8:30: 'concurrency_limit' {WITH} must be a number, not true"),
        (
            "concurrency_limit: '{{ inputs.n }}'",
            (
                f"8:30: 'concurrency_limit' {WITH} must be a number, not '{{{{ inputs.n }}}}'; "
                "it must be a literal, not a template"
            ),
        ),
        ("fail_fast: 'y'", f"8:22: 'fail_fast' {WITH} must be true or false, not 'y'"),
        (
            "fail_fast: '{{ x }}'",
            (
                f"8:22: 'fail_fast' {WITH} must be true or false, not '{{{{ x }}}}'; "
                "it must be a literal, not a template"
            ),
        ),
        ("retry: 3", f"8:18: 'retry' {WITH} must be a mapping, not 3"),
        ("retry: {}", f"8:11: missing required field 'attempts' in 'retry' {WITH}"),
        ("retry: {delay: 1s}", f"8:11: missing required field 'attempts' in 'retry' {WITH}"),
        ("retry: {attempts: 0}", f"8:29: 'attempts' of 'retry' {WITH} must be a whole number, 1 or more"),
        ("retry: {attempts: 2.5}", f"8:29: 'attempts' of 'retry' {WITH} must be a whole number, 1 or more"),
        ("retry: {attempts: x}", f"8:29: 'attempts' of 'retry' {WITH} must be a number, not 'x'"),
        ("retry: {attempts: 2, backoff: 0.9}", f"8:41: 'backoff' of 'retry' {WITH} must be 1 or more"),
        (
            "retry: {attempts: 2, backof: 2}",
            f"8:32: unknown field 'backof' in 'retry' {WITH}; did you mean 'backoff'?",
        ),
        (
            "retry: {attempts: 2, on_exit_codes: [75]}",
            f"8:32: unknown field 'on_exit_codes' in 'retry' {WITH}; known are attempts, backoff, delay",
        ),
    ],
)
def test_what_a_fan_out_cannot_mean_is_refused_at_its_place(fields: str, problem: str) -> None:
    assert one(fan_out(fields)) == problem


def test_all_that_is_wrong_with_a_fan_out_is_told() -> None:
    text = fan_out("timeout: x\n          concurrency_limit: 0\n          retry: {attempts: 0, delay: y, backoff: 0}")
    assert [problem.split(" ")[0] for problem in refused(text)] == ["8:20:", "9:30:", "10:29:", "10:39:", "10:51:"]


def test_a_fan_out_step_has_its_timeout_in_with() -> None:
    text = "uses: tako/fan-out@v1, timeout: %s, with: {event_type: e}"
    for written in ("1h", "soon"):
        assert one(step(text % written)) == (
            "5:33: 'timeout' of step 1 of workflow 'w' is not for a fan-out; use 'timeout' in 'with'"
        )


def test_the_older_cpu_is_refused_as_the_present_one_where_it_was_written() -> None:
    refusal = (
        "'cpu_limit' in 'resources' of a workflow is part of the language but not supported by this version of Tako"
    )
    assert one(workflow("resources: {memory: 1Gi, cpu: 2}")) == f"3:32: {refusal}"
    assert one(workflow("resources: {cpu_limit: 2}")) == f"3:19: {refusal}"


def test_both_spellings_of_a_limit_at_once_are_refused() -> None:
    assert one(workflow("resources: {memory: 1Gi, mem_limit: 2Gi}")) == (
        "3:19: 'memory' of 'resources' of workflow 'w' is the older name of 'mem_limit', which is there too"
    )
    assert only_workflow(workflow("resources: {memory: , mem_limit: 1Ki}")).mem_limit == 1024
    assert only_workflow(workflow("resources: {memory: 1Ki, mem_limit: }")).mem_limit == 1024


def test_resources_of_another_shape_are_refused() -> None:
    assert one(workflow("resources: 1Gi")) == "3:18: 'resources' of workflow 'w' must be a mapping, not '1Gi'"
    assert one(workflow("resources: {mem: 1Gi}")).startswith("3:19: unknown field 'mem' in 'resources' of workflow 'w'")
    assert one(step("run: x, resources: {memory: 1Gi}")).startswith(
        "5:18: 'resources' of a step is part of the language"
    )


def test_limits_that_are_shared_by_an_alias_hold_wherever_they_are_used() -> None:
    text = """\
version: 1
workflows:
  a:
    resources: &r {memory: 1Ki}
    steps:
      - &f {uses: tako/fan-out@v1, with: {event_type: e, timeout: 1m, retry: {attempts: 2}}}
      - *f
  b: {resources: *r}
"""
    first, second = load(text).workflows
    assert (first.mem_limit, second.mem_limit) == (1024, 1024)
    assert [one.params["timeout"] for one in first.steps] == [60.0, 60.0]


def test_a_workflow_with_limits_travels_as_data_and_as_json() -> None:
    head = "version: 1\nworkflows:\n  w:\n    timeout: 0.1\n    resources: {mem_limit: 1Gi}\n    steps:\n"
    text = head + (
        "      - {run: x, timeout: 500ms}\n"
        "      - uses: tako/fan-out@v1\n"
        "        with: {event_type: e, timeout: 7ms, concurrency_limit: 1, retry: {attempts: 2}, fail_fast: true}\n"
    )
    made = only_workflow(text)
    assert (made.timeout, made.mem_limit, made.steps[0].timeout) == (0.1, 2**30, 0.5)
    assert model.workflow_from_data(to_data(made)) == made
    assert model.workflow_from_data(json.loads(json.dumps(to_data(made)))) == made


def test_the_data_of_a_workflow_from_before_there_were_limits_still_loads() -> None:
    made = only_workflow(step("run: x"))
    data = to_data(made)
    del data["timeout"], data["mem_limit"], data["steps"][0]["timeout"]
    assert model.workflow_from_data(data) == made
