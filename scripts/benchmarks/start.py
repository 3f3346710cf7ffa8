"""What it takes to start: the command itself, and where the time of one child goes."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
from pathlib import Path

from runner_child import ENTRY
from scripts.benchmarks.timing import median_time, timed
from scripts.benchmarks.world import PYTHON, ROOT, TAKO, make_world, run_tako


def bench_start() -> None:
    floor = median_time([PYTHON, "-c", "pass"])
    print(f"python -c pass   {floor * 1000:6.1f} ms")
    for arguments in (["version"], ["--help"], ["status", "--help"]):
        took = median_time([TAKO, *arguments])
        print(f"tako {' '.join(arguments):13s}{took * 1000:6.1f} ms   {took / floor:5.2f} x")


def profile(scratch: Path) -> None:
    """One child, looked at from several sides."""
    world = make_world(scratch, 1, "'true'")
    run_tako(world, 1)
    child = next((world / "home" / "workspaces").glob("*/children/*"))
    source = next((world / "home" / "cache" / "repos" / "bench").glob("*/main"))
    quick = [PYTHON, "-S", ENTRY, str(child)]
    subprocess.run(quick, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    pieces = {
        "python -c pass": [PYTHON, "-c", "pass"],
        "python -S -c pass": [PYTHON, "-S", "-c", "pass"],
        "the child's imports": [
            PYTHON,
            "-S",
            "-c",
            f"import sys; sys.path.insert(0, {ROOT!r}); import runner_child.child",
        ],
        "one child, its checkout there already": quick,
        "git reset --hard of 30 files": ["git", "-C", str(source), "reset", "-q", "--hard"],
        "sh -c true": ["/bin/sh", "-c", "true"],
    }
    for name, argv in pieces.items():
        print(f"{name:40s} {median_time(argv, stdin=subprocess.DEVNULL) * 1000:7.2f} ms")
    whole = []
    for _ in range(15):
        shutil.rmtree(child / "repo")
        whole.append(median_time(quick, rounds=1, stdin=subprocess.DEVNULL))
    print(f"{'one child, checkout included':40s} {statistics.median(whole) * 1000:7.2f} ms")
    print("\nslowest imports of the child (own time in microseconds):")
    trace = subprocess.run(
        [
            PYTHON,
            "-S",
            "-X",
            "importtime",
            "-c",
            f"import sys; sys.path.insert(0, {ROOT!r}); import runner_child.child",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stderr.splitlines()
    rows = [line.removeprefix("import time:").split("|") for line in trace[1:]]
    for row in sorted(rows, key=lambda row: -int(row[0]))[:12]:
        print(f"{int(row[0]):8d} {row[2].rstrip()}")
    fsync = scratch / "fsync"

    def durable_write() -> None:
        with fsync.open("wb") as file:
            file.write(b"x" * 2000)
            file.flush()
            os.fsync(file.fileno())

    print(f"\none durable write of 2 kB: {statistics.median(timed(durable_write) for _ in range(50)) * 1000:.2f} ms")
