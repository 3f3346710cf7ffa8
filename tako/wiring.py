"""The composition root: builds the real objects out of the settings. Nothing else does, but for the child's own.

Whatever only some commands need is imported where it is built.
"""

from __future__ import annotations

import contextlib
import os
import signal

from tako.clock import SystemClock
from tako.errors import MachineError
from tako.execution.workspace import root_workspace
from tako.files import remove_tree
from tako.interrupts import RunSignals
from tako.process import Processes
from tako.repos.git import Git
from tako.secrets.store import SecretStore
from tako.signals import Stops, StopSignal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from typing import Any

    from tako.children.base import ChildRequest
    from tako.children.in_process import InProcessRunner
    from tako.config.model import RepoConfig, WorkflowSpec
    from tako.effective import Settings
    from tako.execution.request import RunRequest
    from tako.execution.workspace import Workspace
    from tako.fanout.alone import AloneExecutor, AloneResult
    from tako.fanout.delivery import Deliveries
    from tako.fanout.discovery import DiscoveryManager
    from tako.fanout.executor import FanOutExecutor
    from tako.fanout.journal import Journal
    from tako.fanout.ledger import Ledger
    from tako.fanout.observer import TreeObserver
    from tako.fanout.orchestrator import Orchestrator
    from tako.fanout.plan import Plan
    from tako.fanout.restore import Restored
    from tako.fanout.result import TreeResult
    from tako.repos.cache import RepoCache
    from tako.steps.base import Echo, Gate


class Wiring:
    """The objects of one command."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = SystemClock()
        self.processes = Processes(self.clock, adopts=True)
        self.signals = RunSignals()
        """For the run, if there is to be one; who makes it has them heeded."""
        self._group: str | None = None
        """The control group of the tree that this process is the root of, if it may have one."""
        self.gate: Gate | None = None
        """Whom to ask before each of a root's own steps."""
        self.secrets = SecretStore(settings.secrets, self.processes)
        self.git = Git(self.processes, hidden=self.secrets.hidden)

    def cache(self) -> RepoCache:
        """The shared checkouts."""
        from tako.repos.cache import RepoCache

        return RepoCache(self.settings.cache_dir)

    def discovery(self) -> DiscoveryManager:
        """Who subscribed to what."""
        from tako.fanout.discovery import DiscoveryManager
        from tako.repos.index import RepoIndex

        cache = self.cache()
        return DiscoveryManager(RepoIndex(cache, load=load_config, git=self.git), looked_in=cache.repositories)

    def orchestrator(self) -> Orchestrator:
        """What plans."""
        from tako.fanout.orchestrator import Orchestrator
        from tako.repos.names import RepoRef

        cache = self.cache()
        return Orchestrator(
            self.discovery(),
            head_commit=self.git.head_commit,
            lock_path=lambda entry: cache.lock_path(RepoRef(entry.owner_name, entry.ref)),
            bind_inputs=bind_inputs,
            strict=self.settings.strict,
        )

    def ledger(self, say: Callable[[str], object]) -> Ledger:
        """What was delivered; opened when it is first used. ``say`` is told if it was damaged, in a line."""
        from tako.fanout.ledger import NAME, RETENTION_SECONDS, Ledger

        retention = self.settings.idempotency_retention
        return Ledger(
            os.path.join(self.settings.home, NAME),
            clock=self.clock,
            say=say,
            retention=RETENTION_SECONDS if retention is None else retention,
        )

    def execute(self, request: RunRequest, observer: TreeObserver, *, echo: Echo | None = None) -> TreeResult:
        """Run a root and all it triggers, in a workspace of its own.

        The ``signals`` end the tree while this runs, SIGTSTP stops it for a while. Raises ``MachineError`` or
        ``StateError`` if Tako itself cannot go on.
        """
        from tako.execution.run_order import EXEC, REDELIVERY
        from tako.fanout.redelivery import is_redelivery

        workspace = self._begin(request, by=REDELIVERY if is_redelivery(request) else EXEC)
        with self.owning(workspace), self._executor(workspace, observer, echo) as executor:
            return executor.run(request, workspace)

    def _begin(self, request: RunRequest, *, by: str) -> Workspace:
        """Make the workspace of a new root and record what started it and what it is asked."""
        from tako.execution.request import write_request
        from tako.execution.run_order import record_start

        workspace = root_workspace(self.settings.home, request.run_id)
        try:
            workspace.make()
            record_start(self.settings.home, workspace, by, clock=self.clock)
            write_request(workspace.request, request)
        except MachineError:
            # Without a request nothing can be done with it.
            with contextlib.suppress(MachineError):
                remove_tree(workspace.path)
            raise
        return workspace

    def resume(
        self,
        restored: Restored,
        observer: TreeObserver,
        *,
        rerun_from: str | None = None,
        echo: Echo | None = None,
    ) -> TreeResult:
        """Go on with a tree, whose workspace the caller owns; else as ``execute``."""
        root = restored.root
        if root.renewed:
            from tako.execution.renewal import renew

            renew(root.workspace, root.request, fresh=root.fresh, rerun_from=rerun_from, check=self.signals.check)
            rerun_from = None if root.fresh else rerun_from
        with self._executor(root.workspace, observer, echo, rerun_from=rerun_from) as executor:
            return executor.resume(restored)

    @contextlib.contextmanager
    def owning(self, workspace: Workspace) -> Iterator[None]:
        """Be the only one at work in a root's workspace. Raises ``LockTimeoutError`` if somebody is."""
        from tako import cgroup
        from tako.execution.alive import SWEEP_SECONDS, register, root_lives, unregister
        from tako.execution.warden import watched
        from tako.locks import exclusive

        home, run_id = self.settings.home, os.path.basename(workspace.path)
        timeout = 0.0 if root_lives(home, run_id) else SWEEP_SECONDS
        with exclusive(workspace.run_lock, clock=self.clock, timeout=timeout):
            self._group = cgroup.group_of_tree(run_id)
            register(home, run_id, clock=self.clock, group=self._group)
            try:
                workspace.tidy()
                with watched(self.processes, home, run_id):
                    yield
            finally:
                if self._group is not None:
                    cgroup.remove(self._group, clock=self.clock, force=True)
                unregister(home, run_id)

    @contextlib.contextmanager
    def _executor(
        self,
        workspace: Workspace,
        observer: TreeObserver,
        echo: Echo | None,
        *,
        rerun_from: str | None = None,
    ) -> Iterator[FanOutExecutor]:
        """An executor for the tree of a workspace, with its journal and the signals that end it."""
        from tako.fanout.delivery import Deliveries
        from tako.fanout.journal import Journal

        journal = Journal(workspace.journal, self.clock)
        say = observer.told
        deliveries = Deliveries(self.settings.home, lambda: self.ledger(say), say=say)
        try:
            executor = self._make_executor(journal, deliveries, observer, echo, rerun_from)
            with self._handed_to(executor), self._services_end(workspace, observer):
                yield executor
        finally:
            deliveries.close()
            journal.close()

    def _make_executor(
        self,
        journal: Journal,
        deliveries: Deliveries,
        observer: TreeObserver,
        echo: Echo | None,
        rerun_from: str | None,
    ) -> FanOutExecutor:
        from tako.children.executor import ChildWorkflowExecutor
        from tako.children.factory import ChildRunnerFactory
        from tako.children.launchers.local import LocalLauncher
        from tako.execution.services import ServicesOfChildren
        from tako.fanout.breaker import Breaker
        from tako.fanout.executor import FanOutExecutor

        services = ServicesOfChildren(self.processes, self.clock)
        settings = self.settings
        env = settings.environment
        chaos = {"TAKO_CHAOS": settings.chaos} if settings.chaos else {}
        return FanOutExecutor(
            orchestrator=self.orchestrator(),
            root_runner=self._root_runner(echo, rerun_from=rerun_from),
            child_runner=ChildWorkflowExecutor(
                launcher=LocalLauncher(
                    self.processes, env={**env, **chaos}, hidden=self.secrets.hidden, group=self._group
                ),
                factory=ChildRunnerFactory(),
                clock=self.clock,
                log_limit=settings.log_limit,
                secrets=self.secrets,
                services=services,
            ),
            cap=settings.cap,
            journal=journal,
            clock=self.clock,
            observer=observer,
            breaker=Breaker() if settings.max_crashes is None else Breaker(settings.max_crashes),
            deliveries=deliveries,
            abandon=services.ask_to_end,
            on_plan=self._hide_secrets,
        )

    def _hide_secrets(self, plan: Plan) -> None:
        """Keep what the workflows of a plan declare from all that does not name it."""
        for planned in plan.runs:
            self.secrets.hide(planned.request.workflow.secrets)

    @contextlib.contextmanager
    def _services_end(self, workspace: Workspace, observer: TreeObserver) -> Iterator[None]:
        """Let no service of a tree outlive it: those of runs that waited when it ended are still there."""
        from tako.execution.services import ServicesOfChildren

        try:
            yield
        finally:
            with self._forced_by_signals(observer) as stops:
                ended = ServicesOfChildren(self.processes, self.clock).end(workspace, stops)
            for record in ended:
                step_id = os.path.basename(record).removesuffix(".json")
                run_id = os.path.basename(os.path.dirname(os.path.dirname(record)))
                observer.told(f"■ step '{step_id}' of {run_id} was still running and was stopped")

    @contextlib.contextmanager
    def _forced_by_signals(self, observer: TreeObserver) -> Iterator[Stops]:
        """Stops of something that was asked to end: who sends one more signal, by a wish of his own, forces it."""
        force = StopSignal()

        def kill(number: int) -> None:
            if number in (signal.SIGINT, signal.SIGTERM):
                observer.interrupted(number, working=0, again=True)
                force.set()

        try:
            with self.signals.handed_to(kill):
                yield Stops(force=(force.fd,))
        finally:
            force.close()

    def _root_runner(self, echo: Echo | None, *, rerun_from: str | None) -> InProcessRunner:
        from tako.children.in_process import InProcessRunner
        from tako.keeper import KeptProcesses
        from tako.steps.registry import step_kind

        return InProcessRunner(
            step_kind=step_kind,
            checkout=self._checkout,
            kept=lambda memory: KeptProcesses(memory=memory),
            clock=self.clock,
            env=self.settings.environment,
            log_limit=self.settings.log_limit,
            echo=echo,
            on_step=self._faults(),
            rerun_from=rerun_from,
            secrets=self.secrets.of_run,
            gate=self.gate,
        )

    def run_alone(self, request: RunRequest, observer: TreeObserver, *, echo: Echo | None = None) -> AloneResult:
        """Run one run, and nothing that it triggers, in a workspace of its own; else as ``execute``."""
        from tako.execution.run_order import REPLAY
        from tako.fanout.alone import AloneExecutor
        from tako.fanout.journal import Journal

        workspace = self._begin(request, by=REPLAY)
        with self.owning(workspace), contextlib.closing(Journal(workspace.journal, self.clock)) as journal:
            runner = self._root_runner(echo, rerun_from=None)
            executor = AloneExecutor(runner=runner, journal=journal, clock=self.clock, observer=observer)
            with self._handed_to(executor), self._services_end(workspace, observer):
                return executor.run(request, workspace)

    def _faults(self) -> Callable[[str], object] | None:
        """What strikes at the start of the root's own steps, if faults were asked for."""
        if not self.settings.chaos:
            return None
        from tako.execution.chaos import decode, strike_at

        faults = decode(self.settings.chaos)
        return lambda step_id: strike_at(step_id, faults, root_pid=os.getpid(), write_frames=None, clock=self.clock)

    def _checkout(self, child: ChildRequest, directory: str, stops: Stops, waiting: Callable[[str], None]) -> object:
        from tako.repos.checkout import checkout
        from tako.steps.base import StoppableClock

        run, clock = child.run, StoppableClock(stops)
        return checkout(
            run.source,
            directory,
            commit=run.commit,
            git=Git(self.processes, stops=stops, hidden=self.secrets.hidden),
            lock_path=run.cache_lock,
            clock=clock,
            waiting=waiting,
            check=clock.check,
        )

    def _handed_to(self, executor: FanOutExecutor | AloneExecutor) -> contextlib.AbstractContextManager[None]:
        """Let the signals that end or stop a program do that to the whole tree."""

        def hear(number: int) -> None:
            if number == signal.SIGTSTP:
                executor.pause(self._stand_still)
            else:
                executor.interrupt(number)

        return self.signals.handed_to(hear)

    def _stand_still(self) -> None:
        """Stop the tree, then this process as if it had no handler; it is continued behind that line."""
        self.processes.freeze()
        try:
            handler = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTSTP)
            signal.signal(signal.SIGTSTP, handler)
        finally:
            self.processes.thaw()

    def end_left_behind(self, say: Callable[[str], object]) -> None:
        """End the processes of runs whose root was killed before it could."""
        from tako.execution.alive import sweep

        sweep(self.settings.home, clock=self.clock, say=say)


def load_config(path: str, *, data: bytes | None = None) -> RepoConfig:
    """Read a ``tako.yml``, or ``data`` in its place; its expressions are not compiled. Raises ``ConfigError``."""
    from tako.config import loader

    return loader.load(path) if data is None else loader.loads(data, path)


def load_config_thoroughly(path: str, *, data: bytes | None = None, kinds: Collection[str] | None = None) -> RepoConfig:
    """Read a ``tako.yml``, or ``data`` in its place, and look at all that is in it.

    ``kinds`` are the kinds of step there are, if that matters. Raises ``ConfigError``.
    """
    from tako.config import loader

    if data is None:
        return loader.load_thoroughly(path, kinds=kinds)
    return loader.loads_thoroughly(data, path, directory=os.path.dirname(path) or ".", kinds=kinds)


def bind_inputs(workflow: WorkflowSpec, given: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """Apply a workflow's input rules. Raises ``InputError``."""
    from tako.config import inputs

    return inputs.bind(workflow, given, where=where)
