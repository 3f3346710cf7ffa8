"""What whole runs cost: a child, a thousand of them, the root's memory."""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import time
from pathlib import Path

from scripts.benchmarks.timing import launch, progress, timed
from scripts.benchmarks.world import PYTHON, make_world, run_tako, tako_command, world_env


def bench_child(scratch: Path, cap: int, rounds: int) -> None:
    """A child's cost is (T100 - T20) / 80: what is paid once drops out."""
    worlds = {count: make_world(scratch / str(count), count, "'true'") for count in (20, 100)}
    measured: dict[str, list[float]] = {}
    for number in progress(rounds, "rounds"):
        del number
        for name, run in {
            "sh -c true": lambda count: launch(["/bin/sh", "-c", "true"], count, cap),
            "python -I -S -c pass": lambda count: launch([PYTHON, "-I", "-S", "-c", "pass"], count, cap),
            "python -c pass": lambda count: launch([PYTHON, "-c", "pass"], count, cap),
            "tako child": lambda count: run_tako(worlds[count], cap),
        }.items():
            took = {count: timed(lambda run=run, count=count: run(count)) for count in worlds}  # type: ignore[misc]
            measured.setdefault(name, []).append((took[100] - took[20]) / 80)
    floor = statistics.median(measured["python -c pass"])
    print(f"a child's wall time, {cap} at once, median of {rounds}; 30 files in git, one step `true`")
    for name, values in measured.items():
        median = statistics.median(values)
        print(f"  {name:22s} {median * 1000:7.2f} ms   {median / floor:5.2f} x python -c pass")


def bench_scale(scratch: Path, cap: int, rounds: int) -> None:
    worlds = {count: make_world(scratch / str(count), count, "'true'") for count in (100, 1000)}
    ratios, medians = [], {}
    times: dict[int, list[float]] = {100: [], 1000: []}
    for _ in progress(rounds, "rounds"):
        for count, world in worlds.items():
            times[count].append(timed(lambda world=world: run_tako(world, cap)))  # type: ignore[misc]
        ratios.append(times[1000][-1] / times[100][-1])
    medians = {count: statistics.median(values) for count, values in times.items()}
    print(f"100 children {medians[100]:.2f} s, 1,000 children {medians[1000]:.2f} s, {cap} at once")
    print(f"ratio {statistics.median(ratios):.2f} (median of {rounds}; linear is 10 or less)")


def bench_memory(scratch: Path, children: int) -> None:
    script = "\"head -c 1000000 /dev/zero | tr '\\\\0' '\\\\n'\""
    world = make_world(scratch, children, script)
    process = subprocess.Popen(
        tako_command(2),
        env=world_env(world),
        cwd=world / "emitter",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    high = 0
    while process.poll() is None:
        with contextlib.suppress(OSError, IndexError, ValueError):
            status = Path(f"/proc/{process.pid}/status").read_text()
            high = max(high, int(status.split("VmHWM:")[1].split()[0]))
        time.sleep(0.05)
    print(f"root's peak memory with {children} children that print 1 MB each: {high / 1024:.1f} MB RSS")
    print(f"exit code {process.returncode}")
