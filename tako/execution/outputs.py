"""What a step puts out: the lines it wrote to ``$TAKO_OUTPUT`` and what ``produces.outputs`` takes from it."""

from __future__ import annotations

import os

from tako.errors import StepError
from tako.expressions import templates

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MAX_OUTPUT = 64 * 1024
"""Characters of one output: outputs are for values, artifacts are for data."""

_STREAMS = ("from_stdout", "from_stderr")


def needed_streams(sources: Mapping[str, str]) -> tuple[bool, bool]:
    """Whether stdout and stderr must be kept to fill these outputs."""
    kinds = set(sources.values())
    takes_regex = any(is_regex(source) for source in kinds)
    return "from_stdout" in kinds or takes_regex, "from_stderr" in kinds


def is_regex(source: str) -> bool:
    """Whether an output's source is a regular expression over stdout."""
    named = source in _STREAMS or source.startswith(("from_file:", "from_env:"))
    return not named and not templates.is_template(source)


def parse_output_file(text: str, *, where: str) -> dict[str, str]:
    """``name=value`` lines and ``name<<END`` blocks, as GitHub's runner reads its own.

    Raises ``StepError`` for a line that is neither, and for a block without its end.
    """
    outputs: dict[str, str] = {}
    # Not splitlines(), which also takes form feeds and other characters of a value for ends of lines.
    lines = iter(enumerate(text.replace("\r\n", "\n").split("\n"), 1))
    for number, line in lines:
        if not line.strip():
            continue
        name, separator, value = line.partition("=")
        block, opens, end = line.partition("<<")
        opens_block = bool(opens) and len(block) < len(name)
        if not (block if opens_block else name).strip() or not (end.strip() if opens_block else separator):
            raise StepError(
                f"line {number} of $TAKO_OUTPUT is neither name=value nor name<<END: {line[:80]!r}", where=where
            )
        if opens_block:
            name, value = block, _block(lines, end.strip(), number, where)
        outputs[name.strip()] = value
    return outputs


def _block(lines: Iterator[tuple[int, str]], end: str, number: int, where: str) -> str:
    body: list[str] = []
    for _, line in lines:
        if line == end:
            return "\n".join(body)
        body.append(line)
    raise StepError(f"line {number} of $TAKO_OUTPUT opens a block that {end!r} never ends", where=where)


def collect(
    sources: Mapping[str, str],
    *,
    written: Mapping[str, str],
    stdout: bytes,
    stderr: bytes,
    exported: Mapping[str, str] | None,
    directory: str,
    render: Callable[[str, Mapping[str, str]], str],
    where: str,
) -> dict[str, str]:
    """All outputs of a step: those it wrote itself, then the declared ones, which must all be there.

    ``render`` gets a template and the outputs so far. Raises ``StepError`` naming an output that is missing or
    too long, ``ExpressionError`` for a template.
    """
    outputs = dict(written)
    for name, source in sources.items():
        if source in _STREAMS:
            value = _text(stdout if source == "from_stdout" else stderr)
        elif source.startswith("from_file:"):
            value = _from_file(name, source.removeprefix("from_file:").strip(), directory, where)
        elif source.startswith("from_env:"):
            value = _from_env(name, source.removeprefix("from_env:").strip(), written, exported or {}, where)
        elif templates.is_template(source):
            value = render(source, outputs)
        else:
            value = _from_regex(name, source, _text(stdout), where)
        outputs[name] = value
    for name, value in outputs.items():
        if len(value) > MAX_OUTPUT:
            raise StepError(
                f"output {name!r} is {len(value)} characters long, more than {MAX_OUTPUT}",
                where=where,
                cure="write it to a file and declare it as an artifact",
            )
    return outputs


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace").rstrip("\r\n")


def _from_file(name: str, path: str, directory: str, where: str) -> str:
    full = os.path.realpath(os.path.join(directory, path))
    try:
        with open(full, encoding="utf-8", errors="replace") as file:
            return file.read(MAX_OUTPUT + 2).rstrip("\r\n")
    except OSError as error:
        raise StepError(
            f"output {name!r} was promised from the file {path!r}, which cannot be read: {error.strerror}", where=where
        ) from error


def _from_env(name: str, variable: str, written: Mapping[str, str], exported: Mapping[str, str], where: str) -> str:
    for values in (written, exported):
        if variable in values:
            return values[variable]
    raise StepError(
        f"output {name!r} was promised from the variable {variable}, which the step did not set",
        where=where,
        cure=f'export {variable}, or write it: echo "{variable}=value" >> "$TAKO_OUTPUT"',
    )


def _from_regex(name: str, pattern: str, stdout: str, where: str) -> str:
    from tako import patterns

    try:
        value = patterns.first_group(pattern, stdout)
    except ValueError as error:
        raise StepError(
            f"output {name!r} was promised by a pattern that cannot be used: {error}", where=where
        ) from None
    if value is None:
        raise StepError(
            f"output {name!r} was promised by the pattern {pattern!r}, which matches nothing on stdout", where=where
        )
    return value
