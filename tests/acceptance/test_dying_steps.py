"""Steps that fail, are killed, cannot begin, or leave something behind that does not want to end."""

from __future__ import annotations

import sys
from typing import Any

from tests.acceptance.conftest import World
from tests.acceptance.dying import Death, Tree, die, pids_of, run_named, wild
from tests.acceptance.recipes import step

# What the kernel does at a command's end, and not the shell: the last command of a script may replace the shell.
KILLED_WITHIN = "sh -c 'echo dying of {0}; kill -{0} $$'; echo not reached"


def killed(name: str, number: int) -> dict[str, Death]:
    """A step whose shell is killed, and one whose command is."""
    shell = step("hit", f"echo dying of {name}; kill -{name} $$; sleep 1000")
    command = step("hit", KILLED_WITHIN.format(name))
    log = f"dying of {name}"
    return {
        f"dying/shell-{name.lower()}": Death((shell,), "step_killed", "hit", signal=number, log=log),
        f"dying/command-{name.lower()}": Death(
            (command,), "step_killed", "hit", exit_code=128 + number, signal=number, log=log
        ),
    }


def test_steps_that_fail_or_are_killed(world: World) -> None:
    die(
        world,
        {
            "dying/exits": Death(
                (step("good", "true"), step("test", "echo last words; echo oh no >&2; exit 7")),
                "step_failed",
                "test",
                exit_code=7,
                log="oh no",
            ),
            **killed("SEGV", 11),
            **killed("KILL", 9),
            **killed("TERM", 15),
        },
    )


def test_steps_of_which_something_is_missing(world: World) -> None:
    die(
        world,
        {
            "dying/no-command": Death(
                (step("run", "no-such-command --at-all"),),
                "step_failed",
                "run",
                exit_code=127,
                log="no-such-command: not found",
            ),
            "dying/not-executable": Death(
                (step("make", "echo data > data.txt"), step("run", "./data.txt")),
                "step_failed",
                "run",
                exit_code=126,
                log="Permission denied",
            ),
            "dying/directory-vanished": Death(
                (
                    step("make", "mkdir sub"),
                    step("use", "rmdir ../sub", working_directory="sub"),
                    step("run", "true", working_directory="sub"),
                ),
                "step_error",
                "run",
                message=("the working directory 'sub' does not exist", "tako.yml:"),
            ),
            "dying/no-bash": Death(
                (wild("lose the path"), step("run", "true", shell="bash")),
                "step_failed",
                "run",
                exit_code=127,
                log="cannot start 'bash': No such file or directory",
            ),
            "dying/bash-not-executable": Death(
                (
                    step("make", 'mkdir "$TAKO_WORKSPACE/bin"; echo nothing > "$TAKO_WORKSPACE/bin/bash"'),
                    wild("look for programs in its own directory"),
                    step("run", "true", shell="bash"),
                ),
                "step_failed",
                "run",
                exit_code=126,
                log="cannot start 'bash': Permission denied",
            ),
        },
    )


# It leaves the group, the session, the family, and the environment by which others are known.
DAEMON = "(env -i {python} {program} {pids} {manner} &)"

DAEMON_PROGRAM = """
import os, signal, sys, time
pids, manner = sys.argv[1:]
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
if "deaf" in manner:
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
if "quiet" in manner:
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)

def write_down(flags):
    file = os.open(pids, os.O_WRONLY | os.O_CREAT | flags)
    os.write(file, f"{os.getpid()}\\n".encode())
    os.close(file)

write_down(os.O_APPEND)
end = time.monotonic() + 300
while "forking" in manner and time.monotonic() < end:
    # Nobody can kill what is another process by the time that the signal comes; so it ends by itself some day.
    if os.fork():
        os._exit(0)
    os.setsid()
    write_down(os.O_TRUNC)
time.sleep(1000)
"""


def leave(world: World, name: str, manner: str, end: str = "exit 3") -> dict[str, Any]:
    """A step that ends, once it has left a daemon behind."""
    program = world.root / "daemon.py"
    program.write_text(DAEMON_PROGRAM)
    pids = pids_of(world, name)
    daemon = DAEMON.format(python=sys.executable, program=program, pids=pids, manner=manner)
    return step("leave", f"{daemon}; until [ -s {pids} ]; do sleep 0.01; done; echo left a daemon; {end}")


def test_what_a_step_leaves_behind_ends_with_it(world: World) -> None:
    manners = {
        "dying/daemon": "quiet",
        "dying/deaf-daemon": "quiet,deaf",
        "dying/forking-daemon": "quiet,deaf,forking",
        # The pipe of its output stays open: who waits for that to end waits for ever.
        "dying/loud-daemon": "loud",
        "dying/loud-deaf-daemon": "loud,deaf",
    }
    deaths = {
        name: Death((leave(world, name, manner),), "step_failed", "leave", exit_code=3, log="left a daemon")
        for name, manner in manners.items()
    }
    at_report = {}

    def look(tree: Tree) -> None:
        tree.wait_until_all_are_dead()
        at_report.update({name: pids_of(world, name).read_text() for name in manners})

    report = die(world, deaths, meanwhile=look)

    for name in manners:
        assert run_named(report, name)["duration_seconds"] < 100, "its step waited for its daemon"
        # One that forks on writes a new pid each time.
        assert pids_of(world, name).read_text() == at_report[name], "it went on after its report"


def test_a_step_ends_at_once_though_its_daemon_keeps_stdout_open(world: World) -> None:
    # The next step begins although the daemon would sleep for long, and that one is gone by then.
    name = "dying/later"
    pids = pids_of(world, name)
    # A process that has ended has no command line any more, be it that nobody has waited for it yet.
    gone = f'for pid in $(cat {pids}); do [ -z "$(tr -d "\\0" 2>/dev/null < /proc/$pid/cmdline)" ] || exit 4; done; '
    gone += "echo all gone; exit 5"
    deaths = {
        name: Death(
            (leave(world, name, "loud,deaf", end="true"), step("look", gone)),
            "step_failed",
            "look",
            exit_code=5,
            log="all gone",
        )
    }
    report = die(world, deaths)
    assert run_named(report, name)["duration_seconds"] < 100
