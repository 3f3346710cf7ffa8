"""The contract of a step kind, and what it is given."""

from __future__ import annotations

import contextlib
import os
import select

from tako.clock import SystemClock, duration
from tako.environment import is_own
from tako.errors import StepError
from tako.execution.event import artifact_scope
from tako.execution.failure import STEP_TIMEOUT, WORKFLOW_TIMEOUT, Failure
from tako.execution.inside import is_inside
from tako.execution.step_environment import error_scope, for_processes, own_variables
from tako.execution.step_time import StepTime
from tako.execution.tainted import tainted_paths
from tako.expressions import templates
from tako.process import NO_STOPS
from tako.records import record, replace
from tako.secrets.run import NO_SECRETS, EnvScope

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Protocol

    from tako.clock import Clock
    from tako.config.model import StepSpec
    from tako.execution.event import ArtifactRef, Event
    from tako.execution.final_steps import Ending
    from tako.execution.output_files import OutputFiles
    from tako.execution.request import RunRequest
    from tako.execution.service import Service
    from tako.execution.state import ExecutionState, StepRecord
    from tako.execution.workspace import Workspace
    from tako.expressions.templates import Paths
    from tako.process import Processes
    from tako.secrets.run import RunSecrets
    from tako.signals import Stops

    class Step(Protocol):
        """One kind of step.

        ``run`` returns a result with a failure when the step's own work failed, and raises ``TakoError`` when the
        step could not be carried out; both fail the step. It raises ``RunInterruptedError`` when a stop was asked for.
        """

        def run(self, context: StepContext) -> StepResult: ...

    class Echo(Protocol):
        """Shows what steps print, while they do."""

        def feed(self, step_id: str, data: bytes) -> object:
            """A step has printed something."""

        def tick(self) -> float | None:
            """Show what has waited long enough; returns the seconds until more will have, or None."""

        def end(self, step_id: str) -> object:
            """A step prints no more."""

    class Gate(Protocol):
        """Is asked before each step, once for all tries at it."""

        def is_to_run(self, context: StepContext, *, wanted: bool) -> bool:
            """Whether the step runs; else it is skipped. ``wanted`` is what its condition says.

            Raises ``RunInterruptedError`` when a stop was asked for.
            """


@record
class StepResult:
    """What a step came to."""

    failure: Failure | None = None
    stdout: bytes = b""
    """Only what ``produces`` needs is kept."""
    stderr: bytes = b""
    outputs: Mapping[str, str] = {}
    """What the step itself puts out, beside what ``produces`` takes from it."""
    exported: Mapping[str, str] | None = None
    """The step's environment at its end, where an output needs it."""
    events: tuple[Event, ...] = ()
    """For the root: events to plan and run the subscribers of. If they are waiting ones, the run is suspended."""
    artifacts: tuple[ArtifactRef, ...] = ()
    """What the step itself put into the run's artifacts, beside what ``produces`` takes from it."""
    service: Service | None = None
    """What the step has left running."""
    notes: tuple[str, ...] = ()
    """What a reader must know of it though it has succeeded, a line each."""


class RunInterruptedError(Exception):
    """A stop was asked for while a step ran. Not a failure of the step: it runs again when the run is resumed."""

    def __init__(self, how: str = "", *, signal: int | None = None) -> None:
        """``how`` the step's process was ended, in words, and by which ``signal``, if it was by one."""
        super().__init__(how)
        self.how = how
        self.signal = signal


class TimeUpError(Exception):
    """The time of a step was up during Tako's own work for it: copying, hashing, looking for secrets."""

    def __init__(self, failure: Failure) -> None:
        """``failure`` is the step's."""
        super().__init__(failure.message)
        self.failure = failure


class StoppableClock:
    """A clock that nobody sleeps through a stop by: for waiting on what others hold."""

    def __init__(self, stops: Stops, clock: Clock | None = None) -> None:
        """``stops`` tell when to stop, ``clock`` what time it is, the machine's by default."""
        self._clock = clock or SystemClock()
        self.now = self._clock.now
        self.monotonic = self._clock.monotonic
        self._poll = select.poll()
        for descriptor in stops.all:
            self._poll.register(descriptor, select.POLLIN)

    def sleep(self, seconds: float) -> None:
        """Return after that many seconds; raises ``RunInterruptedError`` as soon as a stop is asked for."""
        if self.is_stopped(seconds):
            raise RunInterruptedError

    def check(self) -> None:
        """Is called between pieces of long work. Raises ``RunInterruptedError`` when a stop is asked for."""
        if self.is_stopped():
            raise RunInterruptedError

    def is_stopped(self, seconds: float = 0.0) -> bool:
        """Whether a stop is asked for within that many seconds."""
        return bool(self._poll.poll(seconds * 1000))


@record
class Capabilities:
    """What every step of a run may use."""

    request: RunRequest
    workspace: Workspace
    repo_dir: str
    processes: Processes
    clock: Clock
    """Its ``sleep`` ends by ``RunInterruptedError`` when a stop is asked for."""
    base_env: Mapping[str, str]
    """The user's environment, without Tako's own variables."""
    stops: Stops = NO_STOPS
    """What tells when the run must end."""
    attempt: int = 1
    """Which try at the run this is: more than 1 after a crash."""
    lifeline: int | None = None
    """What ends when the root of the tree does, where that is another process; for what is left running."""
    log_limit: int | None = None
    """The most bytes that a step's log has on the disk; None for the default."""
    echo: Echo | None = None
    """Shows what steps print to a reader who wants to see it now."""
    gate: Gate | None = None
    """Whom to ask before each step."""
    secrets: RunSecrets = NO_SECRETS
    """Of the run; ``StepContext.environment`` has those that the step names."""


class StepContext:
    """One step about to run: its specification and all it may know and use."""

    def __init__(
        self,
        capabilities: Capabilities,
        spec: StepSpec,
        state: ExecutionState,
        *,
        time_left: float | None = None,
        step_attempt: int = 1,
        error: Failure | None = None,
        keeps_result: bool = False,
        ending: Ending | None = None,
    ) -> None:
        """``time_left`` is what the workflow's timeout leaves the step, in seconds.

        ``step_attempt`` is which try at the step this is, ``error`` what the step failed by whose ``on_failure`` it is.
        ``keeps_result`` says that something may read what it prints on stdout; ``ending`` is how the run has ended
        whose ``finally`` step it is.
        """
        self.capabilities = capabilities
        self.spec = spec
        self.state = state
        self.time_left = time_left
        self.step_attempt = step_attempt
        self.error = error
        self.keeps_result = keeps_result
        self.ending = ending
        self._environment: dict[str, str] | None = None
        self._stops = StoppableClock(capabilities.stops)
        self.time = StepTime(capabilities.clock)
        self.output_files: OutputFiles | None = None
        """What lay there before of the files that outputs are promised from, if any are."""
        self.inputs_left_out: tuple[str, ...] = ()
        """Those that are too long for the environment, once somebody has asked for that."""

    @property
    def request(self) -> RunRequest:
        return self.capabilities.request

    @property
    def seconds(self) -> float | None:
        """How much time the step has left, of its own timeout or of its workflow's; None for ever."""
        limits = [limit for limit in (self.spec.timeout, self.time_left) if limit is not None]
        return max(0.0, min(limits) - self.time.used) if limits else None

    def check(self) -> None:
        """Is called often during Tako's own work for the step, so that it ends as a process of the step would.

        Raises ``RunInterruptedError`` when a stop is asked for, ``TimeUpError`` when the step's time is up.
        """
        self._stops.check()
        if self.seconds == 0.0:
            failure = self.overtime()
            message = f"{failure.message}; Tako was still copying, hashing or searching its files"
            raise TimeUpError(replace(failure, message=message))

    def overtime(self) -> Failure:
        """The failure of the step if it took longer than it may: whose timeout it was, its own or its workflow's."""
        own, left = self.spec.timeout, self.time_left
        if own is not None and (left is None or own <= left):
            return Failure(kind=STEP_TIMEOUT, message=f"took longer than its timeout of {duration(own)}")
        return workflow_overtime(self.request)

    @property
    def where(self) -> str:
        """``file:line`` of the step, for errors."""
        return f"{self.request.config_path or 'tako.yml'}:{self.spec.line}"

    @property
    def log_path(self) -> str:
        return self.capabilities.workspace.log(self.spec.id)

    @property
    def output_path(self) -> str:
        """The file to which the step writes ``name=value`` lines."""
        return os.path.join(self.capabilities.workspace.temporary, f"{self.spec.id}.output")

    def forget_outputs(self) -> None:
        """Remove what the step wrote its outputs to: there may be secrets in it."""
        for path in (self.output_path, f"{self.output_path}.env"):
            with contextlib.suppress(OSError):
                os.unlink(path)

    @property
    def directory(self) -> str:
        """Where the step runs. Raises ``ExpressionError``, or ``StepError`` if that is not in the repository."""
        inside = self.render(self.spec.working_directory or "")
        if not is_inside(self.capabilities.repo_dir, inside):
            raise StepError(f"the working directory {inside!r} leads out of the repository", where=self.where)
        return os.path.join(self.capabilities.repo_dir, inside).rstrip("/")

    def scope(self, **more: Any) -> dict[str, Any]:
        """The names that templates and CEL see."""
        request = self.request
        event = request.event
        return {
            "inputs": dict(request.inputs),
            "steps": {each.id: _step_scope(each) for each in self.state.every_step},
            "event": event.scope() if event else {},
            "events": [each.scope() for each in request.heard or ((event,) if event else ())],
            "payload": dict(event.payload) if event else {},
            "artifacts": artifact_scope(request.visible_artifacts),
            "env": EnvScope(self.public_environment(), {*self.secret_variables(), *self.request.workflow.secrets}),
            "repo": request.repo,
            "run": {"id": request.run_id, "root_id": request.root_id, "workflow": request.workflow.name},
            **self._ending_scope(),
            **more,
        }

    def _ending_scope(self) -> dict[str, Any]:
        """What only those see that run since a step has failed, or since the run has ended."""
        if self.ending is not None:
            failure = self.ending.failure
            return {"status": self.ending.status, "error": error_scope(failure) if failure is not None else {}}
        return {"error": error_scope(self.error)} if self.error is not None else {}

    def render(self, text: str) -> str:
        """A template's text. Raises ``ExpressionError``, or ``StepError`` if there is a secret in it."""
        if not templates.is_template(text):
            return text
        rendered = templates.render(text, self.scope(), where=self.where)
        self.capabilities.secrets.refuse(rendered, "what a template yields", where=self.where)
        return rendered

    def render_script(self, text: str) -> str:
        """A template's text as a script; else as ``render``.

        Raises ``ExpressionError``, too, if what came with an event could become code of the shell, or of what the
        script's first line names.
        """
        if not templates.is_template(text):
            return text
        rendered = templates.render_script(text, self.scope(), self.tainted, where=self.where)
        self.capabilities.secrets.refuse(rendered, "what a template yields", where=self.where)
        return rendered

    @property
    def tainted(self) -> Paths:
        """What in ``scope()`` came with an event. Raises ``ExpressionError``."""
        return tainted_paths(self.request, self.state, self.spec, where=self.where)

    def environment(self) -> dict[str, str]:
        """What the step's processes find in their environment.

        Raises ``ExpressionError``, or ``StepError``, also if that is more than a process can be given.
        """
        variables, self.inputs_left_out = for_processes(self, {**self.public_environment(), **self.secret_variables()})
        return variables

    def secret_variables(self) -> dict[str, str]:
        """Those variables of the step that are secrets: for nothing but its processes."""
        named = self.capabilities.secrets.named_in(self.spec.env)
        return {name: value for name, value in named.items() if not is_own(name)}

    def public_environment(self) -> dict[str, str]:
        """The step's environment without its secrets. Raises ``ExpressionError`` or ``StepError``."""
        if self._environment is None:
            secret = self.secret_variables()
            inherited = self.capabilities.secrets.without_hidden(self.capabilities.base_env)
            self._environment = {name: value for name, value in inherited.items() if name not in secret}
            for declared in (self.request.workflow.env, self.spec.env):
                rendered = {name: self.render(value) for name, value in declared.items() if name not in secret}
                self._environment.update(rendered)
            self._environment.update(own_variables(self))
        return self._environment


def workflow_overtime(request: RunRequest) -> Failure:
    """The failure of a run whose workflow was at work for longer than it may."""
    limit = request.workflow.timeout or 0.0
    message = f"the workflow was at work for longer than its timeout of {duration(limit)}"
    return Failure(kind=WORKFLOW_TIMEOUT, message=message)


def _step_scope(step: StepRecord) -> dict[str, Any]:
    """A step that has ended as expressions see it. An output of the name ``result`` comes before the step's own."""
    result = step.outputs.get("result", step.result)
    more = {} if result is None else {"result": result}
    return {"outputs": dict(step.outputs), "status": step.status, **more}
