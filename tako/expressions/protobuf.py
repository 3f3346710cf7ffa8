"""Messages of Protocol Buffers, as far as is needed to read the syntax that the CEL library serialises.

The wire format is https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

Message = dict[int, list[bytes]]
"""The fields of a message that have a length, by their numbers."""


def message(data: bytes) -> Message:
    """The fields of a message that have a length, by their numbers; others (numbers and flags) are left out."""
    fields: Message = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == 0:
            _, at = _varint(data, at)
        elif kind == 2:
            size, at = _varint(data, at)
            fields.setdefault(tag >> 3, []).append(data[at : at + size])
            at += size
        else:
            at += 8 if kind == 1 else 4
    return fields


def text(fields: Message, number: int) -> str:
    """The text of a field, empty if it is not there."""
    return fields[number][0].decode() if number in fields else ""


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
