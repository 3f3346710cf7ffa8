"""What kind of value an expression yields, as far as that is certain before it is evaluated.

Kinds are ``text``, ``number``, ``boolean``, ``list`` and ``mapping``; the empty text where it is not certain.
``inputs`` are the declared kinds of a workflow's inputs, by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from jinja2 import nodes

from tako.expressions import sandbox
from tako.expressions.go_spellings import STEPS

TEXT, NUMBER, BOOLEAN, LIST, MAPPING, UNKNOWN = "text", "number", "boolean", "list", "mapping", ""
A = {TEXT: "text", NUMBER: "a number", BOOLEAN: "a boolean", LIST: "a list", MAPPING: "a mapping"}

_FILTERS = {
    **dict.fromkeys(("upper", "lower", "trim", "replace", "join", "string", "title", "capitalize", "tojson"), TEXT),
    **dict.fromkeys(("shell_quote", "json_escape", "url_encode", "urlencode", "html_escape", "truncate"), TEXT),
    **dict.fromkeys(("int", "to_int", "float", "to_float", "length", "count", "round", "wordcount"), NUMBER),
    **dict.fromkeys(("semver_major", "semver_minor", "semver_patch"), NUMBER),
    **dict.fromkeys(("to_bool", "has_prefix", "has_suffix", "contains"), BOOLEAN),
    **dict.fromkeys(("split", "list", "sort", "dictsort"), LIST),
}
_TEXTS = {
    "event": ("type", "source", "artifact", "schema_version", "id", "timestamp"),
    "run": ("id", "root_id", "workflow"),
}
_ROOTS = {"repo": TEXT, "events": LIST, "payload": MAPPING, "event": MAPPING, "inputs": MAPPING, "steps": MAPPING}
_ORDERED = ("gt", "gteq", "lt", "lteq")
_SIGNS = {"eq": "==", "ne": "!=", "gt": ">", "gteq": ">=", "lt": "<", "lteq": "<="}


def of_path(path: tuple[str, ...], inputs: Mapping[str, str]) -> str:
    """The kind of ``("inputs", "name")``, and so on."""
    root, keys = path[0], path[1:]
    if not keys:
        return _ROOTS.get(root, UNKNOWN)
    if root == "inputs":
        return inputs.get(keys[0], UNKNOWN) if len(keys) == 1 else UNKNOWN
    if root == "steps":
        return _of_step(keys)
    if root in ("outputs", "env"):
        return TEXT if len(keys) == 1 else UNKNOWN
    if len(keys) == 1 and keys[0] in _TEXTS.get(root, ()):
        return TEXT
    return MAPPING if path == ("event", "payload") else UNKNOWN


def _of_step(keys: tuple[str, ...]) -> str:
    if len(keys) == 1:
        return MAPPING
    if len(keys) == 2:
        return MAPPING if keys[1] == "outputs" else TEXT
    return TEXT if len(keys) == 3 and keys[1] == "outputs" else UNKNOWN


def of_template(text: str, inputs: Mapping[str, str]) -> str:
    """The kind of what a template that compiles yields if it is one ``{{ … }}`` alone; else text."""
    alone = sandbox.alone(text)
    return TEXT if alone is None else kind(alone, inputs)


def kind(node: nodes.Node, inputs: Mapping[str, str]) -> str:
    """The kind of an expression of a template."""
    if isinstance(node, nodes.Const):
        return _of_constant(node.value)
    if isinstance(node, nodes.List | nodes.Tuple):
        return LIST
    if isinstance(node, nodes.Dict):
        return MAPPING
    if isinstance(node, nodes.Compare | nodes.Not | nodes.Test):
        return BOOLEAN
    if isinstance(node, nodes.Concat):
        return TEXT
    if isinstance(node, nodes.CondExpr):
        return _both(node.expr1, node.expr2, inputs)
    if isinstance(node, nodes.Filter):
        if node.name in ("default", "d") and node.node is not None and node.args:
            return _both(node.node, node.args[0], inputs)
        return _FILTERS.get(node.name, UNKNOWN)
    path = path_of(node)
    return of_path(path, inputs) if path else UNKNOWN


def path_of(node: nodes.Node) -> tuple[str, ...]:
    """``("inputs", "x")`` for ``inputs.x`` or ``inputs['x']``; nothing for anything else."""
    keys: list[str] = []
    while isinstance(node, nodes.Getattr | nodes.Getitem):
        key = node.attr if isinstance(node, nodes.Getattr) else getattr(node.arg, "value", None)
        if not isinstance(key, str):
            return ()
        keys.append(key)
        node = node.node
    if not isinstance(node, nodes.Name):
        return ()
    return ("steps" if node.name == STEPS else node.name, *reversed(keys))


def mismatches(text: str, inputs: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with comparisons in a template that compiles: of values of two kinds, which are never equal."""
    for compare in sandbox.parse(text).find_all(nodes.Compare):
        left = compare.expr
        for operand in compare.ops:
            right = operand.expr
            kinds = kind(left, inputs), kind(right, inputs)
            if operand.op in _SIGNS and UNKNOWN not in kinds and kinds[0] != kinds[1]:
                yield _mismatch(left, right, operand.op, inputs)
            left = right


def _mismatch(left: nodes.Node, right: nodes.Node, operator: str, inputs: Mapping[str, str]) -> str:
    if path_of(right) and not path_of(left):
        left, right = right, left
    kinds = kind(left, inputs), kind(right, inputs)
    name, other = shown(path_of(left)), A[kinds[1]]
    always = "cannot be ordered with" if operator in _ORDERED else "never equals"
    return f"`{name}` is {A[kinds[0]]} and {always} {other}; {cure(name, path_of(left), kinds[0], kinds[1])}"


def cure(name: str, path: tuple[str, ...], is_: str, compared: str) -> str:
    """What to write in a template instead of a comparison of two kinds."""
    because = "an output is always text: " if path[:1] in (("steps",), ("outputs",)) else ""
    if is_ == TEXT and compared in (NUMBER, BOOLEAN):
        return f"{because}write `{name} | {'to_int' if compared == NUMBER else 'to_bool'}`"
    if is_ == BOOLEAN:
        return f"write `{name}` or `not {name}` alone"
    return "compare it with a number, without quotes" if is_ == NUMBER else "compare values of one kind"


def shown(path: tuple[str, ...]) -> str:
    """A path as a template spells it."""
    if not path:
        return "the expression"
    return path[0] + "".join(f".{key}" if key.isidentifier() else f"['{key}']" for key in path[1:])


def _both(first: nodes.Node, second: nodes.Node | None, inputs: Mapping[str, str]) -> str:
    found = {kind(first, inputs), UNKNOWN if second is None else kind(second, inputs)}
    return found.pop() if len(found) == 1 else UNKNOWN


def _of_constant(value: object) -> str:
    if isinstance(value, bool):
        return BOOLEAN
    return TEXT if isinstance(value, str) else NUMBER if isinstance(value, int | float) else UNKNOWN
