"""Control groups of real processes, where this machine lets its user have some."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tako import cgroup
from tako.clock import SystemClock
from tako.ids import new_run_id
from tako.process import Completed, Process, Processes
from tako.signals import Stops, StopSignal
from tests.test_household import REFORKS

Gone = Callable[[int], bool]
Wait = Callable[[Callable[[], object]], None]

ROOT = str(Path(__file__).parents[1])
CLOCK = SystemClock()

# Enters a group, starts Python on some code with no environment at all, and does what it is told then.
MEMBER = f"""
import os, sys, time
sys.path.insert(0, {ROOT!r})
from tako.cgroup import Entrance
group, code, then = sys.argv[1:]
Entrance(group).wait()
pid = os.posix_spawn(sys.executable, [sys.executable, "-I", "-S", "-c", code], {{}})
exec(then)
"""
STAYS = "time.sleep(1000)"
ENDS = "os.waitpid(pid, 0)"

# Has left the session and has no parent: nothing but the group tells whose it is.
HIDDEN = "import os, time; os.setsid(); os.fork() and os._exit(0); time.sleep(1000)"


@pytest.fixture
def group() -> Iterator[str]:
    """A group in which nobody is."""
    path = cgroup.group_of_tree(new_run_id(CLOCK))
    if path is None or not cgroup.make(path):
        pytest.skip("this user may make no control groups on this machine")
    yield path
    assert cgroup.remove(path, clock=CLOCK, force=True)


@pytest.fixture
def enter(start_python: Callable[..., Process], group: str) -> Callable[..., Process]:
    """Starts a process that enters the group, or one below it, then starts some code, and goes on as told."""

    def start(code: str, then: str, *, inner: str = "") -> Process:
        path = os.path.join(group, inner)
        assert cgroup.make(path)
        return start_python(MEMBER, path, code, then)

    return start


def test_what_hid_from_everybody_is_a_member_and_ends_with_the_group(
    group: str, enter: Callable[..., Process], wait_until: Wait, is_gone: Gone
) -> None:
    process = enter(HIDDEN, ENDS)
    wait_until(process.poll)
    wait_until(lambda: len(cgroup.members(group)) == 1)
    (hidden,) = cgroup.members(group)

    assert cgroup.kill(group)
    wait_until(lambda: is_gone(hidden))
    assert cgroup.members(group) == []


def test_one_that_forks_all_the_time_is_met_by_one_kill(
    group: str, enter: Callable[..., Process], wait_until: Wait
) -> None:
    process = enter(REFORKS, ENDS)
    wait_until(process.poll)
    wait_until(lambda: cgroup.members(group))

    assert cgroup.kill(group)
    # The kernel has ended all of it; none of it can have gone on with forking.
    wait_until(lambda: b"populated 0" in Path(group, "cgroup.events").read_bytes())


def test_a_group_goes_with_those_below_it_and_whoever_is_in_them(
    group: str, enter: Callable[..., Process], wait_until: Wait
) -> None:
    process = enter(HIDDEN, STAYS, inner="one")
    wait_until(lambda: len(cgroup.members(group)) == 2)

    assert not cgroup.remove(group, clock=CLOCK, force=False), "who is in it may stay"
    assert process.poll() is None
    assert cgroup.remove(group, clock=CLOCK, force=True)
    wait_until(process.poll)
    assert not os.path.exists(group)
    assert cgroup.remove(group, clock=CLOCK, force=True), "there is nothing left to do"
    assert not cgroup.kill(group)
    assert cgroup.members(group) == []


def test_who_cannot_enter_stays_where_it_is(start_python: Callable[..., Process], wait_until: Wait) -> None:
    for nowhere in ("", "/nowhere", ROOT):
        process = start_python(MEMBER, nowhere, "pass", ENDS)
        wait_until(process.poll)
        ended = process.poll()
        assert ended is not None
        assert ended.ok


def test_a_process_that_is_forced_takes_its_group_with_it(
    group: str, processes: Processes, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that this process does not adopt are nowhere below it: only by the group are they found."""
    deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    argv = [sys.executable, "-c", MEMBER, group, HIDDEN, f"import signal; {deaf}; {STAYS}"]
    process = processes.spawn(argv, env=os.environ, stderr=2, group=group)
    wait_until(lambda: len(cgroup.members(group)) == 2)
    force = StopSignal()
    force.set()
    killed: list[object] = []
    kill = cgroup.kill

    def note_and_kill(path: str) -> bool:
        killed.append((path, process.poll()))
        return kill(path)

    monkeypatch.setattr(cgroup, "kill", note_and_kill)

    outcome = processes.supervise(process, {}, stops=Stops(force=(force.fd,)))

    assert outcome.exit.signal == signal.SIGKILL
    assert killed[0] == (group, None), "all at once, its leader still being there"
    assert not os.path.exists(group)
    force.close()


def test_what_a_process_left_in_its_group_ends_with_it(group: str, processes: Processes, wait_until: Wait) -> None:
    process = processes.spawn([sys.executable, "-c", MEMBER, group, HIDDEN, ENDS], env=os.environ, group=group)

    assert processes.supervise(process, {}).exit.ok
    assert not os.path.exists(group)


def test_who_is_not_allowed_to_makes_no_groups(
    public_path: Path, unprivileged: Callable[[Path, str, str], Completed]
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    imports = f"sys.path.insert(0, {ROOT!r}); from tako import cgroup"

    asked = unprivileged(public_path, imports, "print(cgroup.group_of_tree('x'), cgroup.make('/sys/fs/cgroup/tako-x'))")

    assert asked.stdout == b"None False\n", asked.message()


UNIFIED = "30 23 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate"
HYBRID = [
    "31 30 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu",
    "32 30 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
]
PART = "40 39 0:27 /docker/ab12 /sys/fs/cgroup ro - cgroup2 cgroup rw"


@pytest.mark.parametrize(
    ("groups", "mounts", "found"),
    [
        (["0::/user.slice/a.scope"], [UNIFIED], "/sys/fs/cgroup/user.slice/a.scope"),
        (["4:memory:/x", "1:cpu:/", "0::/"], HYBRID, "/sys/fs/cgroup/unified"),
        (["0::/docker/ab12/inner"], [PART], "/sys/fs/cgroup/inner"),
        (["0::/docker/ab12"], [PART], "/sys/fs/cgroup"),
        (["0::/docker/ab123"], [PART], None),
        (["0::/../elsewhere"], [UNIFIED], None),
        (["4:memory:/x"], HYBRID, None),
        (["0::/"], HYBRID[:1], None),
        ([], [UNIFIED], None),
    ],
)
def test_the_own_group_is_where_the_mount_shows_it(groups: list[str], mounts: list[str], found: str | None) -> None:
    assert cgroup.own_group(groups, mounts) == found
