"""The tables of the language page are made of the schema, and their examples are files that load."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import reference
from tako.config.loader import loads, loads_thoroughly
from tako.lint.findings import RULES
from tako.lint.fix import fix
from tako.lint.linter import lint

EXAMPLES = sorted(reference.EXAMPLES.glob("*.yml"))


def test_the_tables_are_up_to_date() -> None:
    page = reference.PAGE.read_text(encoding="utf-8")
    assert reference.with_tables(page) == page, "run scripts/docs"


def test_a_page_that_is_out_of_date_is_told_and_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{reference.START}old\n{reference.END}behind\n")
    monkeypatch.setattr(reference, "PAGE", page)
    assert reference.main(["--check"]) == 1
    assert "is out of date: run scripts/docs" in capsys.readouterr().out
    assert "old" in page.read_text()
    assert reference.main([]) == 0
    assert reference.main(["--check"]) == 0
    assert page.read_text().startswith("before\n")
    assert page.read_text().endswith("behind\n")


def test_a_field_without_an_example_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in EXAMPLES:
        (tmp_path / path.name).write_text(path.read_text().replace("working_directory: out", "timeout: 1s"))
    monkeypatch.setattr(reference, "EXAMPLES", tmp_path)
    with pytest.raises(LookupError, match=r"no example for workflows\.NAME\.steps\[\]\.working_directory"):
        reference.tables()


def test_a_field_without_a_table_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "PLACES", reference.PLACES[:-1])
    with pytest.raises(LookupError, match=r"no table for the fields of subscriptions\[\]"):
        reference.tables()


def test_every_rule_of_lint_is_on_the_page() -> None:
    page = reference.PAGE.read_text(encoding="utf-8")
    assert [rule for rule in RULES if f"| `{rule}` |" not in page] == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_load_and_have_no_fault_of_style(path: Path) -> None:
    data = path.read_bytes()
    config = loads_thoroughly(data, path.name)
    if path.stem == "older":
        assert {one.rule for one in lint(data, config)} == {"older-spelling", "go-spelling"}
        data = fix(data, path.name).data
        config = loads(data, path.name)
    assert lint(data, config) == []
