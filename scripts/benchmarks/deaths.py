"""The ways in which a child of the soak dies, each with what must be said of it; and which child dies how. Pure."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from scripts.benchmarks.dying_step import USES
from tako.execution.failure import (
    EXCEPTION,
    EXITED,
    INTERRUPTED,
    KILLED,
    MACHINE_ERROR,
    NO_RESULT,
    OUT_OF_MEMORY,
    PROTOCOL,
    STEP_ERROR,
    STEP_FAILED,
    STEP_KILLED,
    STEP_TIMEOUT,
    WORKFLOW_TIMEOUT,
)
from tako.records import record
from tako.signals import Exit

LIVES = "lives"
STEP = "work"
DEADLY = ("KILL", "SEGV", "ABRT", "BUS", "TERM")
SIGNALS = {"KILL": 9, "SEGV": 11, "ABRT": 6, "BUS": 7, "TERM": 15}
SLOW_AT_MOST = 2
"""How many children die in each of the ways that take ten seconds and more."""

# Each hop is a process that starts the next and ends; it ends by itself once its file is gone.
HOPPER = """\
cat > "$TAKO_WORKSPACE/tmp/hop" <<'END'
sleep 0.001
[ -e "$0" ] && setsid sh "$0" &
END
setsid sh "$TAKO_WORKSPACE/tmp/hop" &
"""


@record
class Fate:
    """What one child does, and what must be said of it."""

    step: Mapping[str, Any]
    kind: str | None = None
    """The kind of its failure; None if it succeeds."""
    exit: Exit | None = None
    """The exit code or signal that its failure names, or names both if a shell told of a signal."""
    workflow: Mapping[str, Any] = {}
    """More fields of its workflow."""


@record
class Way:
    """A way of dying."""

    name: str
    make: Callable[[Random], Fate]
    slow: bool = False


def run(script: str, kind: str | None = None, exit_: Exit | None = None, **more: Any) -> Fate:
    """A child whose step is a script; ``more`` are fields of the step."""
    return Fate({"run": script, **more}, kind, exit_)


def inside(deed: str, kind: str, exit_: Exit | None = None, *, code: int = 0, **workflow: Any) -> Fate:
    """A child that dies in its own process."""
    return Fate({"uses": USES, "with": {"do": deed, "code": code}}, kind, exit_, workflow)


def _exits(random: Random) -> Fate:
    code = random.randint(1, 125)
    return run(f"exit {code}", STEP_FAILED, Exit(code=code))


def _step_is_killed(random: Random) -> Fate:
    name = random.choice(DEADLY)
    return run(f"kill -{name} $$", STEP_KILLED, Exit(signal=SIGNALS[name]))


def _command_is_killed(random: Random) -> Fate:
    name = random.choice(DEADLY)
    return run(f"sh -c 'kill -{name} $$'", STEP_KILLED, Exit(code=128 + SIGNALS[name], signal=SIGNALS[name]))


def _child_is_killed(random: Random) -> Fate:
    # SIGTERM is how it is asked to stop, so that is another way.
    name = random.choice([name for name in DEADLY if name != "TERM"])
    return run(f"sleep 1000 & kill -{name} $PPID; sleep 1000", KILLED, Exit(signal=SIGNALS[name]))


def _child_leaves(random: Random) -> Fate:
    code = random.randint(1, 255)
    return inside(random.choice(["leave", "exit"]), EXITED, Exit(code=code), code=code)


def _prints(random: Random) -> Fate:
    code, source, stream = random.randint(1, 125), random.choice(["zero", "urandom"]), random.choice([1, 2])
    return run(f"head -c 5000000 /dev/{source} >&{stream}; exit {code}", STEP_FAILED, Exit(code=code))


def _leaves_daemons(random: Random) -> Fate:
    daemon = random.choice(
        [
            "setsid sleep 1000",
            "(setsid sleep 1000 &)",
            "setsid sh -c 'sleep 1000 & sleep 1000'",
            "setsid sh -c 'trap \"\" TERM; sleep 1000; sleep 1000'",
        ]
    )
    quiet = random.choice(["", " < /dev/null > /dev/null 2>&1"])
    code = random.choice([0, random.randint(1, 125)])
    failed = (STEP_FAILED, Exit(code=code)) if code else (None, None)
    return run(f"{daemon}{quiet} & {daemon}{quiet} & exit {code}", *failed)


WAYS = (
    Way("the step exits", _exits),
    Way("the step is killed", _step_is_killed),
    Way("a command of the step is killed", _command_is_killed),
    Way("a command is missing", lambda _: run("no-such-command-here", STEP_FAILED, Exit(code=127))),
    Way("the step's directory is missing", lambda _: run("true", STEP_ERROR, working_directory="nowhere")),
    Way("the step prints 5 MB and exits", _prints),
    Way("the step takes too long", lambda _: run("sleep 1000", STEP_TIMEOUT, timeout="1s")),
    Way("the step stops itself", lambda _: run("kill -STOP $$", STEP_TIMEOUT, timeout="1s")),
    Way(
        "the workflow takes too long", lambda _: Fate({"run": "sleep 1000"}, WORKFLOW_TIMEOUT, None, {"timeout": "1s"})
    ),
    Way(
        "the step needs too much memory",
        lambda _: Fate(
            {"run": f"{sys.executable} -I -S -c 'bytearray(1 << 30)'"},
            STEP_FAILED,
            Exit(code=1),
            {"mem_limit": "256Mi"},
        ),
    ),
    Way("the child is killed by its step", _child_is_killed),
    Way("the child is asked to stop by its step", lambda _: run("kill $PPID; sleep 1000", INTERRUPTED)),
    Way("the child exits", _child_leaves),
    Way("the child exits with 0", lambda _: inside("leave", NO_RESULT, Exit(code=0))),
    Way("the child raises", lambda _: inside("raise", EXCEPTION)),
    Way("the child reads address 0", lambda _: inside("crash", KILLED, Exit(signal=11))),
    Way("the child needs too much memory", lambda _: inside("exhaust", OUT_OF_MEMORY, mem_limit="256Mi")),
    Way("the child writes rubbish", lambda _: inside("write rubbish", PROTOCOL)),
    Way("the child writes half a result", lambda _: inside("write half a frame", NO_RESULT, Exit(code=0))),
    Way("the child's directory is removed", lambda _: run('rm -rf "$TAKO_WORKSPACE"', MACHINE_ERROR)),
    Way("daemons are left, in sessions of their own", _leaves_daemons),
    Way("a process is left that keeps forking", lambda _: run(HOPPER)),
    Way(
        "the step ignores that it is asked to end",
        lambda _: run("trap '' TERM; while :; do sleep 1; done", STEP_TIMEOUT, timeout="1s"),
        slow=True,
    ),
    Way(
        "the child is stopped",
        lambda _: Fate({"run": "kill -STOP $PPID; sleep 1000"}, WORKFLOW_TIMEOUT, None, {"timeout": "1s"}),
        slow=True,
    ),
    Way("the child hangs", lambda _: inside("hang", WORKFLOW_TIMEOUT, timeout="1s"), slow=True),
)


def draw(children: int, seed: int) -> list[tuple[str, Fate]]:
    """The fate of each child, with the name of its way; one in ten dies. The same for the same seed."""
    random = Random(seed)
    fates = [(LIVES, Fate({"run": 'echo "who=$TAKO_REPO" >> "$TAKO_OUTPUT"'}))] * children
    dying = random.sample(range(children), -(-children // 10))
    quick = [way for way in WAYS if not way.slow]
    ways = [way for way in WAYS if way.slow for _ in range(SLOW_AT_MOST)][: len(dying) // 10]
    while len(ways) < len(dying):
        ways += random.sample(quick, len(quick))
    for child, way in zip(dying, ways, strict=False):
        fates[child] = (way.name, way.make(random))
    return fates
