"""Writes data as YAML in all the ways in which people do: blocks and brackets, indents, quotes, comments."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import strategies as st

_PLAIN = re.compile(r"[A-Za-z^][A-Za-z0-9 _./*^-]*(?<! )")
_WORDS = ("true", "false", "null", "yes", "no")


class Writer:
    """Draws every choice of style from ``draw``. Comments are numbered, so that one that is lost can be named."""

    def __init__(self, draw: Any) -> None:
        self._draw = draw
        self.comments: list[str] = []

    def document(self, data: dict[str, Any]) -> str:
        return self._entries(data, 0)

    def _choose(self, *choices: Any) -> Any:
        return self._draw(st.sampled_from(choices))

    def _comment(self) -> str:
        self.comments.append(f"# c{len(self.comments)}.")
        return self.comments[-1]

    def _behind(self) -> str:
        return f"  {self._comment()}" if self._choose(False, False, True) else ""

    def _above(self, indent: int) -> str:
        kind = self._choose("", "", "", "blank", "comment", "both")
        out = "\n" if kind in ("blank", "both") else ""
        return out + (f"{' ' * indent}{self._comment()}\n" if kind in ("comment", "both") else "")

    def _entries(self, data: dict[str, Any], indent: int, first: str = "") -> str:
        """A block mapping; ``first`` stands before its first key, instead of the indent."""
        out = []
        for index, (key, value) in enumerate(data.items()):
            lead = first if index == 0 and first else self._above(indent) + " " * indent
            out.append(f"{lead}{key}:{self._value(value, indent, key)}")
        return "".join(out)

    def _items(self, data: list[Any], indent: int) -> str:
        out = []
        for item in data:
            lead = self._above(indent) + " " * indent
            gap = self._choose(1, 1, 3)
            if isinstance(item, dict) and item and self._choose(True, True, False):
                out.append(self._entries(item, indent + 1 + gap, f"{lead}-{' ' * gap}"))
            else:
                out.append(f"{lead}-{' ' * gap}{self._flow(item)}{self._behind()}\n")
        return "".join(out)

    def _value(self, value: Any, indent: int, key: str) -> str:
        if value and isinstance(value, dict) and self._choose(True, True, False):
            return f"{self._behind()}\n" + self._entries(value, indent + self._choose(1, 2, 4))
        if value and isinstance(value, list) and self._choose(True, True, False):
            return f"{self._behind()}\n" + self._items(value, indent + self._choose(0, 2, 3))
        if isinstance(value, str) and value.strip() and self._choose(True, False, False):
            lines = "".join(f"{' ' * (indent + 2)}{line}\n" for line in value.split("\n"))
            # Elsewhere the line end of the others would be a part of a name.
            style = str(self._choose("|", "|-", ">-")) if key in ("run", "if", "filter") else "|-"
            return f" {style}{self._behind()}\n{lines}"
        return f" {self._flow(value)}{self._behind()}\n"

    def _flow(self, value: Any) -> str:
        if isinstance(value, dict):
            pad: str = self._choose("", " ")
            return "{" + pad + ", ".join(f"{key}: {self._flow(item)}" for key, item in value.items()) + pad + "}"
        if isinstance(value, list):
            return "[" + ", ".join(self._flow(item) for item in value) + "]"
        if not isinstance(value, str):
            return str(value).lower()
        plain = bool(_PLAIN.fullmatch(value)) and value not in _WORDS
        style = self._choose("'", '"', "" if plain else "'")
        if style == "'":
            return "'" + value.replace("'", "''") + "'"
        return f'"{value}"' if style == '"' and not set('"\\') & set(value) else value if plain else f"'{value}'"
