"""What a workflow declares and nothing in the file reads.

A mention in the text of an expression or a command is taken for a use, so that what is found is rather too little
than too much. What a script reads by itself, out of ``$TAKO_INPUT_…``, cannot be seen here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from tako.config.problems import quoted
from tako.lint.findings import Finding
from tako.lint.syntax import Node, Sheet
from tako.lint.walk import fields, named_workflows, scalars, steps_in

_INPUT = re.compile(r"\b[iI]nputs\b(?:\s*\.\s*([\w-]+)|\s*\[\s*['\"]([^'\"]*)['\"]\s*\])?")
_OUTPUT = re.compile(r"\b[oO]utputs\b(?:\s*\.\s*([\w-]+)|\s*\[\s*['\"]([^'\"]*)['\"]\s*\])?")
_STEP_FIELD = re.compile(r"\b[sS]teps\s*(?:\.\s*[\w-]+|\[[^\]]*\])\s*(?:\.\s*([\w-]+)|\[\s*['\"]([^'\"]*)['\"]\s*\])")
_EVERYTHING = "*"
_ALL_INPUTS = "TAKO_INPUTS"
"""The variable that names the file with all inputs."""


def unused(sheet: Sheet) -> Iterator[Finding]:
    """The inputs and outputs of all workflows that nothing reads."""
    for name, workflow in named_workflows(sheet):
        texts = [scalar.value for key, value in fields(workflow) if key.value != "inputs" for scalar in scalars(value)]
        yield from _unused_inputs(sheet, name, workflow, texts)
        yield from _unused_outputs(sheet, workflow, texts)


def _unused_inputs(sheet: Sheet, name: str, workflow: Node, texts: list[str]) -> Iterator[Finding]:
    declared = sheet.field(workflow, "inputs")
    if any(_ALL_INPUTS in text for text in texts):
        return
    read = _read(texts, _INPUT)
    variables = {variable for text in texts for variable in re.findall(r"TAKO_INPUT_\w+", text)}
    for key, _ in fields(declared[1] if declared else None):
        variable = "TAKO_INPUT_" + re.sub(r"[^A-Z0-9_]", "_", key.value.upper())
        if variable not in variables and not _is_read(key.value, read):
            what = (
                f"no step of workflow {quoted(name)} reads input {quoted(key.value)}, as a template or as ${variable}"
            )
            yield Finding(*sheet.position(key.start), "unused-input", what)


def _unused_outputs(sheet: Sheet, workflow: Node, texts: Iterable[str]) -> Iterator[Finding]:
    read = _read(texts, _OUTPUT) | (_read(texts, _STEP_FIELD) - {_EVERYTHING})
    for step in steps_in(sheet, workflow):
        for key in _outputs(sheet, step):
            if not _is_read(key.value, read):
                identity = sheet.field(step, "id")
                owner = f" of step {quoted(identity[1].value)}" if identity else ""
                what = f"nothing reads output {quoted(key.value)}{owner}"
                yield Finding(*sheet.position(key.start), "unused-output", what)


def _outputs(sheet: Sheet, step: Node) -> Iterator[Node]:
    produces = sheet.field(step, "produces") if step.kind == "map" else None
    outputs = sheet.field(produces[1], "outputs") if produces else None
    for key, _ in fields(outputs[1] if outputs else None):
        yield key


def _read(texts: Iterable[str], pattern: re.Pattern[str]) -> set[str]:
    """The names that follow a root; ``*`` if it is used as a whole, or with a name that is computed."""
    return {match[1] or match[2] or _EVERYTHING for text in texts for match in pattern.finditer(text)}


def _is_read(name: str, read: set[str]) -> bool:
    # In a condition `inputs.a-inputs.b` is a subtraction.
    return _EVERYTHING in read or name in read or any(other.startswith(f"{name}-") for other in read)
