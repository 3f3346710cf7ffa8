"""Versions and the ranges that a subscription's ``schema_version`` may name.

A range is an interval, ``(1.1.0...2.0.0]``: round brackets exclude a bound, square ones include it, and a
missing bound is open. Or it is npm's: ``^1.0.0``, ``~1.0.0``, ``1.0.0``, ``1.x``, ``*``, ``>=1.0.0 <2.0.0``,
``1.0.0 - 2.0.0``, alternatives with ``||``; a comma reads as a space. In an interval the precedence of semantic
versions alone decides, https://semver.org/#spec-item-11, so ``2.0.0-rc.1`` is in ``[1.0.0...2.0.0)``; npm's
ranges hold a pre-release only where they name one of the same version.

Where a version stands, ``v1.2`` is 1.2.0; where a range stands, it is any 1.2.x. Whole versions without a pre-release
are compared here; the rest is loaded with the first that needs it, since it takes regular expressions.
"""

from __future__ import annotations

from tako.errors import ExpressionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from tako.expressions.semver import Version

    class Range(Protocol):
        """Some of all versions."""

        def match(self, version: Version) -> bool: ...


_FORMS = (
    "write a range as `^1.0.0`, `~1.0.0`, `1.0.0`, `1.x`, `*`, `>=1.0.0 <2.0.0`, or as an interval like "
    "`(1.1.0...2.0.0]`"
)
_VERSION_FORM = "a version is MAJOR.MINOR.PATCH, such as 1.2.0"
_DOTS = "..."


def check_range(text: str, *, where: str) -> None:
    """Raise ``ExpressionError`` unless ``text`` is a range; an interval that holds no version is none."""
    if text.strip() and not _plain(text):
        _range(text, where)


def check_version(text: str, *, where: str) -> None:
    """Raise ``ExpressionError`` unless ``text`` is a version; the message says if it is a range."""
    if not _plain(text):
        _version(text, where)


def written_in_full(text: str) -> str:
    """A version with all its numbers and without ``v``: ``1.2.0`` for ``v1.2``. Raises ``ValueError`` for none."""
    from tako.expressions import semver

    return semver.full(text)


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
    return wanted.match(_version(version, where))


def part(version: str, index: int) -> int:
    """Major (0), minor (1) or patch (2) of a version; raises ``ValueError`` if it is none."""
    plain = _plain(version)
    if plain:
        return plain[index]
    from tako.expressions import semver

    try:
        return semver.parse(version).numbers[index]
    except ValueError as error:
        why = _why_not(version)
        raise ValueError(f"{error}; {why}" if why else str(error)) from None


def _plain(text: str) -> tuple[int, int, int] | None:
    """The three numbers of ``1.2.3`` or ``v1.2.3``, None for all that needs a closer look."""
    pieces = text.strip().removeprefix("v").split(".")
    for piece in pieces:
        digits = piece.isascii() and piece.isdigit() and len(piece) < 16
        if not digits or (piece[0] == "0" and piece != "0"):
            return None
    return (int(pieces[0]), int(pieces[1]), int(pieces[2])) if len(pieces) == 3 else None


def _version(text: str, where: str) -> Version:
    from tako.expressions import semver

    try:
        return semver.parse(text)
    except ValueError as error:
        raise ExpressionError(str(error), where=where, why=_why_not(text), cure=_VERSION_FORM) from None


def _why_not(text: str) -> str:
    """What a text is that is no version, if it is a range."""
    try:
        check_range(text, where="")
    except ExpressionError:
        return ""
    return "it is a range of versions, and one version must stand here" if text.strip() else "it is empty"


class _Interval:
    """The versions between two bounds, either of which may be open (None)."""

    def __init__(self, low: Version | None, low_included: bool, high: Version | None, high_included: bool) -> None:
        self._low, self._low_included = low.precedence if low is not None else None, low_included
        self._high, self._high_included = high.precedence if high is not None else None, high_included
        if low is not None and high is not None and not (self.match(low) or low.precedence < high.precedence):
            raise ValueError("no version is in it")

    def match(self, version: Version) -> bool:
        """Whether the version is between the bounds."""
        low, high, found = self._low, self._high, version.precedence
        above = low is None or found > low or (self._low_included and found == low)
        below = high is None or found < high or (self._high_included and found == high)
        return above and below


def _range(text: str, where: str) -> Range:
    """What ``text`` means."""
    from tako.expressions import npm_ranges

    try:
        if _DOTS in text or text.strip()[0] in "([":
            return _interval(text.strip())
        return npm_ranges.parse_range(text.replace(",", " "))
    except ValueError as error:
        shown = text if len(text) <= 200 else f"{text[:200]}…"
        raise ExpressionError(
            f"`{shown}` is not a range of versions", where=where, why=str(error), cure=_FORMS
        ) from None


def _interval(text: str) -> _Interval:
    from tako.expressions import semver

    low, dots, high = text[1:-1].partition(_DOTS)
    if text[0] not in "([" or text[-1] not in ")]" or not dots:
        raise ValueError("an interval is a bracket, a version, three dots, a version, a bracket")
    return _Interval(
        semver.parse(low) if low.strip() else None,
        text[0] == "[",
        semver.parse(high) if high.strip() else None,
        text[-1] == "]",
    )
