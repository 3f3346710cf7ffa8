"""Whatever is done to the files that git tracks, they can be made what they were, uncommitted work included."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tako.errors import CheckoutError, TakoError
from tako.process import Processes
from tako.repos.git import Git
from tako.repos.put_back import Remembered, changed_since, put_back, remember
from tako.steps.base import RunInterruptedError

FILES = {
    "clean": "clean\n",
    "edited": "committed\n",
    "staged": "committed\n",
    "gone": "committed\n",
    "sub/with space": "x\n",
    "sub/ümläut\nnewline": "y\n",
    "script": "#!/bin/sh\n",
    "-n": "an option\n",
}


@pytest.fixture
def git(processes: Processes) -> Git:
    return Git(processes)


@pytest.fixture
def repo(tmp_path: Path, make_repo: Callable[..., Path], run_git: Callable[..., str]) -> Path:
    """A repository with a linked file, and with work that is not committed."""
    path = make_repo(tmp_path / "repo", FILES)
    (path / "link").symlink_to("clean")
    run_git(path, "add", "link")
    run_git(path, "commit", "-qm", "link")
    (path / "edited").write_text("my own work\n")
    (path / "staged").write_text("staged\n")
    run_git(path, "add", "staged")
    (path / "staged").write_text("staged, and edited\n")
    (path / "gone").unlink()
    (path / "untracked").write_text("untracked\n")
    return path


def seen(repo: Path) -> dict[str, tuple[int, bytes | str]]:
    """Everything in a working tree, but git's own."""
    found: dict[str, tuple[int, bytes | str]] = {}
    for path in sorted(repo.rglob("*")):
        if ".git" not in path.parts and not (path.is_dir() and not path.is_symlink()):
            content = os.readlink(path) if path.is_symlink() else path.read_bytes()
            found[str(path.relative_to(repo))] = (path.lstat().st_mode, content)
    return found


def remembered(repo: Path, git: Git) -> Remembered:
    store = repo.parent / "store"
    store.mkdir()
    tree = remember(str(repo), str(store), git)
    assert tree is not None
    return tree


def replace_by_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "inside").write_text("x")


def replace_by_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("script")


def edit(repo: Path) -> None:
    for name in FILES:
        if name != "gone":
            (repo / name).write_text("changed")


def remove(repo: Path) -> None:
    for path in list(repo.iterdir()):
        if not path.is_dir() and path.name != "untracked":
            path.unlink()


def make_executable(repo: Path) -> None:
    for name in ("clean", "edited", "script"):
        (repo / name).chmod(0o755)


def make_directories(repo: Path) -> None:
    for name in ("clean", "edited"):
        replace_by_directory(repo / name)


def make_links(repo: Path) -> None:
    for name in ("link", "edited"):
        replace_by_link(repo / name)


def make_a_file_of_a_directory(repo: Path) -> None:
    shutil.rmtree(repo / "sub")
    (repo / "sub").write_text("x")


CHANGES: dict[str, Callable[[Path], object]] = {
    "edit": edit,
    "remove": remove,
    "make again": lambda repo: (repo / "gone").write_text("back"),
    "commit's own content": lambda repo: (repo / "edited").write_text("committed\n"),
    "mode": make_executable,
    "directory for a file": make_directories,
    "file for a directory": make_a_file_of_a_directory,
    "link": make_links,
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_was_changed_is_named_and_put_back(repo: Path, git: Git, run_git: Callable[..., str], what: str) -> None:
    before, status = seen(repo), run_git(repo, "status", "--porcelain")
    tree = remembered(repo, git)
    assert changed_since(tree, git) == ()

    CHANGES[what](repo)
    changed = changed_since(tree, git)
    put_back(tree, changed, git)

    assert changed != ()
    assert seen(repo) == before
    assert changed_since(tree, git) == ()
    assert run_git(repo, "status", "--porcelain") == status


def test_untracked_files_and_the_index_are_left_alone(repo: Path, git: Git, run_git: Callable[..., str]) -> None:
    tree = remembered(repo, git)
    (repo / "untracked").write_text("changed")
    (repo / "new").write_text("new")
    (repo / "clean").write_text("changed")
    run_git(repo, "add", "new", "clean")

    put_back(tree, changed_since(tree, git), git)

    assert (repo / "untracked").read_text() == "changed"
    assert (repo / "clean").read_text() == "clean\n"
    staged = run_git(repo, "diff", "--cached", "--name-only").splitlines()
    assert staged == ["clean", "new", "staged"]


def test_it_is_about_the_whole_working_tree_wherever_in_it_one_is(repo: Path, git: Git) -> None:
    (repo.parent / "store").mkdir()
    tree = remember(str(repo / "sub"), str(repo.parent / "store"), git)
    assert tree is not None
    (repo / "clean").write_text("changed")
    assert changed_since(tree, git) == ("clean",)


def test_many_files_are_put_back_as_well(tmp_path: Path, git: Git, make_repo: Callable[..., Path]) -> None:
    names = [f"{'long' * 20}/{number}" for number in range(450)]
    repo = make_repo(tmp_path / "repo", dict.fromkeys(names, "x"))
    tree = remembered(repo, git)
    shutil.rmtree(repo / ("long" * 20))

    changed = changed_since(tree, git)
    put_back(tree, changed, git)

    assert sorted(changed) == sorted(names)
    assert changed_since(tree, git) == ()


def test_outside_git_nothing_is_remembered(tmp_path: Path, git: Git) -> None:
    assert remember(str(tmp_path), str(tmp_path), git) is None


def test_a_repository_without_a_commit_has_nothing_to_put_back(
    tmp_path: Path, git: Git, run_git: Callable[..., str]
) -> None:
    repo = tmp_path / "repo"
    repo.mkdir()
    run_git(repo, "init", "-q")
    tree = remembered(repo, git)
    (repo / "x").write_text("x")
    assert changed_since(tree, git) == ()


def test_a_repository_that_is_gone_is_told(repo: Path, git: Git) -> None:
    tree = remembered(repo, git)
    shutil.rmtree(repo / ".git")
    with pytest.raises(CheckoutError):
        changed_since(tree, git)
    with pytest.raises(TakoError):
        put_back(tree, ["clean"], git)


def test_stop_ends_remembering_a_large_file(repo: Path, git: Git, tmp_path: Path) -> None:
    with (repo / "edited").open("wb") as file:
        file.write(os.urandom(3 << 20))
    (tmp_path / "store").mkdir()

    def check() -> None:
        raise RunInterruptedError

    with pytest.raises(RunInterruptedError):
        remember(str(repo), str(tmp_path / "store"), git, check=check)

    assert not list((tmp_path / "store").glob("files/*"))


def test_end_of_a_large_file_is_compared(repo: Path, git: Git, tmp_path: Path) -> None:
    (repo / "edited").write_bytes(b"x" * (1 << 20))
    (tmp_path / "store").mkdir()
    tree = remember(str(repo), str(tmp_path / "store"), git)
    assert tree is not None

    with (repo / "edited").open("ab") as file:
        file.write(b"y")

    assert changed_since(tree, git) == ("edited",)
