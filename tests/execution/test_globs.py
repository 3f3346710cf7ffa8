"""Which files a glob matches."""

from __future__ import annotations

import glob
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako.execution.globs import has_wildcard, match

TREE = (
    "a",
    "b.go",
    ".hidden",
    "dir/a",
    "dir/.hidden",
    "dir/sub/b.go",
    "dir/sub/deep/a",
    ".secret/a",
    "dir[1]/x",
    "empty/",
)
PARTS = st.sampled_from(["a", "b.go", "dir", "sub", "*", "**", "?", "*.go", ".*", "[ab]*", "dir[1]", ".hidden", "d*"])


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    for name in TREE:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).mkdir() if name.endswith("/") else (root / name).write_text(name)
    return root


@given(parts=st.lists(PARTS, min_size=1, max_size=4), slash=st.sampled_from(["", "/"]))
def test_it_matches_what_python_matches(tree: Path, parts: list[str], slash: str) -> None:
    pattern = "/".join(parts) + slash
    found = [path for path in glob.glob(pattern, root_dir=tree, recursive=True) if path]
    # It takes a file, and what is not there, for a directory that `**` may stand for.
    theirs = {os.path.normpath(path) for path in found if not path.endswith("/") or (tree / path).is_dir()}
    assert {os.path.normpath(path) for path in match(pattern, str(tree))} == theirs


def test_it_ends_where_links_go_in_circles(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("")
        (tmp_path / name / "back").symlink_to("..")
        (tmp_path / name / "again").symlink_to("..")

    assert sorted(match("**/file", str(tmp_path))) == ["one/file", "two/file"]
    assert sorted(match("**", str(tmp_path))) == [
        *("one", "one/again", "one/back", "one/file", "two", "two/again", "two/back", "two/file"),
    ]
    # A link that is named is gone through.
    assert list(match("one/back/two/*", str(tmp_path)))


@pytest.mark.parametrize("pattern", ["nothing/**", "a\0b", "file/x", "*/x"])
def test_what_is_not_there_matches_nothing(tmp_path: Path, pattern: str) -> None:
    (tmp_path / "file").write_text("")
    assert list(match(pattern, str(tmp_path))) == []


def test_a_broken_link_is_there(tmp_path: Path) -> None:
    (tmp_path / "broken").symlink_to("nowhere")
    assert list(match("broken", str(tmp_path))) == list(match("b*", str(tmp_path))) == ["broken"]


def test_a_path_has_no_wildcard() -> None:
    assert [has_wildcard(text) for text in ("a/b.go", "a/*", "a?", "[a]")] == [False, True, True, True]


def test_a_dot_is_the_directory_itself(tree: Path) -> None:
    assert list(match("./a", str(tree))) == ["a"]
    assert list(match("dir/./a", str(tree))) == ["dir/a"]
    assert list(match("dir/.", str(tree))) == ["dir"]
    assert list(match("a/.", str(tree))) == []
    assert list(match(".", str(tree))) == ["."]
