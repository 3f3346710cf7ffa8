"""Scripts that name by their first line what runs them, against what else a step says."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UnsetType

from tako.config import schema
from tako.config.labels import fault, label
from tako.config.problems import Path, Problem, quoted
from tako.expressions.shebang import has_shebang, interpreter


def script_problems(step: schema.AnyStep, path: Path) -> Iterator[Problem]:
    """Every problem of the step at ``path`` that its script's first line, ``#!…``, brings."""
    if not isinstance(step.run, str) or not has_shebang(step.run):
        return
    first = step.run.strip().split("\n", 1)[0].strip()
    if not interpreter(step.run):
        yield from fault((*path, "run"), "begins with '#!' and names nothing to run it", first)
    if not isinstance(step.shell, UnsetType):
        what = f"the script says by its first line what runs it, {quoted(first)}; leave out 'shell', or that line"
        yield Problem((*path, "shell"), f"{label((*path, 'shell'))}: {what}", on_key=True)
    for name, source in () if isinstance(step.produces, UnsetType) else step.produces.outputs.items():
        if source.startswith("from_env:"):
            variable = source.removeprefix("from_env:").strip()
            what = (
                f"what a script exports that runs by itself ({quoted(first)}) is not known; let it write "
                f"{variable}=value to the file $TAKO_OUTPUT, and leave out this line, or name the output {variable}"
            )
            yield Problem((*path, "produces", "outputs", name), f"output {quoted(name)}: {what}")
