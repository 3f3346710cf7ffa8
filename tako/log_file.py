"""Log files that keep the beginning and the end of what is printed, whatever is printed.

A log grows up to its limit as any file does. From then on it is::

    the first quarter of the limit | one line that says how much is left out | the end of what was printed

Whenever it is full, its last quarter moves down to behind that line, the marker, the file is cut there, and writing
goes on. So every quarter moved makes room for almost two, and in memory is never more than one piece of the move.

The end of the file is the true end of what was printed at every moment, also if the writer is killed at any of its
system calls. In order: the marker is written (over bytes that are to go), the end is copied (to where it does not
overlap with itself), and the file is cut at the end of the copy. Up to the cut the old end is still in its place, and
after it the copy is the end; both are the same bytes. Who looks in between, or is left with that, sees a marker that
counts what is still there, and the end, or a part of it, twice. Since the marker comes first, no gap is ever seen
without it; and it lies within one page, so that a kill does not leave half of it.
"""

from __future__ import annotations

import contextlib
import os

from tako.errors import MachineError
from tako.files import machine_errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEFAULT_LOG_LIMIT = 16 << 20
"""Bytes of a log file."""

MIN_LOG_LIMIT = 64 << 10
"""Smaller limits are raised to this one, so that the parts of a log are large beside its marker."""

_FAR = 1 << 20
"""Bytes to look for a line in behind which there are only blank ones."""

LONGEST_LINE = 2000
"""Characters of a line that ``tail`` returns."""

_PAGE = 4096
_NEAR = 4096
"""How far behind its place the kept end may begin, to begin with a line."""

_PIECE = 1 << 20
_MARKER_START = b"\n[tako: "
_MARKER_SIZE = 96
_TAIL_ATTEMPTS = 10


@contextlib.contextmanager
def open_log(path: str, *, limit: int = DEFAULT_LOG_LIMIT) -> Iterator[Callable[[bytes], None]]:
    """A function that appends to a log file, which is emptied first and never has more than ``limit`` bytes.

    For one writer at a time. Raises ``MachineError``, also while writing.
    """
    file = _CappedFile(path, limit, flags=os.O_TRUNC)
    try:
        yield file.write
    finally:
        file.close()


class LazyLog:
    """A log file that exists only once there is something in it, and goes on where an earlier one ended.

    What is there already counts for its ``limit`` of bytes. It never raises: it is for words about what goes wrong,
    and a full disk must not make that worse. After its first error it writes no more, so that no gap goes untold;
    ``error`` then says in one sentence why it ends there.
    """

    def __init__(self, path: str, *, limit: int = DEFAULT_LOG_LIMIT) -> None:
        self.error: str | None = None
        self._path = path
        self._limit = limit
        self._file: _CappedFile | None = None

    def write(self, data: bytes) -> None:
        """Append, creating the file if need be."""
        if self.error is not None or not data:
            return
        try:
            if self._file is None:
                self._file = _CappedFile(self._path, self._limit)
            self._file.write(data)
        except MachineError as error:
            self.error = error.what

    def close(self) -> None:
        """Give the descriptor back; once more is fine."""
        file, self._file = self._file, None
        if file is None:
            return
        try:
            file.close()
        except MachineError as error:
            self.error = self.error or error.what


def tail(path: str, lines: int, *, limit: int = 64 * 1024) -> tuple[str, ...]:
    """The last lines of a text file that are not blank; none if it cannot be read.

    At most ``limit`` bytes are read, and more only if all those are blank.
    A line has at most ``LONGEST_LINE`` characters: of a longer one it is the end, and begins with ``…``.
    """
    found: list[str] = []
    for size in (limit, max(limit, _FAR)) if lines > 0 else ():
        try:
            data, whole = _last_bytes(path, size)
        except OSError:
            return ()
        found = _lines(data, whole=whole)
        if found or whole:
            break
    return tuple(_shortened(line) for line in found[-lines:])


def _lines(data: bytes, *, whole: bool) -> list[str]:
    """The lines that are not blank of the end of a file; unless it is the whole file, it begins with one byte more."""
    # The first byte of a part only tells whether a line begins behind it.
    found = (data if whole else data[1:]).decode("utf-8", "replace").splitlines()
    if found and not whole and data[:1] != b"\n" and found[0].strip():
        found[0] = f"…{found[0]}"
    return [line for line in found if line.strip()]


def _last_bytes(path: str, limit: int) -> tuple[bytes, bool]:
    """The end of a file, and whether that is all of it."""
    # Opening a pipe that somebody put there would otherwise wait for its writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        data, size = b"", 0
        for _ in range(_TAIL_ATTEMPTS):
            size = os.fstat(descriptor).st_size
            data = os.pread(descriptor, limit, max(0, size - limit))
            # Less than that: its writer cut it between the two calls.
            if len(data) == min(limit, size):
                break
        return data, size <= limit
    finally:
        os.close(descriptor)


def _shortened(line: str) -> str:
    return line if len(line) <= LONGEST_LINE else f"…{line[1 - LONGEST_LINE :]}"


class _CappedFile:
    """An open log file; see the module's text. Everything raises ``MachineError``.

    It writes at places that it keeps count of: with ``O_APPEND`` Linux writes at the end wherever it is told to
    (pwrite(2), "Bugs").
    """

    def __init__(self, path: str, limit: int, *, flags: int = 0) -> None:
        self._path = path
        self._limit = max(limit, MIN_LOG_LIMIT)
        self._head = self._limit // 4 // _PAGE * _PAGE
        with machine_errors("open", path):
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o666)
            self._size = os.fstat(self._descriptor).st_size
            self._left_out = self._said_left_out()

    def close(self) -> None:
        with machine_errors("close", self._path):
            os.close(self._descriptor)

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        with machine_errors("append to", self._path):
            while view:
                room = self._limit - self._size
                if room <= 0:
                    self._make_room()
                    continue
                written = os.pwrite(self._descriptor, view[:room], self._size)
                self._size += written
                view = view[written:]

    def _make_room(self) -> None:
        start = self._kept_end()
        after_head = self._head + (_MARKER_SIZE if self._left_out else 0)
        left_out = self._left_out + start - after_head
        place = self._head + _MARKER_SIZE
        self._put(_marker(left_out, self._limit), self._head)
        for offset in range(start, self._size, _PIECE):
            piece = os.pread(self._descriptor, min(_PIECE, self._size - offset), offset)
            self._put(piece, place + offset - start)
        size = place + self._size - start
        os.ftruncate(self._descriptor, size)
        self._size, self._left_out = size, left_out

    def _kept_end(self) -> int:
        """Where the end begins that is kept when the file is full: with a line, if one begins near."""
        start = self._size - self._head
        newline = os.pread(self._descriptor, _NEAR + 1, start - 1).find(b"\n")
        return start + max(0, newline)

    def _said_left_out(self) -> int:
        """How much was left out by an earlier writer with the same limit."""
        line = b""
        if self._size >= self._head + _MARKER_SIZE:
            line = os.pread(self._descriptor, _MARKER_SIZE, self._head)
        number = line.removeprefix(_MARKER_START).partition(b" ")[0]
        return int(number) if number.isdigit() and _marker(int(number), self._limit) == line else 0

    def _put(self, data: bytes, offset: int) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(self._descriptor, view, offset)
            offset += written
            view = view[written:]


def _marker(left_out: int, limit: int) -> bytes:
    """The line that stands where bytes are left out; always ``_MARKER_SIZE`` long."""
    shown = f"{limit >> 20} MiB" if limit % (1 << 20) == 0 else f"{limit} bytes"
    text = b"%s%d bytes left out here; the limit is %s]" % (_MARKER_START, left_out, shown.encode())
    return text.ljust(_MARKER_SIZE - 1) + b"\n"
