"""The ``tako.yml`` of the commit counts, and git is asked only if the file is another one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tako.process import Completed, Processes
from tako.repos.committed import Committed, committed_config
from tako.repos.git import Git

RunGit = Callable[..., str]
MakeRepo = Callable[..., Path]
TEXT = "version: 1\n"


class CountingProcesses(Processes):
    """Processes that are counted."""

    started = 0

    def run(self, argv, **options) -> Completed:  # type: ignore[no-untyped-def]
        self.started += 1
        return super().run(argv, **options)


@pytest.fixture
def counting() -> CountingProcesses:
    return CountingProcesses()


@pytest.fixture
def read(counting: CountingProcesses) -> Callable[[Path], Committed | None]:
    git = Git(counting)
    return lambda repo: committed_config(str(repo), git.head_commit(str(repo)), git)


Read = Callable[[Path], Committed | None]


@pytest.mark.parametrize("packed", [False, True])
def test_committed_file_counts_without_a_process(
    read: Read, counting: CountingProcesses, make_repo: MakeRepo, run_git: RunGit, tmp_path: Path, packed: bool
) -> None:
    repo = make_repo(tmp_path / "repo", {"tako.yml": TEXT, "other": "x"})
    if packed:
        run_git(repo, "gc", "--quiet")
    (repo / "other").write_text("changed\n")

    assert read(repo) is None
    assert counting.started == 0


@pytest.mark.parametrize("stage", [False, True])
def test_changed_file_does_not_count(
    read: Read, make_repo: MakeRepo, run_git: RunGit, tmp_path: Path, stage: bool
) -> None:
    repo = make_repo(tmp_path / "repo", {"tako.yml": TEXT})
    (repo / "tako.yml").write_text("version: 2\n")
    if stage:
        run_git(repo, "add", "--all")

    found = read(repo)

    assert found is not None
    assert found.content == TEXT.encode()
    assert str(repo / "tako.yml") in found.warning
    assert run_git(repo, "rev-parse", "HEAD")[:12] in found.warning


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_change_that_git_was_told_to_overlook(
    read: Read, make_repo: MakeRepo, run_git: RunGit, tmp_path: Path, flag: str
) -> None:
    repo = make_repo(tmp_path / "repo", {"tako.yml": TEXT})
    run_git(repo, "update-index", flag, "tako.yml")
    (repo / "tako.yml").write_text("version: 2\n")

    found = read(repo)

    assert found is not None
    assert found.content == TEXT.encode()
    assert found.warning


def test_commit_moved_under_a_file(read: Read, make_repo: MakeRepo, run_git: RunGit, tmp_path: Path) -> None:
    """The index and the file agree; only the commit is another."""
    repo = make_repo(tmp_path / "repo", {"tako.yml": TEXT})
    (repo / "tako.yml").write_text("version: 2\n")
    run_git(repo, "commit", "--quiet", "--all", "--message", "second")
    run_git(repo, "reset", "--quiet", "--soft", "HEAD~1")

    found = read(repo)

    assert found is not None
    assert found.content == TEXT.encode()


def test_file_that_is_not_committed_does_not_count(read: Read, make_repo: MakeRepo, tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "repo", {"other": "x"})
    assert read(repo) == Committed(None)
    (repo / "tako.yml").write_text(TEXT)

    found = read(repo)

    assert found is not None
    assert found.content is None
    assert "is not committed" in found.warning


def test_deleted_file_counts_as_committed(read: Read, make_repo: MakeRepo, tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "repo", {"tako.yml": TEXT})
    (repo / "tako.yml").unlink()

    found = read(repo)

    assert found is not None
    assert found.content == TEXT.encode()
    assert "is deleted" in found.warning


def test_line_ends_of_a_checkout_are_no_change(
    read: Read, make_repo: MakeRepo, run_git: RunGit, tmp_path: Path
) -> None:
    repo = make_repo(tmp_path / "repo", {"tako.yml": TEXT, ".gitattributes": "*.yml text eol=crlf\n"})
    (repo / "tako.yml").unlink()
    run_git(repo, "checkout", "--", "tako.yml")
    assert b"\r\n" in (repo / "tako.yml").read_bytes()

    assert read(repo) is None


def test_link_to_a_committed_file(read: Read, make_repo: MakeRepo, run_git: RunGit, tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "repo", {"ci/tako.yml": TEXT})
    os.symlink("ci/tako.yml", repo / "tako.yml")
    run_git(repo, "add", "--all")
    run_git(repo, "commit", "--quiet", "--message", "link")
    assert read(repo) is None

    (repo / "ci" / "tako.yml").write_text("version: 2\n")

    found = read(repo)
    assert found is not None
    assert found.content == TEXT.encode()


@pytest.mark.parametrize("target", ["../outside", "missing", "tako.yml", "/etc/passwd", "ci"])
def test_link_that_leads_to_no_committed_file(
    read: Read, make_repo: MakeRepo, run_git: RunGit, tmp_path: Path, target: str
) -> None:
    repo = make_repo(tmp_path / "repo", {"ci/other": TEXT})
    os.symlink(target, repo / "tako.yml")
    run_git(repo, "add", "--all")
    run_git(repo, "commit", "--quiet", "--message", "link")

    found = read(repo)

    assert found is not None
    assert found.content is None
    assert "leads to no committed file" in found.warning


def test_link_in_place_of_a_committed_file(read: Read, make_repo: MakeRepo, tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "repo", {"tako.yml": TEXT, "same": TEXT})
    (repo / "tako.yml").unlink()
    os.symlink("same", repo / "tako.yml")

    found = read(repo)

    assert found is not None
    assert found.content == TEXT.encode()


def test_bare_repository_has_the_file_of_its_commit(
    read: Read, counting: CountingProcesses, make_repo: MakeRepo, run_git: RunGit, tmp_path: Path
) -> None:
    make_repo(tmp_path / "repo", {"tako.yml": TEXT})
    run_git(tmp_path, "clone", "--quiet", "--bare", "repo", "bare")
    (tmp_path / "bare" / "tako.yml").write_text("nobody's")

    assert read(tmp_path / "bare") == Committed(TEXT.encode())
    assert counting.started == 0


def test_objects_of_another_repository_are_left_to_git(
    read: Read, make_repo: MakeRepo, run_git: RunGit, tmp_path: Path
) -> None:
    make_repo(tmp_path / "repo", {"tako.yml": TEXT})
    run_git(tmp_path, "clone", "--quiet", "--shared", "repo", "shared")
    assert read(tmp_path / "shared") is None

    (tmp_path / "shared" / "tako.yml").write_text("version: 2\n")

    found = read(tmp_path / "shared")
    assert found is not None
    assert found.content == TEXT.encode()


def test_directory_and_repository_without_commit(read: Read, run_git: RunGit, tmp_path: Path) -> None:
    (tmp_path / "tako.yml").write_text(TEXT)
    assert read(tmp_path) is None
    run_git(tmp_path, "init", "--quiet")
    assert read(tmp_path) is None


def test_damaged_history_is_left_to_the_checkout(read: Read, make_repo: MakeRepo, tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "repo", {"tako.yml": TEXT})
    for path in (repo / ".git" / "objects").rglob("*"):
        if path.is_file():
            path.unlink()

    assert read(repo) is None
