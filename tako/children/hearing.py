"""Listens to one child: what it has said so far, where it is, which rule it broke, and when its time is up."""

from __future__ import annotations

import os

from tako.children.base import RETRYING, StepUpdate
from tako.children.protocol import Conversation, Hello, Note, Result, quotable
from tako.clock import duration
from tako.errors import ProtocolError
from tako.execution.event import Event
from tako.execution.failure import LOG_TAIL, NOT_STARTED, PROTOCOL, STEP_TIMEOUT, WORKFLOW_TIMEOUT, Failure
from tako.execution.final_steps import most_seconds
from tako.execution.state import RUNNING
from tako.ids import event_id, fan_out_of
from tako.log_file import tail
from tako.patience import Awake
from tako.process import GRACE_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.children.base import ChildListener, ChildRequest
    from tako.children.protocol import Frame
    from tako.clock import Clock
    from tako.execution.request import RunRequest

_DIGITS = 10
"""More than the number of an event of a step has."""

HELLO_SECONDS = 60.0
"""For a process to start and say hello, on a machine under heavy load."""

CLOSING_SECONDS = 2.0
"""Between the end of a child's stdout and that of its process."""

LINGERING_SECONDS = 10.0
"""The same after its result, when it still may have something to clean up."""

MARGIN_SECONDS = 2 * GRACE_SECONDS
"""What a child gets beyond a timeout that it keeps itself, before it is taken to be stopped, or to hang."""


class Hearing:
    """Listens to one child, and remembers the first rule it broke."""

    def __init__(self, request: ChildRequest, listener: ChildListener, clock: Clock) -> None:
        self._request = request
        self._listener = listener
        self._clock = clock
        self._began = clock.monotonic()
        self._is_at_work = False
        """Whether it has begun a step."""
        self._step_began = self._began
        self._step_limit: float | None = None
        self._step_logs: tuple[str, ...] = ()
        """Where what the step last printed may be, the first that is there."""
        self._closed_at: float | None = None
        self._result_at: float | None = None
        self._timeouts = {step.id: step.timeout for step in request.run.workflow.every_step}
        self._violation: ProtocolError | None = None
        self._awake = Awake(clock)
        self._is_watched = False
        """Whether there was a deadline at the last look, and so a reason to look each second since."""
        self._expired: tuple[Failure | None] | None = None
        self.conversation = Conversation(request.run.run_id)
        self.current_step: str | None = None

    def take(self, data: bytes) -> bool:
        """Take some of the child's stdout; False once it has broken a rule, so that it is ended."""
        if self._violation is not None:
            return False
        try:
            for frame in self.conversation.feed(data):
                self._hear(frame)
        except ProtocolError as error:
            self._violation = error
        return self._violation is None

    def stdout_closed(self) -> None:
        """Nothing more will come though the child runs."""
        self._closed_at = self._clock.monotonic()

    def _hear(self, frame: Frame) -> None:
        run_id = self._request.run.run_id
        match frame:
            case Hello():
                self._listener.child_started(run_id, frame.pid)
            case StepUpdate():
                self._require_steps(frame.id)
                if self._expired is None:
                    self._follow(frame)
                self._listener.child_step(run_id, frame)
            case Event() if not frame.waiting:
                problem = foreign_claim(self._request, frame)
                if problem:
                    raise ProtocolError(problem)
                self._listener.child_event(run_id, frame)
            case Note():
                self._listener.child_note(run_id, frame.text)
            case Result():
                # If its time is up, that is kept: one that was stopped answers, when it is asked to end, that it was.
                self.due()
                self._result_at = self._clock.monotonic()
                at = frame.failure.step if frame.failure is not None else None
                self._require_steps(*frame.cached, *([at] if at is not None else []))

    def _require_steps(self, *ids: str) -> None:
        """What a child names is shown to people, and is a part of paths."""
        for step_id in ids:
            if step_id not in self._timeouts:
                named = quotable(repr(step_id))
                raise ProtocolError(f"the child tells of a step that its workflow does not have: {named}")

    def _follow(self, step: StepUpdate) -> None:
        """Take note of where the child is: between two tries still at the step, whose time does not run then."""
        workspace, now = self._request.workspace, self._clock.monotonic()
        self.current_step = step.id if step.status in (RUNNING, RETRYING) else None
        self._step_limit = self._timeouts[step.id] if step.status == RUNNING else None
        self._step_began = now
        self._step_logs = (workspace.log(step.id),)
        if step.status == RETRYING:
            self._step_logs = (workspace.attempt_log(step.id, step.attempt), *self._step_logs)
        if not self._is_at_work:
            # Only now does the child itself count its workflow's time.
            self._is_at_work, self._began = True, now

    def due(self) -> float | None:
        """The moment on the clock's ``monotonic`` at which the child's time is up, as far as that is known now."""
        if not self._is_watched:
            self._awake.skip()
        moment, failure = self._next_deadline()
        self._is_watched = moment is not None
        if self._expired is None and moment is not None and self._awake.now() >= moment:
            # It is asked to end now. What it says from here on, woken by that, does not change why and where.
            self._expired = (failure,)
        return moment

    def overdue(self) -> Failure | None:
        """Why the child's time was up; None if it had given its result and only did not end."""
        return self._expired[0] if self._expired is not None else self._next_deadline()[1]

    def _next_deadline(self) -> tuple[float | None, Failure | None]:
        return min(self._deadlines(), key=lambda deadline: deadline[0], default=(None, None))

    def _deadlines(self) -> list[tuple[float, Failure | None]]:
        if self._result_at is not None:
            return [(self._result_at + LINGERING_SECONDS, None)]
        deadlines: list[tuple[float, Failure | None]] = []
        if self._closed_at is not None:
            message = "the child closed its stdout before it gave its result, and went on"
            deadlines.append((self._closed_at + CLOSING_SECONDS, Failure(PROTOCOL, message)))
        if self.conversation.hello is None:
            message = f"the child process did not say hello within {duration(HELLO_SECONDS)}"
            deadlines.append((self._began + HELLO_SECONDS, Failure(NOT_STARTED, message)))
        within = f"within {duration(MARGIN_SECONDS)}"
        unheard = f"and did not end itself {within}: it was stopped, or hung"
        if self._request.ending is not None:
            most = most_seconds(self._request.run.workflow, hurried=True) + MARGIN_SECONDS
            message = f"its finally steps took longer than the {duration(most)} that they may"
            deadlines.append((self._began + most, Failure(STEP_TIMEOUT, message)))
        limit = self._step_limit
        if limit is not None:
            message = f"took longer than its timeout of {duration(limit)}, {unheard}"
            deadlines.append((self._step_began + limit + MARGIN_SECONDS, Failure(STEP_TIMEOUT, message)))
        limit = self._request.run.workflow.timeout
        if limit is not None:
            if not self._is_at_work:
                why = "its checkout took long, or it was stopped, or hung"
                unheard = f"and did not begin its first step {within}: {why}"
            message = f"the workflow was at work for longer than its timeout of {duration(limit)}, {unheard}"
            most = limit + most_seconds(self._request.run.workflow, hurried=False) + MARGIN_SECONDS
            deadlines.append((self._began + most, Failure(WORKFLOW_TIMEOUT, message)))
        return deadlines

    def last_lines(self) -> tuple[str, ...]:
        """The end of what the step it was at printed, and of what the child itself said."""
        at_it = self.current_step is not None
        step = next((log for log in self._step_logs if at_it and os.path.exists(log)), "")
        return (*tail(step, LOG_TAIL), *tail(self._request.workspace.child_log, LOG_TAIL))

    def close(self) -> ProtocolError | None:
        """What was wrong with all that the child said, now that it has ended; half a frame before a crash is not."""
        if self._violation is None and self.conversation.result is not None:
            try:
                self.conversation.end()
            except ProtocolError as error:
                self._violation = error
        return self._violation


def _is_event_of(event: Event, run: RunRequest) -> bool:
    """Whether an event has the id that its step gives it; a step emits no more events than the workflow announces."""
    number = event.id.removeprefix(fan_out_of(event.id)).removeprefix("-") or "1"
    digits = number if number.isascii() and number.isdecimal() and len(number) < _DIGITS else "1"
    announced = sum(len(step.produces.events) for step in run.workflow.steps if step.produces is not None)
    is_possible = 1 <= int(digits) <= max(1, announced)
    return is_possible and event.id == event_id(run.run_id, event.step_id, number=int(digits))


def foreign_claim(request: ChildRequest, event: Event) -> str:
    """What an event claims that is not the child's to claim; empty if nothing."""
    run = request.run
    if event.run_id != run.run_id or (event.source, event.host) != (run.repo, run.host):
        return f"the child emitted an event in the name of {quotable(event.source)} ({quotable(event.run_id)})"
    # The step's id becomes part of a path, the event's id a key of the whole tree.
    if event.step_id not in {spec.id for spec in run.workflow.steps} or not _is_event_of(event, run):
        claimed = f"{quotable(event.id)} of step {quotable(repr(event.step_id))}"
        return f"the child emitted an event that none of its steps can: {claimed}"
    inherited = set(run.visible_artifacts)
    own = f"{request.workspace.artifacts}/"
    for artifact in event.artifacts:
        if artifact in inherited:
            continue
        is_own = (artifact.repo, artifact.host) == (run.repo, run.host)
        if not is_own or not artifact.path.startswith(own) or ".." in artifact.path.split("/"):
            return f"the child claims an artifact that is not its own: {quotable(artifact.path)}"
    return ""
