"""The composition root: builds the real objects out of the settings. Nothing else does, but for the child's own.

Whatever only some commands need is imported where it is built.
"""

from __future__ import annotations

import contextlib
import os
import signal

from tako.clock import SystemClock
from tako.execution.workspace import root_workspace
from tako.process import Processes
from tako.records import record
from tako.repos.git import Git
from tako.signals import StopSignal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from tako.children.base import ChildRequest
    from tako.config.model import RepoConfig, WorkflowSpec
    from tako.execution.request import RunRequest
    from tako.fanout.discovery import DiscoveryManager
    from tako.fanout.executor import FanOutExecutor, TreeObserver
    from tako.fanout.orchestrator import Orchestrator
    from tako.fanout.result import TreeResult
    from tako.repos.cache import RepoCache

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@record
class Settings:
    """What the command line and the environment ask for."""

    home: str
    cache_dir: str
    cap: int
    """How many children are at work at once, at most."""
    strict: bool = False
    """Whether a repository that cannot be read refuses a fan-out."""


def settings_from(
    environment: Mapping[str, str], *, cache_dir: str | None = None, cap: int | None = None, strict: bool = False
) -> Settings:
    """The settings: flags win, then ``TAKO_HOME``, then ``~/.tako`` and as many children as there are cores."""
    home = os.path.abspath(environment.get("TAKO_HOME") or os.path.expanduser("~/.tako"))
    return Settings(
        home=home,
        cache_dir=os.path.abspath(cache_dir) if cache_dir else os.path.join(home, "cache"),
        cap=cap or available_cores(),
        strict=strict,
    )


def available_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Wiring:
    """The objects of one command."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = SystemClock()
        self.processes = Processes(self.clock)
        self.git = Git(self.processes)

    def cache(self) -> RepoCache:
        """The shared checkouts."""
        from tako.repos.cache import RepoCache

        return RepoCache(self.settings.cache_dir)

    def discovery(self) -> DiscoveryManager:
        """Who subscribed to what."""
        from tako.fanout.discovery import DiscoveryManager
        from tako.repos.index import RepoIndex

        return DiscoveryManager(RepoIndex(self.cache(), load=load_config, git=self.git))

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

    def execute(
        self, request: RunRequest, observer: TreeObserver, *, echo: Callable[[str, bytes], object] | None = None
    ) -> TreeResult:
        """Run a root and all it triggers, in a workspace of its own.

        SIGINT, SIGTERM and SIGHUP stop the tree while this runs. Raises ``MachineError`` or ``StateError`` if Tako
        itself cannot go on.
        """
        from tako.children.executor import ChildWorkflowExecutor
        from tako.children.factory import ChildRunnerFactory
        from tako.children.in_process import InProcessRunner
        from tako.children.launchers.local import LocalLauncher
        from tako.execution.request import write_request
        from tako.fanout.executor import FanOutExecutor
        from tako.fanout.journal import Journal
        from tako.guard import GuardedProcesses
        from tako.locks import exclusive
        from tako.steps.base import base_environment
        from tako.steps.registry import step_kind

        workspace = root_workspace(self.settings.home, request.run_id)
        workspace.make()
        write_request(workspace.request, request)
        env = base_environment(os.environ)
        stop = StopSignal()
        with exclusive(workspace.run_lock, clock=self.clock, timeout=0.0):
            journal = Journal(workspace.journal, self.clock)
            executor = FanOutExecutor(
                orchestrator=self.orchestrator(),
                root_runner=InProcessRunner(
                    step_kind=step_kind,
                    checkout=lambda child, directory: self._checkout(child, directory, stop.fd),
                    processes=GuardedProcesses(self.clock),
                    clock=self.clock,
                    env=env,
                    echo=echo,
                    stop=stop,
                ),
                child_runner=ChildWorkflowExecutor(
                    launcher=LocalLauncher(self.processes, env=env),
                    factory=ChildRunnerFactory(),
                    clock=self.clock,
                ),
                cap=self.settings.cap,
                journal=journal,
                clock=self.clock,
                observer=observer,
            )
            try:
                with _interrupts(executor):
                    return executor.run(request, workspace)
            finally:
                journal.close()

    def _checkout(self, child: ChildRequest, directory: str, stop_fd: int) -> object:
        from tako.repos.checkout import checkout
        from tako.steps.base import StoppableClock

        run = child.run
        return checkout(
            run.source,
            directory,
            commit=run.commit,
            git=Git(self.processes, stop_fds=(stop_fd,)),
            lock_path=run.cache_lock,
            clock=StoppableClock((stop_fd,)),
        )


@contextlib.contextmanager
def _interrupts(executor: FanOutExecutor) -> Iterator[None]:
    """Let the signals that end a program stop the tree instead."""
    previous = {number: signal.signal(number, lambda got, _: executor.interrupt(got)) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def load_config(path: str) -> RepoConfig:
    """Read a ``tako.yml``; its expressions are not compiled. Raises ``ConfigError``."""
    from tako.config import loader

    return loader.load(path)


def bind_inputs(workflow: WorkflowSpec, given: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """Apply a workflow's input rules. Raises ``InputError``."""
    from tako.config import inputs

    return inputs.bind(workflow, given, where=where)
