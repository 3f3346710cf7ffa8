r"""What a shell makes of a backslash in a secret that it prints: dash's ``echo`` turns ``\n`` into a line end."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_PLAIN = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92}
_ESCAPE = {"e": 27, "E": 27}
_QUOTES = {'"': 34, "'": 39, "?": 63}
_OCTAL, _HEX = "01234567", "0123456789abcdefABCDEF"


def unescaped(text: str) -> Iterator[bytes]:
    r"""The forms of a text with backslashes: as dash's ``echo`` prints it; as ``printf "$TOKEN"`` and ``%b`` do;
    as bash's ``echo -e`` and ``$'…'`` do; and as ``read`` without ``-r`` and ``xargs`` take it.

    What ``\c`` cuts off is printed by none of them.
    """
    found = {
        _interpreted(text, _PLAIN, zero_octal=True, octal=False, hexadecimal=False),
        _interpreted(text, _PLAIN, zero_octal=True, octal=True, hexadecimal=False),
        _interpreted(text, {**_PLAIN, **_ESCAPE}, zero_octal=True, octal=False, hexadecimal=False),
        _interpreted(text, {**_PLAIN, **_ESCAPE}, zero_octal=True, octal=True, hexadecimal=False),
        _interpreted(text, {**_PLAIN, **_QUOTES}, zero_octal=False, octal=True, hexadecimal=False),
        _interpreted(text, {**_PLAIN, **_ESCAPE}, zero_octal=True, octal=False, hexadecimal=True),
        _interpreted(text, {**_PLAIN, **_ESCAPE, **_QUOTES}, zero_octal=False, octal=True, hexadecimal=True),
        _bare(text).encode(),
    }
    for form in found:
        yield form
        yield form.strip()
        yield from (line.strip() for line in form.splitlines())


def _bare(text: str) -> str:
    """Without the backslash before each character."""
    chars = iter(text)
    return "".join(next(chars, "") if char == "\\" else char for char in chars)


def _interpreted(text: str, plain: dict[str, int], *, zero_octal: bool, octal: bool, hexadecimal: bool) -> bytes:
    r"""The bytes that are printed; ``zero_octal`` is ``\0ooo``, ``octal`` is ``\ooo``, ``hexadecimal`` ``\xhh``."""
    out = bytearray()
    at = 0
    while at < len(text):
        char, after = text[at], text[at + 1 : at + 2]
        if char != "\\" or not after:
            out += char.encode()
            at += 1
            continue
        if after == "c":
            break
        if after in plain:
            out.append(plain[after])
            at += 2
            continue
        digits, base, skip = "", 8, 1
        if zero_octal and after == "0":
            digits, skip = _run(text, at + 2, _OCTAL, 3) or "0", 2 if _run(text, at + 2, _OCTAL, 3) else 1
        elif octal and after in _OCTAL:
            digits = _run(text, at + 1, _OCTAL, 3)
        elif hexadecimal and after in "xuU":
            digits, base, skip = _run(text, at + 2, _HEX, {"x": 2, "u": 4, "U": 8}[after]), 16, 2
        if not digits:
            out += b"\\"
            at += 1
            continue
        out += _encoded(int(digits, base), after)
        at += skip + len(digits)
    return bytes(out)


def _run(text: str, at: int, known: str, most: int) -> str:
    end = at
    while end < min(len(text), at + most) and text[end] in known:
        end += 1
    return text[at:end]


def _encoded(number: int, kind: str) -> bytes:
    if kind not in "uU":
        return bytes([number & 255])
    return chr(number).encode("utf-8", "replace") if number < 0x110000 else b""
