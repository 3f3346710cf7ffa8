"""Copying a directory as it is: content, modes, times, and symbolic links as links."""

from __future__ import annotations

import errno
import os

_CHUNK = 1 << 20
_NO_RANGE_COPY = frozenset({errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.ETXTBSY})


def copy_tree(source: str, target: str) -> tuple[str, ...]:
    """Copy a directory to a place where nothing is yet; return what was skipped, as paths in the source.

    FIFOs, sockets and devices are skipped: reading one may never end. So is the target, should it lie in the
    source. Raises ``OSError``.
    """
    os.mkdir(target)
    own = os.stat(target)
    directories: list[tuple[str, str]] = []
    skipped: list[str] = []
    pending = [(source, target)]
    while pending:
        directory, made = pending.pop()
        directories.append((directory, made))
        with os.scandir(directory) as entries:
            for entry in entries:
                path = os.path.join(made, entry.name)
                if entry.is_symlink():
                    _copy_link(entry.path, path)
                elif entry.is_dir():
                    if not os.path.samestat(own, os.stat(entry.path)):
                        os.mkdir(path)
                        pending.append((entry.path, path))
                elif entry.is_file():
                    copy_file(entry.path, path)
                else:
                    skipped.append(os.path.relpath(entry.path, source))
    # Last: a directory may be read-only, and its time changes with what is put in it.
    for directory, made in directories:
        _copy_status(os.stat(directory), made)
    return tuple(sorted(skipped))


def copy_file(source: str, target: str) -> None:
    """Copy one file with its mode and times; ``target`` must not exist. Raises ``OSError``."""
    reader = os.open(source, os.O_RDONLY)
    try:
        writer = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            _copy_content(reader, writer)
            _copy_status(os.fstat(reader), writer)
        finally:
            os.close(writer)
    finally:
        os.close(reader)


def _copy_content(reader: int, writer: int) -> None:
    try:
        # Where the file system can, this shares the blocks until one of the files is changed.
        while os.copy_file_range(reader, writer, _CHUNK * 1024):
            pass
    except AttributeError:
        pass
    except OSError as error:
        if error.errno not in _NO_RANGE_COPY:
            raise
    # Whatever is left: all of it where there is no copy_file_range, or a file whose size the kernel does not know.
    while block := os.read(reader, _CHUNK):
        while block:
            block = block[os.write(writer, block) :]


def _copy_link(source: str, target: str) -> None:
    os.symlink(os.readlink(source), target)
    status = os.lstat(source)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)


def _copy_status(status: os.stat_result, target: str | int) -> None:
    os.chmod(target, status.st_mode & 0o7777)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
