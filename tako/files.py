"""The one gateway for files that must survive a crash.

A checked document is one JSON object in a file, ``{"kind", "schema", "sha256", "data"}``, where ``sha256`` is that of
``data`` written with sorted keys and no spaces; from schema 2 on, of the kind, the schema and that, a space between
them, so that no changed digit makes a document of another version. It is written to a temporary file, flushed to the
disk and renamed over the old one, so that a reader sees the old document or the new one and never half of either.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys

from tako.content import content_checksum, no_check
from tako.errors import MAKE_ROOM, MachineError, StateError
from tako.shortage import is_shortage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from tako.content import Check

    Migration = Callable[[Any], Any]
    """Makes the data of the next schema version out of those of one."""


TEMPORARY = ".tmp"
"""How the name ends that a file has while it is being written."""


def make_dirs(path: str) -> None:
    """Create a directory and those above it; one that is there is fine.

    Raises ``MachineError`` if the machine refuses.
    """
    with machine_errors("create", path):
        os.makedirs(path, exist_ok=True)


def atomic_write(
    path: str, content: bytes, *, durable: bool = True, backup: str | None = None, mode: int | None = None
) -> None:
    """Replace a file by new content in one step.

    ``durable`` also waits until content and name are on the disk, so that a power cut cannot take them back. The old
    file, if there is one, is kept under the name ``backup``. The new one has the permissions ``mode``, or those that
    new files get. Raises ``MachineError`` if the machine refuses (full disk, no permission); the old file is then as it
    was.
    """
    temporary = f"{path}.{os.getpid()}{TEMPORARY}"
    with machine_errors("write", path):
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
            try:
                if mode is not None:
                    os.fchmod(descriptor, mode)
                _write_all(descriptor, content)
                if durable:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if backup is not None:
                _keep(path, backup)
            os.replace(temporary, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        if durable:
            sync_directory(os.path.dirname(path) or ".")


def _keep(path: str, backup: str) -> None:
    """Give a file that is about to be replaced a second name.

    Only a name: the content was flushed when it was written. While the backup is gone, the file itself is whole.
    """
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(backup)
        os.link(path, backup)
    except FileNotFoundError:
        return
    except OSError:
        # Not every file system has hard links (vfat, some networks').
        with open(path, "rb") as file:
            content = file.read()
        atomic_write(backup, content)


def remove_temporaries(directory: str, prefix: str = "") -> None:
    """Remove what writers that were killed in the middle left in a directory, of files whose name has a prefix.

    For who alone writes there. A directory that is not there is fine, and what cannot be removed is in nobody's way.
    """
    with contextlib.suppress(OSError):
        for name in os.listdir(directory):
            stem, _, pid = name.removesuffix(TEMPORARY).rpartition(".")
            if stem.startswith(prefix) and stem and pid.isdecimal() and name.endswith(TEMPORARY):
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(directory, name))


def append(descriptor: int, content: bytes, path: str, *, durable: bool = False) -> None:
    """Append to an open file; with ``durable`` return only when it is on the disk.

    ``path`` is for the message. Raises ``MachineError`` if the machine refuses.
    """
    with machine_errors("append to", path):
        _write_all(descriptor, content)
        if durable:
            os.fsync(descriptor)


def sync_directory(path: str) -> None:
    """Wait until the names in a directory are on the disk (fsync(2): a file's own flush does not include them)."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def canonical(data: Any) -> str:
    """JSON with sorted keys and no spaces: equal data give equal text."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def checksum(text: str) -> str:
    """SHA-256 of a text, in hexadecimal."""
    return str(_small_sha256()(text.encode("utf-8", "surrogatepass")).hexdigest())


def _small_sha256() -> Callable[[bytes], Any]:
    """Python's own SHA-256: ``hashlib`` loads OpenSSL, which takes every child 5 ms.

    Only the name that this Python has is asked for: to look for a module that is not there takes longer than the sum.
    """
    try:
        found: Callable[[bytes], Any] = __import__("_sha2" if sys.version_info >= (3, 12) else "_sha256").sha256
    except ImportError:
        from hashlib import sha256

        return sha256
    return found


def encode_document(kind: str, schema: int, data: Any) -> bytes:
    """The content of a checked document; see the module's text."""
    body = canonical(data)
    text = f'{{"kind":"{kind}","schema":{schema},"sha256":"{_seal(kind, schema, body)}","data":{body}}}\n'
    return text.encode("utf-8", "surrogatepass")


def write_document(path: str, kind: str, schema: int, data: Any, *, durable: bool = True) -> None:
    """Write a checked document; see the module's text. Raises ``MachineError``."""
    atomic_write(path, encode_document(kind, schema, data), durable=durable)


def read_document(path: str, kind: str, schema: int, migrations: Mapping[int, Migration] | None = None) -> Any:
    """The data of a checked document, as those of version ``schema``.

    What is older is brought there step by step: ``migrations[n]`` makes data of version n + 1 out of those of n. Raises
    ``StateError`` if the file is missing, damaged, of another kind, newer, or so old that there is no way.
    """
    try:
        with open(path, "rb") as file:
            text = file.read().decode("utf-8", "surrogatepass")
    except OSError as error:
        raise StateError(f"cannot read the {kind} file: {error.strerror}", where=path) from error
    except ValueError as error:
        raise _damaged(path, kind, "it is not UTF-8") from error
    try:
        document = json.loads(text)
        found_kind, found_schema = document["kind"], document["schema"]
        expected, data = document["sha256"], document["data"]
        body = canonical(data)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(path, kind, "it is not a complete JSON document") from error
    if found_kind != kind:
        raise StateError(f"this is not a {kind} file but says it is {str(found_kind)[:40]!r}", where=path)
    way = _way(found_schema, schema, migrations or {})
    if way is None:
        raise StateError(
            f"the {kind} file has schema version {str(found_schema)[:40]}, this Tako reads {schema}",
            where=path,
            cure="use the version of Tako that wrote it",
        )
    if _seal(kind, found_schema, body) != expected:
        raise _damaged(path, kind, "its content does not match its checksum")
    with foreign_content(kind, path):
        for migrate in way:
            data = migrate(data)
    return data


def _way(found: Any, wanted: int, migrations: Mapping[int, Migration]) -> list[Migration] | None:
    """The migrations from one version to another; None if there is no such way, or ``found`` is no version."""
    if type(found) is not int or found > wanted or not all(version in migrations for version in range(found, wanted)):
        return None
    return [migrations[version] for version in range(found, wanted)]


def _seal(kind: str, schema: int, body: str) -> str:
    return checksum(body if schema == 1 else f"{kind} {schema} {body}")


@contextlib.contextmanager
def foreign_content(kind: str, path: str) -> Iterator[None]:
    """Raise ``StateError`` where a document, though whole, does not hold what a document of its kind holds."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StateError(f"the {kind} lacks something or has too much: {error}", where=path) from error


def set_aside(path: str, new: str) -> None:
    """Give a file or directory another name, unless that is taken; one that is not there is fine.

    Raises ``MachineError``.
    """
    with machine_errors("rename", path):
        if not os.path.lexists(new):
            with contextlib.suppress(FileNotFoundError):
                os.rename(path, new)


def remove_tree(path: str, *, check: Check = no_check) -> None:
    """Remove a directory with everything in it, read-only parts included; one that is not there is fine.

    ``check`` is called often; if it raises, the rest stays. Raises ``MachineError`` naming what could not be removed;
    the rest of it is removed then.
    """
    if os.path.islink(path):
        raise MachineError(f"cannot remove {path}: it is a symbolic link", where=path)
    from tako.directories import remove

    unremoved = remove(path, check=check)
    if unremoved:
        more = f" (and {len(unremoved) - 1} more)" if len(unremoved) > 1 else ""
        raise MachineError(f"cannot remove {unremoved[0].path}: {unremoved[0].why}{more}", where=path)


def leads_out(path: str, directory: str) -> bool:
    """Whether a path, all links followed, is neither a directory itself nor below it; neither need exist."""
    root, real = os.path.realpath(directory), os.path.realpath(path)
    return real != root and not real.startswith(os.path.join(root, ""))


def file_checksum(path: str, *, check: Check = no_check) -> str:
    """SHA-256 of a file's content, in hexadecimal; ``check`` is called often. Raises ``MachineError``."""
    with machine_errors("read", path):
        return content_checksum(path, check=check)


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _damaged(path: str, kind: str, why: str) -> StateError:
    return StateError(f"the {kind} file is damaged: {why}", where=path)


@contextlib.contextmanager
def machine_errors(verb: str, path: str) -> Iterator[None]:
    """Turn what the machine refuses (``OSError``) into a ``MachineError``: ``cannot <verb> <path>: …``."""
    try:
        yield
    except OSError as error:
        cure = "free some space and try again" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        if is_shortage(error):
            cure = MAKE_ROOM
        raise MachineError(
            f"cannot {verb} {error.filename or path}: {error.strerror or error}", where=path, cure=cure
        ) from error
