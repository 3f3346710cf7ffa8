"""Whole directories, however deep: removed, and measured."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako.directories import Unremoved, measure, mounts_below, remove
from tako.process import Completed
from tako.steps.base import RunInterruptedError

Unprivileged = Callable[[Path, str, str], Completed]

ROOT = Path(__file__).parents[1]
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="files of several users, mounts and flags are root's to make")

DEPTH = 2000
SHAPES = st.recursive(
    st.sampled_from(["file", "read-only file", "link", "dangling link", "pipe"]),
    lambda inner: st.tuples(st.sampled_from([0o700, 0o500, 0o400, 0o000]), st.lists(inner, max_size=4)),
    max_leaves=12,
)


def make_deep(top: Path, *, name: str = "d" * 200) -> None:
    """A directory with a file at each of many levels; the last ones have no path that the system takes."""
    top.mkdir()
    here = os.open(top, os.O_RDONLY)
    for _ in range(DEPTH):
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


def make_shape(path: Path, shape: object, outside: Path) -> None:
    if isinstance(shape, tuple):
        mode, inner = shape
        path.mkdir()
        for number, one in enumerate(inner):
            make_shape(path / str(number), one, outside)
        path.chmod(mode)
    elif shape == "link":
        path.symlink_to(outside)
    elif shape == "dangling link":
        path.symlink_to("nowhere")
    elif shape == "pipe":
        os.mkfifo(path)
    else:
        path.write_text("content")
        path.chmod(0o400 if shape == "read-only file" else 0o600)


def test_a_deep_directory_is_measured_and_removed_with_few_descriptors(tmp_path: Path) -> None:
    make_deep(tmp_path / "deep")
    code = (
        "import resource, sys; from tako.directories import measure, remove\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20)); sys.setrecursionlimit(150)\n"
        "print(measure(sys.argv[1]).apparent, remove(sys.argv[1]))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "deep")], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (ran.returncode, ran.stdout) == (0, "0 ()\n"), ran.stderr[-2000:]
    assert not (tmp_path / "deep").exists()


@given(inner=st.lists(SHAPES, max_size=4))
def test_whatever_is_in_it_goes_and_nothing_outside(tmp_path_factory: pytest.TempPathFactory, inner: object) -> None:
    scratch = tmp_path_factory.mktemp("shapes")
    outside = scratch / "outside"
    outside.mkdir(mode=0o500)
    (scratch / "outside-file").touch()
    make_shape(scratch / "tree", (0o500, inner), outside)

    assert remove(str(scratch / "tree")) == ()

    assert sorted(path.name for path in scratch.iterdir()) == ["outside", "outside-file"]
    assert stat.S_IMODE(outside.stat().st_mode) == 0o500


def test_an_owner_who_is_not_root_is_let_in(tmp_path: Path, unprivileged: Unprivileged) -> None:
    make_shape(tmp_path / "tree", (0o500, [(0o000, ["file"]), (0o400, [(0o100, ["file"]), "file"])]), tmp_path)

    completed = unprivileged(tmp_path, "from tako.directories import remove", "assert remove('tree') == ()")

    assert completed.ok, completed.message()
    assert list(tmp_path.iterdir()) == []


@NEEDS_ROOT
def test_what_stays_is_named_and_the_rest_goes(public_path: Path, unprivileged: Unprivileged) -> None:
    tree = public_path / "tree"
    for name in ("a", "theirs", "unreadable", "unsearchable", "z"):
        (tree / name / "deep").mkdir(parents=True)
        (tree / name / "deep" / "file").touch()
    (public_path / "own").mkdir()
    for path in (tree, tree / "a", tree / "a/deep", tree / "z", tree / "z/deep"):
        os.chown(path, 65534, 65534)
    (tree / "unreadable").chmod(0o700)
    (tree / "unsearchable").chmod(0o744)

    code = f"print(*(f'{{each.path}}: {{each.why}}' for each in remove({str(tree)!r})), sep='\\n')"
    completed = unprivileged(public_path / "own", "from tako.directories import remove", code)

    assert completed.ok, completed.message()
    told = completed.stdout.decode().splitlines()
    assert {line.partition(": ")[0] for line in told} == {
        f"{tree}/theirs/deep/file", f"{tree}/unreadable", f"{tree}/unsearchable",
    }  # fmt: skip
    assert sorted(path.name for path in tree.iterdir()) == ["theirs", "unreadable", "unsearchable"]


@NEEDS_ROOT
def test_what_cannot_be_read_does_not_hinder_measuring_the_rest(public_path: Path, unprivileged: Unprivileged) -> None:
    tree = public_path / "tree"
    for name in ("a", "unreadable", "unsearchable", "z"):
        (tree / name).mkdir(parents=True)
        (tree / name / "file").write_bytes(b"x" * 10)
    (public_path / "own").mkdir()
    (tree / "unreadable").chmod(0o700)
    (tree / "unsearchable").chmod(0o744)

    completed = unprivileged(
        public_path / "own", "from tako.directories import measure", f"print(measure({str(tree)!r}).apparent)"
    )

    assert completed.stdout == b"20\n", completed.message()


@NEEDS_ROOT
def test_nothing_goes_that_is_mounted_or_holds_what_is(tmp_path: Path) -> None:
    inside, source = tmp_path / "tree" / "with space" / "mnt", tmp_path / "source"
    inside.mkdir(parents=True)
    source.mkdir()
    (source / "precious").touch()
    code = "import sys; from tako.directories import remove; print(remove(sys.argv[1]))"
    # A bind mount has the number of the file system that it is mounted on.
    script = 'mount --bind "$1" "$2" || exit 77; exec "$3" -c "$4" "$5"'
    arguments = map(str, (source, inside, sys.executable, code, tmp_path / "tree"))
    ran = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if ran.returncode in (1, 77) and "Unremoved" not in ran.stdout:
        pytest.skip(f"nothing can be mounted here: {ran.stderr}")

    assert ran.stdout == f"({Unremoved(str(inside), 'something is mounted there')!r},)\n"
    assert (source / "precious").exists()


def test_a_directory_that_is_not_there_is_fine(tmp_path: Path) -> None:
    assert remove(str(tmp_path / "none")) == ()
    assert (measure(str(tmp_path / "none")).apparent, measure(str(tmp_path / "none")).disk) == (0, 0)


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert remove(str(tmp_path / "file")) == (Unremoved(str(tmp_path / "file"), "Not a directory"),)


def test_a_directory_that_is_filled_while_it_is_removed_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tree" / "busy").mkdir(parents=True)
    rmdir = os.rmdir

    def fill_first(name: str, dir_fd: int | None = None) -> None:
        if name == "busy":
            (tmp_path / "tree" / "busy" / "new").touch()
        rmdir(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "rmdir", fill_first)

    assert remove(str(tmp_path / "tree")) == (Unremoved(f"{tmp_path}/tree/busy", "Directory not empty"),)


def test_one_that_is_moved_away_meanwhile_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tree" / "a" / "b").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "precious").touch()
    scandir = os.scandir

    def move_first(place: int) -> object:
        if os.readlink(f"/proc/self/fd/{place}").endswith("/b"):
            (tmp_path / "tree" / "a" / "b").rename(tmp_path / "elsewhere" / "b")
        return scandir(place)

    monkeypatch.setattr(os, "scandir", move_first)

    (unremoved,) = remove(str(tmp_path / "tree"))
    assert unremoved.why == "it was moved away meanwhile"
    assert (tmp_path / "elsewhere" / "precious").exists()


def test_a_very_long_path_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_deep(tmp_path / "deep")

    def refuse(name: str, dir_fd: int | None = None) -> None:
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refuse)
        unremoved = remove(str(tmp_path / "deep"))

    assert len(unremoved) == DEPTH
    assert all(len(each.path) <= 301 and each.path.endswith("/file") for each in unremoved)
    assert remove(str(tmp_path / "deep")) == ()


def test_files_are_counted_once_and_shared_ones_free_nothing(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "below").mkdir(parents=True)
    (tree / "one").write_bytes(b"x" * 10_000)
    (tree / "below" / "one-again").hardlink_to(tree / "one")
    alone = measure(str(tree))
    (tmp_path / "shared").write_bytes(b"y" * 50_000)
    (tree / "shared").hardlink_to(tmp_path / "shared")

    assert alone.apparent == 10_000
    assert alone.disk >= 10_000
    assert measure(str(tree)).apparent == 60_000
    assert measure(str(tree)).disk == alone.disk
    assert alone.disk == sum(path.lstat().st_blocks * 512 for path in (tree, tree / "below", tree / "one"))


def test_mount_points_are_found_where_they_are() -> None:
    assert "/proc" in mounts_below("/proc")
    assert "/proc" in mounts_below("/")
    assert mounts_below("/pro") == ()


def test_interrupted_removal_is_completed_later(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / "tree" / name).mkdir(parents=True)
        (tmp_path / "tree" / name / "file").touch()
    left = 4

    def check() -> None:
        nonlocal left
        left -= 1
        if not left:
            raise RunInterruptedError

    with pytest.raises(RunInterruptedError):
        remove(str(tmp_path / "tree"), check=check)

    files = list((tmp_path / "tree").rglob("file"))
    assert 0 < len(files) < 3
    assert remove(str(tmp_path / "tree")) == ()
    assert not (tmp_path / "tree").exists()
