"""Texts that would stay as they are written: another tool's spelling, or a template where none is read."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tako.config import schema
from tako.config.foreign import RAW, surely
from tako.config.labels import label
from tako.config.problems import Path, Problem
from tako.config.reads import COMMAND, LITERAL, PATTERN, SCRIPT, TEMPLATE, Text, texts
from tako.expressions.names import ROOTS

_SIGN = re.compile(r"\{[{%]|\$[{(\[]|<<")
"""Without one of these a text holds nothing of the kind."""
_ANY = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_SPELLED = "|".join((*ROOTS, *(root.capitalize() for root in ROOTS)))
_OWN = re.compile(rf"\{{\{{-?\s*\.?(?:{_SPELLED})\b.*?\}}\}}", re.DOTALL)
"""One that reads a name of Tako's: in a command or a pattern, other braces may be meant as they are."""
_FIXED = re.compile(r"from_env:\s*\{\{")

_INSTEAD = {
    ("artifacts", "path"): "use a glob, like dist/*.whl",
    ("artifacts", COMMAND): "it is a plain command; take the name or version from a file, or from the environment",
    ("inputs", "default"): "give the default as it is, or let a step compute it: {{ inputs.x | default(…) }}",
    ("subscriptions", "artifact"): "name the artifact as it is, and choose between events with 'filters'",
    ("subscriptions", "events"): "name the events as they are, and choose between them with 'filters'",
}
_PLAIN = "write it out"


def text_problems(root: schema.Root) -> Iterator[Problem]:
    """Every text of a file in which something that looks like a template would stay as it is written."""
    for text in texts(root, like=_SIGN):
        what = _fault(text)
        if what:
            yield Problem(text.path, f"{label(text.path)}: {what}", on_key=text.on_key)


def _fault(text: Text) -> str:
    value = text.value
    foreign = next(surely(value, text.reads), None)
    if foreign is not None:
        line = f" (line {value.count(chr(10), 0, foreign.at) + 1} of it)" if "\n" in value.strip() else ""
        literally = f"; {RAW}" if text.reads in (TEMPLATE, SCRIPT) and "{{" in foreign.text else ""
        return f"{foreign.what}{line}{literally}"
    if "{" not in value:
        return ""
    found = _unread(text)
    if found is None:
        return ""
    shown = " ".join(found.split())
    shown = shown if len(shown) <= 60 else f"{shown[:59]}…"
    return f"no template is read here, so `{shown}` would stay as it is; {_instead(text.path, text.reads)}"


def _unread(text: Text) -> str | None:
    """The template in a text that reads none."""
    if text.reads == LITERAL:
        found = _ANY.search(text.value)
    elif text.reads in (COMMAND, PATTERN):
        found = _OWN.search(text.value)
    else:
        is_output = text.path[-2:-1] == ("outputs",) and _FIXED.match(text.value)
        found = _ANY.search(text.value) if is_output else None
    return found[0] if found else None


def _instead(path: Path, reads: str) -> str:
    names = [str(part) for part in path if isinstance(part, str)]
    return next(
        (cure for (owner, field), cure in _INSTEAD.items() if owner in names and field in (*names, reads)), _PLAIN
    )
