"""The order in which the root runs of a Tako home were started, and what started each of them.

Run ids do not tell it: two runs may start within one second, and a clock may be set back. Each root takes a number
larger than all before it: microseconds since 1970, or one more than the last number where the clock is not past that.
So a lost number costs nothing while the clock is right, and an older run without one is placed by the time in its id.
"""

from __future__ import annotations

import contextlib
import fcntl
import os

from tako.errors import StateError
from tako.execution.workspace import root_workspace, workspaces_dir
from tako.files import foreign_content, machine_errors, make_dirs, read_document, write_document
from tako.ids import is_run_id, stamp_of
from tako.records import record, to_data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tako.clock import Clock
    from tako.execution.workspace import Workspace

EXEC = "exec"
REPLAY = "replay"
REDELIVERY = "redelivery"

KIND = "started"
SCHEMA = 1
LAST = "last_run"
"""The file in a Tako home that holds the last number; it is also the lock of who takes the next one."""

_DIGITS = 20


@record
class Started:
    """How a root run was started."""

    number: int
    """Larger than that of every root run of the same home that was started before."""
    by: str = EXEC
    """``exec``, ``replay`` or ``redelivery``."""


def record_start(home: str, workspace: Workspace, by: str, *, clock: Clock) -> Started:
    """Take the next number for a new root run and write it down in its workspace. Raises ``MachineError``.

    Not flushed to the disk: after a power cut the time in the run's id takes the place of its number.
    """
    started = Started(_next_number(home, clock), by)
    write_document(workspace.started, KIND, SCHEMA, to_data(started), durable=False)
    return started


def how_started(home: str, run_id: str) -> Started:
    """Return how a root run was started; one of an older Tako, or with a damaged record, by its id."""
    path = root_workspace(home, run_id).started
    with contextlib.suppress(StateError):
        data = read_document(path, KIND, SCHEMA)
        with foreign_content(KIND, path):
            started = Started(**data)
            if type(started.number) is int:
                return started
    return Started(_number_in(run_id))


def newest_first(home: str) -> list[str]:
    """Return the ids of all root runs, the one that was started last first."""
    return sorted(_root_runs(home), key=lambda run_id: (how_started(home, run_id).number, run_id), reverse=True)


def newest_of(home: str, run_ids: Iterable[str], by: str) -> str | None:
    """Return the first of some ids whose run was started by ``by``; None if there is none."""
    return next((run_id for run_id in run_ids if how_started(home, run_id).by == by), None)


def _root_runs(home: str) -> list[str]:
    try:
        return [name for name in os.listdir(workspaces_dir(home)) if is_run_id(name)]
    except FileNotFoundError:
        return []


def _number_in(run_id: str) -> int:
    """The number of the moment that a run id holds; 0 if that is none."""
    import calendar
    import time

    try:
        return calendar.timegm(time.strptime(stamp_of(run_id), "%Y%m%d-%H%M%S")) * 1_000_000
    except (ValueError, OverflowError):
        return 0


def _next_number(home: str, clock: Clock) -> int:
    path = os.path.join(home, LAST)
    with _locked(path) as descriptor, machine_errors("write", path):
        last = _parsed(os.pread(descriptor, _DIGITS + 2, 0))
        if last is None:
            # The first run of this home, or a damaged file.
            last = max((how_started(home, run_id).number for run_id in _root_runs(home)), default=0)
        number = max(int(clock.now() * 1_000_000), last + 1)
        content = f"{number:0{_DIGITS}}\n".encode()
        os.pwrite(descriptor, content, 0)
        os.ftruncate(descriptor, len(content))
        return number


def _parsed(content: bytes) -> int | None:
    """The number in the file; None if it is not whole."""
    digits = content.removesuffix(b"\n")
    return int(digits) if len(content) == _DIGITS + 1 and len(digits) == _DIGITS and digits.isdigit() else None


@contextlib.contextmanager
def _locked(path: str) -> Iterator[int]:
    """An open file that nobody else has locked. Raises ``MachineError``."""
    make_dirs(os.path.dirname(path))
    with machine_errors("lock", path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        with machine_errors("lock", path):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)
