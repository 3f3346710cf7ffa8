"""All that was started stands still until it is let go on: also what is being started at that moment."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tako.process import Processes

ROOT = str(Path(__file__).parents[1])

# The opening of a FIFO that nobody writes to holds the new process back before it has become another program, and so
# the old one within the kernel, in vfork(2).
STARTS_WITHIN_THE_KERNEL = """
import os, sys
os.posix_spawn('/bin/true', ['true'], {}, file_actions=[(os.POSIX_SPAWN_OPEN, 0, sys.argv[1], os.O_RDONLY, 0)])
"""

CODE = """
import os, signal, sys, time
sys.path.insert(0, {root!r})
from tako import family, household
from tako.clock import SystemClock
from tako.process import Processes

class Clock(SystemClock):
    asleep = 0
    def monotonic(self):
        return self.asleep / 1000
    def sleep(self, seconds):
        Clock.asleep += 1
        time.sleep(seconds)

def state(pid):
    return family._state_and_parent(pid)[0].decode()

def living():
    return [each.pid for each in family.descendants(family.own_children())]

clock = Clock()
processes = Processes(clock, adopts=True)
"""


def in_a_process(processes: Processes, body: str, *arguments: str) -> None:
    """Run code in a process that adopts orphans, with a clock that counts the pauses as milliseconds."""
    code = CODE.format(root=ROOT) + body
    completed = processes.run([sys.executable, "-c", code, *arguments], env=os.environ, timeout=60)
    assert completed.ok, completed.message()


def test_who_waits_in_the_kernel_for_one_that_is_stopped_holds_nobody_up(processes: Processes, tmp_path: Path) -> None:
    fifo = str(tmp_path / "fifo")
    os.mkfifo(fifo)
    in_a_process(
        processes,
        """
process = processes.spawn([sys.executable, "-c", sys.argv[2], sys.argv[1]], env=os.environ)
while "D" not in [state(pid) for pid in living()]: time.sleep(0.01)
processes.freeze()
assert clock.monotonic() < 1, "it gave up"
assert sorted(state(pid) for pid in living()) == ["D", "T"]
processes.thaw()
descriptor = os.open(sys.argv[1], os.O_WRONLY)
assert processes.supervise(process, {}).exit.ok
""",
        fifo,
        STARTS_WITHIN_THE_KERNEL,
    )


def test_what_is_born_during_the_look_is_stopped_too(processes: Processes) -> None:
    in_a_process(
        processes,
        """
process = processes.spawn(["sh", "-c", "while :; do sleep 1000 & wait; done"], env=os.environ)
while len(living()) < 2: time.sleep(0.01)
look, send, late = household._all_below, family.send, []

def send_late(relative, number):
    # The shell hears of it only after the next look.
    if relative.pid == process.pid and number == signal.SIGSTOP:
        late.append(relative)
        return True
    return send(relative, number)

def look_and_be_late():
    found = look()
    while late:
        # What it waited for has ended, so it starts the next, which was not there when its children were listed.
        before = set(living())
        for child in before - {process.pid}: os.kill(child, signal.SIGKILL)
        while set(living()) <= before: time.sleep(0.001)
        send(late.pop(), signal.SIGSTOP)
        while state(process.pid) != "T": time.sleep(0.001)
    return found

family.send = send_late
household._all_below = look_and_be_late
processes.freeze()
assert {state(pid) for pid in living()} == {"T"}, [state(pid) for pid in living()]
processes.kill_all()
processes.supervise(process, {})
""",
    )


def test_warden_of_a_tako_below_is_left_alone(processes: Processes) -> None:
    """A step may run Tako: its warden must notice when that is killed, be it while all stand still."""
    in_a_process(
        processes,
        """
from runner_child import WARDEN
script = 'setsid sh -c "read -r line" tako-warden "$0" <&3 & exec sleep 1000'
read, write = os.pipe()
process = processes.spawn(["sh", "-c", script, WARDEN], env=os.environ, more={3: read})
while len(living()) < 2: time.sleep(0.01)
(warden,) = [pid for pid in living() if pid != process.pid]
while os.getsid(warden) != warden: time.sleep(0.01)
while b"tako-warden" not in open(f"/proc/{warden}/cmdline", "rb").read(): time.sleep(0.01)
while open(f"/proc/{process.pid}/comm").read() != "sleep\\n": time.sleep(0.01)
processes.freeze()
assert state(process.pid) == "T"
assert state(warden) in "RS", state(warden)
processes.kill_all()
processes.supervise(process, {})
""",
    )
