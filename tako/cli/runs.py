"""Root runs: the words for their outcomes, and their order."""

from __future__ import annotations

from tako.cli.target import make_wiring
from tako.execution.state import RUNNING, SUSPENDED
from tako.locks import is_held

TYPE_CHECKING = False
if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem

    from tako.execution.workspace import Workspace
    from tako.fanout.history import History


def root_runs(home: str) -> list[str]:
    """The ids of all root runs, the one that was started last first."""
    from tako.execution.run_order import newest_first

    return newest_first(home)


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


def complete_runs(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The ids of the root runs on this machine, the latest first."""
    from click.shell_completion import CompletionItem

    home = make_wiring().settings.home
    return [CompletionItem(run_id) for run_id in root_runs(home) if run_id.startswith(incomplete)]
