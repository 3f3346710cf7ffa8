"""What ``tako artifacts install`` is made of: where to build, what to say, and how signals end it."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile

from tako.errors import TakoError, UsageError
from tako.files import remove_tree
from tako.interrupts import STOP_SIGNALS
from tako.quantities import parse_duration
from tako.signals import Stops, StopSignal, is_ignored

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
def built_in(wiring: Wiring, target: Target) -> Iterator[str]:
    """Where a repository's artifacts are built: in its own directory, or in a checkout of what is in the cache."""
    if not target.private:
        yield target.source
        return
    from tako.repos.checkout import checkout

    temporary = tempfile.mkdtemp(prefix="tako-build-")
    try:
        made = checkout(
            target.source,
            os.path.join(temporary, "repo"),
            commit=target.commit,
            git=wiring.git,
            lock_path=target.cache_lock,
            clock=wiring.clock,
        )
        yield made.path
    finally:
        with contextlib.suppress(TakoError):
            remove_tree(temporary)


class Stopped:
    """Tells commands to end, and which signal wanted that."""

    def __init__(self) -> None:
        self._stop = StopSignal()
        self.stops = Stops(ask=(self._stop.fd,))
        self.signal: int | None = None

    def __call__(self, number: int, _frame: object) -> None:
        self.signal = self.signal or number
        self._stop.set()


@contextlib.contextmanager
def stoppable() -> Iterator[Stopped]:
    """Let the signals that end a program end its commands, so that what they have changed can be put back."""
    stopped = Stopped()
    previous = {number: signal.signal(number, stopped) for number in STOP_SIGNALS if not is_ignored(number)}
    try:
        yield stopped
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


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
