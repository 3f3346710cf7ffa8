"""The templates, conditions, filters and version ranges of a file, compiled to see whether they can be.

Apart from loading, because compiling costs more than reading, and a run uses few of a file's expressions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tako.config.model import Produces, RepoConfig, StepSpec
from tako.config.problems import quoted
from tako.errors import ExpressionError

_Check = tuple[int, str, str, Callable[..., Any]]
"""Line, what it is, the expression, and what compiles it."""


def check_expressions(config: RepoConfig) -> tuple[str, ...]:
    """What is wrong with the expressions of a file, each as ``path:line: what``."""
    problems = []
    for line, name, text, compile_it in _expressions(config):
        where = f"{config.path}:{line}"
        try:
            compile_it(text, where=where)
        except ExpressionError as error:
            why = f" ({error.why})" if error.why else ""
            problems.append(f"{where}: {name}: {error.what}{why}")
    return tuple(dict.fromkeys(problems))


def _expressions(config: RepoConfig) -> Iterator[_Check]:
    from tako.expressions import cel, versions

    for workflow in config.workflows:
        yield from _templates(workflow.line, f"'env' of workflow {quoted(workflow.name)}", workflow.env)
        for step in workflow.steps:
            for each in (step, *step.on_failure):
                yield from _of_step(each, f"step {quoted(each.id)} of workflow {quoted(workflow.name)}")
    for subscription in config.subscriptions:
        line, name = subscription.line, f"subscription {subscription.index + 1}"
        for text in subscription.filters:
            yield line, f"filter {quoted(text)} of {name}", text, cel.check
        if subscription.schema_version is not None:
            yield line, f"'schema_version' of {name}", subscription.schema_version, versions.check_range
        yield from _templates(line, f"'inputs' of {name}", subscription.inputs)


def _of_step(step: StepSpec, name: str) -> Iterator[_Check]:
    from tako.expressions import cel

    if step.condition is not None:
        yield step.line, f"'if' of {name}", step.condition, cel.check
    for field, value in (
        ("run", step.run),
        ("working_directory", step.working_directory),
        ("env", step.env),
        ("with", step.params),
    ):
        yield from _templates(step.line, f"'{field}' of {name}", value)
    if step.produces is not None:
        yield from _of_produces(step.produces, step.line, name)


def _of_produces(produces: Produces, line: int, name: str) -> Iterator[_Check]:
    yield from _templates(line, f"'outputs' of {name}", produces.outputs)
    for event in produces.events:
        label = f"event {quoted(event.type)} of {name}"
        yield from _templates(line, label, [event.type, event.schema_version, event.payload])


def _templates(line: int, name: str, value: Any) -> Iterator[_Check]:
    """The templates anywhere within a value."""
    from tako.expressions import templates

    if isinstance(value, str):
        if templates.is_template(value):
            yield line, name, value, templates.check
    elif isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _templates(line, name, item)
