"""What a file may say of steps that fail and of steps that are left running, and what is refused where."""

from __future__ import annotations

import pytest

from tako.config import loader
from tako.config.model import RetrySpec, StepSpec
from tako.errors import ConfigError

HEAD = "version: 1\nworkflows:\n  w:\n    steps:\n"


def steps(text: str) -> tuple[StepSpec, ...]:
    return loader.loads((HEAD + text).encode(), "tako.yml").workflows[0].steps


def refused(text: str) -> tuple[str, ...]:
    """Every problem, without the file's name."""
    with pytest.raises(ConfigError) as caught:
        steps(text)
    return tuple(problem.removeprefix("tako.yml:") for problem in caught.value.problems)


def test_a_retry_is_read_with_its_defaults() -> None:
    (first, second) = steps(
        "      - {run: x, retry: {attempts: 3}}\n"
        "      - {run: x, retry: {attempts: 2, delay: 1m, backoff: 1.5, on_exit_codes: 75}}\n"
    )
    assert first.retry == RetrySpec(attempts=3)
    assert second.retry == RetrySpec(attempts=2, delay=60.0, backoff=1.5, on_exit_codes=(75,))


@pytest.mark.parametrize(
    "spelling", ["on_failure: [{run: y}]", "on_failure: {run: y}", "on_failure: [y]", "on_failure: y"]
)
def test_what_runs_on_failure_may_be_one_step_or_several(spelling: str) -> None:
    (step,) = steps(f"      - id: a\n        run: x\n        {spelling}\n")
    (handler,) = step.on_failure
    assert (handler.id, handler.run) == ("a-on-failure-1", "y")


def test_what_runs_on_failure_is_known_by_its_line() -> None:
    (step,) = steps("      - run: x\n        on_failure:\n          - run: y\n          - id: z\n            run: z\n")
    assert [(handler.id, handler.line) for handler in step.on_failure] == [("step-1-on-failure-1", 7), ("z", 8)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("      - {run: x, retry: {attempts: 0}}\n", "5:36: 'attempts' of 'retry' of step 1 of workflow 'w' must be"),
        ("      - {run: x, retry: {attempts: 1.5}}\n", "must be a whole number"),
        ("      - {run: x, retry: {delay: 1s}}\n", "missing required field 'attempts'"),
        ("      - {run: x, retry: {attempts: 2, delay: soon}}\n", "must be a duration"),
        ("      - {run: x, retry: {attempts: 2, backoff: 0.5}}\n", "must be 1 or more"),
        ("      - {run: x, retry: {attempts: 2, on_exit_codes: [0]}}\n", "must be an exit code from 1 to 255"),
        ("      - {run: x, retry: {attempts: 2, on_exit_codes: [256]}}\n", "must be an exit code from 1 to 255"),
        ("      - {run: x, retry: {attempts: 2, on_exit_codes: 1.5}}\n", "must be an exit code from 1 to 255"),
        ("      - {uses: tako/fan-out@v1, with: {event_type: e}, retry: {attempts: 2}}\n", "use 'retry' in 'with'"),
        (
            "      - {uses: tako/fan-out@v1, with: {event_type: e}, continue_on_error: true}\n",
            "'continue_on_error' of step 1 of workflow 'w' is not for a fan-out",
        ),
        (
            "      - {run: x, on_failure: [{uses: tako/fan-out@v1, with: {event_type: e}}]}\n",
            "'uses' of on_failure step 1 of step 1 of workflow 'w' must not be a fan-out",
        ),
        (
            "      - {run: x, on_failure: [{run: y, long_running: true}]}\n",
            "unknown field 'long_running' in on_fail",
        ),
        ("      - {run: x, on_failure: [{run: y, on_failure: [z]}]}\n", "unknown field 'on_failure' in on_failure"),
        ("      - {run: x, on_failure: [{run: y, produces: {events: [{type: e}]}}]}\n", "which may put out 'outputs'"),
        ("      - {run: x, on_failure: [{id: a, run: y}, {id: a, run: y}]}\n", "duplicate step id 'a'"),
        ("      - {id: a, run: x}\n      - {run: x, on_failure: [{id: a, run: y}]}\n", "duplicate step id 'a'"),
        ("      - {run: x, on_failure: [{}]}\n", "needs 'run' or 'uses'"),
        ("      - {run: x, on_failure: {env: [A]}}\n", "5:37: item 1 of 'env' of on_failure step 1"),
        ("      - {run: x, on_failure: [{run: y, working_directory: ../z}]}\n", "must not lead out of the repository"),
        ("      - {run: x, on_failure: false}\n", "'on_failure' of step 1 of workflow 'w' must be a list, not false"),
    ],
)
def test_what_cannot_be_of_steps_that_fail_is_refused(text: str, said: str) -> None:
    assert any(said in problem for problem in refused(text)), refused(text)


def test_the_expressions_of_what_runs_on_failure_are_compiled() -> None:
    text = HEAD + "      - run: x\n        on_failure:\n          - {run: '{{ a b }}', if: '1 +'}\n"
    with pytest.raises(ConfigError) as caught:
        loader.loads_thoroughly(text.encode(), "tako.yml")
    assert [problem.split(" of ")[0] for problem in caught.value.problems] == [
        "tako.yml:7:19: 'run'",
        "tako.yml:7:36: 'if'",
    ]


DB = "      - {id: db, run: x, long_running: true}\n"


def test_a_poll_is_read_with_its_defaults() -> None:
    text = DB + "      - {uses: tako/poll@v1, with: {target: step, step_id: db, success_on_exit_code: 3}}\n"
    assert steps(text)[1].params == {
        "target": "step",
        "step_id": "db",
        "success_on_exit_code": [3],
        "timeout": 300.0,
        "interval": 1.0,
    }


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ("{target: step}", "needs 'step_id' for the target 'step'"),
        ("{target: file}", "needs 'path' for the target 'file'"),
        ("{target: http}", "needs 'url' for the target 'http'"),
        ("{target: tcp}", "must be one of"),
        ("{}", "missing required field 'target'"),
        (
            "{target: step, step_id: dbx}",
            "'dbx' is no step before this one with 'long_running: true'; did you mean 'db'?",
        ),
        ("{target: step, step_id: later}", "'later' is no step before this one"),
        ("{target: step, step_id: db, path: f}", "'path' of 'with' of step 2 of workflow 'w' is for the target 'file'"),
        ("{target: step, step_id: db, interval: 1s}", "is for a file or an address"),
        ("{target: file, path: f, success_on_exit_code: 1}", "is for the target 'step', not 'file'"),
        ("{target: step, step_id: db, success_on_exit_code: 300}", "must be an exit code from 0 to 255"),
        ("{target: file, path: ../f}", "must not lead out of the repository"),
        ("{target: file, path: /f}", "must be relative to the repository"),
        ("{target: http, url: 'http://example.com/'}", "must be on this machine"),
        ("{target: file, path: f, timeout: soon}", "must be a duration"),
        ("{target: file, path: f, interval: soon}", "must be a duration"),
        ("{target: file, path: f, every: 1s}", "unknown field 'every'"),
    ],
)
def test_what_cannot_be_waited_for_is_refused(params: str, said: str) -> None:
    text = DB + f"      - {{uses: tako/poll@v1, with: {params}}}\n      - {{id: later, run: x, long_running: true}}\n"
    assert any(said in problem for problem in refused(text)), refused(text)


@pytest.mark.parametrize("params", ["{target: file, path: f, step_id: db}", "{target: file, path: '{{ inputs.f }}'}"])
def test_a_file_may_be_waited_for_with_who_brings_it_and_by_a_template(params: str) -> None:
    assert steps(DB + f"      - {{uses: tako/poll@v1, with: {params}}}\n")[1].params["target"] == "file"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("run: x, timeout: 1s", "'timeout' of step 1 of workflow 'w' is not for a step with 'long_running: true'"),
        ("run: x, retry: {attempts: 2}", "'retry' of step 1 of workflow 'w' is not for"),
        ("run: x, produces: {outputs: {v: from_stdout}}", "'produces' of step 1 of workflow 'w' is not for"),
        ("uses: acme/x@v1", "'long_running' of step 1 of workflow 'w' is for a step with 'run'"),
    ],
)
def test_what_makes_no_sense_of_a_step_that_is_left_running_is_refused(fields: str, said: str) -> None:
    assert any(said in problem for problem in refused(f"      - {{{fields}, long_running: true}}\n"))
