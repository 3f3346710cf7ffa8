"""What has changed between the planning of a run and now: its workflow, its events, its repository's commit. Pure."""

from __future__ import annotations

import os

from tako.fanout.reach import ANY_TYPE, emissions
from tako.files import canonical
from tako.records import record, to_data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from tako.config.model import EventSpec, WorkflowSpec
    from tako.execution.request import RunRequest

_SHOWN = 80


@record
class Difference:
    """One thing that a run depends on and that has changed."""

    label: str
    """The run, ``owner/name:workflow``."""
    what: str
    """``commit``, ``workflow``, ``step 'build'``, ``event 'made'``, or a field of one: ``step 'build': run``."""
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.label}: {self.what}: was {self.old}, is {self.new}"


def differences(
    request: RunRequest, *, workflow: WorkflowSpec | None, commit: str | None, events: Iterable[EventSpec]
) -> tuple[Difference, ...]:
    """What differs from a recorded request: ``workflow`` and ``commit`` are what is there now, None if it is gone.

    ``events`` are those that the repository declares now; only those matter that the recorded workflow may emit. Where
    a step is in its file does not matter.
    """
    found = []
    if commit != request.commit:
        found.append(Difference(request.label, "commit", request.commit or "no commit", commit or "no commit"))
    if workflow is None:
        found.append(Difference(request.label, "workflow", "there", "gone"))
    else:
        found += _of_workflows(request.label, request.workflow, workflow)
        found += _of_events(request, {event.type: event for event in events})
    return tuple(found)


def _of_events(request: RunRequest, now: Mapping[str, EventSpec]) -> Iterator[Difference]:
    emitted = emissions(request.workflow.steps)
    before = {event.type: event for event in request.events}
    for type_ in dict.fromkeys((*before, *now)):
        if type_ in emitted or ANY_TYPE in emitted:
            yield from _of_parts(request.label, f"event {type_!r}", before.get(type_), now.get(type_))


def _of_workflows(label: str, old: WorkflowSpec, new: WorkflowSpec) -> Iterator[Difference]:
    yield from _of_fields(label, "", _plain(old, "steps", "finals"), _plain(new, "steps", "finals"))
    steps = tuple({step.id: step for step in (*each.steps, *each.finals)} for each in (old, new))
    for step_id in dict.fromkeys((*steps[0], *steps[1])):
        yield from _of_parts(label, f"step {step_id!r}", steps[0].get(step_id), steps[1].get(step_id))
    orders = [[step.id for step in (*workflow.steps, *workflow.finals)] for workflow in (old, new)]
    if sorted(orders[0]) == sorted(orders[1]) and orders[0] != orders[1]:
        yield Difference(label, "order of steps", ", ".join(orders[0]), ", ".join(orders[1]))


def _of_parts(label: str, what: str, old: object | None, new: object | None) -> Iterator[Difference]:
    if old is None or new is None:
        yield Difference(label, what, "there" if old else "not there", "there" if new else "gone")
        return
    yield from _of_fields(label, f"{what}: ", _plain(old), _plain(new))


def _of_fields(label: str, prefix: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    for name in old:
        if old[name] != new[name]:
            yield Difference(label, f"{prefix}{_NAMES.get(name, name)}", *_shown(old[name], new[name]))


_NAMES = {"params": "with", "condition": "if"}


def _plain(value: object, *without: str) -> dict[str, Any]:
    data = to_data(value)
    plain = {name: item for name, item in data.items() if name not in ("line", *without)}
    if plain.get("on_failure"):
        plain["on_failure"] = [{**handler, "line": 0} for handler in plain["on_failure"]]
    return plain


def _shown(old: Any, new: Any) -> tuple[str, str]:
    """Two values as text; of long ones what is around the first difference."""
    texts = canonical(old), canonical(new)
    start = 0
    if max(map(len, texts)) > _SHOWN:
        start = max(0, len(os.path.commonprefix(texts)) - _SHOWN // 4)  # noqa: RUF071  (texts, not paths)
    return _part(texts[0], start), _part(texts[1], start)


def _part(text: str, start: int) -> str:
    end = start + _SHOWN
    return f"{'…' if start else ''}{text[start:end]}{'…' if text[end:] else ''}"
