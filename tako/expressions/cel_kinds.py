"""Conditions in which values of the wrong kind meet, found by the CEL checker before anything runs.

At run time inputs and outputs may be anything, and an equation of two kinds is false without a word. Here the names
whose kind is certain become variables of that type, and the checker says what does not fit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tako.expressions import cel_runtime
from tako.expressions.kinds import BOOLEAN, NUMBER, TEXT, A, of_path, shown

_TOKEN = re.compile(
    r"[rRbB]{0,2}(?:'''.*?'''|\"\"\".*?\"\"\"|'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\")|//[^\n]*|[A-Za-z_]\w*|\s+|.",
    re.DOTALL,
)
_KEY = re.compile(r"\s*(?:\.\s*([A-Za-z_]\w*)(?!\s*\(|\w)|\[\s*(?:'([^'\\]*)'|\"([^\"\\]*)\")\s*\])")
_OWN = ("inputs", "steps", "outputs", "env", "event", "run", "repo")
_CHOOSES = "has"


def mismatch(text: str, inputs: Mapping[str, str]) -> str:
    """What is wrong with the kinds in a condition that compiles; empty if nothing is, or it is not certain.

    ``inputs`` are the declared kinds of a workflow's inputs.
    """
    found: dict[str, str] = {}
    whole, real = (_typed(text, inputs, number, found) for number in (cel_runtime.TYPED_INT, cel_runtime.TYPED_REAL))
    if not found:
        return ""
    faults = [cel_runtime.typed_fault(each) for each in (whole, real)]
    # A number may be whole or not: what one of the two allows is possible.
    if not all(faults) or (NUMBER in found.values() and not any(kind in faults[0] for kind in ("string", "bool"))):
        return ""
    told = "; ".join(f"`{name}` is {A[kind]}{_since(name, kind)}" for name, kind in found.items())
    return f"{_words(faults[0])}: {told}; {_cure(found)}"


def _since(name: str, kind: str) -> str:
    return ", as every output is" if kind == TEXT and name.startswith(("steps", "outputs")) else ""


def _words(fault: str) -> str:
    operator = re.search(r"'_?(?:\?_:_|@?[^'_]+)_?' applied to '\(([^)]*)\)'", fault)
    if operator is None:
        return (
            "the condition is neither true nor false"
            if fault.startswith("type ")
            else "the kinds of its values do not fit"
        )
    kinds = {"string": "text", "bool": "a boolean", "int": "a number", "double": "a number"}
    return f"the condition puts together {' and '.join(kinds.get(one, one) for one in operator[1].split(', '))}"


def _cure(found: Mapping[str, str]) -> str:
    cures = []
    for name, kind in found.items():
        if kind == BOOLEAN:
            cures.append(f"write `{name}` or `!{name}` alone")
        elif kind == TEXT:
            cures.append(f"write `int({name}) > 5` for a number, or `{name} == 'true'` for a text")
        else:
            cures.append(f"compare `{name}` with a number, without quotes")
    return "; ".join(dict.fromkeys(cures))


def _typed(text: str, inputs: Mapping[str, str], number: str, found: dict[str, str]) -> str:
    """The condition with a variable of its type for every name whose kind is certain; these are added to ``found``."""
    variables = {TEXT: cel_runtime.TYPED_TEXT, BOOLEAN: cel_runtime.TYPED_FLAG, NUMBER: number}
    out: list[str] = []
    at = within = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            break
        word, at = token[0], token.end()
        if within or word == _CHOOSES:
            # Whether a value is there has nothing to do with its kind.
            within += {"(": 1, ")": -1}.get(word, 0)
            within = max(within, 1 if word == _CHOOSES else 0)
            if word == ")" and within == 1:
                within = 0
            out.append(word)
            continue
        path, end = _path(text, word, at) if _starts(out) else ((), at)
        kind = of_path(path, inputs) if path else ""
        if kind not in variables:
            out.append(word)
            continue
        found[shown(path)] = kind
        while out and out[-1].isspace():
            out.pop()
        if out and out[-1] == ".":
            out.pop()
        out.append(f" {variables[kind]} ")
        at = end
    return "".join(out)


def _starts(out: list[str]) -> bool:
    """Whether a name behind these tokens starts a path, rather than being a field of what stands before."""
    before = [token for token in out if not token.isspace()]
    if not before or before[-1] != ".":
        return True
    return len(before) < 2 or not re.fullmatch(r"[\w)\]}'\"]+", before[-2][-1:])


def _path(text: str, word: str, at: int) -> tuple[tuple[str, ...], int]:
    root = word if word in _OWN else word.lower() if word[:1].isupper() and word.lower() in _OWN else ""
    if not root:
        return (), at
    path = [root]
    while (key := _KEY.match(text, at)) is not None:
        path.append(next(part for part in key.groups() if part is not None))
        at = key.end()
    return tuple(path), at
