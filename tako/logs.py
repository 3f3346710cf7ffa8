"""Diagnostics of Tako itself, for who looks into it: ``TAKO_LOG=debug tako exec …`` writes them to stderr.

They are structured (``TAKO_LOG=json`` for one JSON object a line) and say what is seen nowhere else: command lines,
pids, exits, what was ended by force. Off, they cost one attribute look-up: structlog, whose import takes 180 ms, is
loaded only when they are wanted.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    class Logger(Protocol):
        """What diagnostics are written with."""

        def debug(self, event: str, **fields: Any) -> Any: ...


VARIABLE = "TAKO_LOG"
WANTED = ("debug", "json")


class _Silent:
    def debug(self, event: str, **fields: Any) -> None:
        """Diagnostics are not wanted."""


_mask: list[Callable[[str], str]] = []


def mask_with(hide: Callable[[str], str]) -> None:
    """Let diagnostics be written as ``hide`` returns them, from now on: without the secrets that this process knows."""
    _mask[:] = [hide]


def logger(name: str) -> Logger:
    """The logger of a subject."""
    wanted = os.environ.get(VARIABLE, "")
    if wanted not in WANTED:
        return _Silent()
    return _structured(name, as_json=wanted == "json")


def _structured(name: str, *, as_json: bool) -> Logger:
    import sys

    import structlog

    renderer: Any = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty() and "NO_COLOR" not in os.environ)
    )
    made: Logger = structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        processors=[
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.add_log_level,
            _masked,
            renderer,
        ],
    ).bind(subject=name, pid=os.getpid())
    return made


def _masked(_logger: object, _method: str, fields: Any) -> Any:
    """A processor: the fields as they are to be written, before a renderer spells them in its own way."""
    for hide in _mask:
        fields = _hidden(fields, hide)
    return fields


def _hidden(value: Any, hide: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, dict):
        return {_hidden(key, hide): _hidden(item, hide) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden(item, hide) for item in value]
    return value if value is None or isinstance(value, int | float) else hide(repr(value))
