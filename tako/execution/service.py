"""A step that was left running, and how it ended, as they are written down."""

from __future__ import annotations

import os

from tako.errors import StateError
from tako.execution.failure import CANCELLED, INTERRUPTED
from tako.files import foreign_content, read_document
from tako.identity import Identity, is_alive
from tako.records import record, replace
from tako.signals import Exit, exit_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from tako.execution.failure import Failure
    from tako.execution.workspace import Workspace

STOPPED = "stopped"
EXITED = "exited"
LOST = "lost"


@record
class Service:
    """A service that was started: the process of its keeper."""

    pid: int
    started: float
    """With ``pid`` the identity of the keeper; see ``tako.identity``."""

    @property
    def keeper(self) -> Identity:
        return Identity(self.pid, self.started)


@record
class ServiceEnd:
    """How a service ended."""

    step: str
    how: str
    """``stopped`` at the end of the run, ``exited`` by itself before, or ``lost``: its keeper was killed."""
    exit_code: int | None = None
    signal: int | None = None
    seconds: float = 0.0
    """From its start to its end; 0 if that is not known."""

    @property
    def is_news(self) -> bool:
        """Whether a reader wants to know: it did not end well by itself."""
        return self.how != EXITED or self.exit_code != 0

    def describe(self) -> str:
        """``was still running and was stopped``, ``ended by itself with exit code 3`` …"""
        if self.how == STOPPED:
            return "was still running and was stopped"
        if self.how == LOST:
            return "is gone: it was killed together with what kept it"
        return f"ended by itself: {Exit(self.exit_code, self.signal).describe()}"


def end_of(workspace: Workspace, step_id: str, service: Service) -> ServiceEnd | None:
    """How the service of a step has ended; None while it runs."""
    if is_alive(service.keeper):
        return None
    from tako.service_keeper import KIND, SCHEMA

    path = workspace.service(step_id)
    if not os.path.exists(path):
        return ServiceEnd(step_id, LOST)
    try:
        data = read_document(path, KIND, SCHEMA)
        with foreign_content(KIND, path):
            if (data["pid"], data["started"]) != (service.pid, service.started):
                return ServiceEnd(step_id, LOST)
            how = STOPPED if data["stopped"] else EXITED
            number = data["signal"]
            code = data["exit_code"] if number is None else exit_status(number)
            return ServiceEnd(step_id, how, code, number, float(data["seconds"]))
    except StateError:
        return ServiceEnd(step_id, LOST)


def with_services(failure: Failure | None, ends: Iterable[ServiceEnd]) -> Failure | None:
    """Why a run failed, with the services that had died by then: a step behind them may have failed because of that."""
    if failure is None or failure.kind in (INTERRUPTED, CANCELLED):
        return failure
    for end in ends:
        said = f"step {end.step!r} {end.describe()}"
        if end.how == EXITED and end.exit_code != 0 and said not in failure.message:
            failure = replace(
                failure, message=f"{failure.message}\n{said}; it was left running, and may have been needed"
            )
    return failure


def service_from_data(data: Mapping[str, Any] | None) -> Service | None:
    """A service out of its plain data; raises ``TypeError`` if it is not one."""
    return None if data is None else Service(**data)


def service_end_from_data(data: Mapping[str, Any]) -> ServiceEnd:
    """The end of one out of its plain data; raises ``TypeError`` if it is not one."""
    return ServiceEnd(**data)
