"""Which expressions of a template can yield what came from outside: from an event.

Told from the syntax alone and never too rarely: whatever mentions a tainted value is tainted, whichever operators and
filters it goes through, and so is a variable, a loop or a macro that is made of one. Not tainted is what only chooses:
a comparison, a test, the condition of an ``if``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from jinja2 import nodes

from tako.expressions.go_spellings import STEPS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.expressions.templates import Paths

_METHODS = frozenset(dir(dict))
"""Names that may mean all of a mapping, as ``inputs.values``, instead of a key of it."""
_ONLY_CHOOSE = (nodes.Compare, nodes.Not, nodes.Test, nodes.Const, nodes.TemplateData)


class Analysis:
    """A template, and the paths from the roots of its scope (``("inputs", "name")``) that are tainted."""

    def __init__(self, tree: nodes.Template, paths: Paths) -> None:
        self._paths = paths
        self._variables: set[str] = set()
        """Tainted ones. A name counts for the whole template, wherever it is bound."""
        bindings = list(_bindings(tree))
        before = -1
        while before < len(self._variables):
            before = len(self._variables)
            for names, sources in bindings:
                if any(self.mentions(source) for source in sources):
                    self._variables |= names

    def is_tainted(self, node: nodes.Node) -> bool:
        """Whether an expression can yield something tainted."""
        if isinstance(node, _ONLY_CHOOSE):
            return False
        if isinstance(node, nodes.CondExpr):
            return any(self.is_tainted(branch) for branch in (node.expr1, node.expr2) if branch is not None)
        return self._is_or_has(node, self.is_tainted)

    def mentions(self, node: nodes.Node) -> bool:
        """Whether anything tainted stands anywhere in it."""
        return self._is_or_has(node, self.mentions)

    def can_print(self, tree: nodes.Template) -> bool:
        """Whether something tainted can be in what the template yields."""
        printed = chain.from_iterable(output.nodes for output in tree.find_all(nodes.Output))
        calls = (block.call for block in tree.find_all(nodes.CallBlock))
        filters = (block.filter for block in tree.find_all(nodes.FilterBlock))
        return any(map(self.is_tainted, printed)) or any(map(self.mentions, chain(calls, filters)))

    def _is_or_has(self, node: nodes.Node, part_is: Callable[[nodes.Node], bool]) -> bool:
        path, parts = _path(node)
        if path and (path[0] in self._variables or any(_meet(path, tainted) for tainted in self._paths)):
            return True
        return any(part_is(part) for part in parts)


def _meet(path: tuple[str, ...], tainted: tuple[str, ...]) -> bool:
    """Whether one of them is the other or leads to it."""
    length = min(len(path), len(tainted))
    return path[:length] == tainted[:length]


def _path(node: nodes.Node) -> tuple[tuple[str, ...], Iterable[nodes.Node]]:
    """The names by which an expression reads from the scope, as far as they are certain, and what else is in it."""
    keys: list[object] = []
    others: list[nodes.Node] = []
    owner = node
    while isinstance(owner, nodes.Getattr | nodes.Getitem):
        if isinstance(owner, nodes.Getattr):
            keys.append(owner.attr)
        else:
            keys.append(owner.arg.value if isinstance(owner.arg, nodes.Const) else None)
            others.append(owner.arg)
        owner = owner.node
    if isinstance(owner, nodes.NSRef):
        return (owner.name,), others
    if not isinstance(owner, nodes.Name):
        return (), [owner, *others] if owner is not node else node.iter_child_nodes()
    path = ["steps" if owner.name == STEPS else owner.name]
    for key in reversed(keys):
        if not isinstance(key, str) or key in _METHODS:
            break
        path.append(key)
    return tuple(path), others


def _bindings(tree: nodes.Template) -> Iterator[tuple[set[str], list[nodes.Node]]]:
    """The variables that the template binds, and what each is made of."""
    arguments: list[nodes.Node] = []
    for call in tree.find_all(nodes.Call):
        given = (call.dyn_args, call.dyn_kwargs)
        arguments += [*call.args, *call.kwargs, *(node for node in given if node is not None)]
    blocks: list[nodes.Macro | nodes.CallBlock] = [*tree.find_all(nodes.Macro), *tree.find_all(nodes.CallBlock)]
    for block in blocks:
        yield {*_targets(block.args), "varargs", "kwargs"}, [*arguments, *block.defaults]
        yield {block.name if isinstance(block, nodes.Macro) else "caller"}, block.body
    for loop in tree.find_all(nodes.For):
        yield {*_targets([loop.target]), "loop"}, [loop.iter, *(loop.body if loop.recursive else ())]
    for assigned in tree.find_all(nodes.Assign):
        yield _targets([assigned.target]), [assigned.node]
    for filled in tree.find_all(nodes.AssignBlock):
        yield _targets([filled.target]), [*filled.body, *([filled.filter] if filled.filter is not None else ())]
    for scope in tree.find_all(nodes.With):
        yield _targets(scope.targets), [*scope.values]
    for named in tree.find_all(nodes.Block):
        yield {"self"}, named.body


def _targets(targets: Iterable[nodes.Node]) -> set[str]:
    """The names that are bound: of one, of a tuple of them, or of a namespace."""
    names: set[str] = set()
    for target in targets:
        if isinstance(target, nodes.Name | nodes.NSRef):
            names.add(target.name)
        else:
            names |= _targets(target.iter_child_nodes())
    return names
