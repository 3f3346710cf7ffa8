"""Ranges of versions as npm reads them: ``^1.2.0``, ``~1.2``, ``1.x``, ``>=1 <3 || 5.0.0 - 6``. Pure.

The rules are those of npm's own package ``semver`` 7 (https://github.com/npm/node-semver, classes/range.js and
internal/re.js, ISC licence), neither ``loose`` nor with ``includePrerelease``. They are rules for rewriting text, and
kept as such, since only the same steps in the same order accept and refuse the same texts. A test holds the answers to
npm's.
"""

from __future__ import annotations

import re
from functools import lru_cache
from operator import eq, ge, gt, le, lt

from tako.expressions.semver import BUILD, MAX_LENGTH, MAX_NUMBER, NUMBER, PRERELEASE, Version, parse
from tako.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

MAX_RANGE = 2048
"""Characters of one range."""

_BLANK = "[\\t\\n\\v\\f\\r \\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000\\ufeff]"
"""White space of JavaScript."""
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {"": eq, "<": lt, "<=": le, ">": gt, ">=": ge}
_NOTHING = "<0.0.0-0"
_OPERATOR = "([<>]?=?)"
_X = rf"({NUMBER}|[xX*])"
_PARTIAL = rf"[v= ]*{_X}(?:\.{_X}(?:\.{_X}{PRERELEASE}?{BUILD}?)?)?"
_LOOSE_IDENTIFIER = "(?:[0-9]*[a-zA-Z-][a-zA-Z0-9-]*|[0-9]+)"
_LOOSE = rf"[v= ]*[0-9]+\.[0-9]+\.[0-9]+(?:-?{_LOOSE_IDENTIFIER}(?:\.{_LOOSE_IDENTIFIER})*)?{BUILD}?"


@record
class Comparator:
    """One comparison, ``>=1.2.0``."""

    operator: str
    version: Version

    def holds(self, version: Version) -> bool:
        """Whether a version is on the right side of this one's, whatever npm says of pre-releases."""
        return _COMPARE[self.operator](version.precedence, self.version.precedence)


@record
class NpmRange:
    """Alternatives, each of comparators that must all hold; one without any holds every release."""

    alternatives: tuple[tuple[Comparator, ...], ...]

    def match(self, version: Version) -> bool:
        """Whether the range holds a version: a pre-release only if a comparator names one of the same numbers."""
        return any(_all_hold(comparators, version) for comparators in self.alternatives)


def _all_hold(comparators: tuple[Comparator, ...], version: Version) -> bool:
    if not all(comparator.holds(version) for comparator in comparators):
        return False
    return not version.prerelease or any(
        comparator.version.prerelease and comparator.version.numbers == version.numbers for comparator in comparators
    )


@lru_cache(maxsize=1024)
def parse_range(text: str) -> NpmRange:
    """The range that a text is. Raises ``ValueError`` for a text that is none, saying which part is not."""
    if len(text) > MAX_RANGE:
        raise ValueError(f"it has {len(text):,} characters, {MAX_RANGE:,} are allowed")
    forms = _forms()
    tidy = forms.blanks.sub(" ", text).strip(" ")
    found = [_alternative(part.strip(" ")) for part in tidy.split("||")]
    possible = [comparators for comparators in found if comparators is not None]
    # As in npm, beside an alternative that holds every release no other one counts, not even for its pre-releases.
    if len(possible) > 1 and () in possible:
        return NpmRange(((),))
    return NpmRange(tuple(possible))


@record
class _Forms:
    """The regular expressions of npm; compiled with the first range, since that takes longer than comparing."""

    blanks: re.Pattern[str]
    build: re.Pattern[str]
    hyphen: re.Pattern[str]
    spaced_operator: re.Pattern[str]
    spaced_tilde: re.Pattern[str]
    spaced_caret: re.Pattern[str]
    caret: re.Pattern[str]
    tilde: re.Pattern[str]
    partial: re.Pattern[str]
    star: re.Pattern[str]
    comparator: re.Pattern[str]


@lru_cache(maxsize=1)
def _forms() -> _Forms:
    return _Forms(
        blanks=re.compile(f"{_BLANK}+"),
        build=re.compile(BUILD),
        hyphen=re.compile(f" ?({_PARTIAL}) - ({_PARTIAL}) ?"),
        spaced_operator=re.compile(f"( ?){_OPERATOR} ?({_LOOSE}|{_PARTIAL})"),
        spaced_tilde=re.compile("( ?)(?:~>?) "),
        spaced_caret=re.compile(r"( ?)\^ "),
        caret=re.compile(rf"\^{_PARTIAL}"),
        tilde=re.compile(f"~>?{_PARTIAL}"),
        partial=re.compile(f"{_OPERATOR} ?{_PARTIAL}"),
        star=re.compile(r"[<>]?=? ?\*"),
        comparator=re.compile(rf"{_OPERATOR} ?(v?{NUMBER}\.{NUMBER}\.{NUMBER}{PRERELEASE}?){BUILD}?"),
    )


def _alternative(text: str) -> tuple[Comparator, ...] | None:
    """The comparators of what stands between two ``||``; None if no version can hold."""
    forms = _forms()
    text = forms.build.sub("", text)
    hyphen = forms.hyphen.fullmatch(text)
    if hyphen is not None:
        text = _hyphen(hyphen)
    text = forms.spaced_operator.sub(r"\1\2\3", text)
    text = forms.spaced_tilde.sub(r"\1~", text)
    text = forms.spaced_caret.sub(r"\1^", text)
    found = []
    for word in text.split(" "):
        if len(word) > MAX_LENGTH:
            raise ValueError(f"a part of it has more than {MAX_LENGTH} characters")
        for comparison in _expanded(word).split(" "):
            if comparison in ("", ">=0.0.0"):
                continue
            found.append(_comparator(comparison, word))
    if any(f"{one.operator}{_text(one.version)}" == _NOTHING for one in found):
        return None
    return tuple(dict.fromkeys(found))


def _comparator(text: str, word: str) -> Comparator:
    match = _forms().comparator.fullmatch(text)
    if match is None:
        raise ValueError(f"`{word}` is no comparison with a version")
    try:
        return Comparator("" if match[1] == "=" else match[1], parse(match[2]))
    except ValueError:
        raise ValueError(f"the numbers of `{word}` go beyond {MAX_NUMBER}") from None


def _text(version: Version) -> str:
    core = ".".join(map(str, version.numbers))
    return f"{core}-{version.prerelease}" if version.prerelease else core


def _expanded(word: str) -> str:
    """One word of a range as plain comparisons with whole versions; empty if it holds every release."""
    forms = _forms()
    match = forms.caret.fullmatch(word)
    if match is not None:
        return _caret(*match.groups())
    match = forms.tilde.fullmatch(word)
    if match is not None:
        return _tilde(*match.groups())
    match = forms.partial.fullmatch(word)
    if match is not None and not _is_disordered(*match.groups()[1:4]):
        word = _partial(word, *match.groups()[:4])
    return forms.star.sub("", word, count=1)


def _is_open(part: str | None) -> bool:
    return part is None or part in "xX*"


def _is_disordered(major: str | None, minor: str | None, patch: str | None) -> bool:
    """Whether a number stands behind an ``x``."""
    return (_is_open(major) and not _is_open(minor)) or (_is_open(minor) and not _is_open(patch))


def _after(part: str | None) -> int:
    return int(part or 0) + 1


def _caret(major: str | None, minor: str | None, patch: str | None, prerelease: str | None) -> str:
    if _is_open(major):
        return ""
    if _is_open(minor):
        return f">={major}.0.0 <{_after(major)}.0.0-0"
    if major != "0":
        below = f"<{_after(major)}.0.0-0"
    elif _is_open(patch) or minor != "0":
        below = f"<0.{_after(minor)}.0-0"
    else:
        below = f"<0.0.{_after(patch)}-0"
    return f">={major}.{minor}.{0 if _is_open(patch) else patch}{_dashed(patch, prerelease)} {below}"


def _tilde(major: str | None, minor: str | None, patch: str | None, prerelease: str | None) -> str:
    if _is_open(major):
        return ""
    if _is_open(minor):
        return f">={major}.0.0 <{_after(major)}.0.0-0"
    lowest = 0 if _is_open(patch) else patch
    return f">={major}.{minor}.{lowest}{_dashed(patch, prerelease)} <{major}.{_after(minor)}.0-0"


def _dashed(patch: str | None, prerelease: str | None) -> str:
    return f"-{prerelease}" if prerelease and not _is_open(patch) else ""


def _partial(word: str, operator: str, major: str | None, minor: str | None, patch: str | None) -> str:
    """A version of which parts may be open, behind an operator or none."""
    if not _is_open(patch):
        return word
    if _is_open(major):
        return _NOTHING if operator in ("<", ">") else "*"
    if operator in ("", "="):
        if _is_open(minor):
            return f">={major}.0.0 <{_after(major)}.0.0-0"
        return f">={major}.{minor}.0 <{major}.{_after(minor)}.0-0"
    lowest = f"{major}.{0 if _is_open(minor) else minor}.0"
    behind = f"{_after(major)}.0.0" if _is_open(minor) else f"{major}.{_after(minor)}.0"
    return {">": f">={behind}", ">=": f">={lowest}", "<": f"<{lowest}-0", "<=": f"<{behind}-0"}[operator]


def _hyphen(match: re.Match[str]) -> str:
    """``1.2 - 3``: both ends belong to it."""
    low, low_major, low_minor, low_patch, _, high, major, minor, patch, prerelease = match.groups()
    if _is_open(low_major):
        start = ""
    elif _is_open(low_minor):
        start = f">={low_major}.0.0"
    elif _is_open(low_patch):
        start = f">={low_major}.{low_minor}.0"
    else:
        start = f">={low}"
    if _is_open(major):
        end = ""
    elif _is_open(minor):
        end = f"<{_after(major)}.0.0-0"
    elif _is_open(patch):
        end = f"<{major}.{_after(minor)}.0-0"
    elif prerelease:
        end = f"<={major}.{minor}.{patch}-{prerelease}"
    else:
        end = f"<={high}"
    return f"{start} {end}".strip()
