"""Finds an output in what a step printed, by a regular expression that has only so much time.

A pattern as harmless-looking as ``(a+)+b`` takes Python's own ``re`` longer than the universe lasts, for a line that
somebody else chose. ``regex`` reads the same patterns and can be told when to give up; it takes 30 ms to import, so
that is done when a step has such an output.
"""

from __future__ import annotations

from tako.clock import duration
from tako.errors import StepError

TIME_SECONDS = 5.0
"""For one search."""


def search(pattern: str, text: str, *, where: str, name: str, seconds: float = TIME_SECONDS) -> str | None:
    """The first group of the first match, the whole match where there is no group; None if nothing matches.

    ``^`` and ``$`` are the ends of a line. Raises ``StepError``, naming the output, if it takes longer than
    ``seconds``, or if the pattern cannot be read.
    """
    import regex  # type: ignore[import-untyped]

    try:
        match = regex.search(pattern, text, regex.MULTILINE, timeout=seconds)
    except TimeoutError:
        raise StepError(
            f"output {name!r}: the pattern {pattern!r} took longer than {duration(seconds)} on what the step printed",
            where=where,
            cure="avoid a repetition within a repetition, such as (a+)+, or let the step write to $TAKO_OUTPUT",
        ) from None
    except regex.error as error:
        raise StepError(f"output {name!r}: {pattern!r} is not a regular expression: {error}", where=where) from None
    if match is None:
        return None
    value: str | None = match.group(min(match.re.groups, 1))
    return value
