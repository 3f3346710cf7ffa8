"""The report at the end: its colors, its width, its counts after Ctrl-C, its durations after a resume."""

from __future__ import annotations

import re
import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.acceptance.conftest import World
from tests.acceptance.observe import wait_for
from tests.acceptance.terminal import Terminal

LIB = """
version: 1
metadata: {name: me/lib}
workflows:
  go:
    steps:
      - {id: build, run: "true"}
      - {id: tell, uses: tako/fan-out@v1, with: {event_type: made}}
"""
CHILDREN = 60
AT_WORK = 6


def app(run: str) -> str:
    return (
        "version: 1\nsubscriptions: [{artifact: 'me/lib:default', events: [made], workflow: check}]\n"
        f"workflows: {{check: {{steps: ['{run}']}}}}\n"
    )


def colors(text: str) -> set[str]:
    return set(re.findall(r"\x1b\[([0-9;]*)m", text)) - {"0", ""}


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


@pytest.fixture
def sixty(world: World) -> Path:
    """A library with 60 dependents: two that fail, the others wait."""
    (world.root / "began").mkdir()
    for number in range(CHILDREN):
        wait = f"touch {world.root}/began/{number}; sleep 600"
        world.cached(f"me/app{number:02}", app("exit 3" if number < 2 else wait), git=False)
    return world.working("lib", LIB)


def test_interrupt_of_many_has_one_summary(world: World, sixty: Path) -> None:
    running = world.start("exec", "go", "-j", str(AT_WORK), cwd=sixty)
    wait_for(lambda: len(list((world.root / "began").iterdir())) == AT_WORK, "six are at work")
    running.send_signal(signal.SIGINT)
    ran = world.finish(running)
    assert ran.code == 130
    assert "Triggered runs: 60 (2 failed, 6 interrupted, 52 not started)\n" in ran.out
    assert "  · └─ 52 not started: me/app08:check, me/app09:check, me/app10:check and 49 more\n" in ran.out
    assert Counter(re.findall(r"failed after", ran.err))["failed after"] == 2
    named = ", ".join(f"me/app{number:02}:check" for number in range(2, 8))
    assert ran.err.count(f"6 runs interrupted, at work: {named}\n") == 1
    assert ran.err.count("me/app02:check") == 3, "as planned, as started, in the summary"
    told = world.tako("status", "@latest").out
    assert "triggered: 2 failed, 6 interrupted, 52 not started\n" in told
    assert "52 not started: me/app08:check" in told


def test_failures_come_first_in_the_tree(world: World) -> None:
    for name, run in (("a", "true"), ("b", "true"), ("c", "exit 3")):
        world.cached(f"me/{name}", app(run))
    ran = world.tako("exec", "go", cwd=world.working("lib", LIB))
    assert re.findall(r"me/(\w+):check", ran.out) == ["c", "a", "b"]


def test_report_is_colored_at_a_terminal_only(world: World, terminal: Terminal) -> None:
    world.cached("me/bad", app("exit 3"))
    world.working("lib", LIB)
    command = "tako exec go --root lib"
    shown = terminal.run(command)
    assert "\x1b[1;31mme/bad:check failed\x1b[0m" in shown
    assert "\x1b[32m  ✓ build\x1b[0m" in shown
    assert "\x1b[1;31m  ✗ └─ me/bad:check\x1b[0m" in shown
    assert not colors(terminal.run(f"NO_COLOR=1 {command} > out 2> err; cat out err"))
    assert not colors(terminal.run(f"{command} > out 2> err; cat out err"))
    assert "1;31" in colors(terminal.run(f"FORCE_COLOR=1 {command} > out 2> err; cat out err"))
    assert not colors(terminal.run(f"NO_COLOR=1 {command}")) - {"1", "2"}
    assert not colors(terminal.run(f"TERM=dumb {command}"))
    assert "\x1b[1;31m  ✗ └─ me/bad:check\x1b[0m" in terminal.run("tako status @latest")


def test_report_fits_the_terminal(world: World, terminal: Terminal) -> None:
    world.cached(f"me/{'long-' * 20}name", app("exit 3"))
    world.working("lib", LIB)
    for columns in (50, 80):
        for command in ("tako exec go --root lib", "tako status @latest"):
            shown = plain(terminal.run(f"COLUMNS={columns} {command}"))
            report = shown.partition("Triggered runs")[2] or shown
            rows = [line.rstrip("\r") for line in report.splitlines() if re.match(r" *[✓✗·] ", line)]
            assert any("step_failed" in row or "…" in row for row in rows)
            tree = [row for row in rows if "─" in row or ":go" in row]
            assert len(tree) == 2, shown
            assert max(len(row) for row in tree) <= columns


def test_resumed_durations_name_their_attempt(world: World) -> None:
    mended = world.root / "mended"
    world.cached("me/good", app("true"))
    world.cached("me/bad", app(f"test -e {mended}"))
    lib = world.working("lib", LIB)
    first = world.tako("exec", "go", cwd=lib)
    assert "attempt" not in first.out
    mended.touch()
    again = world.tako("exec", "--resume", "@latest")
    assert again.code == 0, again.text
    assert re.search(r"^Duration: \S+ in this attempt$", again.out, re.MULTILINE)
    assert re.search(r"✓ build \(\S+, in an earlier attempt\)", again.out)
    assert re.search(r"✓ tell \(\S+, over all attempts\)", again.out)
    assert re.search(r"me/good:check .* in an earlier attempt$", again.out, re.MULTILINE)
    assert not re.search(r"me/bad:check .* in an earlier attempt$", again.out, re.MULTILINE)
    assert "success, " in world.tako("status", "@latest").out.partition(" in its last attempt")[0]
