"""What templates put into the commands of a step."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from jinja2 import nodes

from tako.config.model import InputSpec, RepoConfig
from tako.expressions.sandbox import parse
from tako.expressions.shebang import is_shell
from tako.lint.findings import Finding
from tako.lint.spellings import segments
from tako.lint.syntax import Node, Sheet
from tako.lint.walk import commands, named_workflows, steps_in

_SAFE_WORD = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")
"""What ``shlex.quote`` leaves as it is."""
_SAFE_PART = re.compile(
    r"\\[dw./-]"
    r"|\[(?:\\[dw./]|[a-z]-[a-z]|[A-Z]-[A-Z]|[0-9]-[0-9]|[A-Za-z0-9_@%+=:,./])+-?\]"
    r"|[A-Za-z0-9_@%=:,/-]|[*+?]|\{\d+(?:,\d*)?\}|\((?:\?:)?|[)|]"
)
"""Of a regular expression, a part that takes nothing but what ``_SAFE_WORD`` does."""
_SAFE_FILTERS = frozenset(
    [
        *("shell_quote", "url_encode", "urlencode", "to_int", "to_float", "to_bool", "int", "float", "length", "count"),
        *("semver_major", "semver_minor", "semver_patch", "has_prefix", "has_suffix", "contains", "wordcount"),
    ]
)
"""Filters whose result holds nothing that a shell reads as code, whatever they are given."""
_KEEPING = frozenset(["abs", "default", "d", "first", "last", "lower", "max", "min", "round", "sum", "upper"])
"""Filters whose result is safe if all that goes in is."""
_SAFE_PATHS = frozenset([("status",), ("run", "id"), ("run", "root_id"), ("error", "step"), ("error", "exit_code")])
_ATOMS = (nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Filter, nodes.Call, nodes.Const)
_JOINING = (nodes.And, nodes.Or, nodes.BinExpr, nodes.UnaryExpr, nodes.Concat)


def unquoted_interpolations(sheet: Sheet, config: RepoConfig) -> Iterator[Finding]:
    """Every value in a command that the shell would read as code if it held some."""
    for name, workflow in named_workflows(sheet):
        spec = config.workflow(name)
        inputs = {one.name: one for one in spec.inputs} if spec is not None else {}
        found = [pair for step in steps_in(sheet, workflow) for pair in commands(sheet, step)]
        for owner, command in found:
            if not is_shell(command.value):
                continue
            for offset, segment in segments(command.value):
                expression = output_of(segment)
                if expression is not None and not is_safe(expression, inputs):
                    yield _finding(sheet, owner, command, offset, segment, expression)


def output_of(segment: str) -> nodes.Expr | None:
    """The expression of ``{{ … }}``; None for ``{% … %}`` and what does not parse."""
    if not segment.startswith("{{"):
        return None
    try:
        body = parse(segment).body
    except Exception:  # noqa: BLE001  (whatever Jinja2 or Python say of it was said by the checks before)
        return None
    found = body[0].nodes[0] if body and isinstance(body[0], nodes.Output) else None
    return None if isinstance(found, nodes.TemplateData) else found


def is_safe(node: nodes.Node, inputs: Mapping[str, InputSpec]) -> bool:
    """Whether a value can be shown to hold nothing that a shell reads as code."""
    if isinstance(node, nodes.Const):
        return not isinstance(node.value, str) or bool(_SAFE_WORD.fullmatch(node.value))
    if isinstance(node, nodes.Filter):
        if node.name in _SAFE_FILTERS:
            return True
        parts = [node.node, *node.args, *(keyword.value for keyword in node.kwargs)]
        return node.name in _KEEPING and all(part is not None and is_safe(part, inputs) for part in parts)
    if isinstance(node, nodes.CondExpr):
        return node.expr2 is not None and is_safe(node.expr1, inputs) and is_safe(node.expr2, inputs)
    if isinstance(node, nodes.Compare | nodes.Not | nodes.Test):
        return True
    if isinstance(node, _JOINING):
        return all(is_safe(part, inputs) for part in node.iter_child_nodes())
    path = path_of(node)
    if len(path) == 2 and path[0] == "inputs":
        return path[1] in inputs and _is_harmless(inputs[path[1]])
    return path in _SAFE_PATHS or (len(path) == 3 and path[0] == "steps" and path[2] == "status")


def path_of(node: nodes.Node) -> tuple[str, ...]:
    """``("inputs", "x")`` for ``inputs.x`` or ``inputs['x']``; nothing for anything else."""
    parts: list[str] = []
    while isinstance(node, nodes.Getattr | nodes.Getitem):
        if isinstance(node, nodes.Getattr):
            parts.append(node.attr)
        elif isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
            parts.append(node.arg.value)
        else:
            return ()
        node = node.node
    return (node.name, *reversed(parts)) if isinstance(node, nodes.Name) else ()


def _is_harmless(spec: InputSpec) -> bool:
    if spec.type in ("number", "boolean"):
        return True
    if spec.enum is not None:
        return all(_SAFE_WORD.fullmatch(str(value)) for value in spec.enum)
    return spec.pattern is not None and lets_only_words_through(spec.pattern)


def lets_only_words_through(pattern: str) -> bool:
    """Whether what a regular expression takes can be seen to hold letters, digits and a few harmless signs alone."""
    if not pattern.startswith("^") or not pattern.endswith("$") or len(pattern) < 2:
        return False
    depth = at = 0
    inside = pattern[1:-1]
    while at < len(inside):
        part = _SAFE_PART.match(inside, at)
        # Outside of parentheses an alternative takes the anchors apart, and ``^*`` is no anchor.
        if part is None or (part[0] == "|" and depth <= 0) or (at == 0 and part[0][0] in "*+?{"):
            return False
        depth += part[0].startswith("(") - (part[0] == ")")
        at = part.end()
    return True


def _finding(sheet: Sheet, owner: Node, command: Node, offset: int, segment: str, expression: nodes.Expr) -> Finding:
    line, column = sheet.position(sheet.place(command, "{{", offset))
    text = " ".join(segment.strip("{}").strip("-+").split())
    quoted = f"{text} | shell_quote" if isinstance(expression, _ATOMS) else f"({text}) | shell_quote"
    cure = f"write {{{{ {quoted} }}}} without quotes around it"
    path = path_of(expression)
    if len(path) == 2 and path[0] == "inputs":
        variable = path[1].upper().replace("-", "_")
        cure += f', or read "$TAKO_INPUT_{variable}"'
    what = f"the shell reads {{{{ {text} }}}} as code; {cure}"
    return Finding(line, column, "unquoted-interpolation", what, owner_line=sheet.position(owner.start)[0])
