"""``tako exec --debug``: shows each step of the run's own workflow before it runs, and asks if there is a terminal."""

from __future__ import annotations

import os
import select
import signal

from tako.errors import SpawnError, StepError, TakoError, UsageError
from tako.foreground import run_in_foreground
from tako.report.debug import not_asked_for, step_text
from tako.signals import is_ignored
from tako.stdio import say
from tako.steps.base import RunInterruptedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tako.process import Processes
    from tako.signals import Stops
    from tako.steps.base import StepContext

QUESTION = "[r]un, [s]kip, s[h]ell, [c]ontinue, [q]uit? "
HELP = """\
  r, run       run this step
  s, skip      do not run it; it is recorded as skipped, and has no outputs
  h, shell     a shell in the step's environment and directory; then ask again
  c, continue  run this step and all that follow, and ask no more
  q, quit      stop the run, as Ctrl-C does; `tako exec --resume` goes on with this step
"""


def debugger(processes: Processes, *, as_json: bool, dry_run: bool) -> Debugger:
    """A debugger that asks if there is a terminal to ask at, and else only shows each step.

    Raises ``UsageError`` if there is nothing to show.
    """
    asks = os.isatty(0) and os.isatty(2)
    if dry_run or (as_json and asks):
        raise UsageError(f"--debug does not go with {'--dry-run' if dry_run else '--json at a terminal'}")
    return Debugger(processes, asks=asks)


class Debugger:
    """A ``Gate`` with a person behind it, or one that only shows what it lets pass."""

    def __init__(
        self, processes: Processes, *, asks: bool = True, interrupt: Callable[[], object] | None = None
    ) -> None:
        """``interrupt`` has the whole run stopped; by default as Ctrl-C does."""
        self._processes = processes
        self._interrupt = interrupt or _interrupt_ourselves
        self._only_shows = not asks
        self._asks = asks
        self._has_begun = False

    def is_to_run(self, context: StepContext, *, wanted: bool) -> bool:
        """Show the step and ask; see ``Gate``."""
        if self._only_shows:
            say(step_text(context, wanted=wanted))
            return wanted
        if not self._asks or (context.ending is not None and context.ending.is_hurried):
            # Whoever wants the run to end has been asked enough.
            return wanted
        if not self._has_begun:
            self._has_begun = True
            say(not_asked_for(context.request.workflow))
        say(step_text(context, wanted=wanted))
        return wanted and self._ask(context)

    def _ask(self, context: StepContext) -> bool:
        stops = context.capabilities.stops
        while True:
            say(QUESTION)
            match _read_line(stops):
                case None | "q" | "quit":
                    say("\n")
                    self._quit(stops)
                case "r" | "run":
                    return True
                case "s" | "skip":
                    return False
                case "h" | "shell":
                    self._shell(context)
                case "c" | "continue":
                    self._asks = False
                    return True
                case "":
                    pass
                case _:
                    say(HELP)

    def _quit(self, stops: Stops) -> None:
        self._interrupt()
        _wait(stops)
        raise RunInterruptedError

    def _shell(self, context: StepContext) -> None:
        try:
            argv, env = _shell_of(context)
            say(f"a shell in the environment of step {context.spec.id}; Ctrl-D or `exit` to come back\n")
            stops = context.capabilities.stops
            outcome = run_in_foreground(self._processes, argv, env=env, terminal=0, stops=stops)
        except SpawnError as error:
            say(f"error: {error}\n")
        except TakoError as error:
            say(f"error: there is no shell for this step: {error}\n")
        else:
            if outcome.stopped:
                raise RunInterruptedError
            say(f"the shell has ended: {outcome.exit.describe()}\n")


def _shell_of(context: StepContext) -> tuple[list[str], dict[str, str]]:
    directory, env = context.directory, context.environment()
    if not os.path.isdir(directory):
        raise StepError(f"the working directory {directory!r} does not exist", where=context.where)
    shell = env.get("SHELL") or "/bin/sh"
    return ["/bin/sh", "-c", 'cd -- "$1" && exec "$2" -i', "sh", directory, shell], env


def _read_line(stops: Stops) -> str | None:
    """A line of the terminal, None at its end (Ctrl-D, or the window is closed). Raises ``RunInterruptedError``."""
    poll = select.poll()
    for descriptor in (0, *stops.all):
        poll.register(descriptor, select.POLLIN)
    ready = {descriptor for descriptor, _event in poll.poll()}
    if not ready.isdisjoint(stops.all):
        raise RunInterruptedError
    try:
        line = os.read(0, 4096)
    except OSError:
        return None
    return line.decode("utf-8", "replace").strip().lower() if line else None


def _wait(stops: Stops) -> None:
    poll = select.poll()
    for descriptor in stops.all:
        poll.register(descriptor, select.POLLIN)
    if stops.all:
        poll.poll(5000)


def _interrupt_ourselves() -> None:
    if not is_ignored(signal.SIGINT):
        os.kill(os.getpid(), signal.SIGINT)
