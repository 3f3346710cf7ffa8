"""What it costs to supervise: processor time for each child, for children that sleep, and for what they print."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shlex
import signal
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from scripts.benchmarks.proc import children_of, spent, spent_alone, spent_by_ended, spent_by_living
from scripts.benchmarks.timing import progress, timed
from scripts.benchmarks.world import PYTHON, make_plain_world, run_tako, tako_command, world_env
from tako.children.launchers.base import Launch
from tako.children.launchers.local import LocalLauncher
from tako.process import Processes
from tako.signals import Stops, StopSignal

CHILD_BAR = 0.002
IDLE_BAR = 0.01
RATE_BAR = 300
OUTPUT = 500_000_000
PIECE = 10_000_000
LINE = "tako " * 16


def bench_supervise(scratch: Path, rounds: int, children: int, seconds: float) -> None:
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores: with other work, all but CPU is too slow")
    processes = Processes(adopts=True)
    bench_spawning(processes, scratch, rounds, children)
    bench_root(scratch, rounds)
    bench_sleepers(scratch, seconds)
    bench_output(processes, scratch, rounds)


def bench_spawning(processes: Processes, scratch: Path, rounds: int, children: int) -> None:
    """What the launcher adds to ``Popen`` and ``wait``, in processor time of all that is involved.

    One is started after the other, now bare, now supervised, so that other work on the machine meets both alike.
    """
    print(f"CPU for a child, median of {rounds} rounds of {children}:")
    for name, argv in {"/bin/true": ["/bin/true"], "python -I -S -c pass": [PYTHON, "-I", "-S", "-c", "pass"]}.items():
        bare, supervised, added = [], [], []
        with supervisor(processes, argv, scratch) as start:
            for _ in progress(rounds, f"rounds of {name}"):
                pairs = [(cpu_of(lambda argv=argv: start_bare(argv)), cpu_of(start)) for _ in range(children)]  # type: ignore[misc]
                bare.append(statistics.median(less for less, _ in pairs))
                supervised.append(statistics.median(more for _, more in pairs))
                added.append(statistics.median(more - less for less, more in pairs))
        print(
            f"  {name:22s} Popen and wait {statistics.median(bare) * 1000:6.2f} ms, "
            f"supervised {statistics.median(supervised) * 1000:6.2f} ms, "
            f"{judged(statistics.median(added) * 1000, '+.2f', 'ms', most=CHILD_BAR * 1000)} for a child"
        )


def start_bare(argv: list[str]) -> None:
    null = subprocess.DEVNULL
    subprocess.Popen([*argv, "."], stdin=null, stdout=null, stderr=null).wait()


@contextlib.contextmanager
def supervisor(processes: Processes, argv: list[str], directory: Path) -> Iterator[Callable[[], None]]:
    """A function that runs a command as the executor runs a child: two pipes, a lifeline, three ways to be stopped."""
    launcher = LocalLauncher(processes, env=os.environ, argv=argv)
    asked, cancelled, forced = StopSignal(), StopSignal(), StopSignal()

    def start() -> None:
        stops = Stops(ask=(asked.fd, cancelled.fd), force=(forced.fd,))
        launcher.launch(Launch(str(directory), on_output=lambda _data: True, stops=stops))

    try:
        yield start
    finally:
        for stop in (asked, cancelled, forced):
            stop.close()


def cpu_of(run: Callable[[], None]) -> float:
    """Seconds of CPU, those of the processes that it waits for included."""
    before = spent()
    run()
    return spent() - before


def bench_root(scratch: Path, rounds: int) -> None:
    """As for a child's wall time, what a root pays once drops out between 20 children and 100."""
    worlds = {count: make_plain_world(scratch / f"root-{count}", count, "'true'") for count in (20, 100)}
    measured = []
    for _ in progress(rounds, "rounds of whole runs"):
        took = {count: cpu_of_root(world) for count, world in worlds.items()}
        measured.append((took[100] - took[20]) / 80)
    print(f"CPU of the root alone for a child of a whole run: {statistics.median(measured) * 1000:.2f} ms")


def cpu_of_root(world: Path) -> float:
    process = start_tako(world, 2)
    spent_then = spent_by_ended(process.pid)
    if process.wait() != 0:
        raise SystemExit("a run failed")
    return spent_then


def start_tako(world: Path, cap: int, stderr: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        tako_command(cap),
        cwd=world / "emitter",
        env={**world_env(world), "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
    )


def bench_sleepers(scratch: Path, seconds: float, children: int = 64) -> None:
    up = scratch / "up"
    up.mkdir()
    script = json.dumps(f': > {shlex.quote(str(up))}/"$TAKO_RUN_ID"; exec sleep 1000')
    world = make_plain_world(scratch / "sleepers", children, script)
    root, below = cpu_while_nothing_happens(world, up, children, seconds, subprocess.DEVNULL)
    print(f"CPU while {children} children sleep, {seconds:g} seconds of it:")
    print(f"  the root         {judged(root * 100, '6.3f', '% of a core', most=IDLE_BAR * 100)}")
    print(f"  all its children {below * 100:6.3f} % of a core together")
    with terminal() as stderr:
        root, _ = cpu_while_nothing_happens(world, up, children, seconds, stderr)
    print(f"  the root         {root * 100:6.3f} % of a core when it shows them on a terminal")


def cpu_while_nothing_happens(world: Path, up: Path, children: int, seconds: float, stderr: int) -> tuple[float, float]:
    """The shares of a core that the root and its children use once all children are at their step."""
    for flag in up.iterdir():
        flag.unlink()
    process = start_tako(world, children, stderr)
    try:
        while len(list(up.iterdir())) < children:
            if process.poll() is not None:
                raise SystemExit(f"tako ended with exit code {process.returncode} before all children were at work")
            time.sleep(0.1)
        # What the last ones had to say is dealt with by then.
        time.sleep(2)
        below = children_of(process.pid)
        before = time.monotonic(), spent_by_living(process.pid), sum(map(spent_by_living, below))
        time.sleep(seconds)
        after = time.monotonic(), spent_by_living(process.pid), sum(map(spent_by_living, below))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
    took, root, others = (later - sooner for later, sooner in zip(after, before, strict=True))
    return root / took, others / took


@contextlib.contextmanager
def terminal() -> Iterator[int]:
    """A terminal of usual size that somebody reads."""
    shown, side = os.openpty()
    with contextlib.suppress(ImportError):
        import termios

        termios.tcsetwinsize(side, (50, 120))

    def read() -> None:
        # A terminal whose last writer is gone answers with an error (pty(7)).
        with contextlib.suppress(OSError):
            while os.read(shown, 1 << 16):
                pass

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield side
    finally:
        os.close(side)
        reader.join()
        os.close(shown)


def bench_output(processes: Processes, scratch: Path, rounds: int) -> None:
    """Nothing can pass faster than from one program to the next, so that is the floor for each kind of output."""
    piece = scratch / "lines"
    piece.write_text(f"{LINE[:-1]}\n" * (PIECE // len(LINE)))
    zeros = f"exec head -c {OUTPUT} /dev/zero"
    lines = f"i=0; while [ $i -lt {OUTPUT // PIECE} ]; do cat {shlex.quote(str(piece))}; i=$((i+1)); done"
    quiet = make_plain_world(scratch / "quiet", 1, "'true'")
    loud = make_plain_world(scratch / "loud", 1, json.dumps(lines))
    rates: dict[str, list[float]] = {}

    def note(name: str, seconds: float) -> None:
        rates.setdefault(name, []).append(OUTPUT / 1e6 / seconds)

    for _ in progress(rounds, "rounds of output"):
        note("zeros floor", timed(lambda: pipe_into_cat(zeros)))
        before = spent_alone()
        note("zeros", timed(lambda: count_output(processes, zeros)))
        note("zeros CPU", spent_alone() - before)
        note("lines floor", timed(lambda: pipe_into_cat(lines)))
        startup, cpu = timed(lambda: run_tako(quiet, 1)), -cpu_of(lambda: run_tako(quiet, 1))
        before = spent()
        note("lines", timed(lambda: run_tako(loud, 1)) - startup)
        note("lines CPU", cpu + spent() - before)
    print(f"{OUTPUT / 1e6:.0f} MB of output, median of {rounds} (and the best):")
    for what, name in {
        "zeros through run_piped into a counter": "zeros",
        "lines through a child into its log": "lines",
    }.items():
        rate, floor = statistics.median(rates[name]), statistics.median(rates[f"{name} floor"])
        print(f"  {what:38s} {judged(rate, '5.0f', 'MB/s', least=RATE_BAR)} (best {max(rates[name]):.0f})")
        print(f"  {'the same | cat > /dev/null':38s} {floor:5.0f} MB/s (best {max(rates[f'{name} floor']):.0f})")
    print(f"  for a second of CPU run_piped passes {statistics.median(rates['zeros CPU']):.0f} MB;", end=" ")
    print(f"tako, child and `cat` pass {statistics.median(rates['lines CPU']):.0f} MB together")


def pipe_into_cat(script: str) -> None:
    subprocess.run(["/bin/sh", "-c", f"({script}) | cat > /dev/null"], check=True)


def count_output(processes: Processes, script: str) -> None:
    count = 0

    def sink(data: bytes) -> None:
        nonlocal count
        count += len(data)

    processes.run_piped(["/bin/sh", "-c", script], env=os.environ, on_stdout=sink, on_stderr=sink)
    if count != OUTPUT:
        raise SystemExit(f"{OUTPUT} bytes were printed, and {count} came")


def judged(value: float, form: str, unit: str, *, most: float = math.inf, least: float = 0) -> str:
    """A figure with the bar it is held against."""
    bar = f"at most {most:g}" if least == 0 else f"at least {least:g}"
    return f"{value:{form}} {unit} [{bar}: {'yes' if least <= value <= most else 'NO'}]"
