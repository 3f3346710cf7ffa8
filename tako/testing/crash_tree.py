"""A tree that is killed and resumed until it is done, and what must be true of it then.

The root waits for ``left`` and ``right``, each of which emits two events at once. ``left`` waits for ``leaf``, which
one of them triggers, and for ``bottom``; ``right``, which does not wait, triggers ``bottom`` too, which is coalesced:
it runs once for all. Every step adds its name to a diary outside of all runs.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter

from tako import identity
from tako.clock import SystemClock
from tako.errors import StateError
from tako.execution.alive import MARK
from tako.execution.request import read_request
from tako.execution.state import SUCCESS, read_state
from tako.execution.workspace import Workspace, root_workspace, workspaces_dir
from tako.fanout.journal import read_journal
from tako.files import make_dirs
from tako.identity import marked
from tako.ids import is_run_id
from tako.locks import is_held
from tako.process import Processes
from tako.records import record
from tako.signals import signal_group
from tako.testing import make_cached_repo
from tako.testing.crash_points import AFTER, BEFORE, BOTH, CRASH, DURING, ENTRY, ITSELF, KILLED, ROOT, WRITES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from random import Random
    from typing import Any

    from tako.process import Process

REPOSITORIES = ("crash/root", "crash/left", "crash/right", "crash/leaf", "crash/bottom")
EVENT = "made"
WORKFLOW = "work"
PATIENCE_SECONDS = 120.0
MOST_RESUMPTIONS = 60


def make_tree(home: str) -> None:
    """Put the tree's repositories into the cache of a home, without git."""
    for name, content in _configs().items():
        make_cached_repo(home, name, {"tako.yml": json.dumps(content)}, git=False)


def _configs() -> dict[str, Any]:
    # A child that crashes has another try, so that ``bottom`` is not released by what only looks like an end.
    params = {"event_type": EVENT, "retry": {"attempts": 99, "delay": "10ms", "backoff": 1}}
    tell = {"id": "tell", "uses": "tako/fan-out@v1", "with": params}
    on = {**tell, "with": {**params, "wait_for_children": False}}
    steps: dict[str, list[dict[str, Any]]] = {
        "crash/root": [_step("begin"), tell, _step("end")],
        "crash/left": [_step("begin", announces=("a", "b")), tell, _step("end")],
        "crash/right": [_step("begin", announces=("a", "b")), on, _step("end")],
        "crash/leaf": [_step("begin"), _step("end")],
        "crash/bottom": [_step("begin"), _step("end")],
    }
    hears: dict[str, list[dict[str, Any]]] = {
        "crash/left": [{"artifact": "crash/root"}],
        "crash/right": [{"artifact": "crash/root"}],
        "crash/leaf": [{"artifact": "crash/left", "filters": ["event.payload.part == 'b'"]}],
        "crash/bottom": [
            {"artifact": "crash/left", "coalesce": True},
            {"artifact": "crash/right", "coalesce": True},
        ],
    }
    return {
        name: {
            "version": 1,
            "metadata": {"name": name},
            "workflows": {WORKFLOW: {"steps": steps[name]}},
            "subscriptions": [{**each, "events": [EVENT], "workflow": WORKFLOW} for each in hears.get(name, [])],
        }
        for name in REPOSITORIES
    }


def _step(step_id: str, *, announces: tuple[str, ...] = ()) -> dict[str, Any]:
    script = 'echo "$TAKO_REPO $TAKO_STEP_ID" >> "$CRASH_DIARY"; echo "place=$TAKO_REPO" >> "$TAKO_OUTPUT"'
    events = [{"type": EVENT, "payload": {"part": part}} for part in announces]
    return {"id": step_id, "run": script, **({"produces": {"events": events}} if events else {})}


@record
class Ended:
    """How one command ended."""

    code: int | None
    """None if it was killed."""
    text: str


def crashes_at(writes: Iterable[str]) -> list[str]:
    """What ``TAKO_TEST_CRASH`` can ask for at some writes, sorted: every moment of each, every victim."""
    found = []
    for line in sorted(set(writes)):
        # A line of the journal has no temporary name that it could be killed under.
        moments = (BEFORE, AFTER) if " journal-" in line else (BEFORE, DURING, AFTER)
        victims = (ITSELF,) if line.startswith(f"{ROOT} ") else (ITSELF, ROOT, BOTH)
        found += [f"{moment}:{victim}:{line}" for moment in moments for victim in victims]
    return found


class Trial:
    """One run of the tree, in a home of its own, with the cache of another."""

    def __init__(self, directory: str, cache: str) -> None:
        """``directory`` is made; ``cache`` is the ``cache`` of the home that ``make_tree`` filled."""
        self.home = os.path.join(directory, "home")
        self._options = ["-j", "2", "--max-crashes", "99", "--cache-dir", cache]
        self.diary = os.path.join(directory, "diary")
        self._writes = os.path.join(directory, "writes")
        self._clock = SystemClock()
        self._processes = Processes(self._clock)
        self.kills = 0
        """How often somebody outside has killed something; ``crashes`` has them all."""
        self.broken: list[str] = []
        """Invariants that did not hold, in words."""
        self._durable: Counter[tuple[str, str]] = Counter()
        make_dirs(self.home)
        for path in (self.diary, self._writes):
            with open(path, "w", encoding="utf-8"):
                pass

    @property
    def run_id(self) -> str | None:
        """The run's id; None if none has come to be a run."""
        try:
            names = os.listdir(workspaces_dir(self.home))
        except FileNotFoundError:
            return None
        return next((name for name in names if is_run_id(name) and os.path.exists(self._request(name))), None)

    @property
    def crashes(self) -> int:
        """How often something was killed so far."""
        return self.kills + _lines(self._writes).count(KILLED)

    def writes(self) -> list[str]:
        """The writes that were made or begun, as ``crash_points`` names them."""
        return [line for line in _lines(self._writes) if line != KILLED]

    def arguments(self) -> list[str]:
        """What begins the run, or goes on with it."""
        run_id = self.run_id
        if run_id is None:
            return ["exec", WORKFLOW, "--repo", "crash/root", *self._options]
        return ["exec", "--resume", run_id, *self._options]

    def go_on(self, crash: str = "") -> Ended:
        """Begin or resume the run, with a crash or without one, and wait for the end."""
        done = self._processes.run(self._argv(), env=self._env(crash), timeout=PATIENCE_SECONDS)
        if done.timed_out:
            self.broken.append(f"{' '.join(self.arguments())} did not end in time")
        ended = Ended(None if done.exit.signal else done.exit.code, (done.stdout + done.stderr).decode())
        self.take_stock(ended)
        return ended

    def start(self) -> Process:
        """Begin or resume the run, and leave it running; for ``take_stock`` after its end."""
        return self._processes.spawn(self._argv(), env=self._env(""), session=True)

    def kill(self, process: Process, victim: str, random: Random) -> bool:
        """SIGKILL the root of a run that is at work, one of its children, or all; False if there was none left.

        Not a step alone: that is a failure of the workflow's own, which no other try makes good.
        """
        run_id = self.run_id
        below = marked(MARK, run_id) if run_id is not None and victim != ROOT else ()
        if victim == ITSELF:
            children = [each for each in below if _is_child(each.pid)]
            if not children:
                return False
            identity.send(random.choice(children), signal.SIGKILL)
        else:
            if process.poll() is not None:
                return False
            signal_group(process.pid, signal.SIGKILL)
            for each in below:
                identity.send(each, signal.SIGKILL)
        self.kills += 1
        return True

    def wait(self, process: Process) -> Ended:
        """Wait for what ``start`` started, and take stock."""
        deadline = self._clock.monotonic() + PATIENCE_SECONDS
        while (exit_ := process.poll()) is None and self._clock.monotonic() < deadline:
            self._clock.sleep(0.005)
        if exit_ is None:
            self.broken.append("the run did not end in time")
            signal_group(process.pid, signal.SIGKILL)
        ended = Ended(exit_.code if exit_ is not None else None, "")
        self.take_stock(ended)
        return ended

    def take_stock(self, ended: Ended) -> None:
        """After a run has ended or was killed: what is durable from now on, and whether what was so is still."""
        if "Traceback" in ended.text:
            self.broken.append(f"a traceback: {ended.text}")
        # The states first: children outlive their root by moments, and a step may begin and end meanwhile.
        states, begun = self._states(), self._begun()
        for step, times in self._durable.items():
            if begun[step] != times:
                self.broken.append(f"the completed step {step} was run again")
        for state in states:
            for step in state["steps"]:
                key = (state["repo"], step["id"])
                if step["done"] and key not in self._durable:
                    self._durable[key] = begun[key]

    def finish(self) -> Ended:
        """Resume without any more crashes until it is done."""
        ended = self.go_on()
        for _ in range(MOST_RESUMPTIONS):
            if ended.code == 0:
                break
            ended = self.go_on()
        return ended

    def outcome(self) -> dict[str, Any]:
        """What has come of the run, without what differs each time: ids, times, tries, who of two was first."""
        return {
            "runs": sorted(self._states(), key=lambda state: str(state["repo"])),
            "files": sorted({_without_ids(path) for path in self._files()} - {""}),
        }

    def check(self, undisturbed: Mapping[str, Any]) -> list[str]:
        """The invariants that do not hold, now that the run is done."""
        broken = list(self.broken)
        run_id = self.run_id
        if run_id is None:
            return [*broken, "there is no run"]
        outcome = self.outcome()
        for part, wanted in undisturbed.items():
            broken += [f"{part}: there is {each}" for each in outcome[part] if each not in wanted]
            broken += [f"{part}: there is no {each}" for each in wanted if each not in outcome[part]]
        broken += self._not_recorded_once(root_workspace(self.home, run_id))
        broken += [
            f"{step} began {times} times with {self.crashes} crashes"
            for step, times in self._begun().items()
            if times > 1 + self.crashes
        ]
        broken += [f"still running: {process}" for process in marked(MARK, run_id)]
        locks = [path for path in _files_below(self.home) if path.endswith(".lock")]
        broken += [f"still held: {path}" for path in locks if is_held(path)]
        return broken

    def _argv(self) -> list[str]:
        return [sys.executable, ENTRY, *self.arguments()]

    def _env(self, crash: str) -> dict[str, str]:
        return {**os.environ, "TAKO_HOME": self.home, "CRASH_DIARY": self.diary, WRITES: self._writes, CRASH: crash}

    def _request(self, run_id: str) -> str:
        return root_workspace(self.home, run_id).request

    def _begun(self) -> Counter[tuple[str, str]]:
        return Counter((repo, step) for repo, _, step in (line.partition(" ") for line in _lines(self.diary)))

    def _workspaces(self) -> Iterator[Workspace]:
        for directory, names, _files in os.walk(workspaces_dir(self.home)):
            names[:] = [name for name in names if name == "children" or is_run_id(name)]
            if is_run_id(os.path.basename(directory)):
                yield Workspace(directory)

    def _states(self) -> list[dict[str, Any]]:
        found = []
        for workspace in self._workspaces():
            if not os.path.exists(workspace.state):
                continue
            try:
                state, request = read_state(workspace.state), read_request(workspace.request)
            except StateError as error:
                self.broken.append(str(error))
                continue
            steps = [
                {
                    "id": step.id,
                    "status": step.status,
                    "done": step.is_done,
                    "outputs": {**step.outputs, "event_id": ""},
                }
                for step in state.steps
            ]
            heard = sorted(f"{event.source} {event.payload}" for event in request.heard)
            found.append({"repo": state.repo, "status": state.status, "steps": steps, "heard": heard})
        return found

    def _files(self) -> Iterator[str]:
        """What lies in the run's workspace, and of it beside that; a run that has never come to be is another."""
        run_id = self.run_id
        if run_id is not None:
            yield from _files_below(root_workspace(self.home, run_id).path)
        alive = os.path.join(self.home, "alive")
        if not os.path.isdir(alive):
            return
        yield from (os.path.join(alive, name) for name in os.listdir(alive) if is_run_id(name[: len(run_id or "")]))

    def _not_recorded_once(self, workspace: Workspace) -> Iterator[str]:
        entries = read_journal(workspace.journal)
        planned = {run["run_id"] for entry in entries if entry.type == "plan" for run in entry.data["runs"]}
        succeeded = Counter(
            entry.data["run_id"] for entry in entries if entry.type == "ended" and entry.data["status"] == SUCCESS
        )
        if len(planned) != len(REPOSITORIES) - 1:
            yield f"{len(planned)} children were planned"
        for run_id in planned:
            if succeeded[run_id] != 1:
                yield f"{run_id} has {succeeded[run_id]} recorded successes"


def _is_child(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return os.fsencode(ENTRY) in file.read().split(b"\0")
    except OSError:
        return False


def _lines(path: str) -> list[str]:
    with open(path, encoding="utf-8") as file:
        return file.read().splitlines()


def _files_below(home: str) -> Iterator[str]:
    for directory, names, files in os.walk(home):
        yield from (os.path.join(directory, name) for name in files)
        if not names and not files:
            yield directory + "/"


def _without_ids(path: str) -> str:
    """A file by its name and what lies above it; nothing for a log, which may be among those of an earlier try."""
    parts = ["RUN" if is_run_id(part) else part for part in path.split("/")][-3:]
    return "" if parts[1] == "logs" or parts[1].startswith("attempt-") else "/".join(parts)
