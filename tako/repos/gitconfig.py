"""The simple part of git's configuration syntax (git-config(1)), so that common questions need no git process."""

from __future__ import annotations

from tako.records import record

_NEEDS_GIT = '"\\#;'
"""Quotes, escapes, continued lines and comments after a value: left to git itself."""


@record
class Setting:
    """One line of a configuration: ``section.subsection.key = value``; section and key are in lower case."""

    section: str
    subsection: str
    key: str
    value: str


def parse(text: str) -> tuple[Setting, ...] | None:
    """The settings in their order; None if the file holds anything but plain ``key = value`` lines."""
    settings = []
    section = subsection = ""
    for raw in text.splitlines():
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if line[0] == "[":
            header = _header(line)
            if header is None:
                return None
            section, subsection = header
            continue
        key, equals, value = (part.strip() for part in line.partition("="))
        if not section or any(char in line for char in _NEEDS_GIT):
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
    if not section.replace("-", "").isalnum():
        return None
    if not quote:
        return section.lower(), ""
    subsection = rest[:-1]
    if rest[-1:] != '"' or "\\" in subsection or '"' in subsection:
        return None
    return section.lower(), subsection
