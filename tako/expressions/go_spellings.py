"""Templates of the Go tool, rewritten token by token into Jinja2.

``.inputs.x`` and ``.Inputs.x`` become ``inputs.x``; ``.steps.a.x`` reads from ``STEPS``, where outputs lie beside a
step's fields; ``inputs.version-bump`` becomes ``inputs['version-bump']``. A hyphen belongs to a name only behind a
dot, on a path from a root of the scope, with a letter, digit or underscore directly on both sides. String literals,
comments, raw blocks and the text between templates are other tokens and stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable

from tako.expressions.names import ROOTS

STEPS = "_go_steps"
"""The variable that ``.steps`` with its leading dot stands for."""

# Unicode keeps this code point free for use inside a program, https://www.unicode.org/faq/private_use.html.
_BRACE = "\ufdd0"
_LENGTH = "${#"
_HIDDEN_LENGTH = f"${_BRACE}#"

_WORDS = frozenset(
    ["and", "or", "not", "in", "is", "if", "elif", "else", "print", "include", "call"],
)
"""Names behind which a value starts: a dot there is a leading one."""
_SPELLED = {
    **{root: root for root in (*ROOTS, "secrets")},
    **{root.capitalize(): root for root in (*ROOTS, "secrets")},
    "steps": STEPS,
    "Steps": STEPS,
}
_PATH_STARTS = frozenset([*ROOTS, STEPS])
_NAME_PARTS = ("name", "integer")

Token = tuple[str, str]
"""Jinja2's kind of the token and its raw text."""


def hide_lengths(text: str) -> str:
    """The text with bash's ``${#`` made unreadable as the start of a comment; ``rewrite`` undoes it."""
    return text if _BRACE in text else text.replace(_LENGTH, _HIDDEN_LENGTH)


def show_lengths(text: str) -> str:
    """What ``hide_lengths`` was given."""
    return text.replace(_HIDDEN_LENGTH, _LENGTH)


def rewrite(tokens: Iterable[tuple[int, str, str]]) -> str:
    """The text of a template that means in Jinja2 what the tokens mean to their author.

    Each token comes as Jinja2's lexer gives it: line, kind, raw text.
    """
    out: list[str] = []
    code: list[Token] = []
    in_code = in_raw = False
    lines = 1
    for line, kind, text in tokens:
        if kind in ("variable_begin", "block_begin"):
            in_code = True
            # The lexer has dropped the line ends before `{{-`; inside, where they mean nothing, they keep the count.
            dropped = "\n" * (line - lines)
            out.append(text + dropped)
            lines += len(dropped)
        elif kind in ("variable_end", "block_end"):
            out += _rewrite_code(code)
            out.append(text)
            code, in_code = [], False
        elif in_code:
            code.append((kind, show_lengths(text)))
        else:
            in_raw = kind == "raw_begin" or (in_raw and kind != "raw_end")
            readable = kind == "data" and not in_raw
            out.append(text.replace(_HIDDEN_LENGTH, "{{ '${#' }}" if readable else _LENGTH))
        lines += text.count("\n")
    return "".join([*out, *(text for _kind, text in code)])


def _rewrite_code(code: list[Token]) -> list[str]:
    """What stands between two delimiters."""
    out: list[str] = []
    outer: list[bool] = []  # `on_path` of each open bracket's owner
    on_path = False  # the value that ends here was reached from a root
    at_value = False  # a value ends here, so a dot reads an attribute of it
    position = 0
    while position < len(code):
        kind, text = code[position]
        position += 1
        if (kind, text) == ("operator", ".") and position < len(code) and code[position][0] == "name":
            if at_value:
                key, position = _key(code, position, hyphens=on_path)
                out.append(f"['{key}']" if "-" in key else f".{key}")
            else:
                root = _SPELLED.get(code[position][1], code[position][1])
                out.append(root)
                on_path, position = root in _PATH_STARTS, position + 1
            at_value = True
            continue
        out.append(text)
        if kind == "whitespace":
            continue
        if kind == "operator" and text in "([{":
            outer.append(on_path and at_value)
        closes = kind == "operator" and text in ")]}"
        on_path = outer.pop() if closes and outer else kind == "name" and text in _PATH_STARTS
        at_value = closes or (kind != "operator" and text not in _WORDS)
    return out


def _key(code: list[Token], position: int, *, hyphens: bool) -> tuple[str, int]:
    """The name at ``position``, with what hyphens join to it, and the position behind it."""
    key = code[position][1]
    position += 1
    while hyphens and position < len(code):
        joined = code[position][1] == "-" and position + 1 < len(code) and code[position + 1][0] in _NAME_PARTS
        if not joined and not ("-" in key and code[position][0] in _NAME_PARTS):
            break
        key += code[position][1]
        position += 1
    return key, position
