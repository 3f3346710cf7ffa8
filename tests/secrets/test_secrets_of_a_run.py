"""A run with secrets, with real shells: which step has which, and that nothing else ever does."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tako.clock import SystemClock
from tako.config.model import ArtifactSpec, EventTemplate, Produces, StepSpec
from tako.errors import StepError
from tako.execution.event import Event
from tako.execution.failure import STEP_ERROR, STEP_FAILED, Failure
from tako.execution.retry import StepAttempt
from tako.execution.runner import Runner
from tako.execution.service import ServiceEnd
from tako.execution.state import ExecutionState, StepRecord
from tako.execution.workspace import Workspace
from tako.process import Processes
from tako.secrets.forms import forms
from tako.secrets.run import RunSecrets
from tako.steps.base import Capabilities, StepContext, StepResult
from tako.steps.registry import step_kind
from tests.builders import make_request, make_workflow

VALUE = 's3cr3t "v4lue" with/more+of=it\'s'
NAMED = {"TOKEN": "GITHUB_TOKEN"}


class Bench:
    """A run of some steps whose workflow declares a secret."""

    def __init__(
        self,
        directory: Path,
        *steps: StepSpec,
        values: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        kind: Callable[[StepSpec], Any] = step_kind,
        **more: Any,
    ) -> None:
        """``env`` is that of the workflow, ``more`` are fields of the request."""
        self.directory = directory
        self.workspace = Workspace(str(directory / "workspace"))
        self.workspace.make()
        self.repo = directory / "repo"
        self.repo.mkdir()
        self.echoed = b""
        self.heard: list[object] = []
        values = {"GITHUB_TOKEN": VALUE} if values is None else values
        self.values = values
        workflow = make_workflow(steps=steps, secrets=tuple(values), env=env or {})
        self.runner = Runner(
            Capabilities(
                request=make_request(workflow=workflow, **more),
                workspace=self.workspace,
                repo_dir=str(self.repo),
                processes=Processes(),
                clock=SystemClock(),
                base_env={"PATH": os.environ["PATH"], "TOKEN": "the user's own", **values},
                echo=self,
                secrets=RunSecrets(values),
            ),
            step_kind=kind,
            observer=self,
        )

    def feed(self, _step_id: str, data: bytes) -> None:
        self.echoed += data

    def tick(self) -> None: ...

    def end(self, _step_id: str) -> None: ...

    def step_started(self, spec: StepSpec) -> None: ...

    def step_retrying(self, spec: StepSpec, attempt: StepAttempt, delay: float) -> None:
        self.heard.append(attempt)

    def step_ended(self, step: StepRecord) -> None:
        self.heard.append(step)

    def service_ended(self, end: ServiceEnd) -> None:
        pass

    def event(self, event: Event) -> None:
        self.heard.append(event)

    def run(self) -> ExecutionState:
        """The state at the end. Whatever happened, the secret is in no file of the workspace, and was not told."""
        state = self.runner.run(self.runner.begin())
        told = repr((state, self.heard)).encode() + self.echoed
        left = [
            str(path)
            for value in self.values.values()
            for form in forms(value)
            for path in [None, *Path(self.workspace.path).rglob("*")]
            if form in (told if path is None else path.read_bytes() if path.is_file() else os.fsencode(path))
        ]
        assert left == []
        return state

    def log(self, step_id: str) -> str:
        return Path(self.workspace.log(step_id)).read_text()


def refusal(state: ExecutionState) -> str:
    """Why a step was refused what it did."""
    assert state.failure is not None
    assert state.failure.kind == STEP_ERROR
    assert not state.steps[-1].outputs
    return state.failure.message


def test_a_step_that_names_a_secret_has_it_and_no_other_does(tmp_path: Path) -> None:
    say = "printenv TOKEN > ../got || true; printenv GITHUB_TOKEN > ../inherited || true"
    bench = Bench(
        tmp_path, StepSpec(id="named", run=say, env=NAMED), StepSpec(id="other", run="! env | grep GITHUB_TOKEN")
    )
    assert bench.run().status == "success"
    assert (tmp_path / "got").read_text() == f"{VALUE}\n"
    assert (tmp_path / "inherited").read_text() == ""


def test_only_a_literal_name_is_one(tmp_path: Path) -> None:
    env = {"A": "{{ 'GITHUB_TOKEN' }}", "B": "xGITHUB_TOKEN", "C": " GITHUB_TOKEN"}
    bench = Bench(tmp_path, StepSpec(id="a", run='echo "$A,$B,$C"', env=env))
    bench.run()
    assert bench.log("a") == "GITHUB_TOKEN,xGITHUB_TOKEN, GITHUB_TOKEN\n"


def test_takos_own_variables_stay_takos(tmp_path: Path) -> None:
    bench = Bench(tmp_path, StepSpec(id="a", run='echo x=y >> "$TAKO_OUTPUT"', env={"TAKO_OUTPUT": "GITHUB_TOKEN"}))
    assert bench.run().outputs == {"a": {"x": "y"}}


def test_what_is_printed_is_masked_in_the_log_the_echo_and_the_failure(tmp_path: Path) -> None:
    script = (
        'printf "%s\\n" "$TOKEN"; printf %s "$TOKEN" | base64 -w0; echo; '
        'for c in 1 2 3; do printf %s "${TOKEN%????}"; sleep 0.01; printf "%s\\n" "${TOKEN#"${TOKEN%????}"}"; done; '
        'echo "last words: $TOKEN." >&2; exit 9'
    )
    bench = Bench(tmp_path, StepSpec(id="a", run=script, env=NAMED))
    failure = bench.run().failure
    log = "***\n***\n***\n***\n***\nlast words: ***.\n"
    assert sorted(bench.log("a").splitlines()) == sorted(log.splitlines())
    assert bench.echoed.decode() == bench.log("a")
    assert failure == Failure(STEP_FAILED, "exit code 9", step="a", exit_code=9, log=tuple(bench.log("a").splitlines()))


def test_a_beginning_of_a_secret_at_the_end_of_the_output_is_not_lost(tmp_path: Path) -> None:
    bench = Bench(tmp_path, StepSpec(id="a", run="printf 'see s3cr'", env=NAMED))
    bench.run()
    assert bench.log("a") == "see s3cr"


OUTPUTS = {
    "stdout": ("from_stdout", 'echo "a $TOKEN b"'),
    "stderr": ("from_stderr", 'echo "$TOKEN" >&2'),
    "file": ("from_file:f", 'echo "$TOKEN" > f'),
    "env": ("from_env:COPY", 'export COPY="$TOKEN"'),
    "regex": ("it is (.*)", 'echo "it is $TOKEN"'),
    "base64": ("from_stdout", 'printf %s "$TOKEN" | base64 -w0'),
    "template": ("{{ outputs.w }}", 'echo "w=$TOKEN" >> "$TAKO_OUTPUT"'),
}


@pytest.mark.parametrize(("source", "script"), OUTPUTS.values(), ids=OUTPUTS)
def test_an_output_that_holds_a_secret_is_refused_by_name(tmp_path: Path, source: str, script: str) -> None:
    produces = Produces(outputs={"o": source})
    bench = Bench(tmp_path, StepSpec(id="a", run=script, env=NAMED, produces=produces))
    said = refusal(bench.run())
    assert f"output {'w' if source.startswith('{') else 'o'!r} holds the value of the secret 'GITHUB_TOKEN'" in said


WRITTEN = {
    "line": ('echo "o=$TOKEN" >> "$TAKO_OUTPUT"', "output 'o'"),
    "block": ('printf "o<<E\\n%s\\nE\\n" "$TOKEN" >> "$TAKO_OUTPUT"', "output 'o'"),
    "name": ('echo "${TOKEN%=*}=$TOKEN" >> "$TAKO_OUTPUT"', "the name of an output"),
    "neither": ('echo "${TOKEN%%=*}" >> "$TAKO_OUTPUT"', "what it wrote to $TAKO_OUTPUT"),
    "half a block": ('printf "o<<E\\n%s\\n" "$TOKEN" >> "$TAKO_OUTPUT"', "what it wrote to $TAKO_OUTPUT"),
}


@pytest.mark.parametrize(("script", "what"), WRITTEN.values(), ids=WRITTEN)
def test_what_is_written_to_tako_output_is_refused_too_and_does_not_stay(
    tmp_path: Path, script: str, what: str
) -> None:
    values = {"GITHUB_TOKEN": "s3cr3t", "LONG": VALUE}
    bench = Bench(tmp_path, StepSpec(id="a", run=script, env={"TOKEN": "LONG"}), values=values)
    said = refusal(bench.run())
    assert f"{what} holds the value of the secret" in said
    assert os.listdir(bench.workspace.temporary) == ["inputs.json"]


def test_a_template_over_an_output_is_refused_before_its_error_shows_a_part_of_it(tmp_path: Path) -> None:
    produces = Produces(outputs={"o": "from_stdout", "p": "{{ outputs.o | to_int }}"})
    bench = Bench(tmp_path, StepSpec(id="a", run='echo "$TOKEN"', env=NAMED, produces=produces))
    assert "output 'o' holds the value of the secret 'GITHUB_TOKEN'" in refusal(bench.run())


def test_a_secret_is_not_even_in_the_file_that_tells_the_environment_at_the_end(tmp_path: Path) -> None:
    produces = Produces(outputs={"o": "from_env:TOKEN"})
    bench = Bench(tmp_path, StepSpec(id="a", run="true", env=NAMED, produces=produces))
    assert "output 'o' was promised from the variable TOKEN, which the step did not" in refusal(bench.run())


class Careless:
    """A kind of step that tells what it was given in its error."""

    def run(self, context: StepContext) -> StepResult:
        raise StepError(f"cannot log in with {context.environment()['TOKEN']}", cure=f"not with {VALUE!r} again")


def test_what_a_kind_of_step_says_in_an_error_is_masked(tmp_path: Path) -> None:
    bench = Bench(tmp_path, StepSpec(id="a", uses="acme/login@v1", env=NAMED), kind=lambda _spec: Careless())
    said = refusal(bench.run())
    assert said.startswith("cannot log in with ***\n")
    assert "not with " in said


def test_the_environment_at_a_failed_steps_end_does_not_stay(tmp_path: Path) -> None:
    produces = Produces(outputs={"o": "from_env:FINE"})
    script = 'export COPY="$TOKEN" FINE=fine; exit 1'
    bench = Bench(tmp_path, StepSpec(id="a", run=script, env=NAMED, produces=produces))
    assert bench.run().status == "failed"


def test_the_other_variables_are_outputs_as_ever(tmp_path: Path) -> None:
    produces = Produces(outputs={"o": "from_env:FINE"})
    bench = Bench(tmp_path, StepSpec(id="a", run="export FINE=fine", env=NAMED, produces=produces))
    assert bench.run().outputs == {"a": {"o": "fine"}}


@pytest.mark.parametrize(
    "field",
    [
        {"run": "echo {{ env.TOKEN }}"},
        {"run": "true", "condition": "env.TOKEN != ''"},
        {"run": "true", "produces": Produces(outputs={"o": "{{ env.TOKEN }}"})},
        {"run": "true", "env": {**NAMED, "OTHER": "{{ env.TOKEN }}"}},
        {"run": "true", "working_directory": "{{ env.TOKEN }}"},
        {"run": "echo {{ env.GITHUB_TOKEN }}"},
    ],
)
def test_no_expression_reads_a_secret_and_the_error_says_what_to_do(tmp_path: Path, field: dict[str, Any]) -> None:
    bench = Bench(tmp_path, StepSpec(id="a", **{"env": NAMED, **field}))
    said = refusal(bench.run())
    assert "TOKEN is a secret" in said
    assert 'TOKEN" in the command of a step whose `env` names the secret' in said


def test_a_variable_of_the_workflow_does_not_shine_through_the_secret(tmp_path: Path) -> None:
    step = StepSpec(id="a", run="echo {{ env.PLAIN }}", env={"PLAIN": "GITHUB_TOKEN"})
    bench = Bench(tmp_path, step, env={"PLAIN": "plain"})
    assert "PLAIN is a secret" in refusal(bench.run())


def test_a_secret_that_came_in_elsewhere_is_found_in_what_a_template_yields(tmp_path: Path) -> None:
    bench = Bench(tmp_path, StepSpec(id="a", run="echo {{ inputs.x }} {{ inputs.y }}"), inputs={"x": "ok", "y": "no"})
    assert bench.run().status == "success"
    # An input's value is checked before a run begins; here it stands for whatever else might bring it in.
    first, second = VALUE[:10], VALUE[10:]
    (tmp_path / "again").mkdir()
    template = "echo {{ (inputs.x ~ inputs.y) | shell_quote }}"
    bench = Bench(tmp_path / "again", StepSpec(id="a", run=template), inputs={"x": first, "y": second})
    assert "what a template yields holds the value of the secret 'GITHUB_TOKEN'" in refusal(bench.run())


def test_an_event_with_a_secret_is_not_emitted_or_announced(tmp_path: Path) -> None:
    first, second = VALUE[:10], VALUE[10:]
    payload = {"deep": [{"x": "{{ inputs.x ~ inputs.y }}"}]}
    emits = StepSpec(id="a", uses="tako/fan-out@v1", params={"event_type": "e", "payload": payload})
    inputs = {"x": first, "y": second}
    bench = Bench(tmp_path, emits, inputs=inputs)
    assert "an event that it emits holds the value of the secret" in refusal(bench.run())
    (tmp_path / "again").mkdir()
    announces = StepSpec(id="a", run="true", produces=Produces(events=(EventTemplate("e", payload=payload),)))
    bench = Bench(tmp_path / "again", announces, inputs=inputs)
    assert "an event that it announces holds the value of the secret" in refusal(bench.run())


ARTIFACTS = {
    "file": ('printf "x%s" "$TOKEN" > out', "out"),
    "directory": ('mkdir -p out/b; echo fine > out/a; printf %s "$TOKEN" | base64 -w0 > out/b/c', "out/b/c"),
    "far into a file": (
        '{ head -c 1048570 /dev/zero; printf %s "$TOKEN"; head -c 9 /dev/zero; } > out',
        "out",
    ),
}


@pytest.mark.parametrize(("script", "place"), ARTIFACTS.values(), ids=ARTIFACTS)
def test_an_artifact_that_holds_a_secret_is_refused(tmp_path: Path, script: str, place: str) -> None:
    step = StepSpec(id="a", run=script, env=NAMED, produces=Produces(artifact="lib"))
    bench = Bench(tmp_path, step, artifacts=(ArtifactSpec("lib", "out"),))
    said = refusal(bench.run())
    assert f"artifact 'lib' holds the value of the secret 'GITHUB_TOKEN', in {place}\n" in said


def test_an_artifact_without_one_is_kept(tmp_path: Path) -> None:
    step = StepSpec(id="a", run="mkdir out; echo fine > out/f", env=NAMED, produces=Produces(artifact="lib"))
    state = Bench(tmp_path, step, artifacts=(ArtifactSpec("lib", "out"),)).run()
    assert [artifact.name for artifact in state.artifacts] == ["lib"]


def test_a_run_without_secrets_does_not_load_what_masks(tmp_path: Path) -> None:
    bench = Bench(tmp_path, StepSpec(id="a", run="echo hi"), values={})
    bench.run()
    assert bench.runner._capabilities.secrets.mask is None


def test_what_is_left_running_has_its_secrets_and_leaves_none_behind(tmp_path: Path) -> None:
    script = 'echo "up $TOKEN"; echo "o=$TOKEN" >> "$TAKO_OUTPUT"; touch ready; sleep 600 & wait'
    left = StepSpec(id="db", run=script, env=NAMED, long_running=True)
    look = 'until [ -e ready ]; do sleep 0.02; done; test "$TOKEN" = "the user\'s own"'
    waits = StepSpec(id="waits", run=look, timeout=30.0)
    bench = Bench(tmp_path, left, waits)
    assert bench.run().status == "success"
    assert bench.log("db") == "up ***\n"
    assert os.listdir(bench.workspace.temporary) == []
