"""What a step puts out: the lines it wrote to ``$TAKO_OUTPUT`` and what ``produces.outputs`` takes from it."""

from __future__ import annotations

import errno
import os
import stat

from tako.errors import StepError
from tako.execution.inside import is_inside
from tako.expressions import templates
from tako.quantities import shown_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MAX_OUTPUT = 64 * 1024
"""Bytes of one output: outputs are for values, artifacts are for data."""

KEPT_OUTPUT = 1 << 20
"""Bytes of a stream that are kept to take outputs from: its beginning."""

MAX_OUTPUT_FILE = 8 << 20
"""Bytes of ``$TAKO_OUTPUT``."""

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


def read_output_file(path: str, *, where: str, refuse: Callable[[str], object] = lambda _text: None) -> dict[str, str]:
    """What a step wrote to ``$TAKO_OUTPUT``; nothing if it did not.

    ``refuse`` may raise for a text of which a part would be in an error's message. Raises ``StepError`` if that cannot
    be read, is too much, or is not made of outputs, or if one of them is no value.
    """
    try:
        content = _read_regular(path, MAX_OUTPUT_FILE + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StepError(f"$TAKO_OUTPUT cannot be read: {error.strerror}", where=path) from error
    if len(content) > MAX_OUTPUT_FILE:
        raise StepError(
            f"$TAKO_OUTPUT has more than {shown_size(MAX_OUTPUT_FILE)}",
            where=where,
            cure="write data to a file and declare it as an artifact; outputs are for values",
        )
    try:
        outputs = parse_output_file(content.decode("utf-8", "surrogateescape"), where=where)
        require_values(outputs, where)
        return outputs
    except StepError:
        refuse(content.decode("utf-8", "replace"))
        raise


def _read_regular(path: str, limit: int) -> bytes:
    """The beginning of a file. Raises ``OSError``, also for what is no file: a pipe would be waited for, for ever."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a file", path)
        return file.read(limit)


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
    repo_dir: str,
    directory: str,
    render: Callable[[str, Mapping[str, str]], str],
    where: str,
    is_left_over: Callable[[str], bool] = lambda _path: False,
) -> dict[str, str]:
    """All outputs of a step: those it wrote itself, then the declared ones, which must all be there.

    ``directory`` is where in ``repo_dir`` the step ran, ``exported`` its environment at its end, None if that is not
    known. ``render`` gets a template and the outputs so far. ``is_left_over`` tells whether only an earlier attempt has
    written the file of a full path. Raises ``StepError`` naming an output that is missing or
    too long, ``ExpressionError`` for a template.
    """
    outputs = dict(written)
    for name, source in sources.items():
        if source in _STREAMS:
            value = _text(name, stdout if source == "from_stdout" else stderr, where)
        elif source.startswith("from_file:"):
            path = source.removeprefix("from_file:").strip()
            path = render(path, outputs) if templates.is_template(path) else path
            value = _from_file(name, path, repo_dir, directory, where)
            if is_left_over(os.path.join(directory, path)):
                raise StepError(
                    f"output {name!r} was promised from the file {path!r}, which this attempt did not write",
                    where=where,
                    why="what is there was left by an earlier attempt at the step",
                    cure="let the step write the file at each attempt, or remove it first",
                )
        elif source.startswith("from_env:"):
            value = _from_env(name, source.removeprefix("from_env:").strip(), written, exported, where)
        elif templates.is_template(source):
            value = render(source, outputs)
        else:
            value = _from_regex(name, source, stdout, where)
        outputs[name] = value
    require_values(outputs, where)
    return outputs


def require_values(outputs: Mapping[str, str], where: str) -> None:
    """Raise ``StepError``, naming the output, if one is no value: too long, not UTF-8, or with a NUL in it."""
    for name, value in outputs.items():
        # What a step wrote may be anything; what is no UTF-8 in it is a surrogate here.
        if not name.isprintable():
            raise StepError(f"an output is called {name!r}, which is no printable UTF-8", where=where)
        _text(name, value.encode("utf-8", "surrogateescape"), where, whole=True)


def _text(name: str, data: bytes, where: str, *, whole: bool = False) -> str:
    """An output's bytes as text, without the end of its last line unless it is to stay ``whole``.

    Raises ``StepError`` if they are no value.
    """
    content = data if whole else data.rstrip(b"\r\n")
    if len(content) > MAX_OUTPUT:
        raise StepError(
            f"output {name!r} has more than {MAX_OUTPUT} bytes",
            where=where,
            cure="write it to a file and declare it as an artifact",
        )
    if 0 in content:
        raise StepError(
            f"output {name!r} holds a NUL, at offset {content.index(0)}; no process can be given that",
            where=where,
            cure="let the step put out text, or encode it, as by base64",
        )
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise _not_utf8(name, f"byte {content[error.start]:#04x} at offset {error.start}", where) from None


def _not_utf8(name: str, what: str, where: str) -> StepError:
    return StepError(
        f"output {name!r} is not UTF-8: {what}",
        where=where,
        cure="let the step put out text, encode it, as by base64, or declare a file as an artifact",
    )


def _from_file(name: str, path: str, repo_dir: str, directory: str, where: str) -> str:
    if not is_inside(repo_dir, path, start=os.path.relpath(directory, repo_dir)):
        raise StepError(
            f"output {name!r} was promised from the file {path!r}, which leads out of the repository", where=where
        )
    try:
        # Enough more than is allowed to tell that it is too long, with the end of its last line.
        content = _read_regular(os.path.join(directory, path), MAX_OUTPUT + 4)
    except OSError as error:
        raise StepError(
            f"output {name!r} was promised from the file {path!r}, which cannot be read: {error.strerror}", where=where
        ) from error
    return _text(name, content, where)


def _from_env(
    name: str, variable: str, written: Mapping[str, str], exported: Mapping[str, str] | None, where: str
) -> str:
    for values in (written, exported or {}):
        if variable in values:
            return values[variable]
    unknown = "what it had exported at its end is not known, since it ended by `exec` or in a trap of its own"
    raise StepError(
        f"output {name!r} was promised from the variable {variable}, which the step did not set",
        where=where,
        why=unknown if exported is None else "",
        cure=f'export {variable}, or write it: echo "{variable}=value" >> "$TAKO_OUTPUT"',
    )


def _from_regex(name: str, pattern: str, stdout: bytes, where: str) -> str:
    from tako import patterns

    try:
        value = patterns.first_group(pattern, stdout.decode("utf-8", "replace").rstrip("\r\n"))
    except ValueError as error:
        raise StepError(
            f"output {name!r} was promised by a pattern that cannot be used: {error}", where=where
        ) from None
    if value is None:
        raise StepError(
            f"output {name!r} was promised by the pattern {pattern!r}, which matches nothing on stdout",
            where=where,
            why=f"only the first {shown_size(KEPT_OUTPUT)} was looked at" if len(stdout) == KEPT_OUTPUT else "",
        )
    if value.encode() not in stdout:
        raise _not_utf8(name, f"what the pattern {pattern!r} finds on stdout holds other bytes", where)
    return value
