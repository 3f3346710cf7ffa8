"""Steps that print more, longer lines, or other things than anybody reads, and then fail."""

from __future__ import annotations

import re
from pathlib import Path

from tests.acceptance import wild_steps
from tests.acceptance.conftest import World
from tests.acceptance.dying import Death, Tree, die, run_named, wild
from tests.acceptance.observe import wait_for
from tests.acceptance.recipes import step
from tests.acceptance.remains import most_memory

LIMIT = 1 << 20
FLAT = 64 << 20
"""Bytes of memory that neither the root nor a child may come to need: twice what they have with nothing to read, and
less than what each of the steps prints."""

MARKER = re.compile(rb"\n\[tako: (\d+) bytes left out here; the limit is 1 MiB\] *\n")

# It ends only when the test has looked at the memory of its child.
PRINTS = """
echo first words; {printing}; echo; echo last words
touch {there}
until [ -e {seen} ]; do sleep 0.05; done
exit 5
"""

PRINTING = {
    "dying/many-lines": ("yes 'one of very many lines' | head -c 200000000", 200_000_000),
    "dying/one-line": ("head -c 100000000 /dev/zero | tr '\\0' x", 100_000_000),
    "dying/no-utf-8": ("yes \"$(printf '\\377\\376\\200 \\303(')\" | head -c 100000000", 100_000_000),
    "dying/nuls": ("head -c 100000000 /dev/zero", 100_000_000),
}


def test_what_steps_print_costs_neither_memory_nor_disk(world: World) -> None:
    world.env["TAKO_LOG_LIMIT"] = "1Mi"
    seen = world.root / "seen"
    there = {name: world.root / name.replace("/", "-") for name in PRINTING}
    deaths = {
        name: Death(
            (step("print", PRINTS.format(printing=printing, there=there[name], seen=seen)),),
            "step_failed",
            "print",
            exit_code=5,
            log="last words",
        )
        for name, (printing, _size) in PRINTING.items()
    }
    peaks: dict[str, int] = {}

    def look(tree: Tree) -> None:
        wait_for(lambda: all(file.exists() for file in there.values()), "all had printed it all", seconds=180)
        pids = {"root": tree.process.pid, **{name: tree.pid(name) or 0 for name in PRINTING}}
        peaks.update({name: most_memory(pid) for name, pid in pids.items()})
        seen.touch()

    report = die(world, deaths, meanwhile=look, seconds=180)

    assert all(0 < peak < FLAT for peak in peaks.values()), peaks
    for name, (_printing, size) in PRINTING.items():
        run = run_named(report, name)
        log = Path(run["workspace"], "logs", "print.log").read_bytes()
        assert len(log) <= LIMIT, name
        assert log.startswith(b"first words\n"), name
        assert log.endswith(b"\nlast words\n"), name
        (dropped,) = MARKER.findall(log)
        marker = MARKER.search(log)
        assert marker is not None
        kept = len(log) - len(marker.group())
        assert kept + int(dropped) == len("first words\n") + size + len("\nlast words\n"), name
        assert all(len(line) <= 2000 for line in run["failure"]["log"]), name


def test_a_step_says_why_it_failed_in_more_words_than_anybody_reads(world: World) -> None:
    said = f"({len(wild_steps.AT_LENGTH)} characters)"
    report = die(
        world,
        {
            "dying/raises": Death(
                (wild("raise at length"),), "exception", "wild", message=("ValueError: exit code 3",)
            ),
            "dying/fails": Death((wild("fail at length"),), "step_failed", "wild", exit_code=3, message=(said,)),
        },
    )

    for name in ("dying/raises", "dying/fails"):
        failure = run_named(report, name)["failure"]
        assert len(failure["message"]) <= 10_000
        assert sum(map(len, failure["log"])) <= 40_000
    ran = world.tako("status", report["run_id"])
    assert "exit code 3: red\ufffd" in ran.text
    assert "\x1b" not in ran.text
