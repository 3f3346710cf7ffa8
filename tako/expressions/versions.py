"""Versions and the ranges that a subscription's ``schema_version`` may name.

A range is an interval, ``(1.1.0...2.0.0]``: round brackets exclude a bound, square ones include it, and a
missing bound is open. Or it is npm's: ``^1.0.0``, ``~1.0.0``, ``1.0.0``, ``1.x``, ``*``, ``>=1.0.0 <2.0.0``,
``1.0.0 - 2.0.0``, alternatives with ``||``; a comma reads as a space. In an interval the precedence of semantic
versions alone decides, https://semver.org/#spec-item-11, so ``2.0.0-rc.1`` is in ``[1.0.0...2.0.0)``; npm's
ranges hold a pre-release only where they name one of the same version.

A version may start with ``v`` and leave out minor and patch, which then are 0. The library is loaded late because
its import takes longer than most workflows need to plan, and comparing two plain versions needs none.
"""

from __future__ import annotations

from tako.errors import ExpressionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FORMS = (
    "write a range as `^1.0.0`, `~1.0.0`, `1.0.0`, `1.x`, `*`, `>=1.0.0 <2.0.0`, or as an interval like "
    "`(1.1.0...2.0.0]`"
)
_VERSION_FORM = "a version is MAJOR.MINOR.PATCH, such as 1.2.0"
_MAX_LENGTH = 256
_DOTS = "..."
_OPERATORS = ("<=", ">=", "<", ">", "=", "^", "~")


def check_range(text: str, *, where: str) -> None:
    """Raise ``ExpressionError`` unless ``text`` is a range; an interval that holds no version is none."""
    if text.strip() and not _plain(text):
        _range(text, where)


def in_range(version: str | None, range_: str | None, *, where: str) -> bool:
    """Whether ``range_`` holds ``version``; no version is in every range, and no range holds every version.

    Blank text counts as none. Raises ``ExpressionError`` where one of the two is malformed.
    """
    if version is None or range_ is None or not version.strip() or not range_.strip():
        return True
    plain_version, plain_range = _plain(version), _plain(range_)
    if plain_version and plain_range:
        return plain_version == plain_range
    wanted = _range(range_, where)
    try:
        found = _version(version)
    except ValueError as error:
        raise ExpressionError(str(error), where=where, cure=_VERSION_FORM) from None
    return bool(wanted.match(found))


def part(version: str, index: int) -> int:
    """Major (0), minor (1) or patch (2) of a version; raises ``ValueError`` if it is none."""
    plain = _plain(version)
    if plain:
        return plain[index]
    parsed = _version(version)
    return int((parsed.major, parsed.minor, parsed.patch)[index])


def _plain(text: str) -> tuple[int, int, int] | None:
    """The three numbers of ``1.2.3`` or ``v1.2.3``, None for all that needs a closer look."""
    pieces = text.strip().removeprefix("v").split(".")
    for piece in pieces:
        digits = piece.isascii() and piece.isdigit() and len(piece) < 19
        if not digits or (piece[0] == "0" and piece != "0"):
            return None
    return (int(pieces[0]), int(pieces[1]), int(pieces[2])) if len(pieces) == 3 else None


def _version(text: str) -> Any:
    from semantic_version import Version  # type: ignore[import-untyped]

    bare = text.strip().removeprefix("v")
    core_length = next((at for at, letter in enumerate(bare) if letter in "-+"), len(bare))
    core, rest = bare[:core_length], bare[core_length:]
    try:
        if not bare.isascii() or len(bare) > _MAX_LENGTH:
            raise ValueError
        return Version(core + ".0" * (2 - core.count(".")) + rest)
    except ValueError:
        shown = text if len(text) <= _MAX_LENGTH else f"{text[:_MAX_LENGTH]}…"
        raise ValueError(f"`{shown}` is not a version") from None


class _Interval:
    """The versions between two bounds, either of which may be open (None)."""

    def __init__(self, low: Any, low_included: bool, high: Any, high_included: bool) -> None:
        self._low, self._low_included = low, low_included
        self._high, self._high_included = high, high_included
        if low is not None and high is not None and not (self.match(low) or (low < high)):
            raise ValueError("no version is in it")

    def match(self, version: Any) -> bool:
        """Whether the version is between the bounds."""
        low, high = self._low, self._high
        above = low is None or version > low or (self._low_included and version >= low)
        below = high is None or version < high or (self._high_included and version <= high)
        return bool(above and below)


def _range(text: str, where: str) -> Any:
    """What ``text`` means, as something with ``match(version)``."""
    try:
        return _interval(text.strip()) if _DOTS in text or text.strip()[0] in "([" else _npm(text)
    # npm's grammar is checked only in part by the library: some malformed ranges fail in its own code.
    except (ValueError, AttributeError, AssertionError) as error:
        why = str(error) if isinstance(error, ValueError) else "it is malformed"
        raise ExpressionError(f"`{text}` is not a range of versions", where=where, why=why, cure=_FORMS) from None


def _interval(text: str) -> _Interval:
    low, dots, high = text[1:-1].partition(_DOTS)
    if text[0] not in "([" or text[-1] not in ")]" or not dots:
        raise ValueError("an interval is a bracket, a version, three dots, a version, a bracket")
    return _Interval(
        _version(low) if low.strip() else None,
        text[0] == "[",
        _version(high) if high.strip() else None,
        text[-1] == "]",
    )


def _npm(text: str) -> Any:
    from semantic_version import NpmSpec

    return NpmSpec("||".join(_tidy(group) for group in text.split("||")))


def _tidy(group: str) -> str:
    """One alternative as the library wants it: single spaces, no ``v``, no space behind an operator."""
    blocks: list[str] = []
    operator = ""
    for word in group.replace(",", " ").split():
        found = next((item for item in _OPERATORS if word.startswith(item)), "")
        bare = word[len(found) :].removeprefix("v")
        if found and not bare:
            operator += found
            continue
        blocks.append(operator + found + bare)
        operator = ""
    return " ".join([*blocks, operator]) if operator else " ".join(blocks)
