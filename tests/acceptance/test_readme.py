"""The README stays true: its tutorial is run as it stands, and what it shows is what the terminal shows."""

from __future__ import annotations

import re
from pathlib import Path

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
