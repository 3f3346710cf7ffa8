"""What an expression reads: the names that it starts from, and the keys behind them that are plain to see."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from jinja2 import meta, nodes

from tako.expressions import sandbox
from tako.expressions.go_spellings import STEPS
from tako.records import record

# Names that Jinja2 itself gives a macro or a block.
_JINJAS_OWN = frozenset({"self", "super", "caller", "varargs", "kwargs"})


@record
class Reference:
    """``inputs.a['b']`` is the root ``inputs`` and the keys ``a`` and ``b``; a key that is computed ends them."""

    root: str
    keys: tuple[str, ...] = ()


@lru_cache(maxsize=256)
def in_template(text: str) -> tuple[Reference, ...]:
    """What a template that compiles reads from its scope, each once, in the order of the text."""
    tree = sandbox.parse(text)
    outside = meta.find_undeclared_variables(tree) - _JINJAS_OWN
    found = (Reference(root, _up_to_computed(keys)) for root, keys in _paths(tree, ()) if root in outside)
    return tuple(dict.fromkeys(_known(one) for one in found))


@lru_cache(maxsize=256)
def in_condition(text: str) -> tuple[Reference, ...]:
    """The same of a condition in CEL that compiles."""
    from tako.expressions import cel_tree

    return tuple(dict.fromkeys(Reference(root, _up_to_computed(keys)) for root, keys in cel_tree.paths(text)))


def _known(reference: Reference) -> Reference:
    """A Go spelling's own name for the steps as the one that people know."""
    return Reference("steps", reference.keys) if reference.root == STEPS else reference


def _paths(node: nodes.Node, keys: tuple[str | None, ...]) -> Iterator[tuple[str, tuple[str | None, ...]]]:
    """The names that are read below a node; ``keys`` are those that are then read of the node itself."""
    if isinstance(node, nodes.Getattr):
        yield from _paths(node.node, (node.attr, *keys))
    elif isinstance(node, nodes.Getitem):
        key = node.arg.value if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str) else None
        yield from _paths(node.node, (key, *keys))
        yield from _paths(node.arg, ())
    elif isinstance(node, nodes.Name):
        if node.ctx == "load":
            yield node.name, keys
    else:
        for child in node.iter_child_nodes():
            yield from _paths(child, ())


def _up_to_computed(keys: tuple[str | None, ...]) -> tuple[str, ...]:
    known: list[str] = []
    for key in keys:
        if key is None:
            break
        known.append(key)
    return tuple(known)
