"""Root runs, as command lines name them."""

from __future__ import annotations

import os

from tako.cli.target import make_wiring
from tako.errors import UnknownRunError, UsageError
from tako.execution.state import RUNNING, SUSPENDED
from tako.execution.workspace import root_workspace, workspaces_dir
from tako.ids import is_run_id
from tako.locks import is_held

TYPE_CHECKING = False
if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem

    from tako.execution.workspace import Workspace
    from tako.fanout.history import History

LATEST = "@latest"


def root_runs(home: str) -> list[str]:
    """The ids of all root runs, the latest first."""
    try:
        names = os.listdir(workspaces_dir(home))
    except FileNotFoundError:
        return []
    return sorted((name for name in names if is_run_id(name)), reverse=True)


NEVER_BEGUN = "never begun"
"""Of a run whose root was killed before it had written down what it was asked."""

UNREADABLE = "unreadable"
"""Of a run whose files are damaged."""

INTERRUPTED = "interrupted"


def outcome_word(history: History, workspace: Workspace) -> str:
    """``success``, ``failed``, ``running``, or ``interrupted``: by a signal, or since nobody is left to end it.

    A child that was run alone may also be ``suspended``: nobody runs what its fan-out would trigger.
    """
    if history.interrupted:
        return INTERRUPTED
    if history.finished:
        return "success" if history.ok else "failed"
    if history.outcomes[0].status == SUSPENDED:
        return SUSPENDED
    return RUNNING if is_held(workspace.run_lock) else INTERRUPTED


def find_begun(home: str, run_id: str) -> Workspace:
    """As ``find_run``, of a run of which something is known; raises ``UsageError`` also if nothing is."""
    workspace = find_run(home, run_id)
    if not workspace.has_begun:
        raise UsageError(
            f"{os.path.basename(workspace.path)} has never begun",
            where=workspace.path,
            why="Tako was killed before it had written down what was asked",
            cure="start a new run; `tako workspace clean` removes what is there",
        )
    return workspace


def find_run(home: str, run_id: str) -> Workspace:
    """The workspace of a root run, with ``@latest`` that of the last one. Raises ``UsageError`` if there is none."""
    if run_id == LATEST:
        latest = root_runs(home)
        if not latest:
            raise UnknownRunError("there are no runs yet", where=workspaces_dir(home))
        run_id = latest[0]
    workspace = root_workspace(home, run_id)
    if not os.path.isdir(workspace.path):
        raise UnknownRunError(
            f"there is no run {run_id}", where=workspaces_dir(home), cure="`tako status` lists the runs there are"
        )
    return workspace


def complete_runs(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The ids of the root runs on this machine, the latest first."""
    from click.shell_completion import CompletionItem

    home = make_wiring().settings.home
    return [CompletionItem(run_id) for run_id in root_runs(home) if run_id.startswith(incomplete)]
