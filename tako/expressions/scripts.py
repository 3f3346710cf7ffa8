"""Templates that become shell scripts: what came from an event must not become code.

A value from outside is left out while the template is rendered, with a mark in its place. Then, with the whole script
before us, each is judged where it stands: one that holds nothing special to a shell may stand anywhere; any other must
have gone through ``shell_quote``, and stand where the shell reads a quoted word as one.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import Any

from jinja2 import nodes

from tako.config.values import shown
from tako.errors import ExpressionError
from tako.expressions import filters, names
from tako.expressions.shell_scan import Scanner
from tako.expressions.taint import Analysis
from tako.records import record

RAW, QUOTED, QUOTED_EACH = "tako raw", "tako quoted", "tako quoted each"
"""Filters that a template is given where a value from outside is printed; their names cannot be written in one."""

_SHOWN = 5
_SPECIAL = {" ": "a space", "\n": "a line break", "\t": "a tab", "'": "a single quote", '"': "a double quote"}


@record
class Foreign:
    """A value from outside in a script."""

    text: str
    """As it is, or quoted."""
    name: str
    """How the template reaches it."""
    line: int
    quoted: bool
    harmless: bool
    """Whether it holds nothing that a shell gives a meaning, in or out of quotes."""


class Script:
    """The values from outside in one script that is being rendered."""

    def __init__(self) -> None:
        self._nonce = os.urandom(8).hex()
        self._foreign: list[Foreign] = []

    @contextlib.contextmanager
    def collecting(self) -> Iterator[None]:
        """Be the one that is being rendered."""
        token = _CURRENT.set(self)
        try:
            yield
        finally:
            _CURRENT.reset(token)

    def raw(self, value: Any, name: str, line: int) -> str:
        """The mark of a value that is printed as it is."""
        text = filters.to_text(value)
        return self._mark(Foreign(text, name, line, False, is_harmless(text)))

    def quoted(self, value: Any, name: str, line: int) -> str:
        """The mark of a value that is printed as one word of a shell."""
        text = filters.to_text(value)
        return self._mark(Foreign(filters.shell_quote(text), name, line, True, is_harmless(text)))

    def quoted_each(self, values: Iterable[Any], between: str, name: str, line: int) -> str:
        """The marks of several values, each of which is printed as one word."""
        return between.join(self.quoted(value, name, line) for value in values)

    def _mark(self, foreign: Foreign) -> str:
        self._foreign.append(foreign)
        return f"\ufdd1{self._nonce}:{len(self._foreign) - 1}\ufdd2"

    def parts(self, rendered: str) -> list[str]:
        """The author's texts, and between each two the number of a value: see ``foreign``."""
        return re.split(f"\ufdd1{self._nonce}:([0-9]+)\ufdd2", rendered)

    def foreign(self, number: str) -> Foreign:
        """The value with a number."""
        return self._foreign[int(number)]

    def judged(self, rendered: str, where: str) -> str:
        """The script with its values; raises ``ExpressionError`` if one of them could become code."""
        scanner = Scanner()
        script = []
        foreign: Foreign | None = None
        for position, part in enumerate(self.parts(rendered)):
            if position % 2 == 0:
                scanner.feed(part)
                script.append(part)
            else:
                foreign = self.foreign(part)
                _judge(foreign, scanner, where)
                script.append(foreign.text)
            if foreign is not None and scanner.ended_from_outside:
                raise _refused(foreign, "would end a here-document", where, place="within a here-document")
        return "".join(script)


_CURRENT: ContextVar[Script] = ContextVar("script")

FILTERS = {
    RAW: lambda *given: _CURRENT.get().raw(*given),
    QUOTED: lambda *given: _CURRENT.get().quoted(*given),
    QUOTED_EACH: lambda *given: _CURRENT.get().quoted_each(*given),
}


def is_harmless(text: str) -> bool:
    """Whether a shell takes the text as it is wherever it stands: letters and digits, and ``@%+=:,./-_``."""
    return all(char.isalnum() or char in "@%+=:,./-_" for char in text)


def _judge(foreign: Foreign, scanner: Scanner, where: str) -> None:
    if foreign.harmless:
        if foreign.text and scanner.names_variable:
            raise _refused(foreign, "would name a variable behind a `$`", where, place="behind a `$`")
        scanner.feed(foreign.text, foreign=True)
    elif not foreign.quoted:
        raise _refused(foreign, f"holds {_specials(foreign.text)}, which a shell may act on", where)
    elif scanner.place:
        raise _refused(foreign, f"is quoted, which does not protect {scanner.place}", where, place=scanner.place)
    else:
        scanner.word()


def _refused(foreign: Foreign, what: str, where: str, *, place: str = "") -> ExpressionError:
    variable = variable_of(foreign.name)
    read = f'read it in the command as "${variable}"' if variable else "give it to the step in `env` and read it there"
    quote = f"write {{{{ {foreign.name} | shell_quote }}}}"
    cure = f"{quote} outside of quotes, or {read}" if not place else f"{read}, or {quote} where a word may stand"
    name = foreign.name if not foreign.quoted else f"{foreign.name} | shell_quote"
    return ExpressionError(
        f"line {foreign.line} of the command: `{name}` {what}",
        where=where,
        why=f"it came with an event, as: {shown_value(foreign)}",
        cure=cure,
    )


def shown_value(foreign: Foreign) -> str:
    """The value for a message."""
    return shown(foreign.text if not foreign.quoted else shlex.split(foreign.text)[0])


def variable_of(name: str) -> str:
    """The environment variable that holds the same value, or nothing."""
    match = re.fullmatch(r"inputs(?:\.|\[')([^'\[\].|]+)(?:'\])?", name)
    if match is None:
        return ""
    return f"TAKO_INPUT_{names.variable_name(match[1])}"


def _specials(text: str) -> str:
    special = dict.fromkeys(char for char in text if not is_harmless(char))
    named = [_SPECIAL.get(char) or (f"`{char}`" if char.isprintable() else ascii(char)) for char in special]
    rest = len(named) - _SHOWN
    return ", ".join(named[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def mark(tree: nodes.Template, analysis: Analysis, environment: Any) -> None:
    """Have the template give a mark wherever it prints what may be tainted."""
    _Marking(analysis, environment).in_statements(tree.body)


class _Marking:
    def __init__(self, analysis: Analysis, environment: Any) -> None:
        self._analysis = analysis
        self._environment = environment

    def in_statements(self, body: list[nodes.Node]) -> None:
        """What a macro or a ``set`` takes in is judged where that is printed."""
        for place, node in enumerate(body):
            if isinstance(node, nodes.Output):
                node.nodes = [self._printed(expression) for expression in node.nodes]
            elif isinstance(node, nodes.FilterBlock):
                if self._analysis.mentions(node):
                    node.filter = self._filtered(node.filter)
            elif isinstance(node, nodes.CallBlock):
                if self._analysis.mentions(node):
                    body[place] = nodes.FilterBlock([node], self._filter(None, RAW, node.lineno, "a call"))
            elif not isinstance(node, nodes.Macro | nodes.AssignBlock):
                for inner in ("body", "elif_", "else_"):
                    self.in_statements(getattr(node, inner, None) or [])

    def _printed(self, node: nodes.Expr) -> nodes.Expr:
        if isinstance(node, nodes.Concat):
            node.nodes = [self._printed(part) for part in node.nodes]
        elif isinstance(node, nodes.CondExpr):
            node.expr1 = self._printed(node.expr1)
            node.expr2 = None if node.expr2 is None else self._printed(node.expr2)
        elif isinstance(node, nodes.Add) and _is_text(node.left) and _is_text(node.right):
            return nodes.Concat([self._printed(node.left), self._printed(node.right)], lineno=node.lineno)
        elif self._analysis.is_tainted(node):
            return self._marked(node)
        return node

    def _marked(self, node: nodes.Expr) -> nodes.Expr:
        quoted = _filtered_by(node, "shell_quote")
        if quoted is not None:
            return self._filter(quoted.node, QUOTED, node.lineno, described(quoted.node))
        joined = _filtered_by(node, "join", arguments=1)
        mapped = _filtered_by(joined.node, "map", arguments=1) if joined is not None else None
        if joined is not None and mapped is not None and mapped.args and _is_const(mapped.args[0], "shell_quote"):
            between = joined.args[0] if joined.args else nodes.Const("")
            if isinstance(between, nodes.Const):
                text = nodes.Const(str(between.value))
                return self._filter(mapped.node, QUOTED_EACH, node.lineno, described(mapped.node), text)
        return self._filter(node, RAW, node.lineno, described(node))

    def _filtered(self, node: nodes.Filter) -> nodes.Filter:
        if _filtered_by(node, "shell_quote") is not None:
            return self._filter(node.node, QUOTED, node.lineno, "a block")
        return self._filter(node, RAW, node.lineno, "a block")

    def _filter(
        self, node: nodes.Expr | None, name: str, line: int, described_as: str, *more: nodes.Expr
    ) -> nodes.Filter:
        arguments = [*more, nodes.Const(described_as), nodes.Const(line)]
        return nodes.Filter(node, name, arguments, [], None, None, lineno=line, environment=self._environment)


def _filtered_by(node: Any, name: str, *, arguments: int = 0) -> nodes.Filter | None:
    """The node, if it is that filter, with so many arguments at most."""
    if not isinstance(node, nodes.Filter) or node.name != name or len(node.args) > arguments:
        return None
    return None if node.kwargs or node.dyn_args is not None or node.dyn_kwargs is not None else node


def _is_const(node: Any, value: Any) -> bool:
    return isinstance(node, nodes.Const) and node.value == value


def _is_text(node: nodes.Node) -> bool:
    """Whether it is certain to yield text."""
    if isinstance(node, nodes.Add):
        return _is_text(node.left) and _is_text(node.right)
    is_text = isinstance(node, nodes.Const) and isinstance(node.value, str)
    return is_text or isinstance(node, nodes.Concat) or _filtered_by(node, "shell_quote") is not None


def described(node: Any) -> str:
    """How a template spells an expression, where that is a name with filters; else ``the expression``."""
    if isinstance(node, nodes.Filter) and node.node is not None:
        inner = described(node.node)
        return f"{inner} | {node.name}" if inner != _OTHER else inner
    if isinstance(node, nodes.Name):
        return "steps" if node.name.startswith("_go") else node.name
    if isinstance(node, nodes.Getattr | nodes.Getitem):
        owner = described(node.node)
        key = node.attr if isinstance(node, nodes.Getattr) else getattr(node.arg, "value", None)
        if owner == _OTHER or not isinstance(key, str | int):
            return _OTHER
        return f"{owner}.{key}" if isinstance(key, str) and key.isidentifier() else f"{owner}[{key!r}]"
    return _OTHER


_OTHER = "the expression"
