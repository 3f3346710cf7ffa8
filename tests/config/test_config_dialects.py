"""Older spellings mean what the present ones mean, and errors in them point to what was written."""

from __future__ import annotations

import copy

import pytest

from tako.config import dialects, loader, model
from tako.config.source import parse
from tako.errors import ConfigError

PRESENT = """\
version: 1
events:
  library_built: {}
  library_failed: {schema_version: "1.0.0"}
workflows:
  on_built:
    env: {A: "1", B: x=y}
    steps:
      - run: echo
subscriptions:
  - artifact: o/top
    events: [e]
    workflow: on_built
  - artifact: o/publisher:default
    events: [library_built, library_failed]
    schema_version: ^1.0.0
    filters: ['payload.build_status == "success"']
    workflow: on_built
"""

OLDER = """\
version: "0.1.0"
repos:
  - o/subscriber
workflows:
  on_built:
    env: [A=1, B=x=y]
    steps:
      - echo
subscriptions:
  - artifact: o/top
    events: [e]
    workflow: on_built
events:
  produces:
    - type: library_built
    - type: library_failed
      schema_version: "1.0.0"
  subscriptions:
    - artifact: o/publisher:default
      events:
        - {type: library_built}
        - library_failed
      schema_version: ^1.0.0
      filter: 'payload.build_status == "success"'
      workflow: on_built
"""


def load(text: str) -> model.RepoConfig:
    return loader.loads(text.encode(), "tako.yml")


def refused(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load(text)
    return caught.value.problems


def without_lines(config: model.RepoConfig) -> str:
    import re

    return re.sub(r"line=\d+", "", repr(config))


def test_older_spellings_mean_the_same_as_the_present_ones() -> None:
    assert without_lines(load(OLDER)) == without_lines(load(PRESENT))


def test_an_empty_list_of_subscriptions_does_not_hide_the_older_ones() -> None:
    text = OLDER.replace("  - artifact: o/top\n    events: [e]\n    workflow: on_built\n", "", 1)
    assert [one.repo for one in load(text).subscriptions] == ["o/publisher"]


def test_lines_are_those_of_the_older_spelling() -> None:
    config = load(OLDER)
    assert [one.line for one in config.subscriptions] == [10, 19]
    assert config.workflows[0].steps[0].line == 8


def test_normalising_leaves_its_argument_alone() -> None:
    data = parse(OLDER, "p").data
    before = copy.deepcopy(data)
    normal = dialects.normalise(data)
    assert data == before
    assert dialects.normalise(normal.data).data == normal.data


def test_a_present_spelling_moves_nothing() -> None:
    normal = dialects.normalise(parse(PRESENT, "p").data)
    assert normal.moves == {}
    assert normal.data == parse(PRESENT, "p").data
    assert normal.origin(("a", 1)) == ("a", 1)


@pytest.mark.parametrize(
    ("replaced", "by", "problem"),
    [
        ("- type: library_built\n", "- type: [x]\n", "15:13: 'type' of item 1 of 'produces' of 'events' must be text"),
        (
            "- type: library_built\n",
            "- tpye: x\n",
            "15:7: unknown field 'tpye' in item 1 of 'produces' of 'events'; did",
        ),
        ("- type: library_built\n", "- tpye: x\n", "15:7: missing required field 'type' in item 1 of 'produces' of"),
        ("- type: library_built\n", "- x\n", "15:7: an item of 'produces' of 'events' must be like {type: name}"),
        ("- type: library_built\n", "- type: library_failed\n", "16:13: event 'library_failed' is declared twice"),
        ("- type: library_built\n", "- type: ''\n", "15:7: event '' must not be empty"),
        ('schema_version: "1.0.0"', "schema_version: [1]", "17:23: 'schema_version' of event 'library_failed' must be"),
        ("- {type: library_built}", "- {type: []}", "21:18: event 1 of subscription 2 must be text, not a list"),
        ("- {type: library_built}", "- {tpye: x}", "21:12: unknown field 'tpye' in event 1 of subscription 2; did you"),
        ("- {type: library_built}", "- {tpye: x}", "21:11: missing required field 'type' in event 1 of subscription 2"),
        ("- {type: library_built}", "- {type: ''}", "21:18: event 1 of subscription 2 must not be empty (got '')"),
        (
            "filter: 'payload",
            "fliter: 'payload",
            "24:7: unknown field 'fliter' in subscription 2; did you mean 'filters'",
        ),
        (
            "filter: 'payload.build_status == \"success\"'",
            "filter: [x]",
            "24:15: filter 1 of subscription 2 must be text",
        ),
        ("      workflow: on_built", "      workflow: x", "25:17: subscription 2 runs workflow 'x', which this file"),
        ("o/publisher:default", "publisher", "19:17: 'artifact' of subscription 2 must be owner/repo:artifact"),
        ("A=1", "A", "6:11: item 1 of 'env' of workflow 'on_built' must be NAME=value"),
        ("A=1", "5", "6:11: item 1 of 'env' of workflow 'on_built' must be NAME=value"),
        ("A=1", "B=1", "6:16: duplicate key 'B'"),
        ("A=1", "1A=1", "6:11: variable '1A' of workflow 'on_built' must be letters"),
        ("- echo", "- ''", "8:9: 'run' of step 1 of workflow 'on_built' must not be empty"),
        ("  - o/subscriber", "  - []", "3:5: item 1 of 'repos' must be text, not a list"),
    ],
)
def test_errors_point_to_what_was_written(replaced: str, by: str, problem: str) -> None:
    text = OLDER.replace(replaced, by)
    assert text != OLDER
    assert any(found.startswith(f"tako.yml:{problem}") for found in refused(text)), refused(text)


def test_an_event_of_a_subscription_may_carry_the_range() -> None:
    text = OLDER.replace("      schema_version: ^1.0.0\n", "")
    text = text.replace("{type: library_built}", "{type: library_built, schema_version: 1.10}")
    text = text.replace("        - library_failed\n", "")
    assert load(text).subscriptions[1].schema_version == "1.10"


@pytest.mark.parametrize(
    ("other", "kept"), [("{type: library_failed}", "^1.0.0"), ("{type: x, schema_version: ^2.0.0}", "^1.0.0")]
)
def test_ranges_that_differ_between_the_events_of_a_subscription_are_refused(other: str, kept: str) -> None:
    text = OLDER.replace("{type: library_built}", "{type: library_built, schema_version: ^1.0.0}")
    text = text.replace("- library_failed", f"- {other}")
    (problem,) = refused(text)
    assert problem.startswith("tako.yml:21:49: the events of subscription 2 must have one schema_version")


def test_one_filter_comes_before_the_list_of_filters() -> None:
    text = OLDER.replace("      workflow: on_built", "      filters: [b, [c]]\n      workflow: on_built")
    assert refused(text) == ("tako.yml:25:20: filter 3 of subscription 2 must be text, not a list",)
    assert load(text.replace("[c]", "c")).subscriptions[1].filters[1:] == ("b", "c")


def test_an_empty_filter_is_none() -> None:
    text = OLDER.replace("filter: 'payload.build_status == \"success\"'", "filter:")
    assert load(text).subscriptions[1].filters == ()


def test_an_event_may_be_called_produces_or_subscriptions() -> None:
    config = load("version: 1\nevents: {produces: {schema_version: 1.0.0}, subscriptions: {}}")
    assert config.events == (model.EventSpec("produces", "1.0.0"), model.EventSpec("subscriptions"))
    assert load("version: 1\nevents: {produces: , subscriptions: }").events == ()


@pytest.mark.parametrize("text", ["events: []", "events: x", "subscriptions: x\nevents: {subscriptions: [{}]}"])
def test_other_shapes_are_left_to_the_schema(text: str) -> None:
    assert "must be a" in refused(f"version: 1\n{text}")[0]


def artifacts_of(*produces: str) -> tuple[model.RepoConfig, list[model.Produces | None]]:
    steps = "".join(f"    - {{run: x, produces: {one}}}\n" for one in produces)
    config = load(f"version: 1\nartifacts: {{lib: {{path: l}}}}\nworkflows:\n  w:\n    steps:\n{steps}")
    return config, [step.produces for step in config.workflows[0].steps]


def test_older_produced_artifacts_are_paths_of_the_implicit_artifact() -> None:
    config, produces = artifacts_of("{artifacts: [{path: ./my-app}]}")
    assert produces == [model.Produces(artifact="default", paths=("./my-app",))]
    assert config.artifacts == (model.ArtifactSpec("lib", "l"), model.ArtifactSpec("default", "./my-app"))


def test_several_paths_of_the_implicit_artifact_declare_nothing() -> None:
    config, produces = artifacts_of("{artifacts: [{path: a}, {path: b}]}")
    assert produces == [model.Produces(artifact="default", paths=("a", "b"))]
    assert config.artifacts == (model.ArtifactSpec("lib", "l"),)


def test_older_produced_artifacts_of_a_named_artifact_are_its_paths() -> None:
    config, produces = artifacts_of("{artifact: lib, artifacts: [{path: a}]}")
    assert produces == [model.Produces(artifact="lib", paths=("a",))]
    assert config.artifacts == (model.ArtifactSpec("lib", "l"),)


def test_no_artifact_declares_nothing() -> None:
    assert load("version: 1").artifacts == ()


UNDECLARED = """\
version: 1
workflows:
  w:
    inputs: {n: {type: number}}
    steps: ["echo {{ inputs.version }} {{ .Inputs.n }}"]
events:
  subscriptions:
    - {artifact: a/b:c, events: [{type: x}], workflow: w, inputs: {version: "{{ .event.payload.version }}", n: 1}}
"""


def test_an_older_subscription_declares_the_inputs_that_it_passes() -> None:
    config = loader.loads_thoroughly(UNDECLARED.encode(), "tako.yml")
    assert config.workflows[0].inputs == (model.InputSpec("n", type="number"), model.InputSpec("version"))


def test_a_present_subscription_does_not() -> None:
    text = UNDECLARED.replace("events:\n  subscriptions:", "subscriptions:")
    assert "tako.yml:7:68: workflow 'w' has no input 'version'; its inputs are n" in refused(text)


@pytest.mark.parametrize(
    ("passed", "problem"),
    [
        ("{'a b c\td': x}", "8:68: input 'a b c\\td' of workflow 'w'"),
        ("{version: [x]}", "8:77: input 'version' of subscription 1 must be text, not a list"),
        ("{n: x}", "8:71: input 'n' of subscription 1: value 'x' is not a number"),
    ],
)
def test_what_an_older_subscription_passes_is_checked(passed: str, problem: str) -> None:
    text = UNDECLARED.replace('{version: "{{ .event.payload.version }}", n: 1}', passed)
    assert any(found.startswith(f"tako.yml:{problem}") for found in refused(text)), refused(text)


@pytest.mark.parametrize("broken", ["inputs: [n]", "inputs: x", "inputs: ", "steps: []"])
def test_whatever_a_workflow_is_its_own_problems_are_told(broken: str) -> None:
    text = UNDECLARED.replace("inputs: {n: {type: number}}", broken).replace(", n: 1", "")
    if broken in ("inputs: ", "steps: []"):
        text = (
            text.replace('    steps: ["echo {{ inputs.version }} {{ .Inputs.n }}"]\n', "")
            if "steps" in broken
            else text
        )
        load(text)
    else:
        assert refused(text)[0].startswith("tako.yml:4:13: 'inputs' of workflow 'w' must be a mapping")
