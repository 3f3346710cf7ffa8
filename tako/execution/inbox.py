"""How another terminal asks a root to cancel one child: a file ``<root workspace>/inbox/cancel-<child run id>``.

This is the one place where a process writes into a directory that is another's. A signal would not do: a child that
waits, or is still to start, has no process to signal, and one that is signalled has crashed in its root's eyes rather
than been cancelled. A file needs no port and no thread of the root's, which looks into its inbox now and then. The
file's name says all that the root acts on; its content says who asked, to a person who looks.
"""

from __future__ import annotations

import contextlib
import os

from tako.errors import MachineError
from tako.ids import is_run_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.execution.workspace import Workspace

_PREFIX = "cancel-"


def ask_to_cancel(workspace: Workspace, run_id: str, by: str) -> None:
    """Ask the root that works in ``workspace`` to cancel one of its children; to ask twice is to ask once.

    ``by`` says who asks. Raises ``ValueError`` if ``run_id`` is none, ``MachineError`` if the file cannot be made.
    """
    if not is_run_id(run_id):
        raise ValueError(f"{run_id!r} is not a run id")
    inbox = _directory(workspace)
    path = os.path.join(inbox, _PREFIX + run_id)
    try:
        # Not with what is above it: a run whose directory was removed must not get half of it back.
        with contextlib.suppress(FileExistsError):
            os.mkdir(inbox)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        return
    except OSError as error:
        raise MachineError(f"cannot ask for a cancellation: {error.strerror}", where=path) from error
    try:
        # The name is what counts, so a full disk does not spoil it.
        with contextlib.suppress(OSError):
            os.write(descriptor, f"{by}\n".encode("utf-8", "replace"))
    finally:
        os.close(descriptor)


def take_cancellations(workspace: Workspace) -> tuple[str, ...]:
    """The ids of the runs that were asked to be cancelled since the last call, sorted; for the root alone.

    Costs one failed look into a directory as long as nobody has asked for anything. What is not a request to cancel
    stays where it is.
    """
    inbox = _directory(workspace)
    try:
        names = os.listdir(inbox)
    except OSError:
        return ()
    taken = []
    for name in names:
        run_id = name.removeprefix(_PREFIX)
        if not name.startswith(_PREFIX) or not is_run_id(run_id):
            continue
        # One that cannot be removed is taken each time, which is harmless; not to heed it would not be.
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(inbox, name))
        taken.append(run_id)
    return tuple(sorted(taken))


def _directory(workspace: Workspace) -> str:
    return os.path.join(workspace.path, "inbox")
