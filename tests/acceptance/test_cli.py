"""The command line: options, words, exit codes, streams, whatever the terminal and the reader are."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tako import __version__
from tako.cli.main import COMMANDS
from tests.acceptance.conftest import BIN, Ran, World
from tests.acceptance.observe import entries, wait_for

RELEASE = """\
version: 1
metadata: {name: org/lib}
workflows:
  release:
    description: Builds it and tells the others
    inputs:
      version-bump: {default: patch, validation: {enum: [major, minor, patch]}}
      title: {required: true}
      dry: {type: boolean, default: false}
    steps:
      - {id: build, run: 'echo "built {{ inputs.title }}"', produces: {outputs: {title: from_stdout}}}
      - {id: tell, uses: tako/fan-out@v1, with: {event_type: built, payload: {bump: "{{ inputs['version-bump'] }}"}}}
      - {id: after, run: touch after}
  quick: {steps: [{id: only, run: echo quick}]}
  test:unit: {steps: ["true"]}
  on-event: {on: event, steps: ["true"]}
"""
APP = """\
version: 1
workflows:
  check: {steps: [{id: look, run: echo looking closely}]}
  strict: {steps: [{id: refuse, run: "echo no; exit 7"}]}
subscriptions:
  - {artifact: "org/lib:default", events: [built], workflow: check}
  - {artifact: "org/lib:default", events: [built], workflow: strict, filters: ["payload.bump == 'major'"]}
"""


@pytest.fixture
def lib(world: World) -> Path:
    """A library with a release, and a cached repository that hears of it."""
    world.cached("org/app", APP)
    return world.working("lib", RELEASE)


def run_ids(world: World) -> list[str]:
    """The root runs there were."""
    directory = world.home / "workspaces"
    return sorted(path.name for path in directory.iterdir()) if directory.exists() else []


def on_terminal(world: World, *argv: str, cwd: Path) -> tuple[int, str]:
    """Run a command whose every stream is one terminal; its exit code and what was shown there."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(argv, cwd=cwd, env=world.env, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            data = os.read(ours, 1 << 16)
        except OSError:  # Linux says EIO when the last writer has gone.
            break
        if not data:
            break
        shown += data
    os.close(ours)
    return process.wait(), shown.decode(errors="replace")


# The words that scripts look for


def test_a_successful_run_says_what_scripts_look_for(world: World, lib: Path) -> None:
    ran = world.tako("exec", "release", "--inputs.title=The first", cwd=lib)
    assert ran.code == 0
    (run_id,) = run_ids(world)
    said = ran.err.splitlines()
    assert said[:5] == [
        "Executing workflow 'release'",
        "Inputs:",
        "  version-bump: patch",
        "  title: The first",
        "  dry: false",
    ]
    told = ran.out.splitlines()
    assert told[:2] == [f"Execution completed: {run_id}", "Success: true"]
    assert told[2].startswith("Duration: ")
    assert [line.partition(" (")[0] for line in told[3:6]] == ["  ✓ build", "  ✓ tell", "  ✓ after"]
    assert "Triggered runs: 1 (1 success)" in told
    assert "org/app:check" in ran.out
    assert "looking closely" not in ran.text
    assert "\x1b" not in ran.text


def test_a_failed_run_says_what_scripts_look_for(world: World, lib: Path) -> None:
    ran = world.tako("exec", "release", "-i", "title=x", "-i", "version-bump=major", "-v", cwd=lib)
    assert ran.code == 1
    assert "Success: false" in ran.out
    assert "  ✗ tell (" in ran.out
    assert "after" not in [line.strip() for line in ran.out.splitlines()]
    assert not (lib / "after").exists()
    assert "execution failed: step 'tell' failed: 1 of 2 triggered runs failed: org/app:strict: exit code 7" in ran.err
    assert "step_failed at step 'refuse': exit code 7" in ran.err
    assert "    | no" in ran.err
    (run_id,) = run_ids(world)
    (failed,) = [path for path in (world.workspace(run_id) / "children").iterdir() if (path / "repo").exists()]
    assert f"  logs: {failed}/logs" in ran.err
    assert f"tako replay {run_id} --child {failed.name}\n" in ran.err
    # -v shows what the root's steps print, and the steps of the children.
    assert "[org/lib build] built x" in ran.err
    assert "✓ org/app:check step 'look' success (" in ran.err


def test_json_is_all_that_stdout_holds(world: World, lib: Path) -> None:
    ran = world.tako("exec", "release", "-i", "title=x", "-i", "version-bump=major", "-v", "--json", cwd=lib)
    assert ran.code == 1
    data = ran.json()
    assert (data["success"], data["repository"], data["workflow"]) == (False, "org/lib", "release")
    assert data["run_id"] == run_ids(world)[0]
    assert data["failure"]["kind"] == "fan_out_failed"
    assert {(run["repository"], run["workflow"], run["status"]) for run in data["runs"]} == {
        ("org/app", "check", "success"),
        ("org/app", "strict", "failed"),
    }
    (failed,) = [run for run in data["runs"] if run["failure"]]
    assert (failed["failure"]["step"], failed["failure"]["exit_code"], failed["failure"]["log"]) == (
        "refuse",
        7,
        ["no"],
    )
    assert "Executing workflow 'release'" in ran.err


def test_a_cached_repository_runs_in_a_checkout_of_its_own(world: World) -> None:
    cached = world.cached("org/lib", RELEASE.replace("echo quick", "pwd; touch litter"))
    for name in ("org/lib", "org/lib:main"):
        ran = world.tako("exec", "quick", "--repo", name, "--local", "-v")
        assert ran.code == 0, ran.text
        assert "Repository: org/lib:main" in ran.err
        assert f"/workspaces/{ran.out.splitlines()[0].rpartition(' ')[2]}/repo" in ran.err
    assert not (cached / "litter").exists()


def test_a_checkout_that_cannot_be_made_fails_the_run_and_says_why(world: World) -> None:
    cached = world.cached("org/lib", RELEASE)
    for path in (cached / ".git" / "objects").glob("??/*"):
        path.unlink()
    ran = world.tako("exec", "quick", "--repo", "org/lib")
    assert ran.code == 1
    assert "execution failed: checkout_failed: " in ran.err
    assert "state.json" not in ran.text
    assert "Success: false" in ran.out


# Inputs and the other options


@pytest.mark.parametrize(
    "given",
    [
        ("--inputs.version-bump=minor", "--inputs.title=a=b c"),
        ("--inputs.version-bump", "minor", "--inputs.title", "a=b c"),
        ("-i", "version-bump=minor", "-ititle=a=b c"),
        ("-i", "title=overwritten", "--input", "title=a=b c", "--inputs.version-bump=minor"),
    ],
)
def test_inputs_may_be_spelled_in_several_ways(world: World, lib: Path, given: tuple[str, ...]) -> None:
    ran = world.tako("exec", "--dry-run", "--json", *given, "release", cwd=lib)
    assert ran.code == 0, ran.text
    assert ran.json()["inputs"] == {"version-bump": "minor", "title": "a=b c", "dry": False}


def test_an_input_may_look_like_an_option_and_hold_what_a_shell_would_take_apart(world: World, lib: Path) -> None:
    value = "--json $(touch hit); 'ü' \"\\ *"
    ran = world.tako("exec", "quick", "--", cwd=lib)
    assert ran.code == 0, ran.text
    ran = world.tako("exec", "release", "--dry-run", "--json", "--inputs.title", value, "--inputs.dry", "true", cwd=lib)
    assert ran.json()["inputs"] == {"version-bump": "patch", "title": value, "dry": True}


def test_one_at_a_time_is_one_at_a_time(world: World) -> None:
    trace = world.root / "trace"
    listener = {
        "version": 1,
        "workflows": {"w": {"steps": [f"echo start >> {trace}; sleep 0.2; echo end >> {trace}"]}},
        "subscriptions": [{"artifact": "org/lib:default", "events": ["built"], "workflow": "w"}],
    }
    for name in ("org/a", "org/b"):
        world.cached(name, json.dumps(listener))
    lib = world.working("lib", RELEASE)
    for option in ("-j1", "--max-concurrent-repos=1"):
        trace.unlink(missing_ok=True)
        assert world.tako("exec", "release", "-i", "title=x", option, cwd=lib).code == 0
        assert trace.read_text().split() == ["start", "end"] * 2


def test_another_cache_has_other_subscribers(world: World, lib: Path) -> None:
    moved = world.root / "elsewhere"
    moved.mkdir()
    (world.home / "cache" / "repos").rename(moved / "repos")
    unheard = world.tako("exec", "release", "-i", "title=x", "--root", str(lib))
    assert unheard.code == 0
    assert (
        f"org/lib:release emitted built; no repository subscribed to it (0 looked at in {world.home}/cache/repos)"
        in unheard.err
    )
    heard = world.tako("exec", "release", "-i", "title=x", "--root", "lib", "--cache-dir", str(moved), "--json")
    assert [run["workflow"] for run in heard.json()["runs"]] == ["check"]


def test_a_repository_that_cannot_be_read_is_named_and_with_strict_refuses_the_fan_out(world: World, lib: Path) -> None:
    world.cached("org/broken", "version: 1\nworkflow: {}\n")
    lenient = world.tako("exec", "release", "-i", "title=x", cwd=lib)
    assert lenient.code == 0
    assert "warning: org/broken: " in lenient.err
    assert "unknown field 'workflow' at the top level; did you mean 'workflows'?" in lenient.err

    strict = world.tako("exec", "release", "-i", "title=x", "--strict", "--json", cwd=lib)
    assert strict.code == 1
    assert strict.json()["failure"]["kind"] == "plan_refused"
    assert strict.json()["runs"] == []
    assert "execution failed: step 'tell' failed: " in strict.err
    assert "org/broken" in strict.err

    dry = world.tako("exec", "release", "-i", "title=x", "--strict", "--dry-run", cwd=lib)
    assert "would fail: a repository's tako.yml cannot be read, and --strict was given" in dry.out
    assert "warning: org/broken: " in dry.out


# Dry runs


def test_a_dry_run_says_who_would_run_and_why_and_runs_nothing(world: World) -> None:
    lib = world.working(
        "lib",
        """\
version: 1
metadata: {name: org/lib}
events: {built: {schema_version: 2.0.0, payload: {version: {required: true}, channel: {default: stable}}}}
workflows:
  release:
    inputs: {publish: {type: boolean, default: false}}
    steps:
      - id: build
        run: touch ran; echo 1.0.0
        produces:
          outputs: {version: from_stdout}
          events: [{type: built, payload: {version: "{{ outputs.version }}"}}]
      - {id: tell, uses: tako/fan-out@v1, with: {event_type: built}}
      - id: publish
        if: inputs.publish
        run: touch ran
        produces: {events: [{type: fixed, payload: {n: "8"}}]}
      - {id: gated, if: inputs.publish, uses: tako/fan-out@v1, with: {event_type: built}}
      - {id: fixed, uses: tako/fan-out@v1, with: {event_type: fixed, payload: {n: "7"}}}
      - {id: open, uses: tako/fan-out@v1, with: {event_type: "{{ steps.build.outputs.version }}"}}
""",
    )
    world.cached(
        "org/app",
        """\
version: 1
workflows:
  maybe: {steps: ["touch ran"]}
  surely: {steps: ["touch ran", {id: more, uses: tako/fan-out@v1, with: {event_type: more}}]}
  never: {steps: ["touch ran"]}
  narrow: {inputs: {n: {type: number, validation: {max: 5}}}, steps: ["true"]}
subscriptions:
  - {artifact: "org/lib:x", events: [built], workflow: maybe, filters: ["payload.version == '1.0.0'"]}
  - {artifact: "org/lib:x", events: [built], workflow: surely, filters: ["payload.channel == 'stable'"]}
  - {artifact: "org/lib:x", events: [built], workflow: never, schema_version: ^1.0.0}
  - {artifact: "org/lib:x", events: [built], workflow: never, enabled: false}
  - {artifact: "org/lib:x", events: [fixed], workflow: narrow, inputs: {n: "{{ payload.n }}"}}
""",
    )
    below = "version: 1\nworkflows: {deep: {steps: [{id: back, uses: tako/fan-out@v1, with: {event_type: built}}]}}\n"
    world.cached("org/deep", f"{below}subscriptions: [{{artifact: 'org/app:x', events: [more], workflow: deep}}]\n")
    ran = world.tako("exec", "release", "--dry-run", cwd=lib)
    assert (ran.code, ran.err) == (0, "")
    text = ran.out.replace(f"{world.home}/cache/repos/", "").replace('(Key not found in map : "version")', "(…)")
    header, *rest = text.splitlines()
    assert header == "Executing workflow 'release'"
    assert all(line.startswith("[dry-run] ") for line in rest)
    lines = [re.sub(r" \([^(]*?/tako\.yml:", " (", line.removeprefix("[dry-run] ")) for line in rest]
    lines = [line.replace(", org/app:never (10) and 1 more", "…") for line in lines]
    assert lines == [
        "would run org/lib:release",
        "  build: touch ran; echo 1.0.0",
        "  tell: tako/fan-out@v1",
        "    emits built about the artifact default",
        "    known only when it runs: payload.version",
        "    might run org/app:maybe (8): its filter cannot be evaluated: payload.version == '1.0.0' (…)",
        "      step-1: touch ran",
        "    would run org/app:surely (9): hears built of org/lib:default",
        "      step-1: touch ran",
        "      more: tako/fan-out@v1",
        "        emits more about the artifact default",
        "        would run org/deep:deep (3): hears more of org/app:default",
        "          back: tako/fan-out@v1",
        "            emits built about the artifact default",
        f"            no repository would run anything (2 looked at in {world.home}/cache/repos)",
        "            put a repository there: git clone ADDRESS OWNER/NAME/main",
        "    would not run org/app:never (10): wants schema version ^1.0.0, the event has 2.0.0",
        "    would not run org/app:never (11): is not enabled",
        "    would not run org/app:narrow (12): waits for the events fixed",
        "  publish: touch ran, skipped, since this does not hold: inputs.publish",
        "  gated: tako/fan-out@v1, skipped, since this does not hold: inputs.publish",
        "  fixed: tako/fan-out@v1",
        "    emits fixed about the artifact default",
        "    would run org/app:narrow (12): hears fixed of org/lib:default",
        "      but it would fail: its inputs do not fit: input 'n': value '7' is more than 5",
        "    would not run 4 subscriptions: waits for the events built: org/app:maybe (8), org/app:surely (9)…",
        "  open: tako/fan-out@v1",
        "    emits {{ steps.build.outputs.version }} about the artifact default",
        "    known only when it runs: event_type",
        "    so nothing can be said of its subscribers",
        "nothing was run",
    ]
    assert not (lib / "ran").exists()
    assert run_ids(world) == []

    tell = world.tako("exec", "release", "--dry-run", "--json", cwd=lib).json()["steps"][1]["fan_out"]
    assert [(run["workflow"], run["certain"]) for run in tell["runs"]] == [("maybe", False), ("surely", True)]
    assert tell["runs"][1]["steps"][1]["fan_out"]["runs"][0]["repo"] == "org/deep"


def test_a_dry_run_finds_a_cycle(world: World) -> None:
    content = {
        "version": 1,
        "metadata": {"name": "org/loop"},
        "workflows": {"go": {"steps": [{"uses": "tako/fan-out@v1", "with": {"event_type": "again"}}]}},
        "subscriptions": [{"artifact": "org/loop:default", "events": ["again"], "workflow": "go"}],
    }
    world.cached("org/loop", json.dumps(content))
    ran = world.tako("exec", "go", "--repo", "org/loop", "--dry-run")
    assert ran.code == 0
    assert "but the fan-out would be refused: circular dependency detected: org/loop -> org/loop" in ran.out


# What goes wrong, and with which exit code


def test_what_cannot_be_run_as_asked_ends_with_1(world: World, lib: Path) -> None:
    def said(*arguments: str) -> str:
        ran = world.tako("exec", *arguments, cwd=lib)
        assert (ran.code, ran.out) == (1, ""), ran.text
        assert "Traceback" not in ran.err
        return ran.err

    assert "required input 'title' not provided" in said("release")
    told = said("release", "-i", "title=x", "-i", "version-bump=huge")
    assert "value 'huge' is not in allowed values: major, minor, patch" in told
    told = said("release", "-i", "title=x", "--inputs.titel", "y")
    assert "workflow 'release' has no input 'titel'; its inputs are: version-bump, title, dry" in told
    told = said("relaese")
    assert "workflow 'relaese' not found" in told
    assert "release, test:unit" in told
    assert "workflow 'on-event' of org/lib is started by events only" in said("on-event")
    (lib / "tako.yml").write_text("version: 1\nworkflows: [\n")
    assert "could not unmarshal config" in said("release")
    (lib / "tako.yml").write_bytes(b"\xff\xfe\x00")
    assert "could not unmarshal config" in said("release")
    (lib / "tako.yml").unlink()
    told = said("release")
    assert f"could not unmarshal config: there is no tako.yml in {lib}" in told
    assert "--root DIR or --repo OWNER/NAME" in told
    assert run_ids(world) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("exec", "quick", "--jason"), "No such option '--jason'"),
        (("exec",), "the name of a workflow of org/lib is missing"),
        (("exec", "quick", "more"), "Got unexpected extra argument (more)"),
        (("exec", "quick", "-j", "0"), "0 is not in the range x>=1"),
        (("exec", "quick", "-j", "many"), "'many' is not a valid"),
        (("exec", "quick", "-i", "nothing"), "'nothing' is not an input"),
        (("exec", "quick", "--inputs.title"), "--inputs.title has no value"),
        (("exec", "quick", "--root", ".", "--repo", "org/app"), "--root and --repo exclude each other"),
        (("exec", "quick", "--repo", "app"), "'app' is not a repository's name"),
        (("exec", "quick", "--repo", "../../app"), "is not a repository's name"),
        (("exce", "quick"), "No such command 'exce'. Did you mean 'exec'?"),
        (("completion", "tcsh"), "'tcsh' is not one of 'bash', 'zsh', 'fish'"),
        (("status", "../../etc"), "'../../etc' is not a run id"),
        (("status", "exec-20260101-000000-00000000/.."), "is not a run id"),
        (("status", "exec-20260101-000000-00000000"), "there is no run exec-20260101-000000-00000000"),
        (("artifacts", "build", "--root", "lib"), "there is no artifact with a command"),
    ],
)
def test_wrong_usage_ends_with_2(world: World, lib: Path, arguments: tuple[str, ...], told: str) -> None:
    ran = world.tako(*arguments, cwd=lib.parent if "lib" in arguments else lib)
    assert (ran.code, ran.out) == (2, ""), ran.text
    assert ran.err.startswith("error: ")
    assert told in ran.err
    assert "Traceback" not in ran.err


def test_a_repository_that_is_not_in_the_cache_is_an_error_that_says_where_it_was_looked_for(
    world: World, lib: Path
) -> None:
    ran = world.tako("exec", "check", "--repo", "org/ap", "--local")
    assert (ran.code, ran.out) == (2, "")
    assert f"{world.home}/cache/repos/org/ap: org/ap is not in the cache" in ran.err
    assert "org/app" in ran.err
    ran = world.tako("exec", "check", "--repo", "org/app:v2")
    assert ran.code == 2
    assert "org/app is not in the cache at v2" in ran.err
    assert "it is there at main" in ran.err


# The other commands


def test_validate(world: World, lib: Path) -> None:
    ran = world.tako("validate", "--root", str(lib))
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("Validation successful! ")
    assert "org/lib, 4 workflows, 0 subscriptions" in ran.out
    data = world.tako("validate", "--repo", "org/app", "--json").json()
    assert data == {"valid": True, "repository": "org/app", "problems": [], "warnings": []}

    (lib / "tako.yml").write_text(RELEASE.replace("steps: [{id: only", "stepps: [{id: only"))
    ran = world.tako("validate", cwd=lib)
    assert (ran.code, ran.out) == (2, "")
    place = "tako.yml:14:11"
    assert f"  {place}: unknown field 'stepps' in workflow 'quick'; did you mean 'steps'?" in ran.err
    ran = world.tako("validate", "--json", cwd=lib)
    assert (ran.code, ran.err) == (2, "")
    assert not ran.json()["valid"]
    message = "unknown field 'stepps' in workflow 'quick'; did you mean 'steps'?"
    assert ran.json()["problems"] == [{"file": "tako.yml", "line": 14, "column": 11, "message": message}]
    ran = world.tako("exec", "quick", "--json", cwd=lib)
    assert (ran.code, ran.json()["error"]["problems"][0]["message"]) == (1, message)
    assert f"{place}: {message}" in ran.err

    ran = world.tako("validate", "--root", "nowhere", "--json")
    assert ran.code == 2
    assert "there is no tako.yml in " in ran.json()["error"]["message"]


def test_artifacts_are_built(world: World) -> None:
    lib = world.working(
        "lib",
        """\
version: 1
artifacts:
  wheel: {path: "dist/*.whl", command: "mkdir -p dist; echo building; echo 1 > dist/a.whl"}
  docs: {path: site, command: mkdir site}
  plain: {path: README}
  broken: {path: x, command: "echo cannot >&2; exit 3"}
  empty: {path: y, command: "true"}
""",
    )
    ran = world.tako("artifacts", "build", "wheel", cwd=lib)
    assert (ran.code, ran.err) == (0, "building\n")
    assert re.fullmatch(rf"wheel  {lib}/dist/a\.whl  sha256:[0-9a-f]{{64}}\n", ran.out)
    (built,) = world.tako("artifacts", "build", "docs", "--root", str(lib), "--json").json()
    assert (built["artifact"], built["path"], len(built["sha256"])) == ("docs", f"{lib}/site", 64)
    ran = world.tako("artifacts", "build", "broken", cwd=lib)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "cannot\nerror: building artifact 'broken' failed: exit code 3\n"
    assert "made nothing that matches y" in world.tako("artifacts", "build", "empty", cwd=lib).err
    ran = world.tako("artifacts", "build", "plain", cwd=lib)
    assert ran.code == 2
    assert "there is no artifact 'plain' with a command" in ran.err
    assert "wheel, docs, broken, empty" in ran.err


def test_status_of_runs_that_have_ended(world: World, lib: Path) -> None:
    assert world.tako("status").code == 0
    world.tako("exec", "release", "-i", "title=x", "-i", "version-bump=major", cwd=lib)
    (failed,) = run_ids(world)
    world.tako("exec", "quick", cwd=lib)
    (quick,) = set(run_ids(world)) - {failed}

    listed = {line.split()[0]: line for line in world.tako("status").out.splitlines()}
    assert listed.keys() == {failed, quick}
    assert listed[quick].split()[1:] == ["success", "0", "triggered", "org/lib:quick"]
    assert listed[failed].split()[1:] == ["failed", "2", "triggered", "org/lib:release"]

    told = world.tako("status", failed).out
    assert told.startswith(f"{failed}: failed, ")
    assert "triggered: 1 failed, 1 success" in told
    assert re.search(r"✗ org/lib:release +\S+  fan_out_failed", told)
    assert re.search(r"✓ └─ org/app:check +\S+  after built", told)
    assert re.search(r"✗ ├─ org/app:strict +\S+  after built  step_failed", told)
    assert "org/app:strict: step_failed at step 'refuse': exit code 7" in told

    data = world.tako("status", failed, "--json").json()
    assert (data["run_id"], data["status"], data["workflow"]) == (failed, "failed", "release")
    assert [(run["workflow"], run["status"]) for run in data["runs"]] == [
        ("release", "failed"),
        ("check", "success"),
        ("strict", "failed"),
    ]
    rows = world.tako("status", "--json").json()
    assert {(row["run_id"], row["status"]) for row in rows} == {(failed, "failed"), (quick, "success")}


def test_status_while_a_run_is_at_work_and_after_its_root_was_killed(world: World) -> None:
    lib = world.working("lib", RELEASE)
    world.cached("org/app", APP.replace("echo looking closely", "echo looking; sleep 300"))
    process = world.start("exec", "release", "-i", "title=x", cwd=lib)
    wait_for(lambda: run_ids(world), "the run has a workspace")
    (run_id,) = run_ids(world)
    wait_for(lambda: len(entries(world.workspace(run_id), "started")) == 2, "the child has started")

    told = world.tako("status", run_id).out
    assert told.startswith(f"{run_id}: running; triggered: 1 running\n")
    assert re.search(r"… org/lib:release +\S+  waiting", told)
    assert re.search(r"… └─ org/app:check +\S+  after built  running", told)
    assert world.tako("status").out.split()[:2] == [run_id, "running"]

    process.kill()
    process.wait()
    told = world.tako("status", run_id).out
    assert told.startswith(f"{run_id}: interrupted; triggered: 1 interrupted\n")
    data = world.tako("status", run_id, "--json").json()
    assert (data["status"], [run["status"] for run in data["runs"]]) == ("interrupted", ["interrupted", "interrupted"])


def test_status_of_a_run_whose_files_are_damaged(world: World, lib: Path) -> None:
    world.tako("exec", "quick", cwd=lib)
    (run_id,) = run_ids(world)
    (world.workspace(run_id) / "request.json").write_text("{")
    ran = world.tako("status", run_id)
    assert (ran.code, ran.out) == (3, "")
    assert "the request file is damaged" in ran.err
    ran = world.tako("status")
    assert ran.code == 0
    assert ran.out.split()[:2] == [run_id, "unreadable"]


def test_version_and_help(world: World) -> None:
    version = f"tako {__version__}\n"
    module = [sys.executable, "-m", "tako"]
    for argv in ([str(BIN / "tako"), "version"], [str(BIN / "tako"), "--version"], [*module, "version"]):
        assert world.run(argv) == Ran(0, version, "")
    assert world.tako("version", "--json").json() == {"version": __version__}

    # What click's own group says is what is shown before click is loaded.
    said = world.tako("--help")
    assert said == world.tako() == world.tako("-h") == world.run([*module, "--help"])
    assert (said.code, said.err) == (0, "")
    for name in COMMANDS:
        assert re.search(rf"^  {name}  ", said.out, re.MULTILINE)
    assert "Exit codes:" in said.out
    assert max(len(line) for line in said.out.splitlines()) <= 80


@pytest.mark.parametrize("command", [(name,) for name in COMMANDS] + [("artifacts", "build")])
def test_the_help_of_every_command_has_examples(world: World, command: tuple[str, ...]) -> None:
    ran = world.tako(*command, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"Usage: tako {' '.join(command)} ")
    _, examples = ran.out.split("Examples:\n")
    for line in examples.strip().splitlines():
        assert line.strip().startswith(f"tako {command[0]}")


def test_options_of_help_and_usage_agree(world: World) -> None:
    said = world.tako("exec", "--help").out
    for option in (
        "--root", "--repo", "--cache-dir", "-i, --input", "-j, --max-concurrent-repos", "--local", "--strict",
        "--dry-run", "--json", "-v, --verbose", "--inputs.NAME=VALUE", "--inputs.NAME VALUE",
    ):  # fmt: skip
        assert option in said


# Terminals, pipes, encodings


def test_a_terminal_shows_the_same_words_and_no_colour_where_none_is_wanted(world: World, lib: Path) -> None:
    command = (str(BIN / "tako"), "exec", "release", "-i", "title=x")
    world.env["TERM"] = "xterm-256color"
    code, shown = on_terminal(world, *command, cwd=lib)
    assert code == 0, shown
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    for words in ("Executing workflow 'release'", "Execution completed: exec-", "Success: true", "  ✓ build ("):
        assert words in plain
    assert "\x1b[32m  ✓ build\x1b[0m" in shown

    world.env["NO_COLOR"] = "1"
    code, shown = on_terminal(world, *command, cwd=lib)
    assert code == 0, shown
    assert "Success: true" in shown
    assert not re.search(r"\x1b\[(?:\d+;)*(?:3|4|9|10)[0-8]", shown)

    world.env["TERM"] = "dumb"
    code, shown = on_terminal(world, *command, cwd=lib)
    assert code == 0, shown
    assert "Success: true" in shown
    assert "\x1b" not in shown


PIPED = """\
version: 1
workflows:
  long:
    steps:
      - {id: talk, run: "seq 20000; sleep 0.2; seq 20000"}
      - {id: last, run: touch finished}
      - {id: fail, run: exit 4}
"""


@pytest.mark.parametrize(
    "line",
    [
        "tako exec long -v 2>&1 | head -1",
        "tako exec long -v 2>&1 | head -50",
        "tako exec long | true",
        "tako exec long --json | head -c 1",
        "tako exec long >&-",
        "tako exec long 2>&-",
        "tako exec long <&- >&- 2>&-",
    ],
)
def test_a_run_goes_on_when_nobody_reads_what_it_says(world: World, line: str) -> None:
    lib = world.working("lib", PIPED)
    ran = world.run(["bash", "-c", f"{line}; echo code ${{PIPESTATUS[0]}}"], cwd=lib)
    assert ran.out.endswith("code 1\n")
    assert "Traceback" not in ran.text
    assert "Exception" not in ran.text
    assert (lib / "finished").exists()


def test_a_full_disk_behind_stdout_is_an_error_in_words(world: World, lib: Path) -> None:
    for line in ("tako exec quick", "tako --help", "tako exec --help"):
        ran = world.run(["bash", "-c", f"{line} > /dev/full"], cwd=lib)
        assert ran.code == 3, ran.text
        assert "No space left on device" in ran.err
        assert "Traceback" not in ran.err
    piped = world.run(["bash", "-c", "tako --help | true; tako exec --help | true; tako status | true"], cwd=lib)
    assert piped == Ran(0, "", "")


UNICODE = """\
version: 1
metadata: {name: org/lib}
workflows:
  "déploy ✓":
    inputs: {naïve: {default: é}}
    env: {Ü: ok, CITY: Zürich}
    steps:
      - id: say
        run: |
          echo "{{ inputs['naïve'] }} ✓ $CITY"; printf '\\377\\n'
      - {id: tell, uses: tako/fan-out@v1, with: {event_type: "gebäut", payload: {n: "ß"}}}
"""
UNICODE_APP = """\
version: 1
workflows:
  prüfe: {inputs: {n: {}}, steps: [{id: say, run: "echo {{ inputs.n | shell_quote }} € $TAKO_INPUT_N; exit 1"}]}
subscriptions: [{artifact: "org/lib:x", events: ["gebäut"], workflow: prüfe, inputs: {n: "{{ payload.n }}"}}]
"""


@pytest.mark.parametrize(
    ("environment", "mark"),
    [
        ({"LC_ALL": "C"}, "✗"),
        ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, "✗"),
        ({"PYTHONIOENCODING": "latin-1"}, "\\u2717"),
    ],
)
def test_any_text_in_any_locale(world: World, environment: dict[str, str], mark: str) -> None:
    lib = world.working("lib", UNICODE.replace("Ü: ok, ", ""))
    world.cached("org/app", UNICODE_APP)
    for name in ("LC_ALL", "LANG", "LC_CTYPE", "PYTHONIOENCODING", "PYTHONUTF8"):
        world.env.pop(name, None)
    world.env |= environment
    ran = world.tako("exec", "déploy ✓", "-v", "--inputs.naïve=ñ", cwd=lib)
    assert ran.code == 1, ran.text
    assert f"  {mark} tell (" in ran.out
    assert "Traceback" not in ran.err
    (log,) = (world.home / "workspaces").glob("*/logs/say.log")
    assert log.read_bytes() == "ñ ✓ Zürich\n".encode() + b"\xff\n"
    (log,) = (world.home / "workspaces").glob("*/children/*/logs/say.log")
    assert log.read_bytes() == "ß € ß\n".encode()
    if mark == "✗":
        assert "    | ß € ß" in ran.err
        assert "org/lib:déploy ✓" in world.tako("status").out


def test_names_that_look_like_something_else(world: World) -> None:
    content = {
        "version": 1,
        "workflows": {name: {"steps": ["true"]} for name in ("--json", "--help", "a b", "$x")},
    }
    lib = world.working("-lib", json.dumps(content))
    for name in ("--json", "--help"):
        ran = world.tako("exec", "--", name, cwd=lib)
        assert ran.code == 0, ran.text
        assert f"Executing workflow '{name}'" in ran.err
    for name in ("a b", "$x"):
        assert world.tako("exec", name, "--root=../-lib", cwd=lib).code == 0


def test_an_interrupted_run_says_so(world: World) -> None:
    lib = world.working("lib", RELEASE.replace("echo quick", "touch begun; sleep 300"))
    process = world.start("exec", "quick", cwd=lib)
    wait_for((lib / "begun").exists, "the step has begun")
    process.send_signal(signal.SIGINT)
    ran = world.finish(process)
    assert ran.code == 130
    assert "SIGINT: stopping" in ran.err
    assert "Traceback" not in ran.text
    assert "Success: false" in ran.out
    (run_id,) = run_ids(world)
    assert world.tako("status").out.split()[:2] == [run_id, "interrupted"]
