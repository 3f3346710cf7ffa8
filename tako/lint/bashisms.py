"""What bash understands in a script, and a plain sh does not, or reads as something else. Pure.

By the grammar of POSIX 2.2 to 2.14 and what dash, Debian's and Ubuntu's sh, makes of it. On other systems sh may be
bash and take it all, until the workflow runs on this one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tako.expressions.shell_scan import Scanner
from tako.records import record

_BEFORE = r"(?:^|[;&|({!`]|(?<!\S)(?:then|do|else|elif|if|while|until|time)(?=\s))[ \t]*"
"""What stands before a command."""
_BARE, _EXPANDED, _ARITHMETIC = "bare", "expanded", "arithmetic"
_CODE = ("", "behind a `$`")
_PLACES = {
    _BARE: _CODE,
    _EXPANDED: (*_CODE, "within double quotes", "within `${…}`"),
    _ARITHMETIC: (*_CODE, "within an arithmetic expression"),
}


@record
class Bashism:
    """Something of bash's in a script."""

    at: int
    text: str
    instead: str
    """What sh understands, or what happens there."""


@record
class _Rule:
    pattern: str
    """What matches as the group ``it``."""
    instead: str
    within: str = _BARE


_RULES = (
    _Rule(_BEFORE + r"(?P<it>\[\[)(?=\s)", "write [ … ], or `case` for patterns"),
    _Rule(_BEFORE + r"(?P<it>\(\()", 'write [ "$n" -gt 1 ], or i=$((i + 1))'),
    _Rule(r"\bfor\s+(?P<it>\(\()", "write `while`, or `for i in $(seq 3)`"),
    _Rule(r"(?:^|[\s;&|(])(?P<it>[A-Za-z_]\w*\+?=\()", "sh has no arrays; use `set -- a b`, or one word a line"),
    _Rule(_BEFORE + r"(?P<it>[A-Za-z_]\w*\[[^\]\s]*\]\+?=)", "sh has no arrays; use `set -- a b`, or one word a line"),
    _Rule(_BEFORE + r"(?P<it>[A-Za-z_]\w*\+=)(?!\()", 'write x="$x…"'),
    _Rule(_BEFORE + r"(?P<it>source)(?=\s)", "write `. ./file`"),
    _Rule(_BEFORE + r"(?P<it>function)(?=\s+\w)", "write `name() { … }`"),
    _Rule(
        _BEFORE
        + r"(?P<it>declare|typeset|let|shopt|mapfile|readarray|pushd|popd|disown|coproc|compgen|builtin)(?=\s|$)",
        "sh has no such command",
    ),
    _Rule(_BEFORE + r"(?P<it>select)(?=\s+\w+\s+in\b)", "sh has no such command"),
    _Rule(_BEFORE + r"(?P<it>local\s+-[a-zA-Z]+)", "write `local name`"),
    _Rule(_BEFORE + r"(?P<it>(?:export\s+-[fn]|readonly\s+-[aAf])\w*)", "sh exports and protects variables only"),
    _Rule(_BEFORE + r"(?P<it>echo\s+-(?:[nE]*e[neE]*))(?=\s)", "sh prints `-e` too; write printf '%b\\n'"),
    _Rule(_BEFORE + r"(?P<it>read\s+(?:-r\s+)?-[adeinNstu]\w*)", "sh's read has -r only"),
    _Rule(_BEFORE + r"(?P<it>printf\s+-v)(?=\s)", "write x=$(printf …)"),
    _Rule(_BEFORE + r"(?P<it>set\s+-\w*o\s+pipefail)\b", "many a sh does not know it, and ends"),
    _Rule(_BEFORE + r"(?P<it>trap\s[^\n;]*?\b(?:ERR|DEBUG|RETURN))\b", "sh traps EXIT and signals"),
    _Rule(_BEFORE + r"(?P<it>(?:wait\s+-n|type\s+-[aPpt]|exec\s+-[acl]))\b", "sh does not know this option"),
    _Rule(r"(?P<it>&>>?)", "sh runs the command in the background and empties the file; write >file 2>&1"),
    _Rule(r"(?P<it>\|&)", "write 2>&1 |"),
    _Rule(r"(?P<it>;;?&)", "sh has no fall-through in `case`"),
    _Rule(r"(?P<it>[<>]\()", "sh has no process substitution; write to a file or a pipe"),
    _Rule(
        r"(?<![${])(?P<it>\{[^{}\s;'\"$]*(?:,|\.\.)[^{}\s;'\"]*\})", "sh takes it as it is; write the words, or `seq`"
    ),
    _Rule(r"(?P<it>\$['\"])", "sh takes the `$` as it is; use printf"),
    _Rule(r"(?P<it>\$\[)", "write $(( … ))"),
    _Rule(r"(?:^|[\s;&|(!])\[\s[^\]\n]*?\s(?P<it>==)\s", "write ="),
    _Rule(r"(?:^|[\s;&|(!])test\s[^\n;|&]*?\s(?P<it>==)\s", "write ="),
    _Rule(r"(?:^|[\s;&|(!])\[\s+(?:!\s+)?(?P<it>-v)\s", 'write [ -n "${x+set}" ]'),
    _Rule(r"(?P<it>\$\{!\w+)", "use eval, or `case`", _EXPANDED),
    _Rule(r"(?P<it>\$\{#?\w+\[)", "sh has no arrays; use `set -- a b`, or one word a line", _EXPANDED),
    _Rule(r"(?P<it>\$\{\w+(?:\^\^?|,,?))", "use tr", _EXPANDED),
    _Rule(r"(?P<it>\$\{\w+//?[^}\s])", "use sed, or ${x#…} and ${x%…}", _EXPANDED),
    _Rule(r"(?P<it>\$\{[\w@*]+:\s*(?:[0-9$(]|-(?<=\s-)))", "use cut, or ${x#…} and ${x%…}", _EXPANDED),
    _Rule(r"(?P<it>\$\{\w+@[A-Za-z]\})", "sh has no such expansion", _EXPANDED),
    _Rule(
        r"(?P<it>\$\{?(?:RANDOM|SECONDS|BASH_\w+|BASHPID|FUNCNAME|PIPESTATUS|EUID|UID|OSTYPE|HOSTTYPE|DIRSTACK)\b)",
        "sh has no such variable; it is empty",
        _EXPANDED,
    ),
    _Rule(r"\$\(\((?:[^()]|\([^()]*\))*?(?P<it>\+\+|\*\*)", "write i=$((i + 1))", _ARITHMETIC),
)
_COMPILED = tuple((re.compile(rule.pattern, re.MULTILINE), rule) for rule in _RULES)
_TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|(?<!\$)\{#.*?#\}", re.DOTALL)


def bashisms(script: str) -> Iterator[Bashism]:
    """What of bash's is in a script, in the order of the rules; each kind once, where it first is."""
    texts = _texts(script)
    for pattern, rule in _COMPILED:
        found = pattern.search(texts[rule.within])
        if found is not None:
            yield Bashism(
                found.start("it"), " ".join(script[found.start("it") : found.end("it")].split()), rule.instead
            )
    here = next((found for found in re.finditer("<<", texts[_BARE]) if script[found.start() :][:3] == "<<<"), None)
    if here is not None:
        yield Bashism(here.start(), "<<<", "sh has no here-strings; write printf '%s\\n' \"$x\" |")


def _texts(script: str) -> dict[str, str]:
    """The script with blanks for all that is not read in a way, by that way; what cannot be followed is left out."""
    plain = _TEMPLATE.sub(_blank, script)
    scanner = Scanner()
    kept: dict[str, list[str]] = {way: [] for way in _PLACES}
    for char in plain:
        place = scanner.place
        for way, places in _PLACES.items():
            kept[way].append(char if place in places or char == "\n" else " ")
        scanner.feed(char)
    return {way: "".join(chars) for way, chars in kept.items()}


def _blank(found: re.Match[str]) -> str:
    """A word for a value, blanks for the rest of a template's code, of the same length; lines stay lines."""
    with_ = "x" if found[0].startswith("{{") else " "
    return re.sub(r"[^\n]", with_, found[0])
