"""A run of thousands of children of which a tenth dies in all sorts of ways; then nothing may be as it should not be.

What dies and how follows from the seed. Afterwards every outcome must be the one that was to be expected, and the
machine as it was: no process, no lock, no descriptor and no temporary file is left.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from scripts.benchmarks import dying_step
from scripts.benchmarks.deaths import LIVES, STEP, Fate, draw
from scripts.benchmarks.proc import children_of
from scripts.benchmarks.world import TAKO, make_emitter, repository_of, world_env
from tako import family, identity
from tako.clock import duration

MARK = "TAKO_BENCH_SOAK"
LEFT_SECONDS = 2.0
"""How long a process of a child may be there after the child's end was told."""

OWN_FDS, FDS_OF_A_CHILD = 32, 8
"""The most descriptors that the root has open for itself and for a child at work: pipes, a stop, a pidfd, a log."""

LOOK_SECONDS = 0.25


def bench_soak(scratch: Path, children: int, cap: int, seed: int) -> bool:
    """Run it and print what came of it; whether all is as it should be."""
    # A thousand core files would be the disk's end, and tell nobody anything.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    # Whatever Tako loses comes to us: then that it lost something is sure, whatever else this machine does.
    if not family.adopt_orphans():
        sys.exit("the soak needs Linux: it must adopt what Tako leaves behind")
    fates = draw(children, seed)
    environment = make_soak_world(scratch, fates)
    print(f"{children} children, {cap} at once, seed {seed}", flush=True)
    watch = Watch(scratch)
    began = time.monotonic()
    code = watch.run(cap, environment)
    took = time.monotonic() - began
    report = json.loads((scratch / "report.json").read_bytes() or b"{}")
    runs = {run["repository"]: run for run in report.get("runs", [])}
    wrong = list(outcome_faults(fates, runs))
    print_ways(fates, wrong)
    faults = [
        *(f"child {child}, {fates[child][0]}: {text}" for child, text in wrong),
        *([f"tako ended with exit code {code}, not 1"] if code != 1 else []),
        *watch.faults(runs),
        *file_faults(scratch),
    ]
    print(f"{duration(took)}, {took / children * 1000:.0f} ms a child; {watch.describe()}")
    if faults:
        kept = scratch.rename(f"{scratch}.kept")
        for fault in faults:
            print(f"NOT AS IT SHOULD BE: {fault.replace(str(scratch), str(kept))}")
        print(f"{len(faults)} faults; all files of the run, and what tako said (`stderr`), are kept in {kept}")
    else:
        print("all is as it should be")
    return not faults


def make_soak_world(scratch: Path, fates: Sequence[tuple[str, Fate]]) -> dict[str, str]:
    """The repositories, plain directories; returns the environment for ``tako``."""
    make_emitter(scratch)
    for number, (_way, fate) in enumerate(fates):
        repository = repository_of(scratch, number)
        repository.mkdir(parents=True)
        (repository / "tako.yml").write_text(json.dumps(subscriber(number, fate)))
    (scratch / "tmp").mkdir()
    environment = {**world_env(scratch), MARK: str(scratch), "TMPDIR": str(scratch / "tmp")}
    dying_step.install(scratch / "plugins", environment)
    return environment


def subscriber(number: int, fate: Fate) -> dict[str, Any]:
    """Its ``tako.yml``: JSON, which is YAML too."""
    resources = {"mem_limit": fate.workflow["mem_limit"]} if "mem_limit" in fate.workflow else {}
    more = {name: value for name, value in fate.workflow.items() if name != "mem_limit"}
    return {
        "version": 1,
        "metadata": {"name": f"bench/child-{number}"},
        "workflows": {"check": {"on": "event", **more, "resources": resources, "steps": [{"id": STEP, **fate.step}]}},
        "subscriptions": [{"artifact": "bench/emitter", "events": ["built"], "workflow": "check"}],
    }


class Watch:
    """Runs the root, and looks at it and at all processes of its tree while it is at work."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._fds: list[tuple[int, int]] = []
        """The root's children and open descriptors, at each look."""
        self._seen: dict[tuple[int, str], tuple[float, str]] = {}
        """When each process of a run was seen the last time, and its command line."""
        self._left: list[str] = []
        self._saw_a_lock = False

    def run(self, cap: int, environment: Mapping[str, str]) -> int:
        """The root's exit code, once it has ended and what it left has had its time."""
        with (self._scratch / "report.json").open("wb") as out, (self._scratch / "stderr").open("wb") as err:
            root = subprocess.Popen(
                [TAKO, "exec", "release", "--local", "--json", "-j", str(cap)],
                cwd=self._scratch / "emitter",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
            try:
                while root.poll() is None:
                    self._look(root.pid)
                    time.sleep(LOOK_SECONDS)
            finally:
                root.terminate()
                root.wait()
        deadline = time.monotonic() + LEFT_SECONDS
        while self._living() and time.monotonic() < deadline:
            time.sleep(0.01)
        self._end_the_rest()
        return root.returncode

    def _look(self, root: int) -> None:
        try:
            self._fds.append((len(children_of(root)), len(os.listdir(f"/proc/{root}/fd"))))
        except OSError:
            return
        self._saw_a_lock = self._saw_a_lock or any(held_below(self._scratch / "home"))
        now = time.time()
        for process in identity.marked(MARK, str(self._scratch)):
            if (variables := read(process.pid, "environ")) and process.pid != root:
                run_id = next((each[12:] for each in variables if each.startswith("TAKO_RUN_ID=")), "")
                self._seen[process.pid, run_id] = now, " ".join(read(process.pid, "cmdline"))
        if sys.stderr.isatty():
            begun = sum(1 for _ in self._scratch.glob("home/workspaces/*/children/*"))
            print(f"\r{begun} begun", end="", file=sys.stderr)

    def _living(self) -> list[int]:
        """What of the tree is left: by its mark, and by having become ours. The ended ones are taken note of."""
        family.reap(family.own_children(), ())
        marked = {each.pid for each in identity.marked(MARK, str(self._scratch))}
        return sorted(marked | {relative.pid for relative in family.descendants(family.own_children())})

    def _end_the_rest(self) -> None:
        for pid in self._living():
            self._left.append(f"{pid}: {' '.join(read(pid, 'cmdline'))}")
            if process := identity.identity_of(pid):
                identity.send(process, signal.SIGKILL)

    def faults(self, runs: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
        """What was seen that should not be there."""
        for text in self._left:
            yield f"still running {LEFT_SECONDS:g} s after the root had ended: {text}"
        ended = {run["run_id"]: moment(run["ended_at"]) for run in runs.values() if run["ended_at"]}
        for (pid, run_id), (when, line) in self._seen.items():
            if when > ended.get(run_id, when) + LEFT_SECONDS:
                yield f"still running {when - ended[run_id]:.1f} s after its child had ended: {pid}: {line}"
        if self._own_fds() > OWN_FDS:
            yield f"the root had {self._own_fds()} descriptors open beside those of the children that it had then"
        if not self._saw_a_lock:
            yield "no lock was seen while the root was at work: whether one is left cannot be told"

    def describe(self) -> str:
        children = max((children for children, _ in self._fds), default=0)
        fds = max((fds for _, fds in self._fds), default=0)
        return f"the root had {children} children and {fds} descriptors open at most"

    def _own_fds(self) -> int:
        """The most that were open beyond what the children account for that were there at the same look."""
        return max((fds - children * FDS_OF_A_CHILD for children, fds in self._fds), default=0)


def read(pid: int, name: str) -> list[str]:
    """The texts of one of the files in ``/proc`` that hold texts."""
    try:
        return Path(f"/proc/{pid}/{name}").read_text(errors="replace").split("\0")
    except OSError:
        return []


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def outcome_faults(
    fates: Sequence[tuple[str, Fate]], runs: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[int, str]]:
    """The children of which something else is said than should be."""
    for number, (_way, fate) in enumerate(fates):
        repo = f"bench/child-{number}"
        run = runs.get(repo)
        if run is None:
            yield number, "nothing is said of it"
            continue
        failure = run["failure"] or {}
        said = {name: failure.get(name) for name in ("kind", "step", "exit_code", "signal")}
        said["status"] = run["status"]
        wanted = expected(fate)
        if any(said[name] != value for name, value in wanted.items()):
            yield number, f"{said} instead of {wanted}: {failure.get('message')} ({run['workspace']})"
        elif fates[number][0] == LIVES and run["outputs"] != {STEP: {"who": repo}}:
            yield number, f"its outputs are {run['outputs']}"


def expected(fate: Fate) -> dict[str, Any]:
    """What must be said of a child."""
    if fate.kind is None:
        return {"status": "success", "kind": None}
    wanted: dict[str, Any] = {"status": "failed", "kind": fate.kind, "step": STEP}
    if fate.exit is not None:
        wanted |= {"exit_code": fate.exit.code, "signal": fate.exit.signal}
    return wanted


def print_ways(fates: Sequence[tuple[str, Fate]], wrong: Sequence[tuple[int, str]]) -> None:
    counts, bad = Counter(way for way, _ in fates), Counter(fates[number][0] for number, _ in wrong)
    kinds: dict[str, set[str]] = {}
    for way, fate in fates:
        kinds.setdefault(way, set()).add(fate.kind or "success")
    for way, count in counts.most_common():
        told = f"{bad[way]} NOT AS EXPECTED" if bad[way] else "as expected"
        print(f"  {count:5d}  {way:45s} {told}: {', '.join(sorted(kinds[way]))}")


def file_faults(scratch: Path) -> Iterator[str]:
    """Files that should not be there, and locks that somebody holds."""
    home = scratch / "home"
    alive = sorted((home / "alive").glob("*.json"))
    halves = sorted(home.rglob("*.tmp"))
    temporary = sorted((scratch / "tmp").iterdir())
    for what, files in {"taken for alive": alive, "half written": halves, "temporary": temporary}.items():
        for path in files:
            yield f"left, {what}: {path}"
    for path in held_below(home):
        yield f"somebody holds {path}"


def held_below(home: Path) -> Iterator[Path]:
    """The lock files below a directory on which anybody holds a lock."""
    held = held_locks()
    for path in home.rglob("*.lock"):
        status = path.stat()
        if (os.major(status.st_dev), os.minor(status.st_dev), status.st_ino) in held:
            yield path


def held_locks() -> set[tuple[int, int, int]]:
    """The files, by major and minor number of their device and by inode, on which anybody holds a lock (proc(5))."""
    held = set()
    for line in Path("/proc/locks").read_text().splitlines():
        # 1: FLOCK  ADVISORY  WRITE 7324 fe:00:2197175 0 EOF; one who waits has "->" for its kind.
        major, minor, inode = line.split()[-3].split(":")
        held.add((int(major, 16), int(minor, 16), int(inode)))
    return held
