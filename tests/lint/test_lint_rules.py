"""What is found, where, and what is not."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tako import patterns
from tako.config.loader import loads
from tako.lint.findings import RULES, Finding
from tako.lint.linter import lint
from tako.lint.shell import lets_only_words_through


def found(text: str) -> list[Finding]:
    data = ("version: 1\n" + textwrap.dedent(text)).encode()
    return lint(data, loads(data, "tako.yml"))


def places(text: str) -> list[tuple[int, int, str]]:
    return [(one.line, one.column, one.rule) for one in found(text)]


def command(text: str, inputs: str = "{x: {}}") -> list[Finding]:
    """What is found in one ``run``, apart from inputs that it does not read."""
    indented = textwrap.indent(text, "        ")
    findings = found(f"workflows:\n  w:\n    inputs: {inputs}\n    steps:\n    - run: |\n{indented}\n")
    return [one for one in findings if one.rule != "unused-input"]


def test_an_older_spelling_is_found_at_its_place() -> None:
    text = """\
    repos: [a/b]
    events:
      produces: [{type: built}]
      subscriptions:
        - {artifact: a/b:c, events: [{type: x}], filter: "true", workflow: w}
    workflows:
      w:
        resources: {memory: 1Gi}
        steps:
          - run: make
            produces: {artifacts: [{path: dist}]}
    """
    assert [(line, column) for line, column, _ in places(text)] == [
        (2, 1),
        (4, 3),
        (5, 3),
        (6, 34),
        (6, 46),
        (9, 17),
        (12, 20),
    ]
    assert {one.rule for one in found(text)} == {"older-spelling"}
    assert all(one.fixable for one in found(text))


def test_go_spellings_are_found_in_templates_and_conditions() -> None:
    text = """\
    workflows:
      w:
        inputs: {x: {}}
        env: {A: "{{ .inputs.x }}"}
        steps:
          - {if: .inputs.x == 'a', run: ls}
    """
    assert places(text) == [(5, 15, "go-spelling"), (7, 14, "go-spelling")]


def test_a_go_spelling_in_a_long_script_is_found_at_its_line() -> None:
    script = "ls\necho {{ inputs.x | shell_quote }} {{ .inputs.x | shell_quote }}"
    (one,) = command(script)
    assert (one.line, one.column, one.rule) == (8, 43, "go-spelling")
    assert command(script + "  # tako-lint: ignore[go-spelling]") == []


@pytest.mark.parametrize(
    "expression",
    [
        "inputs.x",
        "inputs['x']",
        "inputs.x | default('a')",
        "inputs.x ~ '.txt'",
        "inputs.x if inputs.flag else 'b'",
        "'$(reboot)'",
        "event.payload.version",
        "steps.a.outputs.version | upper",
        "inputs.words",
        "env.HOME",
    ],
)
def test_a_value_that_the_shell_may_read_as_code_is_found(expression: str) -> None:
    inputs = "{x: {}, flag: {type: boolean}, words: {validation: {enum: [a b, c]}}}"
    (one,) = command(f"echo one\necho {{{{ {expression} }}}}", inputs)
    assert (one.line, one.column, one.rule) == (8, 14, "unquoted-interpolation")
    assert "| shell_quote }}" in one.what


@pytest.mark.parametrize(
    "expression",
    [
        "inputs.x | shell_quote",
        "inputs.x | default('a b') | shell_quote",
        "inputs.x | to_int",
        "inputs.x | length",
        "inputs.x | semver_major",
        "inputs.count",
        "inputs.flag",
        "inputs.level",
        "inputs.count + 1",
        "inputs.level ~ '-' ~ inputs.count",
        "inputs.x == 'a'",
        "not inputs.x",
        "'a' if inputs.x else 'b'",
        "steps.a.status",
        "run.id",
        "error.exit_code",
        "inputs.level | upper",
    ],
)
def test_a_value_that_cannot_be_code_is_not_found(expression: str) -> None:
    inputs = "{x: {}, count: {type: number}, flag: {type: boolean}, level: {validation: {enum: [minor, v1.0]}}}"
    assert command(f"echo {{{{ {expression} }}}}", inputs) == []


@pytest.mark.parametrize(
    "pattern",
    [r"^[0-9]+\.[0-9]+\.[0-9]+$", "^v[0-9]{1,3}$", "^(?:stable|beta)$", r"^\w+(-\d)?$", "^[a-zA-Z0-9_./-]*$", "^a-b$"],
)
def test_an_input_whose_pattern_takes_words_only_is_not_found(pattern: str) -> None:
    assert command("echo {{ inputs.x }}", f"{{x: {{validation: {{pattern: '{pattern}'}}}}}}") == []


@pytest.mark.parametrize(
    "pattern",
    [
        "[0-9]+",
        "^[0-9]+",
        "[0-9]+$",
        "^a|b$",
        "^.*$",
        "^[^a]+$",
        "^[+-z]+$",
        "^[A-z]+$",
        "^a b$",
        r"^\S+$",
        "^a;b$",
        "^",
    ],
)
def test_an_input_whose_pattern_lets_more_through_is_found(pattern: str) -> None:
    assert len(command("echo {{ inputs.x }}", f"{{x: {{validation: {{pattern: '{pattern}'}}}}}}")) == 1


SAFE = re.compile(r"[A-Za-z0-9_@%+=:,./-]*")
PARTS = [
    "^",
    "$",
    "|",
    "(",
    ")",
    "(?:",
    "[",
    "]",
    "a",
    "z",
    "A",
    "-",
    "+",
    "*",
    ".",
    r"\.",
    r"\d",
    r"\w",
    "{2}",
    ";",
    "^a",
    "a$",
]


@given(st.lists(st.sampled_from(PARTS), max_size=6).map("".join), st.text(alphabet="azA0;`^[\\ \n.-+$", max_size=4))
@example("*", ";")
def test_what_a_pattern_that_is_taken_for_safe_lets_through_is_safe(inside: str, text: str) -> None:
    pattern = f"^{inside}$"
    if lets_only_words_through(pattern) and not patterns.fault(pattern) and patterns.is_found(pattern, text):
        assert SAFE.fullmatch(text)


def test_the_cure_is_shown_as_it_would_be_written() -> None:
    (one,) = command("echo {{ inputs.x }}")
    assert one.what == (
        "the shell reads {{ inputs.x }} as code; write {{ inputs.x | shell_quote }} without quotes around it, "
        'or read "$TAKO_INPUT_X"'
    )
    (one,) = command("echo {{ inputs.x ~ 'a' }}")
    assert "write {{ (inputs.x ~ 'a') | shell_quote }}" in one.what


def test_each_of_several_values_has_its_own_place() -> None:
    text = """\
    workflows:
      w:
        inputs: {x: {}}
        steps:
          - echo {{ inputs.x }} {{ inputs.x | shell_quote }} {{ inputs.x }}
          - run: 'echo {{ inputs.x }}'
          - run: "echo \\t {{ inputs.x }}"
    """
    assert [(line, column) for line, column, _ in places(text)] == [(6, 14), (6, 58), (7, 20), (8, 23)]


def test_what_is_raw_or_a_shell_variable_is_no_value() -> None:
    assert command("echo ${#x} {% raw %}{{ inputs.x }}{% endraw %} {% if inputs.x %}a{% endif %}") == []


def test_an_input_that_nothing_reads_is_found() -> None:
    text = """\
    workflows:
      w:
        inputs: {a: {}, b: {}, c-d: {}, e: {}, f-g: {}, unused: {}}
        env: {A: "{{ inputs.a }}"}
        steps:
          - {if: "inputs.b == inputs['c-d']", run: ls "$TAKO_INPUT_E"}
          - {uses: tako/fan-out@v1, with: {event_type: x, payload: {v: "{{ .inputs.f-g }}"}}}
      whole:
        inputs: {a: {}}
        steps: [{uses: tako/fan-out@v1, with: {event_type: x, payload: {all: "{{ inputs | tojson }}"}}}]
    """
    assert [one for one in places(text) if one[2] != "go-spelling"] == [(4, 53, "unused-input")]


def test_an_output_that_nothing_reads_is_found() -> None:
    text = """\
    workflows:
      w:
        steps:
          - id: a
            run: ls
            produces:
              outputs: {b: from_stdout, c: from_stdout, d: from_stdout, unused: from_stdout}
              events: [{type: x, payload: {b: "{{ outputs.b }}"}}]
          - {if: steps.a.c == 'x', run: "echo {{ steps['a'].outputs['d'] | shell_quote }}"}
          - {uses: tako/fan-out@v1, with: {event_type: x}}
    """
    assert places(text) == [(8, 69, "unused-output")]


def test_a_workflow_that_nothing_can_start_is_found() -> None:
    text = """\
    workflows:
      alone: {on: event, steps: [ls]}
      heard: {on: event, steps: [ls]}
      by-hand: {steps: [ls]}
    subscriptions:
      - {artifact: a/b:c, events: [x], workflow: heard}
    """
    assert places(text) == [(3, 11, "unreachable-workflow")]


def test_subscriptions_that_disagree_on_coalesce_are_found() -> None:
    text = """\
    workflows: {w: {steps: [ls]}}
    subscriptions:
      - {artifact: a/b:c, events: [x], workflow: w, coalesce: true}
      - {artifact: a/d:c, events: [x], workflow: w}
    """
    assert places(text) == [(4, 49, "mixed-coalesce")]
    assert places(text.replace("workflow: w}", "workflow: w, coalesce: true}")) == []
    assert places(text.replace("workflow: w}", "workflow: w, enabled: false}")) == []


@pytest.mark.parametrize(
    "secret",
    ["ghp_" + "a1B2" * 9, "AKIA" + "ABCD" * 4, "-----BEGIN RSA PRIVATE" + " KEY-----", "glpat-" + "x" * 20],
)
def test_what_looks_like_a_secret_is_found_and_not_repeated(secret: str) -> None:
    (one,) = command(f"echo {secret}")
    assert (one.line, one.column, one.rule) == (7, 14, "literal-secret")
    assert secret not in one.what


def test_secrets_that_do_not_reach_a_command_are_found() -> None:
    text = """\
    workflows:
      w:
        secrets: [A, B, C, UNUSED]
        env: {UNUSED: of its own}
        steps:
          - echo $AB $UNUSED
          - {run: 'echo $HOME $A', env: {A: A}}
          - {run: 'echo $HOME "${A}" $AB', env: ["B=B", X=Y]}
          - run: make
            env: {TOKEN: C}
            on_failure:
              - echo $C
    """
    assert places(text) == [
        (4, 24, "unused-secret"),
        (9, 28, "secret-not-given"),
        (13, 18, "secret-not-given"),
    ]


def test_a_comment_on_the_line_silences_the_rules_that_it_names() -> None:
    silent = "# tako-lint: ignore[unquoted-interpolation, literal-secret]"
    assert command(f"echo {{{{ inputs.x }}}}  {silent}") == []
    assert len(command(f"{silent}\necho {{{{ inputs.x }}}}")) == 1
    text = (
        "workflows:\n  w:\n    inputs: {x: {}}\n    steps:\n    - run: |  " + silent + "\n        ls {{ inputs.x }}\n"
    )
    assert places(text) == []
    other = text.replace("unquoted-interpolation, ", "")
    assert places(other) == [(7, 12, "unquoted-interpolation")]


def test_a_comment_that_names_no_rule_is_found() -> None:
    (one,) = command("ls  # tako-lint: ignore[unused-inputs]")
    assert (one.line, one.column, one.rule) == (7, 13, "unknown-rule")
    assert "did you mean 'unused-input'?" in one.what


def test_what_an_alias_or_a_merge_repeats_is_found_once_at_its_place() -> None:
    text = """\
    workflows:
      w: &w
        resources: &r {memory: 1Gi}
        steps: &steps
          - ls
      x: {<<: *w, resources: *r}
    """
    assert places(text) == [(4, 20, "older-spelling")]


def test_a_glob_of_key_files_that_matches_nothing_is_found(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a.go").write_text("")
    text = """\
version: 1
workflows:
  w:
    steps:
      - {run: make, cache_key_files: "src/**/*.go"}
      - {run: make, cache_key_files: "src/*.c"}
      - {run: make, cache_key_files: [src, "*.go"]}
"""
    path = str(tmp_path / "tako.yml")
    findings = lint(text.encode(), loads(text.encode(), path))
    assert [(one.line, one.column, one.rule) for one in findings] == [
        (6, 38, "unmatched-key-files"),
        (7, 44, "unmatched-key-files"),
    ]


def test_a_shortened_version_of_an_event_is_found() -> None:
    text = """\
    events:
      built: {schema_version: 1.10}
      whole: {schema_version: 1.10.0-rc.1}
    workflows:
      w:
        steps:
          - run: make
            produces: {events: [{type: built, schema_version: "v1.2.3"}, {type: x, schema_version: "{{ outputs.v }}"}]}
          - {uses: tako/fan-out@v1, with: {event_type: built, schema_version: v2}}
    subscriptions:
      - {artifact: a/b, events: [built], schema_version: 1.2, workflow: w}
    """
    shortened = [one for one in found(text) if one.rule == "shortened-version"]
    assert [(one.line, one.column, one.what.removesuffix("; write it in full")) for one in shortened] == [
        (3, 27, "the version '1.10' of an event means '1.10.0', while as a range it would hold all of 1.10"),
        (9, 59, "the version 'v1.2.3' of an event means '1.2.3'"),
        (10, 75, "the version 'v2' of an event means '2.0.0', while as a range it would hold all of 2"),
    ]


def test_a_shortened_version_in_the_older_form_is_found() -> None:
    text = "events:\n  produces: [{type: built, schema_version: 1}]\n"
    assert [(line, column) for line, column, rule in places(text) if rule == "shortened-version"] == [(3, 44)]


def test_every_rule_has_a_test_here() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert [rule for rule in RULES if rule not in tests] == []
