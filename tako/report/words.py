"""Words and marks that every report uses."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.execution.failure import Failure

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
}


def failure_title(failure: Failure) -> str:
    """One line: the kind, the step, the first line of the message."""
    step = f" at step '{failure.step}'" if failure.step else ""
    return f"{failure.kind}{step}: {failure.headline}"


def failure_lines(failure: Failure) -> list[str]:
    """The title, the rest of the message, the last lines of the log."""
    lines = [failure_title(failure), *failure.message.splitlines()[1:]]
    if failure.log:
        lines += ["last lines of its log:", *(f"  | {printable(line)}" for line in failure.log)]
    return lines


def printable(text: str) -> str:
    """A line from a log without what would move the reader's cursor: colours and control characters."""
    import re

    plain = re.sub(r"\x1b\[[0-9;?]*[ -/]*[@-~]", "", text)
    return "".join(char if char.isprintable() or char == "\t" else "\N{REPLACEMENT CHARACTER}" for char in plain)
