"""The one clock. Everything that needs the time takes a ``Clock`` as an argument."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Clock(Protocol):
        """What time it is, and how to wait."""

        def now(self) -> float:
            """Seconds since 1970, UTC; may jump."""

        def monotonic(self) -> float:
            """Seconds since some fixed moment; never goes back."""

        def sleep(self, seconds: float) -> None:
            """Return after that many seconds."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def iso(seconds: float) -> str:
    """Seconds since 1970 as ``2026-11-23T18:18:03.123Z``."""
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03d}Z"


def duration(seconds: float) -> str:
    """Seconds for a reader: ``12ms``, ``3.4s``, ``2m05s``, ``1h02m``."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m{rest:02d}s"
    return f"{minutes // 60}h{minutes % 60:02d}m"
