"""Words and marks that every report uses."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from tako.execution.failure import Failure

NO_NAMES: Mapping[str, str] = {}
"""For workflows whose steps have no names besides their ids."""

MARKS = {
    "success": "✓",
    "failed": "✗",
    "skipped": "–",
    "suspended": "…",
    "interrupted": "✗",
    "pending": "·",
    "running": "…",
    "waiting": "…",
    "retrying": "…",
    "cancelled": "⊘",
    "not started": "·",
}


def quoted_step(step_id: str, names: Mapping[str, str] = NO_NAMES) -> str:
    """A step in a sentence, ``'build' (Build it)``; ``names`` are those of its workflow's steps by their ids."""
    name = names.get(step_id)
    return f"'{step_id}' ({name})" if name else f"'{step_id}'"


def named_step(step_id: str, names: Mapping[str, str]) -> str:
    """A step among others, ``build (Build it)``."""
    name = names.get(step_id)
    return f"{step_id} ({name})" if name else step_id


def listed_step(step_id: str, names: Mapping[str, str] = NO_NAMES) -> str:
    """A step in a list, ``build: Build it``."""
    name = names.get(step_id)
    return f"{step_id}: {name}" if name else step_id


def failure_title(failure: Failure, names: Mapping[str, str] = NO_NAMES) -> str:
    """One line: the kind, the step, the first line of the message; ``names`` as for ``quoted_step``."""
    step = f" at step {quoted_step(failure.step, names)}" if failure.step else ""
    return printable(f"{failure.kind}{step}: {failure.headline}")


def failure_lines(failure: Failure, names: Mapping[str, str] = NO_NAMES) -> list[str]:
    """The title, the rest of the message, the last lines of the log."""
    lines = [failure_title(failure, names), *map(printable, failure.message.splitlines()[1:])]
    if failure.log:
        lines += ["last lines of its log:", *(f"  | {printable(line)}" for line in failure.log)]
    return lines


def printable(text: str) -> str:
    """A line that a child or a log said, without what would move the reader's cursor: colours, control characters."""
    if text.isprintable():
        return text
    import re

    plain = re.sub(r"\x1b\[[0-9;?]*[ -/]*[@-~]", "", text)
    return "".join(char if _is_harmless(char) else "\N{REPLACEMENT CHARACTER}" for char in plain)


def _is_harmless(char: str) -> bool:
    """Python takes no space but one for printable, and not what joins emojis."""
    return (
        char.isprintable() or char in "\t\u200d" or (char >= "\xa0" and char.isspace() and char not in "\u2028\u2029")
    )


def shown(text: str) -> str:
    """Lines of a report, each ``printable``: some of the words in it may be a child's."""
    return "\n".join(map(printable, text.split("\n")))
