"""Reads single objects of a git repository without a git process (gitrepository-layout(5), gitformat-pack(5)).

The index of the cache asks every repository for one file of its commit; a process for each would cost seconds. What is
not found here, or is stored in a form that this does not know, is left to git.
"""

from __future__ import annotations

import os
import zlib

from tako.records import record

_TYPES = {1: "commit", 2: "tree", 3: "blob", 4: "tag"}
_OFFSET_DELTA, _REF_DELTA = 6, 7
_LONGEST_CHAIN = 250
"""Deltas on top of each other; git makes 50, and 250 with ``--aggressive``."""
_LARGEST = 64 << 20
"""Bytes of an object that is read."""
_PIECE = 8192


@record
class TreeEntry:
    """One name in a tree."""

    mode: str
    """In octal: 100644, 100755, 120000 for a symbolic link, 160000 for a submodule, 40000 for a directory."""
    id: str


class UnknownFormError(Exception):
    """An object is not stored as expected, or not at all; git knows more."""


def read_object(objects: str, wanted: str) -> tuple[str, bytes]:
    """Return the type and the content of an object; ``objects`` is the directory, ``wanted`` the full id.

    Raises ``UnknownFormError``, also if it is not there.
    """
    try:
        return _read(objects, wanted, 0)
    except (OSError, zlib.error, IndexError, ValueError) as error:
        raise UnknownFormError(wanted) from error


def tree_entries(content: bytes, id_bytes: int) -> dict[bytes, TreeEntry]:
    """The entries of a tree by their names; an id has ``id_bytes``. Raises ``UnknownFormError``."""
    entries = {}
    start = 0
    while start < len(content):
        end = content.find(b"\0", start)
        mode, space, name = content[start:end].partition(b" ")
        if end < 0 or not space:
            raise UnknownFormError("tree")
        start = end + 1 + id_bytes
        entries[name] = TreeEntry(mode.decode("ascii", "replace"), content[end + 1 : start].hex())
    return entries


def _read(objects: str, wanted: str, depth: int) -> tuple[str, bytes]:
    loose = os.path.join(objects, wanted[:2], wanted[2:])
    if os.path.exists(loose):
        with open(loose, "rb", buffering=0) as file:
            if os.fstat(file.fileno()).st_size > _LARGEST:
                raise UnknownFormError(wanted)
            head, _, content = _inflate(file.readall()).partition(b"\0")
        return head.partition(b" ")[0].decode("ascii"), content
    packs = os.path.join(objects, "pack")
    for name in os.listdir(packs):
        if name.endswith(".idx"):
            index = os.path.join(packs, name)
            offset = _offset_in(index, bytes.fromhex(wanted))
            if offset is not None:
                return _Pack(objects, f"{index.removesuffix('.idx')}.pack", len(wanted) // 2).read(offset, depth)
    raise UnknownFormError(wanted)


def _offset_in(index: str, wanted: bytes) -> int | None:
    """Where a pack has an object, by its index of version 2; None if it has not."""
    with open(index, "rb", buffering=0) as file:
        handle, size = file.fileno(), len(wanted)
        if os.pread(handle, 8, 0) != b"\xfftOc\x00\x00\x00\x02":
            raise UnknownFormError(index)
        total = _number(os.pread(handle, 4, 8 + 255 * 4))
        low = _number(os.pread(handle, 4, 8 + (wanted[0] - 1) * 4)) if wanted[0] else 0
        high = _number(os.pread(handle, 4, 8 + wanted[0] * 4))
        ids = 8 + 256 * 4
        while low < high:
            middle = (low + high) // 2
            found = os.pread(handle, size, ids + middle * size)
            if found == wanted:
                offsets = ids + total * (size + 4)
                offset = _number(os.pread(handle, 4, offsets + middle * 4))
                if offset & 0x80000000:
                    return _number(os.pread(handle, 8, offsets + total * 4 + (offset & 0x7FFFFFFF) * 8))
                return offset
            low, high = (middle + 1, high) if found < wanted else (low, middle)
    return None


class _Pack:
    """One pack."""

    def __init__(self, objects: str, path: str, id_bytes: int) -> None:
        self._objects = objects
        self._path = path
        self._id_bytes = id_bytes

    def read(self, offset: int, depth: int) -> tuple[str, bytes]:
        """The type and the content of the object at an offset, which is below ``depth`` deltas."""
        with open(self._path, "rb", buffering=0) as file:
            return self._read(file.fileno(), offset, depth)

    def _read(self, handle: int, offset: int, depth: int) -> tuple[str, bytes]:
        if depth > _LONGEST_CHAIN:
            raise UnknownFormError(self._path)
        start = os.pread(handle, 32 + self._id_bytes, offset)
        kind = start[0] >> 4 & 7
        _, used = _varint(start, 0, first_bits=4)
        if kind in _TYPES:
            return _TYPES[kind], self._inflated(handle, offset + used)
        if kind == _OFFSET_DELTA:
            distance, used = _distance(start, used)
            type_, base = self._read(handle, offset - distance, depth + 1)
        elif kind == _REF_DELTA:
            base_id = start[used : used + self._id_bytes].hex()
            used += self._id_bytes
            type_, base = _read(self._objects, base_id, depth + 1)
        else:
            raise UnknownFormError(self._path)
        return type_, _applied(base, self._inflated(handle, offset + used))

    def _inflated(self, handle: int, offset: int) -> bytes:
        inflate = zlib.decompressobj()
        content = b""
        while not inflate.eof and len(content) < _LARGEST:
            piece = os.pread(handle, _PIECE, offset)
            if not piece:
                raise UnknownFormError(self._path)
            offset += len(piece)
            content += inflate.decompress(piece, _LARGEST)
        return _whole(content, inflate)


def _inflate(data: bytes) -> bytes:
    inflate = zlib.decompressobj()
    return _whole(inflate.decompress(data, _LARGEST), inflate)


def _whole(content: bytes, inflate: zlib._Decompress) -> bytes:
    if not inflate.eof:
        raise UnknownFormError("too large, or cut off")
    return content


def _applied(base: bytes, delta: bytes) -> bytes:
    """What a delta makes of its base: copies out of that, and what is new."""
    expected, position = _varint(delta, 0)
    size, position = _varint(delta, position)
    if expected != len(base) or size > _LARGEST:
        raise UnknownFormError("delta")
    made = bytearray()
    while position < len(delta):
        command = delta[position]
        position += 1
        if command & 0x80:
            numbers = []
            for bits in (range(4), range(4, 7)):
                number = 0
                for shift, bit in enumerate(bits):
                    if command & 1 << bit:
                        number |= delta[position] << 8 * shift
                        position += 1
                numbers.append(number)
            start, length = numbers[0], numbers[1] or 0x10000
            made += base[start : start + length]
        elif command:
            made += delta[position : position + command]
            position += command
        else:
            raise UnknownFormError("delta")
    if len(made) != size:
        raise UnknownFormError("delta")
    return bytes(made)


def _varint(data: bytes, position: int, *, first_bits: int = 7) -> tuple[int, int]:
    """A number in groups of seven bits, the lowest first, and where the next thing begins."""
    byte = data[position]
    number, shift = byte & (1 << first_bits) - 1, first_bits
    position += 1
    while byte & 0x80:
        byte = data[position]
        number |= (byte & 0x7F) << shift
        shift += 7
        position += 1
    return number, position


def _distance(data: bytes, position: int) -> tuple[int, int]:
    """How far before a delta its base begins: seven bits each, the highest first, with one added for each group."""
    byte = data[position]
    number = byte & 0x7F
    position += 1
    while byte & 0x80:
        byte = data[position]
        number = (number + 1 << 7) | byte & 0x7F
        position += 1
    return number, position


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")
