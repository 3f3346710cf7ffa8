"""Inputs that need not be given, and what a workflow does without them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tako.config import schema
from tako.config.labels import label
from tako.config.optional_inputs import asks, cure, reads
from tako.config.problems import Path, Problem, quoted
from tako.config.reads import CONDITION, SCRIPT, TEMPLATE, Text, texts


def optional_problems(root: schema.Root) -> Iterator[Problem]:
    """Every expression that fails when an input is not given that need not be."""
    for name, workflow in root.workflows.items():
        path: Path = ("workflows", name)
        optional = [key for key, given in workflow.inputs.items() if not given.required and given.default is None]
        always = _always_given(root, name) if workflow.on == "event" else frozenset()
        for key in (key for key in optional if key not in always):
            yield from _of_input(workflow, path, key)


def _always_given(root: schema.Root, workflow: str) -> frozenset[str]:
    """What all subscriptions give a workflow that nobody else can start."""
    given = [set(one.inputs) for one in root.subscriptions if one.workflow == workflow]
    return frozenset(set.intersection(*given)) if given else frozenset()


def _of_input(workflow: schema.Workflow, path: Path, name: str) -> Iterator[Problem]:
    env = (Text((*path, "env", key), value, TEMPLATE) for key, value in workflow.env.items())
    for found in _first(env, name):
        yield _problem(found, name)
    for index, step in enumerate(workflow.steps):
        place: Path = (*path, "steps", index)
        yield from _of_step(step, place, name)
        for number, handler in enumerate(step.on_failure):
            yield from _of_step(handler, (*place, "on_failure", number), name)
    for index, final in enumerate(workflow.finals):
        yield from _of_step(final, (*path, "finally", index), name)


def _of_step(step: Any, path: Path, name: str) -> Iterator[Problem]:
    if isinstance(step.condition, str) and asks(step.condition, name):
        return
    own = (text for text in texts(step, path) if text.path[: len(path) + 1] != (*path, "on_failure"))
    for found in _first(own, name):
        yield _problem(found, name)


def _first(found: Iterator[Text], name: str) -> Iterator[Text]:
    """The first text that fails, since the others then say the same."""
    kinds = (TEMPLATE, SCRIPT, CONDITION)
    read = (one for one in found if one.reads in kinds and reads(one.value, name, condition=one.reads == CONDITION))
    first = next(read, None)
    if first is not None:
        yield first


def _problem(text: Text, name: str) -> Problem:
    how = cure(name, condition=text.reads == CONDITION)
    what = f"the input {quoted(name)} need not be given and has no default, and without it this fails; {how}"
    return Problem(text.path, f"{label(text.path)}: {what}")
