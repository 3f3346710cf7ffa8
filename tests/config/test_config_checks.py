"""What the parts of a file must be to each other, and names and paths to the machine; each at its place."""

from __future__ import annotations

import pytest

from tako.config import loader, model, schema
from tako.config.check_caching import caching_problems
from tako.errors import ConfigError


def load(text: str) -> model.RepoConfig:
    return loader.loads(text.encode(), "tako.yml")


def refused(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert "could not unmarshal config" in caught.value.what
    return caught.value.problems


def one(text: str) -> str:
    (problem,) = refused(text)
    return problem.removeprefix("tako.yml:")


def step(fields: str) -> str:
    """A file whose one step has these fields, which start at line 4, column 9."""
    return f"version: 1\nworkflows:\n  w: {{steps:\n    - {{{fields}}}]}}".replace(
        "steps:\n    - ", "steps: [\n       "
    )


def test_the_helper_puts_a_step_where_it_says() -> None:
    assert one(step("foo: 1, run: x")).startswith("4:9: ")


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ("name: x", "4:8: step 1 of workflow 'w' needs 'run' or 'uses'"),
        ("run: x, uses: a/b@v1", "4:17: step 1 of workflow 'w' has both 'run' and 'uses'; it takes one"),
        ("run: ' '", "4:14: 'run' of step 1 of workflow 'w' must not be empty"),
        ("run: x, with: {a: 1}", "4:17: 'with' of step 1 of workflow 'w' needs 'uses'"),
    ],
)
def test_a_step_has_exactly_one_of_run_and_uses(fields: str, problem: str) -> None:
    assert one(step(fields)) == problem


@pytest.mark.parametrize("uses", ["tako/fan-out", "fan-out@v1", "a/b@1", "a/b/c@v1", "a/b@v", "''", "a b/c@v1"])
def test_uses_must_be_owner_name_version(uses: str) -> None:
    assert one(step(f"uses: {uses}")).startswith("4:15: 'uses' of step 1 of workflow 'w' must be like owner/name@v1")


def test_an_unknown_uses_is_left_to_the_plug_ins() -> None:
    assert load(step("uses: acme/x.y-z@v12")).workflows[0].steps[0].uses == "acme/x.y-z@v12"


@pytest.mark.parametrize("name", ["a", "_", "A-1_b", "step-9"])
def test_a_step_id_may_be_a_word(name: str) -> None:
    assert load(step(f"run: x, id: {name}")).workflows[0].steps[0].id == name


@pytest.mark.parametrize("name", ["1a", "-a", "''", "a b", "a/b", "a.b", "é", '"a\\n"', "a" * 201])
def test_other_step_ids_are_refused(name: str) -> None:
    assert one(step(f"run: x, id: {name}")).startswith("4:21: 'id' of step 1 of workflow 'w' ")


def test_step_ids_are_unique_in_a_workflow_also_beside_default_ids() -> None:
    text = "version: 1\nworkflows:\n  w:\n    steps:\n    - {id: step-3, run: x}\n    - x\n    - run: y\n"
    text += "  v:\n    steps: [x]\n"
    assert one(text) == "7:7: duplicate step id 'step-3': step 1 of workflow 'w' has it too"
    text = text.replace("- run: y", "- {run: y, id: step-2}")
    assert one(text) == "7:20: duplicate step id 'step-2': step 2 of workflow 'w' has it too"


BAD_NAMES = [
    ("''", "must not be empty"),
    ("' '", "must not be empty"),
    ("a/b", "must not hold '/', '..' or '='"),
    ("a..b", "must not hold '/', '..' or '='"),
    (".", "must not hold '/', '..' or '='"),
    ("a=b", "must not hold '/', '..' or '='"),
    ('"a\\tb"', "must not hold control characters"),
    ('"a\\eb"', "must not hold control characters"),
    ('"a\\Lb"', "must not hold control characters"),
    ("é" * 101, "is too long: at most 200 bytes"),
]


@pytest.mark.parametrize(("name", "what"), BAD_NAMES)
@pytest.mark.parametrize(
    ("text", "place", "label"),
    [
        ("workflows: {%s: }", "2:13", "workflow "),
        ("workflows: {w: {inputs: {%s: }}}", "2:26", "input "),
        ("artifacts: {%s: {path: x}}", "2:13", "artifact "),
    ],
)
def test_names_must_be_fit_for_files_and_variables(text: str, place: str, label: str, name: str, what: str) -> None:
    problem = one("version: 1\n" + text % name)
    assert problem.startswith(f"{place}: {label}'")
    assert what in problem


@pytest.mark.parametrize("name", ["release", "version-bump", "a.b", "é" * 100, "with space"])
def test_other_names_are_accepted(name: str) -> None:
    assert load(f"version: 1\nworkflows: {{{name}: {{inputs: {{{name}: }}}}}}").workflows[0].inputs[0].name == name


def test_names_that_would_be_the_same_variable_are_refused() -> None:
    assert one("version: 1\nworkflows: {w: {inputs: {a-b: , A_B: }}}") == (
        "2:33: 'A_B' and 'a-b' are both 'TAKO_INPUT_A_B' to a step; rename one"
    )
    assert one("version: 1\nartifacts: {a-b: {path: x}, a_b: {path: x}}") == (
        "2:29: 'a_b' and 'a-b' are both 'TAKO_ARTIFACT_A_B_PATH' to a step; rename one"
    )


def test_a_subscription_names_a_workflow_of_the_file() -> None:
    text = "version: 1\nworkflows: {release: }\nsubscriptions:\n- {artifact: a/b, events: [e], workflow: %s}"
    assert one(text % "relase") == (
        "4:42: subscription 1 runs workflow 'relase', which this file does not have; did you mean 'release'?"
    )
    assert one(text % "x") == "4:42: subscription 1 runs workflow 'x', which this file does not have"


@pytest.mark.parametrize(
    "artifact",
    ["lib", "a//c:x", "/b:x", "a/:x", "'a/b:'", "../b:x", "a/..:x", "a b/c:d", '"a/b:x\\n"', "''", "https://h/a/b"],
)
def test_a_subscribed_artifact_is_owner_repo_artifact(artifact: str) -> None:
    text = f"version: 1\nworkflows: {{w: }}\nsubscriptions:\n- artifact: {artifact}\n  events: [e]\n  workflow: w"
    assert one(text).startswith("4:13: 'artifact' of subscription 1 must be owner/repo:artifact (got ")


@pytest.mark.parametrize(
    ("artifact", "parts"),
    [("a/b", ("a/b", "default")), ("a/b:c", ("a/b", "c")), ("a.b/c_d:feature/x", ("a.b/c_d", "feature/x"))],
)
def test_a_subscribed_artifact_has_two_parts(artifact: str, parts: tuple[str, str]) -> None:
    text = f"version: 1\nworkflows: {{w: }}\nsubscriptions:\n- artifact: {artifact}\n  events: [e]\n  workflow: w"
    (subscription,) = load(text).subscriptions
    assert (subscription.repo, subscription.artifact) == parts


def test_a_subscription_names_events() -> None:
    text = "version: 1\nworkflows: {w: }\nsubscriptions:\n- {artifact: a/b, workflow: w, events: %s}"
    assert one(text % "[]") == "4:40: 'events' of subscription 1 must name an event"
    assert one(text % "['']") == "4:41: event 1 of subscription 1 must not be empty (got '')"
    assert one(text % '[a, "b\\n"]').startswith("4:44: event 2 of subscription 1 must not hold control characters")


@pytest.mark.parametrize("name", ["repo", "a//c", "../b", "a/..", "''", "/", "a/b c"])
def test_the_name_of_the_repository_is_owner_name(name: str) -> None:
    assert one(f"version: 1\nmetadata: {{name: {name}}}").startswith("2:18: 'name' of 'metadata' must be owner/name")


def test_a_produced_artifact_is_declared_or_the_default() -> None:
    text = "version: 1\nartifacts: {lib: {path: x}}\nworkflows:\n  w:\n    steps:\n"
    text += "    - {run: x, produces: {artifact: %s}}"
    assert one(text % "lob") == "6:37: artifact 'lob' is not declared under 'artifacts'; did you mean 'lib'?"
    for name in ("lib", "default"):
        produces = load(text % name).workflows[0].steps[0].produces
        assert produces is not None
        assert produces.artifact == name


def test_a_fanned_out_artifact_is_declared_or_the_default_or_a_template() -> None:
    text = "uses: tako/fan-out@v1, with: {event_type: e, artifact: %s}"
    assert one(step(text % "lib")) == "4:64: artifact 'lib' is not declared under 'artifacts'"
    for artifact in ("default", "{{ inputs.x }}"):
        params = load(step(text % f"'{artifact}'")).workflows[0].steps[0].params
        assert params["artifact"] == artifact


def test_event_types_are_not_empty() -> None:
    assert one(step("uses: tako/fan-out@v1, with: {event_type: ''}")).startswith(
        "4:51: 'event_type' of 'with' of step 1"
    )
    assert one(step("run: x, produces: {events: [{type: ''}]}")).startswith("4:44: 'type' of event 1 of 'produces'")
    assert one("version: 1\nevents: {'': }").startswith("2:10: event '' must not be empty")
    assert one("version: 1\nevents: {e: {payload: {'': }}}").startswith("2:24: field '' of event 'e' must not be empty")


BAD_PATHS = [
    ("/etc/passwd", "must be relative to the repository"),
    ("~/x", "must be relative to the repository"),
    ("..", "must not lead out of the repository"),
    ("a/../../b", "must not lead out of the repository"),
    ("./../x", "must not lead out of the repository"),
    ("''", "must not be empty"),
]


@pytest.mark.parametrize(("path", "what"), BAD_PATHS)
def test_paths_stay_in_the_repository(path: str, what: str) -> None:
    assert one(f"version: 1\nartifacts: {{a: {{path: {path}}}}}").startswith(f"2:23: 'path' of artifact 'a' {what}")
    assert one(step(f"run: x, working_directory: {path}")).startswith(
        f"4:36: 'working_directory' of step 1 of workflow 'w' {what}"
    )
    produces = one(step(f"run: x, produces: {{artifacts: [{{path: {path}}}]}}"))
    assert produces.startswith(f"4:47: 'path' of artifact 1 of 'produces' of step 1 of workflow 'w' {what}")


@pytest.mark.parametrize("path", [".", "./a", "a/../b", "dist/*.tar.gz", "a..b/c", "..."])
def test_paths_within_the_repository_are_accepted(path: str) -> None:
    assert load(f"version: 1\nartifacts: {{a: {{path: '{path}'}}}}").artifacts[0].path == path


@pytest.mark.parametrize("name", ["1A", "A-B", "''", "A B", "É", '"A\\n"'])
def test_names_of_variables_must_be_valid(name: str) -> None:
    assert " must be letters, digits and '_'" in one(f"version: 1\nworkflows: {{w: {{env: {{{name}: x}}}}}}")
    assert one(step(f"run: x, env: {{{name}: x}}")).startswith("4:23: variable '")


@pytest.mark.parametrize("source", ["(a)", "v=(\\d+)$", "(?:a|b)(c)", "(?P<x>a)", "{{ outputs.x }}", "x{% if a %}("])
def test_sources_of_outputs_may_be_a_regex_with_one_group_or_a_template(source: str) -> None:
    produces = load(step(f"run: x, produces: {{outputs: {{o: '{source}'}}}}")).workflows[0].steps[0].produces
    assert produces is not None
    assert produces.outputs == {"o": source}


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("abc", "must have 1 group in parentheses, not 0"),
        ("(a)(b)", "must have 1 group in parentheses, not 2"),
        ("(a", "is not a regular expression"),
        ("(a){99999}", "is not a regular expression"),
        ("(" * 5000, "is not a regular expression"),
        ("from_stdot", "must be from_stdout, from_stderr, from_file:PATH, from_env:NAME, a template or"),
        ("from_file", "must be from_stdout"),
        ("", "must be from_stdout"),
        ("from_file:", "must name a file after 'from_file:'"),
        ("from_env:A-B", "must be letters, digits and '_', and not start with a digit after 'from_env:'"),
    ],
)
def test_other_sources_of_outputs_are_refused(source: str, what: str) -> None:
    problem = one(step(f"run: x, produces: {{outputs: {{o: '{source}'}}}}"))
    assert problem.startswith(f"4:41: output 'o' of 'produces' of step 1 of workflow 'w' {what}")


def test_a_bracket_within_brackets_is_a_character() -> None:
    produces = load(step("run: x, produces: {outputs: {o: '([[a])'}}")).workflows[0].steps[0].produces
    assert produces is not None
    assert produces.outputs == {"o": "([[a])"}


def given(fields: str) -> str:
    return f"version: 1\nworkflows: {{w: {{inputs: {{i: {{{fields}}}}}}}}}"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ("type: number, default: abc", "2:53: 'default' of input 'i' of workflow 'w': value 'abc' is not a number"),
        ("type: number, default: true", "2:53: 'default' of input 'i' of workflow 'w': value 'true' is not a number"),
        ("type: boolean, default: maybe", "2:54: 'default' of input 'i' of workflow 'w': value 'maybe' is not true or"),
        ("default: [x]", "2:39: 'default' of input 'i' of workflow 'w': value '[\"x\"]' is not text"),
        (
            "default: x, validation: {enum: [a, b]}",
            "2:39: 'default' of input 'i' of workflow 'w': value 'x' is not in allowed values: a, b",
        ),
        (
            "type: number, default: 5, validation: {max: 4}",
            "2:53: 'default' of input 'i' of workflow 'w': value '5' is more than 4",
        ),
        (
            "type: number, default: 0, validation: {min: 0.5}",
            "2:53: 'default' of input 'i' of workflow 'w': value '0' is less than 0.5",
        ),
        (
            "default: ab, validation: {pattern: ^b}",
            "2:39: 'default' of input 'i' of workflow 'w': value 'ab' does not match the pattern ^b",
        ),
        (
            "default: a, validation: {pattern: (}",
            "2:64: 'pattern' of 'validation' of input 'i' of workflow 'w' is not a",
        ),
        ("validation: {min: 1}", "2:43: 'min' of 'validation' of input 'i' of workflow 'w' is for numbers only"),
        (
            "type: boolean, validation: {pattern: a}",
            "2:58: 'pattern' of 'validation' of input 'i' of workflow 'w' is for",
        ),
        (
            "type: number, validation: {min: 2, max: 1}",
            "2:62: 'min' of 'validation' of input 'i' of workflow 'w' is more",
        ),
        ("validation: {enum: []}", "2:49: 'enum' of 'validation' of input 'i' of workflow 'w' must not be empty"),
        (
            "type: number, validation: {enum: [1, x]}",
            "2:67: 'enum' of 'validation' of input 'i' of workflow 'w': value 'x' is not a number",
        ),
    ],
)
def test_the_rules_and_default_of_an_input_fit_its_type(fields: str, problem: str) -> None:
    assert one(given(fields)).startswith(problem)


def test_a_length_may_be_zero() -> None:
    (field,) = load("version: 1\nevents: {e: {payload: {f: {min_length: 0, max_length: 0}}}}").events[0].payload
    assert (field.min_length, field.max_length) == (0, 0)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ("type: number, default: x", "value 'x' is not a number"),
        ("type: integer, default: 1.5", "value '1.5' is not a whole number"),
        ("type: boolean, default: 2", "value '2' is not true or false"),
        ("type: object, default: x", "value 'x' is not a mapping"),
        ("type: array, default: {}", "value '{}' is not a list"),
        ("default: abc, max_length: 2", "its length 3 is more than 2"),
        ("type: array, default: [], min_length: 1", "its length 0 is less than 1"),
        ("type: integer, default: 5, max: 4", "value '5' is more than 4"),
        ("default: x, enum: [a]", "value 'x' is not in allowed values: a"),
        ("type: integer, enum: [1.5]", "'enum' of field 'f' of event 'e': value '1.5' is not a whole number"),
        ("pattern: (", "'pattern' of field 'f' of event 'e' is not a regular expression"),
        ("type: number, pattern: a", "'pattern' of field 'f' of event 'e' is for text only"),
        ("max: 1", "'max' of field 'f' of event 'e' is for numbers only"),
        ("type: number, min_length: 1", "'min_length' of field 'f' of event 'e' is for text and lists only"),
        ("min_length: 1.5", "'min_length' of field 'f' of event 'e' must be a whole number, 0 or more"),
        ("max_length: -1", "'max_length' of field 'f' of event 'e' must be a whole number, 0 or more"),
        ("min_length: 3, max_length: 2", "'min_length' of field 'f' of event 'e' is more than 'max_length'"),
        ("type: integer, min: 3, max: 2", "'min' of field 'f' of event 'e' is more than 'max'"),
    ],
)
def test_the_rules_and_default_of_a_payload_field_fit_its_type(fields: str, problem: str) -> None:
    assert problem in one(f"version: 1\nevents: {{e: {{payload: {{f: {{{fields}}}}}}}}}")


KEY_FILES = "'cache_key_files' of step 1 of workflow 'w'"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ("run: x, cache_key_files: []", f"4:34: {KEY_FILES} must name a file or a glob; leave it out"),
        ("run: x, cache_key_files: ../a", f"4:34: item 1 of {KEY_FILES} must not lead out of the repository"),
        ("run: x, cache_key_files: [a, /b]", f"4:38: item 2 of {KEY_FILES} must be relative to the repository"),
        ("run: x, cache_key_files: ['{{ a }}']", f"4:35: item 1 of {KEY_FILES}: no template is read here, so"),
        ("run: x, cache_key_files: 4", f"4:34: {KEY_FILES} must be a list"),
        ("uses: a/b@v1, cache_key_files: a", f"4:23: {KEY_FILES} is for 'run' steps"),
        ("uses: tako/fan-out@v1, with: {event_type: e}, cache_key_files: a", f"4:55: {KEY_FILES} is for 'run' steps"),
    ],
)
def test_key_files_are_paths_in_the_repository_of_a_run_step(fields: str, problem: str) -> None:
    assert one(step(fields)).startswith(problem)


def test_a_step_that_is_left_running_has_nothing_to_cache() -> None:
    given = schema.Step(run="x", long_running=True, cache_key_files=["a"])
    (problem,) = caching_problems(given, ("workflows", "w", "steps", 0))
    assert problem.what.startswith(f"{KEY_FILES} is not for a step that is left running")


def test_one_key_file_is_a_list_of_one() -> None:
    assert load(step("run: x, cache_key_files: 'src/**'")).workflows[0].steps[0].cache_key_files == ("src/**",)
    assert load(step("run: x, cache_key_files: [a, b]")).workflows[0].steps[0].cache_key_files == ("a", "b")
    assert load(step("run: x, cache_key_files: null")).workflows[0].steps[0].cache_key_files == ()


def dependents(fields: str) -> str:
    return f"version: 1\nartifacts: {{lib: {{path: x}}}}\ndependents:\n- {{{fields}}}\n"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ("repo: a/b, workflows: []", "4:26: 'workflows' of dependent 1 must name a workflow of that repository"),
        ("repo: b, workflows: [w]", "4:10: 'repo' of dependent 1 must be owner/name, or owner/name:branch (got 'b')"),
        ("repo: 'a/b:', workflows: [w]", "4:10: 'repo' of dependent 1 must be owner/name, or owner/name:branch"),
        ("repo: a/b, workflows: ['']", "4:27: workflow 1 of dependent 1 must not be empty"),
        ("repo: a/b, workflows: [w], artifacts: [li]", "4:43: artifact 'li' of dependent 1 is not declared"),
        ("workflows: [w]", "4:3: missing required field 'repo' in dependent 1"),
    ],
)
def test_a_dependent_names_a_repository_its_workflows_and_artifacts_of_this_one(fields: str, problem: str) -> None:
    assert one(dependents(fields)).startswith(problem)


def test_dependents_are_read() -> None:
    config = load(dependents("repo: a/b:feature/x, workflows: [w, v], artifacts: [lib, default]"))
    named = model.Dependent("a/b", ref="feature/x", artifacts=("lib", "default"), workflows=("w", "v"), line=4)
    assert config.dependents == (named,)
    assert load(dependents("repo: a/b, workflows: [w]")).dependents[0].ref is None


def test_how_an_artifact_is_installed_is_read() -> None:
    artifact = load("version: 1\nartifacts: {a: {path: x, install_command: i, verify_command: v}}").artifacts[0]
    assert (artifact.install_command, artifact.verify_command) == ("i", "v")


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        (
            'shell: sh, run: "#!/bin/sh\\nx"',
            "4:9: 'shell' of step 1 of workflow 'w': the script says by its first line",
        ),
        ('run: "#!/bin/sh\\nx", shell: bash', "4:30: 'shell' of step 1 of workflow 'w': the script says by its first"),
        ('run: "#!\\nx"', "4:14: 'run' of step 1 of workflow 'w' begins with '#!' and names nothing to run it"),
        (
            'run: "#!/bin/sh", produces: {outputs: {a: from_env:X}}',
            "4:51: output 'a': what a script exports that runs by itself ('#!/bin/sh') is not known",
        ),
    ],
)
def test_script_that_names_what_runs_it_conflicts(fields: str, problem: str) -> None:
    assert one(step(fields)).startswith(problem)


def test_script_may_name_what_runs_it() -> None:
    spec = load(step('run: "#!/usr/bin/env python3\\nx", produces: {outputs: {a: from_stdout}}')).workflows[0].steps[0]
    assert (spec.run, spec.shell) == ("#!/usr/bin/env python3\nx", "sh")
