"""The shape of a ``tako.yml``, as msgspec structs.

The structs name what this version supports, in the present spelling: older spellings are gone before
(``dialects``), and so is what is refused (``refusals``). A field without a value is absent, never null, so that
the JSON Schema msgspec exports has no unions and every error in it has one place.
"""

from __future__ import annotations

from typing import Any, Literal, NewType

from msgspec import UNSET, Struct, UnsetType, field

from tako.config.model import FAN_OUT, POLL

Duration = NewType("Duration", str)
"""Text that ``parse_duration`` reads, or is to refuse."""

Size = NewType("Size", str)
"""The same for ``parse_size``."""


class Metadata(Struct, forbid_unknown_fields=True):
    """What the repository says about itself."""

    name: str | UnsetType = UNSET
    description: str = ""


class Artifact(Struct, forbid_unknown_fields=True):
    """One of the ``artifacts``."""

    path: str
    ecosystem: Literal["go", "npm", "python", "maven", "cargo", "generic"] = "generic"
    description: str = ""
    command: str | UnsetType = UNSET
    install_command: str | UnsetType = UNSET
    verify_command: str | UnsetType = UNSET


class PayloadField(Struct, forbid_unknown_fields=True):
    """One field of an event's ``payload``."""

    type: Literal["string", "number", "integer", "boolean", "object", "array"] = "string"
    description: str = ""
    required: bool = False
    default: Any = None
    enum: list[Any] | UnsetType = UNSET
    pattern: str | UnsetType = UNSET
    min: float | UnsetType = UNSET
    max: float | UnsetType = UNSET
    min_length: float | UnsetType = UNSET
    max_length: float | UnsetType = UNSET


class Event(Struct, forbid_unknown_fields=True):
    """One of the ``events``."""

    schema_version: str | UnsetType = UNSET
    payload: dict[str, PayloadField] = {}


class Validation(Struct, forbid_unknown_fields=True):
    """The ``validation`` of an input."""

    enum: list[Any] | UnsetType = UNSET
    min: float | UnsetType = UNSET
    max: float | UnsetType = UNSET
    pattern: str | UnsetType = UNSET


class Input(Struct, forbid_unknown_fields=True):
    """One of a workflow's ``inputs``."""

    type: Literal["string", "boolean", "number"] = "string"
    description: str = ""
    required: bool = False
    default: Any = None
    validation: Validation = field(default_factory=Validation)


class EventTemplate(Struct, forbid_unknown_fields=True):
    """One of the ``events`` that a step produces."""

    type: str
    schema_version: str | UnsetType = UNSET
    payload: dict[str, Any] = {}


class ProducedArtifact(Struct, forbid_unknown_fields=True):
    """One of the older ``produces.artifacts``."""

    path: str


class Produces(Struct, forbid_unknown_fields=True):
    """The ``produces`` of a step."""

    artifact: str | UnsetType = UNSET
    artifacts: list[ProducedArtifact] = []
    outputs: dict[str, str] = {}
    events: list[EventTemplate] = []


class StepRetry(Struct, forbid_unknown_fields=True):
    """The ``retry`` of a step."""

    attempts: float
    delay: Duration = Duration("1s")
    backoff: float = 2
    on_exit_codes: list[float] = []


class _Act(Struct, forbid_unknown_fields=True):
    """What every step can be told, and every one that runs because another has failed."""

    id: str | UnsetType = UNSET
    name: str = ""
    condition: str | UnsetType = field(default=UNSET, name="if")
    run: str | UnsetType = UNSET
    shell: Literal["sh", "bash"] | UnsetType = UNSET
    working_directory: str | UnsetType = UNSET
    env: dict[str, str] = {}
    uses: str | UnsetType = UNSET
    params: dict[str, Any] = field(default_factory=dict, name="with")
    produces: Produces | UnsetType = UNSET
    timeout: Duration | UnsetType = UNSET
    retry: StepRetry | UnsetType = UNSET


class Handler(_Act, forbid_unknown_fields=True):
    """One of the steps in a step's ``on_failure``, or in a workflow's ``finally``."""


class Step(_Act, forbid_unknown_fields=True):
    """One of a workflow's ``steps``."""

    continue_on_error: bool = False
    long_running: bool = False
    on_failure: list[Handler] = []
    cache_key_files: list[str] | UnsetType = UNSET


AnyStep = Step | Handler


class Retry(Struct, forbid_unknown_fields=True):
    """The ``retry`` of a fan-out."""

    attempts: float
    delay: Duration = Duration("1s")
    backoff: float = 2


class FanOut(Struct, forbid_unknown_fields=True):
    """The ``with`` of a step that uses ``tako/fan-out@v1``."""

    event_type: str
    artifact: str | UnsetType = UNSET
    payload: dict[str, Any] = {}
    schema_version: str | UnsetType = UNSET
    wait_for_children: bool = True
    timeout: Duration | UnsetType = UNSET
    concurrency_limit: float | UnsetType = UNSET
    retry: Retry | UnsetType = UNSET
    fail_fast: bool = False
    idempotency_key: str | UnsetType = UNSET


class Poll(Struct, forbid_unknown_fields=True):
    """The ``with`` of a step that uses ``tako/poll@v1``."""

    target: Literal["step", "file", "http"]
    step_id: str | UnsetType = UNSET
    path: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    timeout: Duration = Duration("5m")
    interval: Duration = Duration("1s")
    success_on_exit_code: list[float] | UnsetType = UNSET


WITH: dict[str, type[Struct]] = {
    FAN_OUT: FanOut,
    POLL: Poll,
}
"""What the ``with`` of a built-in step kind is; that of a kind from elsewhere is its own affair."""


class Resources(Struct, forbid_unknown_fields=True):
    """The ``resources`` of a workflow."""

    mem_limit: Size | UnsetType = UNSET


class Workflow(Struct, forbid_unknown_fields=True):
    """One of the ``workflows``."""

    description: str = ""
    on: Literal["exec", "event"] = "exec"
    inputs: dict[str, Input] = {}
    env: dict[str, str] = {}
    secrets: list[str] = []
    steps: list[Step] = []
    finals: list[Handler] = field(default=[], name="finally")
    timeout: Duration | UnsetType = UNSET
    resources: Resources = field(default_factory=Resources)


class Subscription(Struct, forbid_unknown_fields=True):
    """One of the ``subscriptions``."""

    artifact: str
    events: list[str]
    workflow: str
    schema_version: str | UnsetType = UNSET
    filters: list[str] = []
    inputs: dict[str, str] = {}
    enabled: bool = True
    coalesce: bool | Literal["all"] = False


class Dependent(Struct, forbid_unknown_fields=True):
    """One of the ``dependents``."""

    repo: str
    workflows: list[str]
    artifacts: list[str] = []


class Root(Struct, forbid_unknown_fields=True):
    """The whole file."""

    version: str
    metadata: Metadata = field(default_factory=Metadata)
    artifacts: dict[str, Artifact] = {}
    events: dict[str, Event] = {}
    workflows: dict[str, Workflow] = {}
    subscriptions: list[Subscription] = []
    dependents: list[Dependent] = []
    repos: list[str] = []
