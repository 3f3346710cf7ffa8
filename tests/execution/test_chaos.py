from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako.errors import UsageError
from tako.execution import chaos
from tako.execution.chaos import Fault
from tako.process import Completed, Process, Processes
from tako.signals import Exit, signal_group

Start = Callable[..., Process]

FAULTS = st.builds(
    Fault,
    st.sampled_from(chaos.KINDS),
    st.sampled_from(["here", "there", "_", "step-1", "A_b-9"]),
    st.floats(min_value=0, max_value=1, exclude_min=True),
)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("kill-child@test", Fault("kill-child", "test", 1.0)),
        ("slow-start@step-1,0.25", Fault("slow-start", "step-1", 0.25)),
        (" hang @ build , 1 ", Fault("hang", "build", 1.0)),
    ],
)
def test_a_fault_is_read(text: str, fault: Fault) -> None:
    assert chaos.parse(text) == fault


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        ("kil-child@a", "no kind 'kil-child'", "did you mean kill-child? write it as kill-child@STEP[,0.5]"),
        ("HANG@a", "no kind 'HANG'", "did you mean hang?"),
        ("earthquake@a", "no kind 'earthquake'", "the kinds are kill-child, kill-root, segfault, hang, garbage-stdout"),
        ("", "no kind ''", "kill-child@STEP"),
        ("hang", "names no step", "write it as hang@STEP[,PROBABILITY]"),
        ("hang@", "names no step", "hang@STEP"),
        ("hang@,0.5", "names no step", "hang@STEP"),
        ("hang@a,", "'' is no probability", "hang@a,0.5"),
        ("hang@a,0", "'0' is no probability", "above 0 and at most 1"),
        ("hang@a,1.5", "'1.5' is no probability", "above 0"),
        ("hang@a,-1", "'-1' is no probability", "above 0"),
        ("hang@a,nan", "'nan' is no probability", "above 0"),
        ("hang@a,often", "'often' is no probability", "above 0"),
        ("hang@a,0.5,0.5", "'0.5,0.5' is no probability", "above 0"),
        ("hang@a;hang@b", "'a;hang@b' is no step's id", "name one step, as in hang@test"),
        ("hang@a b", "'a b' is no step's id", "name one step, as in hang@test"),
    ],
)
def test_what_is_no_fault_is_refused_with_an_example(text: str, what: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        chaos.parse(text)
    assert what in caught.value.what
    assert hint in caught.value.cure


@given(st.lists(FAULTS, max_size=4))
def test_faults_travel_in_a_variable(faults: list[Fault]) -> None:
    assert chaos.decode(chaos.encode(faults)) == tuple(faults)


@given(st.lists(FAULTS, max_size=4), st.binary(min_size=7, max_size=7))
def test_only_faults_of_the_step_strike(faults: list[Fault], data: bytes) -> None:
    for fault in chaos.wanted(faults, "here", lambda _count: data):
        assert fault.step == "here"
    certain = [Fault("hang", "here"), Fault("hang", "there")]
    assert chaos.wanted(certain, "here", lambda _count: data) == (Fault("hang", "here"),)


@given(st.floats(min_value=0, max_value=1, exclude_min=True), st.integers(0, (1 << 56) - 1))
def test_a_fault_strikes_in_its_share_of_all_cases(probability: float, number: int) -> None:
    strikes = chaos.wanted([Fault("hang", "a", probability)], "a", lambda count: number.to_bytes(count, "big"))
    assert bool(strikes) == ((number >> 3) < probability * (1 << 53))


def test_faults_cost_a_child_no_slow_imports() -> None:
    code = "import sys; import tako.execution.chaos as c; c.decode('hang@a,0.5'); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True).stdout
    assert set(loaded.split()).isdisjoint({"difflib", "resource", "random", "typing", "dataclasses", "inspect"})


STRIKE = """
import os, sys, time
from tako.execution import chaos
frames = os.dup(1)
pid = int(sys.argv[2]) if len(sys.argv) > 2 else None
fault = chaos.Fault(sys.argv[1], "test")
chaos.strike(fault, root_pid=pid, write_frames=lambda data: os.write(frames, data), sleep=time.sleep)
print("went on")
"""


@pytest.fixture
def strike(processes: Processes) -> Callable[..., Completed]:
    """Lets a fault strike a process and waits for its end."""

    def run(kind: str, *arguments: object, code: str = STRIKE) -> Completed:
        argv = [sys.executable, "-c", code, kind, *map(str, arguments)]
        return processes.run(argv, env=os.environ, timeout=30)

    return run


@pytest.mark.parametrize(("kind", "number"), [("kill-child", signal.SIGKILL), ("segfault", signal.SIGSEGV)])
def test_a_child_is_killed(strike: Callable[..., Completed], kind: str, number: int) -> None:
    completed = strike(kind)

    assert completed.exit == Exit(signal=number)
    assert completed.stderr.decode() == f"chaos: {kind} at step 'test'\n"
    assert completed.stdout == b""


def test_a_segfault_leaves_no_core(processes: Processes, tmp_path: Path) -> None:
    code = f"import os, resource; os.chdir({str(tmp_path)!r})\n" + STRIKE.replace(
        "chaos.strike(",
        "_, hard = resource.getrlimit(resource.RLIMIT_CORE); resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))\n"
        "os.kill = lambda *_: print(resource.getrlimit(resource.RLIMIT_CORE)[0])\n"
        "chaos.strike(",
    )
    completed = processes.run([sys.executable, "-c", code, "segfault"], env=os.environ)

    assert completed.stdout.split()[0] == b"0"


def test_a_segfault_kills_past_a_handler(strike: Callable[..., Completed]) -> None:
    completed = strike("segfault", code="import faulthandler; faulthandler.enable()\n" + STRIKE)

    assert completed.exit == Exit(signal=signal.SIGSEGV)
    assert b"Fatal Python error" not in completed.stderr


HANG = """
import os, select, signal, sys
from tako.execution import chaos
def sleep(seconds):
    os.write(1, b"asleep\\n")
    select.select([0], [], [], 0.01)
chaos.strike(chaos.Fault("hang", "test"), root_pid=None, write_frames=lambda data: None, sleep=sleep)
"""


def test_a_hanging_child_sleeps_on_and_hears_no_signal_but_kill(start_python: Start, processes: Processes) -> None:
    read, write = os.pipe()
    try:
        process = start_python(HANG, stdout=write)
        os.close(write)
        with open(read, "rb", closefd=False) as output:
            assert output.readline() == b"asleep\n"
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                os.kill(process.pid, number)
            assert [output.readline() for _ in range(3)] == [b"asleep\n"] * 3
            assert process.poll() is None
            signal_group(process.pid, signal.SIGKILL)
            assert processes.supervise(process, {}).exit == Exit(signal=signal.SIGKILL)
    finally:
        os.close(read)


def test_rubbish_is_a_line_on_the_frames_that_is_none(strike: Callable[..., Completed]) -> None:
    completed = strike("garbage-stdout")

    rubbish, rest = completed.stdout.split(b"\n", 1)
    assert completed.exit == Exit(code=0)
    assert rest == b"went on\n"
    with pytest.raises(ValueError):
        rubbish.decode()
    assert not rubbish.startswith((b"{", b"["))


def test_a_slow_start_sleeps_and_goes_on() -> None:
    slept: list[float] = []

    chaos.strike(Fault("slow-start", "a"), root_pid=None, write_frames=lambda _data: None, sleep=slept.append)

    assert slept == [chaos.SLOW_SECONDS]


def test_a_child_kills_its_root_and_goes_on(
    strike: Callable[..., Completed], start_python: Start, processes: Processes
) -> None:
    root = start_python("import time; time.sleep(1000)")

    completed = strike("kill-root", root.pid)

    assert completed.exit == Exit(code=0)
    assert completed.stdout == b"went on\n"
    assert completed.stderr == b"chaos: kill-root at step 'test'\n"
    assert processes.supervise(root, {}).exit == Exit(signal=signal.SIGKILL)
    assert strike("kill-root", root.pid).stdout == b"went on\n", "it is gone, which is no error"


@pytest.mark.parametrize("pid", [None, 1, 0, -1])
def test_a_root_that_is_not_known_is_not_killed(pid: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "kill", lambda *given_: pytest.fail(f"kill{given_}"))

    chaos.strike(Fault("kill-root", "a"), root_pid=pid, write_frames=lambda _data: None, sleep=lambda _seconds: None)


IN_THE_ROOT = STRIKE.replace("lambda data: os.write(frames, data)", "None").replace(
    "chaos.strike(", "pid = os.getpid() if pid == 0 else pid\nchaos.strike("
)


def test_the_root_kills_itself_only(strike: Callable[..., Completed], start_python: Start) -> None:
    other = start_python("import time; time.sleep(1000)")

    assert strike("kill-root", 0, code=IN_THE_ROOT).exit == Exit(signal=signal.SIGKILL)
    assert strike("kill-root", other.pid, code=IN_THE_ROOT).stdout == b"went on\n"
    assert other.poll() is None


@pytest.mark.parametrize("kind", ["kill-child", "segfault", "hang", "garbage-stdout"])
def test_the_root_is_no_child(strike: Callable[..., Completed], kind: str) -> None:
    completed = strike(kind, 0, code=IN_THE_ROOT)

    assert (completed.exit, completed.stdout, completed.stderr) == (Exit(code=0), b"went on\n", b"")
