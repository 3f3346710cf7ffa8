"""The hello example: what scripts/demo and the acceptance tests start from."""

from __future__ import annotations

import importlib
import os
import runpy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tako.config import loader

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NAMES = ["base", "left", "right", "top"]


@pytest.fixture
def common(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(sys, "path", [str(EXAMPLES), *sys.path])
    yield importlib.import_module("common")
    sys.modules.pop("common", None)


@pytest.fixture
def prepare(common: Any) -> Callable[[Path], int]:
    main: Callable[[list[str]], int] = runpy.run_path(str(EXAMPLES / "hello" / "prepare.py"))["main"]
    return lambda home: main(["--home", str(home)])


def snapshot(home: Path) -> dict[str, tuple[int, int]]:
    """Every file and directory with its identity and time of change."""
    entries = [home, *home.rglob("*")]
    return {str(entry): (entry.lstat().st_ino, entry.lstat().st_mtime_ns) for entry in entries}


def cached(home: Path, name: str) -> Path:
    return home / "cache" / "repos" / "hello" / name / "main"


def test_gives_four_repositories_with_clean_status_and_a_readable_config(
    prepare: Callable[[Path], int], common: Any, tmp_path: Path
) -> None:
    assert prepare(tmp_path) == 0

    assert sorted(entry.name for entry in (tmp_path / "cache" / "repos" / "hello").iterdir()) == NAMES
    for name in NAMES:
        repository = cached(tmp_path, name)
        assert common.git(repository, "status", "--porcelain", "--ignored") == ""
        assert common.git(repository, "rev-parse", "--abbrev-ref", "HEAD") == "main\n"
        assert common.git(repository, "remote", "get-url", "origin").endswith(f"/hello/{name}.git\n")
        assert loader.load(str(repository / "tako.yml")).name == f"hello/{name}"


@pytest.mark.parametrize(
    "path", sorted(EXAMPLES.glob("*/tako/*.yml")), ids=lambda path: f"{path.parts[-3]}-{path.stem}"
)
def test_every_example_is_in_the_language_as_it_is(path: Path) -> None:
    config = loader.load(str(path))

    assert config.name is not None
    assert config.workflows
    assert config.name.endswith(f"/{path.stem}")


def test_a_second_run_changes_nothing(
    prepare: Callable[[Path], int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(tmp_path)
    before = snapshot(tmp_path)
    capsys.readouterr()

    assert prepare(tmp_path) == 0

    assert snapshot(tmp_path) == before
    assert capsys.readouterr().err == ""


def test_the_same_content_gives_the_same_commit_everywhere(
    prepare: Callable[[Path], int], common: Any, tmp_path: Path
) -> None:
    prepare(tmp_path / "here")
    prepare(tmp_path / "there")

    heads = [common.git(cached(tmp_path / home, "top"), "rev-parse", "HEAD") for home in ("here", "there")]
    assert heads[0] == heads[1]


def test_a_changed_input_makes_the_repository_anew(common: Any, tmp_path: Path) -> None:
    for text in (b"one", b"two"):
        common.make_repository(tmp_path, "o/r", origin="https://example.invalid/o/r", files={"f": text})

    repository = tmp_path / "cache" / "repos" / "o" / "r" / "main"
    assert (repository / "f").read_bytes() == b"two"
    assert common.git(repository, "rev-list", "--count", "HEAD") == "1\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["cache"]


def test_a_repository_that_could_not_be_made_leaves_nothing(common: Any, tmp_path: Path) -> None:
    with pytest.raises(common.PrepareError, match="commit"):
        common.make_repository(tmp_path, "o/r", origin="https://example.invalid/o/r", files={})

    assert list(tmp_path.iterdir()) == []


def test_the_users_git_settings_do_not_reach_the_repositories(
    prepare: Callable[[Path], int], common: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "pre-commit").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    (hooks / "pre-commit").chmod(0o755)
    config = tmp_path / "gitconfig"
    config.write_text(
        f"[core]\n\thooksPath = {hooks}\n[user]\n\tname = Somebody\n[commit]\n\tgpgsign = true\n", encoding="utf-8"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))

    assert prepare(tmp_path / "home") == 0

    author = common.git(cached(tmp_path / "home", "base"), "log", "-1", "--format=%an")
    assert author == "Tako example\n"
    assert not (tmp_path / "elsewhere").exists()


def test_a_home_that_cannot_be_written_is_an_error_that_names_it(
    prepare: Callable[[Path], int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")

    assert prepare(tmp_path / "file" / "home") == 1

    error = capsys.readouterr().err
    assert f"{tmp_path}{os.sep}file" in error
    assert "fix:" in error
