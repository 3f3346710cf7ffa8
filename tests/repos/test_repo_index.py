from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tako.config.model import RepoConfig
from tako.errors import ConfigError, MachineError
from tako.process import Processes
from tako.repos.cache import RepoCache
from tako.repos.git import Git
from tako.repos.index import Indexed, RepoIndex


class Loader:
    """Takes the first line of a file for the repository's name; ``bad`` and ``busy`` are errors."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def __call__(self, path: str, *, data: bytes | None = None) -> RepoConfig:
        self.paths.append(path)
        name = (Path(path).read_bytes() if data is None else data).decode().partition("\n")[0]
        if name == "bad":
            raise ConfigError("it is bad", where=path)
        if name == "busy":
            raise MachineError("too many open files", where=path)
        return RepoConfig(path=path, name=name or None)


@pytest.fixture
def loader() -> Loader:
    return Loader()


@pytest.fixture
def repos(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "repos"


@pytest.fixture
def index(tmp_path: Path, loader: Loader) -> RepoIndex:
    return RepoIndex(RepoCache(str(tmp_path / "cache")), load=loader, git=Git(Processes()))


@pytest.fixture
def add(repos: Path) -> Callable[[str, str | None], Path]:
    """Puts a checkout into the cache, with what its ``tako.yml`` says, if it has one."""

    def put(owner_name: str, content: str | None) -> Path:
        directory = repos / owner_name / "main"
        directory.mkdir(parents=True)
        if content is not None:
            (directory / "tako.yml").write_text(content)
        return directory / "tako.yml"

    return put


Add = Callable[[str, str | None], Path]


def test_every_repository_is_there_with_what_its_file_says(
    index: RepoIndex, add: Add, loader: Loader, repos: Path
) -> None:
    path = add("org/lib", "named/lib")
    add("org/app", "")
    add("org/bad", "bad")
    add("org/docs", None)
    (repos / "org" / "gone").symlink_to("/nowhere")

    app, bad, docs, gone, lib = index.scan()

    assert lib == Indexed(lib.entry, RepoConfig(path=str(path), name="named/lib"), None, "named/lib")
    assert app.identity == "org/app"
    assert app.config is not None
    assert bad.config is None
    assert isinstance(bad.error, ConfigError)
    assert bad.identity == "org/bad"
    assert (docs.config, docs.error, docs.identity) == (None, None, "org/docs")
    assert gone.error is not None
    assert "broken symbolic link" in gone.error.why
    assert len(loader.paths) == 3


def test_the_origin_names_a_repository_whose_file_does_not(
    index: RepoIndex, make_repo: Callable[..., Path], repos: Path
) -> None:
    make_repo(repos / "org" / "lib" / "main", {"tako.yml": ""}, origin="https://example.invalid/real/lib.git")

    assert [item.identity for item in index.scan()] == ["real/lib"]


def test_what_has_not_changed_is_not_read_again(index: RepoIndex, add: Add, loader: Loader) -> None:
    for number in range(4):
        add(f"org/lib-{number}", f"org/lib-{number}")
    add("org/bad", "bad")
    add("org/docs", None)

    first = index.scan()
    assert len(loader.paths) == 5
    second = index.scan()

    assert second == first
    assert len(loader.paths) == 5


@pytest.mark.parametrize("change", ["content", "time", "inode", "removal"])
def test_what_has_changed_is_read_again(index: RepoIndex, add: Add, loader: Loader, change: str) -> None:
    path, _ = add("org/lib", "org/one"), add("org/other", "org/other")
    index.scan()
    loader.paths.clear()
    status = path.stat()

    if change == "content":
        path.write_text("org/longer")
    elif change == "time":
        path.write_text("org/two")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    elif change == "inode":
        (path.parent / "new").write_text("org/two")
        os.utime(path.parent / "new", ns=(status.st_atime_ns, status.st_mtime_ns))
        (path.parent / "new").rename(path)
    else:
        path.unlink()
    lib, other = index.scan()

    assert other.identity == "org/other"
    if change == "removal":
        assert (lib.config, lib.error) == (None, None)
        assert loader.paths == []
    else:
        assert lib.identity in ("org/longer", "org/two")
        assert loader.paths == [str(path)]


def test_a_repository_that_comes_or_goes_is_noticed(index: RepoIndex, add: Add) -> None:
    path = add("org/one", "org/one")
    index.scan()

    add("org/two", "org/two")
    path.unlink()
    path.parent.rmdir()
    path.parent.parent.rmdir()

    assert [item.identity for item in index.scan()] == ["org/two"]


def test_the_trouble_of_a_machine_is_not_remembered(index: RepoIndex, add: Add, loader: Loader) -> None:
    add("org/lib", "busy")

    (first,) = index.scan()
    index.scan()

    assert isinstance(first.error, MachineError)
    assert len(loader.paths) == 2


def test_a_file_that_gets_a_configuration_loses_its_error(index: RepoIndex, add: Add) -> None:
    path = add("org/lib", "busy")
    index.scan()
    path.unlink()

    (item,) = index.scan()

    assert (item.config, item.error) == (None, None)


def test_what_is_not_a_file_is_an_error_and_not_opened(index: RepoIndex, add: Add, loader: Loader) -> None:
    os.mkfifo(add("org/fifo", None))
    add("org/directory", None).mkdir()
    add("org/link", None).symlink_to("nowhere")

    directory, fifo, link = index.scan()

    assert [type(item.error) for item in (directory, fifo, link)] == [ConfigError] * 3
    assert str(fifo.error).endswith("org/fifo/main/tako.yml: this is not a file")
    assert "broken symbolic link" in str(link.error)
    assert loader.paths == []


def test_a_missing_git_is_an_error_of_those_that_need_it(
    index: RepoIndex, add: Add, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = add("org/lib", "")
    (path.parent / ".git").mkdir()
    (path.parent / ".git" / "config").write_text('[remote "origin"]\n\turl = "quoted"\n')
    add("org/named", "org/named")
    monkeypatch.setenv("PATH", str(tmp_path))

    lib, named = index.scan()

    assert isinstance(lib.error, MachineError)
    assert (lib.config, lib.identity) == (None, "org/lib")
    assert named.error is None
