"""What an unquoted YAML word means.

The core schema of YAML 1.2.2 (section 10.3.2), with three words fewer taken for numbers: one with a leading zero
(``0644``, octal in YAML 1.1), one with an exponent but no point (``1234e56``, as likely a commit), and one
that no 64-bit integer or finite float holds. They stay text, as ``yes``, ``no``, ``on`` and ``off`` do.
"""

from __future__ import annotations

import math
import re

CONSTANTS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_FIRST = frozenset("-+.0123456789tTfFnN~")
_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,18})")
_BASED = re.compile(r"0x[0-9a-fA-F]{1,16}|0o[0-7]{1,21}")
_FLOAT = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")

Scalar = str | int | float | bool | None


def meaning(word: str) -> Scalar:
    """The value of an unquoted word: null, a boolean, a number, or the word itself."""
    if word and word[0] not in _FIRST:
        return word
    if word in CONSTANTS:
        return CONSTANTS[word]
    if _DECIMAL.fullmatch(word):
        return _held(int(word), word)
    if _BASED.fullmatch(word):
        return _held(int(word, 0), word)
    if _FLOAT.fullmatch(word):
        number = float(word)
        return number if math.isfinite(number) else word
    return word


def _held(number: int, word: str) -> int | str:
    return number if -(2**63) <= number < 2**63 else word
