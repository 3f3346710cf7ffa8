"""What a step finds around itself is the user's: variables, umask, signals, limits. Nothing is Tako's or Python's."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest

from tests.acceptance.conftest import BIN, World
from tests.acceptance.recipes import WORKFLOW, config, fan_out, step

ROOT = "around/root"


def facts(script: str) -> dict[str, Any]:
    """A step that puts out what a script prints."""
    return step("facts", script, produces={"outputs": {"said": "from_stdout"}})


def said(world: World, script: str, *options: str, before: str = "") -> dict[str, str]:
    """What a script says in a step of a root and of a child, and to the user who starts ``tako``.

    ``before`` is run by the shell that starts it.
    """
    child = "around/child"
    world.cached(child, config(child, facts(script), hears=ROOT))
    root = world.working("root", config(ROOT, facts(script), fan_out()))
    tako = shlex.join([str(BIN / "tako"), "exec", WORKFLOW, "--json", *options])
    ran = world.run(["sh", "-c", f"{before}\nexec {tako}"], cwd=root)
    assert ran.code == 0, ran.text
    user = world.run(["sh", "-c", f"{before}\nsh -ec {shlex.quote(script)}"], cwd=root)
    report = json.loads(ran.out)
    return {
        "user": user.out.strip(),
        "root": report["steps"][0]["outputs"]["said"].strip(),
        "child": report["runs"][0]["outputs"]["facts"]["said"].strip(),
    }


# The signals 1 to 28. Two of higher numbers are the C library's own, and posix_spawn(3) leaves those ignored in
# whatever anybody starts.
DISPOSITIONS = "sed -nE 's/^(Sig(Blk|Ign|Cgt)):.*(.{7})$/\\1 \\3/p' /proc/self/status"


@pytest.mark.parametrize(
    ("script", "before"),
    [
        ("umask", "umask 027"),
        ("ulimit -a", "ulimit -n 777; ulimit -c 0; ulimit -S -s 4096; ulimit -f 999999"),
        ("ulimit -H -a", ""),
        (DISPOSITIONS, ""),
        # What the user wants to be ignored stays so.
        (DISPOSITIONS, "trap '' HUP USR1"),
        ("cat /proc/self/oom_score_adj; nice", ""),
    ],
)
def test_a_step_has_what_the_user_has(world: World, script: str, before: str) -> None:
    found = said(world, script, before=before)

    assert found["user"]
    assert found["root"] == found["user"]
    assert found["child"] == found["user"]


def test_a_reader_that_ends_early_ends_its_writer_without_a_word(world: World) -> None:
    found = said(world, '(yes || echo "ended with $?" >&2) 2>status | head -1; cat status')

    # 128 and SIGPIPE: a program that ignores that complains of a broken pipe instead.
    assert found["root"] == found["child"] == "y\nended with 141"


NAMES = "env | sed -n 's/^\\([A-Za-z0-9_]*\\)=.*/\\1/p' | sort"
SHELLS_OWN = {"PWD", "OLDPWD", "SHLVL", "_"}
STEPS_OWN = {
    "TAKO_ATTEMPT",
    "TAKO_STEP_ATTEMPT",
    "TAKO_EVENT_ID",
    "TAKO_IDEMPOTENCY_KEY",
    "TAKO_INPUTS",
    "TAKO_OUTPUT",
    "TAKO_REPO",
    "TAKO_ROOT_RUN_ID",
    "TAKO_RUN_ID",
    "TAKO_STEP_ID",
    "TAKO_WORKSPACE",
}


def test_a_step_inherits_what_the_user_has_and_nothing_of_takos_inner_workings(world: World) -> None:
    world.env |= {"MINE": "1", "TAKO_MINE": "1", "TAKO_LIFELINE": "stale", "TAKO_INPUT_OLD": "stale"}

    found = said(world, NAMES)

    # An output has one value: the names are one a line.
    users = set(world.env) - {"TAKO_LIFELINE", "TAKO_INPUT_OLD"}
    for where in ("root", "child"):
        names = set(found[where].split())
        assert names - SHELLS_OWN == (users | STEPS_OWN) - SHELLS_OWN, where


def test_a_strict_environment_has_what_is_listed_and_nothing_else(world: World) -> None:
    world.env |= {"MINE": "1", "CI": "yes", "LC_ALL": "C", "LANG": "C", "TAKO_MINE": "1"}

    found = said(world, NAMES, "--strict-env", "CI, LC_ALL,ABSENT")

    expected = {"PATH", "HOME", "LANG", "TMPDIR", "CI", "LC_ALL", "TAKO_MINE", "TAKO_HOME", *STEPS_OWN}
    for where in ("root", "child"):
        assert set(found[where].split()) - SHELLS_OWN == expected, where
