"""The inputs that a workflow is given, against those that it declares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tako.config import values
from tako.config.model import InputSpec, StepSpec, WorkflowSpec
from tako.errors import InputError

MAX_INPUT = 1 << 20
"""Bytes of one input; what is larger is a file's."""

CONVERTERS = {"string": values.as_text, "boolean": values.as_boolean, "number": values.as_number}


def bind(workflow: WorkflowSpec, given: Mapping[str, Any], *, where: str) -> dict[str, Any]:
    """The values that the workflow runs with: converted to their types, defaults filled in.

    ``given`` holds text, as from a command line or a template, or values of the right type. An input that is
    neither given nor has a default is left out. ``where`` says who gave them, for the message.

    Raises ``InputError``, with all problems, if one is missing, unknown or not what is declared, or if a step that
    always runs would fail without it.
    """
    specs = {spec.name: spec for spec in workflow.inputs}
    problems = [_unknown(name, workflow) for name in given if name not in specs]
    bound: dict[str, Any] = {}
    for name, spec in specs.items():
        value = given.get(name)
        if value is None:
            value = spec.default
        if value is None:
            if spec.required:
                problems.append(f"required input '{name}' not provided")
            continue
        bound[name], wrong = check_value(spec, value)
        problems += [f"input '{name}': {what}" for what in wrong]
    problems += list(_needed(workflow, bound))
    if problems:
        raise InputError(
            "; ".join(problems), where=where, cure=f"workflow '{workflow.name}' takes {_declared(workflow)}"
        )
    return bound


def _needed(workflow: WorkflowSpec, bound: Mapping[str, Any]) -> Iterator[str]:
    """The inputs that are not given and need not be, and that a step without a condition reads all the same."""
    absent = [spec.name for spec in workflow.inputs if spec.name not in bound and not spec.required]
    for name in absent:
        from tako.config.optional_inputs import cure, unguarded

        steps: list[tuple[str, list[str]]] = [("'env'", list(workflow.env.values()))]
        always = (step for step in (*workflow.steps, *workflow.finals) if step.condition is None)
        steps += [(f"step '{step.id}'", list(_templates(step))) for step in always]
        for where, texts in steps:
            if unguarded([(text, False) for text in texts], None, name) is not None:
                yield f"input '{name}' has no value, and {where} reads it; {cure(name, condition=False)}"
                break


def _templates(step: StepSpec) -> Iterator[str]:
    """The templates that are filled in whenever a step runs."""
    yield from step.env.values()
    yield from (text for text in (step.run, step.working_directory) if text is not None)
    produces = step.produces
    events = [dict(event.payload) for event in produces.events] if produces is not None else []
    pending: list[Any] = [dict(step.params), *events, *(produces.outputs.values() if produces is not None else ())]
    while pending:
        value = pending.pop(0)
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict | list):
            pending += value.values() if isinstance(value, dict) else value


def check_value(spec: InputSpec, value: Any) -> tuple[Any, list[str]]:
    """A value converted to the type of an input, and what of the input's rules it breaks."""
    wrong = no_value(value) if isinstance(value, str) else ""
    if wrong:
        return value, [wrong]
    try:
        converted = CONVERTERS[spec.type](value)
    except ValueError as error:
        return value, [str(error)]
    return converted, values.broken_rules(converted, enum=spec.enum, low=spec.min, high=spec.max, pattern=spec.pattern)


def no_value(text: str) -> str:
    """What makes a text one that no step can be given; empty if nothing does."""
    if "\0" in text:
        return f"it holds a NUL, at character {text.index(chr(0))}; no process can be given that"
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return "it is not text in UTF-8"
    if size > MAX_INPUT:
        return f"it has {size} bytes, more than {MAX_INPUT}; send an artifact, or give the path of a file"
    return ""


def _unknown(name: str, workflow: WorkflowSpec) -> str:
    declared = ", ".join(spec.name for spec in workflow.inputs)
    known = f"its inputs are: {declared}" if declared else "it declares no inputs"
    return f"workflow '{workflow.name}' has no input '{values.shown(name)}'; {known}"


def _declared(workflow: WorkflowSpec) -> str:
    if not workflow.inputs:
        return "no inputs"
    return ", ".join(
        f"{spec.name} ({spec.type}{', required' if spec.required and spec.default is None else ''})"
        for spec in workflow.inputs
    )
