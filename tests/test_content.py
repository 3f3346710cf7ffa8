from __future__ import annotations

import errno
import os
from hashlib import sha256
from pathlib import Path

import pytest

from tako import content
from tako.content import content_checksum, copy_file

MIB = 1 << 20


class EndedError(Exception):
    pass


def sparse(path: Path) -> bytes:
    """A file with data between two holes; returns its content."""
    with open(path, "wb") as file:
        file.seek(3 * MIB)
        file.write(b"in between")
        file.truncate(6 * MIB)
    return bytes(3 * MIB) + b"in between" + bytes(3 * MIB - 10)


@pytest.mark.parametrize("refused", [None, errno.EXDEV])
def test_holes_are_copied_as_holes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: int | None) -> None:
    expected = sparse(tmp_path / "file")

    def refuse(*_: object) -> int:
        raise OSError(refused, "no")

    if refused is not None:
        monkeypatch.setattr(os, "copy_file_range", refuse)

    copy_file(str(tmp_path / "file"), str(tmp_path / "copy"))

    assert (tmp_path / "copy").read_bytes() == expected
    assert (tmp_path / "copy").stat().st_blocks * 512 < MIB


def test_holes_are_hashed_as_zeros(tmp_path: Path) -> None:
    expected = sha256(sparse(tmp_path / "file")).hexdigest()

    assert content_checksum(str(tmp_path / "file")) == expected


def test_a_file_system_without_holes_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = sparse(tmp_path / "file")

    def refuse(*_: object) -> int:
        raise OSError(errno.EINVAL, "no")

    monkeypatch.setattr(os, "lseek", refuse)
    copy_file(str(tmp_path / "file"), str(tmp_path / "copy"))

    assert (tmp_path / "copy").read_bytes() == expected
    assert content_checksum(str(tmp_path / "file")) == sha256(expected).hexdigest()


@pytest.mark.parametrize("size", [0, 1, content.PIECE, content.PIECE + 1])
def test_data_is_copied_and_hashed(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    (tmp_path / "file").write_bytes(data)
    (tmp_path / "file").chmod(0o640)
    os.utime(tmp_path / "file", (1, 2))

    copy_file(str(tmp_path / "file"), str(tmp_path / "copy"))

    status = (tmp_path / "copy").stat()
    assert (tmp_path / "copy").read_bytes() == data
    assert (status.st_mode & 0o7777, status.st_mtime) == (0o640, 2)
    assert content_checksum(str(tmp_path / "file")) == sha256(data).hexdigest()


def test_a_file_of_unknown_size_is_copied(tmp_path: Path) -> None:
    copy_file("/proc/self/mountinfo", str(tmp_path / "copy"))

    assert (tmp_path / "copy").stat().st_size > 0


def test_a_check_ends_the_work_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(100 * MIB))
    calls = []

    def check() -> None:
        calls.append(1)
        if len(calls) % 3 == 0:
            raise EndedError

    with pytest.raises(EndedError):
        copy_file(str(tmp_path / "file"), str(tmp_path / "copy"), check=check)
    assert not (tmp_path / "copy").exists()
    with pytest.raises(EndedError):
        content_checksum(str(tmp_path / "file"), check=check)
    assert len(calls) == 6


def test_a_hole_is_hashed_under_checks(tmp_path: Path) -> None:
    with open(tmp_path / "file", "wb") as file:
        file.truncate(1 << 40)

    def check() -> None:
        raise EndedError

    with pytest.raises(EndedError):
        content_checksum(str(tmp_path / "file"), check=check)


def test_an_error_of_the_source_names_it(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="none") as caught:
        copy_file(str(tmp_path / "none"), str(tmp_path / "copy"))
    assert caught.value.filename == str(tmp_path / "none")
