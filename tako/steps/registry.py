"""Which class runs which step: ours by name, third parties' through the entry points ``tako.steps``.

A new kind is one file and one line here.
"""

from __future__ import annotations

from importlib import import_module

from tako.config.model import FAN_OUT, POLL
from tako.errors import StepError
from tako.packages import make_available

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

    from tako.config.model import StepSpec
    from tako.steps.base import Step

SHELL = "tako.steps.shell:ShellStep"
BUILT_IN = {
    FAN_OUT: "tako.steps.fan_out:FanOutStep",
    POLL: "tako.steps.poll:PollStep",
}
ENTRY_POINTS = "tako.steps"


def step_kind(spec: StepSpec) -> Step:
    """The object that runs a step. Raises ``StepError`` if its ``uses`` is not known."""
    if spec.uses is None:
        return _load(SHELL)
    if spec.uses in BUILT_IN:
        return _load(BUILT_IN[spec.uses])
    for entry in _entry_points():
        if entry.name == spec.uses:
            made: Step = entry.load()()
            return made
    raise StepError(
        f"unknown kind of step {spec.uses!r}",
        cure=f"use one of {', '.join(known())}, or install the package that provides it",
    )


def known() -> tuple[str, ...]:
    """All names that ``uses`` may have here."""
    return tuple(sorted({*BUILT_IN, *_entry_points().names}))


def _entry_points() -> EntryPoints:
    from importlib.metadata import entry_points

    make_available()
    return entry_points(group=ENTRY_POINTS)


def _load(target: str) -> Step:
    module, _, name = target.partition(":")
    made: Step = getattr(import_module(module), name)()
    return made
