"""The one gateway for files that must survive a crash.

A checked document is one JSON object in a file, ``{"kind", "schema", "sha256", "data"}``, where ``sha256`` is that of
``data`` written with sorted keys and no spaces. It is written to a temporary file, flushed to the disk and renamed
over the old one, so that a reader sees the old document or the new one and never half of either.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys

from tako.errors import MachineError, StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any


def make_dirs(path: str) -> None:
    """Create a directory and those above it; one that is there is fine.

    Raises ``MachineError`` if the machine refuses.
    """
    with _machine_errors("create", path):
        os.makedirs(path, exist_ok=True)


def atomic_write(path: str, content: bytes, *, durable: bool = True) -> None:
    """Replace a file by new content in one step.

    ``durable`` also waits until content and name are on the disk, so that a power cut cannot take them back.
    Raises ``MachineError`` if the machine refuses (full disk, no permission); the old file is then as it was.
    """
    temporary = f"{path}.{os.getpid()}.tmp"
    with _machine_errors("write", path):
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
            try:
                _write_all(descriptor, content)
                if durable:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.replace(temporary, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        if durable:
            sync_directory(os.path.dirname(path) or ".")


def append(descriptor: int, content: bytes, path: str, *, durable: bool = False) -> None:
    """Append to an open file; with ``durable`` return only when it is on the disk.

    ``path`` is for the message. Raises ``MachineError`` if the machine refuses.
    """
    with _machine_errors("append to", path):
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
    """Python's own SHA-256 (``_sha2`` from 3.12 on): ``hashlib`` loads OpenSSL, which takes every child 5 ms."""
    for name in ("_sha2", "_sha256"):
        with contextlib.suppress(ImportError):
            found: Callable[[bytes], Any] = __import__(name).sha256
            return found
    from hashlib import sha256

    return sha256


def write_document(path: str, kind: str, schema: int, data: Any, *, durable: bool = True) -> None:
    """Write a checked document; see the module's text. Raises ``MachineError``."""
    body = canonical(data)
    text = f'{{"kind":"{kind}","schema":{schema},"sha256":"{checksum(body)}","data":{body}}}\n'
    atomic_write(path, text.encode("utf-8", "surrogatepass"), durable=durable)


def read_document(path: str, kind: str, schema: int) -> Any:
    """The data of a checked document.

    Raises ``StateError`` if the file is missing, damaged, of another kind or of another schema version.
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
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(path, kind, "it is not a complete JSON document") from error
    if found_kind != kind:
        raise StateError(f"this is not a {kind} file but says it is {found_kind!r}", where=path)
    if found_schema != schema:
        raise StateError(
            f"the {kind} file has schema version {found_schema!r}, this Tako reads {schema}",
            where=path,
            cure="use the version of Tako that wrote it",
        )
    if checksum(canonical(data)) != expected:
        raise _damaged(path, kind, "its content does not match its checksum")
    return data


def remove_tree(path: str) -> None:
    """Remove a directory with everything in it, read-only parts included; one that is not there is fine.

    Raises ``MachineError`` naming what could not be removed.
    """
    if os.path.islink(path):
        raise MachineError(f"cannot remove {path}: it is a symbolic link", where=path)
    with _machine_errors("remove", path):
        try:
            _remove(path)
        except PermissionError:
            _open_directories(path)
            _remove(path)


def _remove(path: str) -> None:
    from shutil import rmtree

    def ignore_missing(_function: Any, _name: str, error: Any) -> None:
        cause = error[1] if isinstance(error, tuple) else error
        if not isinstance(cause, FileNotFoundError):
            raise cause

    if sys.version_info >= (3, 12):
        rmtree(path, onexc=ignore_missing)
    else:
        rmtree(path, onerror=ignore_missing)


def _open_directories(path: str) -> None:
    """Let the owner into every directory of a tree.

    Only directories: removing a name needs no right on what it names, a symbolic link names something outside,
    and a hard-linked git object has one mode for all its names, the cache's included.
    """
    os.chmod(path, 0o700)
    for directory, names, _files in os.walk(path):
        for name in names:
            inner = os.path.join(directory, name)
            if not os.path.islink(inner):
                os.chmod(inner, 0o700)


def copy_into(source: str, directory: str) -> str:
    """Copy a file or a directory into a directory and return the copy's path. Raises ``MachineError``."""
    import shutil

    target = os.path.join(directory, os.path.basename(source.rstrip("/")))
    with _machine_errors("copy", source):
        if os.path.isdir(source):
            shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copy2(source, target)
    return target


@contextlib.contextmanager
def open_log(path: str) -> Iterator[Callable[[bytes], None]]:
    """A function that appends to a log file, which is emptied first. Raises ``MachineError``, also while writing."""
    with _machine_errors("open", path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o666)
    try:
        yield lambda data: append(descriptor, data, path)
    finally:
        os.close(descriptor)


def tail(path: str, lines: int, *, limit: int = 64 * 1024) -> tuple[str, ...]:
    """The last lines of a text file, of which at most ``limit`` bytes are read; none if it cannot be read."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - limit))
            text = file.read(limit).decode("utf-8", "replace")
    except OSError:
        return ()
    return tuple(text.splitlines()[-lines:]) if lines > 0 else ()


def file_checksum(path: str) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    from hashlib import sha256

    digest = sha256()
    with _machine_errors("read", path), open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _damaged(path: str, kind: str, why: str) -> StateError:
    return StateError(f"the {kind} file is damaged: {why}", where=path)


@contextlib.contextmanager
def _machine_errors(verb: str, path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        cure = "free some space and try again" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        raise MachineError(
            f"cannot {verb} {error.filename or path}: {error.strerror or error}", where=path, cure=cure
        ) from error
