"""The same thing is delivered once: across runs, between processes, whoever is killed when."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Ran, World
from tests.acceptance.observe import entries, wait_for
from tests.acceptance.recipes import WORKFLOW, config, fan_out, step

ROOT = "once/root"
APP = "once/app"
KEYED = {"idempotency_key": "v-{{ inputs.version }}"}
VERSION = {"inputs": {"version": {"default": "1"}, "more": {"default": ""}}}


def make_root(world: World, **params: Any) -> Path:
    """A root that tells of a version."""
    return world.working("root", config(ROOT, fan_out(**params), **VERSION))


def hearer(world: World, script: str = "true", *, name: str = APP) -> Path:
    """A subscriber that leaves a line in ``world.root/effects`` for each time that it runs, then runs a script."""
    note = f'echo "$TAKO_RUN_ID $TAKO_IDEMPOTENCY_KEY $TAKO_ATTEMPT" >> {world.root}/effects'
    outputs = {"produces": {"outputs": {"made": "from_stdout"}}}
    return world.cached(name, config(name, step("work", f"{note}\n{script}\necho made", **outputs), hears=ROOT))


def effects(world: World) -> list[list[str]]:
    """Run id, key and attempt of each time that a subscriber ran."""
    path = world.root / "effects"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def run_of(ran: Ran) -> Any:
    """The one triggered run."""
    (run,) = ran.json()["runs"]
    return run


def execute(world: World, root: Path, *arguments: str) -> Ran:
    return world.tako("exec", WORKFLOW, "--json", *arguments, cwd=root)


def events(world: World, *arguments: str) -> Any:
    return world.tako("events", *arguments, "--json").json()


def test_a_second_run_with_the_same_key_starts_nothing_and_has_the_first_ones_outcome(world: World) -> None:
    hearer(world)
    root = make_root(world, **KEYED)
    first, second, other = execute(world, root), execute(world, root), execute(world, root, "-i", "version=2")

    assert [ran.code for ran in (first, second, other)] == [0, 0, 0]
    assert len(effects(world)) == 2
    did, was_told = run_of(first), run_of(second)
    assert (did["delivered_by"], was_told["delivered_by"]) == (None, did["run_id"])
    assert was_told["outputs"] == did["outputs"] != {}
    assert not Path(was_told["workspace"]).exists()
    assert run_of(other)["delivered_by"] is None
    told = world.tako("status", second.json()["run_id"])
    assert f"delivered by {did['run_id']}" in told.out


def test_steps_see_a_key_that_is_the_same_for_every_delivery_of_the_same(world: World) -> None:
    hearer(world)
    root = make_root(world, **KEYED)
    execute(world, root)
    event_id = events(world, "list")[0]["event_id"]
    plain = world.working("plain", config(ROOT, fan_out(), **VERSION))
    execute(world, plain)
    keys = [key for _, key, _ in effects(world)]
    assert keys[0] == f"{ROOT}:made:v-1:{APP}:{WORKFLOW}:work"
    assert keys[1] == f"{events(world, 'list')[0]['event_id']}:{APP}:{WORKFLOW}:work"
    assert event_id not in keys[0]


def test_a_failure_is_returned_and_a_resumed_run_does_it_again(world: World) -> None:
    hearer(world, f"test -e {world.root}/mended || exit 3")
    root = make_root(world, **KEYED)
    first, second = execute(world, root), execute(world, root)

    assert (first.code, second.code) == (1, 1)
    assert len(effects(world)) == 1
    failure = run_of(second)["failure"]
    assert (failure["kind"], failure["step"], failure["exit_code"]) == ("step_failed", "work", 3)
    assert run_of(first)["run_id"] in failure["message"]
    assert run_of(second)["replay"] is None
    (world.root / "mended").touch()
    resumed = world.tako("exec", "--resume", second.json()["run_id"], "--json")
    assert resumed.code == 0, resumed.text
    assert (len(effects(world)), run_of(resumed)["delivered_by"]) == (2, None)


def test_idempotent_makes_keys_of_what_events_say(world: World) -> None:
    hearer(world)
    root = make_root(world, payload={"version": "{{ inputs.version }}"})
    assert execute(world, root, "--idempotent").code == 0
    again = execute(world, root, "--idempotent", "-i", "more=x")
    assert run_of(again)["delivered_by"] == effects(world)[0][0]
    assert run_of(execute(world, root, "--idempotent", "-i", "version=2"))["delivered_by"] is None
    assert run_of(execute(world, root))["delivered_by"] is None
    assert [row["key"] is None for row in events(world, "list")] == [True, False, False, False]


def test_an_empty_key_is_none_and_an_impossible_one_fails_the_step(world: World) -> None:
    hearer(world)
    root = make_root(world, idempotency_key="{{ inputs.more }}")
    assert execute(world, root).code == execute(world, root).code == 0
    assert len(effects(world)) == 2
    for wrong in ("x" * 257, "a\tb"):
        ran = execute(world, root, "-i", f"more={wrong}")
        assert ran.code == 1
        assert "the idempotency key" in ran.json()["failure"]["message"]


def test_the_retention_can_be_set(world: World) -> None:
    hearer(world)
    root = make_root(world, **KEYED)
    execute(world, root)
    world.env["TAKO_IDEMPOTENCY_RETENTION"] = "1ms"
    assert run_of(execute(world, root))["delivered_by"] is None
    world.env["TAKO_IDEMPOTENCY_RETENTION"] = "1d"
    assert run_of(execute(world, root))["delivered_by"] == effects(world)[1][0]
    world.env["TAKO_IDEMPOTENCY_RETENTION"] = "soon"
    ran = execute(world, root)
    assert ran.code == 2
    assert "TAKO_IDEMPOTENCY_RETENTION" in ran.err


def test_of_several_processes_at_the_same_moment_one_does_the_work(world: World) -> None:
    go = world.root / "go"
    hearer(world, f"while ! test -e {go}; do sleep 0.02; done")
    hearer(world, name="once/other")
    root = make_root(world, **KEYED)
    places = (root, copy_of(root, "second"), copy_of(root, "third"))
    running = [world.start("exec", WORKFLOW, "--json", "-j", "1", cwd=place) for place in places]
    # One is at work, in its only place; the others wait, and have their places for the other subscriber.
    wait_for(lambda: _ended_besides_app(world) == 2, "the one place is not held by who waits")
    go.touch()
    done = [world.finish(process) for process in running]

    assert [ran.code for ran in done] == [0, 0, 0]
    runs = [run for ran in done for run in ran.json()["runs"] if run["repository"] == APP]
    (did,) = [run for run in runs if run["delivered_by"] is None]
    assert [run["delivered_by"] for run in runs].count(did["run_id"]) == 2
    assert len(effects(world)) == 2
    waited = [ran.err for ran in done if "is delivering the same" in ran.err]
    assert len(waited) >= 2
    assert did["run_id"] in waited[0]


def copy_of(root: Path, name: str) -> Path:
    """The same repository in another directory: in one, a second run waits for the first."""
    return Path(shutil.copytree(root, root.parent / name))


def _ended_besides_app(world: World) -> int:
    """How many trees have their other subscriber done."""
    found = [entries(path, "ended") for path in world.home.glob("workspaces/*")]
    return sum(bool(each) for each in found)


def test_ctrl_c_ends_the_waiting_and_the_resumed_run_has_the_outcome(world: World) -> None:
    go = world.root / "go"
    hearer(world, f"while ! test -e {go}; do sleep 0.02; done")
    root = make_root(world, **KEYED)
    first = world.start("exec", WORKFLOW, "--json", cwd=root)
    wait_for(lambda: effects(world), "the first one is at work")
    (first_workspace,) = (world.home / "workspaces").iterdir()
    second = world.start("exec", WORKFLOW, cwd=copy_of(root, "second"))
    wait_for(lambda: len(list((world.home / "workspaces").iterdir())) == 2, "the second one has begun")
    (waiting,) = set((world.home / "workspaces").iterdir()) - {first_workspace}
    wait_for(lambda: entries(waiting, "plan"), "the second one has planned")
    second.send_signal(signal.SIGINT)
    assert world.finish(second).code == 130
    go.touch()
    assert world.finish(first).code == 0
    resumed = world.tako("exec", "--resume", waiting.name, "--json")
    assert resumed.code == 0, resumed.text
    assert (run_of(resumed)["delivered_by"], len(effects(world))) == (effects(world)[0][0], 1)


def test_who_waits_takes_over_from_a_root_that_is_killed(world: World) -> None:
    hearer(world, f"test -e {world.root}/second || sleep 600")
    root = make_root(world, **KEYED)
    first = world.start("exec", WORKFLOW, cwd=root)
    wait_for(lambda: effects(world), "the first one is at work")
    second = world.start("exec", WORKFLOW, "--json", cwd=copy_of(root, "second"))
    wait_for(lambda: len(events(world, "list")) == 2, "the second one has planned")
    (world.root / "second").touch()
    first.kill()
    ran = world.finish(second)
    assert ran.code == 0, ran.text
    assert (run_of(ran)["delivered_by"], len(effects(world))) == (None, 2)


DRIVER = """
import os, signal, sys
from tako.fanout.ledger import Ledger
def die(*_args, **_more):
    os.kill(os.getpid(), signal.SIGKILL)
Ledger.acknowledge = die
sys.argv = ["tako", *sys.argv[1:]]
from tako.__main__ import main
main()
"""


def die_before_the_acknowledgement(world: World, root: Path) -> str:
    """A run that is killed when the child has succeeded and the ledger does not know; its id."""
    ran = world.run([sys.executable, "-c", DRIVER, "exec", WORKFLOW], cwd=root)
    assert ran.code == -signal.SIGKILL, ran.text
    (event,) = events(world, "list")
    assert event["outcomes"] == {"pending": 1}
    return str(event["root_run_id"])


def test_after_a_crash_before_the_acknowledgement_a_resumed_run_acknowledges_and_repeats_nothing(world: World) -> None:
    hearer(world)
    root = make_root(world, **KEYED)
    run_id = die_before_the_acknowledgement(world, root)
    assert len(effects(world)) == 1
    resumed = world.tako("exec", "--resume", run_id, "--json")

    assert resumed.code == 0, resumed.text
    assert len(effects(world)) == 1
    (event,) = events(world, "list")
    assert event["outcomes"] == {"success": 1}
    second = execute(world, root)
    assert (run_of(second)["delivered_by"], len(effects(world))) == (effects(world)[0][0], 1)


def test_after_a_crash_before_the_acknowledgement_another_run_finds_the_outcome_too(world: World) -> None:
    hearer(world)
    root = make_root(world, **KEYED)
    run_id = die_before_the_acknowledgement(world, root)
    second = execute(world, root)
    assert (run_of(second)["delivered_by"], len(effects(world))) == (effects(world)[0][0], 1)
    assert [row["outcomes"] for row in events(world, "list")] == [{"success": 1}, {"success": 1}]
    assert world.tako("exec", "--resume", run_id).code == 0
    assert len(effects(world)) == 1


def test_without_keys_every_run_delivers(world: World) -> None:
    hearer(world)
    root = make_root(world)
    assert [execute(world, root).code for _ in range(2)] == [0, 0]
    assert len(effects(world)) == 2


def test_a_damaged_ledger_costs_only_what_it_knew(world: World) -> None:
    hearer(world)
    root = make_root(world, **KEYED)
    execute(world, root)
    database = world.home / "events.db"
    for path in world.home.glob("events.db-*"):
        path.unlink()
    database.write_bytes(b"no database")
    ran = execute(world, root)

    assert ran.code == 0, ran.text
    (aside,) = world.home.glob("events.db.damaged-*")
    assert f"the delivery ledger {database} was damaged" in ran.err
    assert str(aside) in ran.err
    assert run_of(ran)["delivered_by"] is None
    assert len(events(world, "list")) == 1


def test_a_moved_home_keeps_what_was_delivered(world: World) -> None:
    hearer(world)
    root = make_root(world, **KEYED)
    run_id = die_before_the_acknowledgement(world, root)
    moved = world.root / "elsewhere"
    world.home.rename(moved)
    world.env["TAKO_HOME"] = str(moved)
    ran = execute(world, root)
    assert run_of(ran)["delivered_by"] == effects(world)[0][0]
    assert run_id in json.dumps(events(world, "list"))


@pytest.mark.parametrize("arguments", [("version",), ("--help",), ("status",), ("exec", "quiet")])
def test_sqlite_is_loaded_only_where_it_is_needed(world: World, arguments: tuple[str, ...]) -> None:
    root = world.working("quiet", json.dumps({"version": 1, "workflows": {"quiet": {"steps": ["true"]}}}))
    code = (
        "import sys; sys.argv = ['tako', *sys.argv[1:]]; from tako.__main__ import main\n"
        "try: main()\nfinally: print('loaded:', 'sqlite3' in sys.modules, file=sys.stderr)"
    )
    ran = world.run([sys.executable, "-c", code, *arguments], cwd=root)
    assert "loaded: False" in ran.err, ran.text
    assert not (world.home / "events.db").exists()


def test_a_child_loads_no_sqlite(world: World) -> None:
    hearer(world, "grep -c sqlite /proc/$PPID/maps; true")
    ran = execute(world, make_root(world, **KEYED))
    log = Path(run_of(ran)["workspace"], "logs", "work.log").read_text()
    assert log.splitlines()[0] == "0"


def test_a_resumed_run_stays_idempotent_and_takes_no_option_for_it(world: World) -> None:
    hearer(world, f"test -e {world.root}/mended || kill -9 $PPID; exit 0")
    root = make_root(world)
    failed = execute(world, root, "--idempotent")
    assert failed.code == 1
    run_id = failed.json()["run_id"]
    ran = world.tako("exec", "--resume", run_id, "--idempotent")
    assert ran.code == 2
    assert "--resume does not go with --idempotent" in ran.err
    (world.root / "mended").touch()
    assert world.tako("exec", "--resume", run_id).code == 0
    assert run_of(execute(world, root, "--idempotent"))["delivered_by"] == effects(world)[-1][0]


def test_the_ledger_of_a_run_is_whole_for_other_readers_at_every_moment(world: World) -> None:
    names = [f"once/app{number}" for number in range(6)]
    for name in names:
        hearer(world, name=name)
    running = world.start("exec", WORKFLOW, "-j", "2", cwd=make_root(world, **KEYED))
    seen = set()
    while running.poll() is None:
        if (world.home / "events.db").exists():
            seen.add(tuple(_statuses(world.home / "events.db")))
    assert world.finish(running).code == 0
    assert _statuses(world.home / "events.db") == ["success"] * 6
    assert {len(each) for each in seen if each} == {6}


def _statuses(path: Path) -> list[str | None]:
    raw = sqlite3.connect(path, timeout=10)
    try:
        # Between its making and its first transaction it has no tables.
        if not raw.execute("SELECT 1 FROM sqlite_master WHERE name = 'deliveries'").fetchone():
            return []
        return [status for (status,) in raw.execute("SELECT outcome FROM deliveries")]
    finally:
        raw.close()
