"""Times what is run, and tells how far a long measurement has come."""

from __future__ import annotations

import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator


def timed(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def median_time(argv: list[str], *, rounds: int = 15, stdin: int | None = None) -> float:
    return statistics.median(
        timed(
            lambda: subprocess.run(argv, check=False, stdin=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        )
        for _ in range(rounds)
    )


def launch(argv: list[str], count: int, cap: int) -> None:
    """Start a command that many times, ``cap`` at once."""
    left = iter(range(count))
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                if next(left, None) is None:
                    return
            subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    threads = [threading.Thread(target=work) for _ in range(cap)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def progress(rounds: int, what: str) -> Iterator[int]:
    """Count on stderr, where somebody looks."""
    for number in range(rounds):
        if sys.stderr.isatty():
            print(f"\r{what} {number + 1} of {rounds}", end="\n" if number + 1 == rounds else "", file=sys.stderr)
        yield number
