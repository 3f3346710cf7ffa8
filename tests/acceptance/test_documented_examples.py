"""The examples of the reference run: the commands at their top are given as they stand."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import World

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
FILES = {"README.md": "hello\n", "go.mod": "module example.org/lib\n"}

Result = dict[str, Any]


def steps(result: Result) -> dict[str, Any]:
    return {step["id"]: step for step in result["steps"]}


def repository(result: Result) -> None:
    assert statuses(result) == ["success", "success"]
    (child,) = result["runs"]
    assert (child["repository"], child["workflow"], child["status"]) == ("my-org/app", "smoke", "success")


def workflow(result: Result) -> None:
    assert statuses(result) == ["success", "skipped", "success", "success"]
    assert result["steps"][-1]["finally"]
    assert result["inputs"] == {"tag": "v2", "level": "minor", "copies": 3, "loud": False}


def step(result: Result) -> None:
    assert statuses(result) == ["success", "success", "success", "failed", "success", "success"]
    assert steps(result)["write"]["outputs"] == {"version": "1.2.3", "lines": "1"}


def fan_out(result: Result) -> None:
    (child,) = result["runs"]
    assert (child["repository"], child["workflow"], child["status"]) == ("my-org/app", "test", "success")


def succeeded(result: Result) -> None:
    assert set(statuses(result)) == {"success"}


def statuses(result: Result) -> list[str]:
    return [one["status"] for one in result["steps"]]


EXPECTED: dict[str, Callable[[Result], None]] = {
    "repository": repository,
    "workflow": workflow,
    "step": step,
    "fan-out": fan_out,
    "subscription": succeeded,
    "older": succeeded,
    "poll": succeeded,
}


def test_every_example_is_run_here() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.yml")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_an_example_does_what_it_says(world: World, name: str) -> None:
    text = (EXAMPLES / f"{name}.yml").read_text(encoding="utf-8")
    directory = world.working(name, text, FILES)
    world.cached("my-org/app", (EXAMPLES / "subscription.yml").read_text(encoding="utf-8"))
    world.env["RELEASE_TOKEN"] = "what nobody may see"
    commands = re.findall(r"^#   tako (.*)$", text, re.MULTILINE)
    assert commands
    for command in commands:
        ran = world.tako(*shlex.split(command), "--json", cwd=directory)
        assert ran.code == 0, ran.text
        if command.startswith("exec"):
            EXPECTED[name](json.loads(ran.out))
