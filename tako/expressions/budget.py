"""What rendering a template may take: a count of steps that does not depend on the machine or its clock.

Everything that a template does costs: each turn of a loop, each call, and each character or item of what goes into a
filter, an operator or a comparison and of what comes out. So the count bounds the time, and as nothing grows without
being counted, also the memory. What could grow in a single step (``'a' * 10**9``, ``center(10**9)``) is measured before
it is done: see ``amplifiers``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MappingView
from contextvars import ContextVar
from functools import wraps
from inspect import signature
from typing import Any, cast

from jinja2.utils import _PassArg

MAX_STEPS = 5_000_000
"""Steps of one template."""
MAX_OUTPUT = 1_000_000
"""Characters that one template may yield, and what any one operation may make."""

TURN = 20
"""Of a loop, and a call."""
_CONTAINER, _SCALAR = 10, 4

_PASSED = ("context", "environment", "eval_ctx", "eval_context")
"""What Jinja2 passes to some filters."""


class BudgetError(OverflowError):
    """The template takes too much; the message is a sentence for its author."""


class Budget:
    """What is left for one rendering."""

    def __init__(self, length: int) -> None:
        """``length`` is that of the template, in characters: what any call of a part of it may print."""
        self.left = MAX_STEPS
        self.length = length
        self.printed: Any = None
        """What was printed last."""

    def spend(self, steps: int) -> None:
        """Raises ``BudgetError`` if so much is not left."""
        self.left -= steps
        if self.left < 0:
            raise BudgetError(f"it takes more than the {MAX_STEPS:,} steps that a template may take")

    def weigh(self, value: Any) -> Any:
        """The value, having spent its weight; of an iterator, as it is taken."""
        if is_stream(value):
            return self._each(value, 1)
        self.spend(weight(value, self.left))
        return value

    def turns(self, values: Any, cost: int) -> Any:
        """What a loop goes over, having spent ``cost`` for each turn."""
        try:
            count = len(values)
        except TypeError:
            return self._each(values, cost)
        self.spend(count * cost)
        return values

    def _each(self, values: Iterable[Any], cost: int) -> Iterator[Any]:
        for value in values:
            self.spend(cost + weight(value, self.left))
            yield value


CURRENT: ContextVar[Budget] = ContextVar("budget")
"""The budget of what is being rendered."""


def is_stream(value: Any) -> bool:
    """Whether a value can be taken only once, item by item."""
    return isinstance(value, Iterator)


def weight(value: Any, limit: int) -> int:
    """How much there is of a value, all that is in it counted as often as it is reached; at least ``limit`` + 1 if it
    is more than that."""
    total, rest = 0, [value]
    while rest and total <= limit:
        one = rest.pop()
        if isinstance(one, str | bytes):
            total += _SCALAR + len(one)
        elif isinstance(one, Mapping):
            total += _CONTAINER
            rest += one
            rest += one.values()
        elif isinstance(one, list | tuple | set | frozenset | MappingView):
            total += _CONTAINER
            rest += cast("Iterable[Any]", one)
        elif isinstance(one, range):
            total += _CONTAINER + _SCALAR * len(one)
        elif isinstance(one, int):
            total += _SCALAR + one.bit_length() // 64
        else:
            total += _SCALAR
    return total


def fits(size: float, what: str) -> None:
    """Raise ``BudgetError`` if what an operation makes would be too large; also spends it."""
    if size > MAX_OUTPUT:
        raise BudgetError(f"the result of {what} would be too large")
    CURRENT.get().spend(max(0, int(size)))


def charged(
    function: Callable[..., Any], before: Callable[[Mapping[str, Any]], object] | None = None
) -> Callable[..., Any]:
    """A filter or test of Jinja2 that spends what it is given and what it makes.

    ``before`` gets its arguments by name and raises ``BudgetError`` if the result would be too large.
    """
    own = 1 if _PassArg.from_obj(function) is not None else 0
    names = [name for name in signature(function).parameters if name not in _PASSED] if before is not None else []

    @wraps(function)  # With what Jinja2 passes to it.
    def spending(*args: Any, **kwargs: Any) -> Any:
        budget = CURRENT.get()
        budget.spend(TURN)
        for value in (*args[own:], *kwargs.values()):
            if not is_stream(value):
                budget.spend(weight(value, budget.left))
        if before is not None:
            before(dict(zip(names, args[own:], strict=False)) | kwargs)
        return budget.weigh(function(*args, **kwargs))

    return spending
