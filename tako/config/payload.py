"""The payload of an event, against the shape that the repository declares for it."""

from __future__ import annotations

from tako.config import values
from tako.errors import StepError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tako.config.model import EventSpec, PayloadField


_PLAIN: dict[str, tuple[type, str]] = {
    "string": (str, "text"),
    "object": (dict, "a mapping"),
    "array": (list, "a list"),
}


def check(spec: EventSpec, payload: dict[str, Any], *, where: str) -> dict[str, Any]:
    """The payload with defaults filled in and text converted to the declared types.

    Templates give text, so ``"3"`` is a number where the shape says so. Fields that are not declared pass
    unchanged. Raises ``StepError``, with all problems, for a payload that is not of the declared shape.
    """
    checked = dict(payload)
    problems = []
    for field in spec.payload:
        value = checked.get(field.name)
        if value is None:
            value = field.default
        if value is None:
            if field.required:
                problems.append(f"required field '{field.name}' is missing")
            continue
        checked[field.name], wrong = check_value(field, value)
        problems += [f"field '{field.name}': {what}" for what in wrong]
    if problems:
        raise StepError(
            f"the payload of event '{spec.type}' is not of its declared shape: {'; '.join(problems)}",
            where=where,
            cure=f"see 'events' in tako.yml for the shape of '{spec.type}'",
        )
    return checked


def check_value(field: PayloadField, value: Any) -> tuple[Any, list[str]]:
    """A value converted to the type of a field, and what of the field's rules it breaks."""
    try:
        converted = _convert(field.type, value)
    except ValueError as error:
        return value, [str(error)]
    broken = values.broken_rules(converted, enum=field.enum, low=field.min, high=field.max, pattern=field.pattern)
    if isinstance(converted, str | list):
        broken += _broken_lengths(field, len(converted))
    return converted, broken


def _convert(kind: str, value: Any) -> Any:
    if kind == "number":
        return values.as_number(value)
    if kind == "integer":
        return values.as_integer(value)
    if kind == "boolean":
        return values.as_boolean(value)
    wanted, name = _PLAIN[kind]
    if not isinstance(value, wanted):
        raise ValueError(f"value '{values.shown(value)}' is not {name}")
    return value


def _broken_lengths(field: PayloadField, length: int) -> list[str]:
    broken = []
    if field.min_length is not None and length < field.min_length:
        broken.append(f"its length {length} is less than {field.min_length}")
    if field.max_length is not None and length > field.max_length:
        broken.append(f"its length {length} is more than {field.max_length}")
    return broken
