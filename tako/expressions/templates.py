"""Templates: Jinja2 in a sandbox, with the language's filters and the spellings of the Go tool.

This module is imported by every child and used by few, so it finds out by itself whether a text is a template and
loads Jinja2 only then. The scope is plain data: objects, lists and scalars under the names of ``names.ROOTS``.

Besides Jinja2's own rules: ``true`` and ``false`` render in YAML's spelling, null as nothing, objects and lists as
JSON; ``payload.items`` is the key, not Python's method; a name that does not exist is an error. Bash's ``${#name}``
is not a comment. Line ends in a template become ``\\n``, those in values stay. At most 1 MB comes out.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Paths = frozenset[tuple[str, ...]]
    """Names from a root of the scope on, as ``("inputs", "name")``: what is there, and all below it."""


def is_template(text: str) -> bool:
    """Whether the text holds ``{{``, ``{%`` or ``{#``; the length of a shell variable, ``${#name}``, is none."""
    return "{{" in text or "{%" in text or "{#" in text.replace("${#", "")


def render(text: str, scope: Mapping[str, Any], *, where: str) -> str:
    """The text with its templates filled in from the scope; raises ``ExpressionError``."""
    if not is_template(text):
        return text
    from tako.expressions import sandbox

    return sandbox.render(text, scope, where)


def render_script(text: str, scope: Mapping[str, Any], tainted: Paths, *, where: str) -> str:
    """The text, which is a script, with its templates filled in from the scope.

    ``tainted`` is what in the scope came from outside. Raises ``ExpressionError``, also if that could become code: if
    it holds anything that a shell gives a meaning, and has not gone through ``shell_quote``, or stands where the shell
    does not read a quoted word. Where the script's first line names another program, see ``code_scripts``.
    """
    if not tainted or not is_template(text):
        return render(text, scope, where=where)
    from tako.expressions import sandbox

    return sandbox.render_script(text, scope, tainted, where)


def can_print(text: str, tainted: Paths, *, where: str) -> bool:
    """Whether something from tainted paths can be in what the text yields; raises ``ExpressionError``."""
    if not tainted or not is_template(text):
        return False
    from tako.expressions import sandbox

    return sandbox.can_print(text, tainted, where)


def render_value(value: Any, scope: Mapping[str, Any], *, where: str) -> Any:
    """Plain data with every string in it rendered; keys and all else stay. Raises ``ExpressionError``."""
    if isinstance(value, str):
        return render(value, scope, where=where)
    if isinstance(value, dict):
        return {key: render_value(item, scope, where=where) for key, item in value.items()}
    if isinstance(value, list):
        return [render_value(item, scope, where=where) for item in value]
    return value


def render_data(value: Any, scope: Mapping[str, Any], *, where: str) -> Any:
    """As ``render_value``, but a text that is one ``{{ … }}`` alone and yields a list or a mapping becomes that."""
    if isinstance(value, str):
        if not is_template(value):
            return value
        from tako.expressions import sandbox

        return sandbox.render_data(value, scope, where)
    if isinstance(value, dict):
        return {key: render_data(item, scope, where=where) for key, item in value.items()}
    if isinstance(value, list):
        return [render_data(item, scope, where=where) for item in value]
    return value


def check(text: str, *, where: str) -> None:
    """Raise ``ExpressionError`` if the text is a template that does not compile, or that reads ``secrets``."""
    if is_template(text):
        from tako.expressions import sandbox

        sandbox.check(text, where)
