from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tako.errors import CheckoutError, MachineError
from tako.process import Completed, Processes
from tako.repos.git import Git, environment, find_git_dir, is_commit
from tako.signals import Stops, StopSignal

RunGit = Callable[..., str]
MakeRepo = Callable[..., Path]


class CountingProcesses(Processes):
    """Processes that count what is started through them."""

    def __init__(self) -> None:
        super().__init__()
        self.commands: list[tuple[str, ...]] = []

    def run(self, argv, **options) -> Completed:  # type: ignore[no-untyped-def]
        self.commands.append(tuple(argv))
        return super().run(argv, **options)


@pytest.fixture
def counting() -> CountingProcesses:
    return CountingProcesses()


@pytest.fixture
def git(counting: CountingProcesses) -> Git:
    return Git(counting)


def test_the_variables_of_another_repository_are_removed() -> None:
    base = {
        "GIT_DIR": "/other",
        "GIT_INDEX_FILE": "/other/index",
        "GIT_WORK_TREE": "/other",
        "GIT_CONFIG_PARAMETERS": "x",
    }
    kept = {"PATH": "/bin", "GIT_SSH_COMMAND": "ssh -i key", "GIT_CONFIG_COUNT": "0", "GIT_AUTHOR_NAME": "A"}

    made = environment({**base, **kept, "LC_ALL": "de_DE.UTF-8"})

    assert made == {**kept, "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}


def test_everything_that_git_calls_local_is_removed(run_git: RunGit, tmp_path: Path) -> None:
    local = run_git(tmp_path, "rev-parse", "--local-env-vars").split()

    left = set(environment(dict.fromkeys(local, "x"))) & set(local)

    assert left == {"GIT_CONFIG_COUNT"}


def test_git_does_not_follow_the_environment_to_another_repository(
    git: Git, make_repo: MakeRepo, run_git: RunGit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, other = make_repo(tmp_path / "ours", {"a": "ours"}), make_repo(tmp_path / "other", {"a": "other"})
    expected = run_git(ours, "rev-parse", "HEAD").strip()
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))

    assert git.check("-C", str(ours), "rev-parse", "HEAD", doing="look", where="here") == expected


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("branch", ["main", "feature/x"])
def test_the_current_commit_is_read_without_a_process(
    git: Git,
    counting: CountingProcesses,
    make_repo: MakeRepo,
    run_git: RunGit,
    tmp_path: Path,
    packed: bool,
    branch: str,
) -> None:
    repo = make_repo(tmp_path / "repo")
    run_git(repo, "tag", "--annotate", "--message", "v", "aaa-sorts-first")
    run_git(repo, "checkout", "--quiet", "-B", branch)
    run_git(repo, "commit", "--quiet", "--allow-empty", "--message", "second")
    run_git(repo, "branch", f"{branch}-longer", "HEAD~1")
    if packed:
        run_git(repo, "pack-refs", "--all", "--prune")

    assert git.head_commit(str(repo)) == run_git(repo, "rev-parse", "HEAD").strip()
    assert counting.commands == []


def test_the_current_commit_of_a_detached_head_is_read(
    git: Git, counting: CountingProcesses, make_repo: MakeRepo, run_git: RunGit, tmp_path: Path
) -> None:
    repo = make_repo(tmp_path / "repo")
    run_git(repo, "checkout", "--quiet", "--detach")

    assert git.head_commit(str(repo)) == run_git(repo, "rev-parse", "main").strip()
    assert counting.commands == []


def test_a_linked_working_tree_has_its_own_commit(
    git: Git, make_repo: MakeRepo, run_git: RunGit, tmp_path: Path
) -> None:
    repo = make_repo(tmp_path / "repo")
    run_git(repo, "worktree", "add", "--quiet", "-b", "side", "../tree")
    run_git(tmp_path / "tree", "commit", "--quiet", "--allow-empty", "--message", "on the side")

    found = git.head_commit(str(tmp_path / "tree"))

    assert found == run_git(repo, "rev-parse", "side").strip()
    assert found != git.head_commit(str(repo))


def test_a_bare_repository_has_a_commit(git: Git, make_repo: MakeRepo, run_git: RunGit, tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "repo")
    run_git(tmp_path, "clone", "--quiet", "--bare", "repo", "bare")

    assert git.head_commit(str(tmp_path / "bare")) == git.head_commit(str(repo))


def test_a_branch_that_is_another_name_for_one_is_followed(
    git: Git, make_repo: MakeRepo, run_git: RunGit, tmp_path: Path
) -> None:
    repo = make_repo(tmp_path / "repo")
    run_git(repo, "symbolic-ref", "refs/heads/alias", "refs/heads/main")
    run_git(repo, "symbolic-ref", "HEAD", "refs/heads/alias")

    assert git.head_commit(str(repo)) == run_git(repo, "rev-parse", "main").strip()


def test_a_repository_without_commits_has_no_commit(git: Git, run_git: RunGit, tmp_path: Path) -> None:
    run_git(tmp_path, "init", "--quiet", "repo")

    assert git.head_commit(str(tmp_path / "repo")) is None


def test_a_branch_without_commits_is_not_taken_for_one_of_a_longer_name(
    git: Git, make_repo: MakeRepo, run_git: RunGit, tmp_path: Path
) -> None:
    repo = make_repo(tmp_path / "repo")
    run_git(repo, "branch", "feature-of-mine")
    run_git(repo, "pack-refs", "--all", "--prune")
    run_git(repo, "symbolic-ref", "HEAD", "refs/heads/feature")

    assert git.head_commit(str(repo)) is None


def test_a_directory_inside_a_repository_is_not_one(
    git: Git, make_repo: MakeRepo, tmp_path: Path, counting: CountingProcesses
) -> None:
    repo = make_repo(tmp_path / "repo", {"inner/file": "x"}, origin="https://example.invalid/org/lib")

    assert find_git_dir(str(repo / "inner")) is None
    assert git.head_commit(str(repo / "inner")) is None
    assert git.origin_url(str(repo / "inner")) is None
    assert git.head_commit(str(tmp_path / "nothing")) is None
    assert counting.commands == []


def test_a_broken_repository_is_an_error_with_gits_words(git: Git, tmp_path: Path) -> None:
    (tmp_path / "repo" / ".git").mkdir(parents=True)

    with pytest.raises(CheckoutError, match="git cannot tell the current commit") as caught:
        git.head_commit(str(tmp_path / "repo"))
    assert "not a git repository" in caught.value.why
    assert caught.value.where == str(tmp_path / "repo")


def test_the_origin_is_read_without_a_process(
    git: Git, counting: CountingProcesses, make_repo: MakeRepo, tmp_path: Path
) -> None:
    repo = make_repo(tmp_path / "repo", origin="git@example.invalid:org/lib.git")

    assert git.origin_url(str(repo)) == "git@example.invalid:org/lib.git"
    assert counting.commands == []


def test_only_remote_stands_for_origin(git: Git, make_repo: MakeRepo, run_git: RunGit, tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "repo")
    assert git.origin_url(str(repo)) is None

    run_git(repo, "remote", "add", "upstream", "https://example.invalid/org/lib")
    assert git.origin_url(str(repo)) == "https://example.invalid/org/lib"

    run_git(repo, "remote", "add", "fork", "https://example.invalid/me/lib")
    assert git.origin_url(str(repo)) is None


@pytest.mark.parametrize("url", ["https://example.invalid/org/a#b;c", 'with "quotes" and \\', "plain"])
def test_a_configuration_that_is_not_simple_is_read_by_git(
    git: Git, counting: CountingProcesses, make_repo: MakeRepo, run_git: RunGit, tmp_path: Path, url: str
) -> None:
    repo = make_repo(tmp_path / "repo")
    (repo / ".git" / "more").write_text("")
    run_git(repo, "config", "--file", ".git/more", "remote.origin.url", url)
    run_git(repo, "config", "include.path", "more")

    assert git.origin_url(str(repo)) == url
    assert len(counting.commands) == 1


def test_a_broken_configuration_is_an_error_with_gits_words(git: Git, make_repo: MakeRepo, tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "repo")
    (repo / ".git" / "config").write_text("[core\n")

    with pytest.raises(CheckoutError, match="git cannot read the configuration") as caught:
        git.origin_url(str(repo))
    assert "bad config line 1" in caught.value.why


def test_a_failing_command_is_an_error_with_gits_words(git: Git, make_repo: MakeRepo, tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "repo")

    with pytest.raises(CheckoutError, match="git could not find the commit") as caught:
        git.check("-C", str(repo), "rev-parse", "--verify", "nothing", doing="find the commit", where="the repository")
    assert caught.value.where == "the repository"
    assert "fatal: Needed a single revision" in caught.value.why


def test_a_machine_without_git_is_told_to_install_it(git: Git, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(MachineError, match="git is not on the PATH") as caught:
        git.run("--version")
    assert "install git" in caught.value.cure


def test_a_git_that_may_not_be_started_is_told_as_such(
    git: Git, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "git").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(MachineError, match="cannot start 'git': Permission denied"):
        git.run("--version")


def test_git_is_stopped_when_asked(make_repo: MakeRepo, tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "repo")
    stop = StopSignal()
    stop.set()
    try:
        completed = Git(Processes(), stops=Stops(ask=(stop.fd,))).run(
            "-C", str(repo), "-c", "alias.wait=!sleep 1000", "wait"
        )
    finally:
        stop.close()

    assert not completed.ok


def test_no_hook_runs(git: Git, make_repo: MakeRepo, run_git: RunGit, tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "repo")
    hook = repo / ".git" / "hooks" / "post-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)

    git.check("-C", str(repo), "commit", "--quiet", "--allow-empty", "--message", "x", doing="commit", where="")
    assert not (tmp_path / "ran").exists()
    run_git(repo, "commit", "--quiet", "--allow-empty", "--message", "x")
    assert (tmp_path / "ran").exists()


def test_a_full_commit_id_is_recognised() -> None:
    assert is_commit("0" * 40)
    assert is_commit("abcdef" + "0" * 58)
    assert not is_commit("0" * 39)
    assert not is_commit("A" * 40)
    assert not is_commit("g" * 40)


def test_every_query_leaves_the_repository_as_it_was(git: Git, make_repo: MakeRepo, tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "repo", origin="https://example.invalid/org/lib")
    before = {path: path.stat().st_mtime_ns for path in repo.rglob("*")}

    git.head_commit(str(repo))
    git.origin_url(str(repo))
    git.run("-C", str(repo), "status")

    assert {path: path.stat().st_mtime_ns for path in repo.rglob("*")} == before
    assert os.listdir(tmp_path) == ["repo"]
