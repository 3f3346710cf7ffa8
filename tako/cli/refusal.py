"""A configuration that is refused, as data for ``--json``."""

from __future__ import annotations

from tako.errors import ConfigError
from tako.records import to_data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def refusal_data(error: ConfigError) -> dict[str, Any]:
    """What is wrong, and every problem with ``file``, ``line`` and ``column`` (from 1) and ``message``."""
    return {"error": error.what, "where": error.where, "fix": error.cure, "problems": to_data(error.faults)}
