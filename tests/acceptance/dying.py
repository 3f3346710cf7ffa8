"""Ways of dying among four healthy siblings, and what must be true of each afterwards, whichever way it was.

The siblings are at work, each on a step that waits for the test, from before the first child dies until after the last
one is reported; so nothing that the machine or Tako does about the dying can have passed them by.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tako.execution.failure import (
    FAN_OUT_FAILED,
    STEP_ERROR,
    STEP_FAILED,
    STEP_KILLED,
    STEP_TIMEOUT,
    WORKFLOW_TIMEOUT,
)
from tako.execution.state import FAILED, RUNNING, SUCCESS, read_state
from tako.fanout.journal import Entry
from tako.records import record
from tests.acceptance import wild_steps
from tests.acceptance.conftest import BIN, Ran, World
from tests.acceptance.observe import PATIENCE, entries
from tests.acceptance.recipes import WORKFLOW, config, fan_out, step
from tests.acceptance.remains import is_alive, processes_of_run

ROOT = "dying/root"
SIBLINGS = ("alive/four", "alive/one", "alive/three", "alive/two")
GONE_WITHIN = 2.0
"""Seconds after its report in which the last process of a dead child must be gone."""

TOLD_BY_ITSELF = frozenset({STEP_ERROR, STEP_FAILED, STEP_KILLED, STEP_TIMEOUT, WORKFLOW_TIMEOUT, FAN_OUT_FAILED})
"""Kinds of failure that the child's own state tells. After all others the state is that of the last checkpoint."""


def wild(deed: str, id_: str = "wild", **more: Any) -> dict[str, Any]:
    """A step of the third party's kind, which runs inside the child's process."""
    return {"id": id_, "uses": wild_steps.USES, "with": {"do": deed}, **more}


@record
class Death:
    """One way of dying, and what is to be told of it."""

    steps: tuple[dict[str, Any], ...]
    kind: str
    step: str | None
    """Where it was; None before its first step."""
    exit_code: int | None = None
    signal: int | None = None
    message: tuple[str, ...] = ()
    """Texts that its message must hold."""
    log: str | None = None
    """A text that one of the last lines of its log must hold; None if there is no log."""
    workflow: Mapping[str, Any] = {}
    """More fields of its workflow."""
    hears: str = ROOT
    own_kind: str | None = ""
    """What kind of failure its own ``state.json`` tells, None if it is still that of a run at work; empty for what
    follows from the kind that is reported."""
    leaves_state: bool = True
    """Whether there is a ``state.json`` afterwards."""

    @property
    def kind_on_disk(self) -> str | None:
        """The kind of failure that the child's own state must tell; None if it cannot have come to tell any."""
        return self.own_kind if self.own_kind != "" else self.kind if self.kind in TOLD_BY_ITSELF else None


class Tree:
    """A root whose siblings are at work while children die."""

    def __init__(
        self,
        world: World,
        deaths: Mapping[str, Death],
        *,
        around: tuple[str, ...] = (),
        others: tuple[str, ...] = (),
    ) -> None:
        """``around`` is a command that is given the whole command line of ``tako`` to run.

        ``others`` are as healthy as the siblings, and come after the dying.
        """
        self.world = world
        self.deaths = deaths
        self._around = around
        self._cap = len(SIBLINGS) + len(deaths) + len(others)
        wild_steps.install(world.root / "plugins", world.env)
        # Opened for writing too, so that who reads waits for a line and not for a writer.
        os.mkfifo(world.root / "go-on")
        self._go_on = os.open(world.root / "go-on", os.O_RDWR)
        for name in (*SIBLINGS, *others):
            hold = f'read -r line < {world.root}/go-on; echo "result=$TAKO_REPO" >> "$TAKO_OUTPUT"'
            world.cached(name, config(name, step("work", hold), hears=ROOT))
        for name, death in deaths.items():
            never = step("never", "echo went on")
            world.cached(name, config(name, *death.steps, never, hears=death.hears, **death.workflow))
        world.working("root", config(ROOT, fan_out(), step("after", "true")))

    def start(self) -> subprocess.Popen[str]:
        """Start the root, with room for all at once."""
        tako = [str(BIN / "tako"), "exec", WORKFLOW, "--json", "-j", str(self._cap)]
        self.process = subprocess.Popen(
            [*self._around, *tako],
            cwd=self.world.root / "root",
            env=self.world.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        self.world.started.append(self.process)
        return self.process

    def journal(self, kind: str) -> list[Entry]:
        """What the root has written of one kind so far."""
        workspaces = self.world.home / "workspaces"
        begun = workspaces.is_dir() and any(workspaces.iterdir())
        return entries(self.world.only_workspace(), kind) if begun else []

    def run_ids(self) -> dict[str, str]:
        """The runs that are planned, by repository."""
        planned = {}
        for plan in self.journal("plan"):
            # A repository that cannot be read is left out, with a warning, and would be waited for in vain.
            assert not plan.data["warnings"], plan.data["warnings"]
            planned.update({run["repo"]: run["run_id"] for run in plan.data["runs"]})
        return planned

    def reports(self) -> set[str]:
        """The runs whose ends the root has reported so far."""
        return {entry.data["run_id"] for entry in self.journal("ended")}

    def pid(self, name: str) -> int | None:
        """The process of a repository's child, once it has said hello."""
        run_id = self.run_ids().get(name)
        return next((entry.data["pid"] for entry in self.journal("started") if entry.data["run_id"] == run_id), None)

    def wait_until_all_are_dead(self, seconds: float = PATIENCE) -> None:
        """Wait for the report of each death, and see that nothing of that child is left."""
        deadline = time.monotonic() + seconds
        missing = set(self.deaths)
        while missing:
            reports, run_ids = self.reports(), self.run_ids()
            for name in sorted(missing):
                if run_ids.get(name) in reports:
                    self._assert_gone(name, run_ids[name])
                    missing.discard(name)
            ended = self.process.poll() is not None
            assert not ended, f"the root ended before its siblings: {self.world.finish(self.process).text}"
            assert time.monotonic() < deadline, f"not reported: {sorted(missing)}"
            time.sleep(0.01)

    def _assert_gone(self, name: str, run_id: str) -> None:
        deadline = time.monotonic() + GONE_WITHIN
        while left := [*processes_of_run(run_id), *self.hidden(name)]:
            assert time.monotonic() < deadline, f"{name} was reported, and still there are {left}"
            time.sleep(0.01)

    def hidden(self, name: str) -> list[str]:
        """What is left of those that wrote their pids to a file, since they cleared their environment."""
        file = pids_of(self.world, name)
        pids = file.read_text().split() if file.exists() else []
        return [f"{pid}: hidden" for pid in pids if is_alive(int(pid))]

    def let_go_on(self) -> None:
        """Let the siblings end."""
        os.write(self._go_on, b"\n" * self._cap)

    def finish(self) -> Ran:
        """Wait for the root's end."""
        try:
            return self.world.finish(self.process)
        finally:
            os.close(self._go_on)


def pids_of(world: World, name: str) -> Path:
    """The file to which what hides from others, in the child of a repository, writes its pids, one a line."""
    return world.root / f"{name.replace('/', '-')}.pids"


def die(
    world: World,
    deaths: Mapping[str, Death],
    *,
    code: int = 1,
    around: tuple[str, ...] = (),
    home: Path | None = None,
    seconds: float = PATIENCE,
    meanwhile: Callable[[Tree], object] = lambda _tree: None,
) -> Any:
    """Let children die in all these ways at once, check all that must hold of each, and return the report.

    ``meanwhile`` is called once all have started. ``home`` is where the states of the children are read, if not where
    they were written.
    """
    tree = Tree(world, deaths, around=around)
    tree.start()
    meanwhile(tree)
    tree.wait_until_all_are_dead(seconds)
    tree.let_go_on()
    ran = tree.finish()
    assert ran.code == code, ran.text
    report = ran.json()
    assert report["success"] is False
    status = world.tako("status", report["run_id"], "--json")
    assert status.code == 0, status.text
    for name in SIBLINGS:
        run = run_named(report, name)
        assert (run["status"], run["outputs"]) == (SUCCESS, {"work": {"result": name}}), (name, run)
        assert read_state(f"{run['workspace']}/state.json").status == SUCCESS
    for name, death in deaths.items():
        run = run_named(report, name)
        assert_told(name, death, run, ran.err)
        assert_same_on_disk(death, run, run_named(status.json(), name), home=home or world.home, world=world)
    return report


def run_named(report: Any, name: str) -> Any:
    """The one run of a repository."""
    (run,) = [run for run in report["runs"] if run["repository"] == name]
    return run


def assert_told(name: str, death: Death, run: Any, err: str) -> None:
    """The result and the text name what a death was, and how to look closer."""
    failure = run["failure"]
    code = 128 + death.signal if death.signal is not None else death.exit_code
    expected = {"kind": death.kind, "step": death.step, "exit_code": code, "signal": death.signal}
    assert {key: failure[key] for key in expected} == expected, (name, failure)
    phrases = list(death.message)
    if death.signal is not None:
        phrases.append(signal.Signals(death.signal).name)
    if death.exit_code is not None and death.kind != "no_result":
        phrases.append(f"exit code {death.exit_code}")
    for phrase in phrases:
        assert phrase in failure["message"], (name, phrase, failure)
    log = [line for line in failure["log"] if death.log is not None and death.log in line]
    assert log or death.log is None, (name, failure)
    assert run["status"] == "failed"
    assert run["duration_seconds"] > 0
    home, _, below = run["workspace"].partition("/workspaces/")
    assert run["replay"] == f"TAKO_HOME={home} tako replay {Path(below).parts[0]} --child {run['run_id']}"

    paragraph = err.partition(f"\n{name}:{WORKFLOW} failed after ")[2].partition("\n\n")[0]
    assert f"({run['run_id']})" in paragraph.splitlines()[0], (name, err)
    where = f" at step '{death.step}'" if death.step else ""
    told = [f"  {death.kind}{where}: ", *phrases, f"logs: {run['workspace']}/logs", f"run it again: {run['replay']}"]
    for phrase in told if death.log is None else (*told, death.log):
        assert phrase in paragraph, (name, phrase, paragraph)


def assert_same_on_disk(death: Death, run: Any, retold: Any, *, home: Path, world: World) -> None:
    """``tako status`` tells the same as the result did, and the child's own state is whole and right."""
    for key in ("run_id", "repository", "status", "failure", "outputs", "workspace", "replay", "attempts"):
        assert retold[key] == run[key], (key, retold, run)
    if not death.leaves_state:
        return
    workspace = home / Path(run["workspace"]).relative_to(world.home)
    state = read_state(str(workspace / "state.json"))
    kind = death.kind_on_disk
    told = state.failure.kind if state.failure is not None else None
    assert (state.run_id, state.status, told) == (run["run_id"], FAILED if kind else RUNNING, kind), (run, state)
    if state.failure is not None and kind == death.kind:
        assert state.failure.message == run["failure"]["message"]
    assert json.loads((workspace / "request.json").read_text())["data"]["run_id"] == run["run_id"]
    assert not (workspace / "logs" / "never.log").exists(), "a step ran after the one at which the child died"
