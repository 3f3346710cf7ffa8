"""Measures how soon a resumed run does something useful, however much of it was done before."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from scripts.benchmarks.timing import progress
from scripts.benchmarks.world import TAKO, make_plain_world, repository_of, tako_command, world_env

SIZES = (10, 1000)


def bench_resume(scratch: Path, rounds: int) -> None:
    """Print the seconds from the command until the one child that had failed runs its step, by how many succeeded."""
    medians = []
    for count in SIZES:
        world = make_plain_world(scratch / str(count), count + 1, "'true'")
        stamp = world / "stamp"
        _fail(world, count, stamp)
        took = [_until_it_starts(world, stamp) for _ in progress(rounds, f"rounds of {count}")]
        medians.append(statistics.median(took))
        print(f"{count:5,} children done, 1 failed: its step starts after {medians[-1] * 1000:5.0f} ms")
    print(f"(medians of {rounds}; {SIZES[-1]:,} at most 1000 ms; ratio {medians[-1] / medians[0]:.2f})")


def _fail(world: Path, number: int, stamp: Path) -> None:
    """Let one of the children write down when its step starts, and fail; run all of them once."""
    config = repository_of(world, number) / "tako.yml"
    config.write_text(config.read_text().replace("'true'", f"'date +%s.%N > {stamp}; false'"))
    command = [*tako_command(2), "--json"]
    done = subprocess.run(command, cwd=world / "emitter", env=world_env(world), capture_output=True, check=False)
    if done.returncode != 1 or not stamp.exists():
        sys.exit(f"the run did not fail as it should:\n{done.stderr.decode()}")


def _until_it_starts(world: Path, stamp: Path) -> float:
    stamp.unlink()
    began = time.time()
    command = [TAKO, "exec", "--resume", "@latest"]
    subprocess.run(command, env=world_env(world), capture_output=True, check=False)
    return float(stamp.read_text()) - began
