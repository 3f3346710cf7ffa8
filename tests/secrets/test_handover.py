"""How a child gets its secrets, and that nobody else sees them on the way."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tako.children.base import ChildRequest
from tako.children.executor import ChildWorkflowExecutor
from tako.children.factory import ChildRunnerFactory
from tako.children.launchers.base import Launch
from tako.children.launchers.local import LocalLauncher
from tako.children.protocol import Hello, Result, encode
from tako.clock import SystemClock
from tako.execution.failure import SECRET_MISSING
from tako.execution.workspace import Workspace
from tako.process import Outcome, Processes
from tako.secrets.handover import DESCRIPTOR, hand_over, take_over
from tako.secrets.store import SecretStore, Sources
from tako.signals import Exit
from tests.builders import CHILD_ID, make_request, make_workflow

ROOT = str(Path(__file__).parents[2])
VALUE = "s3cr3t-v4lue é"
SAY = f"""
import json, os, sys
sys.path.insert(0, {ROOT!r})
from tako.secrets.handover import VARIABLE, take_over
facts = {{
    "environ": [value for value in os.environ.values() if "s3cr3t" + "-v4lue" in value],
    "argv": [word for word in open("/proc/self/cmdline").read().split(chr(0)) if "s3cr3t" + "-v4lue" in word],
    "hidden": [name for name in ("A", "B") if name in os.environ],
    "values": take_over(os.environ[VARIABLE]) if VARIABLE in os.environ else None,
    "open": sorted(int(name) for name in os.listdir("/proc/self/fd"))[:4],
}}
print(json.dumps(facts))
"""


def launched(processes: Processes, directory: Path, secrets: dict[str, str], **how: Any) -> dict[str, Any]:
    """What a child says of itself."""
    said = b""

    def hear(data: bytes) -> bool:
        nonlocal said
        said += data
        return True

    launcher = LocalLauncher(processes, argv=(sys.executable, "-c", SAY), **how)
    launcher.launch(Launch(str(directory), secrets=secrets, on_output=hear, on_words=sys.stderr.buffer.write))
    facts: dict[str, Any] = json.loads(said)
    return facts


def test_a_child_has_its_secrets_in_no_other_way(processes: Processes, tmp_path: Path) -> None:
    user = {**os.environ, "A": VALUE, "B": "b"}
    facts = launched(processes, tmp_path, {"A": VALUE}, env=user, hidden={"A"})
    assert facts["values"] == {"A": VALUE}
    assert (facts["environ"], facts["argv"], facts["hidden"]) == ([], [], ["B"])
    # It was closed: what it has as 3 is the listing itself.
    assert facts["open"] == [0, 1, 2, 3]


def test_a_child_without_secrets_is_handed_nothing(processes: Processes, tmp_path: Path) -> None:
    assert launched(processes, tmp_path, {}, env=os.environ)["values"] is None


def test_what_becomes_hidden_later_is_hidden_from_who_is_started_later(processes: Processes, tmp_path: Path) -> None:
    hidden: set[str] = set()
    how = {"env": {**os.environ, "A": VALUE}, "hidden": hidden}
    assert launched(processes, tmp_path, {}, **how)["hidden"] == ["A"]
    hidden.add("A")
    assert launched(processes, tmp_path, {}, **how)["hidden"] == []


def test_much_is_handed_over_at_once_and_taken_once() -> None:
    values = {f"S{number}": "x" * 60_000 for number in range(40)}
    descriptor = hand_over(values)
    assert descriptor > DESCRIPTOR
    assert not os.get_inheritable(descriptor)
    assert take_over(str(descriptor)) == values
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


@pytest.mark.parametrize("number", ["", "x", "999"])
def test_what_was_not_handed_over_is_an_error(number: str) -> None:
    with pytest.raises((OSError, ValueError)):
        take_over(number)


class SayingLauncher:
    """A launcher whose child says a result, and some words."""

    def __init__(self, *words: bytes) -> None:
        self.words = words
        self.given: list[dict[str, str]] = []

    def launch(self, launch: Launch) -> Outcome:
        self.given.append(dict(launch.secrets))
        for words in self.words:
            launch.on_words(words)
        launch.on_output(encode(Hello(run_id=CHILD_ID, pid=1)) + encode(Result(status="success", outputs={})))
        return Outcome(Exit(code=0))


class Nobody:
    def child_started(self, run_id: str, pid: int) -> None: ...

    def child_step(self, run_id: str, step: object) -> None: ...

    def child_event(self, run_id: str, event: object) -> None: ...

    def child_note(self, run_id: str, text: str) -> None: ...

    def catch_up(self) -> None: ...


def child_of(directory: Path, *secrets: str) -> ChildRequest:
    return ChildRequest(make_request(workflow=make_workflow(secrets=secrets)), Workspace(str(directory / "child")))


def executor(launcher: SayingLauncher, processes: Processes) -> ChildWorkflowExecutor:
    store = SecretStore(Sources(environment={"A": VALUE, "B": "other value"}), processes)
    return ChildWorkflowExecutor(launcher=launcher, factory=ChildRunnerFactory(), clock=SystemClock(), secrets=store)


def test_a_child_gets_what_its_workflow_declares_and_its_words_are_masked(processes: Processes, tmp_path: Path) -> None:
    launcher = SayingLauncher(b"Trace: s3cr", "3t-v4lue é!\ns3cr".encode())
    child = child_of(tmp_path, "A")
    result = executor(launcher, processes).run_workflow(child, Nobody())
    assert result.failure is None
    assert launcher.given == [{"A": VALUE}]
    assert Path(child.workspace.child_log).read_text() == "Trace: ***!\ns3cr"


def test_a_child_whose_secret_is_missing_is_not_started_and_fails_by_itself(
    processes: Processes, tmp_path: Path
) -> None:
    launcher = SayingLauncher()
    result = executor(launcher, processes).run_workflow(child_of(tmp_path, "A", "MISSING"), Nobody())
    assert result.failure is not None
    assert result.failure.kind == SECRET_MISSING
    assert "the secret 'MISSING' has no value" in result.failure.message
    assert launcher.given == []
    # It can be run by hand, once there is a value.
    assert (tmp_path / "child" / "request.json").exists()
