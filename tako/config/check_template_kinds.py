"""Templates in payloads, against the declared type of their field, as far as it is certain what they yield."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import UnsetType

from tako.config import schema
from tako.config.labels import label
from tako.config.model import FAN_OUT
from tako.config.problems import Path, Problem, quoted
from tako.config.step_ids import named_steps
from tako.errors import ExpressionError
from tako.expressions import templates
from tako.expressions.kinds import LIST, MAPPING, TEXT, A, of_template

_REFUSED = {
    "array": (TEXT, "number", "boolean", MAPPING),
    "object": (TEXT, "number", "boolean", LIST),
    "number": (LIST, MAPPING),
    "integer": (LIST, MAPPING),
    "boolean": (LIST, MAPPING),
}
"""By the type of a field, the kinds of values that it cannot take."""
_CURES = {
    ("array", TEXT): "; a template gives a list where it stands alone, like {{ payload.x }} or {{ … | split(',') }}",
    ("object", TEXT): "; a template gives a mapping where it stands alone, like {{ payload.x }}; else give its fields",
}


def template_kind_problems(root: schema.Root, kinds: Mapping[str, Mapping[str, str]]) -> Iterator[Problem]:
    """Every template in a payload whose field can never take what it yields.

    ``kinds`` are those of the inputs of each workflow.
    """
    for name, workflow in root.workflows.items():
        for _, path, step in named_steps(workflow, ("workflows", name)):
            for type_, sent, place in _sent(step, path):
                declared = root.events.get(type_)
                for field, spec in declared.payload.items() if declared is not None else ():
                    yield from _problem(spec.type, sent.get(field), (*place, field), kinds[name])


def _sent(step: schema.AnyStep, path: Path) -> Iterator[tuple[str, dict[str, Any], Path]]:
    if not isinstance(step.produces, UnsetType):
        for index, event in enumerate(step.produces.events):
            yield event.type, event.payload, (*path, "produces", "events", index, "payload")
    if step.uses == FAN_OUT and isinstance(step.params.get("payload"), dict):
        yield str(step.params.get("event_type")), step.params["payload"], (*path, "with", "payload")


def _problem(type_: str, value: Any, path: Path, inputs: Mapping[str, str]) -> Iterator[Problem]:
    if not isinstance(value, str) or not templates.is_template(value):
        return
    try:
        templates.check(value, where="")
    except ExpressionError:
        return
    found = of_template(value, inputs)
    if found in _REFUSED.get(type_, ()):
        what = f"{label(path)} is of type {quoted(type_)}, and {quoted(value)} is {A[found]}"
        yield Problem(path, what + _CURES.get((type_, found), ""))
