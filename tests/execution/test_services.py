"""Steps that are left running: they outlive their step, and not their run. With real processes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tako import identity
from tako.config.model import StepSpec
from tako.execution.answer import Answer, write_answer
from tako.execution.failure import INTERRUPTED, STEP_ERROR, STEP_FAILED, STEP_KILLED, STEP_TIMEOUT
from tako.execution.going_on import go_on
from tako.execution.service import Service, ServiceEnd, end_of
from tako.execution.services import end_keepers
from tako.execution.state import ExecutionState, StepRecord, read_state
from tako.signals import StopSignal
from tests.execution.bench import Bench, tell

FOREVER = "echo up; echo $$ > pid; sleep 600 & wait"


def service(run: str = FOREVER, id_: str = "db", **changes: Any) -> StepSpec:
    return StepSpec(id=id_, run=run, long_running=True, **changes)


def poll(id_: str = "poll", **params: Any) -> StepSpec:
    base = {"timeout": 60.0, "interval": 0.05, "success_on_exit_code": [0]}
    return StepSpec(id=id_, uses="tako/poll@v1", params={**base, **params})


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def record(state: ExecutionState, id_: str = "db") -> StepRecord:
    (found,) = (step for step in state.steps if step.id == id_)
    return found


def keeper_of(state: ExecutionState) -> Service:
    found = record(state).service
    assert found is not None
    return found


def is_gone(pid: int) -> bool:
    seen = identity.identity_of(pid)
    return seen is None or not identity.is_alive(seen)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """Makes benches; whatever a test does, none of their services outlives it."""
    made: list[Bench] = []

    def make(*steps: StepSpec, **changes: Any) -> Bench:
        made.append(Bench(tmp_path, *steps, **changes))
        return made[-1]

    yield make
    for each in made:
        keepers = [identity.identity_of(pid) for pid in each.processes.services()]
        end_keepers(each.processes, [keeper for keeper in keepers if keeper], clock=each.clock)
        for keeper in keepers:
            each.processes.reap(keeper.pid if keeper else -1)


def test_a_step_that_is_left_running_runs_beside_those_behind_it_and_is_stopped_at_the_end(
    bench: Callable[..., Bench],
) -> None:
    made = bench(service(), poll(target="file", path="pid"), StepSpec(id="b", run="kill -0 $(cat pid)"))
    state = made.run()

    assert state.failure is None
    assert [(end.step, end.how) for end in state.services] == [("db", "stopped")]
    assert is_gone(int((made.repo / "pid").read_text()))
    assert is_gone(keeper_of(state).pid)
    assert made.heard[-1] == "db was still running and was stopped"
    assert made.log("db") == "up\n"
    assert read_state(made.workspace.state).services == state.services


def test_whatever_a_service_started_is_stopped_with_it(bench: Callable[..., Bench]) -> None:
    hides = "setsid sh -c 'echo $$ > daemon; trap \"\" TERM; sleep 600; sleep 600' &"
    daemon = f"({hides})\necho $$ > pid; sleep 600 & wait"
    made = bench(service(daemon), poll(target="file", path="daemon"), poll("p2", target="file", path="pid"))
    state = made.run()

    assert state.failure is None
    assert is_gone(int((made.repo / "daemon").read_text()))


@pytest.mark.parametrize("ending", ["exit 1", "echo {{ nope }}"])
def test_a_service_is_stopped_when_the_run_fails(bench: Callable[..., Bench], ending: str) -> None:
    made = bench(service(), poll(target="file", path="pid"), StepSpec(id="b", run=ending))
    state = made.run()

    assert state.status == "failed"
    assert [(end.step, end.how) for end in state.services] == [("db", "stopped")]
    assert is_gone(int((made.repo / "pid").read_text()))


def test_a_service_is_stopped_when_the_run_is(bench: Callable[..., Bench]) -> None:
    stop = StopSignal()
    made = bench(service(), poll(target="file", path="pid"), StepSpec(id="b", run="sleep 600"), stop=stop)
    started = made.step_started

    def stop_at_b(spec: StepSpec) -> None:
        started(spec)
        if spec.id == "b":
            stop.set()

    made.step_started = stop_at_b  # type: ignore[method-assign]
    state = made.run()
    stop.close()
    assert state.failure is not None
    assert state.failure.kind == INTERRUPTED
    assert [(end.step, end.how) for end in state.services] == [("db", "stopped")]
    assert is_gone(int((made.repo / "pid").read_text()))


def test_a_service_that_does_not_want_to_end_is_forced(bench: Callable[..., Bench]) -> None:
    stubborn = "trap '' TERM; echo $$ > pid; while :; do sleep 600; done"
    made = bench(service(stubborn), poll(target="file", path="pid"))
    state = made.run()

    assert [(end.step, end.how, end.signal) for end in state.services] == [("db", "stopped", signal.SIGKILL)]
    assert is_gone(int((made.repo / "pid").read_text()))


def test_a_keeper_that_was_stopped_is_woken_to_end_its_service(bench: Callable[..., Bench]) -> None:
    script = "kill -STOP $(ps -o ppid= -p $(cat pid))"
    made = bench(service(), poll(target="file", path="pid"), StepSpec(id="b", run=script))
    state = made.run()

    assert [(end.step, end.how) for end in state.services] == [("db", "stopped")]
    assert is_gone(int((made.repo / "pid").read_text()))


def test_a_keeper_that_takes_too_long_is_forced(bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tako.execution.services.KEEPERS_GRACE_SECONDS", 0.3)
    made = bench(service("trap '' TERM; echo $$ > pid; exec sleep 600"), poll(target="file", path="pid"))
    state = made.run()
    # This process adopts nobody, as the root does: there, it would be ended with the other orphans.
    os.kill(int((made.repo / "pid").read_text()), signal.SIGKILL)

    assert [(end.step, end.how) for end in state.services] == [("db", "stopped")]
    assert is_gone(keeper_of(state).pid)


def test_a_service_lives_on_while_its_run_waits_and_is_known_when_that_goes_on(bench: Callable[..., Bench]) -> None:
    made = bench(
        service("echo $$ > pid; until test -e enough; do sleep 0.02; done; exit 5"),
        poll(target="file", path="pid"),
        tell(),
        StepSpec(id="b", run="touch enough"),
        poll("ends", target="step", step_id="db", success_on_exit_code=[5]),
    )
    waiting = made.run()
    assert waiting.status == "suspended"
    assert identity.is_alive(keeper_of(waiting).keeper)
    write_answer(made.workspace, "tell", Answer(made.events[0].id, total=0, succeeded=0))
    # Another process of the run would have another Runner, and only what is on the disk.
    made.runner = made.make_runner(attempt=1)
    state = made.run(read_state(made.workspace.state))

    assert state.failure is None
    assert record(state).service == keeper_of(waiting)
    assert record(state, "ends").outputs == {"exit_code": "5"}
    assert [(end.how, end.exit_code) for end in state.services] == [("exited", 5)]


def test_a_service_that_is_gone_is_started_again_for_a_run_that_goes_on(bench: Callable[..., Bench]) -> None:
    up = "echo x >> starts; rm -f pid; echo $$ > pid; sleep 600 & wait"
    made = bench(
        service(up),
        poll(target="file", path="pid"),
        StepSpec(id="b", run="test -e fixed"),
    )
    assert made.run().status == "failed"
    (made.repo / "fixed").touch()
    (made.repo / "pid").unlink()
    made.heard.clear()
    state = made.run(go_on(read_state(made.workspace.state), lambda _: False))

    assert state.failure is None
    assert (made.repo / "starts").read_text() == "x\nx\n"
    assert made.heard[:4] == ["db started", "poll started", "b started", "b success"]
    assert [end.how for end in state.services] == ["stopped"]


def test_a_service_that_had_ended_by_itself_is_not_started_again(bench: Callable[..., Bench]) -> None:
    made = bench(service("echo x >> starts"), poll(target="step", step_id="db"), StepSpec(id="b", run="test -e fixed"))
    assert made.run().status == "failed"
    (made.repo / "fixed").touch()
    made.heard.clear()
    state = made.run(go_on(read_state(made.workspace.state), lambda _: False))

    assert state.failure is None
    assert made.heard == ["b started", "b success"]
    assert (made.repo / "starts").read_text() == "x\n"


def test_what_another_service_of_the_same_step_wrote_down_is_not_this_ones(bench: Callable[..., Bench]) -> None:
    made = bench(service("exit 0"), poll(target="step", step_id="db"))
    state = made.run()
    own = keeper_of(state)

    assert end_of(made.workspace, "db", own) == ServiceEnd("db", "exited", 0, None, state.services[0].seconds)
    assert end_of(made.workspace, "db", Service(own.pid, own.started + 1)) == ServiceEnd("db", "lost")
    Path(made.workspace.service("db")).write_text("rubbish")
    assert end_of(made.workspace, "db", own) == ServiceEnd("db", "lost")


def test_nothing_of_a_service_is_left_that_nobody_has_waited_for(bench: Callable[..., Bench]) -> None:
    state = bench(service(), poll(target="file", path="pid")).run()

    assert identity.identity_of(keeper_of(state).pid) is None


def test_a_run_whose_services_cannot_be_had_again_fails_there(bench: Callable[..., Bench]) -> None:
    made = bench(
        service("echo $$ > pid; sleep 600 & wait"),
        poll(target="file", path="ready", timeout=0.2),
        StepSpec(id="b", run="exit 1"),
    )
    (made.repo / "ready").touch()
    assert made.run().failure.step == "b"  # type: ignore[union-attr]
    (made.repo / "ready").unlink()
    state = made.run(go_on(read_state(made.workspace.state), lambda _: False))

    assert state.failure is not None
    assert (state.failure.kind, state.failure.step) == (STEP_TIMEOUT, "poll")
    assert [end.how for end in state.services] == ["stopped"]


def test_a_service_ends_with_the_lifeline_however_that_went(bench: Callable[..., Bench]) -> None:
    read_end, write_end = os.pipe()
    made = bench(service("trap '' TERM; echo $$ > pid; while :; do sleep 600; done"), tell(), lifeline=read_end)
    waiting = made.run()
    wait_for(lambda: (made.repo / "pid").exists() and (made.repo / "pid").read_text().strip())
    pid = int((made.repo / "pid").read_text())
    began = time.monotonic()
    os.close(write_end)
    wait_for(lambda: is_gone(pid) and is_gone(keeper_of(waiting).pid))
    os.close(read_end)

    assert time.monotonic() - began < 10
    assert end_of(made.workspace, "db", keeper_of(waiting)) is not None


def test_a_command_that_cannot_be_started_is_what_it_is_to_a_shell(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = bench(service("true", shell="bash", env={"PATH": str(tmp_path)}), poll(target="step", step_id="db"))
    failure = made.run().failure

    assert failure is not None
    assert (failure.kind, failure.exit_code) == (STEP_FAILED, 127)
    assert "cannot start 'bash'" in failure.log[0]


# Waiting.


def test_the_end_of_a_service_is_waited_for(bench: Callable[..., Bench]) -> None:
    made = bench(
        service("sleep 0.3; touch done"), poll(target="step", step_id="db"), StepSpec(id="b", run="test -e done")
    )
    state = made.run()

    assert state.failure is None
    assert record(state, "poll").outputs == {"exit_code": "0"}
    assert made.log("poll").splitlines()[-1].startswith("step 'db' has ended after ")
    assert "db" not in made.heard[-1]


@pytest.mark.parametrize(
    ("script", "kind", "exit_code", "number", "said"),
    [
        ("echo why; exit 3", STEP_FAILED, 3, None, "step 'db' ended by itself: exit code 3"),
        ("echo why; kill -SEGV $$", STEP_KILLED, 139, 11, "killed by SIGSEGV"),
        ("echo why; sh -c 'kill -KILL $$'; exit $?", STEP_KILLED, 137, 9, "exit code 137"),
    ],
)
def test_another_end_than_the_wanted_one_fails_with_the_end_of_its_log(
    bench: Callable[..., Bench], script: str, kind: str, exit_code: int, number: int | None, said: str
) -> None:
    failure = bench(service(script), poll(target="step", step_id="db")).run().failure

    assert failure is not None
    assert (failure.kind, failure.step, failure.exit_code, failure.signal) == (kind, "poll", exit_code, number)
    assert said in failure.message
    assert failure.log[0] == "why"


@pytest.mark.parametrize(
    "target", [{"target": "file", "path": "never"}, {"target": "http", "url": "http://localhost:1/"}]
)
def test_nothing_is_waited_for_that_a_service_was_to_bring_which_has_ended(
    bench: Callable[..., Bench], target: dict[str, str]
) -> None:
    failure = bench(service("exit 3"), poll(step_id="db", timeout=600.0, **target)).run().failure

    assert failure is not None
    assert (failure.kind, failure.exit_code) == (STEP_FAILED, 3)


def test_what_a_service_brought_in_its_last_moment_is_there(bench: Callable[..., Bench]) -> None:
    made = bench(
        service("touch f"), poll("ends", target="step", step_id="db"), poll(target="file", path="f", step_id="db")
    )

    assert made.run().failure is None


def test_waiting_ends_with_its_time_and_says_for_what(bench: Callable[..., Bench]) -> None:
    made = bench(poll(target="file", path="never", timeout=0.2))
    failure = made.run().failure

    assert failure is not None
    assert failure.kind == STEP_TIMEOUT
    assert failure.message == "waited longer than its timeout of 200ms; never is not there"


def test_waiting_is_over_at_once_when_a_stop_is_asked_for(bench: Callable[..., Bench]) -> None:
    stop = StopSignal()
    made = bench(poll(target="file", path="never", timeout=600.0, interval=600.0), stop=stop)
    stop.set()
    began = time.monotonic()
    state = made.run()
    stop.close()

    assert state.failure is not None
    assert state.failure.kind == INTERRUPTED
    assert time.monotonic() - began < 60


def test_a_file_outside_the_repository_is_not_looked_at(bench: Callable[..., Bench]) -> None:
    made = bench(StepSpec(id="make", run="ln -s .. out"), poll(target="file", path="out/workspace"))
    failure = made.run().failure

    assert failure is not None
    assert failure.kind == STEP_ERROR
    assert "leads out of the repository" in failure.message


def test_there_is_nothing_to_wait_for_at_a_service_that_was_skipped(bench: Callable[..., Bench]) -> None:
    failure = bench(service(condition="false"), poll(target="step", step_id="db")).run().failure

    assert failure is not None
    assert "there is nothing to wait for at step 'db': it was skipped" in failure.message


def test_the_end_of_a_service_is_told_in_words() -> None:
    told = [
        ServiceEnd("db", "stopped").describe(),
        ServiceEnd("db", "exited", exit_code=3).describe(),
        ServiceEnd("db", "exited", signal=9).describe(),
    ]
    assert told == [
        "was still running and was stopped",
        "ended by itself: exit code 3",
        "ended by itself: killed by SIGKILL (signal 9)",
    ]


def test_a_keeper_that_fails_says_so_in_the_log(bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch) -> None:
    # As good as anything else that it could fail by: it is told of secrets that nobody has handed over.
    made = bench(service(env={"TAKO_SECRETS_FD": "99"}), poll(target="step", step_id="db"))
    monkeypatch.setattr("tako.steps.base.StepContext.environment", lambda context: dict(context.spec.env))
    failure = made.run().failure

    assert failure is not None
    assert "is gone" in failure.message
    assert failure.log[0].startswith("[tako: this step's keeper has failed, and ended it: OSError")
