"""Frozen records: the values that travel between modules.

``@record`` is a frozen dataclass in all that a caller sees, checked as one by mypy. It is our own because a
child is started for every repository of a run and each import is paid every time: ``dataclasses`` pulls in
``inspect`` (36 ms on the machine this was measured on, beside 14 ms for an empty interpreter), msgspec costs
about the same. This module imports nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, TypeVar, dataclass_transform

    T = TypeVar("T")
else:

    def dataclass_transform(**_options):
        return lambda function: function


class FrozenRecordError(AttributeError):
    """A field of a record was assigned to."""


class _Record:
    """The methods of every record; ``_fields``, ``_names`` and ``_defaults`` are set by the decorator."""

    _fields: tuple[str, ...] = ()
    _names: frozenset[str] = frozenset()
    _defaults: Mapping[str, Any] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Reading the journal of a large tree makes tens of thousands: what is wrong is only looked for if something is.
        values = self.__dict__
        values.update(self._defaults)
        values.update(zip(self._fields, args, strict=False))
        values.update(kwargs)
        if values.keys() != self._names or (args and (kwargs or len(args) > len(self._fields))):
            self._refuse_wrong(args, kwargs)

    def _refuse_wrong(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        if len(args) > len(self._fields):
            raise TypeError(f"{type(self).__name__} takes {len(self._fields)} values, got {len(args)}")
        positional = self._fields[: len(args)]
        doubled = [name for name in positional if name in kwargs]
        unknown = [name for name in kwargs if name not in self._names]
        given = (*positional, *kwargs, *self._defaults)
        missing = [name for name in self._fields if name not in given]
        if doubled or unknown or missing:
            raise TypeError(f"{type(self).__name__}: missing {missing}, unknown {unknown}, given twice {doubled}")

    def __setattr__(self, name: str, _value: Any) -> None:
        raise FrozenRecordError(f"{type(self).__name__}.{name} is frozen; use replace()")

    def __delattr__(self, name: str) -> None:
        raise FrozenRecordError(f"{type(self).__name__}.{name} is frozen")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return bool(self.__dict__ == other.__dict__)

    def __hash__(self) -> int:
        return hash((type(self), *(self.__dict__[name] for name in self._fields)))

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={self.__dict__[name]!r}" for name in self._fields)
        return f"{type(self).__name__}({fields})"


@dataclass_transform(frozen_default=True)
def record(cls: type[T]) -> type[T]:
    """Make a frozen value out of a class with annotated fields.

    Fields become constructor arguments in their order, those with a class-level value are optional. Defaults
    must be immutable in use, since they are shared. A record is not a base class for another.

    The constructor raises ``TypeError`` for unknown, missing or doubled arguments; assignment to a field
    raises ``FrozenRecordError``.
    """
    fields = tuple(cls.__annotations__)
    body = {name: value for name, value in cls.__dict__.items() if name not in ("__dict__", "__weakref__")}
    defaults = {name: body[name] for name in fields if name in body}
    body.update(_fields=fields, _names=frozenset(fields), _defaults=defaults, __match_args__=fields)
    made: type[T] = type(cls.__name__, (_Record,), body)
    return made


def replace(value: T, **changes: Any) -> T:
    """A copy of a record with some fields changed."""
    return type(value)(**{**value.__dict__, **changes})


def to_data(value: Any) -> Any:
    """A record, or anything made of records, as plain JSON data: objects, lists and scalars."""
    if isinstance(value, _Record):
        return {name: to_data(item) for name, item in value.__dict__.items()}
    if isinstance(value, dict):
        return {key: to_data(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_data(item) for item in value]
    return value
