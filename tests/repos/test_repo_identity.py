from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tako.config.model import RepoConfig
from tako.errors import ConfigError
from tako.process import Processes
from tako.repos.cache import CacheEntry
from tako.repos.git import Git
from tako.repos.hosts import Identity
from tako.repos.identity import identity

ORIGIN = "git@example.invalid:from-origin/lib.git"
ENTRY = CacheEntry("from-cache/lib", "main", "/somewhere")
NAMED = RepoConfig(path="tako.yml", name="from-metadata/lib")
UNNAMED = RepoConfig(path="tako.yml")


@pytest.fixture
def git() -> Git:
    return Git(Processes())


@pytest.mark.parametrize(
    ("config", "origin", "entry", "expected"),
    [
        (NAMED, None, ENTRY, "from-metadata/lib"),
        (NAMED, "/srv/git/from-origin/lib.git", ENTRY, "from-metadata/lib"),
        (UNNAMED, "/srv/git/from-origin/lib.git", ENTRY, "from-origin/lib"),
        (RepoConfig(path="tako.yml", name="example.invalid/from-origin/lib"), ORIGIN, ENTRY, "from-origin/lib"),
        (UNNAMED, ORIGIN, ENTRY, "from-origin/lib"),
        (None, ORIGIN, ENTRY, "from-origin/lib"),
        (UNNAMED, None, ENTRY, "from-cache/lib"),
        (UNNAMED, "/home/me/work/lib", ENTRY, "from-cache/lib"),
        (UNNAMED, None, None, "local/repo"),
        (None, ORIGIN, None, "from-origin/lib"),
    ],
)
def test_the_first_source_that_names_the_repository_counts(
    git: Git,
    make_repo: Callable[..., Path],
    tmp_path: Path,
    config: RepoConfig | None,
    origin: str | None,
    entry: CacheEntry | None,
    expected: str,
) -> None:
    repo = make_repo(tmp_path / "repo", origin=origin)

    assert identity(config, str(repo), entry, git).path == expected


def test_a_plain_directory_is_named_after_its_place(git: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")

    assert identity(None, ".", None, git).path == "local/work"
    assert identity(None, f"{tmp_path}/work/", None, git).path == "local/work"
    assert identity(None, "/", None, git).path == "local/root"
    assert identity(None, str(tmp_path / "work"), ENTRY, git).path == "from-cache/lib"


def test_a_repository_that_git_cannot_read_is_named_after_its_place(git: Git, tmp_path: Path) -> None:
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    (tmp_path / "repo" / ".git" / "config").write_text("[broken\n")

    assert identity(UNNAMED, str(tmp_path / "repo"), ENTRY, git).path == "from-cache/lib"


def test_name_of_another_repository_is_refused(git: Git, make_repo: Callable[..., Path], tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "repo", origin=ORIGIN)

    with pytest.raises(ConfigError) as refused:
        identity(RepoConfig(path="tako.yml", name="from-metadata/lib", name_at=(2, 9)), str(repo), None, git)

    text = str(refused.value)
    assert text.startswith(
        "tako.yml:2:9: metadata.name is from-metadata/lib,"
        " but the repository's origin is example.invalid/from-origin/lib"
    )
    assert "`name: from-origin/lib`" in text


def test_name_may_differ_in_case_where_the_host_has_none(
    git: Git, make_repo: Callable[..., Path], tmp_path: Path
) -> None:
    repo = make_repo(tmp_path / "repo", origin="git@github.com:Acme/Lib.git")

    found = identity(RepoConfig(path="tako.yml", name="acme/lib"), str(repo), None, git)

    assert found == Identity("Acme/Lib", "github.com")
