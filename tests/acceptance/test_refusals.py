"""A refusal under ``--json`` is one document on stdout; ``--strict-exit`` makes every usage error 2."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tako.errors import CODES, TakoError
from tests.acceptance.conftest import Ran, World

DOCUMENT = {"code", "message", "where", "why", "fix"}

TAKO_YML = """
version: 1
metadata: {name: me/lib}
workflows:
  go: {inputs: {v: {type: number, required: true}}, steps: ["true"]}
  quick: {steps: ["true"]}
  slow: {steps: [{run: touch begun; sleep 60}]}
  heard: {on: event, steps: ["true"]}
  sealed: {secrets: [ABSENT_TOKEN], steps: ["true"]}
"""

REFUSALS = [
    (["exec"], 2, "usage"),
    (["exec", "nope"], 1, "workflow_unknown"),
    (["exec", "heard"], 1, "workflow_event_only"),
    (["exec", "go"], 1, "input_invalid"),
    (["exec", "go", "-i", "v=1", "-i", "w=2"], 1, "input_invalid"),
    (["exec", "go", "-i", "v=x"], 1, "input_invalid"),
    (["exec", "sealed"], 2, "secret_missing"),
    (["exec", "--repo", "no/where", "go"], 2, "not_cached"),
    (["exec", "--resume", "@latest"], 2, "run_unknown"),
    (["exec", "--resume", "exec-20261123-181803-0a1b2c3d"], 2, "run_unknown"),
    (["exec", "quick", "--root", "nowhere"], 1, "config_invalid"),
    (["exec", "--nonsense"], 2, "usage"),
    (["exec", "quick", "-j", "0"], 2, "usage"),
    (["exec", "quick", "more"], 2, "usage"),
    (["nonsense"], 2, "usage"),
    (["status", "exec-20261123-181803-0a1b2c3d"], 2, "run_unknown"),
    (["replay"], 2, "usage"),
    (["replay", "@latest"], 2, "run_unknown"),
    (["ps", "--nonsense"], 2, "usage"),
    (["events", "show", "evt-1"], 2, "usage"),
    (["cache", "prune", "--max-size", "much"], 2, "usage"),
    (["workspace", "clean", "--older-than", "old"], 2, "usage"),
    (["artifacts", "build"], 2, "usage"),
    (["validate", "--root", "nowhere"], 2, "config_invalid"),
]


@pytest.fixture
def lib(world: World) -> Path:
    return world.working("lib", TAKO_YML)


def error(ran: Ran) -> dict[str, Any]:
    """The one document that a refusal is; of a configuration's it also has its problems."""
    found: dict[str, Any] = ran.json()["error"]
    assert set(found) - {"problems"} == DOCUMENT, ran.out
    assert found["code"] in CODES
    # What validate finds is data of its own, so it has no message besides.
    if "valid" not in ran.json():
        assert found["message"] in ran.err
        assert all(line in ran.err for line in found["fix"].splitlines())
    return found


@pytest.mark.parametrize(("arguments", "code", "name"), REFUSALS, ids=[" ".join(given) for given, _, _ in REFUSALS])
def test_json_answers_every_refusal(world: World, lib: Path, arguments: list[str], code: int, name: str) -> None:
    ran = world.tako(*arguments, "--json", cwd=lib)
    assert (ran.code, error(ran)["code"]) == (code, name)


@pytest.mark.parametrize("arguments", [given for given, code, _ in REFUSALS if code == 1], ids=" ".join)
def test_strict_exit_makes_usage_errors_two(world: World, lib: Path, arguments: list[str]) -> None:
    world.env["TAKO_STRICT_EXIT"] = ""
    codes = [world.tako("--strict-exit", *arguments, cwd=lib).code, world.tako(*arguments, cwd=lib).code]
    codes.append(world.tako(*arguments, "--strict-exit", cwd=lib).code)
    world.env["TAKO_STRICT_EXIT"] = "1"
    assert [*codes, world.tako(*arguments, cwd=lib).code] == [2, 1, 2, 2]


def test_strict_exit_leaves_failed_workflows_at_one(world: World) -> None:
    lib = world.working("lib", "version: 1\nmetadata: {name: me/lib}\nworkflows: {go: {steps: [exit 7]}}\n")
    assert world.tako("--strict-exit", "exec", "go", cwd=lib).code == 1


def test_unusable_strict_exit_variable_is_refused(world: World, lib: Path) -> None:
    world.env["TAKO_STRICT_EXIT"] = "maybe"
    ran = world.tako("exec", "quick", "--json", cwd=lib)
    assert (ran.code, error(ran)["code"]) == (2, "usage")
    assert "TAKO_STRICT_EXIT" in error(ran)["message"]


def test_configuration_refusal_lists_problems(world: World) -> None:
    lib = world.working("lib", TAKO_YML + "  odd: {stepz: [], steps: [x]}\n")
    ran = world.tako("exec", "quick", "--json", cwd=lib)
    (problem, *_) = error(ran)["problems"]
    assert (ran.code, problem["file"], problem["line"]) == (1, "tako.yml", 10)


def test_resuming_what_succeeded_answers_in_json(world: World, lib: Path) -> None:
    assert world.tako("exec", "quick", cwd=lib).code == 0
    ran = world.tako("exec", "--resume", "@latest", "--json", cwd=lib)
    assert (ran.code, error(ran)["code"]) == (0, "nothing_to_resume")


def test_resuming_what_is_alive_answers_in_json(world: World, lib: Path) -> None:
    running = world.start("exec", "slow", cwd=lib)
    wait_until(world, lib / "begun")
    ran = world.tako("exec", "--resume", "@latest", "--json", cwd=lib)
    running.send_signal(signal.SIGINT)
    world.finish(running)
    assert (ran.code, error(ran)["code"]) == (2, "run_alive")


def test_interrupted_command_answers_in_json(world: World) -> None:
    lib = world.working("lib", TAKO_YML + "artifacts: {a: {path: x, command: touch begun; sleep 60}}\n")
    running = world.start("artifacts", "build", "--json", cwd=lib)
    wait_until(world, lib / "begun")
    running.send_signal(signal.SIGINT)
    ran = world.finish(running)
    assert (ran.code, error(ran)["code"]) == (130, "interrupted")


def test_machines_refusal_answers_in_json(world: World, lib: Path) -> None:
    (world.root / "file").touch()
    world.env["TAKO_HOME"] = str(world.root / "file" / "home")
    ran = world.tako("exec", "quick", "--json", cwd=lib)
    assert (ran.code, error(ran)["code"]) == (3, "machine_error")


def test_json_as_value_is_no_option(world: World, lib: Path) -> None:
    for arguments in (["exec", "go", "-i", "--json"], ["exec", "--inputs.w", "--json", "go"], ["exec", "--", "--json"]):
        assert world.tako(*arguments, cwd=lib).out == ""


def all_errors(kind: type[TakoError] = TakoError) -> Iterator[type[TakoError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from all_errors(each)


def test_codes_are_closed_and_documented() -> None:
    assert {kind.code for kind in all_errors()} <= CODES.keys()
    text = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", text.partition("## Refusals")[2], re.MULTILINE)
    assert dict(rows[1:]) == CODES


def wait_until(world: World, path: Path) -> None:
    world.run(["sh", "-c", f"while ! [ -e '{path}' ]; do sleep 0.02; done"], timeout=30)


def test_printed_commands_quote_paths_with_spaces(world: World) -> None:
    here = world.root / "my projects"
    (here / "lib").mkdir(parents=True)
    secrets = here / "secrets"
    secrets.write_text("A=b\n")
    secrets.chmod(0o644)
    (world.root / "tako.yml").write_text("version: 1\nmetadata: {name: me/lib}\nworkflows: {w: {steps: ['true']}}\n")

    cache = str(here / "cache")
    missing = world.tako("exec", "w", "--repo", "no/one", "--cache-dir", cache, "--json").json()["error"]
    assert missing["fix"] == f"put it there: git clone ADDRESS '{cache}/repos/no/one/main'"
    unsafe = world.tako("exec", "w", "--secrets-file", str(secrets), "--json", cwd=world.root).json()["error"]
    assert unsafe["fix"] == f"chmod 600 '{secrets}'"
    made = world.tako("init", "--root", str(here / "lib"))
    assert f"tako lint '{here}/lib/tako.yml'\n" in made.text
    assert f"tako exec release --dry-run --root '{here}/lib'\n" in made.text
