"""The README stays true: its tutorial is run as it stands, and what it shows is what the terminal shows."""

from __future__ import annotations

import re
from pathlib import Path

from tako.children.retry import CRASHES
from tako.execution.failure import KINDS
from tests.acceptance.conftest import World

README = Path(__file__).parents[2] / "README.md"


def section(title: str) -> str:
    text = README.read_text(encoding="utf-8")
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


def shape(text: str) -> list[str]:
    """What does not differ from run to run: ids, durations and the space they take removed."""
    text = re.sub(r"exec-\d{8}-\d{6}-[0-9a-f]{8}", "RUN", text)
    text = re.sub(r"\b\d+m\d\ds\b|\b\d+(\.\d+)?m?s\b", "TIME", text)
    return [" ".join(line.split()) for line in text.strip().splitlines()]


def test_the_tutorial_does_what_it_shows(world: World) -> None:
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", section("Sixty seconds"), re.MULTILINE | re.DOTALL)
    (_, script), (_, shown) = blocks

    ran = world.run(["bash", "-eu", "-c", script])

    assert ran.code == 0, ran.text
    assert "Validation successful!" in ran.out
    assert "would run me/client:verify" in ran.out
    end = ran.out[ran.out.index("Execution completed") :]
    assert shape(end) == shape(shown)


def test_the_tutorials_filter_keeps_old_versions_out_and_says_so(world: World) -> None:
    script = re.findall(r"^```sh\n(.*?)^```$", section("Sixty seconds"), re.MULTILINE | re.DOTALL)[0]
    script = script.replace("version=1.2.0", "version=0.9.0")

    ran = world.run(["bash", "-eu", "-c", script])

    assert ran.code == 0, ran.text
    assert "no repository subscribed to it" in ran.err
    assert "its filter does not hold: semver.major(event.payload.version) > 0" in ran.err


def test_the_kinds_of_failure_are_the_ones_there_are_and_those_are_tried_again_that_it_says() -> None:
    rows = re.findall(r"^\| (`\w+`(?: `\w+`)*) \| .* \|(.*)\|$", section("When something dies"), re.MULTILINE)
    told = {kind: again.strip() for names, again in rows for kind in re.findall(r"\w+", names)}

    assert sum(len(names.split()) for names, _ in rows) == len(told)
    assert told.keys() == KINDS.keys()
    assert {kind for kind, again in told.items() if again == "yes"} == CRASHES
