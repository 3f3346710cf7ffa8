"""The CEL environment: its variables, its functions, and compiled programs.

Loaded by ``cel`` with the first condition. The language is at https://github.com/google/cel-spec.
"""

from __future__ import annotations

from functools import lru_cache

from cel_expr_python import cel  # type: ignore[import-untyped]
from cel_expr_python.ext import ext_strings  # type: ignore[import-untyped]

from tako.errors import ExpressionError
from tako.expressions import versions
from tako.expressions.names import ROOTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from tako.expressions.cel_syntax import Expr

BOOL = cel.Type.BOOL
DYN = cel.Type.DYN
ERROR = cel.Type.ERROR
_STRING = cel.Type.STRING


def _matches(version: str, range_: str) -> bool:
    try:
        return versions.in_range(version, range_, where="")
    except ExpressionError as error:
        raise ValueError(": ".join(filter(None, (error.what, error.why)))) from None


def _part(name: str, index: int) -> cel.FunctionDecl:
    overload = cel.Overload(
        f"semver_{name}_string",
        return_type=cel.Type.INT,
        parameters=[_STRING],
        impl=lambda version: versions.part(version, index),
    )
    return cel.FunctionDecl(f"semver.{name}", [overload])


def _functions() -> list[cel.FunctionDecl]:
    matches = cel.Overload(
        "semver_matches_string_string", return_type=BOOL, parameters=[_STRING, _STRING], impl=_matches
    )
    lower = cel.Overload("string_lower", return_type=_STRING, parameters=[_STRING], is_member=True, impl=str.lower)
    upper = cel.Overload("string_upper", return_type=_STRING, parameters=[_STRING], is_member=True, impl=str.upper)
    return [
        _part("major", 0),
        _part("minor", 1),
        _part("patch", 2),
        cel.FunctionDecl("semver.matches", [matches]),
        cel.FunctionDecl("lower", [lower]),
        cel.FunctionDecl("upper", [upper]),
    ]


TYPED_TEXT, TYPED_FLAG, TYPED_INT, TYPED_REAL = "tako_text", "tako_flag", "tako_int", "tako_real"
"""Variables of ``typed_fault``, each of its type."""
_TYPED = {TYPED_TEXT: _STRING, TYPED_FLAG: BOOL, TYPED_INT: cel.Type.INT, TYPED_REAL: cel.Type.DOUBLE}
_ROOT_VARIABLES = {spelling: DYN for root in ROOTS for spelling in (root, root.capitalize())}


def _environment(variables: Mapping[str, cel.Type]) -> cel.Env:
    return cel.NewEnv(variables=variables, extensions=[ext_strings.ExtStrings()], functions=_functions())


_ENVIRONMENT = _environment(_ROOT_VARIABLES)


@lru_cache(maxsize=1)
def _typed_environment() -> cel.Env:
    return _environment({**_ROOT_VARIABLES, **_TYPED})


def typed_fault(text: str) -> str:
    """What the checker has against a condition with the typed variables, or against its type; empty if nothing."""
    try:
        kind = _typed_environment().compile(text).return_type()
    except (RuntimeError, ValueError, TypeError) as error:
        # Behind the first line comes the source.
        return str(error).partition("\n")[0]
    return "" if kind in (BOOL, DYN) else f"type {kind.name().lower()}"


@lru_cache(maxsize=256)
def syntax(text: str) -> Expr:
    """The syntax of an expression that compiles."""
    from tako.expressions.cel_syntax import parse

    return parse(program(text).serialize())


@lru_cache(maxsize=256)
def program(text: str) -> cel.Expression:
    """The compiled expression; the library raises ``RuntimeError`` or ``TypeError`` where there is none."""
    return _ENVIRONMENT.compile(text)
