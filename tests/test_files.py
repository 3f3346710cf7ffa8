from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako import files
from tako.errors import MachineError, StateError
from tako.process import Completed, Process, Processes
from tako.signals import Exit, signal_group

Start = Callable[..., Process]
Unprivileged = Callable[[Path, str, str], Completed]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_a_written_file_replaces_the_old_one_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old and longer")

    files.atomic_write(str(tmp_path / "file"), b"new")

    assert (tmp_path / "file").read_bytes() == b"new"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_in_the_current_directory_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool
) -> None:
    monkeypatch.chdir(tmp_path)

    files.atomic_write("file", b"content", durable=durable)

    assert Path("file").read_bytes() == b"content"


def test_durable_writing_flushes_the_content_before_and_the_name_after_the_renaming(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    flush, rename = os.fsync, os.replace

    def fsync(descriptor: int) -> None:
        done.append("flush directory" if os.path.isdir(f"/dev/fd/{descriptor}") else "flush file")
        flush(descriptor)

    def replace(source: str, target: str) -> None:
        done.append("rename")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)

    files.atomic_write(str(tmp_path / "file"), b"content")
    assert done == ["flush file", "rename", "flush directory"]

    done.clear()
    files.atomic_write(str(tmp_path / "file"), b"content", durable=False)
    assert done == ["rename"]


def test_a_full_disk_leaves_the_old_file_and_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")

    def no_space(_descriptor: int, _content: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", no_space)

    with pytest.raises(MachineError, match="No space left on device") as caught:
        files.atomic_write(str(target), b"new")
    assert caught.value.where == str(target)
    assert "free some space" in caught.value.cure
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_a_written_file_has_the_permissions_that_were_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "file"
    files.atomic_write(str(path), b"x", mode=0o751)
    assert path.stat().st_mode & 0o777 == 0o751


def test_a_short_write_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: write(descriptor, content[:3]))

    files.atomic_write(str(tmp_path / "file"), b"more than three bytes")

    assert (tmp_path / "file").read_bytes() == b"more than three bytes"


def test_a_directory_in_the_way_is_an_error_that_leaves_no_temporary_file(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()

    with pytest.raises(MachineError, match="cannot write"):
        files.atomic_write(str(tmp_path / "file"), b"content")

    assert names(tmp_path) == ["file"]


_REWRITES = """
import sys
from tako.files import write_document
size = 0
while True:
    size = (size + 997) % 200_000
    write_document(sys.argv[1], "state", 1, {"text": "x" * size}, durable=False)
"""


def test_a_document_is_whole_at_every_moment_and_after_a_kill(
    start_python: Start, processes: Processes, tmp_path: Path, wait_until: Callable[[Callable[[], object]], None]
) -> None:
    path = tmp_path / "state.json"
    writer = start_python(_REWRITES, path)
    wait_until(path.exists)

    lengths = {len(files.read_document(str(path), "state", 1)["text"]) for _ in range(200)}
    signal_group(writer.pid, signal.SIGKILL)
    assert processes.supervise(writer, {}).exit == Exit(signal=signal.SIGKILL)

    assert len(lengths) > 1, "the writer was at work"
    assert "text" in files.read_document(str(path), "state", 1)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for what hypothesis writes again and again."""
    return tmp_path_factory.mktemp("scratch")


@given(data=JSON)
def test_a_document_gives_back_what_was_written(scratch: Path, data: Any) -> None:
    path = str(scratch / "document")

    files.write_document(path, "state", 3, data, durable=False)

    assert files.read_document(path, "state", 3) == data


def test_a_document_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "state.json"

    files.write_document(str(path), "state", 2, {"b": [1], "a": "é"})

    document = json.loads(path.read_bytes())
    assert (document["kind"], document["schema"], document["data"]) == ("state", 2, {"a": "é", "b": [1]})
    assert document["sha256"] == files.checksum('state 2 {"a":"é","b":[1]}')

    files.write_document(str(path), "state", 1, {"b": [1], "a": "é"})
    assert json.loads(path.read_bytes())["sha256"] == files.checksum('{"a":"é","b":[1]}')


@pytest.fixture(scope="module")
def document() -> bytes:
    body = files.canonical({"status": "running", "steps": [{"id": "build", "code": 0}], "ünïcode": None})
    return f'{{"kind":"state","schema":1,"sha256":"{files.checksum(body)}","data":{body}}}\n'.encode()


@given(position=st.integers(0, 10_000), value=st.integers(0, 255))
def test_one_changed_byte_is_noticed(scratch: Path, document: bytes, position: int, value: int) -> None:
    path = scratch / "damaged"
    damaged = bytearray(document)
    damaged[position % len(document)] = value
    path.write_bytes(damaged)

    with contextlib.suppress(StateError):
        assert files.read_document(str(path), "state", 1) == json.loads(document)["data"]


@given(length=st.integers(0, 10_000))
def test_half_a_document_is_noticed(scratch: Path, document: bytes, length: int) -> None:
    path = scratch / "half"
    path.write_bytes(document[: length % (len(document) - 1)])

    with pytest.raises(StateError, match="the state file is damaged"):
        files.read_document(str(path), "state", 1)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "it is not a complete JSON document"),
        (b"[]", "it is not a complete JSON document"),
        (b'"text"', "it is not a complete JSON document"),
        (b'{"kind":"state"}', "it is not a complete JSON document"),
        (b"[" * 100_000, "it is not a complete JSON document"),
        (b"\xff\xfe", "it is not UTF-8"),
        (b'{"kind":"state","schema":1,"sha256":"0","data":1}', "its content does not match its checksum"),
        (b'{"kind":"lock","schema":1,"sha256":"0","data":1}', "this is not a state file but says it is 'lock'"),
        (b'{"kind":"state","schema":9,"sha256":"0","data":1}', "schema version 9, this Tako reads 1"),
    ],
)
def test_a_file_that_is_no_such_document_is_refused(tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(content)

    with pytest.raises(StateError, match=what) as caught:
        files.read_document(str(path), "state", 1)
    assert caught.value.where == str(path)


def renamed(data: Any) -> Any:
    """From version 1 to 2: a field has another name."""
    return {"new": data["old"]}


def doubled(data: Any) -> Any:
    """From version 2 to 3: the field counts in halves."""
    return {"new": data["new"] * 2}


@pytest.mark.parametrize(("version", "data"), [(1, {"old": 4}), (2, {"new": 4}), (3, {"new": 8})])
def test_an_older_document_is_brought_to_todays_version_step_by_step(tmp_path: Path, version: int, data: Any) -> None:
    path = tmp_path / "state.json"
    files.write_document(str(path), "state", version, data)
    written = path.read_bytes()

    assert files.read_document(str(path), "state", 3, {1: renamed, 2: doubled}) == {"new": 8}
    assert path.read_bytes() == written, "who reads changes nothing"


@pytest.mark.parametrize("version", [0, -5, 4, 10**30, True, 1.0, "1", None, [1]])
def test_a_document_of_a_version_from_which_there_is_no_way_is_refused(tmp_path: Path, version: Any) -> None:
    path = tmp_path / "state.json"
    path.write_text(json.dumps({"kind": "state", "schema": version, "sha256": files.checksum("{}"), "data": {}}))

    with pytest.raises(StateError, match=r"has schema version .*, this Tako reads 3") as caught:
        files.read_document(str(path), "state", 3, {1: renamed, 2: doubled})
    assert caught.value.cure == "use the version of Tako that wrote it"


@pytest.mark.parametrize(("written", "claimed"), [(1, 2), (2, 1), (2, 3), (3, 2)])
def test_a_changed_version_is_noticed(tmp_path: Path, written: int, claimed: int) -> None:
    path = tmp_path / "state.json"
    files.write_document(str(path), "state", written, {"old": 4, "new": 4})
    path.write_text(path.read_text().replace(f'"schema":{written}', f'"schema":{claimed}'))

    with pytest.raises(StateError, match="its content does not match its checksum"):
        files.read_document(str(path), "state", 3, {1: renamed, 2: doubled})


@pytest.mark.parametrize("data", [{}, [], None, {"old": None}, 5])
def test_older_data_that_are_not_what_they_should_be_are_refused(tmp_path: Path, data: Any) -> None:
    path = str(tmp_path / "state.json")
    files.write_document(path, "state", 1, data)

    with pytest.raises(StateError, match="the state lacks something or has too much") as caught:
        files.read_document(path, "state", 3, {1: renamed, 2: doubled})
    assert caught.value.where == path


def test_a_missing_document_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="cannot read the state file: No such file or directory"):
        files.read_document(str(tmp_path / "state.json"), "state", 1)


def test_directories_are_made_with_those_above_them(tmp_path: Path) -> None:
    files.make_dirs(str(tmp_path / "a" / "b"))
    files.make_dirs(str(tmp_path / "a" / "b"))

    assert (tmp_path / "a" / "b").is_dir()


def test_a_file_in_the_way_of_a_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").touch()

    with pytest.raises(MachineError, match="cannot create"):
        files.make_dirs(str(tmp_path / "a" / "b"))


def test_a_tree_is_removed_and_one_that_is_not_there_is_fine(tmp_path: Path) -> None:
    (tmp_path / "tree" / "a" / "b").mkdir(parents=True)
    (tmp_path / "tree" / "a" / "file").touch()

    files.remove_tree(str(tmp_path / "tree"))
    files.remove_tree(str(tmp_path / "tree"))

    assert names(tmp_path) == []


def test_removing_a_tree_touches_nothing_outside_it(tmp_path: Path, unprivileged: Unprivileged) -> None:
    outside, linked = tmp_path / "outside", tmp_path / "linked"
    inside = tmp_path / "tree" / "a" / "b"
    inside.mkdir(parents=True)
    outside.mkdir()
    (outside / "file").touch()
    linked.touch()
    (inside / "to-file").symlink_to("../../../linked")
    (inside / "to-directory").symlink_to("../../../outside")
    (inside / "also-linked").hardlink_to(linked)
    linked.chmod(0o444)
    outside.chmod(0o555)
    inside.chmod(0o500)
    inside.parent.chmod(0o000)

    completed = unprivileged(
        tmp_path,
        "import tako.directories; from tako.files import remove_tree",
        "remove_tree('tree'); remove_tree('tree')",
    )

    assert completed.ok, completed.message()
    assert names(tmp_path) == ["linked", "outside"]
    assert (linked.stat().st_mode & 0o777, outside.stat().st_mode & 0o777) == (0o444, 0o555)
    assert names(outside) == ["file"]


def test_a_tree_that_cannot_be_removed_is_an_error_that_names_it(tmp_path: Path, unprivileged: Unprivileged) -> None:
    (tmp_path / "parent" / "tree").mkdir(parents=True)
    (tmp_path / "parent").chmod(0o555)

    completed = unprivileged(
        tmp_path, "import tako.directories; from tako.files import remove_tree", "remove_tree('parent/tree')"
    )

    assert "MachineError: cannot remove parent/tree: Permission denied" in completed.message()
    assert (tmp_path / "parent").stat().st_mode & 0o777 == 0o555


def test_a_link_to_a_tree_is_not_taken_for_it(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "link").symlink_to("tree")

    with pytest.raises(MachineError, match=r"cannot remove .*symbolic link"):
        files.remove_tree(str(tmp_path / "link"))

    assert (tmp_path / "tree").is_dir()


def test_appending_adds_to_the_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\n")
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        files.append(descriptor, b"two\n", str(path))
        files.append(descriptor, b"three\n", str(path), durable=True)
    finally:
        os.close(descriptor)

    assert path.read_bytes() == b"one\ntwo\nthree\n"


def test_appending_to_a_full_disk_is_an_error_of_the_machine() -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(MachineError, match="cannot append to the log: No space left on device"):
            files.append(descriptor, b"text", "the log")
    finally:
        os.close(descriptor)


def test_the_checksum_of_a_file_is_that_of_its_content(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")

    assert files.file_checksum(str(tmp_path / "file")) == files.checksum("abc")
    assert files.checksum("abc").startswith("ba7816bf8f01cfea")
    with pytest.raises(MachineError, match="cannot read"):
        files.file_checksum(str(tmp_path / "none"))
