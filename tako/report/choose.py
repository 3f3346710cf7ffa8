"""Chooses how progress is shown: a live tree on a terminal, lines everywhere else."""

from __future__ import annotations

import contextlib
import os

from tako.report.plain import PlainReporter
from tako.stdio import silence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from tako.fanout.observer import TreeObserver


@contextlib.contextmanager
def observer(stream: TextIO, *, verbose: bool) -> Iterator[TreeObserver]:
    """A reporter that writes to a stream; with ``verbose`` always lines, since what steps print goes between them."""
    if stream.isatty() and os.environ.get("TERM") != "dumb" and not verbose:
        from tako.report.live import LiveReporter

        with LiveReporter(stream) as live:
            yield live
        return

    def write(text: str) -> None:
        # A reader who has gone does not end the run.
        try:
            stream.write(text)
            stream.flush()
        except OSError:
            silence(stream.fileno())

    yield PlainReporter(write, verbose=verbose)
