"""What files and directories are, in one line of hexadecimal: for what steps produce and what their results hang on.

A file is the SHA-256 of its content. A directory is that of a list: for everything in it, sorted by path, what it is
(``file``, ``program``, ``link`` or ``directory``), the checksum of its content, and its path. Times, owners and the
other mode bits do not count: they differ between two checkouts of one commit.
"""

from __future__ import annotations

import os
import stat

from tako.content import no_check
from tako.files import file_checksum, machine_errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tako.content import Check


def path_checksum(path: str, *, check: Check = no_check) -> str:
    """SHA-256 of a file or directory, in hexadecimal; ``check`` is called often.

    Raises ``MachineError`` if it cannot be read.
    """
    if os.path.isdir(path):
        names = sorted(walk(path, check=check))
        return list_checksum(describe(os.path.join(path, name), name, check=check) for name in names)
    return file_checksum(path, check=check)


def list_checksum(lines: Iterable[str]) -> str:
    """SHA-256 of some lines, in hexadecimal; for lines from ``describe``, which cannot be taken for others."""
    from hashlib import sha256

    digest = sha256()
    for line in lines:
        digest.update(line.encode("utf-8", "surrogateescape") + b"\0")
    return digest.hexdigest()


def describe(path: str, name: str, *, check: Check = no_check) -> str:
    """What is at a path, under a name: its kind, the checksum of its content, the name.

    A symbolic link is its target's text, whatever is there; what is no file, directory or link has no content. Raises
    ``MachineError`` if it cannot be read.
    """
    check()
    with machine_errors("read", path):
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            return f"link {text_checksum(os.readlink(path))} {name}"
    if stat.S_ISDIR(status.st_mode):
        return f"directory - {name}"
    if not stat.S_ISREG(status.st_mode):
        return f"special - {name}"
    kind = "program" if status.st_mode & stat.S_IXUSR else "file"
    return f"{kind} {file_checksum(path, check=check)} {name}"


def text_checksum(text: str) -> str:
    """SHA-256 of a text that may be a file's name, in hexadecimal."""
    return list_checksum([text])


def walk(directory: str, *, check: Check = no_check) -> Iterator[str]:
    """The paths of everything in a directory, relative to it; links are not followed. Raises ``MachineError``."""
    pending = [""]
    while pending:
        inside = pending.pop()
        place = os.path.join(directory, inside)
        check()
        with machine_errors("read", place), os.scandir(place) as entries:
            found = [(os.path.join(inside, entry.name), entry.is_dir(follow_symlinks=False)) for entry in entries]
        for path, is_directory in found:
            yield path
            if is_directory:
                pending.append(path)
