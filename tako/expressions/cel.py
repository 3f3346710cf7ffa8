"""Conditions and filters: CEL, https://github.com/google/cel-spec, with functions for text and versions.

What bounds an evaluation: the runtime allows 10,000 steps of comprehensions, 32 levels of nesting, and regular
expressions that take linear time; the length of an expression is bounded here, and what it makes and looks at in
``cel_cost``, where it has anything that can make much out of little.

``.inputs.x`` and ``.Inputs.x`` are ``inputs.x``, and ``steps.a.x`` is ``steps.a.outputs.x`` unless the step itself
has an ``x``, such as ``status``.
"""

from __future__ import annotations

from tako.errors import ExpressionError
from tako.secrets.run import is_kept_from

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

MAX_LENGTH = 10_000
"""Characters of one expression."""

_HEAVY = ("+", "replace", "join", "format", "map", "filter", "all", "exists", "split", "quote")
"""What can make much out of little, or does one thing many times; what has none of it costs what it is long."""
_SHORT = 500
"""Characters; what has more may name a large value often enough to matter."""

_CEL = "conditions are CEL, without {{ }}: `inputs.x == 'a' && has(event.payload.y)`"
_SEMVER = "versions have semver.major(s), semver.minor(s), semver.patch(s) and semver.matches(s, range)"
_NO_KEY = "Key not found in map : "
_NO_VARIABLE = "No value with name "
_UNDECLARED = "undeclared reference to "


def check(text: str, *, where: str) -> None:
    """Raise ``ExpressionError`` if the expression does not compile, or can never be true or false."""
    _program(text, where)


def evaluate(text: str, scope: Mapping[str, Any], *, where: str) -> bool:
    """Whether the condition holds in the scope, which is plain data under some of ``names.ROOTS``.

    Raises ``ExpressionError`` if it does not compile, cannot be evaluated, or is neither true nor false.
    """
    from tako.expressions import cel_runtime

    program = _program(text, where)
    variables = _variables(scope)
    if len(text) > _SHORT or any(word in text for word in _HEAVY):
        _refuse_heavy(text, variables, where)
    try:
        result = program.eval(data=variables)
        kind, value = result.type(), result.plain_value()
    except (RuntimeError, ValueError, TypeError, MemoryError) as error:
        raise _not_evaluated(str(error), text, scope, where) from None
    if kind == cel_runtime.ERROR:
        raise _not_evaluated(str(value), text, scope, where)
    if kind != cel_runtime.BOOL:
        raise _not_boolean(kind.name(), text, where)
    return value is True


def missing_key(error: ExpressionError) -> str:
    """The key of a map that a condition looked for, if ``evaluate`` failed because it is not there; else empty."""
    return error.why.removeprefix(_NO_KEY).strip('"') if error.why.startswith(_NO_KEY) else ""


def _program(text: str, where: str) -> Any:
    from tako.expressions import cel_runtime

    if len(text) > MAX_LENGTH:
        raise ExpressionError(
            "the condition is too long",
            where=where,
            why=f"it has {len(text):,} characters, {MAX_LENGTH:,} are allowed",
            cure="compute it in a step and compare the step's output",
        )
    try:
        if "\0" in text:
            raise ValueError("it holds a NUL character")
        program = cel_runtime.program(text)
    except (RuntimeError, ValueError, TypeError) as error:
        raise _not_compiled(str(error), text, where) from None
    kind = program.return_type()
    if kind not in (cel_runtime.BOOL, cel_runtime.DYN):
        raise _not_boolean(kind.name(), text, where)
    return program


def _refuse_heavy(text: str, variables: Mapping[str, Any], where: str) -> None:
    from tako.expressions import cel_cost, cel_runtime

    made, read = cel_cost.work(cel_runtime.syntax(text), variables)
    if made > cel_cost.MAX_MADE or read > cel_cost.MAX_READ:
        what, most = ("make", cel_cost.MAX_MADE) if made > cel_cost.MAX_MADE else ("look at", cel_cost.MAX_READ)
        raise ExpressionError(
            f"the condition `{_short(text)}` could take too much",
            where=where,
            why=f"with these values it could {what} more than {most:,} characters and items",
            cure="compute it in a step and compare the step's output",
        )


def _variables(scope: Mapping[str, Any]) -> dict[str, Any]:
    from tako.expressions.names import ROOTS, flat_steps

    data = {root: scope[root] for root in ROOTS if root in scope}
    if "steps" in data:
        data["steps"] = flat_steps(scope, outputs_win=False)
    data = {root: _without_nul(value) for root, value in data.items()}
    return data | {root.capitalize(): value for root, value in data.items()}


def _without_nul(value: Any) -> Any:
    """The data with U+FFFD for NUL, at which the library ends a text: `main\\0x` would equal `main`."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    return value


def _not_compiled(message: str, text: str, where: str) -> ExpressionError:
    from tako.expressions import names

    if "incompatible function arguments" in message:
        message = "it holds characters that are not valid Unicode"
    # The library's message is a list of lines `ERROR: <input>:LINE:COLUMN: CAUSE`, with the source between them.
    first = message.split("\n", 1)[0].removeprefix("INVALID_ARGUMENT: ")
    place, _, cause = first.removeprefix("ERROR: <input>:").partition(": ")
    line, _, column = place.partition(":")
    located = line.isdigit() and column.isdigit()
    cause = _bare(cause if located or first.startswith("ERROR") else first)
    cause = cause.removesuffix(" (in container '')").split(" expecting ", 1)[0]
    what, cure = "the condition does not compile", _CEL
    if cause.startswith(_UNDECLARED):
        name = cause.removeprefix(_UNDECLARED).strip("'").removeprefix(".").split(".")[0]
        if name in ("secrets", "Secrets"):
            return ExpressionError(
                "a condition cannot read `secrets`; use `env` instead",
                where=where,
                why=names.NO_SECRETS_WHY,
                cure=names.NO_SECRETS_CURE,
            )
        what, cure = f"`{name}` is not known in a condition", _unknown_cure(name, text)
    elif _hyphenated(text):
        cure = f"a key with a hyphen in it is written in brackets: ['{_hyphenated(text)}']"
    return ExpressionError(
        what, where=where, why=f"column {column} of line {line}: {cause}" if located else cause, cure=cure
    )


def _hyphenated(text: str) -> str:
    """The first key behind a dot that has a hyphen in it, which CEL takes for a minus."""
    import re

    bare = re.sub(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"", "", text)
    found = re.search(r"\.([A-Za-z_]\w*(?:-\w+)+)", bare)
    return found[1] if found else ""


def _unknown_cure(name: str, text: str) -> str:
    from tako.expressions import names

    if name == "semver":
        return _SEMVER
    if f"-{name}" in text:
        return f"a key with a hyphen in it is written in brackets: ['…-{name}']"
    near = names.nearest(name, names.ROOTS)
    known = f"a condition can use {names.listing(names.ROOTS)}"
    return f"did you mean `{near}`? {known}" if near else known


def _not_evaluated(message: str, text: str, scope: Mapping[str, Any], where: str) -> ExpressionError:
    why = _bare(message)
    cure = ""
    if why.startswith(_NO_VARIABLE):
        name = why.removeprefix(_NO_VARIABLE).split('"')[1]
        why = f"`{name}` does not exist here"
    elif why.startswith(_NO_KEY):
        key = why.removeprefix(_NO_KEY).strip('"')
        known = _secret(key, text, scope, where) or _absent(key, text, scope, where)
        if known is not None:
            return known
        cure = "if the key may be missing, ask first: `has(event.payload.x) && …`"
    elif why.startswith("Iteration budget"):
        why = "it takes more than the 10,000 steps that are allowed"
    return ExpressionError(f"the condition `{_short(text)}` could not be evaluated", where=where, why=why, cure=cure)


def _secret(key: str, text: str, scope: Mapping[str, Any], where: str) -> ExpressionError | None:
    from tako.expressions import names

    if "env" not in text or not is_kept_from(scope.get("env"), key):
        return None
    what = f"the condition `{_short(text)}` cannot read `env.{key}`"
    return ExpressionError(what, where=where, why=names.secret_why(key), cure=names.secret_cure(key))


def _absent(key: str, text: str, scope: Mapping[str, Any], where: str) -> ExpressionError | None:
    from tako.expressions import absent

    step_id = absent.named_step(key, text, scope)
    if not step_id:
        return None
    field = f"steps['{step_id}']" if "-" in step_id else f"steps.{step_id}"
    return absent.absent(
        step_id, key, scope, where=where, cure=f"ask first: `{field}.status == 'success' && …`, or `has({field}.{key})`"
    )


def _not_boolean(kind: str, text: str, where: str) -> ExpressionError:
    return ExpressionError(
        f"the condition `{_short(text)}` is neither true nor false",
        where=where,
        why=f"its type is {kind.lower()}",
        cure="compare it with something, such as `… == 'yes'` or `has(…)`",
    )


def _bare(message: str) -> str:
    """The message without the status code that the library puts before it, and often behind it as well."""
    code, colon, rest = message.partition(": ")
    if not colon or not code.replace("_", "").isupper():
        return message
    return rest.removesuffix(f" [{code}]")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 100 else line[:99] + "…"
