"""The time that one attempt at a step has used, the step's processes and Tako's own work for it alike."""

from __future__ import annotations

from tako.patience import Awake

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.clock import Clock


class StepTime:
    """Seconds since the attempt began; time in which Tako itself was stopped (Ctrl-Z) does not count."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.begin()

    def begin(self) -> None:
        """Count from now on."""
        self._awake = Awake(self._clock)
        self._began = self._awake.now()
        self._stood_still = 0.0

    def process_ended(self, stood_still: float) -> None:
        """Count the time of a process that has just ended, but for the seconds in which Tako stood still."""
        # Nobody looked at this clock while it ran; whoever watched the process has looked at his own.
        self._awake.skip()
        self._stood_still += stood_still

    @property
    def used(self) -> float:
        """Seconds."""
        return self._awake.now() - self._began - self._stood_still
