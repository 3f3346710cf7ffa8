"""What a step puts out: its own lines, and what ``produces.outputs`` takes from it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako.errors import StepError
from tako.execution.outputs import MAX_OUTPUT, collect, is_regex, needed_streams, parse_output_file

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,10}", fullmatch=True)
LINES = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp")), max_size=20)


def gather(sources: Mapping[str, str], directory: Path | str = ".", **given_: object) -> dict[str, str]:
    known: dict[str, object] = {"written": {}, "stdout": b"", "stderr": b"", "exported": None}
    known |= {"repo_dir": str(directory), **given_}
    return collect(
        sources,
        directory=str(directory),
        render=lambda text, so_far: text.replace("{{ outputs.a }}", so_far.get("a", "?")),
        where="tako.yml:7",
        **known,  # type: ignore[arg-type]
    )


def test_lines_and_blocks_become_outputs() -> None:
    text = "a=1\n\nb=x=y\nc<<END\none\n\ntwo\nEND\nd=\n"
    assert parse_output_file(text, where="") == {"a": "1", "b": "x=y", "c": "one\n\ntwo", "d": ""}


def test_a_value_may_hold_what_opens_a_block() -> None:
    assert parse_output_file("a=1 << 2\n", where="") == {"a": "1 << 2"}


def test_a_block_may_hold_what_looks_like_an_output() -> None:
    assert parse_output_file("a<<END\nb=2\nEND\n", where="") == {"a": "b=2"}


@pytest.mark.parametrize("value", ["a\x0cb", "a\u2028b", "a\x85b", "a\x1cb", "a\rb", " a "])
def test_only_line_ends_end_a_line(value: str) -> None:
    assert parse_output_file(f"a={value}\r\nb<<END\r\n{value}\r\nEND\r\n", where="") == {"a": value, "b": value}


@given(st.dictionaries(NAMES, LINES))
def test_whatever_is_written_as_lines_is_read_back(outputs: dict[str, str]) -> None:
    text = "".join(f"{name}={value}\n" for name, value in outputs.items())
    assert parse_output_file(text, where="") == outputs


@given(st.dictionaries(NAMES, st.lists(LINES.filter(lambda line: line != "-END-"), min_size=1)))
def test_whatever_is_written_as_blocks_is_read_back(outputs: dict[str, list[str]]) -> None:
    text = "".join(
        f"{name}<<-END-\n" + "".join(f"{line}\n" for line in lines) + "-END-\n" for name, lines in outputs.items()
    )
    assert parse_output_file(text, where="") == {name: "\n".join(lines) for name, lines in outputs.items()}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("what\n", "line 1"),
        ("a=1\n=2\n", "line 2"),
        (" =2\n", "line 1"),
        ("<<END\nx\nEND\n", "line 1"),
        ("a<<\nx\n\n", "line 1"),
        ("a=1\nb<<END\nx\n", "'END' never ends"),
    ],
)
def test_a_line_that_is_neither_is_an_error_that_names_it(text: str, said: str) -> None:
    with pytest.raises(StepError, match=said) as caught:
        parse_output_file(text, where="tako.yml:7")
    assert caught.value.where == "tako.yml:7"


def test_streams_come_without_their_last_line_end_and_keep_the_others() -> None:
    found = gather({"o": "from_stdout", "e": "from_stderr"}, stdout=b"a\nb\n\n", stderr=b"\xc3\xa4\r\n")
    assert found == {"o": "a\nb", "e": "ä"}


def test_only_the_streams_that_are_needed_are_kept() -> None:
    assert needed_streams({}) == (False, False)
    assert needed_streams({"a": "from_file:x", "b": "from_env:Y", "c": "{{ env.Y }}"}) == (False, False)
    assert needed_streams({"a": "from_stdout"}) == (True, False)
    assert needed_streams({"a": "from_stderr"}) == (False, True)
    assert needed_streams({"a": r"(\d+) passed"}) == (True, False)
    assert is_regex(r"v(\d+)")
    assert not is_regex("from_env:X")


def test_a_file_is_read_from_the_steps_directory(tmp_path: Path) -> None:
    (tmp_path / "version").write_text("1.2.0\n")
    assert gather({"v": "from_file: version"}, tmp_path) == {"v": "1.2.0"}


def test_a_variable_comes_from_what_the_step_wrote_before_what_it_exported() -> None:
    assert gather({"v": "from_env:V"}, exported={"V": "exported"})["v"] == "exported"
    assert gather({"v": "from_env:V"}, exported={"V": "exported"}, written={"V": "written"})["v"] == "written"


def test_a_pattern_takes_its_group_from_the_first_line_that_matches() -> None:
    assert gather({"n": r"^(\d+) passed"}, stdout=b"x\n12 passed\n13 passed\n") == {"n": "12"}


def test_a_template_sees_the_outputs_before_it() -> None:
    assert gather({"a": "from_stdout", "b": "v{{ outputs.a }}"}, stdout=b"1\n") == {"a": "1", "b": "v1"}


@pytest.mark.parametrize("file", ["../secret", "/etc/passwd", "link", "up/secret"])
def test_a_file_outside_the_repository_is_not_read(tmp_path: Path, file: str) -> None:
    (tmp_path / "secret").write_text("s")
    repo = tmp_path / "repo"
    repo.mkdir()
    (repo / "link").symlink_to("../secret")
    (repo / "up").symlink_to("..")
    with pytest.raises(StepError, match=r"output .v. was promised from the file .* leads out of the repository"):
        gather({"v": f"from_file:{file}"}, repo)


def test_a_file_beside_the_working_directory_is_read(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "version").write_text("1\n")
    assert gather({"v": "from_file:../version"}, tmp_path / "sub", repo_dir=str(tmp_path)) == {"v": "1"}


@pytest.mark.parametrize(
    "source", ["from_file:missing", "from_file:.", "from_env:MISSING", r"(\d+) passed", r"(\d+) passed|none"]
)
def test_a_promised_output_that_is_missing_is_an_error_that_names_it(source: str, tmp_path: Path) -> None:
    with pytest.raises(StepError, match="'wanted'"):
        gather({"wanted": source}, tmp_path, stdout=b"none")


def test_an_output_that_is_too_long_is_an_error_that_names_it() -> None:
    assert len(gather({"o": "from_stdout"}, stdout=b"x" * MAX_OUTPUT)["o"]) == MAX_OUTPUT
    with pytest.raises(StepError, match="'o'"):
        gather({"o": "from_stdout"}, stdout=b"x" * (MAX_OUTPUT + 1))


def test_what_the_step_wrote_itself_is_kept_and_what_is_declared_wins() -> None:
    written = {"own": "1", "version": "written"}
    assert gather({"version": "from_stdout"}, written=written, stdout=b"2\n") == {"own": "1", "version": "2"}
