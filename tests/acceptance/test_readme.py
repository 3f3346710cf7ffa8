"""The README stays true: its tutorial is run as it stands, and what it shows is what the terminal shows."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from tako.children.retry import CRASHES
from tako.execution.failure import KINDS
from tests.acceptance.conftest import Ran, World

README = Path(__file__).parents[2] / "README.md"


def section(title: str) -> str:
    text = README.read_text(encoding="utf-8")
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


def shape(text: str) -> list[str]:
    """What does not differ from run to run: ids, durations and the space they take removed."""
    text = re.sub(r"exec-\d{8}-\d{6}-[0-9a-f]{8}", "RUN", text)
    text = re.sub(r"\b\d+m\d\ds\b|\b\d+(\.\d+)?m?s\b", "TIME", text)
    return [" ".join(line.split()) for line in text.strip().splitlines()]


def fences(title: str) -> list[str]:
    return re.findall(r"^```\w*\n(.*?)^```$", section(title), re.MULTILINE | re.DOTALL)


def typed(world: World, script: str) -> Ran:
    """What somebody sees who has cloned Tako, has no ``tako`` on PATH, and types a script into a shell there."""
    assert sys.prefix == str(README.parent / ".venv"), "scripts/test runs the tests in the .venv of scripts/setup"
    environment = {name: value for name, value in world.env.items() if name not in ("TAKO_HOME", "VIRTUAL_ENV")}
    places = [place for place in os.environ["PATH"].split(":") if not os.path.exists(f"{place}/tako")]
    world.env = {**environment, "PATH": ":".join(places), "HOME": str(world.home), "TMPDIR": str(world.root)}
    return world.run(["bash", "-eu", "-c", script], cwd=README.parent)


def test_tutorial_does_what_it_shows(world: World) -> None:
    script, shown = fences("Sixty seconds")

    ran = typed(world, script)

    assert ran.code == 0, ran.text
    assert "Validation successful!" in ran.out
    assert "would run me/client:verify" in ran.out
    end = ran.out[ran.out.index("Execution completed") :]
    assert shape(end) == shape(shown)


def test_tutorials_filter_keeps_old_versions_out(world: World) -> None:
    ran = typed(world, fences("Sixty seconds")[0].replace("version=1.2.0", "version=0.9.0"))

    assert ran.code == 0, ran.text
    assert "no repository subscribed to it" in ran.err
    assert "its filter does not hold: semver.major(event.payload.version) > 0" in ran.err


def test_the_kinds_of_failure_are_the_ones_there_are_and_those_are_tried_again_that_it_says() -> None:
    rows = re.findall(r"^\| (`\w+`(?: `\w+`)*) \| .* \|(.*)\|$", section("When something dies"), re.MULTILINE)
    told = {kind: again.strip() for names, again in rows for kind in re.findall(r"\w+", names)}

    assert sum(len(names.split()) for names, _ in rows) == len(told)
    assert told.keys() == KINDS.keys()
    assert {kind for kind, again in told.items() if again == "yes"} == CRASHES
