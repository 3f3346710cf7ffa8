"""A circuit breaker for each repository and workflow: what keeps crashing is not started any more.

The pattern is Michael Nygard's (Release It!, "Circuit Breaker"), without its half-open state, in which one call is let
through to see whether the other side is well again. That pays for a service that lives for months; a run of Tako is
short, the cause (a broken image, a full disk) outlives it, and the next run begins with all circuits closed.
"""

from __future__ import annotations

from collections import Counter

THRESHOLD = 5
"""Crashes in a row that open a circuit, if nobody says otherwise."""


class Breaker:
    """The circuits of one run. Pure bookkeeping: it counts how tries ended, and whoever starts them asks it."""

    def __init__(self, threshold: int = THRESHOLD) -> None:
        """``threshold``: how many crashes in a row open a circuit. Raises ``ValueError`` if that is below 1."""
        if threshold < 1:
            raise ValueError(f"the threshold must be at least 1, not {threshold}")
        self._threshold = threshold
        self._crashes: Counter[tuple[str, str]] = Counter()

    def ended(self, repo: str, workflow: str, *, crashed: bool) -> bool:
        """One try has ended; True if this one opened the circuit.

        A circuit that is open stays so, however the tries end that were at work when it opened.
        """
        endpoint = repo, workflow
        if crashed:
            self._crashes[endpoint] += 1
            return self._crashes[endpoint] == self._threshold
        if not self.is_open(repo, workflow):
            del self._crashes[endpoint]
        return False

    def is_open(self, repo: str, workflow: str) -> bool:
        """Whether nothing of this repository and workflow is to be started any more."""
        return self.crashes(repo, workflow) >= self._threshold

    def crashes(self, repo: str, workflow: str) -> int:
        """How many crashes there were in a row; once the circuit is open, in a row up to then and all since."""
        return self._crashes[repo, workflow]
