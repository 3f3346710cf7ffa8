"""The templates, conditions, filters and version ranges of a file: compiled, and the names in them looked up.

Apart from loading, because compiling costs more than reading, and a run uses few of a file's expressions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from msgspec import UnsetType

from tako.config import schema
from tako.config.check_references import Scope, unknown_names
from tako.config.check_secrets import secret_variables
from tako.config.foreign import RAW, condition_advice, translated
from tako.config.labels import label
from tako.config.model import FAN_OUT
from tako.config.problems import Path, Problem
from tako.config.reads import TEMPLATE
from tako.config.step_ids import named_steps
from tako.errors import ExpressionError
from tako.expressions import cel, names, templates, versions

STEP_ROOTS = ("inputs", "steps", "event", "events", "payload", "artifacts", "env", "repo", "run")
SUBSCRIPTION_ROOTS = ("event", "events", "payload", "repo")
FILTER_ROOTS = ("event", "payload")

_KINDS = {"string": "text", "boolean": "boolean", "number": "number"}
_OWN_VALUES = ("inputs", "Inputs", "steps", "Steps", "outputs", "event", "env", "run", "repo")
_SIGNS = ("==", "!=", "<", ">")
_JOINED = re.compile(r"\{\{[^}]*\w-\w")
_HYPHEN = "a name with a hyphen in it is written in brackets, like inputs['a-b']"


def expression_problems(root: schema.Root) -> Iterator[Problem]:
    """Every expression of a file that does not compile, or reads what cannot be there."""
    for name, workflow in root.workflows.items():
        yield from _of_workflow(workflow, ("workflows", name))
    for name, event in root.events.items():
        yield from _version(event.schema_version, ("events", name, "schema_version"))
    for index, subscription in enumerate(root.subscriptions):
        yield from _of_subscription(subscription, ("subscriptions", index))
    if any(event.payload for event in root.events.values()):
        from tako.config.check_template_kinds import template_kind_problems

        yield from template_kind_problems(root, {name: input_kinds(one) for name, one in root.workflows.items()})


def input_kinds(workflow: schema.Workflow) -> dict[str, str]:
    """The kinds of a workflow's inputs."""
    return {name: _KINDS[given.type] for name, given in workflow.inputs.items()}


def _of_workflow(workflow: schema.Workflow, path: Path) -> Iterator[Problem]:
    named = list(named_steps(workflow, path))
    scope = Scope(
        roots=STEP_ROOTS,
        workflow=str(path[-1]),
        inputs=tuple(workflow.inputs),
        kinds=input_kinds(workflow),
        steps=tuple(name for name, _, _ in named),
    )
    yield from _templates(workflow.env, (*path, "env"), scope)
    for position, (_, place, step) in enumerate(named):
        within = scope.after(position).without(secret_variables(workflow, step))
        more = ("error", "status") if place[-2] == "finally" else ("error",) if isinstance(step, schema.Handler) else ()
        yield from _of_step(step, place, within.with_roots(*more))


def _of_step(step: schema.AnyStep, path: Path, scope: Scope) -> Iterator[Problem]:
    if isinstance(step.condition, str):
        yield from _condition(step.condition, (*path, "if"), scope)
    for field, value in (("run", step.run), ("working_directory", step.working_directory), ("env", step.env)):
        yield from _templates(value, (*path, field), scope)
    yield from _templates(step.params, (*path, "with"), _with_scope(step, scope))
    if step.uses == FAN_OUT:
        yield from _version(step.params.get("schema_version"), (*path, "with", "schema_version"))
    if not isinstance(step.produces, UnsetType):
        place: Path = (*path, "produces")
        within = scope.with_roots("outputs")
        yield from _templates(step.produces.outputs, (*place, "outputs"), within)
        for index, event in enumerate(step.produces.events):
            told = {"type": event.type, "schema_version": event.schema_version, "payload": event.payload}
            yield from _templates(told, (*place, "events", index), within)
            yield from _version(event.schema_version, (*place, "events", index, "schema_version"))


def _with_scope(step: schema.AnyStep, scope: Scope) -> Scope:
    """A fan-out sees the outputs of the steps before it; what a kind from elsewhere adds, only it can know."""
    if step.uses == FAN_OUT:
        return scope.with_roots("outputs")
    return scope if isinstance(step.uses, str) and step.uses in schema.WITH else scope.with_roots(*names.ROOTS)


def _of_subscription(given: schema.Subscription, path: Path) -> Iterator[Problem]:
    for index, text in enumerate(given.filters):
        yield from _condition(text, (*path, "filters", index), Scope(roots=FILTER_ROOTS))
    if isinstance(given.schema_version, str):
        try:
            versions.check_range(given.schema_version, where="")
        except ExpressionError as error:
            yield _not_compiled(error, (*path, "schema_version"))
    yield from _templates(given.inputs, (*path, "inputs"), Scope(roots=SUBSCRIPTION_ROOTS))


def _version(text: object, path: Path) -> Iterator[Problem]:
    """The version of an event, unless a template makes it."""
    if not isinstance(text, str) or not text.strip() or templates.is_template(text):
        return
    try:
        versions.check_version(text, where="")
    except ExpressionError as error:
        why = error.why or error.cure
        yield Problem(path, f"{label(path)}: {error.what} ({why})")


def _condition(text: str, path: Path, scope: Scope) -> Iterator[Problem]:
    try:
        cel.check(text, where="")
    except ExpressionError as error:
        foreign = condition_advice(text)
        if foreign:
            error.cure = f"{foreign}; {error.cure}"
        yield _not_compiled(error, path)
        return
    from tako.expressions.references import in_condition

    yield from unknown_names(in_condition(text), path, scope)
    if any(sign in text for sign in _OWN_VALUES):
        from tako.expressions.cel_kinds import mismatch

        what = mismatch(text, scope.kinds)
        if what:
            yield Problem(path, f"{label(path)}: {what}")


def _templates(value: Any, path: Path, scope: Scope) -> Iterator[Problem]:
    """Of the templates anywhere within a value."""
    if isinstance(value, str):
        if templates.is_template(value):
            yield from _template(value, path, scope)
    elif isinstance(value, list | dict):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _templates(item, (*path, key), scope)


def _template(text: str, path: Path, scope: Scope) -> Iterator[Problem]:
    try:
        templates.check(text, where="")
    except ExpressionError as error:
        yield _not_compiled(error, path)
        return
    from tako.expressions.references import in_template

    found = in_template(text)
    foreign = (translated(".".join((one.root, *one.keys)), TEMPLATE) for one in found if one.root not in scope.roots)
    ours = next((f"write `{{{{ {spelled} }}}}`; " for spelled in foreign if spelled is not None), "")
    hyphen = f"{_HYPHEN}; " if _JOINED.search(text) else ""
    yield from unknown_names(found, path, scope, cure=ours + hyphen + RAW)
    if any(sign in text for sign in _SIGNS):
        from tako.expressions.kinds import mismatches

        for what in mismatches(text, scope.kinds):
            yield Problem(path, f"{label(path)}: {what}")


def _not_compiled(error: ExpressionError, path: Path) -> Problem:
    why = f" ({error.why})" if error.why else ""
    hint = f"; {error.cure}" if error.cure else ""
    return Problem(path, f"{label(path)}: {error.what}{why}{hint}")
