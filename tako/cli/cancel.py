"""``tako cancel``."""

from __future__ import annotations

import json
import os
import signal

import click

from tako.cli.find import find_child, find_run
from tako.cli.runs import INTERRUPTED, NEVER_BEGUN, UNREADABLE, outcome_word
from tako.cli.target import make_wiring
from tako.errors import MachineError, StateError, UsageError
from tako.execution.alive import alive_runs
from tako.execution.inbox import ask_to_cancel
from tako.fanout.history import read_history
from tako.identity import is_stopped, send
from tako.locks import is_held
from tako.stdio import say, say_line, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from click.shell_completion import CompletionItem

    from tako.clock import Clock
    from tako.execution.alive import AliveRun
    from tako.execution.workspace import Workspace
    from tako.fanout.result import ChildOutcome

EPILOG = """\b
Examples:
  tako cancel exec-20261123-181803-0a1b2c3d
  tako cancel exec-20261123-181803-0a1b2c3d --force
  tako cancel @latest --child my-org/app
  tako cancel exec-20261123-181803-0a1b2c3d --no-wait
"""

POLL_SECONDS = 0.05
TELL_AFTER_SECONDS = 1.0
PATIENCE_SECONDS = 60.0


def complete_alive(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The ids of the root runs that are alive, the latest first."""
    home = make_wiring(cache_dir=None).settings.home
    return _items((run.run_id for run in reversed(alive_runs(home))), incomplete)


def complete_children(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The ids and repositories of the runs that the chosen root has triggered and that have not ended."""
    home = make_wiring(cache_dir=None).settings.home
    # As long as the option has no value, click has not told arguments from what is left over.
    run_id = next((word for word in (ctx.params.get("run_id"), *ctx.args) if word), "")
    try:
        _, *children = read_history(find_run(home, run_id)).outcomes
    except (StateError, UsageError):
        return []
    names = [name for child in children if child.ended_at is None for name in (child.run_id, child.repo)]
    return _items(dict.fromkeys(names), incomplete)


@click.command(epilog=EPILOG)
@click.argument("run_id", shell_complete=complete_alive)
@click.option(
    "--child",
    metavar="CHILD",
    shell_complete=complete_children,
    help="Cancel only this one of the runs it triggered: its id or its repository.",
)
@click.option("--force", is_flag=True, help="Kill its steps at once.")
@click.option("--no-wait", is_flag=True, help="Return at once instead of waiting for its end.")
@click.option("--json", "as_json", is_flag=True, help="Print the ids and the status as JSON.")
def cancel(run_id: str, *, child: str | None, force: bool, no_wait: bool, as_json: bool) -> int:
    """Stop the run RUN_ID, which is alive on this machine, or one of the runs that it triggered.

    The run is asked to stop as by Ctrl-C: its steps get time to end, what it did is kept, and it tells how to resume.
    """
    if child is not None and force:
        raise UsageError("--child and --force exclude each other", cure="leave out --force: a child has no say in it")
    wiring = make_wiring(cache_dir=None)
    wiring.end_left_behind(say_line)
    run, workspace = _find(wiring.settings.home, run_id)
    child_id = None
    if child is None:
        _cancel_run(run, workspace, wiring.clock, force=force, wait=not no_wait)
    else:
        child_id = _cancel_child(run.run_id, child, workspace, wiring.clock, wait=not no_wait)
    if as_json:
        data = {"run_id": run.run_id, "child_id": child_id, "status": _status(workspace, child_id)}
        show(json.dumps(data, indent=2) + "\n")
    return 0


def wait_for(condition: Callable[[], bool], what: str, *, clock: Clock) -> bool:
    """Wait until a condition holds, and say so after a second; False if it does not within a minute."""
    began = clock.monotonic()
    told = False
    while not condition():
        waited = clock.monotonic() - began
        if waited >= PATIENCE_SECONDS:
            return False
        if waited >= TELL_AFTER_SECONDS and not told:
            say(f"waiting for {what} to end\n")
            told = True
        clock.sleep(POLL_SECONDS)
    return True


def _find(home: str, text: str) -> tuple[AliveRun, Workspace]:
    """The run that a text names, if it is alive. Raises ``UsageError``."""
    runs = {run.run_id: run for run in alive_runs(home, say=lambda line: say(f"{line}\n"))}
    workspace = find_run(home, text, for_child="`tako cancel {root} --child {child}`", also=runs)
    run_id = os.path.basename(workspace.path)
    if run_id in runs:
        return runs[run_id], workspace
    if is_held(workspace.run_lock):
        raise MachineError(
            f"{run_id} is alive, but which process runs it is not known", where=workspace.run_lock,
            cure="press Ctrl-C where it runs",
        )  # fmt: skip
    word = outcome_word(read_history(workspace), workspace)
    raise UsageError(f"{run_id} is not alive: it ended as {word}", cure="`tako ps` lists the runs that are alive")


def _cancel_run(run: AliveRun, workspace: Workspace, clock: Clock, *, force: bool, wait: bool) -> None:
    _ask_to_stop(run)
    if force:
        # Of two signals sent at once, the kernel and Python both make one.
        clock.sleep(POLL_SECONDS)
        _ask_to_stop(run)
    say(f"{run.run_id} was asked to stop\n")
    if not wait:
        return

    def has_ended() -> bool:
        # It may have been about to stop, by Ctrl-Z, when it was asked.
        _let_go_on(run)
        return not is_held(workspace.run_lock)

    if not wait_for(has_ended, run.run_id, clock=clock):
        pid = run.root.pid if run.root else 0
        last_resort = f"`kill -KILL {pid}` ends it; the next `tako exec` ends what it leaves"
        raise MachineError(
            f"{run.run_id} has not ended within {PATIENCE_SECONDS:.0f} seconds",
            cure=last_resort if force else f"`tako cancel {run.run_id} --force` does not let its steps end first",
        )
    say(f"{run.run_id} has ended\n")


def _ask_to_stop(run: AliveRun) -> None:
    """SIGTERM to the root, which may have ended by now. Raises ``MachineError``."""
    if run.root is None:
        raise MachineError(f"which process runs {run.run_id} is not known", cure="press Ctrl-C where it runs")
    try:
        send(run.root, signal.SIGTERM)
        _let_go_on(run)
    except PermissionError as error:
        raise MachineError(
            f"process {run.root.pid}, which runs {run.run_id}, is another user's", cure="cancel it as that user"
        ) from error


def _let_go_on(run: AliveRun) -> None:
    """Let the root go on if it is stopped: only then it hears that it is to end."""
    if run.root is not None and is_stopped(run.root):
        send(run.root, signal.SIGCONT)


def _cancel_child(run_id: str, wanted: str, workspace: Workspace, clock: Clock, *, wait: bool) -> str:
    """Cancel one child; returns its id. Raises ``UsageError`` if the run has none that the text names."""
    if wanted == run_id:
        raise UsageError(f"{run_id} is the run itself", cure=f"`tako cancel {run_id}` stops the whole run")
    child = find_child(run_id, read_history(workspace).outcomes[1:], wanted)
    child_id = child.run_id
    if child.ended_at is not None:
        say(f"{child_id} has ended already: {child.status}\n")
        return child_id
    ask_to_cancel(workspace, child_id, by=f"tako cancel, process {os.getpid()}")
    say(f"{child_id} was asked to stop\n")
    if not wait:
        return child_id
    seen = _Watched(workspace, child_id)
    if not wait_for(lambda: seen.ended() or not is_held(workspace.run_lock), child_id, clock=clock):
        raise MachineError(
            f"{child_id} has not ended within {PATIENCE_SECONDS:.0f} seconds",
            cure=f"`tako cancel {run_id} --force` ends the whole run",
        )
    ended = _child(workspace, child_id)
    if ended is not None and ended.ended_at is not None:
        say(f"{child_id} has ended: {ended.status}\n")
    else:
        say(f"{run_id} has ended, and {child_id} with it\n")
    return child_id


def _status(workspace: Workspace, child_id: str | None) -> str:
    """Return how far a run, or one that it triggered, has come, as ``tako status`` says it."""
    if not workspace.has_begun:
        return NEVER_BEGUN
    try:
        history = read_history(workspace)
    except StateError:
        return UNREADABLE
    status = outcome_word(history, workspace)
    child = next((run for run in history.outcomes if run.run_id == child_id), None)
    if child is None:
        return status
    return INTERRUPTED if child.ended_at is None and status == INTERRUPTED else child.status


class _Watched:
    """One child, looked at again only when its root's journal has grown: that of 5,000 runs has many megabytes."""

    def __init__(self, workspace: Workspace, child_id: str) -> None:
        self._workspace = workspace
        self._child_id = child_id
        self._size = -1

    def ended(self) -> bool:
        size = os.stat(self._workspace.journal).st_size
        if size == self._size:
            return False
        self._size = size
        child = _child(self._workspace, self._child_id)
        return child is not None and child.ended_at is not None


def _child(workspace: Workspace, child_id: str) -> ChildOutcome | None:
    """Raises ``StateError`` if the root's files are damaged."""
    return next((child for child in read_history(workspace).outcomes[1:] if child.run_id == child_id), None)


def _items(run_ids: Iterable[str], incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(run_id) for run_id in run_ids if run_id.startswith(incomplete)]
