"""Secrets: those that stand in the file itself, and those that are declared but do not reach a command."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tako.config.problems import quoted
from tako.lint.findings import Finding
from tako.lint.syntax import Node, Sheet
from tako.lint.walk import commands, fields, items, named_workflows, scalars, steps_in

_KINDS = {
    "a GitHub token": r"\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}",
    "a GitLab token": r"\bglpat-[A-Za-z0-9_-]{20,}",
    "an AWS access key": r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    "a Google API key": r"\bAIza[A-Za-z0-9_-]{35}",
    "a Slack token": r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
    "an npm token": r"\bnpm_[A-Za-z0-9]{36}\b",
    "a PyPI token": r"\bpypi-AgE[A-Za-z0-9_-]{50,}",
    "a Stripe key": r"\b[rs]k_live_[A-Za-z0-9]{16,}",
    "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----",
}
_LOOK = {kind: re.compile(pattern) for kind, pattern in _KINDS.items()}


def literal_secrets(sheet: Sheet) -> Iterator[Finding]:
    """Everything in the file that looks like a secret, comments included; the messages do not repeat it."""
    for kind, pattern in _LOOK.items():
        for match in pattern.finditer(sheet.text):
            what = f"this looks like {kind}; take it out, make a new one, and read it from the environment"
            yield Finding(*sheet.position(match.start()), "literal-secret", what)


def unreached_secrets(sheet: Sheet) -> Iterator[Finding]:
    """The declared secrets that a command reads without having been given them, and those that no step is given."""
    for _, workflow in named_workflows(sheet):
        declared = sheet.field(workflow, "secrets")
        names = {item.value: item for item in items(declared[1] if declared else None)}
        if not names:
            continue
        given = {value for step in steps_in(sheet, workflow) for value in _environment(sheet, step).values()}
        for name, item in names.items():
            if name not in given:
                what = f"no step is given the secret {quoted(name)}; a step that needs it has `env: {{{name}: {name}}}`"
                yield Finding(*sheet.position(item.start), "unused-secret", what)
        everywhere = _environment(sheet, workflow)
        for step in steps_in(sheet, workflow):
            yield from _not_given(sheet, step, set(names) - set(_environment(sheet, step)) - set(everywhere))


def _not_given(sheet: Sheet, step: Node, missing: set[str]) -> Iterator[Finding]:
    for owner, command in commands(sheet, step):
        for name in sorted(missing):
            match = re.search(rf"\$(?:{name}\b|\{{{name}\b)", command.value)
            if match is None:
                continue
            what = f"this step is not given the secret {quoted(name)}; add `env: {{{name}: {name}}}` to it"
            line, column = sheet.position(sheet.place(command, "$", match.start()))
            yield Finding(line, column, "secret-not-given", what, owner_line=sheet.position(owner.start)[0])


def _environment(sheet: Sheet, owner: Node) -> dict[str, str]:
    """The variables that a workflow or a step sets, and their texts as they are written."""
    env = sheet.field(owner, "env") if owner.kind == "map" else None
    if env is None:
        return {}
    if env[1].kind == "list":
        pairs = (scalar.value.partition("=") for scalar in scalars(env[1]))
        return {name: value for name, _, value in pairs}
    return {key.value: value.value for key, value in fields(env[1])}
