"""Measures whole runs of ``tako`` against floors taken in the same run, and prints medians and ratios.

Nothing here passes or fails, but for the soak and the crashes: the figures are for people to read.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from scripts.benchmarks.crash import bench_crash
from scripts.benchmarks.runs import bench_child, bench_memory, bench_scale
from scripts.benchmarks.soak import bench_soak
from scripts.benchmarks.start import bench_start, profile
from scripts.benchmarks.state import bench_state
from scripts.benchmarks.supervise import bench_supervise


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    child = commands.add_parser("child", help="what a child costs, beside an empty interpreter and a shell")
    child.add_argument("-j", dest="cap", type=int, default=2, help="children at work at once (2)")
    child.add_argument("-r", dest="rounds", type=int, default=5, help="rounds to take the median of (5)")
    scale = commands.add_parser("scale", help="1,000 children beside 100")
    scale.add_argument("-j", dest="cap", type=int, default=2)
    scale.add_argument("-r", dest="rounds", type=int, default=3)
    memory = commands.add_parser("memory", help="the root's memory with 1,000 children that print 1 MB each")
    memory.add_argument("-n", dest="children", type=int, default=1000)
    commands.add_parser("start", help="`tako version` and `tako --help` beside an empty interpreter")
    commands.add_parser("profile", help="where a child's time goes")
    supervise = commands.add_parser("supervise", help="what supervision costs, beside bare processes and pipes")
    supervise.add_argument("-r", dest="rounds", type=int, default=5)
    supervise.add_argument("-n", dest="children", type=int, default=200, help="children in a round (200)")
    supervise.add_argument("-s", dest="seconds", type=float, default=10, help="how long to watch those that sleep (10)")
    soak = commands.add_parser(
        "soak", help="a run whose children die in all sorts of ways; exits 1 if anything is wrong"
    )
    soak.add_argument("-n", dest="children", type=int, default=2000, help="children, of which a tenth dies (2000)")
    soak.add_argument("-j", dest="cap", type=int, default=4, help="children at work at once (4)")
    soak.add_argument("--seed", type=int, default=1, help="what dies and how follows from this (1)")
    state = commands.add_parser("state", help="a durable step, a tree of 5,000 children, and a look at one")
    state.add_argument("-r", dest="rounds", type=int, default=5)
    crash = commands.add_parser("crash", help="kills at random moments, each resumed; exits 1 if anything is wrong")
    crash.add_argument("-n", dest="kills", type=int, default=300, help="kills to survive (300)")
    crash.add_argument("--seed", type=int, default=0, help="who is killed when follows from this (0)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tako-bench.") as scratch:
        match options.command:
            case "child":
                bench_child(Path(scratch), options.cap, options.rounds)
            case "scale":
                bench_scale(Path(scratch), options.cap, options.rounds)
            case "memory":
                bench_memory(Path(scratch), options.children)
            case "start":
                bench_start()
            case "supervise":
                bench_supervise(Path(scratch), options.rounds, options.children, options.seconds)
            case "soak":
                if not bench_soak(Path(scratch), options.children, options.cap, options.seed):
                    sys.exit(1)
            case "state":
                bench_state(Path(scratch), options.rounds)
            case "crash":
                if not bench_crash(Path(scratch), options.kills, options.seed):
                    sys.exit(1)
            case "profile":
                profile(Path(scratch))


if __name__ == "__main__":
    main()
