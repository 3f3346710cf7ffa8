"""The secrets file: who may read it, and what is in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tako.errors import SecretError
from tako.secrets.secrets_file import MAX_SIZE, read_secrets_file


def written(path: Path, text: str | bytes, *, mode: int = 0o600) -> str:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return str(path)


def refused(path: str) -> str:
    with pytest.raises(SecretError) as caught:
        read_secrets_file(path)
    return str(caught.value)


def test_values_are_as_dotenv_files_have_them(tmp_path: Path) -> None:
    text = """\
# a comment
PLAIN=abc$HOME${X}
export EXPORTED = with spaces # and a comment
SINGLE='a "b" #c \\n'
DOUBLE="line one\\nline 'two'"
KEY="-----BEGIN-----
of several lines
-----END-----"

EMPTY=
PLAIN2=a=b
PLAIN=later
"""
    assert read_secrets_file(written(tmp_path / "s", "\ufeff" + text.replace("\n", "\r\n", 3))) == {
        "PLAIN": "later",
        "EXPORTED": "with spaces",
        "SINGLE": 'a "b" #c \\n',
        "DOUBLE": "line one\nline 'two'",
        "KEY": "-----BEGIN-----\nof several lines\n-----END-----",
        "EMPTY": "",
        "PLAIN2": "a=b",
    }


def test_an_empty_file_has_nothing(tmp_path: Path) -> None:
    assert read_secrets_file(written(tmp_path / "s", "")) == {}


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o644, 0o666])
def test_a_file_that_others_can_get_at_is_refused(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path / "s", "A=secret-value", mode=mode)
    said = refused(path)
    assert f"its mode is {mode:04o}" in said
    assert f"chmod 600 {path}" in said


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_one_that_only_its_owner_can_get_at_is_read(tmp_path: Path, mode: int) -> None:
    assert read_secrets_file(written(tmp_path / "s", "A=secret-value", mode=mode)) == {"A": "secret-value"}


def test_it_is_the_file_behind_a_link_that_counts(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(written(tmp_path / "s", "A=secret-value", mode=0o644))
    assert "its mode is 0644" in refused(str(tmp_path / "link"))


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root to give a file to somebody else")
def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "s", "A=secret-value")
    os.chown(path, 65534, 65534)
    assert "belongs to another user" in refused(path)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("A=good value\nnonsense\nB=x", 2),
        ("\n\nA='never closed\nB=x", 3),
        ("A=good value\n\n=value", 3),
        ('A="x" y', 1),
    ],
)
def test_what_is_no_assignment_is_told_by_its_line_and_not_shown(tmp_path: Path, text: str, line: int) -> None:
    path = written(tmp_path / "s", text)
    said = refused(path)
    assert said.startswith(f"{path}:{line}: this line is not NAME=value\n")
    assert "nonsense" not in said
    assert "closed" not in said


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"A=\xff\xfe", "is not text in UTF-8"), (b"A=" + b"x" * MAX_SIZE, "more than 1048576 bytes")],
)
def test_what_is_no_text_or_too_long_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    assert problem in refused(written(tmp_path / "s", content))


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    assert "No such file" in refused(str(tmp_path / "missing"))
    assert "Is a directory" in refused(str(tmp_path))


def test_a_pipe_of_a_shell_is_read(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.write(write, b"A=secret-value\n")
    os.close(write)
    assert read_secrets_file(f"/dev/fd/{read}") == {"A": "secret-value"}
    os.close(read)
