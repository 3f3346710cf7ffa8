"""Makes a template spend its budget where Jinja2 has no hook: in loops, literals, comparisons and slices."""

from __future__ import annotations

from typing import Any

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from tako.expressions.budget import CURRENT, TURN

TURNS, WEIGHED = "tako turns", "tako weighed"
"""Filters, with names that no template can spell."""


def turns(values: Any, cost: int) -> Any:
    """What a loop goes over."""
    return CURRENT.get().turns(values, cost)


def weighed(value: Any) -> Any:
    """A value that was made, or is compared."""
    return CURRENT.get().weigh(value)


class Metering(NodeTransformer):
    """Changes the tree of a template in place."""

    def __init__(self, environment: Any) -> None:
        self._environment = environment

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        length = sum(len(data.data) for data in node.find_all(nodes.TemplateData))
        self.generic_visit(node)
        node.iter = self._filter(node.iter, TURNS, nodes.Const(TURN + length))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        # `~` would call Python's str, which spells `True`.
        node.nodes = [self._filter(part, "string") for part in node.nodes]
        return node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.expr = self._weighed(node.expr)
        for operand in node.ops:
            operand.expr = self._weighed(operand.expr)
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return self._weighed(node) if isinstance(node.arg, nodes.Slice) else node

    def visit_List(self, node: nodes.List) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return self._weighed(node)

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return self._weighed(node)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return self._weighed(node) if node.ctx == "load" else node

    def _weighed(self, node: nodes.Expr) -> nodes.Expr:
        return node if isinstance(node, nodes.Const) else self._filter(node, WEIGHED)

    def _filter(self, node: nodes.Node, name: str, *args: nodes.Expr) -> nodes.Filter:
        return nodes.Filter(node, name, [*args], [], None, None, lineno=node.lineno, environment=self._environment)
