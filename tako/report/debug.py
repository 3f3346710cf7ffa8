"""A step about to run, as ``tako exec --debug`` shows it: its templates before and after expansion, no secrets."""

from __future__ import annotations

import json

from tako.config.model import FAN_OUT
from tako.errors import TakoError
from tako.expressions import templates
from tako.expressions.shebang import interpreter
from tako.expressions.templates import is_template
from tako.report.again import tako_command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from tako.config.model import WorkflowSpec
    from tako.steps.base import StepContext


def step_text(context: StepContext, *, wanted: bool) -> str:
    """The step in lines; ``wanted`` is what its condition says. What cannot be expanded shows the error instead."""
    lines = [_title(context), *_condition(context, wanted=wanted)]
    if wanted:
        lines += [*_directory(context), *_environment(context), *_script(context), *_params(context)]
    text = context.capabilities.secrets.hide("\n".join(lines))
    return "\n" + "".join(char if char.isprintable() or char in "\n\t" else ascii(char)[1:-1] for char in text) + "\n"


def not_asked_for(workflow: WorkflowSpec) -> str:
    """What to say once of the steps that nobody is asked for; nothing if there are none."""
    if not any(step.uses == FAN_OUT for step in workflow.steps):
        return ""
    return (
        "note: what a fan-out triggers runs in processes of its own, without being asked for\n"
        f"  to look into one of them: {tako_command()} child DIR, the directory that a failure names\n"
    )


def _title(context: StepContext) -> str:
    spec = context.spec
    steps = context.request.workflow.steps
    place = next((f" ({number} of {len(steps)})" for number, step in enumerate(steps, 1) if step.id == spec.id), "")
    handled = context.error.step if context.error is not None else None
    after = f", since {handled} failed" if handled else ""
    if context.ending is not None:
        after = f", at the end of the run: {context.ending.status}"
    return f"Step {spec.id}{place}{after}{f': {spec.name}' if spec.name else ''}"


def _condition(context: StepContext, *, wanted: bool) -> Iterator[str]:
    if context.spec.condition is not None:
        yield f"  if: {context.spec.condition}  → {'true' if wanted else 'false, so it is skipped'}"


def _directory(context: StepContext) -> Iterator[str]:
    if context.spec.working_directory:
        yield _entry("  directory: ", context.spec.working_directory, context)


def _environment(context: StepContext) -> Iterator[str]:
    declared = {**context.request.workflow.env, **context.spec.env}
    secret = context.capabilities.secrets.named_in(declared)
    if declared:
        yield "  env:"
    for name, value in declared.items():
        yield f"    {name}: the secret {value}" if name in secret else _entry(f"    {name}: ", value, context)


def _script(context: StepContext) -> Iterator[str]:
    if context.spec.run is None:
        return
    by = " ".join(interpreter(context.spec.run)) or context.spec.shell
    yield f"  run ({by}):"
    yield _indented(context.spec.run)
    if is_template(context.spec.run):
        run = context.spec.run
        yield "  which becomes:"
        yield _indented(_or_error(lambda: context.render_script(run)))


def _params(context: StepContext) -> Iterator[str]:
    if context.spec.uses is None:
        return
    yield f"  uses: {context.spec.uses}"
    if context.spec.params:
        params = dict(context.spec.params)
        yield "  with:"
        yield _indented(_json(params))
        if is_template(_json(params)):
            outputs = {name: value for step in context.state.steps for name, value in step.outputs.items()}
            yield "  which becomes:"
            yield _indented(_or_error(lambda: _json(_rendered(params, context, outputs))))


def _rendered(params: dict[str, Any], context: StepContext, outputs: dict[str, str]) -> Any:
    return templates.render_value(params, context.scope(outputs=outputs), where=context.where)


def _entry(before: str, text: str, context: StepContext) -> str:
    if not is_template(text):
        return before + text
    return f"{before}{text}  → {_or_error(lambda: context.render(text))}"


def _or_error(expand: Callable[[], str]) -> str:
    try:
        return expand()
    except TakoError as error:
        return f"error: {error}"


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.rstrip("\n").split("\n"))
