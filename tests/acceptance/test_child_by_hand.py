"""Debugging one child: ``python -m runner_child`` by hand, alone, as the failure message tells a user to do."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tako.children.protocol import Conversation, Hello, Result
from tests.acceptance.conftest import Ran, World
from tests.acceptance.observe import wait_for

PARENT = """\
version: 1
metadata: {name: org/lib}
workflows:
  release:
    steps:
      - {id: make, run: "echo made > lib.txt", produces: {artifact: default, artifacts: [{path: lib.txt}]}}
      - {id: tell, uses: tako/fan-out@v1, with: {event_type: built, payload: {version: 1.2.3}}}
"""
CHILD = """\
version: 1
metadata: {name: org/app}
workflows:
  check:
    inputs: {version: {required: true}}
    steps:
      - id: first
        run: |
          echo first >> trace
          env | grep ^TAKO_ | sort
          cat "{{ artifacts.default.path }}" code
          echo token=t-1 >> "$TAKO_OUTPUT"
      - {id: second, run: 'echo "second {{ steps.first.outputs.token }}" >> trace; echo told >&2; test -e mended'}
      - {id: third, run: echo third >> trace}
  waits:
    inputs: {number: {type: number, default: 1}}
    steps:
      - {id: before, run: pwd}
      - {id: tell, uses: tako/fan-out@v1, with: {event_type: checked, payload: {number: "{{ inputs.number }}"}}}
      - {id: after, run: exit 9}
subscriptions:
  - {artifact: "org/lib:default", events: [built], workflow: check, inputs: {version: "{{ payload.version }}"}}
"""
LISTENER = """\
version: 1
workflows:
  fits: {steps: ["true"]}
  does-not: {inputs: {number: {type: number, validation: {max: 5}}}, steps: ["true"]}
subscriptions:
  - {artifact: "org/app:default", events: [checked], workflow: fits}
  - {artifact: "org/app:default", events: [checked], workflow: does-not, inputs: {number: "{{ payload.number }}"}}
  - {artifact: "org/app:default", events: [checked], workflow: fits, filters: ["false"]}
"""


@pytest.fixture
def app(world: World) -> Path:
    """The child's repository, in the cache."""
    return world.cached("org/app", CHILD, {"code": "old\n"})


@pytest.fixture
def failed(world: World, app: Path) -> Path:
    """The directory of a child that failed at its second step."""
    lib = world.working("lib", PARENT)
    ran = world.tako("exec", "release", "--json", cwd=lib)
    assert ran.code == 1, ran.text
    (run,) = ran.json()["runs"]
    assert run["failure"]["step"] == "second"
    return Path(run["workspace"])


def conversation(directory: Path, out: str) -> Conversation:
    """What a child said on stdout, which must be frames and nothing else."""
    for line in out.splitlines():
        assert isinstance(json.loads(line), dict)
    request = json.loads((directory / "request.json").read_text())["data"]
    said = Conversation(request["run_id"])
    frames = list(said.feed(out.encode()))
    said.end()
    assert isinstance(frames[0], Hello)
    assert isinstance(frames[-1], Result)
    return said


def steps(out: str) -> list[tuple[str, str]]:
    """Id and status of every step frame."""
    frames = [json.loads(line) for line in out.splitlines()]
    return [(frame["id"], frame["status"]) for frame in frames if frame["frame"] == "step"]


def trace(directory: Path) -> list[str]:
    """What the steps left in the checkout."""
    return (directory / "repo" / "trace").read_text().splitlines()


def lone(world: World) -> Path:
    """The directory of the only run there is."""
    (directory,) = (world.home / "workspaces").iterdir()
    return directory


def on_terminal(world: World, *arguments: str) -> tuple[int, str, str]:
    """Run a child whose stderr is a terminal: exit code, stdout, and what the terminal showed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "runner_child", *arguments],
        cwd=world.root,
        env=world.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    )
    os.close(theirs)
    out, _ = process.communicate(timeout=90)
    shown = b""
    while True:
        try:
            data = os.read(ours, 1 << 16)
        except OSError:  # Linux says EIO when the last writer has gone.
            break
        shown += data
    os.close(ours)
    return process.returncode, out, shown.decode()


def test_a_child_runs_again_what_the_parent_would_have_run(world: World, app: Path, failed: Path) -> None:
    log = (failed / "logs" / "first.log").read_text()
    assert "TAKO_INPUT_VERSION=1.2.3" in log
    assert log.endswith("made\nold\n")
    # The shared checkout has moved on since; the child's commit has not.
    (app / "code").write_text("new\n")
    world.run(["git", "-C", str(app), "commit", "-qam", "Move on"])

    again = world.child(str(failed))
    assert (again.code, again.err) == (1, "")
    said = conversation(failed, again.out)
    assert said.result is not None
    assert said.result.status == "failed"
    assert said.result.failure is not None
    assert (said.result.failure.step, said.result.failure.exit_code) == ("second", 1)
    assert said.result.failure.log == ("told",)
    assert steps(again.out) == [("first", "running"), ("first", "success"), ("second", "running"), ("second", "failed")]
    assert (failed / "logs" / "first.log").read_text() == log
    assert trace(failed) == ["first", "second t-1"] * 2

    fresh = world.child(str(failed), "--fresh")
    assert fresh.code == 1
    conversation(failed, fresh.out)
    assert (failed / "logs" / "first.log").read_text() == log
    assert trace(failed) == ["first", "second t-1"]


def test_a_child_starts_at_a_step_with_what_earlier_steps_put_out(world: World, failed: Path) -> None:
    (failed / "repo" / "mended").touch()
    ran = world.child(str(failed), "--from", "second")
    assert (ran.code, ran.err) == (0, "")
    said = conversation(failed, ran.out)
    assert said.result is not None
    assert said.result.status == "success"
    assert [id_ for id_, status in steps(ran.out) if status == "success"] == ["second", "third"]
    assert trace(failed) == ["first", "second t-1", "second t-1", "third"]

    ran = world.child(str(failed), "--from=third")
    assert ran.code == 0
    assert trace(failed)[-2:] == ["third", "third"]

    ran = world.child(str(failed), "--from", "fourth")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "error: org/app:check has no step 'fourth'\n  fix: its steps are first, second, third\n"


def test_the_command_in_the_failure_message_works_as_it_stands(world: World, app: Path) -> None:
    lib = world.working("lib", PARENT)
    ran = world.tako("exec", "release", cwd=lib)
    (command,) = [line.partition(": ")[2] for line in ran.err.splitlines() if line.startswith("  run it again: ")]
    again = world.run(["sh", "-c", command])
    assert again.code == 1, again.text
    assert "  ✗ second (" in again.out


def test_a_request_is_made_on_the_spot(world: World, app: Path) -> None:
    ran = world.child("--repo", str(app), "--workflow", "waits", "-i", "number=3")
    assert ran.code == 0, ran.text
    directory = lone(world)
    said = conversation(directory, ran.out)
    assert [(event.source, event.payload) for event in said.waiting] == [("org/app", {"number": "3"})]
    # It works in a checkout of its own, wherever the repository is.
    assert (directory / "logs" / "before.log").read_text() == f"{directory}/repo\n"
    assert world.tako("status").out.split()[:2] == [directory.name, "suspended"]

    for arguments, code, told in (
        (("--workflow", "nothing"), 1, "workflow 'nothing' not found in org/app"),
        (("--workflow", "check"), 1, "required input 'version' not provided"),
        (("--workflow", "check", "-i", "versoin=1"), 1, "workflow 'check' has no input 'versoin'"),
        (("--workflow", "waits", "-i", "number=x"), 1, "value 'x' is not a number"),
        (("--workflow", "waits", "--inputs.number"), 2, "--inputs.number has no value"),
        ((), 2, "give the directory of a child, or --repo and --workflow"),
    ):
        ran = world.child("--repo", str(app), *arguments)
        assert (ran.code, ran.out) == (code, ""), arguments
        assert ran.err.startswith("error: ")
        assert told in ran.err
    assert lone(world) == directory


def test_a_child_that_waits_says_who_would_be_triggered_and_stops_there(world: World, app: Path) -> None:
    world.cached("org/listener", LISTENER)
    world.cached("org/broken", "version: 1\nworkflow: {}\n")
    ran = world.child("--repo", str(app), "--workflow", "waits", "--inputs.number=7")
    assert ran.code == 0
    assert steps(ran.out)[-1] == ("tell", "suspended")
    shown = ran.err.replace(f"{world.home}/cache/repos/", "").splitlines()
    assert shown[0].startswith("org/app:waits at ")
    assert shown[4].startswith("suspended: org/app:waits, ")
    assert [line.split(" (")[0] for line in (*shown[1:4], *shown[5:-1])] == [
        "  … before",
        "  ✓ before",
        "  … tell",
        "org/app:waits waits for its fan-out checked; this child runs alone and stops here.",
        "  warning: org/broken: org/broken/main/tako.yml: could not unmarshal config: 1 problem",
        "  org/broken/main/tako.yml:2:1: unknown field 'workflow' at the top level; did you mean 'workflows'?",
        "  would trigger org/listener:fits: hears checked of org/app:default",
        "  would trigger org/listener:does-not: hears checked of org/app:default",
    ]
    assert shown[-1].startswith("    but it would fail: ")
    assert "value '7' is more than 5" in shown[-1]
    (world.home / "cache" / "repos").rename(world.home / "cache" / "none")
    ran = world.child("--repo", str(world.home / "cache/none/org/app/main"), "--workflow", "waits")
    assert ran.code == 0
    assert "  no repository subscribed to it (0 looked at in " in ran.err


def test_progress_goes_to_a_terminal_and_nowhere_else(world: World, failed: Path) -> None:
    code, out, shown = on_terminal(world, str(failed))
    assert code == 1
    conversation(failed, out)
    lines = shown.replace("\r\n", "\n").splitlines()
    run_id = failed.name
    assert lines[0].startswith("org/app:check at ")
    assert lines[0].endswith(f", run {run_id}")
    assert lines[1] == "  … first"
    assert lines[2].startswith("  ✓ first (")
    assert lines[3] == "  … second"
    assert lines[4].startswith("  ✗ second (")
    assert lines[5].startswith("failed: org/app:check, ")
    assert lines[5].endswith(f"logs in {failed}/logs")
    assert lines[6:] == ["  step_failed at step 'second': exit code 1", "  last lines of its log:", "    | told"]


def test_a_directory_that_cannot_be_run_is_a_clear_error(world: World, app: Path) -> None:
    assert world.child("--repo", str(app), "--workflow", "waits").code == 0
    directory = lone(world)
    request = directory / "request.json"
    good = request.read_bytes()
    damaged = "the request file is damaged: "
    for content, told in (
        (good[: len(good) // 2], f"{damaged}it is not a complete JSON document"),
        (good.replace(b"before", b"behind"), f"{damaged}its content does not match its checksum"),
        (b"\xff\0\x80", damaged),
        (good.replace(b'"kind":"request"', b'"kind":"state"'), "this is not a request file but says it is 'state'"),
        (good.replace(b'"schema":1', b'"schema":99'), "the request file has schema version 99, this Tako reads 1"),
    ):
        request.write_bytes(content)
        ran = world.child(str(directory))
        assert (ran.code, ran.out) == (3, ""), told
        assert ran.err.startswith(f"error: {request}: {told}")
        assert "Traceback" not in ran.err
    request.unlink()
    for missing in (directory, world.root / "nowhere"):
        ran = world.child(str(missing))
        assert (ran.code, "is not the directory of a child" in ran.err) == (2, True), ran.text


def begin_waiting(world: World, stdin: int) -> tuple[subprocess.Popen[str], Path, Path]:
    """Start a child by hand that stays at its step: the process, its directory, a file with its step's pid."""
    pid_file = world.root / "step.pid"
    slow = world.working(
        "slow", f"version: 1\nworkflows: {{w: {{steps: ['echo $$ > {pid_file}; sleep 300; true']}}}}\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "runner_child", "--repo", str(slow), "--workflow", "w"],
        cwd=world.root,
        env=world.env,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    world.started.append(process)
    wait_for(lambda: pid_file.exists() and pid_file.read_text().strip(), "the step has begun")
    return process, lone(world), pid_file


def test_a_directory_in_use_is_an_error_that_says_by_whom(world: World) -> None:
    process, directory, _ = begin_waiting(world, subprocess.DEVNULL)
    assert world.tako("status").out.split()[:2] == [directory.name, "running"]
    ran = world.child(str(directory))
    assert ran.code == 3
    assert f"process {process.pid} (runner_child --repo) since " in ran.err
    assert str(directory) in ran.err
    assert "Traceback" not in ran.err
    process.terminate()
    ended = world.finish(process)
    assert ended.code == 1
    said = conversation(directory, ended.out)
    assert said.result is not None
    assert said.result.failure is not None
    assert said.result.failure.kind == "interrupted"


def test_a_child_ends_with_the_holder_of_its_lifeline(world: World, wait_until: Any, is_gone: Any) -> None:
    reading, writing = os.pipe()
    holder = subprocess.Popen(["sleep", "300"], pass_fds=(writing,), env=world.env)
    os.close(writing)
    try:
        process, _, pid_file = begin_waiting(world, reading)
    finally:
        os.close(reading)
    assert process.poll() is None
    holder.kill()
    holder.wait()
    assert world.finish(process).code == 1
    wait_until(lambda: is_gone(int(pid_file.read_text())))


def test_whatever_its_streams_are_a_child_runs_and_says_how_it_ended(world: World, failed: Path) -> None:
    lines = ("{} <&-", "true | {}", "{} < request.json", "{} >&-", "{} 2>&-", "{} <&- >&- 2>&-", "{} | true")
    for times, line in enumerate(lines, 2):
        command = line.format(f"{sys.executable} -m runner_child {failed}")
        ran = world.run(["bash", "-c", f"cd {failed}; {command}; echo ${{PIPESTATUS[@]}}"])
        assert "1" in ran.out.splitlines()[-1].split(), line
        assert "Traceback" not in ran.text
        assert trace(failed) == ["first", "second t-1"] * times
    full = world.run(["bash", "-c", f"{sys.executable} -m runner_child {failed} > /dev/full"])
    assert full == Ran(3, "", "error: cannot write frames to stdout: No space left on device\n")


def test_help_and_wrong_usage(world: World, failed: Path) -> None:
    said = world.child("--help")
    assert (said.code, said.err) == (0, "")
    module = world.run([sys.executable, "-m", "runner_child", "--help"])
    for words in ("DIR", "--fresh", "--from STEP", "--repo DIR", "--workflow NAME", "NAME=VALUE", "xamples:"):
        assert words in said.out
        assert words in module.out
    assert world.child("-h") == said
    for arguments, told in (
        ((), "give the directory of a child, or --repo and --workflow"),
        (("--bad",), "No such option '--bad'"),
        ((str(failed), "--repo", "."), "DIR has a request already"),
        ((str(failed), "--from"), "Option '--from' requires an argument"),
        (("--repo", "nowhere", "--workflow", "w"), "there is no tako.yml in "),
    ):
        ran = world.child(*arguments)
        assert ran.code == 2, ran.text
        assert told in ran.err
        assert ran.out == ""
        assert "Traceback" not in ran.err


def test_a_child_by_hand_needs_no_tako_home_of_its_own(world: World, failed: Path) -> None:
    world.env["TAKO_HOME"] = str(world.root / "unused")
    ran = world.child(str(failed))
    assert ran.code == 1
    assert not (world.root / "unused").exists()


def test_failure_prints_command_that_needs_no_environment(world: World, app: Path) -> None:
    ran = world.tako("exec", "release", cwd=world.working("lib", PARENT))
    (command,) = [line.partition(": ")[2] for line in ran.err.splitlines() if line.startswith("  run it again: ")]
    assert command.startswith(f"TAKO_HOME={world.home} tako replay exec-")
    del world.env["TAKO_HOME"]
    again = world.run(["sh", "-c", command])
    assert (again.code, "  ✗ second (" in again.out) == (1, True), again.text


def test_python_module_does_the_same(world: World, app: Path) -> None:
    world.tako("exec", "release", cwd=world.working("lib", PARENT))
    (failed,) = (lone(world) / "children").iterdir()
    by_hand = world.child(str(failed))
    module = world.run([sys.executable, "-m", "runner_child", str(failed)])
    assert by_hand.code == module.code == 1
    assert conversation(failed, by_hand.out).result == conversation(failed, module.out).result
