"""Names of repositories and refs: which are allowed, and how they become parts of a path. All of it is pure."""

from __future__ import annotations

from tako.errors import UsageError
from tako.records import record

DEFAULT_REF = "main"

_FORBIDDEN_IN_NAME = "/\\:"
_FORBIDDEN_IN_REF = " ~^:?*[\\"
"""git-check-ref-format(1)."""
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.+@=,")


@record
class RepoRef:
    """A repository at a branch or tag."""

    owner_name: str
    """``owner/name``."""
    ref: str = DEFAULT_REF

    def __str__(self) -> str:
        return f"{self.owner_name}:{self.ref}"


def parse(text: str) -> RepoRef:
    """``owner/name`` or ``owner/name:ref`` as a value; the ref is ``main`` if none is given.

    Raises ``UsageError`` for anything that is not of this form, or could leave the cache's directory.
    """
    owner_name, colon, ref = text.partition(":")
    wanted = RepoRef(owner_name, ref if colon else DEFAULT_REF)
    check(wanted)
    return wanted


def check(wanted: RepoRef) -> None:
    """Raise ``UsageError`` unless the names of a repository and its ref are ones git and a path can have."""
    parts = wanted.owner_name.split("/")
    if len(parts) != 2 or not all(is_name(part) for part in parts):
        raise UsageError(
            f"{wanted.owner_name!r} is not a repository's name",
            cure="write owner/name, or owner/name:ref for another ref than main",
        )
    if not is_ref(wanted.ref):
        raise UsageError(f"{wanted.ref!r} is not a ref's name", where=wanted.owner_name, cure="name a branch or a tag")


def is_name(text: str) -> bool:
    """Whether a text can be an owner's or a repository's name: one part of a path, and no option of a command."""
    return (
        text not in ("", ".", "..")
        and not text.startswith("-")
        and text.isprintable()
        and not any(char in text for char in _FORBIDDEN_IN_NAME)
    )


def is_ref(text: str) -> bool:
    """Whether a text can be a branch's or tag's name."""
    return (
        not text.startswith("-")
        and text.isprintable()
        and ".." not in text
        and "@{" not in text
        and not any(char in text for char in _FORBIDDEN_IN_REF)
        and all(part and part[0] != "." and part[-1] != "." and part[-5:] != ".lock" for part in text.split("/"))
    )


def encode_ref(ref: str) -> str:
    """A ref as the name of one directory: ``feature/x`` becomes ``feature%2Fx``."""
    return "".join(
        char if char in _PLAIN else "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogateescape"))
        for char in ref
    )


def decode_ref(name: str) -> str:
    """The ref that a directory is named after; a ``%`` that encodes nothing stands for itself."""
    if "%" not in name:
        return name
    head, *pieces = name.encode("utf-8", "surrogateescape").split(b"%")
    decoded = bytearray(head)
    for piece in pieces:
        try:
            decoded += bytes.fromhex(piece[:2].decode("ascii")) if len(piece) >= 2 else b"%" + piece
            decoded += piece[2:]
        except ValueError:
            decoded += b"%" + piece
    return decoded.decode("utf-8", "surrogateescape")
