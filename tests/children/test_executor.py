"""One child from its directory to its result, with a launcher whose children only say something."""

from __future__ import annotations

import errno
import os
import select
import signal
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tako.children import executor as module
from tako.children.base import ChildRequest, ChildResult, StepUpdate
from tako.children.executor import ChildWorkflowExecutor
from tako.children.factory import ChildRunnerFactory
from tako.children.hearing import MARGIN_SECONDS, foreign_claim
from tako.children.launchers.base import Launch
from tako.children.protocol import Frame, Hello, Result, encode
from tako.config.model import StepSpec
from tako.errors import MachineError, SpawnError
from tako.execution import workspace as workspace_module
from tako.execution.event import ArtifactRef, Event
from tako.execution.failure import (
    DISK_FULL,
    KILLED,
    LOG_TAIL,
    MACHINE_ERROR,
    NOT_STARTED,
    OUT_OF_MEMORY,
    PROTOCOL,
    STEP_FAILED,
    STEP_TIMEOUT,
    Failure,
)
from tako.execution.request import read_request
from tako.execution.state import ExecutionState, StepRecord, write_state
from tako.execution.workspace import Workspace
from tako.files import machine_errors
from tako.log_file import MIN_LOG_LIMIT
from tako.process import Outcome
from tako.records import replace
from tako.signals import Exit, Stops
from tako.testing import FakeClock
from tests.builders import CHILD_ID, LIBRARY, ROOT_ID, make_event, make_request, make_workflow

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
        self.outcome = Outcome(exit_ or Exit(code=0))
        self.clock = FakeClock()
        self.does: Callable[[Workspace], object] = lambda _workspace: None
        self.words: tuple[bytes, ...] = ()
        self.closes_early = False
        self.obeyed: list[bool] = []
        self.due: list[float | None] = []
        self.env: Mapping[str, str] = {}
        self.secrets: Mapping[str, str] = {}
        self.stops = Stops()

    def launch(self, launch: Launch) -> Outcome:
        self.env, self.secrets, self.stops = launch.env, launch.secrets, launch.stops
        self.does(Workspace(launch.directory))
        for words in self.words:
            launch.on_words(words)
        for said in self.said:
            self.obeyed.append(launch.on_output(said if isinstance(said, bytes) else encode(said)))
        if self.closes_early:
            launch.on_closed()
        self.due.append(launch.due())
        self.clock.advance(2.5)
        return self.outcome


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

    def child_note(self, run_id: str, text: str) -> None:
        assert run_id == CHILD_ID
        self.heard.append(text)

    def catch_up(self) -> None: ...


@pytest.fixture
def child(tmp_path: Path) -> ChildRequest:
    return ChildRequest(REQUEST, Workspace(str(tmp_path / "child")))


def executor_of(launcher: SayingLauncher, **changes: Any) -> ChildWorkflowExecutor:
    return ChildWorkflowExecutor(launcher=launcher, factory=ChildRunnerFactory(), clock=launcher.clock, **changes)


def run(child: ChildRequest, launcher: SayingLauncher, listener: Listener | None = None) -> ChildResult:
    return executor_of(launcher).run_workflow(child, listener or Listener())


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
    assert result.events == (emitted(),)
    assert listener.heard == [(CHILD_ID, 4711)]


def test_the_child_finds_its_request_in_its_directory(child: ChildRequest) -> None:
    launcher = SayingLauncher(HELLO, SUCCESS)
    found = []
    launcher.does = lambda workspace: found.append(read_request(workspace.request))

    run(child, launcher)

    assert found == [REQUEST]


def goes_on(child: ChildRequest) -> ChildRequest:
    """The same child after it has waited."""
    Path(child.workspace.state).touch()
    return replace(child, resumed=True)


def test_a_child_that_goes_on_finds_the_request_of_its_first_start(child: ChildRequest) -> None:
    run(child, SayingLauncher(HELLO, emitted(), Result("suspended", outputs={})))
    written = Path(child.workspace.request).stat().st_mtime_ns
    result = run(goes_on(child), SayingLauncher(HELLO, SUCCESS))

    assert result.status == "success"
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
    def refuse(path: str, **_check: object) -> None:
        raise MachineError(f"cannot remove {path}")

    monkeypatch.setattr(workspace_module, "remove_tree", refuse)

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


def refused(number: int) -> MachineError:
    """What comes of an error of the system while a file is written."""
    try:
        with machine_errors("append to", "/somewhere/state.json"):
            raise OSError(number, os.strerror(number))
    except MachineError as error:
        return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (SpawnError("cannot start 'python': too many processes", number=errno.EAGAIN, passing=True), NOT_STARTED),
        (SpawnError("cannot start 'python': no such file", number=errno.ENOENT), NOT_STARTED),
        (refused(errno.ENOSPC), DISK_FULL),
        (refused(errno.EDQUOT), DISK_FULL),
        (refused(errno.EACCES), MACHINE_ERROR),
        (MachineError("something else"), MACHINE_ERROR),
    ],
)
def test_what_the_machine_refuses_is_told_by_its_kind(child: ChildRequest, error: MachineError, kind: str) -> None:
    launcher = SayingLauncher(HELLO, SUCCESS)

    def fail(_workspace: Workspace) -> None:
        launcher.clock.advance(0.5)
        raise error

    launcher.does = fail
    result = run(child, launcher)

    assert result == ChildResult(status="failed", seconds=0.5, failure=Failure(kind=kind, message=str(error)))


def test_a_child_whose_directory_cannot_be_made_was_refused_by_the_machine(child: ChildRequest) -> None:
    Path(child.workspace.path).write_text("in the way")

    launcher = SayingLauncher(HELLO, SUCCESS)
    result = run(child, launcher)

    assert result.failure is not None
    assert result.failure.kind == MACHINE_ERROR
    assert child.workspace.path in result.failure.message
    assert launcher.due == [], "it was launched after all"


def test_a_child_for_which_no_stop_can_be_made_was_not_started(
    child: ChildRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    launcher = SayingLauncher(HELLO, SUCCESS)
    executor = executor_of(launcher)

    def none_left(_pipe: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(module, "StopSignal", none_left)
    result = executor.run_workflow(child, Listener())

    assert result.failure is not None
    assert result.failure.kind == NOT_STARTED
    assert "Too many open files" in result.failure.message


# What the launcher is given.


@pytest.mark.parametrize("attempt", [1, 3])
def test_a_child_is_told_who_it_is_and_which_try(child: ChildRequest, attempt: int) -> None:
    launcher = SayingLauncher(HELLO, SUCCESS)

    run(replace(child, attempt=attempt), launcher)

    assert launcher.env == {"TAKO_RUN_ID": CHILD_ID, "TAKO_ROOT_RUN_ID": ROOT_ID, "TAKO_ATTEMPT": str(attempt)}


def test_a_child_that_begins_anew_is_told_so(child: ChildRequest) -> None:
    launcher = SayingLauncher(HELLO, SUCCESS)

    run(replace(child, fresh=True), launcher)

    assert launcher.env["TAKO_FRESH"] == "1"


@pytest.mark.parametrize(("force", "expected"), [(False, [True, False]), (True, [True, True])])
def test_stopping_and_forcing_reach_the_children_at_work_and_those_to_come(
    child: ChildRequest, force: bool, expected: list[bool]
) -> None:
    launcher = SayingLauncher(HELLO, SUCCESS)
    executor = executor_of(launcher)
    seen: list[list[bool]] = []

    def look(_workspace: Workspace) -> None:
        seen.append([is_readable(launcher.stops.ask), is_readable(launcher.stops.force)])

    def stop_meanwhile(workspace: Workspace) -> None:
        look(workspace)
        executor.force() if force else executor.stop()
        look(workspace)

    launcher.does = stop_meanwhile
    executor.run_workflow(child, Listener())
    launcher.does = look
    executor.run_workflow(child, Listener())

    assert seen == [[False, False], expected, expected]


def test_to_cancel_asks_that_child_and_no_other(tmp_path: Path) -> None:
    both_at_work = threading.Barrier(2, timeout=10)
    asked: dict[str, list[bool]] = {}

    class Meeting(SayingLauncher):
        def launch(self, launch: Launch) -> Outcome:
            both_at_work.wait()
            if launch.directory.endswith("first"):
                executor.cancel("first")
            both_at_work.wait()
            stops = launch.stops
            asked[os.path.basename(launch.directory)] = [is_readable(stops.ask), is_readable(stops.force)]
            return Outcome(Exit(code=0))

    executor = executor_of(Meeting())
    children = [ChildRequest(replace(REQUEST, run_id=each), Workspace(str(tmp_path / each))) for each in ("first", "2")]
    threads = [threading.Thread(target=executor.run_workflow, args=(each, Listener())) for each in children]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert asked == {"first": [True, False], "2": [False, False]}


def test_a_child_that_is_cancelled_before_it_has_a_process_is_asked_to_end_as_soon_as_it_has(
    child: ChildRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    launcher = SayingLauncher(HELLO, SUCCESS)
    executor = executor_of(launcher)
    asked: list[bool] = []
    launcher.does = lambda _: asked.append(is_readable(launcher.stops.ask))
    prepare = ChildRunnerFactory.prepare

    def prepare_meanwhile(factory: ChildRunnerFactory, request: ChildRequest) -> str:
        executor.cancel(CHILD_ID)
        return prepare(factory, request)

    executor.cancel("another")
    executor.run_workflow(child, Listener())
    with monkeypatch.context() as patched:
        patched.setattr(ChildRunnerFactory, "prepare", prepare_meanwhile)
        executor.run_workflow(child, Listener())
    executor.run_workflow(child, Listener())

    assert asked == [False, True, True]


def test_no_descriptor_is_left_open_by_a_child(child: ChildRequest) -> None:
    launcher = SayingLauncher(HELLO, SUCCESS)
    launcher.words = (b"hello\n",)
    executor = executor_of(launcher)
    before = sorted(os.listdir("/proc/self/fd"))
    executor.run_workflow(child, Listener())

    assert sorted(os.listdir("/proc/self/fd")) == before


def is_readable(descriptors: tuple[int, ...]) -> bool:
    return bool(select.select(descriptors, [], [], 0)[0])


# When its time is up.


def test_a_child_that_was_ended_since_its_time_was_up_is_told_why(child: ChildRequest) -> None:
    workflow = make_workflow(steps=(StepSpec(id="build", timeout=5.0),))
    launcher = SayingLauncher(HELLO, RUNNING)
    launcher.outcome = Outcome(Exit(signal=signal.SIGKILL), timed_out=True, forced=True)
    began = launcher.clock.monotonic()

    result = run(replace(child, run=replace(REQUEST, workflow=workflow)), launcher)

    assert launcher.due == [began + 5.0 + MARGIN_SECONDS]
    assert result.failure is not None
    assert (result.failure.kind, result.failure.step) == (STEP_TIMEOUT, "build")


def test_a_child_that_closes_its_stdout_early_has_little_time_left(child: ChildRequest) -> None:
    launcher = SayingLauncher(HELLO)
    launcher.closes_early = True
    launcher.outcome = Outcome(Exit(signal=signal.SIGTERM), timed_out=True)

    result = run(child, launcher)

    assert result.failure is not None
    assert result.failure.kind == PROTOCOL
    assert "closed its stdout" in result.failure.message


def test_a_deadline_that_was_not_what_ended_a_child_is_not_blamed(child: ChildRequest) -> None:
    launcher = SayingLauncher(exit_=Exit(signal=signal.SIGSEGV))

    result = run(child, launcher)

    assert result.failure is not None
    assert result.failure.kind == KILLED


@pytest.mark.parametrize(
    ("outcome", "kills", "kind"),
    [
        (Outcome(Exit(signal=signal.SIGKILL)), [7, 8], OUT_OF_MEMORY),
        (Outcome(Exit(signal=signal.SIGKILL)), [7, 7], KILLED),
        (Outcome(Exit(signal=signal.SIGKILL), forced=True), [7, 8], KILLED),
    ],
    ids=["by-the-kernel", "by-somebody", "by-us"],
)
def test_memory_is_the_cause_if_the_kernel_has_killed_for_it_meanwhile(
    child: ChildRequest, monkeypatch: pytest.MonkeyPatch, outcome: Outcome, kills: list[int], kind: str
) -> None:
    monkeypatch.setattr(module, "kills_for_memory", lambda: kills.pop(0))
    launcher = SayingLauncher(HELLO, RUNNING)
    launcher.outcome = outcome

    result = run(child, launcher)

    assert result.failure is not None
    assert result.failure.kind == kind


def test_a_child_whose_directory_is_gone_at_its_end_was_failed_by_the_machine(child: ChildRequest) -> None:
    launcher = SayingLauncher(HELLO, exit_=Exit(code=3))
    launcher.does = lambda workspace: os.rename(workspace.path, f"{workspace.path}-elsewhere")

    result = run(child, launcher)

    assert result.failure is not None
    assert result.failure.kind == MACHINE_ERROR
    assert "directory has vanished" in result.failure.message


# What the child's own process says on its stderr.


def test_a_child_that_says_nothing_has_no_log_of_its_own(child: ChildRequest) -> None:
    run(child, SayingLauncher(HELLO, SUCCESS))

    assert not os.path.exists(child.workspace.child_log)


def test_what_a_child_says_on_stderr_is_in_its_log_and_in_its_failure(child: ChildRequest) -> None:
    launcher = SayingLauncher(HELLO, exit_=Exit(code=1))
    launcher.words = (b"Traceback\nValue", b"Error: no\n")

    result = run(child, launcher)

    assert Path(child.workspace.child_log).read_text() == "Traceback\nValueError: no\n"
    assert result.failure is not None
    assert result.failure.log == ("Traceback", "ValueError: no")


def test_what_a_child_says_before_and_after_it_waited_is_in_one_log(child: ChildRequest) -> None:
    waiting = SayingLauncher(HELLO, emitted(), Result("suspended", outputs={}))
    waiting.words = (b"before\n",)
    going_on = SayingLauncher(HELLO, SUCCESS)
    going_on.words = (b"after\n",)

    run(child, waiting)
    run(goes_on(child), going_on)

    assert Path(child.workspace.child_log).read_text() == "before\nafter\n"


def test_the_log_of_a_talkative_child_has_a_limit(child: ChildRequest) -> None:
    launcher = SayingLauncher(HELLO, SUCCESS)
    launcher.words = (b"word\n" * MIN_LOG_LIMIT,)

    executor_of(launcher, log_limit=MIN_LOG_LIMIT).run_workflow(child, Listener())

    assert os.path.getsize(child.workspace.child_log) <= MIN_LOG_LIMIT


def test_a_second_try_sets_the_logs_of_the_first_aside(child: ChildRequest) -> None:
    crashing = SayingLauncher(HELLO, exit_=Exit(code=3))
    crashing.words = (b"the first\n",)
    crashing.does = lambda workspace: Path(workspace.log("build")).write_text("half built\n")
    trying_again = SayingLauncher(HELLO, SUCCESS)
    trying_again.words = (b"the second\n",)

    run(child, crashing)
    run(replace(child, attempt=2), trying_again)

    aside = Path(child.workspace.path, "attempt-1")
    assert {path.name: path.read_text() for path in aside.iterdir()} == {
        "build.log": "half built\n",
        "child.stderr": "the first\n",
    }
    assert Path(child.workspace.child_log).read_text() == "the second\n"
    assert not os.path.exists(child.workspace.log("build"))


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
    assert result.events == ()
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
    "more-events-than-announced": lambda _: emitted(id=f"{emitted().id}-2"),
    "no-number": lambda _: emitted(id=f"{emitted().id}-x"),
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
    assert result.events == ()
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
    assert run(child, SayingLauncher(HELLO, event, Result("suspended", outputs={}))).events == (event,)
