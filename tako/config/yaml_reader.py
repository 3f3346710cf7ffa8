"""PyYAML's reader for a text: libyaml's wherever that can read what is YAML, and JSON."""

from __future__ import annotations

import re
from typing import Any

import yaml

_ESCAPED_PAIR = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def reader(text: str) -> Any:
    """A reader of tokens or events. Of a surrogate pair that is written as escapes it gives the halves: see ``joined``.

    JSON writes a character beyond U+FFFF so (RFC 8259, section 7), and libyaml refuses that. PyYAML's own reader does
    not, and is slower; it refuses tabs between the values of JSON, where they mean no more than spaces.
    """
    if _ESCAPED_PAIR.search(text):
        return yaml.SafeLoader(text.replace("\t", " ") if text.lstrip().startswith("{") else text)
    # A PyYAML built without libyaml is slower, but says the same.
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)


def joined(text: str) -> str:
    """The text with each surrogate pair as the character that it stands for."""
    if not _SURROGATE.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def without_halves(text: str) -> str:
    """A joined text with U+FFFD for every half of a surrogate pair, which is no character."""
    return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)
