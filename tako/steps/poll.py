"""``tako/poll@v1``: waits for a step that was left running, for a file, or for an address of this machine.

``with``: ``target`` (``step``, ``file`` or ``http``); ``step_id``, ``path`` or ``url``; ``timeout``, ``interval``,
``success_on_exit_code``. With a file or an address, ``step_id`` names the step that is to bring it: when that has died
there is nothing more to wait for, whoever else answers at the address.
"""

from __future__ import annotations

import os

from tako.clock import duration
from tako.errors import StepError
from tako.execution.failure import LOG_TAIL, STEP_FAILED, STEP_KILLED, STEP_TIMEOUT, Failure
from tako.execution.inside import is_inside
from tako.execution.service import EXITED, end_of
from tako.log_file import DEFAULT_LOG_LIMIT, open_log, tail
from tako.loopback import host_and_port, url_fault
from tako.records import record
from tako.signals import signal_name
from tako.steps.base import StepResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from tako.execution.service import Service, ServiceEnd
    from tako.steps.base import StepContext

STEP_INTERVAL = 0.1
"""Seconds between two looks whether a step has ended; a look costs next to nothing."""

BESIDE_SECONDS = 3.0
"""How long a service must go on beside another process that answers at its address."""

SAID_AGAIN_SECONDS = 10.0
"""After which the log says once more what is waited for, though nothing has changed."""


@record
class Seen:
    """What one look showed."""

    done: bool = False
    reason: str = ""
    """Why it is not done."""
    failure: Failure | None = None
    """Why it never will be."""
    outputs: Mapping[str, str] = {}


class PollStep:
    """Looks again and again until what it waits for is there, cannot come any more, or the time is up."""

    def run(self, context: StepContext) -> StepResult:
        params = context.spec.params
        capabilities = context.capabilities
        what, interval, look = _target(context, params)
        with open_log(context.log_path, limit=capabilities.log_limit or DEFAULT_LOG_LIMIT) as write_log:

            def say(text: str) -> None:
                data = f"{text}\n".encode("utf-8", "replace")
                write_log(data)
                if capabilities.echo is not None:
                    capabilities.echo.feed(context.spec.id, data)

            return _wait(context, what, look, interval, say)


def _wait(
    context: StepContext, what: str, look: Callable[[], Seen], interval: float, say: Callable[[str], object]
) -> StepResult:
    clock = context.capabilities.clock
    began = clock.monotonic()
    limit = float(context.spec.params["timeout"])
    left = context.seconds
    ends_at = began + (limit if left is None else min(limit, left))
    said, said_at = "", began
    while True:
        seen = look()
        now = clock.monotonic()
        if seen.done:
            say(f"{what} after {duration(now - began)}")
            return StepResult(outputs=seen.outputs)
        if seen.failure is not None:
            say(seen.failure.message)
            return StepResult(failure=seen.failure)
        if now >= ends_at:
            say(f"{seen.reason}; the time is up")
            return StepResult(failure=_overtime(context, limit, left, seen.reason))
        if seen.reason != said or now - said_at >= SAID_AGAIN_SECONDS:
            say(f"waiting, {duration(now - began)} so far: {seen.reason}")
            said, said_at = seen.reason, now
        clock.sleep(min(interval, ends_at - now))


def _overtime(context: StepContext, limit: float, left: float | None, reason: str) -> Failure:
    if left is not None and left < limit:
        failure = context.overtime()
        return Failure(kind=failure.kind, message=f"{failure.message}; {reason}")
    return Failure(kind=STEP_TIMEOUT, message=f"waited longer than its timeout of {duration(limit)}; {reason}")


def _target(context: StepContext, params: Mapping[str, Any]) -> tuple[str, float, Callable[[], Seen]]:
    """What to say when it is there, how long to wait between two looks, and the look."""
    started = _service(context, str(params["step_id"])) if "step_id" in params else None
    target, interval = params["target"], float(params["interval"])
    if target == "step":
        if started is None:
            raise StepError("nothing to wait for: 'step_id' is missing", where=context.where)
        step_id, service = started
        codes = [int(code) for code in params["success_on_exit_code"]]
        return f"step {step_id!r} has ended", STEP_INTERVAL, lambda: _at_step(context, step_id, service, codes)
    if target == "file":
        path = context.render(str(params["path"]))
        return f"{path} is there", interval, _unless_ended(context, started, lambda: _at_file(context, path))
    url = context.render(str(params["url"]))
    wrong = url_fault(url)
    if wrong:
        raise StepError(f"the url {url!r} {wrong}", where=context.where)
    if started is None:
        return f"{url} has answered", interval, lambda: _at_url(context, url)
    return f"{url} has answered", interval, _AnswersItself(context, url, started).look


def _service(context: StepContext, step_id: str) -> tuple[str, Service]:
    step = next((step for step in context.state.steps if step.id == step_id), None)
    if step is None or step.service is None:
        why = "it was skipped" if step is not None and step.status == "skipped" else "it was not started"
        raise StepError(f"there is nothing to wait for at step {step_id!r}: {why}", where=context.where)
    return step_id, step.service


def _at_step(context: StepContext, step_id: str, service: Service, codes: list[int]) -> Seen:
    end = end_of(context.capabilities.workspace, step_id, service)
    if end is None:
        return Seen(reason=f"step {step_id!r} is still running")
    if end.how == EXITED and end.exit_code in codes:
        return Seen(done=True, outputs={"exit_code": str(end.exit_code)})
    return Seen(failure=_ended(context, end))


def _ended(context: StepContext, end: ServiceEnd) -> Failure:
    """That what a step had left running ended otherwise than it should have, with the end of its log."""
    code = end.exit_code
    killed = end.signal is not None or (code is not None and signal_name(code - 128).startswith("SIG"))
    return Failure(
        kind=STEP_KILLED if killed else STEP_FAILED,
        message=f"step {end.step!r} {end.describe()}",
        exit_code=code,
        signal=end.signal if end.signal is not None else code - 128 if killed and code is not None else None,
        log=tail(context.capabilities.workspace.log(end.step), LOG_TAIL),
    )


def _unless_ended(
    context: StepContext, started: tuple[str, Service] | None, look: Callable[[], Seen]
) -> Callable[[], Seen]:
    """A look that is in vain once the step that is to bring what it looks for has ended.

    What it brought in its last moment is there, unless it has failed.
    """
    if started is None:
        return look
    step_id, service = started

    def both() -> Seen:
        # In this order: what it brought in its last moment is there.
        end = end_of(context.capabilities.workspace, step_id, service)
        seen = look()
        if end is None or (seen.done and end.how == EXITED and end.exit_code == 0):
            return seen
        return Seen(failure=_ended(context, end))

    return both


class _AnswersItself:
    """A look at an address at which a service is to answer, and not another process that has its port.

    A service that finds its port taken dies, but not at once. So another's answer counts only if the service is still
    there ``BESIDE_SECONDS`` after it: it may have others answer for it, as a container's does.
    """

    def __init__(self, context: StepContext, url: str, started: tuple[str, Service]) -> None:
        self._context = context
        self._url = url
        self._step_id, self._service = started
        self._clock = context.capabilities.clock
        self._since: float | None = None

    def look(self) -> Seen:
        """What one look shows."""
        seen = _at_url(self._context, self._url)
        end = end_of(self._context.capabilities.workspace, self._step_id, self._service)
        if end is not None:
            return Seen(failure=_ended(self._context, end))
        if not seen.done or self._is_its_own():
            self._since = None
            return seen
        now = self._clock.monotonic()
        self._since = now if self._since is None else self._since
        if now - self._since >= BESIDE_SECONDS:
            return seen
        others = f"{self._url} is answered by a process that step {self._step_id!r} did not start"
        return Seen(reason=f"{others}; waiting whether the step goes on beside it")

    def _is_its_own(self) -> bool:
        from tako.listeners import listens_below
        from tako.steps.http_status import addresses_of

        host, port = host_and_port(self._url)
        for address in addresses_of(host):
            own = listens_below(self._service.pid, address, int(port))
            if own is not None:
                return own
        return False


def _at_file(context: StepContext, path: str) -> Seen:
    start = os.path.relpath(context.directory, context.capabilities.repo_dir)
    if not is_inside(context.capabilities.repo_dir, path, start=start):
        raise StepError(f"the path {path!r} leads out of the repository", where=context.where)
    if os.path.exists(os.path.join(context.directory, path)):
        return Seen(done=True)
    return Seen(reason=f"{path} is not there")


def _at_url(context: StepContext, url: str) -> Seen:
    from tako.steps.http_status import status_of

    status, reason = status_of(url, context.capabilities.stops)
    if status is not None and 200 <= status < 300:
        return Seen(done=True, outputs={"status": str(status)})
    return Seen(reason=f"{url}: {reason}")
