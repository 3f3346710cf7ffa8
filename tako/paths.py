"""Paths that begin with ``~``."""

from __future__ import annotations

import os

from tako.errors import UsageError


def expanded(path: str, name: str) -> str:
    """Return a path with the home directory for a leading ``~`` or ``~user``; ``name`` is what holds the path.

    Raises ``UsageError`` if there is no such user.
    """
    if not path.startswith("~"):
        return path
    whole = os.path.expanduser(path)
    if whole.startswith("~"):
        user = path.partition("/")[0]
        raise UsageError(
            f"{name}: {user} is no user's home directory", cure=f"write ./{path} for a directory of that name"
        )
    return whole
