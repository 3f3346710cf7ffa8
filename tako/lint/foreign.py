"""Scripts in another shell's language, and values in another tool's."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tako.config.foreign import perhaps
from tako.config.problems import quoted
from tako.config.reads import CONDITION, SCRIPT, TEMPLATE
from tako.expressions.shebang import has_shebang, interpreter, is_shell
from tako.lint.bashisms import bashisms
from tako.lint.findings import Finding
from tako.lint.syntax import Node, Sheet
from tako.lint.walk import commands, fields, named_workflows, scalars, steps_in

_VARIABLE = re.compile(r"(?<![\\$])\$(?:(?P<name>[A-Za-z_]\w*)|\{(?P<braced>[A-Za-z_]\w*)\}|\((?!\())")
_STOPS = re.compile(r"^\s*set\s+(?:-\w*e|-\w*o\s+errexit)", re.MULTILINE)
_FIELDS = {"env": TEMPLATE, "with": TEMPLATE, "working_directory": TEMPLATE, "produces": TEMPLATE, "if": CONDITION}


def bash_in_sh(sheet: Sheet) -> Iterator[Finding]:
    """What of bash's is in the scripts that sh runs."""
    for step in _steps(sheet):
        shell = sheet.field(step, "shell") if step.kind == "map" else None
        if shell is not None and shell[1].value != "sh":
            continue
        for owner, command in commands(sheet, step):
            named = interpreter(command.value)
            if has_shebang(command.value) and (not named or named[0].rpartition("/")[2] not in ("sh", "dash")):
                continue
            cure = "or name bash in the first line" if named else "or add `shell: bash` to the step"
            for one in bashisms(command.value):
                what = f"{quoted(one.text)} is bash's, and sh runs this script: {one.instead}; {cure}"
                yield _finding(sheet, owner, command, one.at, one.text, "bashism", what)


def unchecked_scripts(sheet: Sheet) -> Iterator[Finding]:
    """Scripts of several lines that name their shell and do not ask it to end at the first error."""
    for step in _steps(sheet):
        for owner, command in commands(sheet, step):
            text = command.value
            if not has_shebang(text) or not is_shell(text):
                continue
            first, _, rest = text.strip().partition("\n")
            lines = [line for line in rest.splitlines() if line.strip() and not line.lstrip().startswith("#")]
            if len(lines) > 1 and not re.search(r"\s-\w*e", first) and not _STOPS.search(rest):
                what = (
                    "this script goes on behind a command that failed, since its first line names its shell; `set -e`"
                )
                yield _finding(sheet, owner, command, 0, "", "no-errexit", what)


def other_syntax(sheet: Sheet) -> Iterator[Finding]:
    """What may be meant to be replaced by another tool, and variables where no shell reads them."""
    for _, workflow in named_workflows(sheet):
        for owner in (workflow, *steps_in(sheet, workflow)):
            for place, value, reads in _texts(sheet, owner):
                for one in perhaps(value.value, reads):
                    yield _finding(sheet, place, value, one.at, one.text, "foreign-syntax", one.what)
            yield from _variables(sheet, owner)


def _texts(sheet: Sheet, owner: Node) -> Iterator[tuple[Node, Node, str]]:
    """The texts of a workflow or a step: where its field starts, the text, and what is read in it."""
    for place, value in commands(sheet, owner):
        yield place, value, SCRIPT
    for name, reads in _FIELDS.items():
        field = sheet.field(owner, name) if owner.kind == "map" else None
        if field is not None:
            for value in scalars(field[1]):
                yield field[0], value, reads


def _variables(sheet: Sheet, owner: Node) -> Iterator[Finding]:
    """Of the ``env`` of a workflow or a step."""
    env = sheet.field(owner, "env") if owner.kind == "map" else None
    for value in (node for _, node in fields(env[1])) if env is not None and env[1].kind == "map" else ():
        found = _VARIABLE.search(value.value) if value.kind == "scalar" else None
        if found is None or env is None:
            continue
        name = found["name"] or found["braced"]
        cure = f"write {{{{ env.{name} }}}}" if name else "run it in the command"
        shown = found[0] if name else f"{found[0]}…)"
        what = (
            f"no shell reads this value, so {quoted(shown)} stays as it is; {cure}, or set the variable in the command"
        )
        yield _finding(sheet, env[0], value, found.start(), found[0], "unread-variable", what)


def _steps(sheet: Sheet) -> Iterator[Node]:
    for _, workflow in named_workflows(sheet):
        yield from steps_in(sheet, workflow)


def _finding(sheet: Sheet, owner: Node, node: Node, at: int, sign: str, rule: str, what: str) -> Finding:
    line, column = sheet.position(sheet.place(node, sign, at) if sign else node.start)
    return Finding(line, column, rule, what, owner_line=sheet.position(owner.start)[0])
