"""Payloads with their templates filled in."""

from __future__ import annotations

from tako.errors import StepError
from tako.expressions import templates

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from tako.config.model import EventSpec

_WHOLE = ("array", "object")


def render_payload(
    payload: Mapping[str, Any], type_: str, declared: Iterable[EventSpec], scope: Mapping[str, Any], *, where: str
) -> dict[str, Any]:
    """The payload of an event of a type, among those that the repository has ``declared``, filled in from a scope.

    A template that is one ``{{ … }}`` alone and yields a list or a mapping stays that, unless the field is declared as
    something else. All other templates give text. Raises ``ExpressionError``, or ``StepError`` for a NUL.
    """
    spec = next((one for one in declared if one.type == type_), None)
    types = {field.name: field.type for field in spec.payload} if spec is not None else {}
    rendered = {}
    for name, value in payload.items():
        render = templates.render_data if types.get(name, _WHOLE[0]) in _WHOLE else templates.render_value
        rendered[name] = render(value, scope, where=where)
        if _holds_nul(rendered[name]):
            raise StepError(
                f"field {name!r} of the payload of the event {type_!r} holds a NUL; no process can be given that",
                where=where,
                cure="send text, or an artifact",
            )
    return rendered


def _holds_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_nul, (*value, *value.values())))
    if isinstance(value, list | tuple):
        return any(map(_holds_nul, value))
    return isinstance(value, str) and "\0" in value
