"""What a good file means, and how a wrong shape is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tako.config import loader, model
from tako.errors import ConfigError
from tako.records import to_data

FULL = """\
version: 1
metadata:
  name: my-org/go-lib
  description: a library
artifacts:
  go-lib:
    path: dist/lib-*.tar.gz
    ecosystem: python
    description: the library
    command: make dist
events:
  library_built:
    schema_version: "1.2.0"
    payload:
      version: {type: string, required: true, pattern: "^\\\\d+", min_length: 1, max_length: 20}
      count: {type: integer, default: "3", min: 1, max: 5, description: how many}
      size: {type: string, enum: [1.10, big]}
workflows:
  release:
    description: makes a release
    on: exec
    inputs:
      version-bump:
        type: string
        description: which
        required: false
        default: patch
        validation: {enum: [major, minor, patch]}
      count: {type: number, default: "2.0", validation: {min: 1, max: 3}}
      dry: {type: boolean, required: true}
    env: {CGO_ENABLED: 0, FAST: true, RATIO: 1.50, MODE: 0644, NONE: }
    resources: {mem_limit: 512Mi}
    timeout: 30m
    steps:
      - echo hello
      - id: build
        name: Build it
        if: inputs['version-bump'] != 'none'
        run: ./scripts/build.sh
        shell: bash
        working_directory: sub/dir
        env: {A: b}
        timeout: 90
        produces:
          artifact: go-lib
          outputs:
            version: from_stdout
            error: from_stderr
            file: from_file:out/version.txt
            variable: from_env:VERSION
            regex: version=(.*)
            template: "{{ outputs.version }}!"
          events:
            - type: library_built
              schema_version: "1.2.0"
              payload: {version: "{{ outputs.version }}", n: 1.5}
      - uses: tako/fan-out@v1
        with:
          event_type: library_built
          artifact: go-lib
          payload: {version: 1.10, a: {b: [1, null]}}
          schema_version: 1.10
          wait_for_children: false
          timeout: 2h
          concurrency_limit: 4
          retry: {attempts: 3, delay: 500ms, backoff: 1.5}
          fail_fast: true
      - uses: acme/deploy@v3
        with: {anything: [1, 2]}
  test:
    on: event
    inputs: {version: , count: {type: number}}
    steps: []
subscriptions:
  - artifact: my-org/core:core
    events: [built, yes]
    schema_version: ^1.0.0
    filters:
      - has(event.payload.commit)
    workflow: test
    inputs: {version: "{{ event.payload.version }}", count: 3}
    enabled: false
    coalesce: true
  - artifact: my-org/other
    events: [built]
    workflow: release
    inputs: {dry: yes}
"""


def load(text: str) -> model.RepoConfig:
    return loader.loads(text.encode(), "tako.yml")


def refused(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert "could not unmarshal config" in caught.value.what
    return caught.value.problems


def line_of(start: str) -> int:
    """The one line of the full file that starts so, apart from its indentation."""
    (line,) = [at for at, text in enumerate(FULL.splitlines(), 1) if text.strip().startswith(start)]
    return line


def in_workflow(text: str) -> str:
    return "version: 1\nworkflows:\n  w:\n" + text


def in_step(text: str) -> str:
    return in_workflow("    steps:\n") + text


def test_the_whole_language_becomes_records() -> None:
    config = load(FULL)
    assert (config.path, config.name) == ("tako.yml", "my-org/go-lib")
    assert config.artifacts == (
        model.ArtifactSpec("go-lib", "dist/lib-*.tar.gz", "python", "the library", "make dist"),
    )
    field = model.PayloadField
    assert config.events == (
        model.EventSpec(
            "library_built",
            "1.2.0",
            (
                field("version", required=True, pattern="^\\d+", min_length=1, max_length=20),
                field("count", type="integer", default=3, min=1, max=5, description="how many"),
                field("size", enum=("1.10", "big")),
            ),
        ),
    )
    assert [workflow.name for workflow in config.workflows] == ["release", "test"]


def test_a_workflow_becomes_a_record() -> None:
    workflow = load(FULL).workflows[0]
    assert (workflow.description, workflow.on, workflow.line) == ("makes a release", "exec", line_of("release:"))
    assert workflow.inputs == (
        model.InputSpec("version-bump", description="which", default="patch", enum=("major", "minor", "patch")),
        model.InputSpec("count", type="number", default=2, min=1, max=3),
        model.InputSpec("dry", type="boolean", required=True),
    )
    assert workflow.env == {"CGO_ENABLED": "0", "FAST": "true", "RATIO": "1.50", "MODE": "0644", "NONE": ""}
    assert (workflow.timeout, workflow.mem_limit) == (1800.0, 512 * 2**20)
    assert load(FULL).workflows[1] == model.WorkflowSpec(
        "test",
        on="event",
        inputs=(model.InputSpec("version"), model.InputSpec("count", type="number")),
        line=line_of("test:"),
    )


def test_steps_become_records_with_their_lines() -> None:
    hello, build, fan_out, plugin = load(FULL).workflows[0].steps
    assert hello == model.StepSpec("step-1", run="echo hello", line=line_of("- echo hello"))
    assert build == model.StepSpec(
        "build",
        name="Build it",
        run="./scripts/build.sh",
        condition="inputs['version-bump'] != 'none'",
        shell="bash",
        working_directory="sub/dir",
        env={"A": "b"},
        produces=model.Produces(
            artifact="go-lib",
            outputs={
                "version": "from_stdout",
                "error": "from_stderr",
                "file": "from_file:out/version.txt",
                "variable": "from_env:VERSION",
                "regex": "version=(.*)",
                "template": "{{ outputs.version }}!",
            },
            events=(model.EventTemplate("library_built", "1.2.0", {"version": "{{ outputs.version }}", "n": 1.5}),),
        ),
        line=line_of("- id: build"),
        timeout=90.0,
    )
    assert (fan_out.id, fan_out.uses, fan_out.line) == ("step-3", "tako/fan-out@v1", line_of("- uses: tako/fan-out"))
    assert fan_out.params == {
        "event_type": "library_built",
        "artifact": "go-lib",
        "payload": {"version": "1.10", "a": {"b": [1, None]}},
        "schema_version": "1.10",
        "wait_for_children": False,
        "timeout": 7200.0,
        "concurrency_limit": 4,
        "retry": {"attempts": 3, "delay": 0.5, "backoff": 1.5},
        "fail_fast": True,
    }
    assert (plugin.uses, plugin.params) == ("acme/deploy@v3", {"anything": [1, 2]})


def test_subscriptions_become_records_with_their_lines() -> None:
    first, second = load(FULL).subscriptions
    assert first == model.Subscription(
        repo="my-org/core",
        artifact="core",
        events=("built", "yes"),
        workflow="test",
        schema_version="^1.0.0",
        filters=("has(event.payload.commit)",),
        inputs={"version": "{{ event.payload.version }}", "count": "3"},
        enabled=False,
        coalesce=True,
        index=0,
        line=line_of("- artifact: my-org/core"),
    )
    assert (second.artifact, second.enabled, second.coalesce, second.index) == ("default", True, False, 1)
    assert second.line == line_of("- artifact: my-org/other")


def test_a_workflow_travels_as_json() -> None:
    for workflow in load(FULL).workflows:
        assert model.workflow_from_data(json.loads(json.dumps(to_data(workflow)))) == workflow
    for event in load(FULL).events:
        assert model.event_spec_from_data(json.loads(json.dumps(to_data(event)))) == event


@pytest.mark.parametrize("version", ["1", "1.0", '"1"', '"1.0"', "v1", "0.1.0", "1.2", "'1.2'", "v1.2.3", "1.20"])
def test_every_spelling_of_the_version_is_accepted(version: str) -> None:
    assert load(f"version: {version}") == model.RepoConfig("tako.yml")


@pytest.mark.parametrize("version", ["2", "v2.0", "latest", "''", "1.x", "1.2.3.4", "true"])
def test_other_versions_are_refused(version: str) -> None:
    (problem,) = refused(f"version: {version}")
    assert problem.startswith("tako.yml:1:10: 'version' must be 1 (got ")


def test_a_missing_version_is_an_error() -> None:
    missing = "missing required field 'version' in the file"
    assert refused("# c\nmetadata: {}\n") == (f"tako.yml:2:1: {missing}",)
    assert refused("{}") == (f"tako.yml:1:1: {missing}",)
    assert refused("version:\n") == (f"tako.yml:1:1: {missing}",)


def test_empty_fields_mean_what_absent_ones_mean() -> None:
    text = """\
version: 1
metadata:
artifacts:
events:
  e:
workflows:
  w:
  x:
    description:
    on:
    inputs:
      i:
    env:
    steps:
subscriptions:
repos:
dependents:
"""
    config = load(text)
    assert config.events == (model.EventSpec("e"),)
    assert config.workflows == (
        model.WorkflowSpec("w", line=7),
        model.WorkflowSpec("x", inputs=(model.InputSpec("i"),), line=8),
    )


def test_scalars_are_text_as_they_were_written_where_text_is_meant() -> None:
    step = load(in_step("    - 5\n    - true\n    - {run: 1.10, if: true, name: 0x1F, id: s}\n")).workflows[0].steps
    assert [one.run for one in step] == ["5", "true", "1.10"]
    assert (step[2].condition, step[2].name) == ("true", "0x1F")


def test_defaults_and_allowed_values_of_text_are_as_they_were_written() -> None:
    (one, flag) = (
        load(
            in_workflow(
                "    inputs:\n"
                "      v: {default: 1.10, validation: {enum: [1.10, 2, true]}}\n"
                "      f: {type: boolean, default: 'yes'}\n"
            )
        )
        .workflows[0]
        .inputs
    )
    assert (one.default, one.enum) == ("1.10", ("1.10", "2", "true"))
    assert flag.default is True


def test_the_word_on_is_a_field_and_yes_a_name() -> None:
    text = "version: 1\nworkflows:\n  no: {on: event}\nsubscriptions:\n- {artifact: a/b, events: [off], workflow: no}"
    config = load(text)
    assert (config.workflows[0].name, config.workflows[0].on) == ("no", "event")
    assert config.subscriptions[0].events == ("off",)


def test_loading_is_the_same_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "tako.yml").write_text(FULL)
    path = str(tmp_path / "tako.yml")
    assert loader.load(path) == loader.loads(FULL.encode(), path)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (in_workflow("    stpes: []\n"), "4:5: unknown field 'stpes' in workflow 'w'; did you mean 'steps'?"),
        ("version: 1\nworkflow: {}\n", "2:1: unknown field 'workflow' at the top level; did you mean 'workflows'?"),
        (in_step("    - script: x\n"), "5:7: unknown field 'script' in step 1 of workflow 'w'; did you mean 'run'?"),
        (
            in_workflow("    inputs: {i: {validation: {enums: []}}}\n"),
            "4:31: unknown field 'enums' in 'validation' of input 'i' of workflow 'w'; did you mean 'enum'?",
        ),
        (
            in_step("    - {run: x, produces: {events: [{type: e, name: f}]}}\n"),
            (
                "5:46: unknown field 'name' in event 1 of 'produces' of step 1 of workflow 'w'; "
                "known are payload, schema_version, type"
            ),
        ),
        (
            in_step("    - uses: tako/fan-out@v1\n      with: {event_type: e, wait: true}\n"),
            (
                "6:29: unknown field 'wait' in 'with' of step 1 of workflow 'w'; "
                "known are artifact, concurrency_limit, event_type, fail_fast, idempotency_key, payload, retry, "
                "schema_version, timeout, wait_for_children"
            ),
        ),
        ("version: 1\nmetadata: {nam: a/b}\n", "2:12: unknown field 'nam' in 'metadata'; did you mean 'name'?"),
        (
            "version: 1\nartifacts: {a: {pth: x}}\n",
            "2:17: unknown field 'pth' in artifact 'a'; did you mean 'path'?",
        ),
        (
            "version: 1\nevents: {e: {payload: {f: {typ: number}}}}\n",
            "2:28: unknown field 'typ' in field 'f' of event 'e'; did you mean 'type'?",
        ),
    ],
)
def test_an_unknown_field_is_named_with_the_nearest_known(text: str, problem: str) -> None:
    assert f"tako.yml:{problem}" in refused(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("version: [1]", "1:10: 'version' must be text, not a list"),
        ("version: 1\nworkflows: [a]", "2:12: 'workflows' must be a mapping, not a list"),
        ("version: 1\nworkflows: {a: x}", "2:16: workflow 'a' must be a mapping, not 'x'"),
        ("version: 1\nsubscriptions: {}", "2:16: 'subscriptions' must be a list, not a mapping"),
        ("version: 1\nsubscriptions: [5]", "2:17: subscription 1 must be a mapping, not 5"),
        (in_workflow("    on: push"), "4:9: 'on' of workflow 'w' must be one of exec, event, not 'push'"),
        (
            in_workflow("    inputs: {i: {type: strng}}"),
            (
                "4:24: 'type' of input 'i' of workflow 'w' must be one of string, boolean, number, not 'strng'; "
                "did you mean 'string'?"
            ),
        ),
        (
            in_workflow("    inputs: {i: {required: y}}"),
            "4:28: 'required' of input 'i' of workflow 'w' must be true or false, not 'y'",
        ),
        (
            in_workflow("    inputs: {i: {type: number, validation: {min: a}}}"),
            "4:50: 'min' of 'validation' of input 'i' of workflow 'w' must be a number, not 'a'",
        ),
        (in_workflow("    env: x"), "4:10: 'env' of workflow 'w' must be a mapping, or a list of NAME=value, not 'x'"),
        (in_workflow("    env: {A: [x]}"), "4:14: variable 'A' of workflow 'w' must be text, not a list"),
        (in_workflow("    steps: x"), "4:12: 'steps' of workflow 'w' must be a list, not 'x'"),
        (in_step("    -\n"), "5:6: step 1 of workflow 'w' must be a mapping, or a text to run, not empty"),
        (in_step("    - [x]\n"), "5:7: step 1 of workflow 'w' must be a mapping, or a text to run, not a list"),
        (
            in_step("    - {run: x, shell: zsh}\n"),
            "5:23: 'shell' of step 1 of workflow 'w' must be one of sh, bash, not 'zsh'; did you mean 'sh'?",
        ),
        (
            in_step("    - {run: x, shell: [sh]}\n"),
            "5:23: 'shell' of step 1 of workflow 'w' must be one of sh, bash, not a list",
        ),
        (
            "version: 1\nartifacts: {a: {path: x, ecosystem: pip}}",
            "2:37: 'ecosystem' of artifact 'a' must be one of go, npm, python, maven, cargo, generic, not 'pip'",
        ),
        (
            in_step("    - {run: x, produces: {outputs: {o: }}}\n"),
            "5:40: output 'o' of 'produces' of step 1 of workflow 'w' must be",
        ),
        (
            in_step("    - uses: tako/fan-out@v1\n      with: [x]\n"),
            "6:13: 'with' of step 1 of workflow 'w' must be a mapping, not a list",
        ),
        (
            in_step("    - uses: tako/fan-out@v1\n      with: {event_type: e, wait_for_children: 'y'}\n"),
            "6:48: 'wait_for_children' of 'with' of step 1 of workflow 'w' must be true or false, not 'y'",
        ),
        (
            "version: 1\nevents: {e: {payload: {f: {type: int}}}}",
            (
                "2:34: 'type' of field 'f' of event 'e' must be one of string, number, integer, boolean, "
                "object, array, not 'int'"
            ),
        ),
    ],
)
def test_a_value_of_the_wrong_kind_is_told_with_what_is_expected(text: str, problem: str) -> None:
    assert any(found.startswith(f"tako.yml:{problem}") for found in refused(text))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("version: 1\nartifacts:\n  a:\n    command: x\n", "3:3: missing required field 'path' in artifact 'a'"),
        (
            "version: 1\nworkflows: {w: }\nsubscriptions:\n  - artifact: a/b\n    workflow: w\n",
            "4:5: missing required field 'events' in subscription 1",
        ),
        (
            in_step("    - uses: tako/fan-out@v1\n"),
            "5:7: missing required field 'event_type' in 'with' of step 1 of workflow 'w'",
        ),
        (
            in_step("    - uses: tako/fan-out@v1\n      with:\n        payload: {}\n"),
            "6:7: missing required field 'event_type' in 'with' of step 1 of workflow 'w'",
        ),
        (
            in_step("    - run: x\n      produces: {events: [{payload: {}}]}\n"),
            "6:27: missing required field 'type' in event 1 of 'produces' of step 1 of workflow 'w'",
        ),
    ],
)
def test_a_missing_field_is_told_where_it_is_missing(text: str, problem: str) -> None:
    assert refused(text) == (f"tako.yml:{problem}",)


def test_problems_of_every_kind_come_together_in_the_order_of_the_file() -> None:
    text = """\
version: 1
workflows:
  release:
    stpes: []
    image: golang
    steps:
      - id: a
        run: x
        shell: fish
      - id: a
        run: y
subscriptions:
  - artifact: a/b
    events: x
    workflow: relaese
"""
    assert refused(text) == (
        "tako.yml:4:5: unknown field 'stpes' in workflow 'release'; did you mean 'steps'?",
        "tako.yml:5:5: 'image' of a workflow is part of the language but not supported by this version of Tako",
        (
            "tako.yml:9:16: 'shell' of step 1 of workflow 'release' must be one of sh, bash, not 'fish'; "
            "did you mean 'sh'?"
        ),
        "tako.yml:10:13: duplicate step id 'a': step 1 of workflow 'release' has it too",
        "tako.yml:14:13: 'events' of subscription 1 must be a list, not 'x'",
        (
            "tako.yml:15:15: subscription 1 runs workflow 'relaese', which this file does not have; "
            "did you mean 'release'?"
        ),
    )


def test_what_only_follows_from_a_fault_is_not_told() -> None:
    assert len(refused(in_step("    - {run: [x]}\n"))) == 1
    assert len(refused(in_step("    - {rnu: x}\n"))) == 1
    assert (
        len(refused("version: 1\nworkflows: {a: 5}\nsubscriptions: [{artifact: a/b, events: [e], workflow: a}]")) == 1
    )


def test_the_error_counts_its_problems_and_names_the_file() -> None:
    with pytest.raises(ConfigError) as caught:
        loader.loads(b"a: 1\nb: 1\nversion: 1", "some/tako.yml")
    lines = str(caught.value).splitlines()
    assert lines[0] == "some/tako.yml: could not unmarshal config: 2 problems"
    assert lines[1].startswith("  some/tako.yml:1:1: unknown field 'a'")
    with pytest.raises(ConfigError, match="could not unmarshal config: 1 problem\n"):
        loader.loads(b"a: 1\nversion: 1", "p")


@pytest.mark.parametrize(
    ("word", "meaning"), [("yes", True), ("On", True), ("'true'", True), ("NO", False), ("off", False)]
)
def test_yes_no_on_off_are_booleans(word: str, meaning: bool) -> None:
    text = f"version: 1\nworkflows: {{w: {{env: {{A: {word}}}, steps: [{{run: x, continue_on_error: {word}}}]}}}}\n"
    workflow = loader.loads(text.encode(), "tako.yml").workflows[0]
    assert workflow.steps[0].continue_on_error is meaning
    assert workflow.env["A"] == word.strip("'")
