"""``tako lint``: exit codes, what goes where, and files that are written."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from tako.cli.main import run

GOOD = "version: 1\nworkflows:\n  w:\n    steps:\n      - ls\n"
OLDER = "# mine\n" + GOOD.replace("    steps", "    resources: {memory: 1Gi}   # enough\n    steps")
PRESENT = OLDER.replace("memory", "mem_limit")
BAD = GOOD.replace("steps", "stepz")

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "tako.yml"


def test_a_good_file_has_nothing_on_stdout(path: Path, capsys: Captured) -> None:
    path.write_text(GOOD)
    assert run(["lint", "--strict"]) == 0
    assert capsys.readouterr() == ("", "1 file: nothing to improve\n")


def test_warnings_are_lines_for_an_editor_and_fail_by_strict_only(path: Path, capsys: Captured) -> None:
    path.write_text(OLDER)
    assert run(["lint"]) == 0
    told = capsys.readouterr()
    expected = "tako.yml:5:17: warning: 'memory' in 'resources' is the older name of 'mem_limit' [older-spelling]\n"
    assert told.out == expected
    assert told.err == "1 file: 0 errors, 1 warning; `tako lint --fix` mends 1\n"
    assert run(["lint", "--strict"]) == 1
    assert path.read_text() == OLDER


def test_errors_are_those_of_validate_and_win_over_warnings(path: Path, capsys: Captured) -> None:
    path.write_text(BAD)
    assert run(["lint"]) == 2
    told = capsys.readouterr().out
    assert told.startswith("tako.yml:4:5: error: unknown field 'stepz' in workflow 'w'")
    path.write_text(GOOD.replace("- ls", "- {if: inputs.x ==, run: ls}"))
    assert run(["lint"]) == 2
    assert "tako.yml:5:14: error: " in capsys.readouterr().out
    path.write_text(GOOD.replace("- ls", "- {uses: no/such@v1}"))
    assert run(["lint"]) == 2


def test_several_files_and_directories(path: Path, tmp_path: Path, capsys: Captured) -> None:
    path.write_text(GOOD)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "tako.yml").write_text(OLDER)
    (tmp_path / "bad.yml").write_text(BAD)
    assert run(["lint", ".", "sub", "bad.yml", "missing.yml"]) == 2
    told = capsys.readouterr()
    assert [line.split(": ")[0] for line in told.out.splitlines()] == [
        "sub/tako.yml:5:17",
        "bad.yml:4:5",
        "missing.yml:1:1",
    ]
    assert told.err.startswith("4 files: 2 errors, 1 warning")


def test_json_has_the_same(path: Path, tmp_path: Path, capsys: Captured) -> None:
    path.write_text(OLDER)
    (tmp_path / "bad.yml").write_text(BAD)
    assert run(["lint", "--json", "--diff", ".", "bad.yml"]) == 2
    told = capsys.readouterr()
    assert told.err == ""
    older, bad = json.loads(told.out)["files"]
    assert older["warnings"] == [
        {
            "line": 5,
            "column": 17,
            "rule": "older-spelling",
            "message": "'memory' in 'resources' is the older name of 'mem_limit'",
            "fixable": True,
        }
    ]
    assert "+    resources: {mem_limit: 1Gi}   # enough\n" in older["diff"]
    assert (bad["path"], bad["errors"][0]["line"], bad["warnings"], bad["diff"]) == ("bad.yml", 4, [], "")


def test_fix_writes_the_present_spelling_once(path: Path, capsys: Captured) -> None:
    path.write_text(OLDER)
    path.chmod(0o640)
    assert run(["lint", "--fix", "--strict"]) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "tako.yml: 1 older spelling mended\n1 file: nothing to improve\n"
    assert path.read_text() == PRESENT
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    before = path.stat()
    assert run(["lint", "--fix"]) == 0
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    assert os.listdir(path.parent) == ["tako.yml"]


def test_diff_shows_what_fix_would_do_and_does_nothing(path: Path, capsys: Captured) -> None:
    path.write_text(OLDER)
    assert run(["lint", "--diff"]) == 0
    told = capsys.readouterr().out
    assert "-    resources: {memory: 1Gi}   # enough\n+    resources: {mem_limit: 1Gi}   # enough\n" in told
    assert path.read_text() == OLDER
    assert run(["lint", "--diff", "--fix"]) == 0
    assert "+    resources: {mem_limit" in capsys.readouterr().out
    assert path.read_text() == PRESENT


def test_fix_leaves_a_file_with_errors_and_a_link_as_they_are(path: Path, tmp_path: Path) -> None:
    path.write_text(BAD)
    assert run(["lint", "--fix"]) == 2
    assert path.read_text() == BAD
    path.unlink()
    (tmp_path / "real.yml").write_text(OLDER)
    path.symlink_to("real.yml")
    assert run(["lint", "--fix"]) == 0
    assert path.is_symlink()
    assert (tmp_path / "real.yml").read_text() == PRESENT


def test_a_pipe_is_not_waited_for(path: Path, capsys: Captured) -> None:
    os.mkfifo(path)
    assert run(["lint"]) == 2
    assert "tako.yml:1:1: error: this is a named pipe" in capsys.readouterr().out
