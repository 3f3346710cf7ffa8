"""The simple part of git's configuration syntax (git-config(1)), so that common questions need no git process."""

from __future__ import annotations

from tako.records import record

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


def value_of(settings: tuple[Setting, ...], section: str, subsection: str, key: str) -> str | None:
    """The last value given, which is the one that git uses; None if there is none."""
    found = None
    for setting in settings:
        if (setting.section, setting.subsection, setting.key) == (section, subsection, key):
            found = setting.value
    return found


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
