"""Older spellings become the present ones; the meaning, the comments and all else stay."""

from __future__ import annotations

import re
import textwrap
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tako.config.loader import loads
from tako.config.model import RepoConfig
from tako.errors import ConfigError
from tako.expressions import cel, templates
from tako.lint.fix import fix, meaning_of
from tako.lint.linter import lint
from tests.lint.writing import Writer


def fixed(text: str) -> str:
    """The file after --fix, which must mend it for good and keep every comment."""
    text = textwrap.dedent(text)
    once = fix(text.encode(), "tako.yml")
    again = fix(once.data, "tako.yml")
    assert (again.data, again.mended) == (once.data, 0)
    assert meaning_of(loads(once.data, "tako.yml")) == meaning_of(loads(text.encode(), "tako.yml"))
    return once.data.decode()


def rules(text: str) -> list[str]:
    """The rules of what is found in a file."""
    data = text.encode()
    return [one.rule for one in lint(data, loads(data, "tako.yml"))]


def file(text: str) -> str:
    return "version: 1\n" + textwrap.dedent(text)


WORKFLOWS = """\
workflows:
  w:
    steps: [echo]
"""


@pytest.mark.parametrize(
    ("inputs", "declared"),
    [
        ("", "    inputs:\n      commit: {type: string}\n      version: {type: string}\n"),
        (
            "    inputs:\n      n: {}\n",
            "    inputs:\n      commit: {type: string}\n      version: {type: string}\n      n: {}\n",
        ),
    ],
)
def test_inputs_that_an_older_subscription_passes_are_declared(inputs: str, declared: str) -> None:
    passed = "    inputs: {version: '{{ event.id }}', commit: x}\n"
    workflow = "workflows:\n  w:\n{}    steps: [echo]\n"
    subscription = "  - artifact: a/b:c\n    events: [x]\n    workflow: w\n" + passed
    before = "version: 1\n" + workflow.format(inputs) + "events:\n  subscriptions:\n" + subscription

    moved = "subscriptions:\n" + textwrap.dedent(subscription)
    assert fixed(before) == "version: 1\n" + workflow.format(declared) + moved


def test_inputs_that_cannot_be_declared_are_left_to_a_person() -> None:
    before = file("""\
    workflows: {w: {steps: [echo]}}
    events:
      subscriptions:
        - {artifact: a/b, events: [x], workflow: w, inputs: {version: x}}
        - {artifact: a/c, events: [x], workflow: w, inputs: {version: y}}
    """)
    assert fixed(before) == textwrap.dedent(before)
    found = lint(before.encode(), loads(before.encode(), "tako.yml"))
    assert [(one.line, one.column, one.fixable) for one in found if "'version'" in one.what] == [(5, 58, False)]


def test_subscriptions_leave_events_with_their_comments_and_their_layout() -> None:
    before = """\
    version: 1
    events:   # what we know
        built: { schema_version: "1.0.0" }   # ours
        # who tells us
        subscriptions:   # theirs
        -   artifact: a/b:c   # first
            events: [x]
            workflow: w

    # what we do
    workflows:
      w:
        steps: [echo]
    """
    after = """\
    version: 1
    events:   # what we know
        built: { schema_version: "1.0.0" }   # ours
    # who tells us
    subscriptions:   # theirs
    -   artifact: a/b:c   # first
        events: [x]
        workflow: w

    # what we do
    workflows:
      w:
        steps: [echo]
    """
    assert fixed(before) == textwrap.dedent(after)


def test_subscriptions_that_are_alone_in_events_take_its_place() -> None:
    before = "events:\n  subscriptions:\n    - {artifact: a/b:c, events: [x], workflow: w}\n"
    after = "subscriptions:\n  - {artifact: a/b:c, events: [x], workflow: w}\n"
    assert fixed(f"version: 1\n{before}{WORKFLOWS}") == f"version: 1\n{after}{WORKFLOWS}"


def test_older_subscriptions_come_behind_the_present_ones() -> None:
    before = f"""\
version: 1
subscriptions:
- artifact: a/b:c
  events: [x]
  workflow: w
# more
{WORKFLOWS}\
events:
    subscriptions:   # older
        # another
        - artifact: d/e:f
          events:
            - y   # why
          workflow: w
"""
    after = f"""\
version: 1
subscriptions:
- artifact: a/b:c
  events: [x]
  workflow: w
# older
# another
- artifact: d/e:f
  events:
    - y   # why
  workflow: w
# more
{WORKFLOWS}"""
    assert fixed(before) == after


def test_produced_events_become_declarations() -> None:
    before = file(
        """\
        events:
          produces:
            - type: built   # good
            # bad
            - type: failed
              schema_version: "1.0.0"
            - {type: "half done"}
        """
    )
    after = file(
        """\
        events:
          built: {}  # good
          # bad
          failed: {schema_version: "1.0.0"}
          "half done": {}
        """
    )
    assert fixed(before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("filter: a == 'x, y'", "filters:\n      - a == 'x, y'"),
        ("filter: |  # why\n      a ==\n        b", "filters:\n    - |  # why\n      a ==\n        b"),
        ("filter: a\n    filters: [b, c]", "filters: [a, b, c]"),
        ("filter: a\n    filters:\n      - b", "filters:\n      - a\n      - b"),
        ("filter:", ""),
        ("filter: !inputs.x", None),
    ],
)
def test_one_filter_becomes_a_list(before: str, after: str | None) -> None:
    head = "version: 1\n" + WORKFLOWS + "subscriptions:\n  - artifact: a/b:c\n    events: [e]\n    workflow: w\n"
    if after is None:
        with pytest.raises(ConfigError):
            fixed(f"{head}    {before}\n")
        return
    assert fixed(f"{head}    {before}\n") == head + (f"    {after}\n" if after else "")


def test_events_of_a_subscription_become_names_and_their_version_the_subscriptions() -> None:
    before = file(
        """\
        subscriptions:
          - events:
              - type: x   # the first
                schema_version: ^1.0.0
              - {schema_version: ^1.0.0, type: "y"}
            artifact: a/b:c
            workflow: w
        """
    )
    after = file(
        """\
        subscriptions:
          - schema_version: ^1.0.0
            events:
              - x   # the first
              - "y"
            artifact: a/b:c
            workflow: w
        """
    )
    assert fixed(before + WORKFLOWS) == after + WORKFLOWS


def test_resources_get_their_present_names() -> None:
    before = file("workflows:\n  w: {resources: {memory: 512Mi}, steps: [echo]}\n")
    assert fixed(before) == before.replace("memory", "mem_limit")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("on_failure: ./undo", "on_failure:\n          - ./undo"),
        ("on_failure: {run: ./undo}   # why", "on_failure:\n          - {run: ./undo}   # why"),
        (
            "on_failure:   # why\n          # how\n          run: |\n            a\n\n            b",
            "on_failure:   # why\n          # how\n          - run: |\n              a\n\n              b",
        ),
        ('on_failure: "one\n          two"', 'on_failure:\n        - "one\n          two"'),
    ],
)
def test_one_step_on_failure_becomes_a_list(before: str, after: str) -> None:
    head = "version: 1\nworkflows:\n  w:\n    steps:\n      - run: make\n        "
    assert fixed(f"{head}{before}\n") == f"{head}{after}\n"


def test_repos_become_a_remark() -> None:
    before = file("repos:   # who listens\n  - a/b\n  - c/d\n" + WORKFLOWS)
    after = file("# repos:   # who listens\n#   - a/b\n#   - c/d\n" + WORKFLOWS)
    assert fixed(before) == after


PRODUCES = """\
workflows:
  w:
    steps:
      - run: make
        produces:
          artifacts:
            - path: dist/*.whl
"""


def test_an_artifact_of_a_step_is_declared() -> None:
    declared = "artifacts:\n  default:\n    path: dist/*.whl\n"
    named = PRODUCES.replace("artifacts:\n            - path: dist/*.whl", "artifact: default")
    assert fixed("version: 1\n" + PRODUCES) == "version: 1\n" + declared + named
    assert fixed("version: 1\n" + declared + PRODUCES) == "version: 1\n" + declared + named
    other = "artifacts:\n  lib: {path: lib}\n"
    assert fixed("version: 1\n" + other + PRODUCES) == (
        "version: 1\n" + other + "  default:\n    path: dist/*.whl\n" + named
    )


@pytest.mark.parametrize(
    "text",
    [
        PRODUCES + "            - path: other\n",
        "artifacts: {default: {path: elsewhere}}\n" + PRODUCES,
        PRODUCES.replace("artifacts:", "artifact: lib\n          artifacts:") + "artifacts: {lib: {path: x}}\n",
        PRODUCES + PRODUCES.partition("steps:\n")[2].replace("dist", "other"),
        PRODUCES.replace("path: dist/*.whl", "path: |-  # why\n                dist")
        + "artifacts: {default: {path: dist}}\n",
    ],
)
def test_what_has_no_present_form_of_the_same_meaning_is_told_and_stays(text: str) -> None:
    text = "version: 1\n" + text
    assert fixed(text) == text
    data = text.encode()
    found = lint(data, loads(data, "tako.yml"))
    assert {(one.rule, one.fixable) for one in found} == {("older-spelling", False)}


def test_go_spellings_become_those_of_templates_and_conditions() -> None:
    before = file(
        """\
        workflows:
          w:
            inputs: {version-bump: {}, fast: {type: boolean}}
            env: {A: '{{ .inputs.version-bump }}', B: "{{ .Inputs.fast }}"}
            steps:
              - id: a
                if: '!.inputs.fast && .Inputs.version-bump == ''.inputs.x'''
                run: |
                  echo {{ .inputs.version-bump | shell_quote }} ${#A}
                  {% raw %}{{ .inputs.x }}{% endraw %}
                produces: {outputs: {x: from_stdout}}
              - run: echo {{ .steps.a.x | shell_quote }} {{ .Steps.a.status }}
              - run: "echo \\"{{ .inputs.fast }}\\""
        """
    ).replace(".Inputs.version-bump ==", ".Inputs.fast.x ==")
    after = (
        before.replace("'{{ .inputs.version-bump }}'", "'{{ inputs[''version-bump''] }}'")
        .replace("{{ .inputs.version-bump |", "{{ inputs['version-bump'] |")
        .replace('"{{ .Inputs.fast }}"', '"{{ inputs.fast }}"')
        .replace("'!.inputs.fast && .Inputs.fast.x == ", "'!inputs.fast && inputs.fast.x == ")
        .replace(".steps.a.x", "steps.a.outputs.x")
    )
    assert fixed(before) == after


def test_a_spelling_that_is_silenced_stays() -> None:
    before = file("repos: [a/b]  # tako-lint: ignore[older-spelling]\n" + WORKFLOWS)
    assert fixed(before) == before
    assert rules(before) == []


def test_a_spelling_in_a_script_that_is_silenced_where_it_starts_stays() -> None:
    script = "run: |  # tako-lint: ignore[go-spelling]\n        ls\n        echo {{ .repo }}\n"
    before = f"version: 1\nworkflows:\n  w:\n    steps:\n    - {script}"
    assert fixed(before) == before
    assert fixed(before.replace("go-spelling", "older-spelling")) != before


def test_line_ends_and_the_byte_order_mark_stay() -> None:
    before = ("version: 1\nrepos: [a/b]\n" + WORKFLOWS + "events:\n  produces: [{type: x}]\n").replace("\n", "\r\n")
    made = fix(b"\xef\xbb\xbf" + before.encode(), "tako.yml").data
    assert made.startswith(b"\xef\xbb\xbfversion: 1\r\n# repos: [a/b]\r\n")
    assert made.endswith(b"events:\r\n  x: {}\r\n")


def test_what_would_mean_something_else_stays() -> None:
    before = file(
        """\
        workflows:
          w: {resources: {memory: 1Gi}, steps: [echo]}
        subscriptions:
          - {artifact: a/b:c, events: &names [{type: x, schema_version: ^1.0.0}], workflow: w}
          - {artifact: d/e:f, events: *names, workflow: w}
        """
    )
    assert fixed(before) == before.replace("memory", "mem_limit")


def test_an_anchor_that_others_use_stays() -> None:
    before = file(
        """\
        workflows:
          w: &w {resources: {memory: 1Gi}, steps: [echo]}
          x: {<<: *w, on: event}
        subscriptions:
          - {artifact: a/b:c, events: &names [{type: x}], filter: a, workflow: x}
          - {artifact: d/e:f, events: *names, workflow: x}
        """
    )
    config = loads(fixed(before).encode(), "tako.yml")
    assert [one.events for one in config.subscriptions] == [("x",), ("x",)]
    assert [one.mem_limit for one in config.workflows] == [1 << 30, 1 << 30]


# Everything at once, written in every way.

names = st.sampled_from(["built", "failed", "half done", "e-1"])
filters = st.sampled_from(["a == 'x'", "!.inputs.x", ".event.payload.ok && true", 'has(event.payload.v) || "#" == "a"'])


@st.composite
def subscriptions(draw: Any) -> dict[str, Any]:
    version = draw(st.none() | st.just("^1.0.0"))
    entry = st.builds(lambda name: {"type": name} | ({"schema_version": version} if version else {}), names)
    kinds = entry if version else st.one_of(names, entry)
    made: dict[str, Any] = {
        "artifact": "a/b:c",
        "events": draw(st.lists(kinds, min_size=1, max_size=3)),
        "workflow": "w",
    }
    if draw(st.booleans()):
        made["filter"] = draw(filters)
    if draw(st.booleans()):
        made["filters"] = draw(st.lists(filters, min_size=1, max_size=2))
    if draw(st.booleans()):
        made["inputs"] = {"v": "{{ .event.payload.version }}"}
    return dict(draw(st.permutations(list(made.items()))))


@st.composite
def steps(draw: Any) -> dict[str, Any] | str:
    if draw(st.integers(0, 3)) == 0:
        return str(draw(st.sampled_from(["echo", "echo {{ .inputs.v | shell_quote }}", "echo {{ Inputs.v }}\nls"])))
    made: dict[str, Any] = {"run": draw(st.sampled_from(["make", "echo {{ .steps.a-b.x }}", "a: {{ inputs.v-w }}"]))}
    if draw(st.booleans()):
        made["produces"] = {"artifacts": [{"path": path} for path in draw(st.lists(st.sampled_from("pq"), max_size=2))]}
    if draw(st.booleans()):
        made["if"] = draw(filters)
    if draw(st.booleans()):
        made["on_failure"] = draw(st.sampled_from(["undo", {"run": "undo {{ .inputs.v }}\nit"}, [{"run": "undo"}]]))
    return dict(draw(st.permutations(list(made.items()))))


@st.composite
def files(draw: Any) -> tuple[str, list[str]]:
    events: dict[str, Any] = {"shape": {"schema_version": "1.0.0"}} if draw(st.booleans()) else {}
    for key, kind in (("produces", st.lists(names, unique=True, max_size=3)), ("subscriptions", st.none())):
        if draw(st.booleans()):
            listed = (
                [{"type": name} for name in draw(kind)]
                if key == "produces"
                else draw(st.lists(subscriptions(), max_size=2))
            )
            events[key] = listed
    data: dict[str, Any] = {
        "version": 1,
        "workflows": {
            "w": {
                "inputs": {"v": {}},
                "resources": {"memory": "1Gi"},
                "steps": draw(st.lists(steps(), min_size=1, max_size=3)),
            }
        },
    }
    if events:
        data["events"] = dict(draw(st.permutations(list(events.items()))))
    if draw(st.booleans()):
        data["subscriptions"] = draw(st.lists(subscriptions(), max_size=2))
    if draw(st.booleans()):
        data["repos"] = ["a/b", "c/d"]
    if draw(st.booleans()):
        data["artifacts"] = {"lib": {"path": "dist"}}
    writer = Writer(draw)
    text = writer.document(dict(draw(st.permutations(list(data.items())))))
    return (text.replace("\n", "\r\n") if draw(st.booleans()) else text), writer.comments


@given(files())
def test_however_it_is_written_the_meaning_and_the_comments_stay(drawn: tuple[str, list[str]]) -> None:
    text, comments = drawn
    before = loads(text.encode(), "tako.yml")
    made = fix(text.encode(), "tako.yml")
    after = loads(made.data, "tako.yml")
    assert plain(after) == plain(before)
    assert [one for one in comments if made.data.decode().count(one) != 1] == []
    assert fix(made.data, "tako.yml").data == made.data
    assert b"\r\n" in text.encode() or b"\r" not in made.data


def plain(config: RepoConfig) -> tuple[Any, ...]:
    """What a file says, by other means than the fix itself compares it."""
    return (
        {(event.type, event.schema_version) for event in config.events},
        [
            (one.repo, one.artifact, one.events, one.schema_version, [evaluated(text) for text in one.filters])
            for one in config.subscriptions
        ],
        [rendered(one.inputs.get("v", "")) for one in config.subscriptions],
        [
            (step.id, rendered(step.run or ""), evaluated(step.condition or "true"), step.produces is None)
            for workflow in config.workflows
            for step in workflow.every_step
        ],
    )


SCOPE: dict[str, Any] = {
    "inputs": {"v": "a b", "x": True, "v-w": "c"},
    "steps": {"a-b": {"outputs": {"x": "d"}, "status": "success"}},
    "event": {"payload": {"version": "1", "v": 2, "ok": True}},
}


def rendered(text: str) -> str:
    try:
        return templates.render(text, SCOPE, where="")
    except Exception as error:  # noqa: BLE001
        return type(error).__name__


def evaluated(text: str) -> Any:
    try:
        return cel.evaluate(text, SCOPE, where="")
    except Exception as error:  # noqa: BLE001
        return type(error).__name__


@given(st.text(alphabet=" .{}%'-|abinputs_#", max_size=30))
@example("{{ .inputs.a-b }}")
@example("{{ .steps.a.b.c }}")
def test_a_template_in_the_present_spelling_is_in_the_present_spelling(text: str) -> None:
    from tako.lint.spellings import present_template

    once = present_template(text)
    assert present_template(once) == once


def test_no_file_of_the_examples_needs_to_be_mended() -> None:
    from pathlib import Path

    root = Path(__file__).parents[2] / "examples"
    found = sorted(root.glob("*/tako/*.yml"))
    assert found
    for path in found:
        assert fix(path.read_bytes(), str(path)).mended == 0
        assert not re.search(r"\.inputs", path.read_text(encoding="utf-8"))
