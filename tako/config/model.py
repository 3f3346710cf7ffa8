"""What a ``tako.yml`` means, once read: normalised, checked, frozen.

These records are what the rest of Tako sees, and what travels in a child's ``request.json``. They know
nothing of YAML and import no validation library, because the child reads them too.
"""

from __future__ import annotations

from tako.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

DEFAULT_ARTIFACT = "default"

FAN_OUT = "tako/fan-out@v1"
"""The step kind that emits an event."""

POLL = "tako/poll@v1"
"""The step kind that waits for a step that was left running, a file or an address."""


@record
class InputSpec:
    """One declared input of a workflow."""

    name: str
    type: str = "string"
    """``string``, ``boolean`` or ``number``."""
    description: str = ""
    required: bool = False
    default: Any = None
    enum: tuple[Any, ...] | None = None
    min: float | None = None
    max: float | None = None
    pattern: str | None = None


@record
class EventTemplate:
    """An event that a step announces; its payload may hold templates."""

    type: str
    schema_version: str | None = None
    payload: Mapping[str, Any] = {}


@record
class Produces:
    """What a step leaves behind."""

    artifact: str | None = None
    paths: tuple[str, ...] = ()
    """Where the artifact is, if not where its declaration says (the older ``produces.artifacts``)."""
    outputs: Mapping[str, str] = {}
    """Name to source: ``from_stdout``, ``from_stderr``, ``from_file:PATH``, ``from_env:NAME``, a template or
    a regex with one group."""
    events: tuple[EventTemplate, ...] = ()


@record
class RetrySpec:
    """How often a step whose own work fails is tried, and how long the waits between are."""

    attempts: int
    """Tries in all, the first included."""
    delay: float = 1.0
    """Seconds before the second try."""
    backoff: float = 2.0
    """By what each wait is longer than the one before."""
    on_exit_codes: tuple[int, ...] = ()
    """The exit codes after which it is tried again; empty for any, and for timeouts and signals too."""


@record
class StepSpec:
    """One step of a workflow: exactly one of ``run`` and ``uses`` is set."""

    id: str
    name: str = ""
    run: str | None = None
    uses: str | None = None
    params: Mapping[str, Any] = {}
    """The step's ``with``."""
    condition: str | None = None
    """The step's ``if``, in CEL."""
    shell: str = "sh"
    working_directory: str | None = None
    env: Mapping[str, str] = {}
    produces: Produces | None = None
    line: int = 0
    timeout: float | None = None
    """Seconds of one try."""
    retry: RetrySpec | None = None
    continue_on_error: bool = False
    """Whether the run goes on when the step has failed."""
    long_running: bool = False
    """Whether the step is left running when the next one starts."""
    on_failure: tuple[StepSpec, ...] = ()
    """What runs when the step has failed; these have no ``on_failure`` of their own."""
    cache_key_files: tuple[str, ...] = ()
    """Files or globs in the repository; the step's result is cached if there is one."""


@record
class WorkflowSpec:
    """One workflow."""

    name: str
    description: str = ""
    on: str = "exec"
    """``exec``, or ``event`` for one that cannot be started by hand."""
    inputs: tuple[InputSpec, ...] = ()
    env: Mapping[str, str] = {}
    steps: tuple[StepSpec, ...] = ()
    line: int = 0
    timeout: float | None = None
    """Seconds at work; waiting for a fan-out does not count."""
    mem_limit: int | None = None
    """Bytes that each of its processes may have."""
    secrets: tuple[str, ...] = ()
    """The names of those that its steps may name in their ``env``."""
    finals: tuple[StepSpec, ...] = ()
    """What runs when the run has ended, however it did."""

    @property
    def every_step(self) -> tuple[StepSpec, ...]:
        """Its steps, each followed by what runs when it has failed, and what runs at the end."""
        return (*(each for step in self.steps for each in (step, *step.on_failure)), *self.finals)

    @property
    def step_ids(self) -> list[str]:
        """The ids of its steps, in their order; those that run after a failure or at the end are not among them."""
        return [step.id for step in self.steps]

    @property
    def step_names(self) -> dict[str, str]:
        """The names of its steps by their ids, of those that have a name of their own."""
        return {step.id: step.name for step in self.every_step if step.name and step.name != step.id}


@record
class ArtifactSpec:
    """Something the repository makes."""

    name: str
    path: str
    ecosystem: str = "generic"
    description: str = ""
    command: str | None = None
    """Builds it."""
    install_command: str | None = None
    """Installs it in a repository that depends on it."""
    verify_command: str | None = None
    """Fails if that repository does not work with it."""


@record
class PayloadField:
    """The shape of one field of an event's payload."""

    name: str
    type: str = "string"
    """``string``, ``number``, ``integer``, ``boolean``, ``object`` or ``array``."""
    description: str = ""
    required: bool = False
    default: Any = None
    enum: tuple[Any, ...] | None = None
    pattern: str | None = None
    min: float | None = None
    max: float | None = None
    min_length: int | None = None
    max_length: int | None = None


@record
class EventSpec:
    """The shape of an event that the repository emits."""

    type: str
    schema_version: str | None = None
    payload: tuple[PayloadField, ...] = ()


@record
class Subscription:
    """What the repository waits for, and which workflow it then runs."""

    repo: str
    """The emitter, ``owner/name``."""
    artifact: str
    events: tuple[str, ...]
    workflow: str
    schema_version: str | None = None
    filters: tuple[str, ...] = ()
    inputs: Mapping[str, str] = {}
    enabled: bool = True
    coalesce: bool = False
    """Whether, in one tree, all events together start the workflow once."""
    needs_all: bool = False
    """Whether they start it only if each subscription of the file that needs all, for this workflow, has heard one."""
    index: int = 0
    """Its place in the file, from 0."""
    line: int = 0

    @property
    def awaited(self) -> str:
        """What it waits for, in words: ``owner/name:artifact did not emit built``, if that never comes."""
        which = f" {self.schema_version}" if self.schema_version is not None else ""
        if self.filters:
            which += f" with {' and '.join(self.filters)}"
        return f"{self.source} did not emit {' or '.join(self.events)}{which}"

    @property
    def source(self) -> str:
        """What it listens to: ``owner/name:artifact``, or ``owner/name`` for the implicit artifact."""
        return self.repo if self.artifact == DEFAULT_ARTIFACT else f"{self.repo}:{self.artifact}"


@record
class Dependent:
    """A repository that depends on this one, and which of its workflows then run."""

    repo: str
    """``owner/name``."""
    ref: str | None = None
    """The branch or tag in the cache; None for the one that stands for the repository."""
    artifacts: tuple[str, ...] = ()
    """What it depends on; all if none is named."""
    workflows: tuple[str, ...] = ()
    line: int = 0


@record
class RepoConfig:
    """A whole ``tako.yml``."""

    path: str
    name: str | None = None
    """``metadata.name``."""
    name_at: tuple[int, int] = (1, 1)
    """The line and the column of that."""
    artifacts: tuple[ArtifactSpec, ...] = ()
    events: tuple[EventSpec, ...] = ()
    workflows: tuple[WorkflowSpec, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    dependents: tuple[Dependent, ...] = ()

    def needed_for(self, workflow: str) -> tuple[Subscription, ...]:
        """The subscriptions each of which must hear an event before a workflow runs (``coalesce: all``)."""
        return tuple(
            each for each in self.subscriptions if each.needs_all and each.enabled and each.workflow == workflow
        )

    def workflow(self, name: str) -> WorkflowSpec | None:
        """The workflow of that name, or None."""
        return next((workflow for workflow in self.workflows if workflow.name == name), None)


def workflow_from_data(data: Mapping[str, Any]) -> WorkflowSpec:
    """A workflow out of ``to_data(workflow)``; raises ``KeyError`` or ``TypeError`` if it is not one."""
    fields = dict(data)
    fields["inputs"] = tuple(_with_enum(InputSpec, item) for item in data["inputs"])
    fields["steps"] = tuple(_step_from_data(item) for item in data["steps"])
    fields["secrets"] = tuple(data.get("secrets", ()))
    fields["finals"] = tuple(_step_from_data(item) for item in data.get("finals", ()))
    return WorkflowSpec(**fields)


def event_spec_from_data(data: Mapping[str, Any]) -> EventSpec:
    """An event's shape out of its plain data."""
    return EventSpec(
        type=data["type"],
        schema_version=data["schema_version"],
        payload=tuple(_with_enum(PayloadField, item) for item in data["payload"]),
    )


def dependent_from_data(data: Mapping[str, Any]) -> Dependent:
    """A dependent out of its plain data."""
    return Dependent(**{**data, "artifacts": tuple(data["artifacts"]), "workflows": tuple(data["workflows"])})


def _step_from_data(data: Mapping[str, Any]) -> StepSpec:
    produces = data["produces"]
    if produces is not None:
        produces = Produces(
            artifact=produces["artifact"],
            paths=tuple(produces["paths"]),
            outputs=produces["outputs"],
            events=tuple(EventTemplate(**event) for event in produces["events"]),
        )
    retry = data.get("retry")
    if retry is not None:
        retry = RetrySpec(**{**retry, "on_exit_codes": tuple(retry["on_exit_codes"])})
    handlers = tuple(_step_from_data(item) for item in data.get("on_failure", ()))
    made = {"produces": produces, "retry": retry, "on_failure": handlers}
    return StepSpec(**{**data, **made, "cache_key_files": tuple(data.get("cache_key_files", ()))})


def _with_enum(kind: Any, data: Mapping[str, Any]) -> Any:
    enum = data["enum"]
    return kind(**{**data, "enum": None if enum is None else tuple(enum)})
