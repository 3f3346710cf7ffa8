"""``tako init``: what it finds out, what it writes, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tako.cli.main import run
from tako.config.loader import load

Make = Callable[..., Path]


def test_it_writes_a_file_that_loads_for_what_is_there(
    tmp_path: Path, make_repo: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {"go.mod": "module example.org/lib\n"}
    directory = make_repo(tmp_path / "x", files, origin="git@example.org:my-org/go-lib.git")
    assert run(["init", "--root", str(directory)]) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert f"wrote {directory / 'tako.yml'} (go)\n" in told.err
    config = load(str(directory / "tako.yml"))
    assert config.name == "my-org/go-lib"
    assert [(one.name, one.ecosystem) for one in config.artifacts] == [("go-lib", "go")]
    assert "example.org/lib" in (directory / "tako.yml").read_text()
    assert run(["lint", "--strict", str(directory)]) == 0


def test_without_an_origin_the_name_is_left_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "my lib"
    directory.mkdir()
    monkeypatch.chdir(directory)
    assert run(["init"]) == 0
    assert "wrote tako.yml (generic)\n" in capsys.readouterr().err
    config = load("tako.yml")
    assert config.name is None
    assert config.artifacts[0].name == "my-lib"


def test_other_ecosystems_that_are_there_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "package.json").touch()
    assert run(["init", "--root", str(tmp_path)]) == 0
    assert "(python; there is npm here as well: --ecosystem chooses)" in capsys.readouterr().err
    assert run(["init", "--root", str(tmp_path), "--force", "--ecosystem", "npm"]) == 0
    assert load(str(tmp_path / "tako.yml")).artifacts[0].ecosystem == "npm"


def test_a_file_that_is_there_is_replaced_by_force_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tako.yml"
    path.write_text("mine")
    assert run(["init", "--root", str(tmp_path)]) == 2
    assert "there is a tako.yml already" in capsys.readouterr().err
    assert path.read_text() == "mine"
    assert run(["init", "--root", str(tmp_path), "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert path.read_text() == "mine"
    assert run(["init", "--root", str(tmp_path), "--force"]) == 0
    assert path.read_text() == printed
    path.unlink()
    path.symlink_to("nowhere")
    assert run(["init", "--root", str(tmp_path)]) == 2


def test_a_directory_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "--root", str(tmp_path / "no")]) == 2
    assert "there is no directory" in capsys.readouterr().err
