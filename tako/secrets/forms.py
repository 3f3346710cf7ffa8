"""The spellings in which a secret may turn up: as it is, line by line, and in the encodings that tools put texts into.

Pure, and without imports that a child would have to pay for: ``base64`` and ``urllib.parse`` cost 10 ms.
"""

from __future__ import annotations

import json
from binascii import b2a_base64, hexlify

from tako.secrets.escapes import unescaped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MIN_LENGTH = 4
"""Characters: what is shorter turns up by chance."""

_UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
_URL_SAFE = (_UNRESERVED, f"{_UNRESERVED}/", f"{_UNRESERVED}!'()*", f"{_UNRESERVED}!'()*;/?:@&=+$,#")
"""What is left alone in a URL by RFC 3986, by Python's ``quote``, and by JavaScript's two functions."""
_SHELL_SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./:@%+=,")
_TO_URL_ALPHABET = bytes.maketrans(b"+/", b"-_")
_FIRST_OWN = (0, 2, 3)
"""By the number of bytes before it: the first base64 digit that nothing but the value decides."""
_WRAPS = (76, 64)
"""Digits in a line, by base64(1) and MIME, and by OpenSSL and PEM."""


def forms(value: str) -> frozenset[bytes]:
    """All spellings of a secret's value, each of at least ``MIN_LENGTH`` bytes."""
    wholes = {value, value.strip()}
    lines = {line.strip() for line in value.splitlines()}
    found = {form for whole in wholes for form in _of_whole(whole)}
    found |= {form for line in lines if len(line) >= MIN_LENGTH for form in _escaped(line)}
    return frozenset(form for form in found if len(form) >= MIN_LENGTH)


def is_public(form: bytes) -> bool:
    """Whether a spelling is that of a line which frames every key and certificate (RFC 7468), and tells nothing."""
    marks = form.startswith((b"-----BEGIN ", b"-----END ")) and form.endswith(b"-----")
    return marks and b"-----" not in form[5:-5]


def _of_whole(text: str) -> Iterator[bytes]:
    data = text.encode()
    yield from _escaped(text)
    yield from _in_base64(data)
    yield hexlify(data)
    yield hexlify(data).upper()


def _escaped(text: str) -> Iterator[bytes]:
    for form in {text, *_in_json(text), *_in_url(text), *_in_shell(text), *_in_markup(text), repr(text)[1:-1]}:
        yield form.encode()
    if "\\" in text:
        yield from unescaped(text)


def _in_json(text: str) -> Iterator[str]:
    """As Python, JavaScript, PHP (which escapes slashes) and Go (which escapes what HTML knows) write it."""
    for plain in (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]):
        for escaped in (plain, _in_go(plain)):
            yield escaped
            yield escaped.replace("/", "\\/")
            yield _upper_digits(escaped)
        # As a text that holds JSON is shown: within JSON, and by Python.
        yield json.dumps(plain)[1:-1]
        yield repr(plain)[1:-1]


def _in_go(text: str) -> str:
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _upper_digits(text: str) -> str:
    r"""``\u00e9`` as ``\u00E9``."""
    first, *rest = text.split("\\u")
    return "\\u".join([first, *(part[:4].upper() + part[4:] for part in rest)])


def _in_url(text: str) -> Iterator[str]:
    for safe in _URL_SAFE:
        for digits in ("%{:02X}", "%{:02x}"):
            quoted = _percent(text, safe, digits)
            yield quoted
            yield quoted.replace("%20", "+")


def _percent(text: str, safe: str, digits: str) -> str:
    return "".join(char if char in safe else "".join(digits.format(byte) for byte in char.encode()) for char in text)


def _in_shell(text: str) -> Iterator[str]:
    """As one writes a quote between single quotes, between double quotes, and as bash's ``printf %q`` does."""
    yield text.replace("'", "'\\''")
    yield text.replace("'", "'\"'\"'")
    yield "".join(f"\\{char}" if char in '\\"$`' else char for char in text)
    yield "".join(char if char in _SHELL_SAFE or not char.isascii() else f"\\{char}" for char in text)


def _in_markup(text: str) -> Iterator[str]:
    plain = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    yield plain
    for apostrophe in ("&#x27;", "&#39;", "&apos;"):
        yield plain.replace('"', "&quot;").replace("'", apostrophe)


def _in_base64(data: bytes) -> Iterator[bytes]:
    """The digits that the value decides, wherever in the encoded data it begins; with what follows its end if that is
    the end of the data, and the lines of a long one that is encoded by itself."""
    for before, first in enumerate(_FIRST_OWN):
        digits = b2a_base64(bytes(before) + data, newline=False)
        known = (before + len(data)) * 8 // 6
        yield from _both_alphabets([digits[first:known], digits[first:], digits[first:].rstrip(b"=")])
        if before == 0:
            for width in _WRAPS:
                yield from _both_alphabets(digits[at : at + width] for at in range(0, known, width))


def _both_alphabets(texts: Iterable[bytes]) -> Iterator[bytes]:
    for text in texts:
        yield text
        yield text.translate(_TO_URL_ALPHABET)
