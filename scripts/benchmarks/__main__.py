"""Measures whole runs of ``tako`` against floors taken in the same run, and prints medians and ratios.

Nothing here passes or fails, but for the soak and the crashes: the figures are for people to read.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.benchmarks.crash import bench_crash
from scripts.benchmarks.load import bench_load
from scripts.benchmarks.mask import bench_mask
from scripts.benchmarks.resume import bench_resume
from scripts.benchmarks.runs import bench_child, bench_memory, bench_scale
from scripts.benchmarks.soak import bench_soak
from scripts.benchmarks.start import bench_start, profile
from scripts.benchmarks.state import bench_state
from scripts.benchmarks.supervise import bench_supervise

Act = Callable[[Path, Any], object]
"""Measures in an empty directory, with the options; False says that something is wrong."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, words: str, act: Act) -> Callable[..., object]:
        made = commands.add_parser(name, help=words, description=words)
        made.set_defaults(act=act)
        return made.add_argument

    _of_runs(command)
    _of_death(command)
    _of_parts(command)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tako-bench.") as scratch:
        if options.act(Path(scratch), options) is False:
            sys.exit(1)


def _of_runs(command: Callable[[str, str, Act], Callable[..., object]]) -> None:
    option = command(
        "child",
        "what a child costs, beside an empty interpreter and a shell",
        lambda scratch, given: bench_child(scratch, given.cap, given.rounds),
    )
    option("-j", dest="cap", type=int, default=2, help="children at work at once (2)")
    option("-r", dest="rounds", type=int, default=5, help="rounds to take the median of (5)")
    option = command(
        "scale", "1,000 children beside 100", lambda scratch, given: bench_scale(scratch, given.cap, given.rounds)
    )
    option("-j", dest="cap", type=int, default=2)
    option("-r", dest="rounds", type=int, default=3)
    option = command(
        "memory",
        "the root's memory with 1,000 children that print 1 MB each",
        lambda scratch, given: bench_memory(scratch, given.children),
    )
    option("-n", dest="children", type=int, default=1000)
    option = command(
        "resume",
        "until the one child of 1,001 that had failed starts again",
        lambda scratch, given: bench_resume(scratch, given.rounds),
    )
    option("-r", dest="rounds", type=int, default=5)
    option = command(
        "load",
        "a tako.yml of 1,000 lines, and 1,000 small ones",
        lambda scratch, given: bench_load(scratch, given.rounds),
    )
    option("-r", dest="rounds", type=int, default=5)
    command(
        "start", "`tako version` and `tako --help` beside an empty interpreter", lambda _scratch, _given: bench_start()
    )
    command("profile", "where a child's time goes", lambda scratch, _given: profile(scratch))


def _of_death(command: Callable[[str, str, Act], Callable[..., object]]) -> None:
    option = command(
        "soak",
        "a run whose children die in all sorts of ways; exits 1 if anything is wrong",
        lambda scratch, given: bench_soak(scratch, given.children, given.cap, given.seed),
    )
    option("-n", dest="children", type=int, default=2000, help="children, of which a tenth dies (2000)")
    option("-j", dest="cap", type=int, default=4, help="children at work at once (4)")
    option("--seed", type=int, default=1, help="what dies and how follows from this (1)")
    option = command(
        "crash",
        "kills at random moments, each resumed; exits 1 if anything is wrong",
        lambda scratch, given: bench_crash(scratch, given.kills, given.seed),
    )
    option("-n", dest="kills", type=int, default=300, help="kills to survive (300)")
    option("--seed", type=int, default=0, help="who is killed when follows from this (0)")


def _of_parts(command: Callable[[str, str, Act], Callable[..., object]]) -> None:
    option = command(
        "supervise",
        "what supervision costs, beside bare processes and pipes",
        lambda scratch, given: bench_supervise(scratch, given.rounds, given.children, given.seconds),
    )
    option("-r", dest="rounds", type=int, default=5)
    option("-n", dest="children", type=int, default=200, help="children in a round (200)")
    option("-s", dest="seconds", type=float, default=10, help="how long to watch those that sleep (10)")
    option = command(
        "state",
        "a durable step, a tree of 5,000 children, and a look at one",
        lambda scratch, given: bench_state(scratch, given.rounds),
    )
    option("-r", dest="rounds", type=int, default=5)
    option = command(
        "mask",
        "what it costs to mask secrets in logs, beside logs without",
        lambda scratch, given: bench_mask(scratch, given.rounds),
    )
    option("-r", dest="rounds", type=int, default=5)


if __name__ == "__main__":
    main()
