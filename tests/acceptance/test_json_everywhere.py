"""Every command that prints data prints it as JSON when it is asked to."""

from __future__ import annotations

import json
from collections.abc import Iterator

import click
import pytest

from tako.cli.main import COMMANDS, cli
from tests.acceptance.conftest import World

WITHOUT = {"child", "completion"}
"""What prints no data: frames, a script."""


def commands() -> Iterator[tuple[str, click.Command]]:
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from ((f"{name} {below}", each) for below, each in command.commands.items())
        else:
            yield name, command


def test_every_command_has_json() -> None:
    lacking = {name for name, command in commands() if not any("--json" in param.opts for param in command.params)}
    assert lacking == WITHOUT


@pytest.mark.parametrize(
    "words",
    ["version", "schema", "init", "init --dry-run", "validate", "lint", "status", "ps", "events list", "cache list",
     "cache clean", "cache prune", "workspace list", "workspace clean", "artifacts build"],
)  # fmt: skip
def test_stdout_is_one_document(world: World, words: str) -> None:
    text = "version: 1\nmetadata: {name: me/lib}\nartifacts: {a: {path: a, command: touch a}}\n"
    lib = world.working("lib", text)
    if words.startswith("init"):
        (lib / "tako.yml").unlink()
    ran = world.tako(*words.split(), "--json", cwd=lib)
    assert ran.code == 0, ran.text
    json.loads(ran.out)


def test_init_tells_in_json_what_it_wrote(world: World) -> None:
    lib = world.working("lib", "", {"package.json": '{"name": "lib"}'})
    (lib / "tako.yml").unlink()
    asked = world.tako("init", "--dry-run", "--json", cwd=lib).json()
    assert (asked["written"], (lib / "tako.yml").exists()) == (False, False)
    told = world.tako("init", "--json", cwd=lib).json()
    assert told == {**asked, "written": True}
    assert (told["path"], told["ecosystem"], told["content"]) == ("tako.yml", "npm", (lib / "tako.yml").read_text())
    refused = world.tako("init", "--json", cwd=lib)
    assert (refused.code, refused.json()["error"]["code"]) == (2, "usage")
