"""The page on the language stays true: its example loads, and what it lists as refused is what is refused."""

from __future__ import annotations

import re
from pathlib import Path

from tako.config.loader import loads_thoroughly
from tako.config.refusals import REFUSED

PAGE = (Path(__file__).parents[2] / "docs" / "tako-yml.md").read_text(encoding="utf-8")


def test_the_example_loads_and_its_expressions_compile() -> None:
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    config = loads_thoroughly(example.encode(), "tako.yml")
    assert [workflow.name for workflow in config.workflows] == ["release"]
    assert len(config.subscriptions) == 1


def test_every_refused_field_is_listed_and_nothing_else() -> None:
    listed = set(re.findall(r"`([a-z_]+)(?:: true)?`", PAGE.split("## Not supported yet")[1]))
    assert listed == {row.field for row in REFUSED}
