from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tako.children import executor as module
from tako.children.base import ChildRequest, ChildResult, StepUpdate
from tako.children.executor import ChildWorkflowExecutor, foreign_claim
from tako.children.factory import ChildRunnerFactory
from tako.children.protocol import Frame, Hello, Result, encode
from tako.config.model import StepSpec
from tako.errors import MachineError
from tako.execution.event import ArtifactRef, Event
from tako.execution.failure import KILLED, LOG_TAIL, NOT_STARTED, PROTOCOL, STEP_FAILED, Failure
from tako.execution.request import read_request
from tako.execution.state import ExecutionState, StepRecord, write_state
from tako.execution.workspace import Workspace
from tako.records import replace
from tako.signals import Exit
from tako.testing import FakeClock
from tests.builders import CHILD_ID, LIBRARY, make_event, make_request, make_workflow

HELLO = Hello(run_id=CHILD_ID, pid=4711)
RUNNING = StepUpdate(id="build", status="running")
DONE = StepUpdate(id="build", status="success", seconds=1.5)
SUCCESS = Result("success", outputs={"build": {"version": "1"}})
FAILED = Result("failed", failure=Failure(kind=STEP_FAILED, message="exit code 1", step="build", exit_code=1))
SENT = ArtifactRef(LIBRARY, "go-lib", "/elsewhere/lib.tar.gz", "ab")

WORKFLOW = make_workflow(steps=(StepSpec(id="build", run="true"), StepSpec(id="fan-out"), StepSpec(id="aside")))
REQUEST = make_request(workflow=WORKFLOW, event=make_event(artifacts=(SENT,)))


def emitted(**changes: Any) -> Event:
    """An event of the child's own."""
    return make_event(**{"run_id": CHILD_ID, "source": REQUEST.repo, "artifact": "default", **changes})


ASIDE = emitted(step_id="aside", waiting=False)


class SayingLauncher:
    """A launcher whose child says some bytes, does something on the disk, and ends."""

    def __init__(self, *said: Frame | bytes, exit_: Exit | None = None) -> None:
        self.said = said
        self.exit = exit_ or Exit(code=0)
        self.clock = FakeClock()
        self.does: Callable[[Workspace], object] = lambda _workspace: None
        self.obeyed: list[bool] = []
        self.stop_fd = -1

    def launch(self, directory: str, *, on_output: Callable[[bytes], bool], stop_fd: int) -> Exit:
        self.stop_fd = stop_fd
        self.does(Workspace(directory))
        for said in self.said:
            self.obeyed.append(on_output(said if isinstance(said, bytes) else encode(said)))
        self.clock.advance(2.5)
        return self.exit


class Listener:
    """Remembers what it hears."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def child_started(self, run_id: str, pid: int) -> None:
        self.heard.append((run_id, pid))

    def child_step(self, run_id: str, step: StepUpdate) -> None:
        assert run_id == CHILD_ID
        self.heard.append(step)

    def child_event(self, run_id: str, event: Event) -> None:
        assert run_id == CHILD_ID
        self.heard.append(event)


@pytest.fixture
def child(tmp_path: Path) -> ChildRequest:
    return ChildRequest(REQUEST, Workspace(str(tmp_path / "child")))


def run(child: ChildRequest, launcher: SayingLauncher, listener: Listener | None = None) -> ChildResult:
    executor = ChildWorkflowExecutor(launcher=launcher, factory=ChildRunnerFactory(), clock=launcher.clock)
    return executor.run_workflow(child, listener or Listener())


def make_checkout(workspace: Workspace) -> None:
    """What every child leaves: a checkout, a log, temporary files."""
    Path(workspace.repo, ".git").mkdir(parents=True)
    Path(workspace.log("build")).write_text("built\n")
    Path(workspace.temporary, "build.output").write_text("a=b\n")


def test_a_child_is_heard_and_its_result_returned(child: ChildRequest) -> None:
    listener = Listener()

    result = run(child, SayingLauncher(HELLO, RUNNING, DONE, ASIDE, SUCCESS), listener)

    assert result == ChildResult(status="success", seconds=2.5, outputs={"build": {"version": "1"}})
    assert listener.heard == [(CHILD_ID, 4711), RUNNING, DONE, ASIDE]


def test_an_event_that_the_child_waits_for_is_in_the_result_and_not_heard_before(child: ChildRequest) -> None:
    listener = Listener()

    result = run(child, SayingLauncher(HELLO, emitted(), Result("suspended", outputs={})), listener)

    assert result.status == "suspended"
    assert result.event == emitted()
    assert listener.heard == [(CHILD_ID, 4711)]


def test_the_child_finds_its_request_in_its_directory(child: ChildRequest) -> None:
    launcher = SayingLauncher(HELLO, SUCCESS)
    found = []
    launcher.does = lambda workspace: found.append(read_request(workspace.request))

    run(child, launcher)

    assert found == [REQUEST]


def test_a_child_that_goes_on_finds_the_request_of_its_first_start(child: ChildRequest) -> None:
    run(child, SayingLauncher(HELLO, emitted(), Result("suspended", outputs={})))
    written = Path(child.workspace.request).stat().st_mtime_ns
    run(replace(child, resumed=True), SayingLauncher(HELLO, SUCCESS))

    assert Path(child.workspace.request).stat().st_mtime_ns == written


def test_success_removes_the_checkout_and_keeps_state_and_logs(child: ChildRequest) -> None:
    launcher = SayingLauncher(HELLO, SUCCESS)
    launcher.does = make_checkout

    run(child, launcher)

    left = sorted(path.name for path in Path(child.workspace.path).iterdir())
    assert left == ["locks", "logs", "request.json"]
    assert Path(child.workspace.log("build")).read_text() == "built\n"


@pytest.mark.parametrize(
    "said",
    [[HELLO, FAILED], [HELLO], [b"rubbish\n"], [HELLO, emitted(), Result("suspended", outputs={})]],
    ids=["failed", "crashed", "rubbish", "suspended"],
)
def test_whatever_is_no_success_keeps_everything(child: ChildRequest, said: list[Frame | bytes]) -> None:
    launcher = SayingLauncher(*said)
    launcher.does = make_checkout

    run(child, launcher)

    assert Path(child.workspace.repo, ".git").is_dir()
    assert Path(child.workspace.temporary, "build.output").is_file()


def test_a_checkout_that_cannot_be_removed_does_not_change_the_result(
    child: ChildRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> None:
        raise MachineError(f"cannot remove {path}")

    monkeypatch.setattr(module, "remove_tree", refuse)

    assert run(child, SayingLauncher(HELLO, SUCCESS)).status == "success"


def test_a_crash_is_told_with_its_signal_the_step_and_the_end_of_its_log(child: ChildRequest) -> None:
    launcher = SayingLauncher(HELLO, RUNNING, b'{"frame":"st', exit_=Exit(signal=signal.SIGSEGV))
    lines = [f"line {number}" for number in range(100)]
    launcher.does = lambda workspace: Path(workspace.child_log).write_text("\n".join(lines))

    result = run(child, launcher)

    assert result.failure is not None
    assert (result.failure.kind, result.failure.signal, result.failure.step) == (KILLED, signal.SIGSEGV, "build")
    assert result.failure.log == tuple(lines[-LOG_TAIL:])
    assert result.seconds == 2.5


@pytest.mark.parametrize("between", [[DONE], [StepUpdate(id="build", status="failed")]])
def test_a_crash_between_two_steps_names_none(child: ChildRequest, between: list[Frame]) -> None:
    result = run(child, SayingLauncher(HELLO, RUNNING, *between, exit_=Exit(code=3)))

    assert result.failure is not None
    assert result.failure.step is None


def test_a_child_that_breaks_a_rule_is_to_be_ended_and_not_listened_to(child: ChildRequest) -> None:
    listener = Listener()
    launcher = SayingLauncher(HELLO, RUNNING, b"Segmentation fault\n", DONE, SUCCESS, exit_=Exit(signal=15))

    result = run(child, launcher, listener)

    assert launcher.obeyed == [True, True, False, False, False]
    assert listener.heard == [(CHILD_ID, 4711), RUNNING]
    assert result.failure is not None
    assert result.failure.kind == PROTOCOL
    assert "Segmentation fault" in result.failure.message
    assert result.failure.step == "build"


@pytest.mark.parametrize("step", ["deploy", "", "../../../elsewhere", "build\x1b[2J"])
def test_a_step_that_the_workflow_does_not_have_is_not_believed(child: ChildRequest, step: str) -> None:
    listener = Listener()

    result = run(child, SayingLauncher(HELLO, StepUpdate(id=step, status="running"), SUCCESS), listener)

    assert result.failure is not None
    assert (result.failure.kind, result.failure.step) == (PROTOCOL, None)
    assert repr(step) in result.failure.message
    assert listener.heard == [(CHILD_ID, 4711)]


@pytest.mark.parametrize("after", [b"bye", b"bye\n", encode(DONE), encode(FAILED)])
def test_a_result_that_something_follows_is_not_believed(child: ChildRequest, after: bytes) -> None:
    result = run(child, SayingLauncher(HELLO, SUCCESS, after))

    assert result.status == "failed"
    assert result.failure is not None
    assert result.failure.kind == PROTOCOL


@pytest.mark.parametrize("error", [MachineError("cannot start 'python'"), MachineError("cannot open the child's log")])
def test_a_child_that_cannot_be_launched_was_not_started(child: ChildRequest, error: MachineError) -> None:
    launcher = SayingLauncher(HELLO, SUCCESS)

    def fail(_workspace: Workspace) -> None:
        launcher.clock.advance(0.5)
        raise error

    launcher.does = fail
    result = run(child, launcher)

    assert result == ChildResult(status="failed", seconds=0.5, failure=Failure(kind=NOT_STARTED, message=str(error)))


def test_a_child_without_a_directory_was_not_started(child: ChildRequest) -> None:
    Path(child.workspace.path).write_text("in the way")

    result = run(child, SayingLauncher(HELLO, SUCCESS))

    assert result.failure is not None
    assert result.failure.kind == NOT_STARTED
    assert child.workspace.path in result.failure.message


def test_stopping_reaches_the_children_at_work_and_those_to_come(child: ChildRequest) -> None:
    launcher = SayingLauncher(HELLO, SUCCESS)
    executor = ChildWorkflowExecutor(launcher=launcher, factory=ChildRunnerFactory(), clock=launcher.clock)
    seen: list[bool] = []

    def look(_workspace: Workspace) -> None:
        seen.append(is_readable(launcher.stop_fd))

    launcher.does = look
    executor.run_workflow(child, Listener())
    executor.stop()
    executor.run_workflow(child, Listener())

    assert seen == [False, True]


def is_readable(descriptor: int) -> bool:
    import select

    return bool(select.select([descriptor], [], [], 0)[0])


# Outputs that did not fit a frame.


def state_of(child: ChildRequest) -> ExecutionState:
    step = StepRecord(id="build", status="success", started_at=1.0, seconds=1.0, outputs={"notes": "long"})
    return ExecutionState(
        run_id=CHILD_ID, repo=child.run.repo, workflow="verify", status="success", started_at=1.0, steps=(step,)
    )


@pytest.mark.parametrize("last", [[Result("success")], [emitted(), Result("suspended")]])
def test_outputs_that_did_not_fit_a_frame_come_from_the_state(child: ChildRequest, last: list[Frame]) -> None:
    launcher = SayingLauncher(HELLO, *last)
    launcher.does = lambda workspace: write_state(workspace.state, state_of(child))

    assert run(child, launcher).outputs == {"build": {"notes": "long"}}


@pytest.mark.parametrize("last", [[Result("success")], [emitted(), Result("suspended")]])
@pytest.mark.parametrize("content", [None, b"{", b'{"kind":"state"}'])
def test_a_child_whose_state_cannot_be_read_is_not_believed(
    child: ChildRequest, last: list[Frame], content: bytes | None
) -> None:
    launcher = SayingLauncher(HELLO, *last)
    if content is not None:
        launcher.does = lambda workspace: Path(workspace.state).write_bytes(content)

    result = run(child, launcher)

    assert result.status == "failed"
    assert result.event is None
    assert result.failure is not None
    assert result.failure.kind == PROTOCOL
    assert child.workspace.state in result.failure.message


def test_a_failed_child_needs_no_state(child: ChildRequest) -> None:
    result = run(child, SayingLauncher(HELLO, FAILED))

    assert result.failure == FAILED.failure
    assert result.outputs == {}


# What a child must not claim.


def artifact(path: str, **changes: Any) -> Callable[[Workspace], Event]:
    """An event that claims an artifact at a path below the child's workspace."""

    def make(workspace: Workspace) -> Event:
        claimed = ArtifactRef(REQUEST.repo, "lib", path.replace("WORKSPACE", workspace.path))
        return emitted(artifacts=(SENT, replace(claimed, **changes)))

    return make


FOREIGN = {
    "another-source": lambda _: emitted(source=LIBRARY),
    "another-run": lambda _: emitted(run_id="exec-20261123-181803-ffffffff"),
    "another-run-under-its-own-id": lambda _: emitted(run_id="exec-20261123-181803-ffffffff", id=emitted().id),
    "another-runs-event-id": lambda _: emitted(id=make_event().id),
    "made-up-event-id": lambda _: emitted(id="evt-1"),
    "unknown-step": lambda _: emitted(step_id="deploy"),
    "path-as-step": lambda _: emitted(step_id="../../state"),
    "absolute": artifact("/etc/passwd"),
    "beside": artifact("WORKSPACE/artifacts-of-another/lib"),
    "own-state": artifact("WORKSPACE/state.json"),
    "upwards": artifact("WORKSPACE/artifacts/../../../lib"),
    "upwards-at-the-end": artifact("WORKSPACE/artifacts/.."),
    "upwards-far": artifact("WORKSPACE/artifacts/a/../../.."),
    "the-directory-itself": artifact("WORKSPACE/artifacts"),
    "relative": artifact("artifacts/lib"),
    "empty": artifact(""),
    "in-anothers-name": artifact("WORKSPACE/artifacts/lib", repo=LIBRARY),
    "what-it-was-sent-from-elsewhere": lambda _: emitted(artifacts=(replace(SENT, path="/else"),)),
    "what-it-was-sent-with-another-checksum": lambda _: emitted(artifacts=(replace(SENT, sha256="cd"),)),
}


@pytest.mark.parametrize("make", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("waiting", [True, False], ids=["waiting", "aside"])
def test_a_child_that_claims_what_is_not_its_own_fails(
    child: ChildRequest, make: Callable[[Workspace], Event], waiting: bool
) -> None:
    event = replace(make(child.workspace), waiting=waiting)
    listener = Listener()
    last = Result("suspended", outputs={}) if waiting else SUCCESS

    result = run(child, SayingLauncher(HELLO, event, last), listener)

    assert foreign_claim(child, event)
    assert result.status == "failed"
    assert result.event is None
    assert result.failure is not None
    assert result.failure.kind == PROTOCOL
    assert listener.heard == [(CHILD_ID, 4711)]


@pytest.mark.parametrize(
    "make",
    [
        lambda _: emitted(),
        lambda _: emitted(artifacts=(SENT,)),
        artifact("WORKSPACE/artifacts/my-org/client/lib/a..b.tar.gz"),
        artifact("WORKSPACE/artifacts/my-org/client/lib"),
    ],
)
def test_a_child_may_claim_what_it_made_and_what_it_was_sent(
    child: ChildRequest, make: Callable[[Workspace], Event]
) -> None:
    event = make(child.workspace)

    assert foreign_claim(child, event) == ""
    assert run(child, SayingLauncher(HELLO, event, Result("suspended", outputs={}))).event == event
