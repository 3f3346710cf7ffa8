"""Inputs that need not be given and have no default, and the expressions that fail without them. Pure."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_KEY = r"\s*(?:\.\s*{name}(?![\w-])|\[\s*['\"]{name}['\"]\s*\])"
_ROOT = r"(?<![\w'\"\]).])\.?[iI]nputs"


def unguarded(texts: Iterable[tuple[str, bool]], condition: str | None, name: str) -> str | None:
    """The first of some texts that reads the input ``name`` and does not ask whether it is there; None if none does.

    A text comes with whether it is a condition rather than a template. ``condition`` is the step's own: where that
    asks, the step is skipped without the input.
    """
    if condition is not None and asks(condition, name):
        return None
    return next((text for text, is_condition in texts if reads(text, name, condition=is_condition)), None)


def asks(text: str, name: str) -> bool:
    """Whether an expression asks whether the input is there."""
    path = _ROOT + _KEY.format(name=re.escape(name))
    there = (
        rf"\bhas\s*\(\s*{path}\s*\)|{path}\s*\|\s*(?:default|d)\b|{path}\s+is\s+(?:not\s+)?(?:un)?defined"
        rf"|['\"]{re.escape(name)}['\"]\s+(?:not\s+)?in\s+\.?[iI]nputs|[iI]nputs\.get\("
    )
    return re.search(there, text) is not None


def reads(text: str, name: str, *, condition: bool) -> bool:
    """Whether an expression that compiles reads the input without asking whether it is there."""
    if not re.search(_ROOT + _KEY.format(name=re.escape(name)), text) or asks(text, name):
        return False
    # Only now, since most texts name no such input.
    from tako.expressions.references import in_condition, in_template

    try:
        found = in_condition(text) if condition else in_template(text)
    except Exception:  # noqa: BLE001  (what does not compile is told elsewhere, in the libraries' own exceptions)
        return False
    return any(one.root == "inputs" and one.keys[:1] == (name,) for one in found)


def cure(name: str, *, condition: bool) -> str:
    """What to do about it, as a part of a sentence."""
    key = f".{name}" if name.isidentifier() else f"['{name}']"
    ask = f"ask first: has(inputs{key}) && …" if condition else f"write {{{{ inputs{key} | default('') }}}}"
    return f"give it a `default`, make it `required: true`, or {ask}"
