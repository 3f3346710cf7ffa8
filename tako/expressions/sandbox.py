"""The Jinja2 environment: what a template may do, and how it is compiled and run.

Loaded by ``templates`` with the first text that is a template.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Any, TypeVar

from jinja2 import Template, TemplateSyntaxError, meta, nodes, pass_context, pass_eval_context
from jinja2.exceptions import UndefinedError
from jinja2.filters import make_attrgetter
from jinja2.nodes import EvalContext
from jinja2.runtime import Context, StrictUndefined, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from tako.expressions import amplifiers, calls, explain, filters, go_spellings, metering, names
from tako.expressions.budget import CURRENT, MAX_OUTPUT, Budget, BudgetError, charged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.expressions.templates import Paths

T = TypeVar("T")


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
    """Data before methods, and no operator or call that the budget does not see."""

    intercepted_binops = frozenset(["+", "*", "**", "%"])
    functions: frozenset[int] = frozenset()
    """The ids of the global functions."""

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
        amplifiers.binary(operator, left, right)
        return CURRENT.get().weigh(super().call_binop(context, operator, left, right))

    def wrap_str_format(self, value: Any) -> Any:
        if super().wrap_str_format(value) is None:
            return None
        return calls.Format(self, str(value.__self__), takes_mapping=value.__name__ == "format_map")

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        args = calls.prepare(__obj, args, __self.functions)
        return CURRENT.get().weigh(super().call(__context, __obj, *args, **kwargs))


# With the context as an argument Jinja2 never calls it while compiling, so that a check runs nothing.
@pass_context
def _finalize(_context: Context, value: Any) -> str:
    text = filters.to_text(value)
    budget = CURRENT.get()
    budget.printed = value
    budget.spend(len(text) + 1)
    return text


@pass_eval_context
def _join(eval_context: EvalContext, value: Iterable[Any], d: Any = "", attribute: Any = None) -> str:
    """Jinja2's ``join``, but with the spelling of values that all templates have."""
    if attribute is not None:
        value = map(make_attrgetter(eval_context.environment, attribute), value)
    texts = [filters.to_text(item) for item in value]
    between = filters.to_text(d)
    amplifiers.joining(between, texts)
    return between.join(texts)


def _make_environment() -> _Environment:
    environment = _Environment(
        undefined=_Undefined,
        finalize=_finalize,
        autoescape=False,
        keep_trailing_newline=True,
        optimized=False,
    )
    del environment.globals["lipsum"]
    environment.functions = frozenset(map(id, environment.globals.values()))
    environment.filters.update(filters.FILTERS, join=_join)
    tables: list[tuple[dict[str, Any], Mapping[str, Any]]] = [
        (environment.filters, amplifiers.FILTERS),
        (environment.tests, {}),
    ]
    for table, measured in tables:
        table.update({name: charged(function, measured.get(name)) for name, function in table.items()})
    environment.filters.update({metering.TURNS: metering.turns, metering.WEIGHED: metering.weighed})
    return environment


_ENVIRONMENT = _make_environment()


def tokens(text: str) -> Iterator[tuple[int, str, str]]:
    """The text as Jinja2's lexer gives it, for ``go_spellings.rewrite``; raises Jinja2's ``TemplateSyntaxError``."""
    return _ENVIRONMENT.lexer.tokeniter(go_spellings.hide_lengths(text), None)


def parse(text: str) -> nodes.Template:
    """Jinja2's tree of a template; raises what Jinja2 does."""
    return _ENVIRONMENT.parse(go_spellings.rewrite(tokens(text)))


def _parse_allowed(text: str) -> nodes.Template:
    tree = parse(text)
    if "secrets" in text.lower() and "secrets" in meta.find_undeclared_variables(tree):
        raise explain.SecretsError
    return tree


@lru_cache(maxsize=256)
def _compile(text: str, tainted: Paths | None = None) -> Template:
    """The template; one that becomes a script has ``tainted`` paths, and gives marks for what comes from them."""
    tree = _parse_allowed(text)
    if tainted is not None:
        # Here, since most runs are started by no event.
        from tako.expressions import scripts
        from tako.expressions.taint import Analysis

        _ENVIRONMENT.filters.update(scripts.FILTERS)
        scripts.mark(tree, Analysis(tree, tainted), _ENVIRONMENT)
    return _ENVIRONMENT.from_string(metering.Metering(_ENVIRONMENT).visit(tree))


@lru_cache(maxsize=256)
def _can_print(text: str, tainted: Paths) -> bool:
    from tako.expressions.taint import Analysis

    tree = _parse_allowed(text)
    return Analysis(tree, tainted).can_print(tree)


def check(text: str, where: str) -> None:
    """Raise ``ExpressionError`` if the text does not compile; nothing in it is run."""
    _explained(text, where, lambda: _compile(text))


def can_print(text: str, tainted: Paths, where: str) -> bool:
    """Whether something from tainted paths can be in what the text yields; raises ``ExpressionError``."""
    return _explained(text, where, lambda: _can_print(text, tainted))


def _explained(text: str, where: str, compile_it: Callable[[], T]) -> T:
    try:
        return compile_it()
    except explain.SecretsError:
        raise explain.no_secrets(where) from None
    # Beside its own errors Jinja2 lets through what Python says of too deep a nesting, which differs by version.
    except Exception as error:  # noqa: BLE001
        known = [name for name in (*_ENVIRONMENT.filters, *_ENVIRONMENT.tests) if " " not in name]
        line = error.lineno if isinstance(error, TemplateSyntaxError) else None
        raise explain.not_compiled(error, line, text, known, where) from None


def render(text: str, scope: Mapping[str, Any], where: str) -> str:
    """The text with its templates filled in; raises ``ExpressionError``."""
    template = _explained(text, where, lambda: _compile(text))
    return _rendered(template, text, scope, where)


def alone(text: str) -> nodes.Expr | None:
    """The expression of a template that compiles and is one ``{{ … }}`` with nothing beside it; else None."""
    if not (text.startswith("{{") and text.endswith("}}")):
        return None
    body = parse(text).body
    printed = body[0].nodes if len(body) == 1 and isinstance(body[0], nodes.Output) else []
    return printed[0] if len(printed) == 1 and not isinstance(printed[0], nodes.TemplateData) else None


def render_data(text: str, scope: Mapping[str, Any], where: str) -> Any:
    """As ``render``, but a list or a mapping out of one ``{{ … }}`` alone stays what it is."""
    template = _explained(text, where, lambda: _compile(text))
    budget = Budget(len(text))
    rendered = _rendered(template, text, scope, where, budget)
    is_whole = isinstance(budget.printed, Mapping | list | tuple) and alone(text) is not None
    return json.loads(rendered) if is_whole else rendered


def render_script(text: str, scope: Mapping[str, Any], tainted: Paths, where: str) -> str:
    """The same for a script; raises ``ExpressionError`` too if something from tainted paths could become code."""
    from tako.expressions import shebang
    from tako.expressions.code_scripts import CodeScript
    from tako.expressions.scripts import Script

    template = _explained(text, where, lambda: _compile(text, tainted))
    json_strings = shebang.reads_json_strings(text)
    script = Script() if shebang.is_shell(text) else CodeScript(json_strings=json_strings)
    with script.collecting():
        rendered = _rendered(template, text, scope, where)
    return script.judged(rendered, where)


def _rendered(template: Template, text: str, scope: Mapping[str, Any], where: str, budget: Budget | None = None) -> str:
    variables = dict(scope)
    token = CURRENT.set(budget or Budget(len(text)))
    try:
        if "steps" in scope:
            variables[go_spellings.STEPS] = names.flat_steps(scope, outputs_win=True)
        return _bounded(template.generate(variables))
    # A template is its author's code: any operator, method or filter in it may raise anything.
    except Exception as error:  # noqa: BLE001
        raise explain.not_rendered(error, text, variables, where) from None
    finally:
        CURRENT.reset(token)


def _bounded(pieces: Iterable[str]) -> str:
    out = []
    length = 0
    for piece in pieces:
        length += len(piece)
        if length > MAX_OUTPUT:
            raise BudgetError(f"it yields more than {MAX_OUTPUT:,} characters")
        out.append(piece)
    return "".join(out)
