"""Bytes and YAML: what is read, what is refused, and where."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml

from tako.config import loader, reading, source
from tako.config.scalars import meaning
from tako.errors import ConfigError


def refused(data: str | bytes) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        loader.loads(data if isinstance(data, bytes) else data.encode(), "tako.yml")
    assert "could not unmarshal config" in caught.value.what
    assert caught.value.problems
    return caught.value.problems


def one(data: str | bytes) -> str:
    (problem,) = refused(data)
    return problem


def parsed(text: str) -> Any:
    document = source.parse(text, "tako.yml")
    assert document.problems == []
    return document.data


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("FALSE", False),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("0", 0),
        ("-7", -7),
        ("+7", 7),
        ("0x1F", 31),
        ("0o17", 15),
        ("0644", "0644"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2001-01-01", "2001-01-01"),
        ("1.5", 1.5),
        ("1.", 1.0),
        (".5", 0.5),
        (".", "."),
        ("-", "-"),
        ("1.5e3", 1500.0),
        ("1234e56", "1234e56"),
        ("1.0e999", "1.0e999"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", "9223372036854775808"),
        ("0xFFFFFFFFFFFFFFFF", "0xFFFFFFFFFFFFFFFF"),
        ("9" * 5000, "9" * 5000),
        ("1.2.3", "1.2.3"),
        ("٣", "٣"),
    ],
)
def test_an_unquoted_word_means_what_yaml_1_2_says(word: str, value: Any) -> None:
    assert meaning(word) == value
    assert type(meaning(word)) is type(value)


def test_quotes_make_text_of_anything() -> None:
    assert parsed("a: '1'\nb: \"true\"\nc: |\n  5\nd: ''") == {"a": "1", "b": "true", "c": "5\n", "d": ""}


def test_explicit_standard_tags_are_followed() -> None:
    text = "a: !!str 5\nb: !!int '5'\nc: !!bool 'true'\nd: !!float 1\ne: !!null ''\nf: ! 5\ng: !!map {}\nh: !!seq []"
    assert parsed(text) == {"a": "5", "b": 5, "c": True, "d": 1, "e": None, "f": "5", "g": {}, "h": []}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("version: 1\na: !!python/object/apply:os.system ['x']", "tako.yml:2:4: the tag 'tag:yaml.org,2002:python/"),
        ("version: 1\nif: !inputs.x", "tako.yml:2:5: the tag '!inputs.x' is not allowed; a text that starts with '!'"),
        ("version: 1\na: !!binary aGk=", "tako.yml:2:4: the tag 'tag:yaml.org,2002:binary'"),
        ("version: 1\na: !!set {x: }", "tako.yml:2:4: the tag 'tag:yaml.org,2002:set'"),
        ("version: 1\na: !!int five", "tako.yml:2:4: 'five' is not what its tag says"),
    ],
)
def test_other_tags_are_refused(text: str, problem: str) -> None:
    assert any(found.startswith(problem) for found in refused(text))


def test_anchors_aliases_and_merges_are_followed() -> None:
    text = "base: &b {x: 1, y: 2}\none: {<<: *b, y: 3}\ntwo: {<<: [{x: 8}, *b]}\nthree: *b\n? &k key\n: *k"
    assert parsed(text) == {
        "base": {"x": 1, "y": 2},
        "one": {"y": 3, "x": 1},
        "two": {"x": 8, "y": 2},
        "three": {"x": 1, "y": 2},
        "key": "key",
    }


def test_merged_fields_keep_their_place() -> None:
    problems = refused("version: 1\nworkflows:\n  a: &a\n    stpes: []\n  b:\n    <<: *a\n")
    assert problems == (
        "tako.yml:4:5: unknown field 'stpes' in workflow 'a'; did you mean 'steps'?",
        "tako.yml:4:5: unknown field 'stpes' in workflow 'b'; did you mean 'steps'?",
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("version: 1\nversion: 2", "tako.yml:2:1: duplicate key 'version'"),
        ("version: 1\n<<: {}\n<<: {}", "tako.yml:3:1: duplicate key '<<'"),
        ("version: 1\n<<: 5", "tako.yml:2:5: '<<' takes a mapping, or a list of mappings"),
        ("version: 1\n5: x", 'tako.yml:2:1: a key must be text; write it in quotes: "5"'),
        ("version: 1\ntrue: x", 'tako.yml:2:1: a key must be text; write it in quotes: "true"'),
        ("version: 1\n? [a]\n: x", "tako.yml:2:3: a mapping or a list cannot be a key"),
        (
            "version: {{ inputs.version }}",
            "tako.yml:1:11: a mapping or a list cannot be a key; a text that starts with '{' or '['",
        ),
        ("version: *x", "tako.yml:1:10: no anchor '&x' is complete before this alias"),
        ("version: 1\na: &a [*a]", "tako.yml:2:8: no anchor '&a' is complete before this alias"),
        ("version: 1\na:\n\tb: 1", "tako.yml:3:1: a tab cannot indent; use spaces"),
        ("version: 1\na: |\n\t x", "tako.yml:3:1: a tab cannot indent; use spaces"),
        ("version: 1\na: b: c", "tako.yml:2:5: this is not YAML: mapping values are not allowed"),
        ("version: 1\na: *.tar.gz", "tako.yml:2:5: this is not YAML"),
        ("version: 1\na: @x", "tako.yml:2:4: this is not YAML"),
        ("version: 1\na: [1\n", "tako.yml:2:4: this is not YAML: did not find expected ',' or ']'"),
        ("version: 1\na: 'x", "tako.yml:2:4: this is not YAML: found unexpected end of stream"),
        ("version: 1\na: [", "tako.yml:2:5: this is not YAML"),
        ("# only a comment", "tako.yml:1:17: the file is empty"),
        ("version: 1\na: !x!y z", "tako.yml:2:4: this is not YAML"),
        ("version: 1\na: é \x01", "tako.yml:2:6: this is not YAML: control characters are not allowed"),
        ('version: "a\\0b"', "tako.yml:1:10: a NUL character cannot be used"),
        ("version: 1\n---\nversion: 1", "tako.yml:2:1: a second YAML document starts here"),
        ("version: 1\n...\n---\n", "tako.yml:3:1: a second YAML document starts here"),
        ("", "tako.yml:1:1: the file is empty"),
        ("# only a comment\n", "tako.yml:2:1: the file is empty"),
        ("---\n", "tako.yml:2:1: the file is empty"),
        ("null", "tako.yml:1:1: the file is empty"),
        ("- a", "tako.yml:1:1: the top of the file must be a mapping"),
        ("text", "tako.yml:1:1: the top of the file must be a mapping"),
    ],
)
def test_what_is_not_one_plain_mapping_is_refused_at_its_place(text: str, problem: str) -> None:
    assert any(found.startswith(problem) for found in refused(text))


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("a: b: c", "a text that holds ': ' must be in quotes"),
        ("a: *.tar.gz", "a text that starts with '*' must be in quotes"),
        ("a: &", "a text that starts with '&' must be in quotes"),
        ("a: !<x y", "a text that starts with '!' must be in quotes"),
        ("a: `x`", "a text that starts with this character must be in quotes"),
    ],
)
def test_a_syntax_error_comes_with_its_usual_cure(text: str, hint: str) -> None:
    assert one(text).endswith(hint)


def test_all_structural_problems_come_together_with_those_of_the_schema() -> None:
    assert refused("version: 1\nversion: 1\n1: x\nfoo: 1\nmetadata: []\n") == (
        "tako.yml:2:1: duplicate key 'version'",
        'tako.yml:3:1: a key must be text; write it in quotes: "1"',
        (
            "tako.yml:4:1: unknown field 'foo' at the top level; known are artifacts, dependents, events, "
            "metadata, repos, subscriptions, version, workflows"
        ),
        "tako.yml:5:11: 'metadata' must be a mapping, not a list",
    )


def test_aliases_that_explode_are_refused() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    assert f"more than {source.MAX_VALUES:,} values" in one("version: 1\n" + "\n".join(levels))


def test_long_texts_repeated_by_aliases_are_refused() -> None:
    text = f"version: 1\na: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 50)}]"
    assert "characters, counting aliases" in one(text)


@pytest.mark.parametrize("opened", ["[", "{a: ", "- "])
def test_nesting_is_bounded(opened: str) -> None:
    closed = {"[": "]", "{a: ": "}", "- ": ""}[opened]

    def nested(depth: int) -> str:
        return f"version: 1\nx:\n  {opened * depth}1{closed * depth}"

    assert parsed(nested(63))
    assert "more than 64 levels of nesting" in one(nested(64))
    assert "nesting" in one(nested(50_000)) or "this is not YAML" in one(nested(50_000))


def test_nesting_through_aliases_is_bounded() -> None:
    def nested(more: int) -> str:
        return f"version: 1\na: &a {'[' * 40}{']' * 40}\nb: {'[' * more}*a{']' * more}"

    assert parsed(nested(23))
    assert one(nested(24)).startswith("tako.yml:3:28: more than 64 levels")


def test_bytes_that_are_not_utf_8_are_refused_at_their_place() -> None:
    assert one("version: 1\n# é ".encode() + b"\xff").startswith("tako.yml:2:5: byte 0xff is not UTF-8")
    assert one(b"\n\xff").startswith("tako.yml:2:1: ")
    assert "save it as UTF-8" in one("version: 1".encode("utf-16"))
    assert "save it as UTF-8" in one("version: 1".encode("utf-32"))


def test_a_byte_order_mark_and_windows_line_ends_are_accepted() -> None:
    config = loader.loads(b"\xef\xbb\xbfversion: 1\r\nworkflows:\r\n  a:\r\n    steps:\r\n    - |\r\n      x\r\n", "p")
    assert config.workflows[0].steps[0].run == "x\n"
    assert config.workflows[0].steps[0].line == 5
    assert refused(b"\xef\xbb\xbfversion: 1\r\nfoo: 1")[0].startswith("tako.yml:2:1: unknown field 'foo'")


def test_a_file_over_one_mebibyte_is_refused() -> None:
    fits = b"version: 1\n#" + b"x" * (reading.MAX_BYTES - 12)
    assert loader.loads(fits, "p").path == "p"
    assert one(fits + b"x") == "tako.yml:1:1: the file is larger than 1024 KiB"


def test_a_regular_file_and_a_link_to_one_are_read(tmp_path: Path) -> None:
    (tmp_path / "tako.yml").write_text("version: 1\n")
    (tmp_path / "link.yml").symlink_to("tako.yml")
    assert loader.load(str(tmp_path / "link.yml")).path == str(tmp_path / "link.yml")


@pytest.mark.timeout(10)
def test_a_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "tako.yml")
    assert "a named pipe" in _load_refused(tmp_path / "tako.yml")


@pytest.mark.timeout(10)
def test_a_file_that_became_a_pipe_is_refused_without_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "tako.yml")
    real = os.stat
    monkeypatch.setattr("tako.config.reading.os.stat", lambda path: real(tmp_path / "file"))
    with pytest.raises(ConfigError) as caught:
        reading.read(str(tmp_path / "tako.yml"))
    assert "a named pipe" in caught.value.problems[0]


def test_a_device_a_directory_and_a_socket_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "a device" in _load_refused(Path("/dev/zero"))
    assert "a directory" in _load_refused(tmp_path)
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("s")
        assert "a socket" in _load_refused(Path("s"))


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    assert "No such file or directory" in _load_refused(tmp_path / "none.yml")
    (tmp_path / "loop").symlink_to("loop")
    assert "symbolic links" in _load_refused(tmp_path / "loop")
    assert "File name too long" in _load_refused(tmp_path / ("x" * 300))
    with pytest.raises(ConfigError, match="cannot be read"):
        loader.load("a\0b")


def test_a_file_without_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "tako.yml").touch()
    monkeypatch.setattr("tako.config.reading.os.open", no)
    assert "cannot be read: Permission denied" in _load_refused(tmp_path / "tako.yml")


def _load_refused(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        loader.load(str(path))
    assert "could not unmarshal config" in caught.value.what
    (problem,) = caught.value.problems
    assert problem.startswith(f"{path}:1:1: ")
    return problem


def test_yaml_without_its_c_library_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "version: 1\nworkflows:\n  a: &a {steps: [x, {run: y, if: !!str 5}]}\n  b: *a\n"
    with_c = loader.loads(text.encode(), "p")
    monkeypatch.delattr(yaml, "CSafeLoader")
    assert loader.loads(text.encode(), "p") == with_c
    assert one("version: 1\na: b: c").startswith("tako.yml:2:5: this is not YAML: mapping values are not allowed")
    assert "this is not YAML" in one("a: \x01")


def test_control_characters_of_a_file_never_reach_the_terminal() -> None:
    problem = one('version: 1\n"a\\eb\\nc": 1\n')
    assert problem.startswith("tako.yml:2:1: unknown field 'a\\x1bb\\nc'")


def test_long_words_are_cut_in_messages() -> None:
    assert len(one(f"version: 1\n{'x' * 900}: 1\n")) < 250
