"""Looks for secrets in files, such as those of an artifact, before they are copied to where others find them."""

from __future__ import annotations

import os

from tako.content import PIECE, no_check

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tako.content import Check
    from tako.secrets.masking import Mask


def secret_in(mask: Mask, path: str, *, check: Check = no_check) -> tuple[str, str] | None:
    """The name of a secret that a file or directory holds, as it lies there, and the file; None if it holds none.

    What is packed or encrypted is not looked into; links are not followed below ``path``. What cannot be read is left
    to whoever copies it. ``check`` is called often.
    """
    for file in _files(path, check):
        name = mask.find(os.fsencode(os.path.relpath(file, os.path.dirname(path))).decode("utf-8", "replace"))
        name = name or _in_file(mask, file, check)
        if name is not None:
            return name, file
    return None


def _in_file(mask: Mask, path: str, check: Check) -> str | None:
    rest = b""
    try:
        with open(path, "rb") as file:
            while piece := file.read(PIECE):
                check()
                piece = rest + piece
                name = mask.find_in(piece)
                if name is not None:
                    return name
                rest = piece[max(0, len(piece) - mask.longest + 1) :]
    except OSError:
        pass
    return None


def _files(path: str, check: Check) -> Iterator[str]:
    if os.path.isfile(path):
        yield path
    for directory, _, names in os.walk(path):
        check()
        yield from (each for name in names if os.path.isfile(each := os.path.join(directory, name)))
