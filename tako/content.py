"""The content of files, however large: copies and checksums, in pieces that are short, holes kept as holes.

Between two pieces a ``Check`` is called, which may raise to end the work: a stop is asked for, or a time is up.
"""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Check = Callable[[], object]
    """Is called between pieces of long work, and raises to end it."""

PIECE = 1 << 20
"""Bytes read at once."""

_RANGE = 16 << 20
"""Bytes that the kernel copies at once: nothing can end that."""

_NO_RANGE_COPY = frozenset({errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.ETXTBSY})


def no_check() -> None:
    """Let the work go on to its end."""


def copy_file(source: str, target: str, *, check: Check = no_check) -> None:
    """Copy one file with its mode, times and holes; ``target`` must not exist. Raises ``OSError``.

    The error names ``source`` if that is what could not be read. What is half there is removed.
    """
    reader = os.open(source, os.O_RDONLY | os.O_NONBLOCK)
    try:
        writer = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            _copy_content(reader, writer, source, check)
            copy_status(os.fstat(reader), writer)
        except BaseException:
            os.unlink(target)
            raise
        finally:
            os.close(writer)
    finally:
        os.close(reader)


def copy_link(source: str, target: str) -> None:
    """Copy a symbolic link as a link, with its times. Raises ``OSError``."""
    os.symlink(os.readlink(source), target)
    status = os.lstat(source)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)


def copy_status(status: os.stat_result, target: str | int) -> None:
    """Give a file or directory the mode and the times of another. Raises ``OSError``."""
    os.chmod(target, status.st_mode & 0o7777)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def content_checksum(path: str, *, check: Check = no_check) -> str:
    """SHA-256 of a file's content, in hexadecimal. Raises ``OSError``."""
    from hashlib import sha256

    digest = sha256()
    zeros = b""
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        at = 0
        for start, end in _parts_with_data(reader):
            while at < start:
                check()
                zeros = zeros or bytes(PIECE)
                digest.update(zeros[: start - at])
                at += min(PIECE, start - at)
            while at < end and (block := _read(reader, min(PIECE, end - at), at, path)):
                check()
                digest.update(block)
                at += len(block)
        while block := _read(reader, PIECE, at, path):
            check()
            digest.update(block)
            at += len(block)
    finally:
        os.close(reader)
    return digest.hexdigest()


def _copy_content(reader: int, writer: int, source: str, check: Check) -> None:
    at, in_kernel = 0, True
    for start, end in _parts_with_data(reader):
        at = start
        while at < end:
            check()
            count = _copy_range(reader, writer, at, min(_RANGE, end - at)) if in_kernel else None
            if count is None:
                in_kernel = False
                count = _copy_piece(reader, writer, at, min(PIECE, end - at), source)
            if not count:
                break
            at += count
    # Whatever is left: of a file that has grown, or whose size the kernel does not know.
    while count := _copy_piece(reader, writer, at, PIECE, source):
        check()
        at += count
    os.ftruncate(writer, at)


def _copy_range(reader: int, writer: int, at: int, count: int) -> int | None:
    """How many bytes the kernel has copied; None if it cannot. Where the file system can, the blocks are shared."""
    try:
        return os.copy_file_range(reader, writer, count, at, at)
    except AttributeError:
        return None
    except OSError as error:
        if error.errno in _NO_RANGE_COPY:
            return None
        raise


def _copy_piece(reader: int, writer: int, at: int, count: int, source: str) -> int:
    block = _read(reader, count, at, source)
    done = 0
    while done < len(block):
        done += os.pwrite(writer, block[done:], at + done)
    return done


def _read(reader: int, count: int, at: int, path: str) -> bytes:
    try:
        return os.pread(reader, count, at)
    except OSError as error:
        error.filename = path
        raise


def _parts_with_data(descriptor: int) -> Iterator[tuple[int, int]]:
    """Where in a file there is data, as (start, end), and at last (size, size); between these there are holes."""
    status = os.fstat(descriptor)
    size, at = status.st_size, 0
    may_have_holes = status.st_blocks * 512 < size and hasattr(os, "SEEK_DATA")
    while may_have_holes and at < size:
        try:
            start = os.lseek(descriptor, at, os.SEEK_DATA)
            end = os.lseek(descriptor, start, os.SEEK_HOLE)
        except OSError as error:
            if error.errno != errno.ENXIO:
                # This file system does not know.
                break
            # A hole up to the end.
            at = size
        else:
            yield start, min(end, size)
            at = end
    if at < size:
        yield at, size
    yield size, size
