"""``tako exec --resume``: what there is to go on with, and whether it is still what it was."""

from __future__ import annotations

import os

from tako.cli.paths import CONFIG_FILE
from tako.cli.target import load_committed
from tako.errors import ConfigError, DriftError, RunAliveError, UsageError
from tako.execution.going_on import before, standing
from tako.execution.request import read_request
from tako.execution.state import recorded_state
from tako.fanout.drift import Difference, differences
from tako.fanout.journal import read_journal
from tako.fanout.redelivery import is_redelivery
from tako.fanout.restore import Restored, RestoredRun, restore
from tako.fanout.superseded import supersede
from tako.locks import holder
from tako.records import record, replace
from tako.wiring import load_config_thoroughly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.config.model import RepoConfig
    from tako.execution.request import RunRequest
    from tako.execution.workspace import Workspace
    from tako.repos.cache import RepoCache
    from tako.wiring import Wiring


@record
class Wanted:
    """What the command line asks of a resumption."""

    failed_only: bool = False
    accept_drift: bool = False
    rerun_from: str | None = None


@record
class _Found:
    """What a repository says now."""

    config: RepoConfig
    commit: str | None


def find_restored(wiring: Wiring, workspace: Workspace, wanted: Wanted) -> Restored | None:
    """The tree to go on with; None if it has succeeded, and nothing is to be done. For who owns the workspace.

    Raises ``UsageError`` if the run has no such step, ``DriftError`` if what it depends on has changed and that is not
    accepted, ``ConfigError`` if a ``tako.yml`` cannot be read any more, ``StateError`` if its request or its journal
    cannot be read.
    """
    request = read_request(workspace.request)
    entries = read_journal(workspace.journal)
    last = entries[-1] if entries else None
    if last is not None and last.type == "finished" and last.data["ok"] and wanted.rerun_from is None:
        return None
    restored = _relocated(wiring, restore(request, workspace, entries, failed_only=wanted.failed_only))
    if wanted.rerun_from is not None:
        root = replace(restored.root, result=None, waits_for=())
        restored = replace(restored, runs=(root, *restored.runs[1:]))
    return _checked(wiring, restored, wanted)


def still_alive(workspace: Workspace) -> RunAliveError:
    """The refusal to go on with a run that somebody is at work on."""
    run_id = os.path.basename(workspace.path)
    return RunAliveError(
        f"{run_id} is still alive: it is held by {holder(workspace.run_lock)}",
        cure=f"wait until it has ended, or end it with `tako cancel {run_id}`",
    )


def _relocated(wiring: Wiring, restored: Restored) -> Restored:
    """The tree with the sources of its runs where they are now, if the cache was moved with the Tako home."""
    cache = wiring.cache()
    return replace(restored, runs=tuple(_found_in(cache, run) for run in restored.runs))


def _found_in(cache: RepoCache, run: RestoredRun) -> RestoredRun:
    request = run.request
    if run.result is not None or not request.private or os.path.isdir(request.source):
        return run
    source = cache.moved(request.source)
    if source is None:
        return run
    lock = request.cache_lock and cache.moved(request.cache_lock)
    config_path = os.path.join(source, os.path.basename(request.config_path))
    return replace(run, request=replace(request, source=source, cache_lock=lock, config_path=config_path))


def _require_step(request: RunRequest, step_id: str) -> None:
    """Raise ``UsageError`` if a workflow has no such step."""
    ids = request.workflow.step_ids
    if step_id not in ids:
        raise UsageError(f"{request.label} has no step {step_id!r}", cure=f"its steps are {', '.join(ids)}")


def _checked(wiring: Wiring, restored: Restored, wanted: Wanted) -> Restored:
    """The tree, with what has changed taken in if that is accepted."""
    looked_at: dict[str, _Found | None] = {}
    found: list[Difference] = []

    def checked(run: RestoredRun) -> RestoredRun:
        changed = _changes(wiring, run, looked_at) if run.result is None else ()
        found.extend(changed)
        return _renewed(run, looked_at[run.request.source]) if changed and wanted.accept_drift else run

    root = checked(restored.root)
    if wanted.rerun_from is not None:
        _require_step(root.request, wanted.rerun_from)
    if root.result is None:
        # Steps that run again trigger others; those that were removed had triggered some, too.
        kept = _kept_steps(root, wanted.rerun_from)
        emitted = [plan.event.step_id for plan in restored.plans if plan.event.run_id == root.request.run_id]
        if root.waits_at not in kept:
            root = replace(root, waits_for=())
        restored = replace(restored, runs=(root, *restored.runs[1:]))
        restored = supersede(restored, [step_id for step_id in emitted if step_id not in kept])
    restored = replace(restored, runs=(restored.root, *map(checked, restored.runs[1:])))
    if found and not wanted.accept_drift:
        run_id = restored.root.request.run_id
        accept = f"use the current versions with `tako exec --resume {run_id} --accept-drift`, or "
        is_gone = any(each is None for each in looked_at.values())
        raise DriftError(
            f"what {run_id} depends on has changed since it was planned",
            why="\n       ".join(str(difference) for difference in found),
            cure=f"{'' if is_gone else accept}bring back what was there{', or start a new run' if is_gone else ''}",
        )
    return restored


def _kept_steps(root: RestoredRun, rerun_from: str | None) -> tuple[str, ...]:
    """The ids of the recorded steps of a root that do not run again; one that failed, or waits, continues."""
    recorded = None if root.fresh and rerun_from is None else recorded_state(root.workspace.state)
    if recorded is None:
        return ()
    if rerun_from is not None:
        recorded = before(recorded, rerun_from)
    return tuple(step.id for step in standing(recorded, root.request.workflow.step_ids).steps)


def _changes(wiring: Wiring, run: RestoredRun, looked_at: dict[str, _Found | None]) -> tuple[Difference, ...]:
    request = run.request
    if is_redelivery(request):
        return ()
    source = request.source
    if source not in looked_at:
        looked_at[source] = _look(wiring, source, private=request.private)
    found = looked_at[source]
    if found is None:
        return (Difference(request.label, "repository", f"at {source}", "not there any more"),)
    workflow = found.config.workflow(request.workflow.name)
    return differences(request, workflow=workflow, commit=found.commit, events=found.config.events)


def _look(wiring: Wiring, source: str, *, private: bool) -> _Found | None:
    """What a repository says and where it is now; None if it is not in its place.

    Raises ``ConfigError``, ``CheckoutError`` or ``MachineError`` if it cannot be read.
    """
    if not os.path.isdir(source):
        return None
    if private:
        config, _ = load_committed(wiring, source, load_config_thoroughly)
    else:
        config = load_config_thoroughly(os.path.join(source, CONFIG_FILE))
    return _Found(config, wiring.git.head_commit(source))


def _renewed(run: RestoredRun, now: _Found | None) -> RestoredRun:
    """A run with what is there now; a private checkout is made anew, so its steps are run again from the first."""
    request = run.request
    workflow = now.config.workflow(request.workflow.name) if now is not None else None
    if now is None or workflow is None:
        raise ConfigError(
            f"{request.label} cannot be run again: its {'repository' if now is None else 'workflow'} is gone",
            where=request.source,
            cure="bring it back, or start a new run",
        )
    renewed = replace(
        request,
        workflow=workflow,
        commit=now.commit,
        artifacts=now.config.artifacts,
        events=now.config.events,
        dependents=now.config.dependents,
    )
    waits_for = () if request.private else run.waits_for
    return replace(run, request=renewed, renewed=True, fresh=request.private, waits_for=waits_for)
