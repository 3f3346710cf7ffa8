"""What ``tako artifacts`` is made of: where to build, what to say, and how signals end it."""

from __future__ import annotations

import contextlib
import os
import tempfile

from tako.errors import TakoError, UsageError
from tako.execution.artifact_install import StoppedError
from tako.files import remove_tree
from tako.interrupts import Insistence, handlers
from tako.patience import FORCE
from tako.quantities import parse_duration
from tako.signals import Stops, StopSignal, kill_hint, signal_name
from tako.stdio import say_line
from tako.steps.base import RunInterruptedError, StoppableClock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from tako.cli.target import Target
    from tako.execution.artifact_install import Installed
    from tako.wiring import Wiring


def split(source: str) -> tuple[str, str | None]:
    """The place and the artifact's name of ``SOURCE[:NAME]``; the name of a directory may hold a colon."""
    place, colon, name = source.rpartition(":")
    if not colon or not place or "/" in name or os.path.isdir(source):
        return source, None
    if not name:
        raise UsageError(f"{source!r} names no artifact", cure="write it as SOURCE or SOURCE:NAME")
    return place, name


def is_path(place: str) -> bool:
    """Whether a source is a directory, not ``owner/name``."""
    return place.count("/") != 1 or place.startswith((".", "/", "~")) or place.endswith("/")


@contextlib.contextmanager
def built_in(wiring: Wiring, target: Target, stops: Stops) -> Iterator[str]:
    """Where a repository's artifacts are built: in its own directory, or in a checkout of what is in the cache.

    Raises ``StoppedError`` if a stop is asked for while that is made.
    """
    if not target.private:
        yield target.source
        return
    from tako.repos.checkout import checkout

    temporary = tempfile.mkdtemp(prefix="tako-build-")
    try:
        clock = StoppableClock(stops)
        try:
            made = checkout(
                target.source,
                os.path.join(temporary, "repo"),
                commit=target.commit,
                git=wiring.git.stopped_by(stops),
                lock_path=target.cache_lock,
                clock=clock,
                waiting=say_line,
                check=clock.check,
            )
        except (TakoError, RunInterruptedError) as error:
            if clock.is_stopped():
                raise StoppedError from error
            raise
        yield made.path
    finally:
        with contextlib.suppress(TakoError):
            remove_tree(temporary)


class Stopped:
    """Tells commands to end, and which signal wanted that."""

    def __init__(self) -> None:
        self._ask, self._force = StopSignal(), StopSignal()
        self._insistence = Insistence()
        self.stops = Stops(ask=(self._ask.fd,), force=(self._force.fd,), wishes=(self._ask,))

    @property
    def signal(self) -> int | None:
        return self._insistence.first

    def hear(self, number: int) -> None:
        """Ask for the end, or insist on it; called from a signal handler."""
        wanted = self._insistence.hear(number)
        if wanted is None:
            return
        what = " again: killing what is at work" if wanted == FORCE else f": stopping{kill_hint(number)}"
        # What the handler has come into may be a write to Python's own stream, which bears no second one within it.
        with contextlib.suppress(OSError):
            os.write(2, f"{signal_name(number)}{what}\n".encode())
        (self._force if wanted == FORCE else self._ask).set(number)


@contextlib.contextmanager
def stoppable() -> Iterator[Stopped]:
    """Let the signals that end a program end its commands, so that what they have changed can be put back."""
    stopped = Stopped()
    with handlers(stopped.hear):
        yield stopped


def timeout_seconds(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--timeout: {error}", cure="write --timeout 10m") from error


def installed_line(installed: Installed) -> str:
    how = "failed" if installed.failure else "installed, verified" if installed.verified else "installed"
    made = installed.artifact
    lines = [f"{made.repo}:{made.name}  {how} in {installed.into}  sha256:{made.sha256}"]
    if not installed.failure:
        lines += [f"  changed {name}" for name in installed.changed]
    return "\n".join(lines) + "\n"


def undone_lines(installed: Installed) -> str:
    if installed.top is None:
        return "  why: this is no git repository, so nothing could be put back\n"
    if not installed.changed:
        return "  no file that git tracks had changed\n"
    return "".join(f"  put back: {name}\n" for name in installed.changed)


def installed_data(installed: Installed) -> dict[str, Any]:
    made, failed = installed.artifact, bool(installed.failure)
    return {
        "repository": made.repo,
        "artifact": made.name,
        "path": made.path,
        "sha256": made.sha256,
        "into": installed.into,
        "installed": not failed,
        "verified": installed.verified,
        "failure": installed.failure or None,
        "changed": [] if failed else list(installed.changed),
        "put_back": list(installed.changed) if failed else [],
    }
