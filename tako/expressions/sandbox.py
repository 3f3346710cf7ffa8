"""The Jinja2 environment: what a template may do, and how it is compiled and run.

Loaded by ``templates`` with the first text that is a template. A template's memory and time are bounded only where
one operator would be enough to exhaust them: who writes one may also write a command.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Any

from jinja2 import Template, TemplateSyntaxError, meta, nodes, pass_context, pass_eval_context
from jinja2.exceptions import UndefinedError
from jinja2.filters import make_attrgetter
from jinja2.nodes import EvalContext
from jinja2.runtime import Context, StrictUndefined, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from tako.expressions import explain, filters, go_spellings, names

MAX_OUTPUT = 1_000_000
"""Characters that one template may yield."""
_MAX_BITS = 4096
"""Size of a number that ``**`` may yield."""


class _Undefined(StrictUndefined):
    """A name that does not exist; its error carries the name and what it was looked for in."""

    __slots__ = ()

    def __init__(
        self, hint: str | None = None, obj: Any = missing, name: str | None = None, exc: Any = UndefinedError
    ) -> None:
        if hint is None:
            owner = explain.NO_OWNER if obj is missing else obj
            exc = partial(explain.MissingNameError, owner=owner, name=name)
        super().__init__(hint, obj, name, exc)


class _Environment(ImmutableSandboxedEnvironment):
    """Data before methods, and no operator that can fill the memory by itself."""

    intercepted_binops = frozenset(["*", "**"])

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(argument, Undefined):
            str(argument)  # Raises and says which name it is, which Jinja2 would take for a key.
        if isinstance(obj, Mapping):
            found = argument.__hash__ is not None and argument in obj
            return obj[argument] if found else self.undefined(obj=obj, name=argument)
        return super().getitem(obj, argument)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" and isinstance(left, int) and isinstance(right, int):
            too_large = left.bit_length() * right > _MAX_BITS
        else:
            too_large = operator == "*" and _repeated_size(left, right) > MAX_OUTPUT
        if too_large:
            raise OverflowError(f"the result of `{operator}` would be too large")
        return super().call_binop(context, operator, left, right)


def _repeated_size(left: Any, right: Any) -> int:
    for sequence, count in ((left, right), (right, left)):
        if isinstance(sequence, str | list | tuple) and isinstance(count, int):
            return len(sequence) * count
    return 0


# With the context as an argument Jinja2 never calls it while compiling, so that a check runs nothing.
@pass_context
def _finalize(_context: Context, value: Any) -> str:
    return filters.to_text(value)


@pass_eval_context
def _join(eval_context: EvalContext, value: Iterable[Any], d: Any = "", attribute: Any = None) -> str:
    """Jinja2's ``join``, but with the spelling of values that all templates have."""
    if attribute is not None:
        value = map(make_attrgetter(eval_context.environment, attribute), value)
    return filters.to_text(d).join(filters.to_text(item) for item in value)


def _make_environment() -> _Environment:
    environment = _Environment(
        undefined=_Undefined,
        finalize=_finalize,
        autoescape=False,
        keep_trailing_newline=True,
        optimized=False,
    )
    environment.filters.update(filters.FILTERS, join=_join)
    del environment.globals["lipsum"]
    return environment


_ENVIRONMENT = _make_environment()


def tokens(text: str) -> Iterator[tuple[int, str, str]]:
    """The text as Jinja2's lexer gives it, for ``go_spellings.rewrite``; raises Jinja2's ``TemplateSyntaxError``."""
    return _ENVIRONMENT.lexer.tokeniter(go_spellings.hide_lengths(text), None)


def parse(text: str) -> nodes.Template:
    """Jinja2's tree of a template; raises what Jinja2 does."""
    return _ENVIRONMENT.parse(go_spellings.rewrite(tokens(text)))


@lru_cache(maxsize=256)
def _compile(text: str) -> Template:
    tree = parse(text)
    if "secrets" in text.lower() and "secrets" in meta.find_undeclared_variables(tree):
        raise explain.SecretsError
    for joined in tree.find_all(nodes.Concat):
        # `~` would call Python's str, which spells `True`.
        joined.nodes = [_as_text(operand) for operand in joined.nodes]
    return _ENVIRONMENT.from_string(tree)


def _as_text(operand: nodes.Expr) -> nodes.Expr:
    return nodes.Filter(operand, "string", [], [], None, None, lineno=operand.lineno, environment=_ENVIRONMENT)


def check(text: str, where: str) -> None:
    """Raise ``ExpressionError`` if the text does not compile; nothing in it is run."""
    _compiled(text, where)


def _compiled(text: str, where: str) -> Template:
    try:
        return _compile(text)
    except explain.SecretsError:
        raise explain.no_secrets(where) from None
    # Beside its own errors Jinja2 lets through what Python says of too deep a nesting, which differs by version.
    except Exception as error:  # noqa: BLE001
        known = (*_ENVIRONMENT.filters, *_ENVIRONMENT.tests)
        line = error.lineno if isinstance(error, TemplateSyntaxError) else None
        raise explain.not_compiled(error, line, text, known, where) from None


def render(text: str, scope: Mapping[str, Any], where: str) -> str:
    """The text with its templates filled in; raises ``ExpressionError``."""
    template = _compiled(text, where)
    variables = dict(scope)
    try:
        if "steps" in scope:
            variables[go_spellings.STEPS] = names.flat_steps(scope, outputs_win=True)
        return _bounded(template.generate(variables))
    # A template is its author's code: any operator, method or filter in it may raise anything.
    except Exception as error:  # noqa: BLE001
        raise explain.not_rendered(error, text, variables, where) from None


def _bounded(pieces: Iterable[str]) -> str:
    out = []
    length = 0
    for piece in pieces:
        length += len(piece)
        if length > MAX_OUTPUT:
            raise OverflowError(f"it yields more than {MAX_OUTPUT:,} characters")
        out.append(piece)
    return "".join(out)
