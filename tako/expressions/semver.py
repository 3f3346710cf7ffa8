"""Semantic versions and their precedence, https://semver.org/#spec-item-11. Pure.

A version may start with ``v`` and leave out minor and patch, which then are 0: ``1.2`` is 1.2.0 where a version
stands, and any 1.2.x where a range stands.
"""

from __future__ import annotations

import re
from functools import lru_cache

from tako.records import record

MAX_LENGTH = 256
"""Characters of one version, as npm has it."""
MAX_NUMBER = 2**53 - 1
"""The largest number of a version, as npm has it: the largest whole number that JavaScript holds exactly."""

NUMBER = "(?:0|[1-9][0-9]*)"
IDENTIFIER = f"(?:[0-9]*[a-zA-Z-][a-zA-Z0-9-]*|{NUMBER})"
PRERELEASE = rf"(?:-({IDENTIFIER}(?:\.{IDENTIFIER})*))"
BUILD = r"(?:\+[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)*)"

TYPE_CHECKING = False
if TYPE_CHECKING:
    Precedence = tuple[int, int, int, bool, tuple[tuple[bool, int, str], ...]]


@record
class Version:
    """A version without its build metadata, which never counts."""

    numbers: tuple[int, int, int]
    """Major, minor, patch."""
    prerelease: str = ""
    """``rc.1`` of ``1.0.0-rc.1``; empty for a release."""

    @property
    def precedence(self) -> Precedence:
        """Versions are ordered as these values are; versions of one precedence are equal."""
        identifiers = tuple(
            (False, int(item), "") if item.isdigit() else (True, 0, item)
            for item in self.prerelease.split(".")
            if self.prerelease
        )
        return (*self.numbers, not self.prerelease, identifiers)


@lru_cache(maxsize=1)
def _form() -> re.Pattern[str]:
    return re.compile(rf"v?({NUMBER})(?:\.({NUMBER}))?(?:\.({NUMBER}))?{PRERELEASE}?{BUILD}?")


@lru_cache(maxsize=1024)
def parse(text: str) -> Version:
    """The version that a text is. Raises ``ValueError`` for a text that is none, saying why."""
    match = _form().fullmatch(text.strip()) if len(text) <= MAX_LENGTH else None
    if match is None:
        raise ValueError(not_a_version(text))
    numbers = (int(match[1]), int(match[2] or 0), int(match[3] or 0))
    if max(numbers) > MAX_NUMBER:
        raise ValueError(f"{not_a_version(text)}: its numbers go up to {MAX_NUMBER}")
    return Version(numbers, match[4] or "")


def full(text: str) -> str:
    """The version that a text is, written in full: ``1.2.0`` for ``v1.2``. Raises ``ValueError`` as ``parse`` does."""
    bare = text.strip().removeprefix("v")
    parse(bare)
    length = next((at for at, letter in enumerate(bare) if letter in "-+"), len(bare))
    return bare[:length] + ".0" * (2 - bare[:length].count(".")) + bare[length:]


def not_a_version(text: str) -> str:
    """The sentence that refuses a text, which is cut if it is long."""
    return f"`{text if len(text) <= MAX_LENGTH else f'{text[:MAX_LENGTH]}…'}` is not a version"
