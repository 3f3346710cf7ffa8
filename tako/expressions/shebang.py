"""Scripts whose first line names what runs them: ``#!/usr/bin/env python3``."""

from __future__ import annotations

_SHELLS = frozenset(["sh", "bash", "dash", "ash", "ksh", "mksh", "rbash"])
"""Those that read a word as ``shell_scan`` does."""
_JSON_LIKE = ("python", "pypy", "node", "deno", "bun", "ruby", "perl", "php")
"""Beginnings of those in which text between double quotes is written as in JSON."""


def has_shebang(script: str) -> bool:
    """Whether the script says by itself what runs it. To be asked of a script before its templates are expanded."""
    return script.lstrip().startswith("#!")


def interpreter(script: str) -> tuple[str, ...]:
    """The command that runs the script, but for the script's path; nothing if the first line names none.

    As on Linux: a path, and everything behind it as one argument.
    """
    first = script.lstrip().split("\n", 1)[0]
    return tuple(first.removeprefix("#!").strip().split(None, 1)) if first.startswith("#!") else ()


def program(script: str) -> str:
    """The name of the program that runs a script, as ``python3``; empty if that is not certain."""
    words = interpreter(script)
    if not words or "{{" in words[0] or "{%" in words[0]:
        return ""
    name = words[0].rpartition("/")[2]
    if name != "env":
        return name
    named = [word for word in " ".join(words[1:]).split() if not word.startswith("-") and "=" not in word]
    return named[0].rpartition("/")[2] if named and "{" not in named[0] else ""


def is_shell(script: str) -> bool:
    """Whether a shell runs the script: one without such a line, or one that names a shell."""
    return not has_shebang(script) or program(script) in _SHELLS


def reads_json_strings(script: str) -> bool:
    """Whether what runs the script reads text between double quotes as JSON does."""
    return program(script).startswith(_JSON_LIKE)
