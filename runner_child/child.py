"""The child's life: hello, checkout, steps, result. The composition root of the child.

Whatever this module imports is paid for by every child of every run.
"""

from __future__ import annotations

import os
import select
import signal
import stat
import sys

from tako.children.base import StepUpdate
from tako.children.in_process import checkout_failure, step_update
from tako.children.protocol import Hello, Result, encode
from tako.clock import SystemClock
from tako.errors import CheckoutError, LockTimeoutError, MachineError, ProtocolError, TakoError, UsageError
from tako.execution.failure import EXCEPTION, Failure
from tako.execution.request import read_request
from tako.execution.runner import Runner
from tako.execution.state import FAILED, RUNNING, SUSPENDED, ExecutionState, read_state, write_state
from tako.execution.workspace import Workspace
from tako.files import remove_tree
from tako.locks import own
from tako.process import Processes
from tako.records import record, replace
from tako.repos.checkout import checkout
from tako.repos.git import Git
from tako.signals import StopSignal
from tako.steps.base import Capabilities, RunInterruptedError, StoppableClock, base_environment
from tako.steps.registry import step_kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from tako.config.model import StepSpec
    from tako.execution.event import Event
    from tako.execution.request import RunRequest
    from tako.execution.state import StepRecord

    class Reader(Protocol):
        """Tells a person at a terminal what goes on."""

        def started(self, request: RunRequest) -> None: ...

        def step_started(self, spec: StepSpec) -> None: ...

        def step_ended(self, step: StepRecord) -> None: ...

        def ended(self, request: RunRequest, state: ExecutionState, workspace: Workspace) -> None: ...


EXIT_CODES = {"success": 0, "suspended": 0, "failed": 1}


@record
class Options:
    """What is asked of one child beside its request."""

    directory: str
    fresh: bool = False
    """Make a new checkout and forget what was done."""
    from_step: str | None = None
    """Start at this step."""


class Frames:
    """Sends frames to the parent; a parent that is gone is noticed by the lifeline, not here."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def send(self, frame: Hello | StepUpdate | Event | Result) -> None:
        """Write one frame.

        Raises ``ProtocolError`` if it is too long, ``MachineError`` if it cannot be written though somebody reads.
        """
        view = memoryview(encode(frame))
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except BrokenPipeError:
            return
        except OSError as error:
            raise MachineError(f"cannot write frames to stdout: {error.strerror}") from error

    def step(self, update: StepUpdate) -> None:
        """A step's frame; outputs that do not fit are left to the result."""
        try:
            self.send(update)
        except ProtocolError:
            self.send(replace(update, outputs={}))

    def result(self, state: ExecutionState) -> None:
        """The last frame; outputs that do not fit are left to ``state.json``."""
        result = Result(status=state.status, failure=state.failure, outputs=state.outputs)
        try:
            self.send(result)
        except ProtocolError:
            self.send(replace(result, outputs=None))


class _Observer:
    """Passes on what the runner does: to the parent in frames, to a person in words."""

    def __init__(self, frames: Frames, reader: Reader | None) -> None:
        self._frames = frames
        self._reader = reader

    def step_started(self, spec: StepSpec) -> None:
        self._frames.send(StepUpdate(id=spec.id, status=RUNNING))
        if self._reader:
            self._reader.step_started(spec)

    def step_ended(self, step: StepRecord) -> None:
        self._frames.step(step_update(step))
        if self._reader:
            self._reader.step_ended(step)

    def event(self, event: Event) -> None:
        self._frames.send(event)


def run(options: Options, frames_fd: int, reader: Reader | None = None) -> int:
    """Run the child of a directory and return its exit code. Never raises for what goes wrong."""
    frames = Frames(frames_fd)
    reader = reader or _reader_for_terminal()
    workspace = Workspace(os.path.abspath(options.directory))
    # Before the hello: whoever has heard it may ask to stop.
    stop_fds = (_stop_on_signals().fd, *_lifeline())
    try:
        request = read_request(workspace.request)
        _require_step(request, options.from_step)
        frames.send(Hello(run_id=request.run_id, pid=os.getpid()))
    except TakoError as error:
        return _say(error)
    if reader:
        reader.started(request)
    try:
        workspace.make()
        with own(workspace.run_lock):
            state = _run(request, workspace, options, _Observer(frames, reader), stop_fds)
    except LockTimeoutError as error:
        return _say(error)
    except Exception as error:  # noqa: BLE001  (whatever it is, the parent is told, and the log has the traceback)
        state = _crashed(request, error)
    try:
        frames.result(state)
    except MachineError as error:
        return _say(error)
    if reader:
        reader.ended(request, state, workspace)
    if state.status == SUSPENDED and "TAKO_LIFELINE" not in os.environ:
        from runner_child.alone import say_who_would_run

        say_who_would_run(request, workspace)
    if state.failure is not None and state.failure.kind == EXCEPTION:
        return 3
    return EXIT_CODES[state.status]


def _run(
    request: RunRequest, workspace: Workspace, options: Options, observer: _Observer, stop_fds: tuple[int, ...]
) -> ExecutionState:
    clock = SystemClock()
    stoppable = StoppableClock(stop_fds)
    processes = Processes(clock)
    runner = Runner(
        Capabilities(
            request=request,
            workspace=workspace,
            repo_dir=workspace.repo if request.private else request.source,
            processes=processes,
            clock=clock,
            base_env=base_environment(os.environ),
            stop_fds=stop_fds,
        ),
        step_kind=step_kind,
        observer=observer,
    )
    state, start = _where_to_begin(request, workspace, options, runner.begin())
    try:
        if options.fresh:
            remove_tree(workspace.repo)
        if request.private and not os.path.isdir(workspace.repo):
            checkout(
                request.source,
                workspace.repo,
                commit=request.commit,
                git=Git(processes, stop_fds=stop_fds),
                lock_path=request.cache_lock,
                clock=stoppable,
            )
    except (CheckoutError, LockTimeoutError, RunInterruptedError) as error:
        failed = replace(state, status=FAILED, failure=checkout_failure(error, stoppable))
        write_state(workspace.state, failed)
        return failed
    return runner.run(state, start=start)


def _where_to_begin(
    request: RunRequest, workspace: Workspace, options: Options, empty: ExecutionState
) -> tuple[ExecutionState, int | None]:
    """The state to go on from and, where it is not the next one, the index of the step to run.

    A run that waited goes on when its answer is there; every other run begins anew.
    """
    recorded = None
    if os.path.exists(workspace.state) and (options.from_step is not None or not options.fresh):
        recorded = read_state(workspace.state)
    if options.from_step is not None:
        ids = [spec.id for spec in request.workflow.steps]
        start = ids.index(options.from_step)
        kept = tuple(step for step in (recorded.steps if recorded else ()) if step.id in ids[:start])
        return replace(empty, steps=kept), start
    waited = recorded is not None and recorded.status == SUSPENDED
    if recorded is not None and waited and os.path.exists(workspace.answer(recorded.steps[-1].id)):
        return recorded, None
    return empty, None


def _require_step(request: RunRequest, step_id: str | None) -> None:
    ids = [spec.id for spec in request.workflow.steps]
    if step_id is not None and step_id not in ids:
        raise UsageError(f"{request.label} has no step {step_id!r}", cure=f"its steps are {', '.join(ids)}")


def _crashed(request: RunRequest, error: Exception) -> ExecutionState:
    """The state of a run that Tako's own code could not carry on; it goes to the parent, the last one stays on disk."""
    if isinstance(error, TakoError):
        sys.stderr.write(f"error: {error}\n")
        failure = Failure(kind=EXCEPTION, message=str(error))
    else:
        import traceback

        lines = "".join(traceback.format_exception(error))
        sys.stderr.write(lines)
        last = tuple(lines.splitlines()[-20:])
        failure = Failure(kind=EXCEPTION, message=f"{type(error).__name__}: {error}", log=last)
    return ExecutionState(
        run_id=request.run_id,
        repo=request.repo,
        workflow=request.workflow.name,
        status=FAILED,
        started_at=SystemClock().now(),
        failure=failure,
    )


def _stop_on_signals() -> StopSignal:
    """Let SIGTERM, SIGINT and SIGHUP end the step at work, then the run, instead of Python in the middle of a write."""
    stop = StopSignal()
    stop.set_by((signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
    return stop


def _lifeline() -> tuple[int, ...]:
    """Stdin, if it is the parent's pipe: it becomes readable when the parent is gone.

    Without the launcher's word for it, only a pipe that somebody still holds is taken for one: a job whose stdin was
    closed beforehand has no parent to lose.
    """
    if "TAKO_LIFELINE" in os.environ:
        return (0,)
    try:
        is_pipe = stat.S_ISFIFO(os.fstat(0).st_mode)
    except OSError:
        return ()
    return (0,) if is_pipe and not select.select([0], [], [], 0)[0] else ()


def _reader_for_terminal() -> Reader | None:
    if "TAKO_LIFELINE" in os.environ or not os.isatty(2):
        return None
    from runner_child.reader import TerminalReader

    return TerminalReader()


def _say(error: TakoError) -> int:
    sys.stderr.write(f"error: {error}\n")
    return error.exit_code
