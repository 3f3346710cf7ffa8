"""Runs one child: prepare its directory, launch it, listen, judge, clean up."""

from __future__ import annotations

import contextlib

from tako.children.base import ChildResult, StepUpdate
from tako.children.judge import judge
from tako.children.protocol import Conversation, Hello
from tako.errors import MachineError, ProtocolError, StateError
from tako.execution.event import Event
from tako.execution.failure import LOG_TAIL, NOT_STARTED, PROTOCOL, Failure
from tako.execution.state import read_state
from tako.files import remove_tree, tail
from tako.ids import event_id
from tako.records import replace
from tako.signals import StopSignal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.children.base import ChildListener, ChildRequest
    from tako.children.factory import ChildRunnerFactory
    from tako.children.launchers.base import Launcher
    from tako.children.protocol import Frame
    from tako.clock import Clock


class ChildWorkflowExecutor:
    """A ``WorkflowRunner`` whose children are processes that a launcher starts."""

    def __init__(self, *, launcher: Launcher, factory: ChildRunnerFactory, clock: Clock) -> None:
        self._launcher = launcher
        self._factory = factory
        self._clock = clock
        self._stop = StopSignal()

    def stop(self) -> None:
        """Ask all children to end, now and in the future."""
        self._stop.set()

    def run_workflow(self, request: ChildRequest, listener: ChildListener) -> ChildResult:
        """Run a child until it has ended or waits; see ``WorkflowRunner``."""
        began = self._clock.monotonic()
        hearing = _Hearing(request, listener)
        try:
            directory = self._factory.prepare(request)
            exit_ = self._launcher.launch(directory, on_output=hearing.take, stop_fd=self._stop.fd)
        except MachineError as error:
            failure = Failure(kind=NOT_STARTED, message=str(error))
            return ChildResult(status="failed", seconds=self._clock.monotonic() - began, failure=failure)
        result = judge(
            hearing.conversation,
            exit_,
            seconds=self._clock.monotonic() - began,
            log=hearing.last_lines(),
            current_step=hearing.current_step,
            violation=hearing.close(),
        )
        return self._complete(request, hearing, result)

    def _complete(self, request: ChildRequest, hearing: _Hearing, result: ChildResult) -> ChildResult:
        """Check what the parent must not believe, fetch what did not fit a frame, remove what is not needed."""
        if result.event is not None:
            problem = foreign_claim(request, result.event)
            if problem:
                failure = Failure(kind=PROTOCOL, message=problem)
                return replace(result, status="failed", failure=failure, event=None)
        said = hearing.conversation.result
        if result.status != "failed" and said is not None and said.outputs is None:
            try:
                result = replace(result, outputs=read_state(request.workspace.state).outputs)
            except StateError as error:
                failure = Failure(kind=PROTOCOL, message=str(error))
                return replace(result, status="failed", failure=failure, event=None)
        if result.status == "success":
            # What a child made that nobody can remove (a container's root did) takes space, not its success.
            with contextlib.suppress(MachineError):
                remove_tree(request.workspace.repo)
                remove_tree(request.workspace.temporary)
        return result


class _Hearing:
    """Listens to one child, and remembers the first rule it broke."""

    def __init__(self, request: ChildRequest, listener: ChildListener) -> None:
        self._request = request
        self._listener = listener
        self.conversation = Conversation(request.run.run_id)
        self.current_step: str | None = None
        self._violation: ProtocolError | None = None

    def take(self, data: bytes) -> bool:
        """Take some of the child's stdout; False once it has broken a rule, so that it can be ended."""
        if self._violation is not None:
            return False
        try:
            for frame in self.conversation.feed(data):
                self._hear(frame)
        except ProtocolError as error:
            self._violation = error
        return self._violation is None

    def _hear(self, frame: Frame) -> None:
        match frame:
            case Hello():
                self._listener.child_started(self._request.run.run_id, frame.pid)
            case StepUpdate():
                if frame.id not in {step.id for step in self._request.run.workflow.steps}:
                    raise ProtocolError(f"the child tells of a step that its workflow does not have: {frame.id!r}")
                self.current_step = frame.id if frame.status == "running" else None
                self._listener.child_step(self._request.run.run_id, frame)
            case Event() if not frame.waiting:
                problem = foreign_claim(self._request, frame)
                if problem:
                    raise ProtocolError(problem)
                self._listener.child_event(self._request.run.run_id, frame)

    def last_lines(self) -> tuple[str, ...]:
        """The end of what the step it was at printed, and of what the child itself said."""
        workspace, run = self._request.workspace, self._request.run
        logs = [workspace.log(step.id) for step in run.workflow.steps if step.id == self.current_step]
        return tuple(line for log in (*logs, workspace.child_log) for line in tail(log, LOG_TAIL))

    def close(self) -> ProtocolError | None:
        """What was wrong with all that the child said, now that it has ended; half a frame before a crash is not."""
        if self._violation is None and self.conversation.result is not None:
            try:
                self.conversation.end()
            except ProtocolError as error:
                self._violation = error
        return self._violation


def foreign_claim(request: ChildRequest, event: Event) -> str:
    """What an event claims that is not the child's to claim; empty if nothing."""
    run = request.run
    if event.run_id != run.run_id or event.source != run.repo:
        return f"the child emitted an event in the name of {event.source} ({event.run_id})"
    # The step's id becomes part of a path, the event's id a key of the whole tree.
    if event.step_id not in {spec.id for spec in run.workflow.steps} or event.id != event_id(run.run_id, event.step_id):
        return f"the child emitted an event that none of its steps can: {event.id} of step {event.step_id!r}"
    inherited = set(run.visible_artifacts)
    own = f"{request.workspace.artifacts}/"
    for artifact in event.artifacts:
        if artifact in inherited:
            continue
        if artifact.repo != run.repo or not artifact.path.startswith(own) or ".." in artifact.path.split("/"):
            return f"the child claims an artifact that is not its own: {artifact.path}"
    return ""
