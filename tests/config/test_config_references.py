"""A name in an expression that can never be anything is told before anything runs."""

from __future__ import annotations

import pytest

from tako.clock import SystemClock
from tako.config import check_references, loader
from tako.config.expressions import FILTER_ROOTS, STEP_ROOTS, SUBSCRIPTION_ROOTS
from tako.config.model import StepSpec
from tako.errors import ConfigError
from tako.execution.state import ExecutionState
from tako.execution.workspace import Workspace
from tako.process import Processes
from tako.steps.base import Capabilities, StepContext
from tests.builders import make_event, make_request

FILE = """\
version: 1
workflows:
  w:
    inputs: {version-bump: , dry: }
    steps:
      - {id: build, run: x}
      - {id: pack, run: x}
      - {id: ship, run: x}
"""
PACK = "{id: pack, run: x}"


def problems(text: str) -> list[str]:
    try:
        loader.loads_thoroughly(text.encode(), "p")
    except ConfigError as error:
        return [one.split(" ", 1)[1] for one in error.problems]
    return []


def in_pack(fields: str) -> list[str]:
    return problems(FILE.replace(PACK, f"{{id: pack, {fields}}}"))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{{ inputs.version }}", "workflow 'w' has no input 'version'; did you mean 'version-bump'?"),
        ("{{ .Inputs.version-bumb }}", "workflow 'w' has no input 'version-bumb'; did you mean 'version-bump'?"),
        ("{{ inputs.x | default('y') }}", "workflow 'w' has no input 'x'; it has version-bump, dry"),
        ("{{ steps.biuld.outputs.x }}", "workflow 'w' has no step 'biuld'; did you mean 'build'?"),
        ("{{ .steps.biuld.x }}", "workflow 'w' has no step 'biuld'; did you mean 'build'?"),
        ("{{ steps.ship.outputs.x }}", "step 'ship' comes later, so there is nothing of it here"),
        ("{{ steps.pack.status }}", "step 'pack' has not ended here"),
        ("{{ event.version }}", "`event` has no 'version'; did you mean 'schema_version'?"),
        ("{{ run.di }}", "`run` has no 'di'; it has id, root_id, workflow"),
        ("{{ input.dry }}", "`input` is not known here; did you mean 'inputs'?"),
        ("{{ .Names }}", "`Names` is not known here"),
        ("{{ error.step }}", "`error` is there in 'on_failure' and 'finally' only"),
        ("{{ outputs.x }}", "`outputs` is there in 'produces' and in the 'with' of a fan-out; here it is"),
    ],
)
def test_a_template_that_reads_nothing_that_is_there(text: str, what: str) -> None:
    quoted = '"' + text + '"'
    (problem,) = in_pack(f"run: {quoted}")
    assert problem.startswith(f"'run' of step 2 of workflow 'w': {what}")
    for fields in (f"run: x, env: {{A: {quoted}}}", f"run: x, working_directory: {quoted}"):
        (problem,) = in_pack(fields)
        assert what in problem


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("inputs.version == ''", "workflow 'w' has no input 'version'; did you mean 'version-bump'?"),
        ("!.inputs.dri", "workflow 'w' has no input 'dri'; did you mean 'dry'?"),
        ("has(steps.ship.outputs.x)", "step 'ship' comes later, so there is nothing of it here"),
        ("steps['pack'].status == ''", "step 'pack' has not ended here"),
        ("outputs.x == ''", "`outputs` is there in 'produces' and in the 'with' of a fan-out"),
    ],
)
def test_a_condition_that_reads_nothing_that_is_there(text: str, what: str) -> None:
    (problem,) = in_pack(f'run: x, if: "{text}"')
    assert problem.startswith(f"'if' of step 2 of workflow 'w': {what}")


@pytest.mark.parametrize(
    "fields",
    [
        "run: \"{{ inputs.dry }} {{ steps.build.outputs.any }} {{ env.X }} {{ repo }} {{ run.id }} {{ payload.a }}\"",
        "run: \"{{ .Inputs.version-bump }} {{ .Steps.build.x }} {{ event.payload.x }} {{ artifacts['a/b:c'].path }}\"",
        "run: x, if: \"inputs['version-bump'] == '' && steps.build.status == 'success' && size(events) > 0\"",
        'run: x, produces: {outputs: {a: "{{ steps.build.outputs.x }}", b: "{{ outputs.a }}"}}',
        'run: x, produces: {events: [{type: e, payload: {a: "{{ outputs.b }}"}}]}',
        'uses: tako/fan-out@v1, with: {event_type: e, payload: {a: "{{ outputs.b }}"}}',
        'uses: acme/x@v1, with: {a: "{{ outputs.b }} {{ error.c }}"}',
        'run: "{{ inputs[event.type] }} {% for input in payload.list %}{{ input.x }}{% endfor %}"',
    ],
)  # fmt: skip
def test_names_that_may_be_there_are_no_problem(fields: str) -> None:
    assert in_pack(fields) == []


def test_what_runs_after_a_failure_reads_the_error_and_the_step_that_failed() -> None:
    good = "{{ error.message }} {{ steps.pack.status }} {{ steps.undo.outputs.x }} {{ inputs.dry }}"
    fields = 'run: x, on_failure: [{id: undo, run: x}, {id: tell, run: "TEXT"}]'
    assert in_pack(fields.replace("TEXT", good)) == []
    for text, what in (
        ("{{ steps.ship.status }}", "step 'ship' comes later"),
        ("{{ steps.tell.status }}", "step 'tell' has not ended here"),
        ("{{ inputs.dri }}", "has no input 'dri'"),
        ("{{ outputs.x }}", "`outputs` is there in 'produces'"),
    ):
        (problem,) = in_pack(fields.replace("TEXT", text))
        assert problem.startswith("'run' of on_failure step 2 of step 2 of workflow 'w': ")
        assert what in problem


def test_a_later_step_reads_what_ran_after_a_failure_but_not_its_error() -> None:
    failing = "{id: build, run: x, continue_on_error: true, on_failure: [{id: undo, run: x}]}"
    text = FILE.replace("{id: build, run: x}", failing)
    assert problems(text.replace(PACK, '{id: pack, run: "{{ steps.undo.outputs.x }}"}')) == []
    (problem,) = problems(text.replace(PACK, '{id: pack, run: "{{ error.message }}"}'))
    assert "`error` is there in 'on_failure' and 'finally' only" in problem


def test_a_step_reads_its_own_outputs_as_outputs() -> None:
    (problem,) = in_pack('run: x, produces: {outputs: {a: "{{ steps.pack.outputs.b }}"}}')
    assert problem.endswith("step 'pack' has not ended here; its own outputs are `outputs`")


def test_the_environment_of_a_workflow_is_there_before_its_steps() -> None:
    env = '    env: {A: "{{ steps.build.outputs.x }}{{ inputs.dry }}"}\n'
    (problem,) = problems(FILE.replace("    steps:", f"{env}    steps:"))
    assert problem.startswith("variable 'A' of workflow 'w': step 'build' has not ended here")


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ("inputs: {dry: '{{ inputs.x }}'}", "input 'dry' of subscription 1: `inputs` is not known here"),
        ("inputs: {dry: '{{ steps.build.x }}'}", "input 'dry' of subscription 1: `steps` is not known here"),
        ("filters: [env.A == '']", "filter 1 of subscription 1: `env` is not known here"),
        (
            "filters: [size(events) > 1]",
            "filter 1 of subscription 1: `events` is not known here; did you",
        ),
    ],
)
def test_a_subscription_reads_its_event_and_nothing_else(fields: str, what: str) -> None:
    text = FILE + "subscriptions:\n  - {artifact: a/b, events: [e], workflow: w, " + fields + "}\n"
    (problem,) = problems(text)
    assert problem.startswith(what)


def test_the_fixed_names_are_those_of_a_run() -> None:
    assert set(check_references.FIXED["event"]) == set(make_event().scope())


def test_the_roots_are_those_that_a_step_has(processes: Processes) -> None:
    capabilities = Capabilities(
        request=make_request(),
        workspace=Workspace("/w"),
        repo_dir="/r",
        processes=processes,
        clock=SystemClock(),
        base_env={},
    )
    state = ExecutionState(run_id="r", repo="a/b", workflow="w", status="running", started_at=0)
    step_scope = StepContext(capabilities, StepSpec(id="s", run="x"), state).scope()
    assert set(STEP_ROOTS) == set(step_scope)
    assert set(check_references.FIXED["run"]) == set(step_scope["run"])
    assert {*FILTER_ROOTS, *SUBSCRIPTION_ROOTS} <= set(step_scope)
