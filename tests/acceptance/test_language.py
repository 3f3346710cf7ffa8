"""What a ``tako.yml`` says is what happens: the language, field by field, in real runs."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Ran, World


def yml(text: str) -> str:
    """A ``tako.yml`` of version 1."""
    return "version: 1\n" + textwrap.dedent(text)


def run(world: World, directory: Path, workflow: str, *arguments: str) -> dict[str, Any]:
    """A workflow's result; it must have succeeded."""
    ran = world.tako("exec", workflow, "--json", *arguments, cwd=directory)
    assert ran.code == 0, ran.text
    result: dict[str, Any] = ran.json()
    return result


def failing(world: World, directory: Path, workflow: str, *arguments: str) -> Ran:
    """A run that must fail, without a traceback."""
    ran = world.tako("exec", workflow, *arguments, cwd=directory)
    assert ran.code == 1, ran.text
    assert "Traceback" not in ran.text
    return ran


def root_log(world: World, result: dict[str, Any], step: str) -> str:
    """What a step of the root printed."""
    return (world.workspace(result["run_id"]) / "logs" / f"{step}.log").read_text()


def child_log(child: dict[str, Any], step: str = "step-1") -> str:
    """What a step of a triggered run printed."""
    return (Path(child["workspace"]) / "logs" / f"{step}.log").read_text()


def outputs(result: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Every step's outputs, by its id."""
    return {step["id"]: step["outputs"] for step in result["steps"]}


def statuses(result: dict[str, Any]) -> dict[str, str]:
    """How every step ended, by its id."""
    return {step["id"]: step["status"] for step in result["steps"]}


def labels(result: dict[str, Any]) -> list[str]:
    """What was triggered, as ``owner/name:workflow``."""
    return sorted(f"{child['repository']}:{child['workflow']}" for child in result["runs"])


def problems(world: World, directory: Path) -> list[str]:
    """Everything that ``tako validate`` has against a file, which it must refuse."""
    ran = world.tako("validate", "--json", cwd=directory)
    assert ran.code == 2, ran.text
    return ["{file}:{line}:{column}: {message}".format(**one) for one in ran.json()["problems"]]


# Workflows: inputs, environment, steps


INPUTS = yml(
    """
    workflows:
      release:
        inputs:
          level: {type: string, default: patch, validation: {enum: [major, minor, patch]}}
          tag: {validation: {pattern: "^v[0-9]+$"}, default: v1}
          loud: {type: boolean, default: false}
          count: {type: number, default: 2, validation: {min: 1, max: 5}}
          share: {type: number, default: 0.5}
          version-bump: {required: true, description: with a hyphen}
          nothing: {}
        steps:
          - id: show
            run: |
              echo "{{ inputs.level }} {{ inputs.tag }} {{ inputs.loud }} {{ inputs.count }} {{ inputs.share }}"
              echo "{{ inputs['version-bump'] }} $TAKO_INPUT_VERSION_BUMP $TAKO_INPUT_LOUD $TAKO_INPUT_COUNT"
              echo "nothing: ${TAKO_INPUT_NOTHING-unset}"
          - {id: typed, if: "inputs.loud && inputs.count > 3 && inputs.share == 0.25", run: "true"}
          - {id: default, if: "!inputs.loud", run: "true"}
    """
)


def test_inputs_have_their_types_and_defaults(world: World) -> None:
    directory = world.working("lib", INPUTS)
    given = ("-i", "version-bump=x y", "-i", "loud=yes", "-i", "count=4", "-i", "share=0.25", "-i", "level=minor")
    result = run(world, directory, "release", *given)
    assert root_log(world, result, "show").splitlines() == [
        "minor v1 true 4 0.25",
        "x y x y true 4",
        "nothing: unset",
    ]
    assert statuses(result) == {"show": "success", "typed": "success", "default": "skipped"}
    assert result["inputs"] == {
        "level": "minor",
        "tag": "v1",
        "loud": True,
        "count": 4,
        "share": 0.25,
        "version-bump": "x y",
    }


def test_inputs_that_break_the_rules_are_all_told_and_nothing_runs(world: World) -> None:
    directory = world.working("lib", INPUTS)
    given = ("-i", "level=huge", "-i", "tag=1", "-i", "loud=perhaps", "-i", "count=6", "-i", "share=lots")
    told = failing(world, directory, "release", *given).err
    assert "required input 'version-bump' not provided" in told
    assert "value 'huge' is not in allowed values: major, minor, patch" in told
    assert "value '1' does not match the pattern ^v[0-9]+$" in told
    assert "input 'loud': value 'perhaps' is not true or false" in told
    assert "value '6' is more than 5" in told
    assert "value 'lots' is not a number" in told
    assert not (world.home / "workspaces").exists()


def test_defaults_that_break_their_own_rules_are_refused_with_their_line(world: World) -> None:
    directory = world.working(
        "lib",
        yml(
            """
            workflows:
              a:
                inputs:
                  level: {default: huge, validation: {enum: [small]}}
                  count: {type: number, default: many}
                steps: ["true"]
            """
        ),
    )
    level, count = problems(world, directory)
    assert level.startswith("tako.yml:6:")
    assert "value 'huge' is not in allowed values: small" in level
    assert count.startswith("tako.yml:7:")
    assert "value 'many' is not a number" in count


def test_environment_of_workflow_and_step(world: World) -> None:
    directory = world.working(
        "lib",
        yml(
            """
            workflows:
              mapping:
                inputs: {who: {default: Ada}}
                env: {GREETING: "Hello {{ inputs.who }}", NUMBER: 1.10, FLAG: yes, TAKO_REPO: mine}
                steps:
                  - {id: first, run: 'echo "$GREETING|$NUMBER|$FLAG|$TAKO_REPO|$FROM_OUTSIDE"'}
                  - id: own
                    env: ["GREETING=Bye {{ inputs.who }}", "URL=a=b", "BOTH={{ env.NUMBER }}"]
                    run: 'echo "$GREETING|$URL|$BOTH"'
                  - {id: after, run: 'echo "$GREETING|${URL-unset}"'}
              listed:
                env: [A=1, "B=two words"]
                steps: [{id: first, run: 'echo "$A|$B|{{ env.B }}"'}]
            """
        ),
    )
    world.env["FROM_OUTSIDE"] = "outside"
    result = run(world, directory, "mapping")
    assert root_log(world, result, "first") == "Hello Ada|1.10|yes|local/lib|outside\n"
    assert root_log(world, result, "own") == "Bye Ada|a=b|1.10\n"
    assert root_log(world, result, "after") == "Hello Ada|unset\n"
    assert root_log(world, run(world, directory, "listed"), "first") == "1|two words|two words\n"


def test_conditions_decide_and_what_is_skipped_is_recorded(world: World) -> None:
    directory = world.working(
        "lib",
        yml(
            """
            workflows:
              go:
                inputs: {version-bump: {default: none}, fast: {type: boolean, default: true}}
                steps:
                  - echo plain text is a step
                  - {id: probe, run: echo 1.4.2, produces: {outputs: {version: from_stdout}}}
                  - {id: yes-1, if: "semver.major(steps.probe.outputs.version) == 1", run: "true"}
                  - {id: yes-2, if: "'1.4.2'.startsWith('1.') && 'ABC'.lower() == 'abc'", run: "true"}
                  - {id: yes-3, if: "!(.inputs.fast == false) && repo == 'local/lib'", run: "true"}
                  - {id: yes-4, if: "semver.matches(steps.probe.outputs.version, '^1.2.0')", run: "true"}
                  - {id: no-1, if: "inputs['version-bump'] != 'none'", run: exit 9}
                  - {id: no-2, if: "!.inputs.fast", run: exit 9, produces: {outputs: {x: from_stdout}}}
                  - {id: no-3, if: "steps['no-2'].status == 'success'", uses: tako/fan-out@v1, with: {event_type: e}}
                  - {run: "true"}
            """
        ),
    )
    result = run(world, directory, "go")
    wanted = {f"yes-{number}": "success" for number in range(1, 5)} | {
        f"no-{number}": "skipped" for number in (1, 2, 3)
    }
    assert statuses(result) == {"step-1": "success", "probe": "success", **wanted, "step-10": "success"}
    assert result["fan_outs"] == []
    shown = world.tako("exec", "go", cwd=directory).text
    assert "step 'no-1' skipped" in shown
    assert "  – no-1 (" in shown


def test_a_condition_that_cannot_be_evaluated_fails_the_step(world: World) -> None:
    directory = world.working(
        "lib",
        yml("workflows: {go: {steps: [{id: b, run: 'true'}, {id: a, if: steps.b.outputs.c == 'x', run: exit 9}]}}"),
    )
    told = failing(world, directory, "go").err
    assert "execution failed: step 'a' failed" in told
    assert "tako.yml:2: the condition `steps.b.outputs.c == 'x'` could not be evaluated" in told


def test_shells_stop_at_the_first_error_and_bash_also_in_a_pipe(world: World) -> None:
    directory = world.working(
        "lib",
        yml(
            """
            workflows:
              sh: {steps: [{id: a, run: "false | true\\necho through; [ -z \\"$BASH_VERSION\\" ] || echo bash"}]}
              stops: {steps: [{id: a, run: "echo before\\nfalse\\necho after"}]}
              bash: {steps: [{id: a, shell: bash, run: "x=(1 2); echo ${#x[@]}; false | cat; echo after"}]}
            """
        ),
    )
    assert root_log(world, run(world, directory, "sh"), "a") == "through\n"
    assert "exit code 1" in failing(world, directory, "stops").err
    told = failing(world, directory, "bash").err
    assert "execution failed: step 'a' failed: exit code 1" in told
    logs = sorted(log.read_text() for log in (world.home / "workspaces").glob("*/logs/a.log"))
    assert logs == ["2\n", "before\n", "through\n"]


def test_a_step_runs_in_its_working_directory(world: World) -> None:
    directory = world.working(
        "lib",
        yml(
            """
            workflows:
              go:
                inputs: {part: {default: one}}
                steps:
                  - {id: top, run: pwd}
                  - {id: below, working_directory: parts/one, run: pwd; cat name}
                  - {id: templated, working_directory: "parts/{{ inputs.part }}", run: cat name, produces: {outputs: {
                      name: "from_file:name"}}}
              missing: {steps: [{id: a, working_directory: nowhere, run: "true"}]}
              out:
                inputs: {to: {default: ../..}}
                steps: [{id: a, working_directory: "x/../{{ inputs.to }}", run: "true"}]
            """
        ),
        {"parts/one/name": "I\n", "parts/two/name": "II\n"},
    )
    result = run(world, directory, "go", "-i", "part=two")
    assert root_log(world, result, "top") == f"{directory}\n"
    assert root_log(world, result, "below") == f"{directory}/parts/one\nI\n"
    assert root_log(world, result, "templated") == "II\n"
    assert outputs(result)["templated"] == {"name": "II"}
    assert "the working directory 'nowhere' does not exist" in failing(world, directory, "missing").err
    assert "leads out of the repository" in failing(world, directory, "out").err


# What a step leaves behind


def test_outputs_of_every_kind(world: World) -> None:
    directory = world.working(
        "lib",
        yml(
            r"""
            workflows:
              go:
                inputs: {name: {default: lib}}
                steps:
                  - id: make
                    env: {SEEN: before}
                    run: |
                      echo "version: 1.2.3 of {{ inputs.name }}"
                      echo "a warning" >&2
                      printf 'from a file\nof two lines\n' > out.txt
                      export SEEN="after é"
                      echo "written=by the step" >> "$TAKO_OUTPUT"
                      echo "Count=7" >> "$TAKO_OUTPUT"
                      printf 'notes<<END\nfirst = line\n\nlast\nEND\nempty=\n' >> "$TAKO_OUTPUT"
                    produces:
                      outputs:
                        all: from_stdout
                        errors: from_stderr
                        file: from_file:out.txt
                        variable: from_env:SEEN
                        written_too: from_env:Count
                        version: 'version: (\S+)'
                        tag: "v{{ outputs.version }}-{{ inputs.name }}"
                  - id: use
                    run: |
                      echo "{{ steps.make.outputs.tag }} {{ steps.make.outputs.written }}"
                      cat <<'END'
                      {{ steps.make.outputs.notes }}
                      END
            """
        ),
    )
    result = run(world, directory, "go")
    assert outputs(result)["make"] == {
        "all": "version: 1.2.3 of lib",
        "errors": "a warning",
        "file": "from a file\nof two lines",
        "variable": "after é",
        "written": "by the step",
        "Count": "7",
        "written_too": "7",
        "notes": "first = line\n\nlast",
        "empty": "",
        "version": "1.2.3",
        "tag": "v1.2.3-lib",
    }
    assert root_log(world, result, "use") == "v1.2.3-lib by the step\nfirst = line\n\nlast\n"


@pytest.mark.parametrize(
    ("script", "source", "why"),
    [
        ("true", "from_file:none.txt", "output 'x' was promised from the file 'none.txt', which cannot be read"),
        ("true", "from_env:NONE", "output 'x' was promised from the variable NONE, which the step did not set"),
        ("echo b", "a=(.*)", "output 'x' was promised by the pattern 'a=(.*)', which matches nothing on stdout"),
        (
            "echo just a word > $TAKO_OUTPUT",
            "from_stdout",
            "line 1 of $TAKO_OUTPUT is neither name=value nor name<<END",
        ),
        ("echo 'x<<END' > $TAKO_OUTPUT", "from_stdout", "line 1 of $TAKO_OUTPUT opens a block that 'END' never ends"),
    ],
)
def test_an_output_that_is_promised_and_not_there_fails_the_step(
    world: World, script: str, source: str, why: str
) -> None:
    steps = [{"id": "a", "run": script, "produces": {"outputs": {"x": source}}}, {"id": "b", "run": "touch ran"}]
    directory = world.working("lib", json.dumps({"version": 1, "workflows": {"go": {"steps": steps}}}))
    told = failing(world, directory, "go").err
    assert "execution failed: step 'a' failed: tako.yml:1: " in told
    assert why in told
    assert not (directory / "ran").exists()


ARTIFACTS = yml(
    """
    metadata: {name: org/lib}
    artifacts:
      wheel: {path: "dist/lib-*.whl", ecosystem: python, command: "mkdir -p dist && echo wheel > dist/lib-1.whl"}
      docs: {path: site, description: a directory}
      parts: {path: "parts/**/*.txt"}
      never: {path: nowhere/*}
    workflows:
      release:
        steps:
          - {run: "mkdir -p dist && echo wheel > dist/lib-1.whl", produces: {artifact: wheel}}
          - {run: "mkdir -p site/deep && echo page > site/deep/page", produces: {artifact: docs}}
          - {run: "mkdir -p parts/a && echo 1 > parts/a/1.txt && echo 2 > parts/2.txt", produces: {artifact: parts}}
          - {id: tell, uses: tako/fan-out@v1, with: {event_type: built, artifact: wheel}}
      broken: {steps: [{id: a, run: "true", produces: {artifact: never}}]}
    """
)


def test_artifacts_reach_those_that_are_triggered_by_file_directory_and_glob(world: World) -> None:
    directory = world.working("lib", ARTIFACTS)
    world.cached(
        "org/app",
        yml(
            """
            workflows:
              use:
                inputs: {wheel: {required: true}}
                steps:
                  - |
                    cat "$TAKO_ARTIFACT_WHEEL_PATH" "$TAKO_ARTIFACT_DOCS_PATH/deep/page"
                    cat "{{ artifacts.parts.path }}/1.txt" {{ artifacts['org/lib:parts'].path | shell_quote }}/2.txt
                    cat "{{ inputs.wheel }}"
            subscriptions:
              - {artifact: "org/lib:wheel", events: [built], workflow: use, inputs: {wheel: "{{ event.artifact }}"}}
            """
        ),
        {"wheel": "the name of the artifact is a file here\n"},
    )
    result = run(world, directory, "release")
    (child,) = result["runs"]
    assert child_log(child) == "wheel\npage\n1\n2\nthe name of the artifact is a file here\n"
    made = {artifact["name"]: artifact for step in result["steps"] for artifact in step["artifacts"]}
    assert made["wheel"]["path"].endswith("/artifacts/org/lib/wheel/lib-1.whl")
    assert len(made["wheel"]["sha256"]) == 64
    assert made["docs"]["path"].endswith("/artifacts/org/lib/docs/site")
    assert len(made["docs"]["sha256"]) == 64

    told = failing(world, directory, "broken").err
    assert "artifact 'never' was not made: nothing matches nowhere/*" in told


# Events


EVENTS = yml(
    """
    metadata: {name: org/lib}
    events:
      built:
        schema_version: "1.2.0"
        payload:
          version: {type: string, required: true, pattern: "^\\\\d+\\\\.\\\\d+", max_length: 8}
          count: {type: integer, min: 1, max: 9, default: 3}
          ratio: {type: number}
          stable: {type: boolean}
          channel: {enum: [beta, stable], default: stable}
          tags: {type: array, min_length: 1}
    workflows:
      release:
        inputs: {version: {default: 1.2.3}}
        steps:
          - id: build
            run: echo {{ inputs.version | shell_quote }}
            produces:
              artifact: default
              outputs: {version: from_stdout}
              events:
                - type: built
                  payload:
                    {version: "{{ outputs.version }}", stable: "{{ true }}", ratio: "2.5", tags: [a, "{{ 'b' }}"]}
          - {id: tell, uses: tako/fan-out@v1, with: {event_type: built}}
          - {id: after, run: touch ran}
      wrong:
        steps:
          - id: tell
            uses: tako/fan-out@v1
            with: {event_type: built, payload: {count: 12, ratio: half, channel: gamma, tags: [], version: "x"}}
          - {id: after, run: touch ran}
    """
)
LISTENER = yml(
    """
    workflows:
      hear:
        steps:
          - echo '{{ event.type }} {{ event.schema_version }} {{ event.artifact }}' {{ payload | tojson | shell_quote }}
    subscriptions:
      - {artifact: "org/lib:anything", events: [built, told], workflow: hear}
    """
)


def test_a_payload_takes_its_declared_shape(world: World) -> None:
    directory = world.working("lib", EVENTS)
    world.cached("org/app", LISTENER)
    (child,) = run(world, directory, "release")["runs"]
    head, _, payload = child_log(child).partition("{")
    assert head == "built 1.2.0 default "
    assert json.loads("{" + payload) == {
        "version": "1.2.3",
        "count": 3,
        "ratio": 2.5,
        "stable": True,
        "channel": "stable",
        "tags": ["a", "b"],
    }


def test_a_payload_of_another_shape_fails_the_step_and_every_field_is_named(world: World) -> None:
    directory = world.working("lib", EVENTS)
    world.cached("org/app", LISTENER)
    ran = failing(world, directory, "wrong")
    assert "execution failed: step 'tell' failed: tako.yml:" in ran.err
    assert "the payload of event 'built' is not of its declared shape" in ran.err
    for field in ("version", "count", "ratio", "channel", "tags"):
        assert f"field '{field}': " in ran.err
    assert "Triggered runs" not in ran.out
    assert "  ✗ tell (" in ran.out
    assert "after" not in ran.out
    assert not (directory / "ran").exists()

    told = failing(world, directory, "release", "-i", "version=1.23456789").err
    assert "field 'version': its length 10 is more than 8" in told


def test_what_a_fan_out_leaves_out_comes_from_the_event_that_a_step_announced(world: World) -> None:
    directory = world.working(
        "lib",
        yml(
            """
            metadata: {name: org/lib}
            artifacts: {wheel: {path: lib.whl}}
            workflows:
              release:
                steps:
                  - id: build
                    run: touch lib.whl; echo 2.0.0
                    produces:
                      artifact: wheel
                      outputs: {version: from_stdout}
                      events:
                        - {type: told, schema_version: "{{ outputs.version }}", payload: {n: "{{ outputs.version }}"}}
                  - {id: announced, uses: tako/fan-out@v1, with: {event_type: told}}
                  - {id: own, uses: tako/fan-out@v1, with: {event_type: told, artifact: default, schema_version: 3.0.0,
                      payload: {n: "{{ steps.build.outputs.version }}!", m: {deep: ["{{ outputs.version }}"]}}}}
                  - {id: bare, uses: tako/fan-out@v1, with: {event_type: built}}
            """
        ),
    )
    world.cached("org/app", LISTENER.replace("org/lib:anything", "org/lib:wheel"))
    result = run(world, directory, "release")
    assert [child_log(child).strip() for child in result["runs"]] == [
        'told 2.0.0 wheel {"n": "2.0.0"}',
        'told 3.0.0 default {"m": {"deep": ["2.0.0"]}, "n": "2.0.0!"}',
        "built  default {}",
    ]
    told = outputs(result)["announced"]
    assert (told["children"], told["succeeded"], told["failed"]) == ("1", "1", "0")


# Subscriptions


SOURCE = yml(
    """
    metadata: {name: org/lib}
    artifacts: {wheel: {path: lib.whl}, sdist: {path: lib.tgz}}
    workflows:
      release:
        steps:
          - id: tell
            uses: tako/fan-out@v1
            with: {event_type: built, artifact: wheel, schema_version: 1.5.0, payload: {version: 2.1.0, commit: abc}}
      unversioned:
        steps: [{uses: tako/fan-out@v1, with: {event_type: built, payload: {version: 2.1.0}}}]
    """
)
RANGES = {
    "caret": ("^1.2.0", True),
    "tilde": ("~1.4.0", False),
    "exact": ("1.5.0", True),
    "between": (">=1.0.0 <1.5.0", False),
    "open-low": ("(1.5.0...2.0.0]", False),
    "closed-low": ("[1.5.0...2.0.0)", True),
    "other": ("^2.0.0", False),
}
FILTERS = {
    "holds": (["semver.major(event.payload.version) > 0", "has(event.payload.commit)"], True),
    "one-fails": (["true", "payload.version == '9.9.9'"], False),
    "missing": (["payload.nothing == 'x'"], False),
    "guarded": (["!has(payload.nothing)"], True),
}


def test_which_subscription_hears_an_event(world: World) -> None:
    directory = world.working("lib", SOURCE)
    wheel: dict[str, Any] = {"artifact": "org/lib:wheel", "events": ["built"]}
    subscriptions = [
        *({**wheel, "workflow": name, "schema_version": wanted} for name, (wanted, _) in RANGES.items()),
        *({**wheel, "workflow": name, "filters": wanted} for name, (wanted, _) in FILTERS.items()),
        {**wheel, "workflow": "off", "enabled": False},
        {**wheel, "workflow": "sdist", "artifact": "org/lib:sdist"},
        {**wheel, "workflow": "elsewhere", "artifact": "org/other:wheel"},
        {**wheel, "workflow": "another", "events": ["removed", "tested"]},
    ]
    workflows = {str(item["workflow"]): {"on": "event", "steps": ["true"]} for item in subscriptions}
    content = {"version": 1, "workflows": workflows, "subscriptions": subscriptions}
    world.cached("org/app", json.dumps(content, indent=1))
    heard = {name for name, (_, hears) in (RANGES | FILTERS).items() if hears}
    ran = world.tako("exec", "release", "-v", "--json", cwd=directory)
    assert labels(ran.json()) == sorted(f"org/app:{name}" for name in heard)
    for passed_over in (
        "org/app:tilde (", "wants schema version ~1.4.0, the event has 1.5.0",
        "its filter does not hold: payload.version == '9.9.9'",
        "its filter cannot be evaluated: payload.nothing == 'x'",
        "is not enabled",
        "waits for the artifact sdist, the event is about wheel",
        "waits for the events removed, tested",
    ):  # fmt: skip
        assert passed_over in ran.err
    assert "elsewhere" not in ran.err

    # Without a version it is in every range, and of the implicit artifact it is heard under any artifact's name.
    heard = {*RANGES, "guarded", "sdist"}
    assert labels(run(world, directory, "unversioned")) == sorted(f"org/app:{name}" for name in heard)


def test_the_first_subscription_of_a_repository_wins_and_repositories_do_not_displace_each_other(world: World) -> None:
    directory = world.working("lib", SOURCE)
    listener = yml(
        """
        workflows:
          one: {inputs: {n: {}}, steps: ["echo {{ inputs.n | shell_quote }}"]}
          two: {inputs: {n: {}}, steps: ["echo {{ inputs.n }}"]}
        subscriptions:
          - {artifact: "org/lib:wheel", events: [built], workflow: one, inputs: {n: "deaf"}, filters: ["false"]}
          - {artifact: "org/lib:wheel", events: [built], workflow: one, inputs: {n: "first {{ payload.version }}"}}
          - {artifact: "org/lib:wheel", events: [built], workflow: one, inputs: {n: second}}
          - {artifact: "org/lib:wheel", events: [built], workflow: two, inputs: {n: "{{ event.payload.commit }}"}}
        """
    )
    for name in ("org/app", "org/twin", "other/app"):
        world.cached(name, listener)
    ran = world.tako("exec", "release", "-v", "--json", cwd=directory)
    assert ran.code == 0, ran.text
    result = ran.json()
    assert labels(result) == [
        f"{name}:{work}" for name in ("org/app", "org/twin", "other/app") for work in ("one", "two")
    ]
    assert [child_log(child).strip() for child in result["runs"]] == ["first 2.1.0", "abc"] * 3
    assert ran.err.count("an earlier subscription, line 8, already runs this workflow") == 3


def test_inputs_of_a_subscription_that_do_not_fit_fail_that_run_only(world: World) -> None:
    directory = world.working("lib", SOURCE)
    world.cached(
        "org/app",
        yml(
            """
            workflows:
              needs: {inputs: {n: {type: number, required: true}}, steps: ["true"]}
              fine: {inputs: {n: {type: number, default: 1}}, steps: ["echo {{ inputs.n + 1 }}"]}
            subscriptions:
              - {artifact: "org/lib:wheel", events: [built], workflow: needs, inputs: {n: "{{ payload.commit }}"}}
              - {artifact: "org/lib:wheel", events: [built], workflow: fine}
            """
        ),
    )
    ran = world.tako("exec", "release", "--json", cwd=directory)
    assert ran.code == 1
    needs, fine = ran.json()["runs"]
    assert (needs["status"], needs["failure"]["kind"], needs["started_at"]) == ("failed", "inputs_invalid", None)
    assert "input 'n': value 'abc' is not a number" in needs["failure"]["message"]
    assert (fine["status"], child_log(fine)) == ("success", "2\n")


# Older spellings


def test_the_older_dialect_means_the_same(world: World) -> None:
    directory = world.working(
        "lib",
        """
version: "0.1.0"
metadata: {name: org/lib}
repos: [org/app]
events:
  produces:
    - {type: built, schema_version: "1.1.0"}
workflows:
  release:
    inputs: {version-bump: {default: patch}}
    env: ["MODE={{ .Inputs.version-bump }}"]
    steps:
      - id: build
        run: mkdir -p out && echo old > out/lib.txt && echo "{{ .inputs.version-bump }} $MODE"
        produces:
          artifacts: [{path: out/lib.txt}]
          outputs: {bump: from_stdout}
          events: [{type: built, payload: {bump: "{{ .outputs.bump }}"}}]
      - {id: show, run: 'echo "{{ .steps.build.bump }} {{ .Steps.build.bump }} {{ .steps.build.outputs.bump }}"'}
      - {uses: tako/fan-out@v1, with: {event_type: built, payload: {bump: "{{ .Steps.build.bump }}"}}}
""",
    )
    world.cached(
        "org/app",
        """
version: v1
events:
  subscriptions:
    - artifact: org/lib:main
      events: [{type: built}, removed]
      filter: event.payload.bump.startsWith('minor') && !(.payload.bump == 'x')
      workflow: hear
      inputs: {bump-kind: "{{ .event.payload.bump }}"}
workflows:
  hear:
    inputs: {bump-kind: {}}
    steps: ["echo {{ .inputs.bump-kind | shell_quote }} v{{ .event.schema_version }}; cat {{ artifacts.default.path }}"]
""",
    )
    result = run(world, directory, "release", "-i", "version-bump=minor")
    assert root_log(world, result, "show") == "minor minor minor minor minor minor\n"
    (child,) = result["runs"]
    assert child_log(child) == "minor minor v1.1.0\nold\n"
    assert result["fan_outs"][0]["type"] == "built"


# What is refused


def test_fields_that_come_later_are_refused_with_their_line(world: World) -> None:
    directory = world.working(
        "lib",
        yml(
            """
            artifacts:
              lib:
                path: lib
            workflows:
              go:
                image: golang
                resources:
                  cpu_limit: "1"
                  disk_limit: 1Gi
                steps:
                  - run: "true"
                    image: golang
                    network: none
                    capabilities: [x]
                    volumes: [a]
                    security_profile: x
                    resources: {memory: 1Gi}
                  - uses: tako/fan-out@v1
                    with:
                      event_type: e
            subscriptions:
              - artifact: a/b:c
                events: [e]
                workflow: go
            """
        ),
    )
    lines = (directory / "tako.yml").read_text().splitlines()
    found = problems(world, directory)
    refused = {}
    for problem in found:
        path, line, column, what = problem.split(":", 3)
        field = what.split("'")[1]
        assert path == "tako.yml"
        assert "is part of the language but not supported by this version of Tako" in what
        assert lines[int(line) - 1][int(column) - 1 :].startswith(f"{field}:")
        refused[int(line)] = field
    harmless = {"path", "run", "uses", "with", "event_type", "artifact", "events", "workflow", "steps", "lib", "go"}
    tops = {"version", "artifacts", "workflows", "subscriptions"}
    wanted = {}
    for number, line in enumerate(lines, 1):
        field = line.strip().removeprefix("- ").partition(":")[0]
        if field and field not in harmless | tops and not field.startswith("{") and line.strip() != "resources:":
            wanted[number] = field
    assert refused == wanted
    assert len(refused) == 9

    ran = world.tako("exec", "go", cwd=directory)
    assert ran.code == 1
    assert "could not unmarshal config: 9 problems" in ran.err
    assert ran.out == ""


def test_unknown_fields_are_named_with_their_place_and_the_nearest_known_name(world: World) -> None:
    directory = world.working(
        "lib",
        yml(
            """
            workflow: {}
            workflows:
              go:
                step: []
                steps:
                  - runn: make
                  - {run: make, shel: bash}
                  - {uses: tako/fan-out@v1, with: {event_typ: x, event_type: y}}
                  - {run: x, produces: {output: {}}}
                inputs: {a: {typ: string, validation: {enm: [1]}}}
            subscriptions:
              - {artefact: a/b:c, artifact: a/b:c, events: [e], workflow: gone}
            """
        ),
    )
    found = problems(world, directory)
    for wanted in (
        "tako.yml:3:1: unknown field 'workflow' at the top level; did you mean 'workflows'?",
        "tako.yml:6:5: unknown field 'step' in workflow 'go'; did you mean 'steps'?",
        "tako.yml:8:9: unknown field 'runn' in step 1 of workflow 'go'; did you mean 'run'?",
        "tako.yml:9:21: unknown field 'shel' in step 2 of workflow 'go'; did you mean 'shell'?",
    ):
        assert wanted in found
    for line, field, near in (
        (10, "event_typ", "event_type"),
        (11, "output", "outputs"),
        (12, "typ", "type"),
        (12, "enm", "enum"),
        (14, "artefact", "artifact"),
    ):
        assert any(
            problem.startswith(f"tako.yml:{line}:") and f"'{field}'" in problem and f"did you mean '{near}'?" in problem
            for problem in found
        ), (field, found)
    assert any("runs workflow 'gone', which this file does not have" in problem for problem in found)


def test_expressions_that_do_not_compile_are_refused_before_anything_runs(world: World) -> None:
    directory = world.working(
        "lib",
        yml(
            """
            workflows:
              go:
                steps:
                  - touch ran
                  - run: echo {{ inputs.x
                  - run: echo {{ inputs.x | shel_quote }}
                  - {if: "inputs.x = 1", run: "true"}
                  - {if: "1 + 1", run: "true"}
                  - {run: "echo {{ secrets.TOKEN }}"}
            subscriptions:
              - {artifact: a/b:c, events: [e], workflow: go, filters: ["payload.x ==="], schema_version: "^y"}
            """
        ),
    )
    ran = world.tako("exec", "go", cwd=directory)
    assert ran.code == 1
    assert "could not unmarshal config: 7 problems" in ran.err
    for wanted in (
        "tako.yml:7:14: 'run' of step 2 of workflow 'go': the template does not compile",
        "tako.yml:8:14: 'run' of step 3 of workflow 'go': the template does not compile",
        "tako.yml:9:14: 'if' of step 4 of workflow 'go': the condition does not compile",
        "tako.yml:10:14: 'if' of step 5 of workflow 'go': the condition `1 + 1` is neither true nor false",
        "tako.yml:11:15: 'run' of step 6 of workflow 'go': a template cannot read `secrets`; use `env` instead",
        "tako.yml:13:60: filter 1 of subscription 1: the condition does not compile",
        "tako.yml:13:94: 'schema_version' of subscription 1: ",
    ):
        assert wanted in ran.err
    assert not (directory / "ran").exists()


def test_a_template_that_fails_names_its_step_and_line_and_what_there_is(world: World) -> None:
    directory = world.working(
        "lib",
        yml(
            """
            workflows:
              go:
                inputs: {version: {default: "1"}, verson: {description: not given}}
                steps:
                  - {id: first, run: "echo 1", produces: {outputs: {number: from_stdout}}}
                  - id: second
                    run: echo {{ inputs.verson }}
              outputs:
                steps:
                  - {id: first, run: "echo 1", produces: {outputs: {number: from_stdout}}}
                  - {id: second, run: "echo {{ steps.first.outputs.numbr }}"}
            """
        ),
    )
    told = failing(world, directory, "go").err
    assert "execution failed: step 'second' failed: tako.yml:8: `inputs` has no `verson`" in told
    assert "did you mean `inputs.version`?" in told
    told = failing(world, directory, "outputs").err
    assert "execution failed: step 'second' failed: tako.yml:13: `steps.first.outputs` has no `numbr`" in told
    assert "did you mean `steps.first.outputs.number`?" in told


# Names


def test_where_a_repository_has_its_name_from(world: World) -> None:
    content = yml("workflows: {who: {steps: ['echo $TAKO_REPO']}}\n")
    plain = world.working("somewhere", content)
    told = world.tako("validate", "--json", cwd=plain)
    assert told.json()["repository"] == "local/somewhere"

    world.run(["git", "-C", str(plain), "remote", "add", "origin", "git@git.example:their-org/their-repo.git"])
    result = run(world, plain, "who")
    assert (result["repository"], root_log(world, result, "step-1")) == (
        "their-org/their-repo",
        "their-org/their-repo\n",
    )

    (plain / "tako.yml").write_text(content + "metadata: {name: my-org/mine}\n")
    refused = world.tako("exec", "who", cwd=plain)
    assert "metadata.name is my-org/mine" in refused.err
    world.run(["git", "-C", str(plain), "remote", "remove", "origin"])
    assert run(world, plain, "who")["repository"] == "my-org/mine"

    world.cached("place/in-cache", content, git=False)
    cached = world.tako("exec", "who", "--repo", "place/in-cache", "--json")
    assert (cached.code, cached.json()["repository"]) == (0, "place/in-cache")


def test_every_variable_that_a_step_is_promised(world: World) -> None:
    directory = world.working(
        "lib",
        yml(
            """
            metadata: {name: org/lib}
            artifacts: {my-wheel: {path: w}}
            workflows:
              go:
                steps:
                  - {id: make, run: "touch w; env -0 | grep -z ^TAKO_ > tako.env", produces: {artifact: my-wheel}}
                  - {id: tell, uses: tako/fan-out@v1, with: {event_type: e, artifact: my-wheel}}
            """
        ),
    )
    world.cached(
        "org/app",
        yml(
            """
            workflows:
              hear:
                inputs: {my-version: {}, yes: {type: boolean}}
                steps: [{id: env, run: env -0 | grep -z ^TAKO_}]
            subscriptions:
              - {artifact: "org/lib:my-wheel", events: [e], workflow: hear, inputs: {my-version: "1 2", yes: "true"}}
            """
        ),
    )
    # A run started from a step of another run does not take that step's variables for its own.
    world.env |= {"TAKO_INPUT_OLD": "x", "TAKO_ARTIFACT_OLD_PATH": "x", "TAKO_EVENT_ID": "old", "TAKO_STEP_ID": "old"}
    result = run(world, directory, "go")
    (child,) = result["runs"]
    home = {"TAKO_HOME": str(world.home)}
    root = variables((directory / "tako.env").read_text())
    assert root == home | {
        "TAKO_RUN_ID": result["run_id"],
        "TAKO_ROOT_RUN_ID": result["run_id"],
        "TAKO_STEP_ID": "make",
        "TAKO_WORKSPACE": str(world.workspace(result["run_id"])),
        "TAKO_REPO": "org/lib",
        "TAKO_OUTPUT": root["TAKO_OUTPUT"],
        "TAKO_EVENT_ID": "",
        "TAKO_IDEMPOTENCY_KEY": f"{result['run_id']}:org/lib:go:make",
        "TAKO_ATTEMPT": "1",
        "TAKO_STEP_ATTEMPT": "1",
    }
    event = result["fan_outs"][0]["event_id"]
    (made,) = result["steps"][0]["artifacts"]
    seen = variables(child_log(child, "env"))
    assert seen == home | {
        "TAKO_RUN_ID": child["run_id"],
        "TAKO_ROOT_RUN_ID": result["run_id"],
        "TAKO_STEP_ID": "env",
        "TAKO_WORKSPACE": child["workspace"],
        "TAKO_REPO": "org/app",
        "TAKO_OUTPUT": seen["TAKO_OUTPUT"],
        "TAKO_EVENT_ID": event,
        "TAKO_IDEMPOTENCY_KEY": f"{event}:org/app:hear:env",
        "TAKO_ATTEMPT": "1",
        "TAKO_STEP_ATTEMPT": "1",
        "TAKO_ARTIFACT_MY_WHEEL_PATH": made["path"],
        "TAKO_INPUT_MY_VERSION": "1 2",
        "TAKO_INPUT_YES": "true",
    }


def variables(dump: str) -> dict[str, str]:
    """What ``env -0`` printed."""
    return dict(entry.split("=", 1) for entry in dump.split("\0") if entry)


def test_an_older_subscription_passes_inputs_that_its_workflow_does_not_declare(world: World) -> None:
    directory = world.working("lib", SOURCE)
    older = yml(
        """
        workflows:
          update:
            steps: ["echo {{ .Inputs.version }} $TAKO_INPUT_VERSION {{ inputs.build-id }}"]
        events:
          subscriptions:
            - artifact: org/lib:wheel
              events: [{type: built}]
              workflow: update
              inputs: {version: "{{ .event.payload.version }}", build-id: 7}
        """
    )
    app = world.cached("org/app", older)
    result = run(world, directory, "release")
    assert [child_log(child).strip() for child in result["runs"]] == ["2.1.0 2.1.0 7"]
    assert world.tako("validate", str(app)).code == 0
    lint = world.tako("lint", str(app))
    assert lint.code == 0
    assert "warning: workflow 'update' does not declare the input 'version'" in lint.out
