"""A root as far as other terminals see it: ``python -m tests.acceptance.stand_in_root HOME RUN_ID MANNER``.

It is registered, holds its lock, keeps a journal and a state, and has five children: one at work, a real process at its
second step, one that waits, one between two tries, one to come and one that has ended. It looks into its inbox, and
ends at the first SIGTERM (``prompt``), at the second (``stubborn``), at none (``deaf``), or without a word and with
what was asked of it undone as soon as somebody asks it something (``hasty``).
"""

from __future__ import annotations

import os
import signal
import sys
import time

from tako.clock import SystemClock
from tako.config.model import StepSpec
from tako.execution.alive import register, unregister
from tako.execution.failure import CANCELLED, KILLED, Failure
from tako.execution.inbox import take_cancellations
from tako.execution.request import write_request
from tako.execution.state import ExecutionState, StepRecord, write_state
from tako.execution.workspace import Workspace, root_workspace
from tako.fanout.journal import Journal
from tako.fanout.plan import Plan, PlannedRun
from tako.locks import own
from tests.builders import make_event, make_request, make_root, make_workflow

CLOCK = SystemClock()
STEPS = (StepSpec(id="build", run="true"), StepSpec(id="test", run="true"))
NAMES = ("working", "waiting", "retrying", "pending", "ended")


def child_id(root_id: str, name: str) -> str:
    """The id of a child, for a root whose own ends in ``f``."""
    return f"{root_id[:-1]}{NAMES.index(name)}"


class StandIn:
    """The tree."""

    def __init__(self, home: str, run_id: str) -> None:
        self.run_id = run_id
        self.workspace = root_workspace(home, run_id)
        self.workspace.make()
        self.journal = Journal(self.workspace.journal, CLOCK)
        self.asked = 0
        self.worker = 0

    def grow(self) -> None:
        """Come to where a tree has children of every kind."""
        event = make_event(run_id=self.run_id)
        write_request(self.workspace.request, make_root(run_id=self.run_id, root_id=self.run_id), durable=False)
        suspended = StepRecord("fan-out", "suspended", 1.0, 2.0, emitted=(event,))
        self._state(self.workspace, "my-org/go-lib", "suspended", suspended)
        workflow = make_workflow("verify", STEPS)
        ids = {name: child_id(self.run_id, name) for name in NAMES}
        requests = {
            name: make_request(run_id=ids[name], repo=f"my-org/{name}", workflow=workflow, event=event)
            for name in NAMES
        }
        self.journal.started(self.run_id, os.getpid())
        self.journal.waiting(self.run_id, event.id)
        self.journal.planned(
            Plan(event, tuple(PlannedRun(each, "hears it") for each in requests.values())), self.run_id
        )
        self.worker = os.posix_spawn("/bin/sh", ["sh", "-c", "sleep 600 & wait"], os.environ, setpgroup=0)
        self.journal.started(ids["working"], self.worker)
        at_work = self.workspace.child(ids["working"])
        at_work.make()
        write_request(at_work.request, requests["working"], durable=False)
        self._state(at_work, "my-org/working", "running", StepRecord("build", "success", 1.0, 2.0))
        self.journal.started(ids["waiting"], 2**22 + 1)
        self.journal.waiting(ids["waiting"], "evt-1")
        self.journal.started(ids["retrying"], 2**22 + 1)
        self.journal.retrying(ids["retrying"], 1, Failure(KILLED, "killed by SIGKILL", signal=9), 1.0, 60.0)
        self.journal.ended(ids["ended"], "success", None, 1.0, {})

    def _state(self, workspace: Workspace, repo: str, status: str, *steps: StepRecord) -> None:
        state = ExecutionState(self.run_id, repo, "verify", status, CLOCK.now(), steps=steps)
        write_state(workspace.state, state, durable=False)

    def live(self, manner: str) -> None:
        """Until somebody ends it."""
        while self.asked < {"prompt": 1, "stubborn": 2}.get(manner, 1 << 30):
            time.sleep(0.005)
            for run_id in take_cancellations(self.workspace):
                if manner == "hasty":
                    return
                self.journal.ended(run_id, "cancelled", Failure(CANCELLED, "by tako cancel"), 1.0, {})
        self.journal.finished(ok=False, seconds=1.0, interrupted_by=signal.SIGTERM)

    def hear(self) -> None:
        """A signal came."""
        self.asked += 1
        with open(f"{self.workspace.path}/asked", "a", encoding="utf-8") as file:
            file.write("SIGTERM\n")


def main(home: str, run_id: str, manner: str) -> None:
    root = StandIn(home, run_id)
    signal.signal(signal.SIGTERM, lambda *_: root.hear())
    with own(root.workspace.run_lock):
        register(home, run_id, clock=CLOCK)
        root.grow()
        open(f"{root.workspace.path}/ready", "w").close()
        root.live(manner)
        os.killpg(root.worker, signal.SIGKILL)
        unregister(home, run_id)


if __name__ == "__main__":
    main(*sys.argv[1:])
