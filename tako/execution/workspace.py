"""The directory of one run, and the names in it.

::

    request.json          what was asked
    started.json          of a root: what started it, and its place among all runs
    state.json            how far it came; written by the run itself only
    journal.jsonl         a root's record of its whole tree
    answers/<step>.json   how a fan-out ended, written by the root for a suspended run
    logs/<step>.log       what a step printed; logs/child.stderr what the child process itself said
    logs/<step>.attempt-<n>.log   what a try at it printed that was followed by another
    attempt-<n>/          the logs of tries that crashed, when the run was tried again
    lay_there/            what lay in the repository before the first step, and before the first attempt at each
    services/<step>.json  how a step ended that was left running
    artifacts/<owner>/<repo>/<name>/
    tmp/                  files that a step writes its outputs to, and inputs.json, which it reads its inputs from
    locks/run.lock        held while the run is at work
    repo/                 the private checkout; repo.removing/ what is left of one whose removal was interrupted
    children/<run id>/    the same shape again
"""

from __future__ import annotations

import contextlib
import os

from tako.content import no_check
from tako.errors import MachineError, UsageError
from tako.files import machine_errors, make_dirs, remove_temporaries, remove_tree
from tako.ids import is_run_id
from tako.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.content import Check


@record
class Workspace:
    """The paths of one run's directory."""

    path: str

    @property
    def request(self) -> str:
        return os.path.join(self.path, "request.json")

    @property
    def started(self) -> str:
        """Where a root records how it was started."""
        return os.path.join(self.path, "started.json")

    @property
    def state(self) -> str:
        return os.path.join(self.path, "state.json")

    @property
    def journal(self) -> str:
        return os.path.join(self.path, "journal.jsonl")

    @property
    def lay_there(self) -> str:
        """What lay in the repository, of what its artifacts are made of."""
        return os.path.join(self.path, "lay_there", "artifacts.json")

    def output_files(self, step_id: str) -> str:
        """What lay there of the files that a step's outputs are promised from."""
        return os.path.join(self.path, "lay_there", "outputs", f"{step_id}.json")

    @property
    def repo(self) -> str:
        return os.path.join(self.path, "repo")

    @property
    def artifacts(self) -> str:
        return os.path.join(self.path, "artifacts")

    @property
    def temporary(self) -> str:
        return os.path.join(self.path, "tmp")

    @property
    def inputs(self) -> str:
        """The run's inputs as JSON, for its steps; no file of a step has this name."""
        return os.path.join(self.temporary, "inputs.json")

    @property
    def run_lock(self) -> str:
        return os.path.join(self.path, "locks", "run.lock")

    @property
    def child_log(self) -> str:
        """What the child process itself says; no step can have this name."""
        return os.path.join(self.path, "logs", "child.stderr")

    @property
    def logs(self) -> str:
        return os.path.join(self.path, "logs")

    def attempt(self, number: int) -> str:
        """Where the logs of a try are that crashed and was followed by another."""
        return os.path.join(self.path, f"attempt-{number}")

    def log(self, step_id: str) -> str:
        """The log file of a step."""
        return os.path.join(self.path, "logs", f"{step_id}.log")

    def attempt_log(self, step_id: str, number: int) -> str:
        """The log file of a try at a step that failed and was followed by another; no step has a dot in its id."""
        return os.path.join(self.path, "logs", f"{step_id}.attempt-{number}.log")

    def answer(self, step_id: str) -> str:
        """Where the root says how the fan-out of a step ended."""
        return os.path.join(self.path, "answers", f"{step_id}.json")

    def service(self, step_id: str) -> str:
        """Where the keeper of a step that was left running says how it ended."""
        return os.path.join(self.services, f"{step_id}.json")

    @property
    def services(self) -> str:
        return os.path.join(self.path, "services")

    def child(self, run_id: str) -> Workspace:
        """The workspace of a run that this one triggered."""
        return Workspace(os.path.join(self.path, "children", run_id))

    def make(self) -> None:
        """Create the directories that every run has. Raises ``MachineError``."""
        for name in ("logs", "locks", "tmp"):
            make_dirs(os.path.join(self.path, name))

    def forget_outputs(self) -> None:
        """Remove what steps wrote their outputs to: there may be secrets in it."""
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(self.temporary):
                # What is a directory is no output.
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(self.temporary, name))

    def forget_lay_there(self) -> None:
        """Forget what lay in a checkout that there was before."""
        with contextlib.suppress(MachineError):
            remove_tree(os.path.dirname(self.lay_there))

    @property
    def has_begun(self) -> bool:
        """Whether a root got as far as writing down what it was asked."""
        return any(os.path.lexists(path) for path in (self.request, self.journal, self.state))

    def tidy(self) -> None:
        """Remove what a write was killed over; for who holds the run's lock. Raises ``MachineError``."""
        remove_temporaries(self.path)
        remove_temporaries(os.path.join(self.path, "answers"))


def remove_checkout(workspace: Workspace, *, check: Check = no_check) -> None:
    """Remove the private checkout; one that is not there is fine.

    It is renamed first, so that no run takes a part of it for a checkout. ``check`` is called often; if it raises, the
    rest stays under the new name until this is called again, or the run's directory is removed. Raises
    ``MachineError``.
    """
    aside = f"{workspace.repo}.removing"
    remove_tree(aside, check=check)
    with machine_errors("remove", workspace.repo), contextlib.suppress(FileNotFoundError):
        os.rename(workspace.repo, aside)
    remove_tree(aside, check=check)


def discard_checkout(workspace: Workspace, *, check: Check = no_check) -> None:
    """Remove what a run that succeeded needs no more; raises what ``check`` raises, which is called often.

    What nobody can remove (a container's root made it) takes space, not the run's success.
    """
    with contextlib.suppress(MachineError):
        remove_checkout(workspace, check=check)
    with contextlib.suppress(MachineError):
        remove_tree(workspace.temporary, check=check)


def home_of(workspace: Workspace, root_id: str) -> str | None:
    """The Tako home that a run's workspace is in, by the id of the run's root; None if it lies elsewhere."""
    before, found, _ = f"{workspace.path}/".partition(f"/workspaces/{root_id}/")
    return before if found else None


def workspaces_dir(home: str) -> str:
    """Where the workspaces of root runs are."""
    return os.path.join(home, "workspaces")


def root_workspace(home: str, run_id: str) -> Workspace:
    """The workspace of a root run. Raises ``UsageError`` if the id is none: it becomes part of a path."""
    if not is_run_id(run_id):
        raise UsageError(
            f"{run_id!r} is not a run id",
            cure="run ids look like exec-20261123-181803-0a1b2c3d; `tako status` lists them",
        )
    return Workspace(os.path.join(workspaces_dir(home), run_id))
