"""What other tools write for a template, and how Tako spells it.

``surely`` finds what cannot mean anything else. ``perhaps`` finds what a shell, or another program that a step runs,
may also be meant to read. Both are pure, and look past what ``{% raw %}`` protects.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tako.config.reads import COMMAND, CONDITION, SCRIPT
from tako.records import record

RAW = "where the braces are meant literally, put {% raw %}…{% endraw %} around them"

_ACTIONS, _GITLAB, _CIRCLE, _TEKTON = "GitHub Actions", "GitLab", "CircleCI", "Tekton or Argo"
_ROOTS = "inputs|steps|event|payload|outputs|params|parameters|artifacts"
_NAME = r"[A-Za-z_][\w-]*"

_OURS = r"\{%-?\s*raw\s*-?%\}.*?\{%-?\s*endraw\s*-?%\}|(?<!\$)\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}"
"""What is Jinja2's, and so is not looked into."""
_SURE = {
    _ACTIONS: r"(?<!\\)\$\{\{-?(?P<actions>.*?)-?\}\}",
    _GITLAB: r"\$\[\[\s*(?P<gitlab>(?:inputs|component|matrix)\.[^\]\n]*?)\s*\]\]",
    _CIRCLE: r"<<\s*(?P<circle>(?:parameters|pipeline|matrix)\.[\w.-]+)\s*>>",
    # Not `$(params.sh)`, a program.
    _TEKTON: (
        r"\$\((?P<tekton>(?:(?:inputs\.)?params|inputs)\.(?!(?:sh|py)\))[\w.\[\]'\"*-]+"
        r"|(?:tasks|context|workspaces|resources)\.[\w-]+\.[\w.-]+)\)"
    ),
    "Azure Pipelines": r"\$\[\s*(?P<azure>(?:variables|dependencies|stageDependencies)[.\[][^\n]*?)\s*\](?![\].])",
}
_NOT_OF_A_SHELL = {
    "Terraform or Jenkins": rf"\$\{{(?P<dollar>(?:{_ROOTS})\.[\w.-]+)\}}",
    "Azure Pipelines (a macro)": r"\$\((?P<macro>[A-Z][A-Za-z]+(?:\.[A-Z]\w*)+)\)",
}
"""Sure where no shell reads it: there it may be in a text for another program, such as JavaScript between quotes."""
_DOUBTFUL = {
    "cmd.exe or TeamCity": r"(?<![\w%])%(?P<percent>(?:env\.|system\.)?[A-Z_][A-Z0-9_]{2,}|[a-z]+(?:\.\w+)+)%(?!\w)",
    "Azure Data Factory": rf"@\{{(?P<at>(?:{_ROOTS}|pipeline|variables|env)\b[^}}\n]*)\}}",
    "Octopus or Ruby": rf"#\{{(?P<hash>(?:{_ROOTS}|env)\.[\w.-]+)\}}",
    "ERB or EJS": rf"<%=\s*(?P<erb>(?:{_ROOTS}|env)\.[\w.-]+)\s*%>",
}
_SIGNS = ("$", "<<", "%", "@{", "#{")

_KNOWN = (
    (r"github\.event\.client_payload\.", "event.payload."),
    (r"github\.event\.inputs\.", "inputs."),
    (r"(?:pipeline\.parameters|workflow\.parameters|inputs\.params|inputs\.parameters|parameters|params)\.", "inputs."),
    (r"inputs\.", "inputs."),
    (rf"(?:needs|dependencies|tasks)\.({_NAME})\.(?:outputs|results)\.", r"steps.\1.outputs."),
    (rf"steps\.({_NAME})\.(?:outcome|conclusion)\b", r"steps.\1.status"),
    (r"steps\.", "steps."),
    (r"(?:env|vars|variables)\.", "env."),
    (r"github\.repository\b", "repo"),
    (r"github\.run_id\b", "run.id"),
    (r"github\.workflow\b", "run.workflow"),
    (r"(?:event|payload|outputs|artifacts|repo|run|error)\b", r"\g<0>"),
)
_TOKEN = re.compile(r"'(?:''|[^'])*'|\"[^\"]*\"|\.?[A-Za-z_][\w.-]*|.", re.DOTALL)
_WORDS = frozenset(["true", "false", "and", "or", "not", "in", "is", "default", "if", "else"])


@record
class Foreign:
    """Another tool's spelling in a text."""

    at: int
    """Where it starts."""
    text: str
    what: str
    """What is wrong with it, and what to write instead."""


def surely(text: str, reads: str) -> Iterator[Foreign]:
    """What is another tool's for certain, in a text in which Tako reads ``reads`` (see ``tako.config.reads``)."""
    if not any(sign in text for sign in _SIGNS):
        return
    shell = reads in (SCRIPT, COMMAND)
    for tool, found, inner in _found(text, _SURE if shell else {**_SURE, **_NOT_OF_A_SHELL}):
        yield Foreign(found.start(), found[0], f"{_shown(found[0])} is syntax of {tool}; {advice(inner, reads)}")


def perhaps(text: str, reads: str) -> Iterator[Foreign]:
    """What may be another tool's, in such a text."""
    if not any(sign in text for sign in _SIGNS):
        return
    shell = reads in (SCRIPT, COMMAND)
    for tool, found, inner in _found(text, {**_NOT_OF_A_SHELL, **_DOUBTFUL} if shell else _DOUBTFUL):
        what = f"{_shown(found[0])} looks like syntax of {tool}; Tako does not replace it"
        yield Foreign(found.start(), found[0], f"{what}; {advice(inner, reads)}")


def advice(expression: str, reads: str) -> str:
    """What to write for another tool's expression, as a part of a sentence."""
    inner = " ".join(expression.split())
    secret = re.search(rf"\bsecrets\.({_NAME})", inner)
    if secret:
        name = secret[1]
        return (
            f"no expression reads a secret: list {name} under the workflow's `secrets`, give it to the step with "
            f'`env: {{{name}: {name}}}`, and read "${name}" in the command'
        )
    ours = translated(inner, reads)
    if ours is None:
        known = "`inputs.NAME`, `steps.ID.outputs.NAME`, `event.payload.NAME` and `env.NAME`"
        return f"a condition reads {known}" if reads == CONDITION else f"a template is {{{{ … }}}} and reads {known}"
    if reads == CONDITION:
        return f"a condition is CEL, without braces: write `{ours}`"
    return f"write `{{{{ {ours} }}}}`"


def condition_advice(text: str) -> str:
    """What to write instead of a condition that does not compile since it is another tool's; empty if it is not."""
    outcome = re.search(r"\b(?:always|success|succeeded|failure|failed|cancelled|canceled)\(\)", text)
    if outcome:
        return (
            f"`{outcome[0]}` is another tool's: a step runs when those before it have succeeded; what is to run when a "
            "step has failed is its `on_failure`"
        )
    ours = translated(text, CONDITION)
    return f"write `{ours}`" if ours is not None and ours != text else ""


def translated(expression: str, reads: str) -> str | None:
    """The expression in Tako's spelling; None if something in it has none."""
    out = []
    for token in _TOKEN.findall(expression):
        if token[0] in "'\"" or not re.match(r"\.?[A-Za-z_]", token):
            out.append(token)
            continue
        ours = token if token in _WORDS else _path(token)
        if ours is None:
            return None
        out.append(ours)
    text = "".join(out)
    if reads == CONDITION:
        return text
    return " ".join(re.sub(r"!(?!=)\s*", "not ", text).replace("&&", " and ").replace("||", " or ").split())


def _path(path: str) -> str | None:
    for pattern, ours in _KNOWN:
        found = re.match(pattern, path.removeprefix("."))
        if found:
            rest = path.removeprefix(".")[found.end() :]
            return "".join(
                _key(part, first=not index) for index, part in enumerate(f"{found.expand(ours)}{rest}".split("."))
            )
    return None


def _key(part: str, *, first: bool) -> str:
    if first:
        return part
    return f"['{part}']" if "-" in part else f".{part}"


def _found(text: str, patterns: dict[str, str]) -> Iterator[tuple[str, re.Match[str], str]]:
    """The tool, the whole match and the expression in it; what is Jinja2's is passed over."""
    tools = list(patterns)
    # `${{` must be seen before the template in it, all else only outside of templates.
    parts = [f"(?P<tool{index}>{patterns[tool]})" for index, tool in enumerate(tools)]
    for found in re.finditer("|".join([*parts, _OURS]), text, re.DOTALL):
        for index, tool in enumerate(tools):
            if found[f"tool{index}"] is not None:
                inner = next(
                    value for name, value in found.groupdict().items() if value is not None and name[:4] != "tool"
                )
                yield tool, found, inner


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return f"`{line if len(line) <= 60 else line[:59] + '…'}`"
