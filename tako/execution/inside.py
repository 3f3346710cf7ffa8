"""Whether a path stays within a repository, links included: asked of what a ``tako.yml`` names when it is used."""

from __future__ import annotations

import os

from tako.files import leads_out


def is_inside(repo_dir: str, path: str, *, start: str = "") -> bool:
    """Whether a relative path, from the directory ``start`` of a repository, leads to something within it.

    ``..`` may not lead out of the repository and back into it, and neither may a link; what is not there is judged by
    the directories above it. Absolute paths are not inside.
    """
    if "\0" in path or os.path.isabs(path):
        return False
    if os.path.normpath(os.path.join(start, path)).split(os.sep)[0] == os.pardir:
        return False
    return not leads_out(os.path.join(repo_dir, start, path), repo_dir)
