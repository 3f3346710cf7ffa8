"""What a linter finds, its rules, and the comments that silence them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tako.config.problems import listed, nearest, quoted
from tako.records import record

RULES = {
    "older-spelling": "a field has a newer name or form; `--fix` rewrites it",
    "go-spelling": "a template or condition is written for the Go tool; `--fix` rewrites it",
    "unquoted-interpolation": "a value enters a `run` as it is, where the shell reads it as code",
    "bashism": "a script for sh uses what only bash understands",
    "no-errexit": "a script that names its shell goes on behind a command that failed",
    "foreign-syntax": "something looks like another tool's syntax, which Tako does not replace",
    "unread-variable": "a value names a variable as a shell would, and no shell reads it",
    "number-spelling": "an unquoted number in a payload is sent otherwise than it is written",
    "unused-input": "no step reads an input",
    "unused-output": "nothing reads an output",
    "unreachable-workflow": "a workflow is started by events only, but no subscription runs it",
    "repeated-subscription": "an event starts a workflow that it already starts by another entry",
    "every-event": "a subscription listens for every event of a repository",
    "self-trigger": "a workflow triggers itself, or comes back to itself through others of the file",
    "unmade-artifact": "no step, command or file makes an artifact",
    "unemitted-event": "a step of an older file announces an event that no later fan-out emits",
    "mixed-coalesce": "of the subscriptions that run a workflow only some have `coalesce`",
    "shortened-version": "the version of an event leaves out numbers or starts with `v`",
    "unused-secret": "no step is given a secret that the workflow declares",
    "secret-not-given": "a command reads a secret that its step is not given",
    "literal-secret": "something looks like a password or a key",
    "unmatched-key-files": "a glob of `cache_key_files` matches no file",
    "unknown-rule": "a `# tako-lint: ignore[…]` names a rule that there is not",
}
"""Every rule, and what it is about."""

MISGIVINGS = ("foreign-syntax", "number-spelling")
"""Those that `tako validate` tells, too: a value is probably not what its author meant."""

_IGNORE = re.compile(r"#\s*tako-lint:\s*ignore\[([^\]]*)\]")


@record
class Finding:
    """Something that loads but could be better. Line and column are from 1."""

    line: int
    column: int
    rule: str
    what: str
    fixable: bool = False
    """Whether ``--fix`` mends it."""
    owner_line: int = 0
    """Where the field starts that the place lies in; a comment there counts as well. 0 if it is the same line."""


def unsilenced(findings: Iterable[Finding], text: str) -> list[Finding]:
    """The findings in the order of their places, without those that a comment on their line silences."""
    lines = text.splitlines()
    kept = [
        one
        for one in findings
        if one.rule not in _silenced(lines, one.line) and one.rule not in _silenced(lines, one.owner_line)
    ]
    kept += _unknown_rules(lines)
    return sorted(kept, key=lambda one: (one.line, one.column, one.rule, one.what))


def is_silenced(lines: Sequence[str], line: int, rule: str) -> bool:
    """Whether a comment on one of a file's lines, from 1, silences a rule there."""
    return rule in _silenced(lines, line)


def _silenced(lines: Sequence[str], line: int) -> set[str]:
    if not 0 < line <= len(lines):
        return set()
    return {name.strip() for found in _IGNORE.findall(lines[line - 1]) for name in found.split(",")}


def _unknown_rules(lines: Sequence[str]) -> list[Finding]:
    found = []
    for number, line in enumerate(lines, 1):
        for comment in _IGNORE.finditer(line):
            for name in (part.strip() for part in comment[1].split(",")):
                if name not in RULES:
                    hint = nearest(name, RULES) or f"; the rules are {listed(RULES)}"
                    found.append(Finding(number, comment.start() + 1, "unknown-rule", f"no rule {quoted(name)}{hint}"))
    return found
