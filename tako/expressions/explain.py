"""Jinja2's errors, told to the author of a template."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any

from jinja2.exceptions import SecurityError, UndefinedError

from tako.errors import ExpressionError
from tako.expressions import absent, names
from tako.expressions.go_spellings import STEPS
from tako.secrets.run import is_kept_from

NO_OWNER = object()
"""The owner of a name that was looked for in the scope itself."""

_LITERAL = "where the braces are meant literally, put {% raw %}…{% endraw %} around them"
_JINJA = "templates are Jinja2: {{ value | filter }}, {% if … %}…{% endif %}, {% for … %}…{% endfor %}; " + _LITERAL
_MAX_DEPTH = 6


class MissingNameError(UndefinedError):
    """A name that is not in its owner; for the owner ``NO_OWNER``, not in the scope."""

    def __init__(self, message: str, owner: Any, name: Any) -> None:
        super().__init__(message)
        self.owner = owner
        self.name = name


class SecretsError(Exception):
    """The template reads ``secrets``."""


def no_secrets(where: str) -> ExpressionError:
    """The error for a template that reads ``secrets``."""
    return ExpressionError(
        "a template cannot read `secrets`; use `env` instead",
        where=where,
        why=names.NO_SECRETS_WHY,
        cure=names.NO_SECRETS_CURE,
    )


def not_compiled(error: Exception, line: int | None, text: str, filters: Iterable[str], where: str) -> ExpressionError:
    """The error for a template that does not compile; ``filters`` are the names of all filters and tests."""
    nested = isinstance(error, RecursionError | MemoryError | SyntaxError)
    message = "it is nested too deeply" if nested else str(error.args[0] if error.args else error)
    quoted = message.split("'")
    cure = _JINJA
    if message.startswith(("No filter", "No test")) and len(quoted) > 1:
        near = names.nearest(quoted[1], filters)
        cure = f"did you mean `{near}`?" if near else "see the filters under Expressions in the reference"
    what = _at_line("the template does not compile", line, text)
    return ExpressionError(what, where=where, why=message, cure=cure)


def not_rendered(error: Exception, text: str, scope: Mapping[str, Any], where: str) -> ExpressionError:
    """The error for a template that failed while it ran."""
    line = _template_line(error.__traceback__)
    if isinstance(error, MissingNameError):
        return _missing(error, line, text, scope, where)
    if isinstance(error, SecurityError):
        return ExpressionError(
            _at_line("the template is not allowed to do that", line, text),
            where=where,
            why=str(error),
            cure="use the values of the scope and the filters; a template cannot reach Python behind them",
        )
    what = _at_line("the template cannot be rendered", line, text)
    why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error) or type(error).__name__
    return ExpressionError(what, where=where, why=why)


def _missing(
    error: MissingNameError, line: int | None, text: str, scope: Mapping[str, Any], where: str
) -> ExpressionError:
    name = error.name
    if is_kept_from(error.owner, name):
        what = _at_line(f"a template cannot read `env.{name}`", line, text)
        return ExpressionError(what, where=where, why=names.secret_why(name), cure=names.secret_cure(name))
    step_id = absent.owner_step(error.owner, scope, scope.get(STEPS, {}))
    if step_id:
        field = f"steps['{step_id}']" if "-" in step_id else f"steps.{step_id}"
        cure = f"ask first: {{% if {field}.status == 'success' %}}…{{% endif %}}, or add `| default('…')`"
        known_absent = absent.absent(step_id, name, scope, where=where, cure=cure)
        if known_absent is not None:
            return known_absent
    if error.owner is NO_OWNER:
        what = f"`{name}` is not known here"
        known: list[Any] = [root for root in scope if root != STEPS]
        why = f"a template can use {names.listing(known)} here"
        prefix = ""
    else:
        path = _path(error.owner, scope) if isinstance(error.owner, Mapping | list) else ""
        what = f"`{path}` has no `{name}`" if path else f"{_kind(error.owner)} has no `{name}`"
        known = list(error.owner) if isinstance(error.owner, Mapping) else []
        why = f"it has {names.listing(known)}" if isinstance(error.owner, Mapping) else ""
        prefix = f"{path}." if path else ""
    return ExpressionError(
        _at_line(what, line, text),
        where=where,
        why=why,
        cure=_name_cure(name, known, prefix, text, literal=error.owner is NO_OWNER or callable(error.owner)),
    )


def _name_cure(name: Any, known: list[Any], prefix: str, text: str, *, literal: bool) -> str:
    near = names.nearest(name, known) if isinstance(name, str) else None
    cures = []
    if isinstance(name, str) and "-" in name:
        cures.append("a hyphen between two names belongs to the name; to subtract, put spaces around it")
    elif f"-{name}" in text or f".{name}-" in text:
        cures.append("a key with a hyphen in it is written in brackets, like ['a-b']")
    if literal:
        cures.append(_LITERAL)
    else:
        cures.append("if it may be missing, add `| default('…')`")
    question = f"did you mean `{prefix}{near}`? " if near else ""
    return (question + "; ".join(cures)).rstrip()


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    kinds = {str: "text", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return next((kind for type_, kind in kinds.items() if isinstance(value, type_)), type(value).__name__)


def _path(owner: Any, scope: Mapping[str, Any]) -> str:
    """How a template reaches ``owner``, found by identity, or an empty string."""
    level = [("steps" if root == STEPS else root, value) for root, value in scope.items()]
    for _depth in range(_MAX_DEPTH):
        for path, value in level:
            if value is owner:
                return path
        level = [deeper for path, value in level for deeper in _members(path, value)]
    return ""


def _members(path: str, value: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            plain = isinstance(key, str) and key.isidentifier()
            yield f"{path}.{key}" if plain else f"{path}[{key!r}]", item
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield f"{path}[{index}]", item


def _at_line(what: str, line: int | None, text: str) -> str:
    return f"{what}, line {line} of the template" if line and "\n" in text.rstrip("\n") else what


def _template_line(trace: TracebackType | None) -> int | None:
    """The line of the template that raised: Jinja2 puts frames of the template into the traceback."""
    line = None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
