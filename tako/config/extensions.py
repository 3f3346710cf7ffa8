"""Fields that belong to the file's author: ``x-…`` at the top level and in workflows, which hold anchors or notes."""

from __future__ import annotations

from typing import Any

PREFIX = "x-"


def drop_extensions(data: dict[str, Any]) -> None:
    """Remove these fields, in place, from data in the present spelling."""
    workflows = data.get("workflows")
    for owner in (data, *(workflows.values() if isinstance(workflows, dict) else ())):
        if isinstance(owner, dict):
            for name in [name for name in owner if name.startswith(PREFIX)]:
                del owner[name]
