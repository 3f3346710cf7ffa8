"""Decides when a process is asked to end and when it is forced. Pure but for the clock that it is given."""

from __future__ import annotations

from tako.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.clock import Clock

INTERRUPT = "interrupt"
ASK = "ask"
FORCE = "force"

LONGEST_LOOK = 1.0
"""Seconds after which to look again while a deadline is running."""

LOST_GRACE_SECONDS = 2.0
"""Between asking a process to end and forcing it, when whoever it works for is gone."""

_NOTICED_STOP = 1.0
"""Seconds by which a look is late before that is taken for a stop, and not for a machine under load."""


class Awake:
    """A clock that stands still while this process does: stopped by Ctrl-Z or SIGSTOP, or on a machine that slept.

    It must be looked at every ``LONGEST_LOOK`` seconds; a gap much longer than that is time in which nobody could have
    looked, and counts as that much only, unless ``skip`` says that nobody had a reason to look.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = clock.monotonic()
        self._lost = 0.0

    def now(self) -> float:
        """Seconds, on the scale of the clock's ``monotonic`` when this began; never goes back."""
        moment = self._clock.monotonic()
        gap = moment - self._last
        if gap > LONGEST_LOOK + _NOTICED_STOP:
            self._lost += gap - LONGEST_LOOK
        self._last = moment
        return moment - self._lost

    @property
    def stood_still(self) -> float:
        """Seconds that did not count so far."""
        return self._lost

    def skip(self) -> None:
        """Count all the time since the last look: no deadline was running."""
        self._last = self._clock.monotonic()


@record
class Seen:
    """What one look at a process and its surroundings showed."""

    stop: bool = False
    """Somebody wants it to end."""
    interrupt: bool = False
    """With ``stop``: somebody pressed Ctrl-C for that."""
    lost: bool = False
    """Whoever it works for is gone."""
    force: bool = False
    """Somebody wants it to end now."""
    due: float | None = None
    """The moment at which its time is up, as far as that is known now."""


class Patience:
    """The way of one process from running over asked to forced, never back.

    After Ctrl-C it is interrupted first, and asked when half of the grace is over: many programs clean up at SIGINT
    only. ``timeout`` and ``grace`` are in seconds; moments are those of one clock that never goes back.
    """

    def __init__(self, began: float, *, timeout: float | None, grace: float) -> None:
        self._timeout_at = None if timeout is None else began + timeout
        self._grace = grace
        self._asked_at: float | None = None
        """When it is asked, if it has only been interrupted."""
        self._forced_at: float | None = None
        self._lost = False
        self.stopped = False
        """Whether it was asked to end since somebody wanted so."""
        self.timed_out = False
        """Whether it was asked to end since its time was up."""
        self.forced = False

    def decide(self, now: float, seen: Seen) -> str | None:
        """``INTERRUPT``, ``ASK`` or ``FORCE`` if that is to be done now, each at most once."""
        if self.forced:
            return None
        action = None
        if self._forced_at is None:
            self.stopped = seen.stop or seen.lost or seen.force
            self.timed_out = not self.stopped and _is_over(now, self._timeout_at, seen.due)
            if self.stopped or self.timed_out:
                self._forced_at = now + self._grace
                action = ASK
                if seen.interrupt and not seen.lost:
                    self._asked_at = now + self._grace / 2
                    action = INTERRUPT
        elif self._asked_at is not None and (seen.lost or now >= self._asked_at):
            self._asked_at = None
            action = ASK
        if self._forced_at is not None and seen.lost:
            self._forced_at = min(self._forced_at, now + LOST_GRACE_SECONDS) if not self._lost else self._forced_at
            self._lost = True
        if seen.force or _is_over(now, self._forced_at):
            self.forced = True
            action = FORCE
        return action

    def hurry(self, now: float) -> None:
        """Let it be asked at once if it has only been interrupted."""
        if self._asked_at is not None:
            self._asked_at = now

    def wait(self, now: float, due: float | None) -> float | None:
        """For how many seconds nothing needs to be decided if nothing happens; None for ever."""
        if self.forced:
            return None
        if self._forced_at is not None:
            moments = [self._forced_at, *([self._asked_at] if self._asked_at is not None else [])]
        else:
            moments = [moment for moment in (self._timeout_at, due) if moment is not None]
        if not moments:
            return None
        return min(max(0.0, min(moments) - now), LONGEST_LOOK)


def _is_over(now: float, *moments: float | None) -> bool:
    return any(moment is not None and now >= moment for moment in moments)
