"""Starts the steps of a run that are left running, and ends them when the run does.

A service belongs to its run, not to a process of it: a run that waits for a fan-out has none. Who keeps it meanwhile is
in ``tako.service_keeper``.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys

from runner_child import SERVER
from tako import identity
from tako.errors import SpawnError
from tako.execution.service import LOST, STOPPED, Service, ServiceEnd, end_of
from tako.files import machine_errors, make_dirs
from tako.identity import identity_of
from tako.log_file import DEFAULT_LOG_LIMIT
from tako.service_keeper import KEEPERS_GRACE_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tako.clock import Clock
    from tako.execution.state import StepRecord
    from tako.execution.workspace import Workspace
    from tako.identity import Identity
    from tako.process import Processes
    from tako.signals import Stops

_LOOK_MILLISECONDS = 20
_KILLED_LOOKS = 250
"""After which a keeper that SIGKILL does not end is left to the kernel."""


def start_service(
    processes: Processes,
    workspace: Workspace,
    step_id: str,
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    lifeline: int,
    log_limit: int | None = None,
    memory: int | None = None,
    secrets: Mapping[str, str] = {},
) -> Service:
    """Start a command that is left running, below a keeper that ends it when ``lifeline`` ends.

    Its output goes to the step's log, without the ``secrets`` of the run. Raises ``MachineError`` if the keeper cannot
    be started.
    """
    record = workspace.service(step_id)
    make_dirs(workspace.services)
    with machine_errors("remove", record), contextlib.suppress(FileNotFoundError):
        os.unlink(record)
    limits = (str(log_limit or DEFAULT_LOG_LIMIT), str(memory or 0))
    command = [sys.executable, "-I", "-S", SERVER, record, workspace.log(step_id), *limits, *command]
    with _handed_over(processes, secrets) as (more, variables):
        process = processes.spawn(command, env={**env, **variables}, stdin=lifeline, more=more, session=True)
    # Nobody waits for it by that.
    process.close()
    keeper = identity_of(process.pid)
    if keeper is None:
        raise SpawnError(f"the keeper of the service {step_id!r} was gone at once")
    return Service(keeper.pid, keeper.started)


@contextlib.contextmanager
def _handed_over(
    processes: Processes, secrets: Mapping[str, str]
) -> Iterator[tuple[Mapping[int, int], Mapping[str, str]]]:
    """What a keeper is started with so that it knows the secrets: descriptors, and variables that tell of them."""
    if not secrets:
        yield {}, {}
        return
    from tako.secrets.handover import DESCRIPTOR, VARIABLE, hand_over

    kept = processes.descriptor(lambda: hand_over(secrets), "a file for a service's secrets")
    try:
        yield {DESCRIPTOR: kept}, {VARIABLE: str(DESCRIPTOR)}
    finally:
        os.close(kept)


def end_services(
    processes: Processes, workspace: Workspace, steps: Iterable[StepRecord], *, clock: Clock, stops: Stops
) -> tuple[ServiceEnd, ...]:
    """End what steps have left running, and tell how each of them ended.

    They have ``KEEPERS_GRACE_SECONDS`` for that, all together; none, when ``stops`` say that all must end at once.
    """
    started = {step.id: step.service for step in steps if step.service is not None}
    ends = {step_id: end_of(workspace, step_id, service) for step_id, service in started.items()}
    running = {step_id: started[step_id] for step_id, end in ends.items() if end is None}
    end_keepers(processes, [service.keeper for service in running.values()], clock=clock, stops=stops)
    for step_id, service in running.items():
        end = end_of(workspace, step_id, service)
        # A keeper that had to be forced has written nothing down.
        ends[step_id] = ServiceEnd(step_id, STOPPED) if end is None or end.how == LOST else end
    for service in started.values():
        processes.reap(service.pid)
    return tuple(end for end in ends.values() if end is not None)


class ServicesOfChildren:
    """What the runs of a tree leave running, as the root sees it, whose children the keepers are meanwhile."""

    def __init__(self, processes: Processes, clock: Clock) -> None:
        self._processes = processes
        self._clock = clock

    def expect(self) -> None:
        """A child is about to start that may leave something running when it waits, and has no process."""
        self._processes.spare_services()

    def end(self, workspace: Workspace, stops: Stops | None = None) -> tuple[str, ...]:
        """End what the run of a workspace, and those below it, have left running: they could not do so themselves.

        Returns the records of those that were running. ``stops`` tell when all must end at once.
        """
        found = _keepers_below(self._processes, workspace.path)
        end_keepers(self._processes, list(found), clock=self._clock, stops=stops)
        for keeper in found:
            self._processes.reap(keeper.pid)
        return tuple(found.values())

    def ask_to_end(self, workspace: Workspace) -> None:
        """The same without waiting for it: for a run that waits and will not go on."""
        if os.path.isdir(workspace.services):
            for keeper in _keepers_below(self._processes, workspace.path):
                _send(keeper, signal.SIGTERM)


def end_keepers(processes: Processes, keepers: Sequence[Identity], *, clock: Clock, stops: Stops | None = None) -> None:
    """Ask keepers to end what they keep, wait for that, and force those that take longer than they may."""
    for keeper in keepers:
        _send(keeper, signal.SIGTERM)
    # Whoever waits here waits though a stop was asked for: that is why they are to end.
    poll = select.poll()
    for descriptor in stops.force if stops is not None else ():
        poll.register(descriptor, select.POLLIN)
    force_at = clock.monotonic() + KEEPERS_GRACE_SECONDS
    forced, left = 0, list(keepers)
    while (left := [keeper for keeper in left if identity.is_alive(keeper)]) and forced < _KILLED_LOOKS:
        if forced or clock.monotonic() >= force_at or poll.poll(_LOOK_MILLISECONDS):
            forced += 1
            for keeper in left:
                _send(keeper, signal.SIGKILL)
            select.poll().poll(_LOOK_MILLISECONDS)
    if forced:
        # What they kept has lost its keeper, and with that is spared by nobody.
        processes.end_orphans()


def _keepers_below(processes: Processes, directory: str) -> dict[Identity, str]:
    found = {}
    for pid, record in processes.services().items():
        keeper = identity_of(pid)
        if keeper is not None and record.startswith(f"{directory}/"):
            found[keeper] = record
    return found


def _send(keeper: Identity, number: int) -> None:
    """Signal a keeper; one that is stopped hears of it only when it goes on."""
    with contextlib.suppress(PermissionError):
        if identity.send(keeper, number):
            identity.send(keeper, signal.SIGCONT)
