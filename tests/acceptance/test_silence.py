"""What keeps a subscriber from running is said: in the plan, the report, --json and --dry-run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Ran, World

LIBRARY = """\
version: 1
metadata: {name: acme/lib}
artifacts: {notes: {path: notes.txt}}
workflows:
  release:
    inputs: {v: {default: 1.2.0}}
    steps:
      - run: echo {{ inputs.v | shell_quote }} > notes.txt
        produces:
          artifact: notes
          outputs: {late: from_stdout}
          events: [{type: released, payload: {version: "{{ inputs.v }}"}}]
      - {uses: tako/fan-out@v1, with: {event_type: released}}
"""


def listener(**subscription: Any) -> str:
    own = {"artifact": "acme/lib:notes", "events": ["released"], "workflow": "verify", **subscription}
    content = {"version": 1, "workflows": {"verify": {"on": "event", "steps": ["true"]}}, "subscriptions": [own]}
    return json.dumps(content, indent=1)


@pytest.fixture
def lib(world: World) -> Path:
    return world.working("lib", LIBRARY)


def release(world: World, lib: Path, *options: str) -> Ran:
    return world.tako("exec", "release", *options, cwd=lib)


def warned(ran: Ran) -> str:
    (warning,) = ran.json()["warnings"]
    assert isinstance(warning, str)
    return warning


@pytest.mark.parametrize(
    ("subscription", "why"),
    [
        (
            {"filters": ["payload.verison == '1.2.0'"]},
            "its filter cannot be evaluated: payload.verison == '1.2.0' (Key not found in map : \"verison\")",
        ),
        ({"filters": ["payload.version > 3"]}, "its filter cannot be evaluated: payload.version > 3 (No matching"),
        ({"filters": ["payload.version"]}, "its filter cannot be evaluated: payload.version (its type is string)"),
        (
            {"filters": ["semver.matches(payload.version, 'newest')"]},
            "its filter cannot be evaluated: semver.matches(payload.version, 'newest') (`newest` is not a range",
        ),
        ({"schema_version": "latest"}, "its schema version cannot be compared: `latest` is not a range of versions"),
    ],
)
def test_an_undecided_subscription_is_a_warning_everywhere(
    world: World, lib: Path, subscription: dict[str, Any], why: str
) -> None:
    if "schema_version" in subscription:
        (lib / "tako.yml").write_text(LIBRARY.replace("{type: released,", "{type: released, schema_version: 1.0.0,"))
    place = world.cached("acme/app", listener(**subscription)) / "tako.yml"
    warning = f"{place}:12: acme/app:verify does not run: {why}"

    ran = release(world, lib)
    assert ran.code == 0, ran.text
    assert f"warning: {warning}" in ran.err
    assert f"warning: {warning}" in ran.out, "the report repeats it"
    for options in (("--json",), ("--dry-run", "--json")):
        assert warned(release(world, lib, *options)).startswith(warning)
    assert f"[dry-run] warning: {warning}" in release(world, lib, "--dry-run").out

    strict = release(world, lib, "--strict")
    assert strict.code == 1
    assert "whether a subscription hears the event cannot be decided, and --strict was given: " in strict.err
    assert why in strict.err
    assert "and --strict was given" in release(world, lib, "--strict", "--dry-run").out


def test_an_undecided_filter_is_a_warning_beside_runs_that_start(world: World, lib: Path) -> None:
    world.cached("acme/app", listener(filters=["payload.verison == '1'"]))
    world.cached("acme/other", listener())
    result = release(world, lib, "--json").json()
    assert [run["repository"] for run in result["runs"]] == ["acme/other"]
    assert len(result["warnings"]) == 1


def test_a_filter_that_only_the_run_can_decide_is_no_warning_before_it(world: World, lib: Path) -> None:
    late = LIBRARY.replace('"{{ inputs.v }}"', '"{{ outputs.late }}"')
    (lib / "tako.yml").write_text(late.replace("> notes.txt", "| tee notes.txt"))
    world.cached("acme/app", listener(filters=["payload.version == '1.2.0'"]))
    dry = release(world, lib, "--dry-run", "--json").json()
    assert (dry["warnings"], dry["steps"][1]["fan_out"]["runs"][0]["certain"]) == ([], False)
    assert [run["status"] for run in release(world, lib, "--json").json()["runs"]] == ["success"]

    world.cached("acme/app2", listener(filters=["payload.verison == '1.2.0'"]))
    assert "acme/app2:verify does not run" in warned(release(world, lib, "--dry-run", "--json"))


@pytest.mark.parametrize(
    ("subscription", "question"),
    [
        ({"artifact": "acme/lib:note"}, "listens for artifact `note`; did you mean `notes`?"),
        ({"artifact": "acme/lib:Notes"}, "listens for artifact `Notes`; did you mean `notes`?"),
        ({"artifact": "acme/libs:notes"}, "listens for repository `acme/libs`; did you mean `acme/lib`?"),
        ({"artifact": "Acme/lib:notes"}, "listens for repository `Acme/lib`; did you mean `acme/lib`?"),
        ({"events": ["release"]}, "listens for event `release`; did you mean `released`?"),
        ({"events": ["Released"]}, "listens for event `Released`; did you mean `released`?"),
        (
            {"artifact": "acme/lib:ntoes", "events": ["release"]},
            "listens for artifact `ntoes` and event `release`; did you mean `notes` and `released`?",
        ),
    ],
)
def test_a_nearly_right_subscription_is_one_line(
    world: World, lib: Path, subscription: dict[str, Any], question: str
) -> None:
    place = world.cached("acme/app", listener(**subscription)) / "tako.yml"
    nearly = f"nearly: {place}:12: acme/app:verify {question} (acme/lib emitted `released` for `notes`)"

    ran = release(world, lib)
    assert ran.code == 0, ran.text
    assert ran.err.count(nearly) == 1
    assert f"  not acme/app:verify ({place}" not in ran.err, "the warning says so"
    assert nearly in ran.out
    for options in (("--json",), ("--dry-run", "--json")):
        assert warned(release(world, lib, *options)) == nearly
    assert release(world, lib, "--dry-run").out.count(nearly) == 1

    strict = release(world, lib, "--strict")
    assert strict.code == 1
    assert f"a subscription nearly hears the event, and --strict was given: {nearly}" in strict.err


def test_another_name_that_exists_is_no_near_miss(world: World, lib: Path) -> None:
    world.cached("acme/libs", "version: 1\n")
    world.cached("acme/app", listener(artifact="acme/libs:notes"))
    assert release(world, lib, "--json").json()["warnings"] == []


def test_nobody_subscribed_says_where_was_looked_and_how_to_add(world: World, lib: Path) -> None:
    repos = f"{world.home}/cache/repos"
    add = f"put a repository there: git clone ADDRESS {repos}/OWNER/NAME/main"
    ran = release(world, lib)
    assert ran.code == 0
    assert f"no repository subscribed to it (0 looked at in {repos})\n  {add}\n" in ran.err
    dry = release(world, lib, "--dry-run")
    assert f"no repository would run anything (0 looked at in {repos})\n" in dry.out
    assert add in dry.out
    (fan_out,) = release(world, lib, "--json").json()["fan_outs"]
    assert (fan_out["looked_at"], fan_out["looked_in"]) == (0, repos)


def test_many_reasons_are_grouped_and_counted(world: World, lib: Path) -> None:
    for number in range(6):
        world.cached(f"acme/off{number}", listener(enabled=False), git=False)
        world.cached(f"acme/typo{number}", listener(filters=["payload.verison == '1'"]), git=False)
    ran = release(world, lib)
    assert "  not 6 subscriptions: is not enabled: acme/off0:verify (" in ran.err
    assert ran.err.count("is not enabled") == 1
    (warning,) = [line for line in ran.err.splitlines() if line.startswith("warning: ")]
    assert warning.startswith("warning: 6 subscriptions do not run: its filter cannot be evaluated: payload.verison")
    assert warning.endswith(" and 3 more")
    dry = release(world, lib, "--dry-run").out
    assert dry.count("is not enabled") == 1


def test_a_replayed_run_says_where_was_looked(world: World, lib: Path) -> None:
    world.cached("acme/app", listener(artifact="acme/lib:note"))
    run_id = release(world, lib, "--json").json()["run_id"]
    ran = world.tako("replay", run_id, cwd=lib)
    assert f"(1 looked at in {world.home}/cache/repos)" in ran.text
    assert "warning: nearly: " in ran.text
