"""Measures what keeping a run's state costs: a durable step, a tree of many children, and a look at one.

Nothing here passes or fails: the figures are for people to read, beside what they should be.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tako.clock import SystemClock
from tako.config.model import StepSpec, WorkflowSpec
from tako.execution.event import Event
from tako.execution.failure import STEP_FAILED, Failure
from tako.execution.request import Ancestor, RunRequest, write_request
from tako.execution.retry import StepAttempt
from tako.execution.runner import Runner
from tako.execution.service import ServiceEnd
from tako.execution.state import SUCCESS, ExecutionState, StepRecord, write_state
from tako.execution.workspace import Workspace, root_workspace
from tako.fanout.history import read_history
from tako.fanout.journal import Journal, read_journal
from tako.fanout.plan import Plan, PlannedRun
from tako.fanout.restore import restore
from tako.files import atomic_write, remove_tree
from tako.ids import child_run_id, event_id
from tako.process import Processes
from tako.steps.base import Capabilities, StepContext, StepResult

TAKO = str(Path(sys.executable).parent / "tako")
ROOT_ID = "exec-20261123-181803-00000000"
_Took = tuple[float, ...]
"""Seconds of wall time, then of CPU time."""

STEPS = 20
SIZES = (1000, 5000)
NOBODY = 2**22 + 1
"""A pid that no process can have."""


def bench_state(scratch: Path, rounds: int = 5) -> None:
    """Print all figures; ``scratch`` is an empty directory on the disk that is measured."""
    _bench_steps(scratch / "steps", rounds)
    _bench_trees(scratch / "trees", rounds)
    _bench_status(scratch / "home", rounds)


# What a durable step costs.


class _Nothing:
    """A step kind that does nothing, so that what is left is the runner and its state."""

    def run(self, context: StepContext) -> StepResult:
        del context
        return StepResult()


class _Nobody:
    """An observer that is not interested."""

    def step_started(self, spec: StepSpec) -> None:
        pass

    def step_retrying(self, spec: StepSpec, attempt: StepAttempt, delay: float) -> None:
        pass

    def step_ended(self, step: StepRecord) -> None:
        pass

    def service_ended(self, end: ServiceEnd) -> None:
        pass

    def event(self, event: Event) -> None:
        pass


def _bench_steps(directory: Path, rounds: int) -> None:
    directory.mkdir()
    steps, writes, ratios = [], [], []
    for number in range(rounds):
        workspace = Workspace(str(directory / str(number)))
        workspace.make()
        step = _timed(lambda workspace=workspace: _run_steps(workspace)) / STEPS  # type: ignore[misc]
        content = Path(workspace.state).read_bytes()
        target = str(directory / str(number) / "written")
        write = statistics.median(_timed(lambda: atomic_write(target, content)) for _ in range(STEPS))  # noqa: B023
        steps.append(step)
        writes.append(write)
        ratios.append(step / write)
    print(f"one atomic write of a state of {STEPS} steps  {statistics.median(writes) * 1000:6.2f} ms")
    print(f"one durable step, the runner included    {statistics.median(steps) * 1000:6.2f} ms")
    print(f"ratio {statistics.median(ratios):.2f} (median of {rounds}; at most 3)\n")


def _run_steps(workspace: Workspace) -> None:
    steps = tuple(StepSpec(id=f"step-{number}", run="true") for number in range(STEPS))
    runner = Runner(
        Capabilities(
            request=_request(ROOT_ID, WorkflowSpec("release", steps=steps)),
            workspace=workspace,
            repo_dir=workspace.path,
            processes=Processes(),
            clock=SystemClock(),
            base_env={},
        ),
        step_kind=lambda _spec: _Nothing(),
        observer=_Nobody(),
    )
    if runner.run(runner.begin()).status != SUCCESS:
        sys.exit("the steps did not succeed")


# What a tree costs, by its size.


def _bench_trees(directory: Path, rounds: int) -> None:
    names = ("write the journal", "restore the tree", "tell its history", "all of it")
    times: dict[int, list[list[_Took]]] = {count: [] for count in SIZES}
    for _ in range(rounds):
        for count in SIZES:
            workspace = Workspace(str(directory / "tree"))
            parts = [
                _took(lambda count=count, workspace=workspace: _write_tree(workspace, count)),  # type: ignore[misc]
                _took(lambda workspace=workspace, count=count: _restore(workspace, count)),  # type: ignore[misc]
                _took(lambda workspace=workspace: read_history(workspace)),  # type: ignore[misc]
            ]
            times[count].append([*parts, tuple(map(sum, zip(*parts, strict=True)))])
            remove_tree(workspace.path)
    few, many = (list(zip(*times[count], strict=True)) for count in SIZES)
    print(f"{'wall (CPU) time':18s} {SIZES[0]:>9,} children  {SIZES[1]:>9,} children   ratio")
    for name, small, large in zip(names, few, many, strict=True):
        ratios = f"{_ratio(small, large, 0):.2f} ({_ratio(small, large, 1):.2f})"
        print(f"{name:18s} {_shown(small)} {_shown(large)}   {ratios}")
    print(f"(medians of {rounds}; the ratio of all of it at most 5.3)\n")


def _shown(took: Sequence[_Took]) -> str:
    wall, cpu = (statistics.median(each) * 1000 for each in zip(*took, strict=True))
    return f"{wall:7.0f} ms ({cpu:5.0f})"


def _ratio(small: Sequence[_Took], large: Sequence[_Took], clock: int) -> float:
    return statistics.median(b[clock] / a[clock] for a, b in zip(small, large, strict=True))


def _write_tree(workspace: Workspace, count: int) -> None:
    """A tree of which most is done: one child has failed, and of every tenth only its own state tells its end."""
    os.makedirs(workspace.path)
    root = _request(ROOT_ID, WorkflowSpec("release", steps=(StepSpec(id="fan-out", uses="tako/fan-out@v1"),)))
    write_request(workspace.request, root)
    event = _event()
    verify = WorkflowSpec("verify", on="event", steps=(StepSpec(id="test", run="make test"),))
    ancestors = (Ancestor(root.repo, "release", None),)
    runs = []
    for number in range(count):
        repo = f"my-org/child-{number}"
        run_id = child_run_id(ROOT_ID, event.id, repo, "verify")
        runs.append(PlannedRun(_request(run_id, verify, repo=repo, event=event, ancestors=ancestors), "hears it"))
    journal = Journal(workspace.journal, SystemClock())
    journal.started(ROOT_ID, NOBODY)
    journal.waiting(ROOT_ID, event.id)
    journal.planned(Plan(event, tuple(runs)), ROOT_ID)
    for number, planned in enumerate(runs):
        _write_child(journal, workspace, planned.request, number)
    journal.close()


def _write_child(journal: Journal, workspace: Workspace, request: RunRequest, number: int) -> None:
    journal.started(request.run_id, NOBODY)
    outputs = {"passed": "12", "version": "1.2.0"}
    if number == 0:
        failure = Failure(STEP_FAILED, "exit code 1", step="test", exit_code=1, log=("FAIL test_login",))
        journal.ended(request.run_id, "failed", failure, 1.5, {})
    elif number % 10:
        journal.ended(request.run_id, "success", None, 1.5, {"test": outputs})
    else:
        child = workspace.child(request.run_id)
        os.makedirs(child.path)
        step = StepRecord("test", "success", 1.0, 1.5, outputs=outputs)
        state = ExecutionState(request.run_id, request.repo, "verify", "success", 1.0, 1.5, steps=(step,))
        write_state(child.state, state, durable=False)


def _restore(workspace: Workspace, count: int) -> None:
    request = _request(ROOT_ID, WorkflowSpec("release", steps=(StepSpec(id="fan-out", uses="tako/fan-out@v1"),)))
    restored = restore(request, workspace, read_journal(workspace.journal), failed_only=False)
    if (len(restored.runs), restored.to_run) != (count + 1, 1):
        sys.exit("the tree was not restored as it was")


# What a look at a large run costs.


def _bench_status(home: Path, rounds: int) -> None:
    _write_tree(root_workspace(str(home), ROOT_ID), SIZES[-1])
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        f"tako status of {SIZES[-1]:,} children": [TAKO, "status", ROOT_ID],
        f"tako status of {SIZES[-1]:,} children --json": [TAKO, "status", ROOT_ID, "--json"],
        "tako status of all runs": [TAKO, "status"],
    }
    env = {**os.environ, "TAKO_HOME": str(home)}
    print("wall (CPU) time")
    for name, argv in commands.items():
        took = [_took(lambda argv=argv: _run_command(argv, env)) for _ in range(rounds)]  # type: ignore[misc]
        print(f"{name:36s} {_shown(took)}")
    print(f"(medians of {rounds}; a status at most 500 ms)")


def _run_command(argv: list[str], env: dict[str, str]) -> None:
    subprocess.run(argv, env=env, check=True, stdout=subprocess.DEVNULL)


def _event() -> Event:
    return Event(
        id=event_id(ROOT_ID, "fan-out"),
        type="library_built",
        source="my-org/go-lib",
        artifact="go-lib",
        schema_version="1.2.0",
        payload={"version": "1.2.0"},
        timestamp="2026-11-23T18:18:03.123Z",
        run_id=ROOT_ID,
        step_id="fan-out",
    )


def _request(
    run_id: str,
    workflow: WorkflowSpec,
    *,
    repo: str = "my-org/go-lib",
    event: Event | None = None,
    ancestors: tuple[Ancestor, ...] = (),
) -> RunRequest:
    return RunRequest(
        run_id=run_id,
        root_id=ROOT_ID,
        parent_id=ROOT_ID if event else None,
        repo=repo,
        ref="main",
        source=f"/home/me/.tako/cache/repos/{repo}/main",
        commit="beef" * 10,
        private=event is not None,
        cache_lock=f"/home/me/.tako/cache/locks/{repo}/main.lock",
        workflow=workflow,
        inputs={"version": "1.2.0"},
        config_path="tako.yml",
        event=event,
        ancestors=ancestors,
    )


def _took(run: Callable[[], object]) -> _Took:
    """Wall time, and the CPU time of this process and of those it waited for: what others at work do not add to."""
    before, took = os.times(), _timed(run)
    return took, sum(os.times()[:4]) - sum(before[:4])


def _timed(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began
