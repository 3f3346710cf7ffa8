"""Measures whole runs of ``tako`` against floors taken in the same run, and prints medians and ratios.

Nothing here passes or fails: the figures are for people to read.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from runner_child import ENTRY

PYTHON = sys.executable
ROOT = str(Path(ENTRY).parents[1])
TAKO = str(Path(PYTHON).parent / "tako")

EMITTER = """\
version: 1
metadata: {name: bench/emitter}
workflows:
  release:
    steps:
      - uses: tako/fan-out@v1
        with: {event_type: built, payload: {version: "1.0.0"}}
"""

SUBSCRIBER = """\
version: 1
metadata: {name: bench/child-%(number)d}
workflows:
  check:
    on: event
    steps:
      - %(script)s
subscriptions:
  - artifact: bench/emitter
    events: [built]
    workflow: check
"""


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
            case "profile":
                profile(Path(scratch))


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


def make_world(root: Path, children: int, script: str) -> Path:
    """A Tako home with an emitter and that many subscribers, each a git repository of 30 files."""
    emitter = root / "emitter"
    emitter.mkdir(parents=True)
    (emitter / "tako.yml").write_text(EMITTER)
    template = root / "template"
    for number in range(30):
        file = template / f"d{number % 5}" / f"f{number}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(str(line) for line in range(200)))
    git(template, "init", "-q", "-b", "main")
    git(template, "add", ".")
    git(template, "commit", "-qm", "files")
    for number in range(children):
        repository = root / "home" / "cache" / "repos" / "bench" / f"child-{number}" / "main"
        shutil.copytree(template, repository)
        (repository / "tako.yml").write_text(SUBSCRIBER % {"number": number, "script": script})
    return root


def git(directory: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=bench", "-c", "user.email=bench@localhost")
    subprocess.run(
        ["git", "-C", str(directory), *identity, *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def world_env(world: Path) -> dict[str, str]:
    return {**os.environ, "TAKO_HOME": str(world / "home")}


def tako_command(cap: int) -> list[str]:
    return [TAKO, "exec", "release", "--local", "-j", str(cap)]


def run_tako(world: Path, cap: int) -> None:
    """One whole run; the workspaces of the one before are removed first, untimed runs pay for that."""
    done = subprocess.run(
        [*tako_command(cap), "--json"], cwd=world / "emitter", env=world_env(world), capture_output=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"tako failed:\n{done.stderr.decode()}")
    if not all(run["status"] == "success" for run in json.loads(done.stdout)["runs"]):
        sys.exit("a child did not succeed")


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


def progress(rounds: int, what: str) -> Iterator[int]:
    """Count on stderr, where somebody looks."""
    for number in range(rounds):
        if sys.stderr.isatty():
            print(f"\r{what} {number + 1} of {rounds}", end="\n" if number + 1 == rounds else "", file=sys.stderr)
        yield number


if __name__ == "__main__":
    main()
