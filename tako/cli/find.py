"""Finds the run that a command line names: ``@latest``, an id, the beginning of one, a child's repository."""

from __future__ import annotations

import os

from tako.cli.runs import root_runs
from tako.errors import StateError, UnknownRunError, UsageError
from tako.execution.failure import SUPERSEDED
from tako.execution.run_order import EXEC, newest_of
from tako.execution.workspace import root_workspace, workspaces_dir
from tako.fanout.history import read_history
from tako.ids import is_run_id_prefix, stamp_of
from tako.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tako.execution.workspace import Workspace
    from tako.fanout.result import ChildOutcome

LATEST = "@latest"

MOST_LISTED = 10
"""How many runs a refusal names that could be meant."""


class ChildGivenError(UnknownRunError):
    """The id of a child was given where that of a root run was asked for."""

    def __init__(self, root_id: str, child: ChildOutcome, *, cure: str) -> None:
        super().__init__(f"{child.run_id} is a child of run {root_id}", why=f"it runs {_label(child)}", cure=cure)
        self.root_id = root_id
        self.child = child


@record
class Named:
    """A root run that a command line names, and perhaps a child of it."""

    root: Workspace
    child: ChildOutcome | None = None
    """The child whose id was given in place of the root's."""


def find_begun(home: str, text: str, *, for_child: str = "") -> Workspace:
    """As ``find_run``, of a run of which something is known; raises ``UsageError`` also if nothing is."""
    return require_begun(find_run(home, text, for_child=for_child))


def require_begun(workspace: Workspace) -> Workspace:
    """The workspace of a root. Raises ``UsageError`` if nothing is known of the run."""
    if not workspace.has_begun:
        raise UsageError(
            f"{os.path.basename(workspace.path)} has never begun",
            where=workspace.path,
            why="Tako was killed before it had written down what was asked",
            cure="start a new run; `tako workspace clean` removes what is there",
        )
    return workspace


def find_run(home: str, text: str, *, for_child: str = "", also: Iterable[str] = ()) -> Workspace:
    """Return the workspace of the root run that a text names: ``@latest``, an id, or the unique beginning of one.

    ``@latest`` is the run that ``tako exec`` started last. ``also`` are ids of root runs that may have no workspace.
    Raises ``UsageError`` if there is no such run or more than one, ``ChildGivenError`` if the text is the id of a
    child; the fix is then ``for_child``, formatted with ``root`` and ``child``.
    """
    run_ids = list(dict.fromkeys((*root_runs(home), *also)))
    if text == LATEST:
        return root_workspace(home, _latest(home, run_ids))
    if not is_run_id_prefix(text):
        return root_workspace(home, text)
    found = _beginning_with(text, run_ids)
    if len(found) == 1:
        return root_workspace(home, found[0])
    if found:
        raise ambiguous(f"{text} is the beginning of several run ids", found)
    _refuse_child(home, text, run_ids, for_child)
    raise UnknownRunError(
        f"there is no run {text}", where=workspaces_dir(home), cure="`tako status` lists the runs there are"
    )


def find_named(home: str, text: str, *, also: Iterable[str] = ()) -> Named:
    """As ``find_run``, and the id of a child names its root with it. Raises ``UsageError``."""
    try:
        return Named(find_run(home, text, also=also))
    except ChildGivenError as error:
        return Named(root_workspace(home, error.root_id), error.child)


def find_child(root_id: str, children: Sequence[ChildOutcome], text: str) -> ChildOutcome:
    """Return the child of a root that a text names: an id, the unique beginning of one, or a repository.

    A repository is ``owner/name``, ``name`` or ``owner/name:workflow``; runs that others have replaced do not count if
    one is left that was not. Raises ``UsageError`` if there is no such child or more than one.
    """
    by_id = {child.run_id: child for child in children}
    found = [by_id[run_id] for run_id in _beginning_with(text, by_id)] if is_run_id_prefix(text) else []
    found = found or _of_repository(text, children)
    if len(found) == 1:
        return found[0]
    if found:
        raise ambiguous(
            f"{text} could be several runs that {root_id} triggered",
            [f"{child.run_id} {_label(child)} {child.status}" for child in found],
        )
    raise UsageError(f"{root_id} has not triggered {text}", cure=f"`tako status {root_id} --json` lists those it has")


def _latest(home: str, run_ids: Sequence[str]) -> str:
    if not run_ids:
        raise UnknownRunError("there are no runs yet", where=workspaces_dir(home))
    latest = newest_of(home, run_ids, EXEC)
    if latest is None:
        raise UnknownRunError(
            "`tako exec` has not started any of the runs there are",
            where=workspaces_dir(home),
            why="@latest is neither a replay nor a redelivery",
            cure="name a run by its id; `tako status` lists them",
        )
    return latest


def _beginning_with(text: str, run_ids: Iterable[str]) -> list[str]:
    """The ids that begin with a text, or the one that is the text."""
    found = [run_id for run_id in run_ids if run_id.startswith(text)]
    return [text] if text in found else found


def ambiguous(what: str, found: Sequence[str]) -> UsageError:
    """The refusal of a text that could mean each of ``found``."""
    more = [f"and {len(found) - MOST_LISTED} more"] if len(found) > MOST_LISTED else []
    return UsageError(
        what, why="\n       ".join((*found[:MOST_LISTED], *more)), cure="give more of the id, or all of it"
    )


def _refuse_child(home: str, text: str, run_ids: Iterable[str], for_child: str) -> None:
    """Raise ``UsageError`` if a text is the id of a child, or the beginning of the ids of some."""
    if len(text) <= len("exec-YYYYMMDD-HHMMSS-"):
        return
    found = [
        (run_id, child)
        # The id of a child has the stamp of its root's.
        for run_id in run_ids
        if stamp_of(run_id) == stamp_of(text)
        for child in _children(root_workspace(home, run_id))
        if child.run_id.startswith(text)
    ]
    if len(found) > 1:
        raise ambiguous(
            f"{text} is the beginning of several run ids",
            [f"{child.run_id} (a child of {run_id}: {_label(child)})" for run_id, child in found],
        )
    for run_id, child in found:
        cure = (for_child or "name its root: {root}").format(root=run_id, child=child.run_id)
        raise ChildGivenError(run_id, child, cure=cure)


def _children(workspace: Workspace) -> tuple[ChildOutcome, ...]:
    try:
        return read_history(workspace).outcomes[1:]
    except StateError:
        return ()


def _of_repository(text: str, children: Sequence[ChildOutcome]) -> list[ChildOutcome]:
    """The children that a repository's name means, by the strictest reading that means any."""
    readings = (
        lambda child: text in (child.repo, _label(child)),
        lambda child: text.casefold() in (child.repo.casefold(), _label(child).casefold()),
        lambda child: text.casefold() == child.repo.rpartition("/")[2].casefold(),
    )
    found = next((some for some in ([*filter(reading, children)] for reading in readings) if some), [])
    return [child for child in found if not _is_superseded(child)] or found


def _is_superseded(child: ChildOutcome) -> bool:
    return child.failure is not None and child.failure.kind == SUPERSEDED


def _label(child: ChildOutcome) -> str:
    return f"{child.repo}:{child.workflow}"
