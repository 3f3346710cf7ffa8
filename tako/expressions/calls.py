"""What a template may call: methods of text, numbers, lists and mappings that only tell, and Jinja2's own functions.

Anything else is refused: what is not known here cannot be a way out of the sandbox, or around the budget.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2.exceptions import SecurityError
from jinja2.runtime import BlockReference, LoopContext, Macro, Undefined
from jinja2.sandbox import SandboxedEnvironment, SandboxedFormatter
from jinja2.utils import Cycler, Joiner

from tako.expressions import amplifiers
from tako.expressions.budget import CURRENT, TURN, is_stream

_TEXT = frozenset(
    [
        "capitalize",
        "casefold",
        "center",
        "count",
        "endswith",
        "find",
        "index",
        "isalnum",
        "isalpha",
        "isascii",
        "isdecimal",
        "isdigit",
        "isidentifier",
        "islower",
        "isnumeric",
        "isprintable",
        "isspace",
        "istitle",
        "isupper",
        "join",
        "ljust",
        "lower",
        "lstrip",
        "partition",
        "removeprefix",
        "removesuffix",
        "replace",
        "rfind",
        "rindex",
        "rjust",
        "rpartition",
        "rsplit",
        "rstrip",
        "split",
        "splitlines",
        "startswith",
        "strip",
        "swapcase",
        "title",
        "upper",
        "zfill",
    ]
)
_MAPPING = frozenset(["copy", "get", "items", "keys", "values"])
_LIST = frozenset(["copy", "count", "index"])
_NUMBER = frozenset(["bit_length", "is_integer"])
_OWN = frozenset(["changed", "current", "cycle", "next", "reset"])
"""Of ``loop`` and of a cycler."""


class Format:
    """``'{} {}'.format`` with its text, in the sandbox."""

    def __init__(self, environment: SandboxedEnvironment, text: str, *, takes_mapping: bool) -> None:
        self._formatter = _Formatter(environment)
        self._text = text
        self._takes_mapping = takes_mapping

    def __call__(self, *args: Any, **kwargs: Any) -> str:
        if self._takes_mapping:
            if kwargs or len(args) != 1 or not isinstance(args[0], Mapping):
                raise TypeError("format_map() takes one mapping")
            return self._formatter.vformat(self._text, (), args[0])
        return self._formatter.vformat(self._text, args, kwargs)


class _Formatter(SandboxedFormatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        # Other types have languages of their own behind the colon.
        if not isinstance(value, str | int | float):
            value = str(value)
        amplifiers.spec(format_spec)
        return str(CURRENT.get().weigh(super().format_field(value, format_spec)))


def prepare(function: Any, args: tuple[Any, ...], functions: frozenset[int]) -> tuple[Any, ...]:
    """The arguments to call a function with, having spent what that costs.

    ``functions`` are the ids of the global ones. Raises ``SecurityError`` if it is
    not one that a template may call, ``BudgetError`` if it would make too much.
    """
    budget = CURRENT.get()
    budget.spend(TURN)
    if isinstance(function, Macro | BlockReference):
        budget.spend(budget.length)
        return args
    if isinstance(function, LoopContext):
        budget.spend(budget.length)
        return tuple(budget.turns(value, TURN + budget.length) for value in args)
    owner, name = getattr(function, "__self__", None), getattr(function, "__name__", "")
    if isinstance(owner, str) and name in _TEXT:
        # What can be taken only once cannot be measured and then used.
        args = tuple(list(budget.weigh(value)) if is_stream(value) else budget.weigh(value) for value in args)
        budget.weigh(owner)
        if name in amplifiers.METHODS:
            amplifiers.METHODS[name](owner, *args)
        return args
    if _is_known(function, owner, name, functions):
        return args
    called = name or type(function).__name__
    raise SecurityError(f"a template cannot call `{called}`")


def _is_known(function: Any, owner: Any, name: str, functions: frozenset[int]) -> bool:
    if isinstance(function, Format | Undefined) or id(function) in functions or not callable(function):
        return True  # What is undefined, or no function, says so itself.
    if isinstance(owner, LoopContext | Cycler):
        return name in _OWN
    if isinstance(function, Joiner):
        return True
    if isinstance(owner, Mapping):
        return name in _MAPPING
    return name in (_LIST if isinstance(owner, list | tuple) else _NUMBER if isinstance(owner, int | float) else ())
