"""What is taken from a step that succeeded: its outputs, its artifact, the events that it announces."""

from __future__ import annotations

from tako.execution.confidential import keep_out, keep_outputs_public, refuse_artifact
from tako.execution.outputs import collect, read_output_file, require_values
from tako.execution.state import Announced
from tako.execution.tainted import tainted_outputs
from tako.expressions import templates
from tako.records import record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from tako.config.model import EventTemplate
    from tako.execution.event import ArtifactRef
    from tako.steps.base import StepContext, StepResult


@record
class Produced:
    """What was taken from a successful step."""

    outputs: Mapping[str, str] = {}
    artifacts: tuple[ArtifactRef, ...] = ()
    announced: tuple[Announced, ...] = ()
    tainted: tuple[str, ...] = ()
    """The outputs among them that are made of what came with an event."""
    cached: bool = False
    """Whether it comes from the step cache, and the step was not run."""
    result: str | None = None
    """What it printed on stdout, if something may read that."""
    notes: tuple[str, ...] = ()
    """What a reader must know of it, a line each."""


def take(context: StepContext, result: StepResult) -> Produced:
    """What a successful step leaves behind: its result, outputs, artifact, announced events.

    Raises ``StepError`` or ``ExpressionError`` if something promised is not there.
    """
    produced = _take(context, result)
    if not context.keeps_result:
        return produced
    from tako.execution.step_results import kept_result

    return replace(produced, result=kept_result(context, result))


def _take(context: StepContext, result: StepResult) -> Produced:
    produces = context.spec.produces
    request, where = context.request, context.where
    keep_out(context, result.events, "an event that it emits")
    said = read_output_file(
        context.output_path,
        where=where,
        refuse=lambda text: keep_out(context, text, "what it wrote to $TAKO_OUTPUT"),
    )
    written = {**result.outputs, **said}
    keep_outputs_public(context, written)
    if produces is None:
        require_values(written, where)
        return Produced(outputs=written, artifacts=result.artifacts, notes=result.notes)
    outputs = collect(
        produces.outputs,
        written=written,
        stdout=result.stdout,
        stderr=result.stderr,
        exported=result.exported,
        repo_dir=context.capabilities.repo_dir,
        directory=context.directory,
        render=lambda text, so_far: render_output(context, text, so_far),
        where=where,
        is_left_over=lambda path: context.output_files is not None and context.output_files.is_left_over(path),
    )
    keep_outputs_public(context, outputs)
    # Most steps of most children produce nothing, and each import is paid for by all.
    from tako.execution.artifact_files import notes
    from tako.execution.artifacts import declared_paths, produced_name, select_in_run, store_of_run

    artifacts: tuple[ArtifactRef, ...] = ()
    said_of_it = result.notes
    patterns = declared_paths(produces, request.artifacts)
    if patterns:
        name = produced_name(produces)
        chosen = select_in_run(name, patterns, context)
        refuse_artifact(context, name, chosen)
        artifacts, said_of_it = (store_of_run(name, chosen, context),), (*notes(name, chosen), *said_of_it)
    return replace(with_outputs(context, outputs, (*artifacts, *result.artifacts)), notes=said_of_it)


def with_outputs(
    context: StepContext, outputs: Mapping[str, str], artifacts: tuple[ArtifactRef, ...], *, cached: bool = False
) -> Produced:
    """What a step with these outputs and artifacts leaves behind: also the events that it announces.

    Raises ``StepError`` or ``ExpressionError``.
    """
    produces, where = context.spec.produces, context.where
    if produces is None:
        return Produced(outputs, artifacts, cached=cached)
    announced = tuple(_announced(context, event, outputs, produces.artifact) for event in produces.events)
    keep_out(context, announced, "an event that it announces")
    tainted = tainted_outputs(produces.outputs, context.tainted, where=where)
    return Produced(outputs, artifacts, announced, tainted, cached=cached)


def _announced(
    context: StepContext, event: EventTemplate, outputs: Mapping[str, str], artifact: str | None
) -> Announced:
    """An event that a step with these outputs announces. Raises ``ExpressionError``."""
    from tako.execution.payloads import render_payload

    scope = context.scope(outputs=dict(outputs))
    type_ = templates.render(event.type, scope, where=context.where)
    version = templates.render_value(event.schema_version, scope, where=context.where)
    payload = render_payload(event.payload, type_, context.request.events, scope, where=context.where)
    return Announced(type=type_, schema_version=version, payload=payload, artifact=artifact)


def render_output(context: StepContext, text: str, so_far: Mapping[str, str]) -> str:
    """An output that is a template, after those before it. Raises ``ExpressionError`` or ``StepError``."""
    # Before, since what is wrong with a template is told with the values in it.
    keep_outputs_public(context, so_far)
    return templates.render(text, context.scope(outputs=dict(so_far)), where=context.where)
