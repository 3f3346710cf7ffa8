"""From the structs of ``schema`` to the records of ``model``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from msgspec import UnsetType, convert

from tako.config import inputs, model, payload, schema
from tako.config.model import FAN_OUT, POLL
from tako.config.problems import Path
from tako.config.step_ids import final_id, handler_id, step_id
from tako.quantities import parse_duration, parse_size
from tako.records import replace

Line = Callable[[Path], int]
"""The line, from 1, of a place in the present spelling."""

T = TypeVar("T")


def config(root: schema.Root, path: str, line: Line) -> model.RepoConfig:
    """A whole file, checked before."""
    workflows = tuple(_workflow(name, workflow, line) for name, workflow in root.workflows.items())
    return model.RepoConfig(
        path=path,
        name=_or_none(root.metadata.name),
        artifacts=_artifacts(root, workflows),
        events=tuple(event_spec(name, event) for name, event in root.events.items()),
        workflows=workflows,
        subscriptions=tuple(
            _subscription(index, subscription, line) for index, subscription in enumerate(root.subscriptions)
        ),
        dependents=tuple(_dependent(index, dependent, line) for index, dependent in enumerate(root.dependents)),
    )


def input_spec(name: str, given: schema.Input) -> model.InputSpec:
    """One input; its default and allowed values are converted to its type where they can be."""
    rules = given.validation
    plain = model.InputSpec(name=name, type=given.type)

    def typed(value: Any) -> Any:
        return inputs.check_value(plain, value)[0]

    return model.InputSpec(
        name=name,
        type=given.type,
        description=given.description,
        required=given.required,
        default=None if given.default is None else typed(given.default),
        enum=_enum(rules.enum, typed),
        min=_or_none(rules.min),
        max=_or_none(rules.max),
        pattern=_or_none(rules.pattern),
    )


def payload_field(name: str, given: schema.PayloadField) -> model.PayloadField:
    """One field of an event's payload; its default and allowed values as for an input."""
    plain = model.PayloadField(name=name, type=given.type)

    def typed(value: Any) -> Any:
        return payload.check_value(plain, value)[0]

    return model.PayloadField(
        name=name,
        type=given.type,
        description=given.description,
        required=given.required,
        default=None if given.default is None else typed(given.default),
        enum=_enum(given.enum, typed),
        pattern=_or_none(given.pattern),
        min=_or_none(given.min),
        max=_or_none(given.max),
        min_length=None if isinstance(given.min_length, UnsetType) else int(given.min_length),
        max_length=None if isinstance(given.max_length, UnsetType) else int(given.max_length),
    )


def event_spec(name: str, event: schema.Event) -> model.EventSpec:
    """The shape of one event."""
    fields = tuple(payload_field(key, field) for key, field in event.payload.items())
    return model.EventSpec(type=name, schema_version=_or_none(event.schema_version), payload=fields)


def split_artifact(reference: str) -> tuple[str, str]:
    """``owner/repo:artifact`` in its two parts; without an artifact, the implicit one.

    An address's ``.git`` behind the repository is no part of its name.
    """
    repo, colon, artifact = reference.partition(":")
    return repo.removesuffix(".git"), artifact if colon else model.DEFAULT_ARTIFACT


def _workflow(name: str, workflow: schema.Workflow, line: Line) -> model.WorkflowSpec:
    path: Path = ("workflows", name)
    mem_limit = workflow.resources.mem_limit
    return model.WorkflowSpec(
        name=name,
        description=workflow.description,
        on=workflow.on,
        inputs=tuple(input_spec(key, given) for key, given in workflow.inputs.items()),
        env=workflow.env,
        steps=tuple(_step(index, step, (*path, "steps", index), line) for index, step in enumerate(workflow.steps)),
        finals=tuple(
            _any_step(final_id(final, index), final, line((*path, "finally", index)))
            for index, final in enumerate(workflow.finals)
        ),
        line=line(path),
        timeout=_seconds(workflow.timeout),
        mem_limit=None if isinstance(mem_limit, UnsetType) else parse_size(mem_limit),
        secrets=tuple(workflow.secrets),
    )


def _step(index: int, step: schema.Step, path: Path, line: Line) -> model.StepSpec:
    id_ = step_id(step, index)
    return replace(
        _any_step(id_, step, line(path)),
        continue_on_error=step.continue_on_error,
        long_running=step.long_running,
        cache_key_files=() if isinstance(step.cache_key_files, UnsetType) else tuple(step.cache_key_files),
        on_failure=tuple(
            _any_step(handler_id(handler, id_, place), handler, line((*path, "on_failure", place)))
            for place, handler in enumerate(step.on_failure)
        ),
    )


def _any_step(id_: str, step: schema.AnyStep, line: int) -> model.StepSpec:
    return model.StepSpec(
        id=id_,
        name=step.name,
        run=_or_none(step.run),
        uses=_or_none(step.uses),
        params=_params(step),
        condition=_or_none(step.condition),
        shell="sh" if isinstance(step.shell, UnsetType) else step.shell,
        working_directory=_or_none(step.working_directory),
        env=step.env,
        produces=None if isinstance(step.produces, UnsetType) else _produces(step.produces),
        line=line,
        timeout=_seconds(step.timeout),
        retry=None if isinstance(step.retry, UnsetType) else _retry(step.retry),
    )


def _retry(retry: schema.StepRetry) -> model.RetrySpec:
    return model.RetrySpec(
        attempts=int(retry.attempts),
        delay=parse_duration(retry.delay),
        backoff=float(retry.backoff),
        on_exit_codes=tuple(int(code) for code in retry.on_exit_codes),
    )


def _params(step: schema.AnyStep) -> dict[str, Any]:
    built = _PARAMS.get(_or_none(step.uses) or "")
    return built(step.params) if built else step.params


def _fan_out_params(params: dict[str, Any]) -> dict[str, Any]:
    """The ``with`` of a fan-out with seconds and counts as numbers; what was not given stays away."""
    given = convert(params, schema.FanOut)
    built = dict(params)
    if not isinstance(given.timeout, UnsetType):
        built["timeout"] = parse_duration(given.timeout)
    if not isinstance(given.concurrency_limit, UnsetType):
        built["concurrency_limit"] = int(given.concurrency_limit)
    if not isinstance(given.retry, UnsetType):
        retry = given.retry
        built["retry"] = {
            "attempts": int(retry.attempts),
            "delay": parse_duration(retry.delay),
            "backoff": float(retry.backoff),
        }
    return built


def _poll_params(params: dict[str, Any]) -> dict[str, Any]:
    """The ``with`` of a poll with seconds and exit codes as numbers, all of them there."""
    given = convert(params, schema.Poll)
    codes = given.success_on_exit_code
    return {
        **params,
        "timeout": parse_duration(given.timeout),
        "interval": parse_duration(given.interval),
        "success_on_exit_code": [0] if isinstance(codes, UnsetType) else [int(code) for code in codes],
    }


_PARAMS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    FAN_OUT: _fan_out_params,
    POLL: _poll_params,
}
"""How the ``with`` of a built-in step kind is built, where it does not stay as it is."""


def _produces(produces: schema.Produces) -> model.Produces:
    paths = tuple(artifact.path for artifact in produces.artifacts)
    artifact = _or_none(produces.artifact)
    if artifact is None and paths:
        artifact = model.DEFAULT_ARTIFACT
    return model.Produces(
        artifact=artifact,
        paths=paths,
        outputs=produces.outputs,
        events=tuple(
            model.EventTemplate(type=event.type, schema_version=_or_none(event.schema_version), payload=event.payload)
            for event in produces.events
        ),
    )


def _artifacts(root: schema.Root, workflows: tuple[model.WorkflowSpec, ...]) -> tuple[model.ArtifactSpec, ...]:
    declared = tuple(
        model.ArtifactSpec(
            name=name,
            path=artifact.path,
            ecosystem=artifact.ecosystem,
            description=artifact.description,
            command=_or_none(artifact.command),
            install_command=_or_none(artifact.install_command),
            verify_command=_or_none(artifact.verify_command),
        )
        for name, artifact in root.artifacts.items()
    )
    known = {
        path
        for workflow in workflows
        for step in workflow.steps
        if step.produces and step.produces.artifact == model.DEFAULT_ARTIFACT
        for path in step.produces.paths
    }
    if len(known) != 1 or model.DEFAULT_ARTIFACT in root.artifacts:
        return declared
    return (*declared, model.ArtifactSpec(name=model.DEFAULT_ARTIFACT, path=known.pop()))


def _subscription(index: int, given: schema.Subscription, line: Line) -> model.Subscription:
    repo, artifact = split_artifact(given.artifact)
    return model.Subscription(
        repo=repo,
        artifact=artifact,
        events=tuple(given.events),
        workflow=given.workflow,
        schema_version=_or_none(given.schema_version),
        filters=tuple(given.filters),
        inputs=given.inputs,
        enabled=given.enabled,
        coalesce=bool(given.coalesce),
        needs_all=given.coalesce == "all",
        index=index,
        line=line(("subscriptions", index)),
    )


def _dependent(index: int, given: schema.Dependent, line: Line) -> model.Dependent:
    repo, colon, ref = given.repo.partition(":")
    return model.Dependent(
        repo=repo.removesuffix(".git"),
        ref=ref if colon else None,
        artifacts=tuple(given.artifacts),
        workflows=tuple(given.workflows),
        line=line(("dependents", index)),
    )


def _enum(given: list[Any] | UnsetType, typed: Callable[[Any], Any]) -> tuple[Any, ...] | None:
    return None if isinstance(given, UnsetType) else tuple(typed(value) for value in given)


def _seconds(given: schema.Duration | UnsetType) -> float | None:
    return None if isinstance(given, UnsetType) else parse_duration(given)


def _or_none(value: T | UnsetType) -> T | None:
    return None if isinstance(value, UnsetType) else value
