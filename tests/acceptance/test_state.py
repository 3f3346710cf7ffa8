"""What lies on the disk: whole at every moment, each run's own, and no more than is needed afterwards."""

from __future__ import annotations

import glob
import json
import os
import re
import subprocess
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from tako.clock import SystemClock
from tako.errors import StateError
from tako.execution.state import read_state
from tako.locks import exclusive
from tests.acceptance.conftest import World
from tests.acceptance.observe import wait_for
from tests.acceptance.recipes import WORKFLOW, config, fan_out, step
from tests.acceptance.trees import Running

ROOT = "state/root"
RUN_ID = re.compile(r"exec-\d{8}-\d{6}-[0-9a-f]{8}")


def make_root(world: World, *before: dict[str, Any]) -> Path:
    """A root that tells all who hear it."""
    return world.working("root", config(ROOT, *before, fan_out(), step("after", "true")))


def hearer(world: World, name: str, *steps: dict[str, Any], **files: str) -> Path:
    """A cached repository that runs some steps because of the root."""
    return world.cached(name, config(name, *steps, hears=ROOT), files)


def run_named(report: Any, name: str) -> Any:
    """The one run of a repository."""
    (run,) = [run for run in report["runs"] if run["repository"] == name]
    return run


class Reader(threading.Thread):
    """Reads every state file there is, again and again, until told to stop."""

    def __init__(self, home: Path) -> None:
        super().__init__()
        self._home = home
        self._enough = threading.Event()
        self.seen: Counter[str] = Counter()
        self.steps_seen: set[int] = set()
        self.faults: list[str] = []

    def run(self) -> None:
        while not self._enough.is_set():
            for path in glob.glob(f"{self._home}/workspaces/**/state.json", recursive=True):
                try:
                    state = read_state(path)
                except StateError as error:
                    self.faults.append(str(error))
                else:
                    self.seen[state.status] += 1
                    self.steps_seen.add(len(state.steps))

    def finish(self) -> None:
        """Stop reading."""
        self._enough.set()
        self.join()


def test_a_state_can_be_read_at_every_moment_of_a_run(world: World) -> None:
    # Outputs of 60 kB each make writing take its time.
    large = [
        step(f"s{number}", "head -c 60000 /dev/zero | tr '\\0' x", produces={"outputs": {"text": "from_stdout"}})
        for number in range(12)
    ]
    hearer(world, "state/large", *large)
    root = make_root(world, *large[:4])
    reader = Reader(world.home)
    reader.start()
    try:
        ran = world.tako("exec", WORKFLOW, cwd=root)
    finally:
        reader.finish()

    assert ran.code == 0, ran.text[-2000:]
    assert reader.faults == []
    assert reader.seen["running"] > 0
    assert len(reader.steps_seen) > 4, "hardly anything was seen of the run"


def test_a_damaged_state_is_named_and_a_child_that_has_no_other_begins_anew(world: World) -> None:
    hearer(world, "state/flaky", step("test", "exit 5"))
    run = run_named(world.tako("exec", WORKFLOW, "--json", cwd=make_root(world)).json(), "state/flaky")
    state = Path(run["workspace"], "state.json")
    state.write_text(state.read_text().replace('"exit_code":5', '"exit_code":0'))

    ran = world.child(run["workspace"])
    assert ran.code == 1, ran.text
    damaged = f"{state}: the state file is damaged: "
    assert f"{damaged}its content does not match its checksum; going by {state}.bak" in ran.err
    for path in (state, Path(f"{state}.bak")):
        path.write_bytes(path.read_bytes()[:100])
    ran = world.child(run["workspace"])
    assert ran.code == 1, ran.text
    assert f"{damaged}it is not a complete JSON document; its backup cannot be used either" in ran.err
    assert f"{state}.bak: the state file is damaged" in ran.err
    assert "this run begins anew" in ran.err
    assert "Traceback" not in ran.text
    assert read_state(str(state)).status == "failed"


def test_a_child_that_succeeded_keeps_its_state_and_logs_only(world: World) -> None:
    hearer(world, "state/good", step("say", "echo a good word"))

    ran = world.tako("exec", WORKFLOW, "--json", cwd=make_root(world))

    assert ran.code == 0, ran.text
    run = run_named(ran.json(), "state/good")
    workspace = Path(run["workspace"])
    assert sorted(path.name for path in workspace.iterdir()) == [
        "locks",
        "logs",
        "request.json",
        "state.json",
        "state.json.bak",
    ]
    assert (workspace / "logs" / "say.log").read_text() == "a good word\n"
    state = read_state(str(workspace / "state.json"))
    assert (state.run_id, state.status) == (run["run_id"], "success")


def test_a_child_that_failed_keeps_everything(world: World) -> None:
    script = "echo half done > made.txt; echo x=1 >> $TAKO_OUTPUT; exit 5"
    hearer(world, "state/bad", step("make", script), **{"kept.txt": "as it was\n"})

    ran = world.tako("exec", WORKFLOW, "--json", cwd=make_root(world))

    assert ran.code == 1, ran.text
    workspace = Path(run_named(ran.json(), "state/bad")["workspace"])
    assert (workspace / "repo" / "made.txt").read_text() == "half done\n"
    assert (workspace / "repo" / "kept.txt").read_text() == "as it was\n"
    assert (workspace / "repo" / ".git").is_dir()
    left = {path.name: path.read_text() for path in (workspace / "tmp").iterdir()}
    assert left == {"make.output": "x=1\n", "inputs.json": "{}\n"}
    assert read_state(str(workspace / "state.json")).status == "failed"


def test_a_root_in_a_checkout_of_its_own_is_treated_alike(world: World) -> None:
    for name, script in {"good": "true", "bad": "false"}.items():
        world.cached(f"state/{name}", config(f"state/{name}", step("a", script)))

    workspaces = {
        name: world.workspace(world.tako("exec", WORKFLOW, "--repo", f"state/{name}", "--json").json()["run_id"])
        for name in ("good", "bad")
    }

    assert not (workspaces["good"] / "repo").exists()
    assert (workspaces["bad"] / "repo" / "tako.yml").is_file()


def test_all_run_ids_have_the_one_form_and_name_the_directories(world: World) -> None:
    hearer(world, "state/one", step("a", "true"))
    hearer(world, "state/two", step("a", "true"))

    report = world.tako("exec", WORKFLOW, "--json", cwd=make_root(world)).json()

    ids = [report["run_id"], *(run["run_id"] for run in report["runs"])]
    assert len(set(ids)) == 3
    for run_id in ids:
        assert RUN_ID.fullmatch(run_id)
    assert world.only_workspace().name == ids[0]
    assert {path.name for path in (world.only_workspace() / "children").iterdir()} == set(ids[1:])


def test_twenty_runs_at_the_same_time_keep_out_of_each_others_way(world: World) -> None:
    hearer(world, "state/one", step("tell", 'echo "$TAKO_ROOT_RUN_ID"', produces={"outputs": {"root": "from_stdout"}}))
    root = make_root(world, step("say", 'echo "$TAKO_RUN_ID"', produces={"outputs": {"me": "from_stdout"}}))

    processes = [world.start("exec", WORKFLOW, "--json", cwd=root) for _ in range(20)]
    reports = [finished(world, process) for process in processes]

    ids = {report["run_id"] for report in reports}
    assert len(ids) == 20
    assert {path.name for path in (world.home / "workspaces").iterdir()} == ids
    for report in reports:
        assert report["steps"][0]["outputs"]["me"] == report["run_id"]
        (run,) = report["runs"]
        assert run["outputs"]["tell"]["root"] == report["run_id"]
        assert Path(run["workspace"]).parent.parent.name == report["run_id"]
        assert read_state(str(world.workspace(report["run_id"]) / "state.json")).status == "success"


def finished(world: World, process: subprocess.Popen[str]) -> Any:
    """The report of a run that must have succeeded."""
    ran = world.finish(process)
    assert ran.code == 0, ran.text
    return ran.json()


def test_one_cached_repository_is_checked_out_twice_at_once(world: World) -> None:
    # The first to come waits for the other in its own checkout, so both are there at the same time.
    meet = f'touch {world.root}/$TAKO_STEP_ID; echo "$TAKO_STEP_ID" > mine; git add mine; git commit -q -m mine; '
    meet += f"until [ -e {world.root}/one -a -e {world.root}/two ]; do sleep 0.02; done; cat mine"
    twice = json.loads(config("state/twice", hears=[ROOT, ROOT]))
    twice["workflows"] = {
        name: {"steps": [step(name, meet, produces={"outputs": {"mine": "from_stdout"}})]} for name in ("one", "two")
    }
    for subscription, name in zip(twice["subscriptions"], ("one", "two"), strict=True):
        subscription["workflow"] = name
    world.cached("state/twice", json.dumps(twice))

    ran = world.tako("exec", WORKFLOW, "-j", "2", "--json", cwd=make_root(world))

    assert ran.code == 0, ran.text
    runs = ran.json()["runs"]
    assert {run["workflow"]: run["outputs"][run["workflow"]]["mine"] for run in runs} == {"one": "one", "two": "two"}


def test_a_checkout_waits_for_who_changes_the_cache(world: World) -> None:
    go = world.root / "go"
    hearer(world, "state/early", step("hold", f"touch {go}.there; until [ -e {go} ]; do sleep 0.02; done"))
    cached = hearer(world, "state/late", step("read", "cat kept.txt"), **{"kept.txt": "as it was\n"})
    lock = world.home / "cache" / "locks" / "state" / "late" / "main.lock"
    aside = world.root / "aside"

    with exclusive(str(lock), clock=SystemClock(), timeout=10):
        running = Running(world, "exec", WORKFLOW, "-j", "1", "--json", cwd=make_root(world))
        wait_for(Path(f"{go}.there").exists, "the plan was made, and the first of the two was at work")
        cached.rename(aside)
        go.touch()
        running.wait_for("waiting since")
        aside.rename(cached)
    ran = running.finish()

    assert ran.code == 0, ran.text
    run = run_named(ran.json(), "state/late")
    assert (Path(run["workspace"]) / "logs" / "read.log").read_text() == "as it was\n"
    (told,) = [line for line in ran.err.splitlines() if "waiting since" in line]
    assert told.startswith(f"state/late:{WORKFLOW} ({run['run_id']}): waiting since 20")
    assert f" for {lock}, held by process {os.getpid()} (" in told
