"""The simple part of git's configuration syntax (git-config(1)), so that common questions need no git process."""

from __future__ import annotations

from tako.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SPACE = " \t"
_NEEDS_GIT = '"\\#;\t'
"""Quotes, escapes, continued lines, comments after a value, and space that versions of git read differently."""


@record
class Setting:
    """One line of a configuration: ``section.subsection.key = value``; section and key are in lower case."""

    section: str
    subsection: str
    key: str
    value: str


def parse(text: str) -> tuple[Setting, ...] | None:
    """The settings in their order; None if the file holds anything but plain ``key = value`` lines."""
    if "\r" in text:
        return None
    settings = []
    section = subsection = ""
    for raw in text.split("\n"):
        line = raw.strip(_SPACE)
        if not line or line[0] in "#;":
            continue
        if line[0] == "[":
            header = _header(line)
            if header is None:
                return None
            section, subsection = header
            continue
        key, equals, value = (part.strip(_SPACE) for part in line.partition("="))
        if not section or not _is_word(key) or not key[0].isalpha() or any(char in value for char in _NEEDS_GIT):
            return None
        settings.append(Setting(section, subsection, key.lower(), value if equals else "true"))
    return tuple(settings)


def fetch_address(settings: Iterable[Setting]) -> str | None:
    """The address that ``git fetch`` uses by default: that of ``origin``, else of the only remote; None without.

    Of several addresses of one remote, git fetches from the first and pushes to all.
    """
    found: dict[str, str] = {}
    for setting in settings:
        if setting.section == "remote" and setting.key == "url":
            found.setdefault(setting.subsection, setting.value)
    return found.get("origin") or (next(iter(found.values())) if len(found) == 1 else None)


def parse_list(text: str) -> Iterator[Setting]:
    """The settings in what ``git config --null --get-regexp`` prints."""
    for line in text.split("\0"):
        name, newline, value = line.partition("\n")
        section, _, rest = name.partition(".")
        subsection, _, key = rest.rpartition(".")
        if section:
            yield Setting(section, subsection, key, value if newline else "true")


def expanded(rules: Iterable[Setting], address: str) -> str:
    """An address with the longest abbreviation that fits written out (``url.<base>.insteadOf``)."""
    fitting = [rule for rule in rules if rule.value and address.startswith(rule.value)]
    longest = max(fitting, key=lambda rule: len(rule.value), default=None)
    return longest.subsection + address.removeprefix(longest.value) if longest is not None else address


def _header(line: str) -> tuple[str, str] | None:
    """``[section]`` or ``[section "subsection"]``; None for any other spelling."""
    if line[-1] != "]":
        return None
    section, quote, rest = line[1:-1].partition(' "')
    if not _is_word(section):
        return None
    if not quote:
        return section.lower(), ""
    subsection = rest[:-1]
    if not subsection or rest[-1] != '"' or "\\" in subsection or '"' in subsection:
        return None
    return section.lower(), subsection


def _is_word(text: str) -> bool:
    return text.isascii() and text.replace("-", "").isalnum()
