"""The child's life: hello, checkout, steps, result. The composition root of the child.

Whatever this module imports is paid for by every child of every run.
"""

from __future__ import annotations

import os
import signal
import sys

from runner_child.frames import Frames
from runner_child.lifeline import end_with_parent, take_lifeline
from runner_child.observer import ChildObserver
from tako.children.in_process import checkout_failure
from tako.children.protocol import Hello
from tako.clock import SystemClock
from tako.environment import base_environment, log_limit_from
from tako.errors import CheckoutError, LockTimeoutError, MachineError, TakoError, UsageError
from tako.execution.checkout_time import within_timeout
from tako.execution.confidential import masked
from tako.execution.failure import (
    DISK_FULL,
    EXCEPTION,
    MACHINE_ERROR,
    NOT_STARTED,
    OUT_OF_MEMORY,
    concise,
)
from tako.execution.going_on import go_on, standing
from tako.execution.moved import Place
from tako.execution.raised import failure_by_exception, traceback_of
from tako.execution.request import read_request
from tako.execution.runner import Runner
from tako.execution.state import (
    FAILED,
    SUCCESS,
    SUSPENDED,
    ExecutionState,
    begin_state,
    read_state,
    recorded_state,
)
from tako.execution.workspace import Workspace, remove_checkout
from tako.limits import limit_memory
from tako.locks import own
from tako.process import Processes
from tako.records import record, replace
from tako.repos.checkout import checkout
from tako.repos.git import Git
from tako.secrets.run import NO_SECRETS
from tako.signals import Stops, StopSignal, is_ignored
from tako.steps.base import Capabilities, RunInterruptedError, StoppableClock, TimeUpError
from tako.steps.registry import step_kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from runner_child.observer import Reader
    from tako.execution.final_steps import Ending
    from tako.execution.request import RunRequest
    from tako.secrets.run import RunSecrets


OWN_FAULTS = (EXCEPTION, NOT_STARTED, OUT_OF_MEMORY, DISK_FULL, MACHINE_ERROR)
"""What is Tako's or the machine's fault."""

EXIT_CODES = {"success": 0, "suspended": 0, "failed": 1}


@record
class Options:
    """What is asked of one child beside its request."""

    directory: str
    fresh: bool = False
    """Make a new checkout and forget what was done."""
    from_step: str | None = None
    """Start at this step."""
    secrets_file: str | None = None
    """Where a person who runs it by hand keeps the values of its secrets."""


def run(
    options: Options,
    frames_fd: int,
    reader: Reader | None = None,
    *,
    ready: Callable[[], object] = lambda: None,
) -> int:
    """Run the child of a directory and return its exit code. Never raises for what goes wrong.

    ``ready`` returns when other processes may be started.
    """
    frames = Frames(frames_fd)
    reader = reader or _reader_for_terminal()
    workspace = Workspace(os.path.abspath(options.directory))
    # Before the hello: whoever has heard it may ask to stop.
    stops = replace(_stop_on_signals(), lost=take_lifeline())
    processes = Processes(adopts=True)
    try:
        request = read_request(workspace.request)
        request = Place(workspace, request.root_id).request(request)
        _require_step(request, options.from_step)
        secrets = _secrets(request, options, processes)
        frames.send(Hello(run_id=request.run_id, pid=os.getpid()))
    except TakoError as error:
        return _say(error)
    if "TAKO_FRESH" in os.environ:
        options = replace(options, fresh=True)
    if reader:
        reader.started(request)
    try:
        for lifeline in stops.lost:
            end_with_parent(lifeline, processes)
        workspace.make()
        with own(workspace.run_lock):
            workspace.tidy()
            ready()
            limit_memory(request.workflow.mem_limit or 0)
            observer = ChildObserver(frames, reader, _faults(frames))
            state = _run(request, workspace, options, observer, processes, stops, secrets)
    except LockTimeoutError as error:
        return _say(error)
    except Exception as error:  # noqa: BLE001  (whatever it is, the parent is told, and the log has the traceback)
        state = _crashed(request, error, secrets)
    return _tell_end(request, workspace, state, frames, reader)


def _tell_end(
    request: RunRequest, workspace: Workspace, state: ExecutionState, frames: Frames, reader: Reader | None
) -> int:
    """Tell the parent how a run ended, and whoever reads along; returns the exit code that says the same."""
    try:
        frames.result(state)
    except MachineError as error:
        return _say(error)
    if reader:
        reader.ended(request, state, workspace)
    if state.status == SUSPENDED and "TAKO_LIFELINE" not in os.environ:
        from runner_child.alone import say_who_would_run

        say_who_would_run(request, workspace)
    if state.failure is not None and state.failure.kind in OWN_FAULTS:
        return 3
    return EXIT_CODES[state.status]


def _run(
    request: RunRequest,
    workspace: Workspace,
    options: Options,
    observer: ChildObserver,
    processes: Processes,
    stops: Stops,
    secrets: RunSecrets,
) -> ExecutionState:
    stoppable = StoppableClock(stops)
    attempt = int(os.environ.get("TAKO_ATTEMPT") or 1)
    runner = Runner(
        Capabilities(
            request=request,
            workspace=workspace,
            repo_dir=workspace.repo if request.private else request.source,
            processes=processes,
            clock=stoppable,
            base_env=base_environment(os.environ),
            stops=stops,
            # Run by hand, it is the root itself, and nobody goes on with it.
            lifeline=stops.lost[0] if "TAKO_LIFELINE" in os.environ else None,
            attempt=attempt,
            log_limit=log_limit_from(os.environ),
            secrets=secrets,
        ),
        step_kind=step_kind,
        observer=observer,
    )
    ending = _ending()
    if ending is not None:
        recorded = recorded_state(workspace.state)
        begun = runner.begin() if recorded is None else Place(workspace, request.root_id).state(recorded)
        return runner.end(begun, ending)
    state, start = _where_to_begin(request, workspace, options, runner.begin(), attempt)
    try:
        if options.fresh:
            remove_checkout(workspace, check=stoppable.check)
        if request.private and state.status != SUCCESS and not os.path.isdir(workspace.repo):
            with within_timeout(request, stops, SystemClock()) as until:
                clock = StoppableClock(until)
                checkout(
                    request.source,
                    workspace.repo,
                    commit=request.commit,
                    git=Git(processes, stops=until),
                    lock_path=request.cache_lock,
                    clock=clock,
                    waiting=observer.note,
                    check=clock.check,
                )
            workspace.forget_lay_there()
    except (CheckoutError, LockTimeoutError, RunInterruptedError, TimeUpError) as error:
        failed = replace(state, status=FAILED, failure=checkout_failure(error, stoppable))
        begin_state(workspace, failed)
        return failed
    return runner.run(state, start=start)


def _where_to_begin(
    request: RunRequest, workspace: Workspace, options: Options, empty: ExecutionState, attempt: int
) -> tuple[ExecutionState, int | None]:
    """The state to go on from and, where it is not the next one, the index of the step to run.

    A run that waited goes on when its answer is there, and a try after a crash behind the last step that had ended;
    every other run begins anew.
    """
    if options.from_step is not None:
        recorded = read_state(workspace.state) if os.path.exists(workspace.state) else None
        ids = request.workflow.step_ids
        start = ids.index(options.from_step)
        kept = tuple(step for step in (recorded.steps if recorded else ()) if step.id in ids[:start])
        return replace(empty, steps=kept), start
    recorded = None if options.fresh else recorded_state(workspace.state)
    if recorded is None:
        return empty, None
    recorded = Place(workspace, request.root_id).state(recorded)

    def answered(step_id: str) -> bool:
        return os.path.exists(workspace.answer(step_id))

    last = recorded.steps[-1] if recorded.steps else None
    waited = recorded.status == SUSPENDED and last is not None and answered(last.id)
    # One that has succeeded only has something to tell once more; its checkout may be gone.
    there = recorded.status == SUCCESS or os.path.isdir(workspace.repo if request.private else request.source)
    if waited or (attempt > 1 and there):
        return go_on(standing(recorded, request.workflow.step_ids), answered), None
    return empty, None


def _secrets(request: RunRequest, options: Options, processes: Processes) -> RunSecrets:
    """Those of the workflow. Raises ``SecretError``."""
    if not request.workflow.secrets:
        return NO_SECRETS
    from runner_child.own_secrets import take_secrets

    return take_secrets(request.workflow.secrets, options.secrets_file, processes)


def _require_step(request: RunRequest, step_id: str | None) -> None:
    ids = request.workflow.step_ids
    if step_id is not None and step_id not in ids:
        raise UsageError(f"{request.label} has no step {step_id!r}", cure=f"its steps are {', '.join(ids)}")


def _crashed(request: RunRequest, error: Exception, secrets: RunSecrets) -> ExecutionState:
    """The state of a run that Tako's own code could not carry on; it goes to the parent, the last one stays on disk."""
    failure = failure_by_exception(error, memory_limit=request.workflow.mem_limit)
    sys.stderr.write(secrets.hide(traceback_of(error) if failure.log else f"error: {failure.message}\n"))
    return ExecutionState(
        run_id=request.run_id,
        repo=request.repo,
        workflow=request.workflow.name,
        status=FAILED,
        started_at=SystemClock().now(),
        failure=concise(masked(failure, secrets)),
    )


def _ending() -> Ending | None:
    """How the run has ended, if it is only started to run its ``finally`` steps."""
    told = os.environ.get("TAKO_ENDING")
    if not told:
        return None
    import json

    from tako.execution.final_steps import ending_from_data

    return ending_from_data(json.loads(told))


def _stop_on_signals() -> Stops:
    """Let SIGTERM, SIGINT and SIGHUP end the step at work, then the run, instead of Python in the middle of a write.

    What the user ignores stays ignored, but for SIGTERM, by which the root asks its children. The root sends each once,
    so whoever sends one again insists.
    """
    stop, force = StopSignal(), StopSignal()
    known: set[int] = set()

    def heard(number: int) -> None:
        if number in known:
            force.set(number)
        known.add(number)

    unless_ignored = [number for number in (signal.SIGINT, signal.SIGHUP) if not is_ignored(number)]
    stop.set_by((signal.SIGTERM, *unless_ignored), heard)
    return Stops(ask=(stop.fd,), force=(force.fd,), wishes=(stop,))


def _faults(frames: Frames) -> Callable[[str], object] | None:
    """What strikes at the start of a step, by its id, if faults were asked for."""
    wanted = os.environ.get("TAKO_CHAOS")
    if not wanted:
        return None
    from tako.execution.chaos import decode, strike_at

    faults = decode(wanted)
    return lambda step_id: strike_at(
        step_id, faults, root_pid=os.getppid(), write_frames=frames.write, clock=SystemClock()
    )


def _reader_for_terminal() -> Reader | None:
    if "TAKO_LIFELINE" in os.environ or not os.isatty(2):
        return None
    from runner_child.reader import TerminalReader

    return TerminalReader()


def _say(error: TakoError) -> int:
    sys.stderr.write(f"error: {error}\n")
    return error.exit_code
