"""``tako artifacts install``: build here, install and verify there, and leave no trace of what does not work."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.conftest import World

SOURCE = """\
version: 1
metadata: {name: my-org/lib}
artifacts:
  lib:
    path: dist/lib.txt
    command: mkdir -p dist && cat source > dist/lib.txt
    install_command: cat "$TAKO_ARTIFACT_PATH" > vendored && touch untracked && echo installing
    verify_command: 'test ! -f broken && grep -q "^two" vendored'
  other: {path: dist/lib.txt}
"""


def git(directory: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(directory), *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def client(world: World) -> Path:
    """A dependent with a tracked file that installing overwrites, one that is edited, and one that is deleted."""
    files = {"vendored": "one\n", "edited": "committed\n", "deleted": "was here\n"}
    directory = world.working("client", "version: 1\nmetadata: {name: my-org/client}\n", files)
    (directory / "edited").write_text("my own work\n")
    (directory / "deleted").unlink()
    return directory


def source(world: World, content: str, yml: str = SOURCE) -> Path:
    return world.working("lib", yml, {"source": content})


def test_an_artifact_is_built_in_its_repository_and_installed_and_verified_in_the_dependent(
    world: World, client: Path
) -> None:
    source(world, "two\n")

    ran = world.tako("artifacts", "install", "../lib", "--json", cwd=client)

    assert ran.code == 0, ran.text
    (row,) = ran.json()
    assert row["installed"] is True
    assert row["verified"] is True
    assert row["changed"] == ["vendored"]
    assert Path(row["path"]).read_text() == (client / "vendored").read_text() == "two\n"
    assert "installing" in ran.err
    assert (world.root / "lib/dist/lib.txt").exists()
    assert (client / "edited").read_text() == "my own work\n"


@pytest.mark.parametrize("doing", ["verifying", "installing"])
def test_what_fails_is_put_back_and_uncommitted_work_survives(world: World, client: Path, doing: str) -> None:
    install = (
        "echo new > vendored; echo spoilt > edited; echo again > deleted; chmod +x tako.yml; echo more > untracked"
    )
    yml = SOURCE.replace(
        'cat "$TAKO_ARTIFACT_PATH" > vendored', install + ("; exit 3" if doing == "installing" else "")
    )
    source(world, "three\n", yml)
    before = git(client, "status", "--porcelain")

    ran = world.tako("artifacts", "install", "../lib:lib", cwd=client)

    assert ran.code == 1, ran.text
    assert f"error: artifact 'lib' is not installed: {doing} it failed: exit code" in ran.err
    for name in ("vendored", "edited", "deleted", "tako.yml"):
        assert f"put back: {name}\n" in ran.err
    assert (client / "vendored").read_text() == "one\n"
    assert (client / "edited").read_text() == "my own work\n"
    assert not (client / "deleted").exists()
    assert (client / "untracked").exists()
    assert git(client, "status", "--porcelain") == before + "?? untracked\n"
    assert not list(Path(os.environ["TMPDIR"]).glob("tako-*"))


def test_a_repository_in_the_cache_is_built_in_a_checkout_of_its_own(world: World, client: Path) -> None:
    cached = world.cached("my-org/lib", SOURCE, {"source": "two\n"})

    ran = world.tako("artifacts", "install", "my-org/lib:lib", "--into", str(client))

    assert ran.code == 0, ran.text
    assert "my-org/lib:lib  installed, verified in " in ran.out
    assert "  changed vendored\n" in ran.out
    assert not (cached / "dist").exists()
    assert git(cached, "status", "--porcelain") == ""
    assert not list(Path(os.environ["TMPDIR"]).glob("tako-*"))


def test_an_interrupted_install_puts_everything_back(
    world: World, client: Path, wait_until: Callable[[Callable[[], object]], None]
) -> None:
    source(world, "two\n", SOURCE.replace("touch untracked", "touch untracked; sleep 60"))
    process = world.start("artifacts", "install", "../lib", cwd=client)
    wait_until((client / "untracked").exists)

    process.send_signal(signal.SIGTERM)
    ran = world.finish(process)

    assert ran.code == 128 + signal.SIGTERM, ran.text
    assert (client / "vendored").read_text() == "one\n"
    assert (client / "edited").read_text() == "my own work\n"


def test_a_command_that_takes_too_long_is_ended_and_everything_is_put_back(world: World, client: Path) -> None:
    source(world, "two\n", SOURCE.replace("touch untracked", "sleep 60"))

    ran = world.tako("artifacts", "install", "../lib", "--timeout", "300ms", cwd=client)

    assert ran.code == 1, ran.text
    assert "installing it failed: it took longer than 300ms" in ran.err
    assert (client / "vendored").read_text() == "one\n"


def test_what_cannot_be_installed_says_what_can(world: World, client: Path) -> None:
    source(world, "two\n")

    for asked, code, told in (
        ("../lib:other", 2, "there is no artifact 'other' with an install_command"),
        ("../lib:", 2, "names no artifact"),
        ("my-org/nobody", 2, "my-org/nobody is not in the cache"),
        ("../nowhere", 2, "there is no tako.yml"),
    ):
        ran = world.tako("artifacts", "install", asked, cwd=client)
        assert ran.code == code, ran.text
        assert told in ran.err
        assert "Traceback" not in ran.text


def test_outside_git_nothing_is_put_back_and_that_is_said(world: World) -> None:
    source(world, "three\n")
    plain = world.root / "plain"
    plain.mkdir()

    ran = world.tako("artifacts", "install", "../lib", "--json", cwd=plain)

    assert ran.code == 1, ran.text
    assert "this is no git repository, so nothing could be put back" in ran.err
    assert ran.json()[0]["failure"] == "verifying it failed: exit code 1"
