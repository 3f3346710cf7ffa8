"""The Runner with real shells: order, environment, conditions, what steps leave behind, waiting and going on."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tako.config.model import ArtifactSpec, EventTemplate, Produces, StepSpec
from tako.errors import MachineError, StateError
from tako.execution.answer import Answer, write_answer
from tako.execution.event import ArtifactRef
from tako.execution.failure import (
    FAN_OUT_FAILED,
    INTERRUPTED,
    STEP_ERROR,
    STEP_FAILED,
    STEP_KILLED,
    STEP_TIMEOUT,
    WORKFLOW_TIMEOUT,
    Failure,
)
from tako.execution.state import read_state
from tako.records import replace
from tako.signals import StopSignal
from tests.builders import make_event
from tests.execution.bench import Bench, tell


def test_steps_run_one_after_another_and_each_is_on_the_disk_before_it_is_heard_of(tmp_path: Path) -> None:
    bench = Bench(tmp_path, StepSpec(id="a", run="echo one > f"), StepSpec(id="b", run="cat f"))
    state = bench.run()
    assert state.status == "success"
    assert bench.heard == ["a started", "a success", "b started", "b success"]
    assert bench.durable == [("a",), ("a", "b")]
    assert bench.log("b") == "one\n"
    assert read_state(bench.workspace.state).status == "success"


def test_a_failed_step_ends_the_workflow(tmp_path: Path) -> None:
    bench = Bench(tmp_path, StepSpec(id="a", run="echo why >&2; exit 7"), StepSpec(id="b", run="touch ran"))
    state = bench.run()
    assert state.failure == Failure(STEP_FAILED, "exit code 7", step="a", exit_code=7, log=("why",))
    assert [step.id for step in state.steps] == ["a"]
    assert not (bench.repo / "ran").exists()


@pytest.mark.parametrize("script", ["kill -SEGV $$", "sh -c 'kill -SEGV $$'; exit $?"])
def test_a_killed_step_is_told_from_a_failed_one(tmp_path: Path, script: str) -> None:
    failure = Bench(tmp_path, StepSpec(id="a", run=script)).run().failure
    assert failure is not None
    assert (failure.kind, failure.signal) == (STEP_KILLED, 11)
    assert "SIGSEGV" in failure.message


def test_a_condition_that_does_not_hold_skips_the_step_and_says_so(tmp_path: Path) -> None:
    bench = Bench(
        tmp_path,
        StepSpec(id="a", run="exit 1", condition="inputs.go"),
        StepSpec(id="b", run="true", condition="!inputs.go"),
        inputs={"go": False},
    )
    assert [(step.id, step.status) for step in bench.run().steps] == [("a", "skipped"), ("b", "success")]
    assert bench.heard[0] == "a skipped"


def test_a_step_sees_the_users_environment_the_declared_one_and_takos(tmp_path: Path) -> None:
    artifact = ArtifactRef("my-org/go-lib", "go-lib", "/made/lib.tar")
    farther = ArtifactRef("other/lib", "go-lib", "/made/other.tar")
    bench = Bench(
        tmp_path,
        StepSpec(id="see", run="env", env={"STEP": "{{ env.FLOW }}-step", "MINE": "changed"}),
        workflow={"env": {"FLOW": "{{ inputs['a-b'] }}-flow"}},
        inputs={"a-b": "x", "fast": True},
        event=make_event(artifacts=(artifact, farther)),
    )
    assert bench.run().status == "success"
    seen = dict(line.split("=", 1) for line in bench.log("see").splitlines() if "=" in line)
    expected = {
        "FLOW": "x-flow",
        "STEP": "x-flow-step",
        "MINE": "changed",
        "TAKO_RUN_ID": bench.request.run_id,
        "TAKO_STEP_ID": "see",
        "TAKO_REPO": "my-org/client",
        "TAKO_WORKSPACE": bench.workspace.path,
        "TAKO_INPUT_A_B": "x",
        "TAKO_INPUT_FAST": "true",
        "TAKO_ARTIFACT_GO_LIB_PATH": "/made/lib.tar",
        "TAKO_EVENT_ID": make_event().id,
        "TAKO_ATTEMPT": "1",
        "PWD": str(bench.repo),
    }
    assert {name: seen.get(name) for name in expected} == expected


def test_what_a_step_produces_is_there_for_later_steps_and_for_the_event(tmp_path: Path) -> None:
    produces = Produces(
        artifact="lib",
        outputs={"version": "from_stdout", "twice": "{{ outputs.version }}{{ outputs.version }}"},
        events=(EventTemplate("built", "1.0.0", {"version": "{{ outputs.version }}"}),),
    )
    bench = Bench(
        tmp_path,
        StepSpec(
            id="make", run='mkdir d; echo x > d/lib.txt; echo 1.2.0; echo own=3 >> "$TAKO_OUTPUT"', produces=produces
        ),
        StepSpec(id="use", run="echo {{ steps.make.outputs.twice }} {{ steps.make.outputs.own }}"),
        tell(),
        artifacts=(ArtifactSpec("lib", "d/*.txt"),),
    )
    state = bench.run()
    assert state.status == "suspended"
    assert bench.log("use") == "1.2.01.2.0 3\n"
    (event,) = bench.events
    assert (event.payload, event.schema_version, event.artifact) == ({"version": "1.2.0"}, "1.0.0", "lib")
    (artifact,) = event.artifacts
    assert Path(artifact.path).read_text() == "x\n"
    assert artifact.path.startswith(bench.workspace.artifacts)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (StepSpec(id="a", run="echo {{ inputs.nope }}"), "nope"),
        (StepSpec(id="a", run="true", condition="inputs.nope"), "nope"),
        (StepSpec(id="a", run="true", produces=Produces(outputs={"v": "from_file:gone"})), "'v'"),
        (StepSpec(id="a", run="true", produces=Produces(artifact="lib")), "'lib'"),
        (StepSpec(id="a", run="true", working_directory="gone"), "gone"),
        (StepSpec(id="a", uses="nobody/knows@v1"), "nobody/knows@v1"),
    ],
)
def test_a_step_that_cannot_be_carried_out_fails_with_the_reason(tmp_path: Path, spec: StepSpec, said: str) -> None:
    bench = Bench(tmp_path, spec, artifacts=(ArtifactSpec("lib", "d/*.txt"),))
    failure = bench.run().failure
    assert failure is not None
    assert (failure.kind, failure.step) == (STEP_ERROR, "a")
    assert said in failure.message


def test_an_artifact_that_leads_out_of_the_repository_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    spec = StepSpec(id="a", run="ln -s ../secret out", produces=Produces(artifact="lib"))
    failure = Bench(tmp_path, spec, artifacts=(ArtifactSpec("lib", "out"),)).run().failure
    assert failure is not None
    assert "leads out of the repository" in failure.message


@pytest.mark.parametrize("directory", ["link", "link/sub", "..", "/", "a/../../b"])
def test_a_working_directory_that_leads_out_of_the_repository_is_refused(tmp_path: Path, directory: str) -> None:
    (tmp_path / "elsewhere" / "sub").mkdir(parents=True)
    make = StepSpec(id="make", run="ln -s ../elsewhere link")
    failure = Bench(tmp_path, make, StepSpec(id="a", run="true", working_directory=directory)).run().failure
    assert failure is not None
    assert f"the working directory '{directory}' leads out of the repository" in failure.message


def test_a_waiting_fan_out_suspends_and_the_answer_lets_the_next_step_run(tmp_path: Path) -> None:
    bench = Bench(tmp_path, StepSpec(id="a", run="echo a >> ran"), tell(), StepSpec(id="b", run="echo b >> ran"))
    waiting = bench.run()
    assert waiting.status == "suspended"
    assert read_state(bench.workspace.state).steps[-1].emitted == (bench.events[0],)
    with pytest.raises(StateError):
        bench.run(waiting)
    write_answer(bench.workspace, "tell", Answer(bench.events[0].id, total=3, succeeded=3))
    state = bench.run(read_state(bench.workspace.state))
    assert state.status == "success"
    assert (bench.repo / "ran").read_text() == "a\nb\n"
    assert state.steps[1].outputs["children"] == "3"
    assert len(bench.events) == 1


def test_a_failed_fan_out_fails_the_step_that_waited(tmp_path: Path) -> None:
    bench = Bench(tmp_path, tell(), StepSpec(id="b", run="touch ran"))
    bench.run()
    failure = Failure(FAN_OUT_FAILED, "1 of 2 triggered runs failed")
    write_answer(bench.workspace, "tell", Answer(bench.events[0].id, total=2, succeeded=1, failure=failure))
    state = bench.run(read_state(bench.workspace.state))
    assert state.status == "failed"
    assert state.failure is not None
    assert (state.failure.kind, state.failure.step) == (FAN_OUT_FAILED, "tell")
    assert not (bench.repo / "ran").exists()


def test_a_fan_out_that_does_not_wait_is_emitted_once_and_the_workflow_goes_on(tmp_path: Path) -> None:
    bench = Bench(tmp_path, tell(wait_for_children=False), StepSpec(id="b", run="true"))
    assert bench.run().status == "success"
    assert bench.heard == ["tell started", "tell success", "emitted built", "b started", "b success"]
    assert [event.waiting for event in bench.events] == [False]


def test_a_payload_that_is_too_large_fails_the_step(tmp_path: Path) -> None:
    failure = Bench(tmp_path, tell(payload={"x": "y" * 300_000})).run().failure
    assert failure is not None
    assert "payload" in failure.message


def test_a_stop_ends_the_step_at_work_which_is_then_not_recorded(tmp_path: Path) -> None:
    stop = StopSignal()
    bench = Bench(tmp_path, StepSpec(id="a", run="true"), StepSpec(id="b", run="sleep 600"), stop=stop)
    started = bench.step_started

    def stop_at_b(spec: StepSpec) -> None:
        started(spec)
        if spec.id == "b":
            stop.set()

    bench.step_started = stop_at_b  # type: ignore[method-assign]
    state = bench.run()
    stop.close()
    assert state.failure is not None
    assert (state.failure.kind, state.failure.step) == (INTERRUPTED, "b")
    assert [step.id for step in read_state(bench.workspace.state).steps] == ["a"]


def test_a_fan_out_at_the_end_is_heard_of_once_and_its_event_too(tmp_path: Path) -> None:
    bench = Bench(tmp_path, tell())
    bench.run()
    write_answer(bench.workspace, "tell", Answer(bench.events[0].id, total=0, succeeded=0))
    assert bench.run(read_state(bench.workspace.state)).status == "success"
    assert bench.heard == ["tell started", "tell suspended", "emitted built", "tell success"]


def test_a_settled_fan_out_is_on_the_disk_and_heard_of_before_the_next_step_starts(tmp_path: Path) -> None:
    bench = Bench(tmp_path, tell(), StepSpec(id="b", run="true"))
    bench.run()
    write_answer(bench.workspace, "tell", Answer(bench.events[0].id, total=0, succeeded=0))
    bench.heard.clear()
    bench.run(read_state(bench.workspace.state))
    assert bench.heard == ["tell success", "b started", "b success"]


def test_an_answer_about_another_event_is_refused(tmp_path: Path) -> None:
    bench = Bench(tmp_path, tell())
    waiting = bench.run()
    write_answer(bench.workspace, "tell", Answer("evt-other", total=0, succeeded=0))
    with pytest.raises(StateError, match="evt-other"):
        bench.run(waiting)


def test_what_the_machine_refuses_is_no_failure_of_the_step(tmp_path: Path) -> None:
    bench = Bench(tmp_path, StepSpec(id="a", run="true"))
    Path(bench.workspace.log("a")).mkdir()
    with pytest.raises(MachineError):
        bench.run()


# Out of time.

LONG = "echo began; sleep 600"


def test_a_step_that_takes_longer_than_its_timeout_is_ended_and_says_so(tmp_path: Path) -> None:
    bench = Bench(tmp_path, StepSpec(id="a", run=LONG, timeout=0.3), StepSpec(id="b", run="touch ran"))
    state = bench.run()

    assert state.failure == Failure(
        STEP_TIMEOUT,
        "took longer than its timeout of 300ms; it was ended by SIGTERM",
        step="a",
        exit_code=143,
        signal=signal.SIGTERM,
        log=("began",),
    )
    assert [(step.id, step.status) for step in state.steps] == [("a", "failed")]
    assert bench.heard == ["a started", "a failed"]
    assert not (bench.repo / "ran").exists()


def test_a_step_within_its_timeout_has_no_trouble(tmp_path: Path) -> None:
    assert Bench(tmp_path, StepSpec(id="a", run="true", timeout=60.0), workflow={"timeout": 60.0}).run().failure is None


@pytest.mark.parametrize(
    ("own", "whole", "kind"),
    [(0.3, 60.0, STEP_TIMEOUT), (60.0, 0.3, WORKFLOW_TIMEOUT), (None, 0.3, WORKFLOW_TIMEOUT)],
)
def test_a_step_is_ended_by_the_earlier_of_its_own_timeout_and_its_workflows(
    tmp_path: Path, own: float | None, whole: float, kind: str
) -> None:
    failure = Bench(tmp_path, StepSpec(id="a", run=LONG, timeout=own), workflow={"timeout": whole}).run().failure

    assert failure is not None
    assert (failure.kind, failure.step, failure.log) == (kind, "a", ("began",))
    assert "its timeout of 300ms; it was ended" in failure.message


def test_a_workflow_whose_time_is_used_up_starts_no_further_step(tmp_path: Path) -> None:
    bench = Bench(tmp_path, StepSpec(id="a", run="touch ran"), workflow={"timeout": 90.0})
    state = bench.run(replace(bench.runner.begin(), seconds=90.0))

    message = "the workflow was at work for longer than its timeout of 1m30s"
    assert state.failure == Failure(WORKFLOW_TIMEOUT, message, step="a")
    assert state.status == "failed"
    assert bench.heard == []
    assert not (bench.repo / "ran").exists()
    assert read_state(bench.workspace.state).failure == state.failure


def test_what_a_run_used_before_it_waited_counts_and_the_waiting_does_not(tmp_path: Path) -> None:
    bench = Bench(tmp_path, tell(), StepSpec(id="b", run=LONG), workflow={"timeout": 3600.0})
    waiting = bench.run()
    write_answer(bench.workspace, "tell", Answer(bench.events[0].id, total=0, succeeded=0))
    state = bench.run(replace(waiting, started_at=waiting.started_at - 7200.0, seconds=3600.0 - 0.5))

    assert state.failure is not None
    assert (state.failure.kind, state.failure.step) == (WORKFLOW_TIMEOUT, "b")
    # It was started, since there was half a second left to it.
    assert state.failure.log == ("began",)


# Another try.


def test_a_step_sees_which_try_at_its_run_it_is(tmp_path: Path) -> None:
    bench = Bench(tmp_path, StepSpec(id="see", run='echo "$TAKO_ATTEMPT"'), attempt=3)

    assert bench.run().status == "success"
    assert bench.log("see") == "3\n"


def test_a_second_try_tells_again_of_the_events_that_the_first_may_not_have_come_to_tell(tmp_path: Path) -> None:
    bench = Bench(tmp_path, tell("aside", wait_for_children=False), tell(), StepSpec(id="b", run="true"))
    waiting = bench.run()
    aside, waited_for = bench.events
    write_answer(bench.workspace, "tell", Answer(waited_for.id, total=0, succeeded=0))
    bench.heard.clear()
    bench.events.clear()
    bench.runner = bench.make_runner(attempt=2)
    state = bench.run(waiting)

    assert state.status == "success"
    assert bench.events == [aside]
    assert bench.heard == ["tell success", "emitted built", "b started", "b success"]


def test_a_first_try_tells_of_no_event_twice(tmp_path: Path) -> None:
    bench = Bench(tmp_path, tell("aside", wait_for_children=False), tell(), StepSpec(id="b", run="true"))
    waiting = bench.run()
    write_answer(bench.workspace, "tell", Answer(bench.events[1].id, total=0, succeeded=0))
    bench.runner = bench.make_runner(attempt=1)
    bench.run(waiting)

    assert [event.step_id for event in bench.events] == ["aside", "tell"]


# What the machine lacks.


def test_a_shell_that_is_not_there_is_what_it_is_to_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    bench = Bench(tmp_path, StepSpec(id="a", run="true", shell="bash"))
    monkeypatch.setenv("PATH", str(empty))
    failure = bench.run().failure

    assert failure is not None
    assert (failure.kind, failure.exit_code) == (STEP_FAILED, 127)
    assert failure.log == ("cannot start 'bash': No such file or directory",)


def test_a_shell_that_is_no_program_cannot_be_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bash").mkdir()
    bench = Bench(tmp_path, StepSpec(id="a", run="true", shell="bash"))
    monkeypatch.setenv("PATH", str(tmp_path))
    failure = bench.run().failure

    assert failure is not None
    assert (failure.kind, failure.exit_code) == (STEP_FAILED, 126)


@pytest.mark.parametrize(
    ("limit", "hint"),
    [(None, ""), (256 << 20, ": each of its processes may have 256 MiB (mem_limit)")],
)
def test_a_step_that_failed_after_words_about_memory_says_what_is_the_likely_cause(
    tmp_path: Path, limit: int | None, hint: str
) -> None:
    spec = StepSpec(id="a", run="echo 'MemoryError' >&2; exit 1")
    failure = Bench(tmp_path, spec, workflow={"mem_limit": limit}).run().failure

    assert failure is not None
    assert failure.kind == STEP_FAILED
    assert failure.message == f"exit code 1; memory is the likely cause{hint}"


def test_a_step_that_failed_otherwise_says_nothing_of_memory(tmp_path: Path) -> None:
    failure = Bench(tmp_path, StepSpec(id="a", run="exit 1"), workflow={"mem_limit": 256 << 20}).run().failure

    assert failure is not None
    assert failure.message == "exit code 1"


LIB = ArtifactSpec("lib", "dist/*")


def test_a_fan_out_sends_the_declared_artifact_that_a_step_made_without_saying_so(tmp_path: Path) -> None:
    make = StepSpec(id="make", run="mkdir dist; echo 1 > dist/lib")
    bench = Bench(tmp_path, make, tell(artifact="lib", wait_for_children=False), artifacts=(LIB,))
    state = bench.run()

    (event,) = bench.events
    (sent,) = event.artifacts
    assert Path(sent.path).read_text() == "1\n"
    assert sent.path.startswith(bench.workspace.artifacts)
    assert (sent.name, sent.repo, len(sent.sha256 or "")) == ("lib", bench.request.repo, 64)
    assert state.steps[1].artifacts == (sent,)
    assert read_state(bench.workspace.state).steps[1].artifacts == (sent,)


def test_what_a_fan_out_sends_is_recorded_beside_what_it_produces(tmp_path: Path) -> None:
    make = StepSpec(id="make", run="mkdir dist; echo 1 > dist/lib")
    params = {"event_type": "built", "artifact": "lib", "wait_for_children": False}
    produces = Produces(outputs={"x": "{{ inputs.x }}"})
    emit = StepSpec(id="tell", uses="tako/fan-out@v1", params=params, produces=produces)
    state = Bench(tmp_path, make, emit, artifacts=(LIB,), inputs={"x": "1"}).run()
    assert [artifact.name for artifact in state.steps[1].artifacts] == ["lib"]
    assert state.steps[1].outputs["x"] == "1"


def test_a_fan_out_sends_what_was_produced_not_what_lies_there_since(tmp_path: Path) -> None:
    make = StepSpec(id="make", run="mkdir dist; echo 1 > dist/lib", produces=Produces(artifact="lib"))
    spoil = StepSpec(id="spoil", run="echo 2 > dist/lib")
    bench = Bench(tmp_path, make, spoil, tell(artifact="lib", wait_for_children=False), artifacts=(LIB,))
    bench.run()

    (sent,) = bench.events[0].artifacts
    assert Path(sent.path).read_text() == "1\n"


@pytest.mark.parametrize("about", ["lib", "other", "default"])
def test_a_fan_out_without_a_file_to_send_sends_none(tmp_path: Path, about: str) -> None:
    bench = Bench(tmp_path, tell(artifact=about, wait_for_children=False), artifacts=(LIB,))
    assert bench.run().status == "success"
    assert bench.events[0].artifacts == ()


def test_a_directory_has_the_checksum_of_all_that_is_in_it(tmp_path: Path) -> None:
    def made(number: int, script: str) -> ArtifactRef:
        (tmp_path / str(number)).mkdir()
        step = StepSpec(id="make", run=f"mkdir -p out/in; {script}", produces=Produces(artifact="tree"))
        ended = Bench(tmp_path / str(number), step, artifacts=(ArtifactSpec("tree", "out"),)).run()
        return ended.artifacts[0]

    scripts = ["echo 1 > out/a", "echo 1 > out/in/a", "echo 2 > out/a", "ln -s x out/a", "mkdir out/a", ":"]
    different = [made(number, script).sha256 for number, script in enumerate(scripts)]
    assert len(set(different)) == len(scripts)
    assert made(10, "touch -d @1 out; echo 1 > out/a").sha256 == different[0]
    assert made(11, "echo 1 > out/a; chmod +x out/a").sha256 not in different
