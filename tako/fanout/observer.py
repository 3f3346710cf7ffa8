"""Who hears how a tree grows: the contract of a reporter."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from tako.children.base import StepUpdate
    from tako.execution.request import RunRequest
    from tako.fanout.plan import Plan
    from tako.fanout.result import Attempt, ChildOutcome

    class TreeObserver(Protocol):
        """Hears how a tree grows; called from the thread of ``run`` only."""

        def run_started(self, request: RunRequest, *, resumed: bool) -> None: ...

        def run_step(self, request: RunRequest, step: StepUpdate) -> None: ...

        def run_waiting(self, request: RunRequest) -> None: ...

        def run_retrying(self, request: RunRequest, attempt: Attempt, delay: float) -> None: ...

        def run_ended(self, outcome: ChildOutcome) -> None: ...

        def planned(self, plan: Plan, emitter: RunRequest) -> None: ...

        def restored(self, plans: Sequence[Plan], outcomes: Sequence[ChildOutcome]) -> None: ...

        def told(self, text: str) -> None:
            """A line for the reader."""

        def interrupted(self, signal_number: int, *, working: int, again: bool) -> None: ...

        def paused(self) -> None: ...

        def unpaused(self) -> None: ...
