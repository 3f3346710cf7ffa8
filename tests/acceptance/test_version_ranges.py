"""Which schema versions a subscription listens for: npm's ranges, by the commands that users type."""

from __future__ import annotations

import json

import pytest

from tests.acceptance.conftest import World

LIBRARY = """\
version: 1
metadata: {name: org/lib}
workflows:
  release:
    inputs: {v: {required: true}}
    steps:
      - uses: tako/fan-out@v1
        with: {event_type: built, schema_version: "{{ inputs.v }}"}
"""


def app(ranges: list[str]) -> str:
    names = {f"w{place}": wanted for place, wanted in enumerate(ranges)}
    content = {
        "version": 1,
        "workflows": {name: {"on": "event", "steps": ["true"]} for name in names},
        "subscriptions": [
            {"artifact": "org/lib", "events": ["built"], "schema_version": wanted, "workflow": name}
            for name, wanted in names.items()
        ],
    }
    return json.dumps(content, indent=1)


@pytest.mark.parametrize(
    ("version", "hold", "lack"),
    [
        ("2.0.0", ["2", ">=2.0.0-rc.1", "^2.0.0-rc.1"], ["2.0.0-rc.1", "<2", "=2.0.0-rc.1"]),
        ("2.0.0-rc.1", ["<2.0.0-rc.2", "^2.0.0-rc.0", "[1.0.0...2.0.0)"], ["<2", "1 - 2", "*", "<3", "^1.0.0"]),
        ("1.2.1", ["~1.2.0-beta.2", "^1.2.0-beta.2", "1.2", "v1.2.1"], ["1.2.0", "<=1.2.0", ">1.2"]),
    ],
)
def test_a_range_holds_what_npm_says(world: World, version: str, hold: list[str], lack: list[str]) -> None:
    directory = world.working("lib", LIBRARY)
    world.cached("org/app", app([*hold, *lack]))
    ran = world.tako("exec", "release", "-i", f"v={version}", "--json", cwd=directory)
    assert ran.code == 0, ran.text
    assert sorted(run["workflow"] for run in ran.json()["runs"]) == [f"w{place}" for place in range(len(hold))]


def test_a_range_as_an_events_version_is_refused_before_anything_runs(world: World) -> None:
    directory = world.working("lib", LIBRARY.replace("{{ inputs.v }}", "^1.2.0"))
    for command in (("validate",), ("exec", "release", "-i", "v=1")):
        ran = world.tako(*command, cwd=directory)
        assert ran.code != 0
        assert "tako.yml:8:51: 'schema_version' of 'with' of step 1 of workflow 'release'" in ran.text
        assert "`^1.2.0` is not a version (it is a range of versions, and one version must stand here)" in ran.text


def test_lint_points_out_a_shortened_version(world: World) -> None:
    directory = world.working("lib", LIBRARY.replace("{{ inputs.v }}", "1.2"))
    ran = world.tako("lint", cwd=directory)
    assert ran.code == 0
    assert "8:51: warning: the version '1.2' of an event means '1.2.0', while as a range it would hold" in ran.text
