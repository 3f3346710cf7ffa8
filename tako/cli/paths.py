"""Paths on the command line and in variables, and where the ``tako.yml`` is that a directory belongs to."""

from __future__ import annotations

import os

import click

from tako.paths import expanded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CONFIG_FILE = "tako.yml"


class HomePath(click.Path):
    """A path that may begin with ``~``, as ``--root=~/lib`` does: no shell expands that."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        name = param.opts[0] if param is not None and param.opts else ""
        return super().convert(expanded(os.fspath(value), name), param, ctx)


def find_up(directory: str) -> str | None:
    """The nearest directory from an absolute one upwards that has a ``tako.yml``; None if there is none.

    As git does, it does not leave the repository nor the file system.
    """
    try:
        device = os.stat(directory).st_dev
        while not os.path.lexists(os.path.join(directory, CONFIG_FILE)):
            above = os.path.dirname(directory)
            is_top = os.path.lexists(os.path.join(directory, ".git"))
            if is_top or above == directory or os.stat(above).st_dev != device:
                return None
            directory = above
    except OSError:
        return None
    return directory
