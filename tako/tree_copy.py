"""Copying a directory as it is: content with its holes, modes, times, hard links, and symbolic links as links."""

from __future__ import annotations

import os

from tako.content import copy_file, copy_link, copy_status, no_check

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.content import Check


class FileCopies:
    """Copies files, so that those that are one file with several names are one afterwards, too."""

    def __init__(self, check: Check = no_check) -> None:
        self._check = check
        self._copies: dict[tuple[int, int], str] = {}
        """Where the copy of a file is that has several names."""

    def copy(self, source: str, target: str) -> None:
        """Copy a file, links followed; ``target`` must not exist. Raises ``OSError``."""
        status = os.stat(source)
        key = (status.st_dev, status.st_ino)
        if key in self._copies:
            os.link(self._copies[key], target)
            return
        copy_file(source, target, check=self._check)
        if status.st_nlink > 1:
            self._copies[key] = target


def copy_tree(source: str, target: str, *, check: Check = no_check) -> tuple[str, ...]:
    """Copy a directory to a place where nothing is yet; return what was skipped, as paths in the source.

    FIFOs, sockets and devices are skipped: reading one may never end. So is the target, should it lie in the
    source. ``check`` is called for each file and often within large ones. Raises ``OSError``.
    """
    os.mkdir(target)
    own = os.stat(target)
    copies = FileCopies(check)
    directories: list[tuple[str, str]] = []
    skipped: list[str] = []
    pending = [(source, target)]
    while pending:
        directory, made = pending.pop()
        directories.append((directory, made))
        with os.scandir(directory) as entries:
            for entry in entries:
                check()
                path = os.path.join(made, entry.name)
                if entry.is_symlink():
                    copy_link(entry.path, path)
                elif entry.is_dir():
                    if not os.path.samestat(own, os.stat(entry.path)):
                        os.mkdir(path)
                        pending.append((entry.path, path))
                elif entry.is_file():
                    copies.copy(entry.path, path)
                else:
                    skipped.append(os.path.relpath(entry.path, source))
    # Last: a directory may be read-only, and its time changes with what is put in it.
    for directory, made in directories:
        copy_status(os.stat(directory), made)
    return tuple(sorted(skipped))
