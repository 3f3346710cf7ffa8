"""What is part of the language but not supported yet is refused, all of it, by name and place."""

from __future__ import annotations

import pytest

from tako.config import loader, refusals
from tako.config.refusals import REFUSED, Refusal
from tako.errors import ConfigError

FILE = {
    refusals.WORKFLOW: "version: 1\nworkflows:\n  w:\n    {}: {}\n    steps: [x]\n",
    refusals.RESOURCES: "version: 1\nworkflows:\n  w:\n    resources:\n      {}: {}\n    steps: [x]\n",
    refusals.STEP: "version: 1\nworkflows:\n  w:\n    steps:\n      - run: x\n        {}: {}\n",
}
PLACE = {
    refusals.WORKFLOW: "4:5",
    refusals.RESOURCES: "5:7",
    refusals.STEP: "6:9",
}
IDS = [f"{row.field} {row.where}" for row in REFUSED]


def load(row: Refusal, value: str) -> tuple[str, ...]:
    try:
        loader.loads(FILE[row.where].format(row.field, value).encode(), "tako.yml")
    except ConfigError as error:
        return error.problems
    return ()


@pytest.mark.parametrize("row", REFUSED, ids=IDS)
@pytest.mark.parametrize("value", ["30m", "true", "[x]", "{a: b}", "4"])
def test_a_refused_field_is_named_with_its_place(row: Refusal, value: str) -> None:
    assert load(row, value) == (
        (
            f"tako.yml:{PLACE[row.where]}: '{row.field}' {row.where} is part of the language "
            "but not supported by this version of Tako"
        ),
    )


@pytest.mark.parametrize("row", REFUSED, ids=IDS)
def test_a_refused_field_without_a_value_asks_for_nothing(row: Refusal) -> None:
    assert load(row, "") == ()


def test_the_table_is_what_the_language_lacks() -> None:
    assert {(row.where, row.field) for row in REFUSED} == {
        *((refusals.WORKFLOW, name) for name in ["image"]),
        *((refusals.RESOURCES, name) for name in ["cpu_limit", "disk_limit"]),
        *((refusals.STEP, name) for name in ["image", "network"]),
        *((refusals.STEP, name) for name in ["capabilities", "volumes", "security_profile", "resources"]),
    }


def test_fields_of_other_step_kinds_are_their_own_affair() -> None:
    text = "version: 1\nworkflows: {w: {steps: [{uses: acme/x@v1, with: {timeout: 3, retry: 1}}]}}"
    assert loader.loads(text.encode(), "p").workflows[0].steps[0].params == {"timeout": 3, "retry": 1}


def test_a_step_shared_by_an_alias_is_refused_wherever_it_is_used() -> None:
    text = "version: 1\nworkflows:\n  a:\n    steps:\n      - &s {run: x, image: i}\n      - *s\n"
    with pytest.raises(ConfigError) as caught:
        loader.loads(text.encode(), "tako.yml")
    assert [one.split(" ")[0] for one in caught.value.problems] == ["tako.yml:5:21:"]
