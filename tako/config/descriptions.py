"""What every field of a ``tako.yml`` is for, with an example: the source of the JSON Schema and of the reference.

Apart from ``schema``, because every run reads that and only people read this. A test holds that the two name the
same fields.
"""

from __future__ import annotations

from typing import Any

from tako.config import schema

Described = tuple[str, str]
"""What the field is for, and a value for it as it stands in a file."""

_SHAPE_VERSION = "The version of the payload's shape. A subscription may ask for a range of versions."
_DESCRIPTION = "For people; Tako only shows it."
_ENUM = "The allowed values."
_MIN = "The least allowed number."
_MAX = "The largest allowed number."
_PATTERN = "A regular expression (RE2's) that is found in every allowed text."

DESCRIPTIONS: dict[type[Any], dict[str, Described]] = {
    schema.Root: {
        "version": ("The version of the language: 1. Also 1.x, v1 and 0.x.", "1"),
        "metadata": ("What the repository says about itself.", "{name: my-org/go-lib}"),
        "artifacts": ("What this repository makes, by name.", "{lib: {path: dist/lib.tar.gz}}"),
        "events": ("The shapes of the events that this repository emits, by type.", "{built: {schema_version: 1.2.0}}"),
        "workflows": ("What can be done with this repository, by name.", "{test: {steps: [{run: make test}]}}"),
        "subscriptions": (
            (
                "Which events of other repositories start which workflow here. In one repository the first that hears "
                "an event and names a given workflow wins."
            ),
            "[{artifact: 'my-org/core:lib', events: [built], workflow: test}]",
        ),
        "dependents": (
            (
                "Who depends on this repository, the inverse of a subscription: workflows there that run when this "
                "repository emits an event."
            ),
            "[{repo: my-org/client, workflows: [test]}]",
        ),
        "repos": ("The repositories that this one has to do with. For people; Tako does not use it.", "[my-org/core]"),
    },
    schema.Metadata: {
        "name": (
            (
                "The name of a repository that has no remote, owner/name; else its place in the cache, else "
                "local/<directory>. With a remote, its name is its origin's, and no other may stand here."
            ),
            "my-org/go-lib",
        ),
        "description": (_DESCRIPTION, "A library"),
    },
    schema.Artifact: {
        "path": ("The file, directory or glob, inside the repository.", "dist/lib-*.tar.gz"),
        "ecosystem": ("What kind of package it is.", "python"),
        "description": (_DESCRIPTION, "The library"),
        "command": ("The command that builds it; `tako artifacts build NAME` runs it.", "make dist"),
        "install_command": (
            "The command by which `tako artifacts install` installs $TAKO_ARTIFACT_PATH in a dependent.",
            'pip install "$TAKO_ARTIFACT_PATH"',
        ),
        "verify_command": (
            "The command that then fails if the dependent does not work with it; what had changed is put back.",
            "pytest -q tests/integration",
        ),
    },
    schema.Event: {
        "schema_version": (_SHAPE_VERSION, '"1.2.0"'),
        "payload": ("The fields of the payload, by name. Others may be there too.", "{version: {type: string}}"),
    },
    schema.PayloadField: {
        "type": ("What the field holds. Text that means a number or a boolean is converted.", "integer"),
        "description": (_DESCRIPTION, "The released version"),
        "required": ("Whether the event is refused without it.", "true"),
        "default": ("The value of a field that is not given.", "stable"),
        "enum": (_ENUM, "[stable, beta]"),
        "pattern": (_PATTERN, r'"^\\d+\\.\\d+"'),
        "min": (_MIN, "0"),
        "max": (_MAX, "100"),
        "min_length": ("The least length of a text or a list.", "1"),
        "max_length": ("The largest length of a text or a list.", "20"),
    },
    schema.Workflow: {
        "description": (_DESCRIPTION, "Build and announce"),
        "on": ("Who may start it: exec, by hand and by events; event, by events only.", "event"),
        "inputs": ("What it must or may be given, by name.", "{version: {required: true}}"),
        "env": (
            "Variables in the environment of all its steps: a mapping, or a list of NAME=value. Templates.",
            '{CGO_ENABLED: "0"}',
        ),
        "secrets": ("The names of its secrets; a step has one if a value of its `env` is that name.", "[GITHUB_TOKEN]"),
        "steps": ("What it does, one after another. A bare text is a `run`.", "[{run: make test}]"),
        "finally": (
            "Steps that run when the run has ended, however it did; one alone need not be a list.",
            "[{run: ./clean-up.sh}]",
        ),
        "timeout": ("How long it may be at work; waiting for a fan-out does not count.", "30m"),
        "resources": ("What each of its processes may use.", "{mem_limit: 512Mi}"),
    },
    schema.Input: {
        "type": ("What the input holds.", "boolean"),
        "description": (_DESCRIPTION, "Which part of the version goes up"),
        "required": ("Whether the workflow is refused without it.", "true"),
        "default": ("The value of an input that is not given.", "patch"),
        "validation": ("What its value must be, beside its type.", "{enum: [major, minor, patch]}"),
    },
    schema.Validation: {
        "enum": (_ENUM, "[major, minor, patch]"),
        "min": (_MIN, "1"),
        "max": (_MAX, "10"),
        "pattern": (_PATTERN, '"^v[0-9]+$"'),
    },
    schema.Resources: {
        "mem_limit": ("The memory that each process may allocate.", "512Mi"),
    },
    schema.StepRetry: {
        "attempts": ("The number of tries in all.", "3"),
        "delay": ("How long to wait before the second try.", "1s"),
        "backoff": ("By how much the delay grows from try to try.", "2"),
        "on_exit_codes": ("Try again after these exit codes only; one alone need not be a list.", "[75]"),
    },
    schema.Handler: {
        "id": (
            "The name by which others refer to it, unique in the workflow; else made of the step's id, or finally-1.",
            "rollback",
        ),
        "name": ("What to call it in reports.", "Roll it back"),
        "if": ("A condition in CEL. Where it does not hold, it is skipped.", "error.exit_code != 2"),
        "run": ("The script. The shell runs it, or what its first line `#!…` names. A template.", "./rollback.sh"),
        "shell": ("sh, the default, is `sh -e`; bash is `bash -e -o pipefail`.", "bash"),
        "working_directory": ("Where the script runs, inside the repository. A template.", "sub/dir"),
        "env": ("Variables in its environment: a mapping, or a list of NAME=value. Templates.", "{MODE: release}"),
        "uses": ("The kind of step, instead of `run`; no fan-out.", "acme/notify@v1"),
        "with": ("What a step of that kind is told.", "{text: '{{ error.message }}'}"),
        "produces": ("Its outputs.", "{outputs: {ticket: from_stdout}}"),
        "timeout": ("How long one try may take.", "1m"),
        "retry": ("What to do when it has failed: try it again.", "{attempts: 3}"),
    },
    schema.Step: {
        "id": ("The name by which others refer to it, unique in the workflow; else step-1, step-2 and so on.", "build"),
        "name": ("What to call it in reports.", "Build it"),
        "if": ("A condition in CEL. Where it does not hold, the step is skipped.", "inputs.mode != 'none'"),
        "run": ("The script. The shell runs it, or what its first line `#!…` names. A template.", "make dist"),
        "shell": ("sh, the default, is `sh -e`; bash is `bash -e -o pipefail`.", "bash"),
        "working_directory": ("Where the script runs, inside the repository. A template.", "sub/dir"),
        "env": ("Variables in its environment: a mapping, or a list of NAME=value. Templates.", "{MODE: release}"),
        "uses": ("The kind of step, instead of `run`.", "tako/fan-out@v1"),
        "with": ("What a step of that kind is told.", "{event_type: built}"),
        "produces": ("What it leaves behind.", "{outputs: {version: from_stdout}}"),
        "timeout": ("How long one try may take; a fan-out has its own, in `with`.", "10m"),
        "retry": ("What to do when it has failed: try it again.", "{attempts: 3, on_exit_codes: [75]}"),
        "continue_on_error": ("Whether the run goes on, and can succeed, when it has failed.", "true"),
        "long_running": ("Whether it is left running when the next step starts, until the end of the run.", "true"),
        "on_failure": ("Steps that run when it has failed; one alone need not be a list.", "[{run: ./rollback.sh}]"),
        "cache_key_files": (
            "Files or globs; while they and the step itself are the same, its result comes from the step cache.",
            "[src/**, go.sum]",
        ),
    },
    schema.Produces: {
        "artifact": (
            "The declared artifact that it makes, which is copied for the runs that are triggered.",
            "go-lib",
        ),
        "artifacts": ("The older way to say where the artifact is.", "[{path: dist/lib.tar.gz}]"),
        "outputs": (
            (
                "Values for later steps, by name: from_stdout, from_stderr, from_file:PATH, from_env:NAME, a regular "
                "expression with one group over stdout, or a template."
            ),
            "{version: from_stdout}",
        ),
        "events": (
            "Events that it announces: a later fan-out step of the type emits each of them.",
            "[{type: library_built, payload: {version: '{{ outputs.version }}'}}]",
        ),
    },
    schema.ProducedArtifact: {
        "path": ("A file or glob, inside the repository.", "dist/lib.tar.gz"),
    },
    schema.EventTemplate: {
        "type": ("The event's type. A template.", "library_built"),
        "schema_version": (_SHAPE_VERSION, '"1.2.0"'),
        "payload": ("What the event says. Templates.", "{version: '{{ outputs.version }}'}"),
    },
    schema.FanOut: {
        "event_type": ("The type of the event that it emits. A template.", "library_built"),
        "artifact": (
            (
                "The artifact that the event is about; announced events about others stay pending. Without it: that of "
                "the step that announced the event, else `default`."
            ),
            "go-lib",
        ),
        "payload": (
            "What the one event says that it emits. Templates. Without it, each announced event has its own payload.",
            "{version: '{{ inputs.version }}'}",
        ),
        "schema_version": (_SHAPE_VERSION, '"1.2.0"'),
        "wait_for_children": (
            "Whether the workflow waits for the runs that it triggers. Their failure fails the run either way.",
            "false",
        ),
        "timeout": ("For all runs together that it started, and those below them.", "2h"),
        "concurrency_limit": ("How many of its runs are at work at once; never above -j.", "4"),
        "retry": ("What to do with a run that crashed or could not start.", "{attempts: 3}"),
        "fail_fast": ("When one run fails, cancel what has not started.", "true"),
        "idempotency_key": ("The same key is delivered once in 24 hours. A template.", "release-{{ inputs.version }}"),
    },
    schema.Retry: {
        "attempts": ("The number of tries in all.", "3"),
        "delay": ("How long to wait before the second try.", "1s"),
        "backoff": ("By how much the delay grows from try to try.", "2"),
    },
    schema.Poll: {
        "target": ("What it waits for: a step that was left running, a file, an address of this machine.", "http"),
        "step_id": (
            "The step that was left running; for a file or an address, one without which to wait no more.",
            "db",
        ),
        "path": ("The file or directory that must be there, inside the repository. A template.", "run/db.pid"),
        "url": ("The address that must answer with success. A template.", "'http://localhost:8080/health'"),
        "timeout": ("How long it waits at most.", "5m"),
        "interval": ("How long it waits between two looks at a file or an address.", "1s"),
        "success_on_exit_code": ("The exit codes of the step that are a success; one alone need not be a list.", "[0]"),
    },
    schema.Subscription: {
        "artifact": (
            "What it listens to: owner/repo:artifact, or owner/repo; a host may stand in front.",
            "'my-org/go-lib:go-lib'",
        ),
        "events": ("The types of the events that it hears, or globs such as `release/*`.", "[library_built]"),
        "workflow": ("The workflow of this file that they start.", "test"),
        "schema_version": ("The schema versions that it hears: npm's form, or an interval.", "(1.1.0...2.0.0]"),
        "filters": ("Conditions in CEL; all must hold.", "[has(event.payload.version)]"),
        "inputs": ("The inputs of the workflow. Templates.", "{version: '{{ event.payload.version }}'}"),
        "enabled": ("Whether it hears anything.", "false"),
        "coalesce": (
            (
                "Whether all events of a run start the workflow once; with `all`, only if each subscription with `all` "
                "for that workflow has heard one."
            ),
            "all",
        ),
    },
    schema.Dependent: {
        "repo": (
            "The repository in the cache, owner/name or owner/name:branch.",
            "'my-org/client:main'",
        ),
        "workflows": ("Its workflows that run.", "[test]"),
        "artifacts": ("The artifacts of this repository that it depends on; all if none is named.", "[go-lib]"),
    },
}
