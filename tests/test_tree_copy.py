from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tako.content import copy_file
from tako.tree_copy import copy_tree


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.mkdir()
    return path


def test_a_tree_is_copied_as_it_is(source: Path, tmp_path: Path) -> None:
    (source / "empty").mkdir()
    (source / "deep" / "er").mkdir(parents=True)
    (source / "deep" / "er" / "script").write_bytes(b"\0\xff#!/bin/sh\n")
    (source / "deep" / "er" / "script").chmod(0o750)
    (source / "deep" / "nothing").touch(mode=0o600)
    (source / "a name\nwith ünusual").write_text("x")
    (source / os.fsdecode(b"not-\xff-utf8")).write_text("y")
    (source / "relative").symlink_to("deep/er")
    (source / "absolute").symlink_to(tmp_path)
    (source / "broken").symlink_to("/nowhere")

    assert copy_tree(str(source), str(tmp_path / "copy")) == ()

    assert shape(tmp_path / "copy") == shape(source)
    assert (tmp_path / "copy" / "relative").is_symlink()


def shape(root: Path) -> dict[str, object]:
    """What a tree consists of: each path's mode, time, and content or target."""
    found: dict[str, object] = {}
    for path in (root, *root.rglob("*")):
        status = path.lstat()
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        mode = None if path.is_symlink() else stat.S_IMODE(status.st_mode)
        found[str(path.relative_to(root))] = (stat.S_IFMT(status.st_mode), mode, status.st_mtime_ns, content)
    return found


def test_read_only_directories_keep_their_mode_and_time(source: Path, tmp_path: Path) -> None:
    (source / "inner").mkdir()
    (source / "inner" / "file").write_text("x")
    os.utime(source / "inner", (1e9, 1e9))
    (source / "inner").chmod(0o555)
    os.utime(source, (1e9, 1e9))
    source.chmod(0o555)

    copy_tree(str(source), str(tmp_path / "copy"))

    assert shape(tmp_path / "copy") == shape(source)


def test_special_files_are_skipped_and_named(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (source / "inner").mkdir()
    os.mkfifo(source / "inner" / "fifo")
    monkeypatch.chdir(source)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        (source / "file").touch()

        skipped = copy_tree(str(source), str(tmp_path / "copy"))

    assert skipped == ("inner/fifo", "socket")
    assert sorted(path.name for path in (tmp_path / "copy").rglob("*")) == ["file", "inner"]


def test_a_copy_inside_its_source_does_not_contain_itself(source: Path) -> None:
    (source / "file").touch()
    (source / "work").mkdir()

    copy_tree(str(source), str(source / "work" / "copy"))

    copied = sorted(str(path.relative_to(source)) for path in source.rglob("*"))
    assert copied == ["file", "work", "work/copy", "work/copy/file", "work/copy/work"]


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, None])
def test_a_file_is_copied_where_the_kernel_does_not_help(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int | None
) -> None:
    (source / "file").write_bytes(os.urandom(3_000_000))

    def refuse(*_arguments: int) -> int:
        if number is None:
            raise AttributeError
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "copy_file_range", refuse)
    copy_file(str(source / "file"), str(tmp_path / "copy"))

    assert (tmp_path / "copy").read_bytes() == (source / "file").read_bytes()


def test_a_file_whose_size_the_kernel_does_not_know_is_copied(tmp_path: Path) -> None:
    copy_file("/proc/self/mounts", str(tmp_path / "copy"))

    assert (tmp_path / "copy").read_bytes() == Path("/proc/self/mounts").read_bytes()


def test_a_full_disk_is_not_taken_for_a_missing_system_call(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source / "file").write_text("x")

    def refuse(*_arguments: int) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "copy_file_range", refuse)
    with pytest.raises(OSError, match="No space left"):
        copy_file(str(source / "file"), str(tmp_path / "copy"))


def test_nothing_is_overwritten(source: Path, tmp_path: Path) -> None:
    (source / "file").write_text("new")
    (tmp_path / "copy").write_text("old")

    with pytest.raises(FileExistsError):
        copy_file(str(source / "file"), str(tmp_path / "copy"))
    assert (tmp_path / "copy").read_text() == "old"


def test_copies_leave_no_descriptor_open(source: Path, tmp_path: Path, wait_until: Callable[..., None]) -> None:
    (source / "file").touch()
    before = len(os.listdir("/proc/self/fd"))

    copy_tree(str(source), str(tmp_path / "copy"))

    assert len(os.listdir("/proc/self/fd")) == before
