"""The Go tool's spellings within templates and conditions, and the present ones for them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from tako.expressions.go_spellings import STEPS, rewrite, show_lengths
from tako.expressions.names import ROOTS
from tako.lint.syntax import Node, Sheet

_KEY = r"(?:\.\w+|\['[^']+'\])"
_GO_STEP = re.compile(rf"\b{STEPS}({_KEY})({_KEY})")
_OWN = (".outputs", "['outputs']")
# A step's own field, unless it has an output of that name: only a run can tell.
_UNSURE = (".status", "['status']")
_CEL_PARTS = re.compile(
    r"""[rRbB]{0,2}(?:'''.*?'''|\"\"\".*?\"\"\"|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")|//[^\n]*"""
    rf"|(?P<dotted>(?<![\w\])}}'\".])\.(?P<root>{'|'.join(ROOTS)}|{'|'.join(root.capitalize() for root in ROOTS)})\b)"
    rf"|(?P<capital>(?<![\w.])(?:{'|'.join(root.capitalize() for root in ROOTS)})\b)",
    re.DOTALL,
)


def segments(text: str) -> Iterator[tuple[int, str]]:
    """The parts of a template between delimiters, these included: where each starts, and its text."""
    from jinja2 import TemplateSyntaxError

    from tako.expressions.sandbox import tokens

    parts: list[str] = []
    at = 0
    try:
        for _line, kind, raw in tokens(text):
            if kind in ("variable_begin", "block_begin"):
                parts = []
            parts.append(raw)
            if kind not in ("variable_end", "block_end", "raw_begin", "raw_end"):
                continue
            whole = show_lengths("".join(parts)) if kind.endswith("_end") and kind != "raw_end" else raw
            start = text.find(whole, at)
            if start < 0:
                # Jinja2's lexer has other line ends than the text.
                continue
            at = start + len(whole)
            if not kind.startswith("raw"):
                yield start, whole
    except TemplateSyntaxError:
        return


@lru_cache(maxsize=4096)
def present_template(text: str) -> str:
    """A template in the present spelling; what cannot be told for certain stays as it is."""
    out = []
    at = 0
    for start, segment in segments(text):
        out += [text[at:start], _present_segment(segment)]
        at = start + len(segment)
    return "".join([*out, text[at:]])


def _present_segment(segment: str) -> str:
    from tako.expressions.sandbox import tokens

    made = rewrite(tokens(segment))
    made = _GO_STEP.sub(_own_output, made)
    return segment if STEPS in made else made


def _own_output(match: re.Match[str]) -> str:
    step, key = match[1], match[2]
    if key in _UNSURE:
        return match[0]
    return f"steps{step}{key}" if key in _OWN else f"steps{step}.outputs{key}"


def present_condition(text: str) -> str:
    """A condition in the present spelling: no leading dot, no capital."""

    def present(match: re.Match[str]) -> str:
        if match["dotted"]:
            return match["root"].lower()
        return match["capital"].lower() if match["capital"] else match[0]

    return _CEL_PARTS.sub(present, text)


def respelled(sheet: Sheet, node: Node, present: Callable[[str], str]) -> str | None:
    """A scalar as it would be written in the present spelling, or None if its quoting does not let that be told."""
    raw = sheet.raw(node)
    if node.style == "'":
        inner = raw[1:-1].replace("''", "'")
        return "'" + present(inner).replace("'", "''") + "'"
    if node.style == '"':
        inner = raw[1:-1]
        made = present(inner)
        return None if "\\" in inner or '"' in made else f'"{made}"'
    if node.anchored:
        return None
    return present(raw)
