"""A path that leads out of the repository is told, by its text or by the links that are there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tako.config import loader
from tako.errors import ConfigError


def problems(path: Path, text: str) -> list[str]:
    file = path / "repo" / "tako.yml"
    file.write_text("version: 1\n" + text)
    try:
        loader.load_thoroughly(str(file))
    except ConfigError as error:
        return [f"{one.line}:{one.column}: {one.message}" for one in error.faults]
    return []


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A repository with links that stay in it and links that do not."""
    repo = tmp_path / "repo"
    (repo / "inner").mkdir(parents=True)
    (tmp_path / "outer").mkdir()
    (repo / "in").symlink_to("inner")
    (repo / "out").symlink_to("../outer")
    (repo / "inner" / "far").symlink_to("/")
    (repo / "loop").symlink_to("loop")
    return tmp_path


def artifact(path: str) -> str:
    return f"artifacts: {{a: {{path: '{path}'}}}}\n"


def step(fields: str) -> str:
    return f"workflows: {{w: {{steps: [{{run: x, {fields}}}]}}}}\n"


PLACES = [
    ("artifacts: {a: {path: 'PATH'}}\n", "2:23: 'path' of artifact 'a'"),
    ("workflows: {w: {steps: [{run: x, working_directory: 'PATH'}]}}\n", "2:53: 'working_directory' of step 1"),
    ("workflows: {w: {steps: [{run: x, produces: {artifacts: [{path: 'PATH'}]}}]}}\n", "2:64: 'path' of artifact 1"),
    ("workflows: {w: {steps: [{run: x, produces: {outputs: {o: 'from_file:PATH'}}}]}}\n", "2:58: output 'o'"),
    (
        "workflows: {w: {steps: [{uses: tako/poll@v1, with: {target: file, path: 'PATH'}}]}}\n",
        "2:73: 'path' of 'with' of step 1",
    ),
    ("workflows: {w: {steps: [{run: x, cache_key_files: ['PATH']}]}}\n", "2:52: item 1 of 'cache_key_files'"),
    ("workflows: {w: {steps: [{run: x, on_failure: [{run: x, working_directory: 'PATH'}]}]}}\n", "2:75: 'working_"),
]


@pytest.mark.parametrize(("text", "start"), PLACES)
@pytest.mark.parametrize("path", ["out", "out/x", "in/far/etc", "inner/../out/y"])
def test_a_link_that_leads_out_is_told(place: Path, text: str, start: str, path: str) -> None:
    (problem,) = problems(place, text.replace("PATH", path))
    assert problem.startswith(start)
    assert "leads out of the repository through a link, to '/" in problem


@pytest.mark.parametrize(("text", "start"), PLACES)
@pytest.mark.parametrize("path", ["/etc", "../x", "a/../../x"])
def test_a_path_that_says_so_is_told_once(place: Path, text: str, start: str, path: str) -> None:
    (problem,) = problems(place, text.replace("PATH", path))
    assert problem.startswith(start)
    assert "must not lead out of the repository" in problem or "must be relative to the repository" in problem


@pytest.mark.parametrize(("text", "start"), PLACES)
@pytest.mark.parametrize("path", ["in", "inner/x/y", "in/../inner", "not/there", "loop"])
def test_a_path_in_the_repository_is_no_problem(place: Path, text: str, start: str, path: str) -> None:
    assert problems(place, text.replace("PATH", path)) == []


def test_the_part_before_a_glob_is_looked_at(place: Path) -> None:
    assert problems(place, artifact("in/*.txt")) == []
    (problem,) = problems(place, artifact("out/**/x"))
    assert "leads out of the repository through a link" in problem


def test_the_file_of_an_output_is_relative_to_where_the_step_runs(place: Path) -> None:
    good = "working_directory: inner/a, produces: {outputs: {o: 'from_file:../b'}}"
    assert problems(place, step(good)) == []
    (problem,) = problems(place, step(good.replace("../b", "../../../b")))
    assert "output 'o' of 'produces' of step 1 of workflow 'w' must not lead out of the repository" in problem
    (problem,) = problems(place, step("working_directory: inner, produces: {outputs: {o: 'from_file:../out/b'}}"))
    assert "through a link" in problem


def test_a_directory_that_is_a_template_is_known_when_it_is_used(place: Path) -> None:
    fields = "working_directory: '{{ repo }}', produces: {outputs: {o: 'from_file:FILE'}}"
    assert problems(place, step(fields.replace("FILE", "../../b"))) == []
    (problem,) = problems(place, step(fields.replace("FILE", "/b")))
    assert "must be relative to the repository" in problem


def test_without_a_directory_links_are_not_looked_at(place: Path) -> None:
    text = "version: 1\n" + artifact("out/x")
    assert loader.loads_thoroughly(text.encode(), "p").artifacts
    file = place / "repo" / "tako.yml"
    file.write_text(text)
    assert loader.load(str(file)).artifacts


def test_a_repository_behind_a_link_is_one(place: Path) -> None:
    real = place / "real"
    shutil.copytree(place / "repo", real, symlinks=True)
    shutil.rmtree(place / "repo")
    (place / "repo").symlink_to("real")
    assert problems(place, artifact("in/x")) == []
