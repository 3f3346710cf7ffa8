from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tako import locks
from tako.errors import CheckoutError, LockTimeoutError, MachineError, TakoError
from tako.files import remove_tree
from tako.process import Completed, Processes
from tako.repos.checkout import Checkout, checkout
from tako.repos.git import Git
from tako.repos.replica import is_plain_config

if TYPE_CHECKING:
    from tests.conftest import FakeClock

RunGit = Callable[..., str]
MakeRepo = Callable[..., Path]
Take = Callable[..., Checkout]
Unprivileged = Callable[[Path, str, str], Completed]

ORIGIN = "https://example.invalid/org/lib.git"


class CountingProcesses(Processes):
    """Processes that count what is started through them."""

    def __init__(self) -> None:
        super().__init__()
        self.started = 0

    def run(self, argv: Sequence[str], *, env: Mapping[str, str], **options: Any) -> Completed:
        self.started += 1
        return super().run(argv, env=env, **options)


@pytest.fixture
def counting() -> CountingProcesses:
    return CountingProcesses()


@pytest.fixture
def take(counting: CountingProcesses, tmp_path: Path, fake_clock: FakeClock) -> Take:
    """Makes a checkout of a source at ``tmp_path / "copy"``."""

    def make(source: Path, commit: str | None = None, *, to: str = "copy", **options: Any) -> Checkout:
        arguments: dict[str, Any] = {"lock_path": str(tmp_path / "lock"), "clock": fake_clock, "git": Git(counting)}
        return checkout(str(source), str(tmp_path / to), commit=commit, **(arguments | options))

    return make


@pytest.fixture
def source(make_repo: MakeRepo, tmp_path: Path) -> Path:
    """An ordinary repository with all that a working tree can hold."""
    path = tmp_path / "source"
    path.mkdir()
    (path / "link").symlink_to("dir/file")
    (path / "broken").symlink_to("/nowhere")
    files = {
        "README": "hello\n",
        "dir/file": "content\n",
        "a name with spaces": "x",
        "new\nline": "x",
        "ünïcode": "x",
        "run.sh": "#!/bin/sh\n",
    }
    for name, content in files.items():
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_text(content)
    (path / "run.sh").chmod(0o755)
    make_repo(path, {}, origin=ORIGIN)
    (path / "untracked").touch()
    (path / "dir" / "file").write_text("changed, not committed\n")
    (path / "empty directory").mkdir()
    return path


def files_of(root: Path) -> dict[str, tuple[str, bytes]]:
    """The files of a working tree: their mode as git sees it, and their content or target."""
    found = {}
    for path in root.rglob("*"):
        name = str(path.relative_to(root))
        if name.split("/")[0] == ".git" or (path.is_dir() and not path.is_symlink()):
            continue
        if path.is_symlink():
            found[name] = ("link", os.readlink(path).encode())
        else:
            found[name] = ("x" if os.access(path, os.X_OK) else "-", path.read_bytes())
    return found


def snapshot(root: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Everything about a directory that a reader must not change."""
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[str(path)] = (status.st_mode, status.st_mtime_ns, status.st_ino, content)
    return found


def assert_full_clone(copy: Path, run_git: RunGit, *, origin: str | None = ORIGIN) -> None:
    """All that one can do with a clone works."""
    run_git(copy, "fsck", "--full", "--strict", "--no-dangling")
    assert not (copy / ".git" / "objects" / "info" / "alternates").exists()
    assert run_git(copy, "status", "--porcelain") == ""
    assert run_git(copy, "remote").split() == ([] if origin is None else ["origin"])
    if origin is not None:
        assert run_git(copy, "remote", "get-url", "origin").strip() == origin
    history = run_git(copy, "log", "--format=%H").split()
    run_git(copy, "checkout", "--quiet", "-b", "work")
    (copy / "new file").write_text("new")
    run_git(copy, "add", "--all")
    run_git(copy, "commit", "--quiet", "--message", "on top")
    assert run_git(copy, "log", "--format=%H").split()[1:] == history
    run_git(copy, "gc", "--quiet", "--prune=now")
    run_git(copy, "fsck", "--full", "--strict", "--no-dangling")
    assert not list((copy / ".git" / "hooks").glob("[!.]*")) if (copy / ".git" / "hooks").exists() else True


def test_a_checkout_is_what_the_commit_holds(source: Path, take: Take, run_git: RunGit, tmp_path: Path) -> None:
    made = take(source)

    assert made == Checkout(str(tmp_path / "copy"), run_git(source, "rev-parse", "HEAD").strip(), "links")
    expected = files_of(source)
    del expected["untracked"]
    expected["dir/file"] = ("-", b"content\n")
    assert files_of(tmp_path / "copy") == expected
    assert not (tmp_path / "copy.tmp").exists()


def test_a_checkout_takes_one_process(source: Path, take: Take, counting: CountingProcesses) -> None:
    take(source)

    assert counting.started == 1


def test_the_source_stays_as_it_was(source: Path, take: Take) -> None:
    before = snapshot(source)

    take(source)

    assert snapshot(source) == before


def pack_everything(source: Path, run_git: RunGit) -> None:
    run_git(source, "gc", "--quiet")
    assert not (source / ".git" / "refs" / "heads" / "main").exists()


def pack_and_go_on(source: Path, run_git: RunGit) -> None:
    pack_everything(source, run_git)
    run_git(source, "branch", "feature/x")
    run_git(source, "commit", "--quiet", "--all", "--message", "loose again")


def detach(source: Path, run_git: RunGit) -> None:
    run_git(source, "commit", "--quiet", "--all", "--message", "second")
    run_git(source, "checkout", "--quiet", "--detach", "HEAD~1")


def add_submodule(source: Path, run_git: RunGit) -> None:
    commit = run_git(source, "rev-parse", "HEAD").strip()
    run_git(source, "update-index", "--add", "--cacheinfo", f"160000,{commit},vendor/sub")
    (source / ".gitmodules").write_text('[submodule "sub"]\n\tpath = vendor/sub\n\turl = ../sub\n')
    run_git(source, "add", ".gitmodules")
    run_git(source, "commit", "--quiet", "--message", "submodule")


def make_shallow(source: Path, run_git: RunGit) -> None:
    for number in range(3):
        run_git(source, "commit", "--quiet", "--allow-empty", "--message", f"more {number}")
    run_git(source.parent, "clone", "--quiet", "--depth=2", f"file://{source}", "shallow")
    shutil.rmtree(source)
    (source.parent / "shallow").rename(source)
    run_git(source, "remote", "set-url", "origin", ORIGIN)
    assert (source / ".git" / "shallow").exists()


def leave_debris(source: Path, run_git: RunGit) -> None:
    (source / ".git" / "refs" / "heads" / "main.lock").touch()
    (source / ".git" / "index.lock").touch()
    (source / ".git" / "objects" / "pack").mkdir(exist_ok=True)
    (source / ".git" / "objects" / "pack" / "tmp_pack_x").write_text("half")


def remove_write_bits(source: Path, run_git: RunGit) -> None:
    for path in (*source.rglob("*"), source):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222)


def use_sha256(source: Path, run_git: RunGit) -> None:
    shutil.rmtree(source / ".git")
    run_git(source, "init", "--quiet", "--object-format=sha256")
    run_git(source, "remote", "add", "origin", ORIGIN)
    run_git(source, "add", "README")
    run_git(source, "commit", "--quiet", "--message", "sha256")


def nothing_special(source: Path, run_git: RunGit) -> None:
    pass


PLAIN = [
    nothing_special,
    pack_everything,
    pack_and_go_on,
    detach,
    add_submodule,
    make_shallow,
    leave_debris,
    remove_write_bits,
    use_sha256,
]


def link_working_tree(source: Path, run_git: RunGit) -> None:
    run_git(source, "commit", "--quiet", "--all", "--message", "second")
    run_git(source, "worktree", "add", "--quiet", "-b", "side", "../tree", "HEAD~1")
    source.rename(source.parent / "main-tree")
    (source.parent / "tree").rename(source)
    run_git(source.parent / "main-tree", "worktree", "repair", "../source")


def make_bare(source: Path, run_git: RunGit) -> None:
    run_git(source.parent, "clone", "--quiet", "--bare", "source", "bare")
    shutil.rmtree(source)
    (source.parent / "bare").rename(source)
    run_git(source, "remote", "set-url", "origin", ORIGIN)


def borrow_objects(source: Path, run_git: RunGit) -> None:
    run_git(source.parent, "clone", "--quiet", "--shared", "source", "borrower")
    source.rename(source.parent / "lender")
    (source.parent / "borrower").rename(source)
    alternates = source / ".git" / "objects" / "info" / "alternates"
    alternates.write_text(f"{source.parent}/lender/.git/objects\n")
    run_git(source, "remote", "set-url", "origin", ORIGIN)


def separate_git_dir(source: Path, run_git: RunGit) -> None:
    run_git(source, "init", "--quiet", "--separate-git-dir", "../elsewhere.git")


def make_sparse(source: Path, run_git: RunGit) -> None:
    run_git(source, "checkout", "--quiet", "--", ".")
    run_git(source, "sparse-checkout", "set", "--no-cone", "/README")


def name_a_monitor(source: Path, run_git: RunGit) -> None:
    run_git(source, "config", "core.fsmonitor", f"touch {source.parent}/monitor-ran; false")


def name_hooks(source: Path, run_git: RunGit) -> None:
    run_git(source, "config", "core.hooksPath", ".githooks")


def include_configuration(source: Path, run_git: RunGit) -> None:
    (source / ".git" / "more").write_text("[user]\n\tname = Somebody\n")
    run_git(source, "config", "include.path", "more")


def link_the_git_directory(source: Path, run_git: RunGit) -> None:
    (source / ".git").rename(source.parent / "elsewhere.git")
    (source / ".git").symlink_to("../elsewhere.git")


UNUSUAL = [
    link_working_tree,
    make_bare,
    borrow_objects,
    separate_git_dir,
    make_sparse,
    name_a_monitor,
    name_hooks,
    include_configuration,
    link_the_git_directory,
]


@pytest.mark.parametrize("prepare", [*PLAIN, *UNUSUAL], ids=lambda prepare: prepare.__name__)
def test_a_checkout_is_a_full_clone_that_outlives_its_source(
    source: Path,
    take: Take,
    run_git: RunGit,
    tmp_path: Path,
    prepare: Callable[[Path, RunGit], None],
) -> None:
    prepare(source, run_git)
    commit = run_git(source, "rev-parse", "HEAD").strip()
    tracked = run_git(source, "ls-tree", "-r", "-z", "--name-only", "HEAD").rstrip("\0").split("\0")
    before = snapshot(source)

    made = take(source)

    assert snapshot(source) == before
    assert made.commit == commit
    assert made.method == ("links" if prepare in PLAIN else "clone")
    copy = tmp_path / "copy"
    assert not (tmp_path / "monitor-ran").exists()
    for other in tmp_path.iterdir():
        if other.name not in ("copy", "lock"):
            remove_tree(str(other))
    assert run_git(copy, "rev-parse", "HEAD").strip() == commit
    # A submodule is an empty directory until it is initialised.
    assert sorted([*files_of(copy), *(["vendor/sub"] if prepare is add_submodule else [])]) == sorted(tracked)
    assert_full_clone(copy, run_git)


@pytest.mark.parametrize("prepare", [nothing_special, make_bare], ids=["links", "clone"])
def test_a_source_without_origin_gives_a_checkout_without_one(
    source: Path, take: Take, run_git: RunGit, tmp_path: Path, prepare: Callable[[Path, RunGit], None]
) -> None:
    prepare(source, run_git)
    run_git(source, "remote", "remove", "origin")

    take(source)

    assert_full_clone(tmp_path / "copy", run_git, origin=None)


def test_a_partial_clone_gives_a_checkout_that_can_fetch_the_rest(
    make_repo: MakeRepo, run_git: RunGit, take: Take, tmp_path: Path
) -> None:
    upstream = make_repo(tmp_path / "upstream", {"file": "old"})
    run_git(upstream, "config", "uploadpack.allowFilter", "true")
    (upstream / "file").write_text("new")
    run_git(upstream, "commit", "--quiet", "--all", "--message", "second")
    run_git(tmp_path, "clone", "--quiet", "--filter=blob:none", f"file://{upstream}", "source")

    made = take(tmp_path / "source")

    copy = tmp_path / "copy"
    shutil.rmtree(tmp_path / "source")
    assert made.method == "clone"
    assert (copy / "file").read_text() == "new"
    assert run_git(copy, "show", "HEAD~1:file") == "old"
    assert run_git(copy, "status", "--porcelain") == ""


def test_the_remote_branches_and_tags_of_the_source_are_in_the_checkout(
    make_repo: MakeRepo, run_git: RunGit, take: Take, tmp_path: Path
) -> None:
    upstream = make_repo(tmp_path / "upstream")
    run_git(upstream, "branch", "develop")
    run_git(upstream, "tag", "v1")
    run_git(tmp_path, "clone", "--quiet", "upstream", "source")

    take(tmp_path / "source")

    copy = tmp_path / "copy"
    assert set(run_git(copy, "branch", "--remotes", "--format=%(refname:short)").split()) >= {
        "origin/develop",
        "origin/main",
    }
    assert run_git(copy, "tag").split() == ["v1"]
    assert run_git(copy, "rev-parse", "--abbrev-ref", "main@{upstream}").strip() == "origin/main"
    run_git(copy, "fetch", "--quiet")


@pytest.mark.parametrize("prepare", [nothing_special, separate_git_dir], ids=["links", "clone"])
@pytest.mark.parametrize("length", [40, 10])
def test_a_commit_that_the_source_is_not_at_can_be_asked_for(
    source: Path,
    take: Take,
    run_git: RunGit,
    tmp_path: Path,
    length: int,
    prepare: Callable[[Path, RunGit], None],
) -> None:
    first = run_git(source, "rev-parse", "HEAD").strip()
    run_git(source, "commit", "--quiet", "--all", "--message", "second")
    prepare(source, run_git)

    made = take(source, first[:length])

    assert made.commit == first
    assert (tmp_path / "copy" / "dir" / "file").read_text() == "content\n"
    assert run_git(tmp_path / "copy", "status", "--porcelain") == ""


def test_a_commit_that_git_cannot_read_though_the_source_is_at_it_is_told_in_gits_words(
    source: Path, take: Take, run_git: RunGit
) -> None:
    """Nobody should be told to fetch what is there."""
    head = run_git(source, "rev-parse", "HEAD").strip()
    (source / ".git" / "objects" / head[:2] / head[2:]).unlink()

    with pytest.raises(CheckoutError, match=f"git could not check out {head}") as caught:
        take(source, head)

    assert "fatal: " in caught.value.why


@pytest.mark.parametrize("prepare", [nothing_special, separate_git_dir], ids=["links", "clone"])
def test_a_commit_that_is_not_in_the_source_is_an_error_that_says_what_is(
    source: Path, take: Take, run_git: RunGit, tmp_path: Path, prepare: Callable[[Path, RunGit], None]
) -> None:
    prepare(source, run_git)
    head = run_git(source, "rev-parse", "HEAD").strip()
    missing = "0123456789" * 4

    with pytest.raises(CheckoutError, match=f"commit {missing} is not in the repository") as caught:
        take(source, missing)

    assert (caught.value.where, caught.value.why) == (str(source), f"it is at {head}")
    assert not list(tmp_path.glob("copy*"))


@pytest.mark.parametrize("commit", ["", "main", "--soft", "HEAD~1", "abc", "g" * 40, "a" * 65])
def test_what_is_no_commit_id_is_refused(source: Path, take: Take, commit: str) -> None:
    with pytest.raises(CheckoutError, match="is not a commit id"):
        take(source, commit)


def test_repository_without_commit_is_copied_as_it_lies(take: Take, run_git: RunGit, tmp_path: Path) -> None:
    run_git(tmp_path, "init", "--quiet", "source")
    source = tmp_path / "source"
    (source / "staged").write_text("staged\n")
    run_git(source, "add", "staged")
    (source / "untracked").write_text("untracked\n")
    (source / ".git" / "hooks" / "pre-commit").write_text("exit 1\n")

    made = take(source)

    copy = Path(made.path)
    assert (made.method, made.commit) == ("copy", None)
    assert sorted(os.listdir(copy)) == [".git", "staged", "untracked"]
    assert not (copy / ".git" / "hooks").exists()
    run_git(copy, "add", "--all")
    run_git(copy, "commit", "--quiet", "--message", "in the copy")
    assert run_git(source, "status", "--short").split() == ["A", "staged", "??", "untracked"]


def test_copy_without_commit_does_not_lead_back(take: Take, run_git: RunGit, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    run_git(source, "init", "--quiet", "--separate-git-dir", str(tmp_path / "elsewhere"))
    (source / "file").write_text("content\n")

    assert os.listdir(take(source).path) == ["file"]


def test_bare_repository_without_commit_is_an_error(take: Take, run_git: RunGit, tmp_path: Path) -> None:
    run_git(tmp_path, "init", "--quiet", "--bare", "source")

    with pytest.raises(CheckoutError, match="the repository has no commit yet") as caught:
        take(tmp_path / "source")
    assert caught.value.cure
    assert not list(tmp_path.glob("copy*"))


def test_hooks_are_neither_copied_nor_run(
    source: Path, take: Take, run_git: RunGit, tmp_path: Path, home: Path
) -> None:
    template = home / "template" / "hooks"
    for directory in (source / ".git" / "hooks", home / "hooks", template):
        directory.mkdir(parents=True, exist_ok=True)
        for name in ("post-checkout", "reference-transaction", "post-index-change"):
            (directory / name).write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran'\n")
            (directory / name).chmod(0o755)
    run_git(tmp_path, "config", "--global", "core.hooksPath", str(home / "hooks"))
    run_git(tmp_path, "config", "--global", "init.templateDir", str(template.parent))
    run_git(tmp_path, "config", "--global", "core.fsmonitor", str(home / "hooks" / "post-checkout"))

    take(source)
    run_git(source, "config", "core.hooksPath", str(home / "hooks"))
    take(source, to="clone")

    assert not (tmp_path / "ran").exists()
    for name in ("copy", "clone"):
        assert not (tmp_path / name / ".git" / "hooks").exists()
        assert "hooks" not in (tmp_path / name / ".git" / "config").read_text()


def test_history_is_linked_and_the_working_tree_is_not(source: Path, take: Take, tmp_path: Path) -> None:
    take(source)

    objects = [path for path in (source / ".git" / "objects").rglob("*") if path.is_file()]
    assert objects
    assert all(path.stat().st_nlink == 2 for path in objects)
    rest = [path for path in (tmp_path / "copy").rglob("*") if path.is_file() and "objects" not in path.parts]
    assert all(path.stat().st_nlink == 1 for path in rest if not path.is_symlink())


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM, errno.EMLINK])
def test_history_is_copied_where_it_cannot_be_linked(
    source: Path, take: Take, run_git: RunGit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    made = take(source)

    assert made.method == "links"
    assert all(path.stat().st_nlink == 1 for path in (tmp_path / "copy").rglob("*") if path.is_file())
    shutil.rmtree(source)
    assert_full_clone(tmp_path / "copy", run_git)


def test_a_failure_half_way_leaves_nothing(
    source: Path, take: Take, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link
    calls: list[str] = []

    def fail_later(path: str, target: str, **options: Any) -> None:
        calls.append(path)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device", target)
        link(path, target, **options)

    monkeypatch.setattr(os, "link", fail_later)
    with pytest.raises(CheckoutError, match="cannot make a checkout: No space left on device"):
        take(source)

    assert not list(tmp_path.glob("copy*"))


def test_an_interruption_leaves_nothing(
    source: Path, take: Take, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "link", interrupt)
    with pytest.raises(KeyboardInterrupt):
        take(source)

    assert not list(tmp_path.glob("copy*"))


def test_what_an_earlier_attempt_left_is_replaced(source: Path, take: Take, run_git: RunGit, tmp_path: Path) -> None:
    (tmp_path / "copy.tmp" / ".git" / "objects").mkdir(parents=True)
    (tmp_path / "copy.tmp" / "half").touch()
    (tmp_path / "copy.tmp" / ".git").chmod(0o500)

    take(source)

    assert not (tmp_path / "copy.tmp").exists()
    assert not (tmp_path / "copy" / "half").exists()
    assert_full_clone(tmp_path / "copy", run_git)


def test_an_existing_destination_is_left_alone(source: Path, take: Take, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "mine").touch()

    with pytest.raises(CheckoutError, match="something is already where the checkout should be"):
        take(source)

    assert os.listdir(tmp_path / "copy") == ["mine"]


def test_a_missing_source_is_an_error(take: Take, tmp_path: Path) -> None:
    with pytest.raises(CheckoutError, match="the repository is not there") as caught:
        take(tmp_path / "nothing")
    assert caught.value.where == str(tmp_path / "nothing")
    assert not list(tmp_path.glob("copy*"))


def test_a_destination_that_cannot_be_made_is_an_error(source: Path, take: Take, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(CheckoutError, match="cannot make a checkout") as caught:
        take(source, to="file/copy")
    assert str(tmp_path / "file") in caught.value.where


def test_directories_above_the_destination_are_made(source: Path, take: Take, tmp_path: Path) -> None:
    made = take(source, to="some/where/copy")

    assert made.path == str(tmp_path / "some" / "where" / "copy")
    assert (tmp_path / "some" / "where" / "copy" / "README").exists()


def test_a_damaged_history_is_an_error_with_gits_words(
    source: Path, take: Take, run_git: RunGit, tmp_path: Path
) -> None:
    blob = run_git(source, "rev-parse", "HEAD:README").strip()
    (source / ".git" / "objects" / blob[:2] / blob[2:]).unlink()

    with pytest.raises(CheckoutError, match="git could not check out") as caught:
        take(source)

    assert blob in caught.value.why
    assert not list(tmp_path.glob("copy*"))


def test_a_missing_git_is_an_error_of_the_machine(
    source: Path, take: Take, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(MachineError, match="git is not on the PATH"):
        take(source)
    assert not list(tmp_path.glob("copy*"))


def test_a_source_that_is_being_changed_is_waited_for(
    source: Path, take: Take, tmp_path: Path, fake_clock: FakeClock
) -> None:
    told: list[str] = []
    held = locks.own(str(tmp_path / "lock"))
    held.__enter__()
    fake_clock.on_sleep = lambda: (
        held.__exit__(None, None, None) if told and locks.is_held(str(tmp_path / "lock")) else None
    )

    take(source, waiting=told.append)

    assert len(told) == 1
    assert (tmp_path / "copy" / "README").exists()


def test_a_source_that_stays_locked_is_an_error(source: Path, take: Take, tmp_path: Path) -> None:
    with locks.own(str(tmp_path / "lock")), pytest.raises(LockTimeoutError):
        take(source, lock_timeout=3)

    assert not list(tmp_path.glob("copy*"))


def test_a_checkout_holds_its_source_against_writers_only(
    source: Path, take: Take, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake_clock: FakeClock
) -> None:
    lock = str(tmp_path / "lock")
    seen: list[type[TakoError]] = []
    link = os.link

    def look(path: str, target: str, **options: Any) -> None:
        if not seen:
            with locks.shared(lock, clock=fake_clock, timeout=0):
                pass
            with pytest.raises(LockTimeoutError), locks.exclusive(lock, clock=fake_clock, timeout=0):
                pass
            seen.append(LockTimeoutError)
        link(path, target, **options)

    monkeypatch.setattr(os, "link", look)
    take(source)

    assert seen
    with locks.exclusive(lock, clock=fake_clock, timeout=0):
        pass


def test_without_a_lock_none_is_made(source: Path, take: Take, tmp_path: Path) -> None:
    take(source, lock_path=None)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "source"]


def test_a_plain_directory_is_copied(take: Take, tmp_path: Path) -> None:
    (tmp_path / "source" / "inner").mkdir(parents=True)
    (tmp_path / "source" / "inner" / "file").write_text("content")
    os.mkfifo(tmp_path / "source" / "fifo")

    made = take(tmp_path / "source")

    assert made == Checkout(str(tmp_path / "copy"), None, "copy", ("fifo",))
    assert (tmp_path / "copy" / "inner" / "file").read_text() == "content"


def test_a_directory_inside_a_repository_is_copied(source: Path, take: Take, tmp_path: Path) -> None:
    made = take(source / "dir")

    assert (made.method, made.commit) == ("copy", None)
    assert (tmp_path / "copy" / "file").read_text() == "changed, not committed\n"


def test_a_plain_directory_has_no_commits(take: Take, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()

    with pytest.raises(CheckoutError, match="this is not a git repository"):
        take(tmp_path / "source", "a" * 40)
    assert not list(tmp_path.glob("copy*"))


def test_a_plain_directory_that_cannot_be_read_is_an_error(public_path: Path, unprivileged: Unprivileged) -> None:
    (public_path / "source").mkdir()
    (public_path / "source" / "secret").touch(mode=0)

    completed = unprivileged(
        public_path,
        "from tako.repos.checkout import checkout; import tako.tree_copy, tako.files, shutil",
        "checkout('source', 'copy', commit=None, git=None, lock_path=None, clock=None)",
    )

    assert "CheckoutError: " in completed.message()
    assert "source/secret: cannot make a checkout: Permission denied" in completed.message()
    assert os.listdir(public_path) == ["source"]


def test_a_source_without_write_bits_can_be_checked_out(
    source: Path, public_path: Path, unprivileged: Unprivileged, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.move(source, public_path / "source")
    remove_write_bits(public_path / "source", lambda *_: "")
    for name in ("HOME", "GIT_CONFIG_GLOBAL", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(public_path / "nothing"))

    completed = unprivileged(
        public_path,
        "from tako.repos.checkout import checkout; from tako.repos.git import Git; import tako.tree_copy\n"
        "from tako.process import Processes; from tako.clock import SystemClock; import tako.files, shutil",
        "print(checkout('source', 'copy', commit=None, git=Git(Processes()), lock_path='lock', clock=SystemClock()))",
    )

    assert "method='links'" in completed.stdout.decode(), completed.message()
    assert (public_path / "copy" / "README").stat().st_mode & 0o200


@pytest.mark.parametrize(
    "extra",
    [
        "[core]\n\tbare = true",
        "[core]\n\tworktree = ../x",
        "[core]\n\thooksPath = .githooks",
        "[core]\n\tfsmonitor = true",
        "[core]\n\tsparseCheckout = true",
        "[extensions]\n\tworktreeConfig = true",
        "[extensions]\n\trefStorage = reftable",
        "[extensions]\n\tpartialClone = origin",
        '[remote "origin"]\n\tpromisor = true',
        "[include]\n\tpath = x",
        '[includeIf "gitdir:x"]\n\tpath = x',
        '[user]\n\tname = "quoted"',
    ],
)
def test_an_unusual_configuration_is_left_to_git(extra: str) -> None:
    usual = '[core]\n\tbare = false\n[remote "origin"]\n\turl = x\n[branch "main"]\n\tremote = origin\n'

    assert is_plain_config(usual)
    assert not is_plain_config(usual + extra)


def test_no_configuration_is_left_to_git() -> None:
    assert not is_plain_config("")


def test_the_module_is_cheap_to_import(processes: Processes) -> None:
    code = "import sys; sys.path[:0] = [sys.argv[1]]; import tako.repos.checkout; print(*sys.modules)"
    root = str(Path(locks.__file__).parent.parent)

    loaded = processes.run([sys.executable, "-S", "-c", code, root], env=os.environ).stdout.decode().split()

    dear = {"typing", "dataclasses", "pathlib", "subprocess", "shutil", "tempfile", "re", "hashlib", "filelock"}
    assert {"tako.repos.checkout", "tako.repos.git"} < set(loaded)
    assert dear & set(loaded) == set()
