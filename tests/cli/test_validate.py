"""``tako validate`` tells everything at once; ``tako exec`` refuses what would go wrong here."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tako.cli.main import run

GOOD = "version: 1\nmetadata: {name: a/b}\nworkflows:\n  go: {steps: [{id: one, run: 'true'}]}\n"
WRONG = """\
version: 1
metadata: {name: a/b}
workflows:
  go:
    inputs: {mode: }
    steps:
      - {id: one, run: "echo {{ inputs.mod }}", shel: bash}
      - {id: two, run: x, if: steps.three.outputs.x == ''}
      - {id: three, run: x, working_directory: out}
"""


def tako(*arguments: str) -> tuple[int, str]:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        code = run(list(arguments))
    return code, out.getvalue()


def written(path: Path, text: str) -> str:
    (path / "tako.yml").write_text(text)
    return str(path)


def told(*arguments: str) -> Any:
    code, out = tako(*arguments, "--json")
    return {"code": code, **json.loads(out)}


def test_every_problem_is_data_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to("/")
    answer = told("validate", "--root", written(tmp_path, WRONG))
    assert (answer["code"], answer["valid"]) == (2, False)
    places = [(one["line"], one["column"], one["message"].split(";")[0]) for one in answer["error"]["problems"]]
    assert places == [
        (7, 24, "'run' of step 1 of workflow 'go': workflow 'go' has no input 'mod'"),
        (7, 49, "unknown field 'shel' in step 1 of workflow 'go'"),
        (8, 31, "'if' of step 2 of workflow 'go': step 'three' comes later, so there is nothing of it here"),
        (
            9,
            48,
            "'working_directory' of step 3 of workflow 'go' leads out of the repository through a link, to '/'",
        ),
    ]
    assert {one["file"].rsplit("/", 1)[-1] for one in answer["error"]["problems"]} == {"tako.yml"}


def test_exec_refuses_with_the_same_data(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to("/")
    root = written(tmp_path, WRONG)
    refused = told("exec", "go", "--dry-run", "--root", root)
    assert refused["code"] == 1
    assert refused["error"]["problems"] == told("validate", "--root", root)["problems"]


@pytest.mark.parametrize("kind", ["acme/deploy@v1", "tako/deploy@v9"])
def test_a_kind_of_step_that_there_is_not_is_told(tmp_path: Path, kind: str) -> None:
    root = written(tmp_path, GOOD + f"  other: {{steps: [{{uses: {kind}}}]}}\n")
    (problem,) = told("validate", "--root", root)["error"]["problems"]
    assert (problem["line"], problem["column"]) == (5, 26)
    assert f"names an unknown kind of step, '{kind}'" in problem["message"]


def test_exec_does_without_a_package_that_another_workflow_needs(tmp_path: Path) -> None:
    root = written(tmp_path, GOOD + "  other: {steps: [{uses: acme/deploy@v1}]}\n")
    assert told("exec", "go", "--dry-run", "--root", root)["code"] == 0


def test_a_good_file_is_valid(tmp_path: Path) -> None:
    answer = told("validate", "--root", written(tmp_path, GOOD))
    assert answer == {"code": 0, "valid": True, "repository": "a/b", "problems": [], "warnings": []}
    code, out = tako("validate", "--root", str(tmp_path))
    assert (code, out.split("!")[0]) == (0, "Validation successful")


def test_probable_mistake_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "version: 1\nworkflows: {w: {steps: [{uses: tako/fan-out@v1, with: {event_type: e, payload: {v: 1.10}}}]}}\n"
    (tmp_path / "tako.yml").write_text(text)
    assert run(["validate", str(tmp_path)]) == 0
    told = capsys.readouterr()
    assert f"{tmp_path / 'tako.yml'}:2:84: warning: 1.10 is the number 1.1 and is sent so" in told.err
    assert told.out.startswith("Validation successful!")
    assert run(["validate", str(tmp_path), "--json"]) == 0
    (warning,) = json.loads(capsys.readouterr().out)["warnings"]
    assert (warning["line"], warning["column"], warning["rule"]) == (2, 84, "number-spelling")
