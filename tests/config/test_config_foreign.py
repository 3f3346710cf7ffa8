"""Other tools' spellings are refused with Tako's, and templates where none is read; what only looks like one is not."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tako.config import loader, reads, schema
from tako.config.foreign import perhaps, surely, translated
from tako.config.model import RepoConfig
from tako.errors import ConfigError


def load(data: dict[str, Any]) -> RepoConfig:
    return loader.loads(json.dumps({"version": 1, **data}).encode(), "tako.yml")


def problems(data: dict[str, Any]) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load(data)
    return caught.value.problems


def workflow(*steps: Any, **more: Any) -> dict[str, Any]:
    return {"workflows": {"w": {"steps": list(steps) or ["true"], **more}}}


SURE = [
    ("${{ inputs.version }}", "write `{{ inputs.version }}`"),
    ("${{inputs.version}}", "write `{{ inputs.version }}`"),
    ("${{ github.event.inputs.dry-run }}", "write `{{ inputs['dry-run'] }}`"),
    ("${{ parameters.version }}", "write `{{ inputs.version }}`"),
    ("${{ needs.build.outputs.tag }}", "write `{{ steps.build.outputs.tag }}`"),
    ("${{ steps.a.outcome }}", "write `{{ steps.a.status }}`"),
    ("${{ github.repository }}", "write `{{ repo }}`"),
    ("${{ !inputs.a && inputs.b || 'c' }}", "write `{{ not inputs.a and inputs.b or 'c' }}`"),
    ("${{ secrets.TOKEN }}", "`env: {TOKEN: TOKEN}`"),
    ("${{ matrix.os }}", "a template is {{ … }} and reads `inputs.NAME`"),
    ("$[[ inputs.version ]]", "write `{{ inputs.version }}`"),
    ("<< parameters.version >>", "write `{{ inputs.version }}`"),
    ("<<pipeline.parameters.version>>", "write `{{ inputs.version }}`"),
    ("$(params.version)", "write `{{ inputs.version }}`"),
    ("$(inputs.params.version)", "write `{{ inputs.version }}`"),
    ("$(tasks.build.results.tag)", "write `{{ steps.build.outputs.tag }}`"),
    ("$[variables.version]", "write `{{ env.version }}`"),
]


@pytest.mark.parametrize(("text", "cure"), SURE)
@pytest.mark.parametrize("reads_", [reads.TEMPLATE, reads.SCRIPT, reads.LITERAL])
def test_foreign_syntax_is_found_with_its_cure(text: str, cure: str, reads_: str) -> None:
    (found,) = surely(f"a {text} b", reads_)
    assert (found.at, found.text) == (2, text)
    assert cure in found.what


def test_condition_is_told_to_leave_out_braces() -> None:
    (found,) = surely("${{ github.event.inputs.a == 'x' && !inputs.b }}", reads.CONDITION)
    assert "write `inputs.a == 'x' && !inputs.b`" in found.what


@pytest.mark.parametrize(
    "text",
    [
        "$(( 1 + 2 )) ${VAR} ${VAR:-x} $(date) $VAR ${#VAR}",
        "{% raw %}${{ github.sha }}{% endraw %}",
        "{%- raw -%} $[[ inputs.x ]] {%- endraw -%}",
        "{# ${{ x }} #}",
        "{{ '${{ x' }}",
        "costs \\${{ inputs.price }}",
        "sed 's/\\$[[:digit:]]*//'",
        "cat <<EOF >> file; $(tasks.py) $(params.sh) $(context.x)",
        "echo {a..b} ${a[0]} $[1+2]",
        "git rev-parse @{u} HEAD@{1}; date +%Y%m%d",
    ],
)
def test_what_a_shell_reads_is_left_alone(text: str) -> None:
    assert list(surely(text, reads.SCRIPT)) == []
    assert list(perhaps(text, reads.SCRIPT)) == []


def test_dotted_variable_is_sure_only_outside_scripts() -> None:
    assert [one.text for one in surely("${inputs.x}", reads.TEMPLATE)] == ["${inputs.x}"]
    assert list(surely("node -e '`${inputs.x}`'", reads.SCRIPT)) == []
    assert [one.text for one in perhaps("node -e '`${inputs.x}`'", reads.SCRIPT)] == ["${inputs.x}"]


@pytest.mark.parametrize("text", ["%VERSION%", "%build.number%", "@{inputs.x}", "#{inputs.x}", "<%= inputs.x %>"])
def test_doubtful_syntax_is_told_apart(text: str) -> None:
    assert list(surely(text, reads.TEMPLATE)) == []
    assert [one.text for one in perhaps(f"a {text}", reads.TEMPLATE)] == [text]


def test_expression_with_an_unknown_name_has_no_translation() -> None:
    assert translated("inputs.a + matrix.b", reads.TEMPLATE) is None


ANYWHERE: list[tuple[dict[str, Any], str]] = [
    (workflow(env={"V": "${{ inputs.v }}"}), "variable 'V' of workflow 'w'"),
    (workflow({"run": "echo ${{ inputs.v }}"}), "'run' of step 1 of workflow 'w'"),
    (workflow("echo ${{ inputs.v }}"), "'run' of step 1 of workflow 'w'"),
    (workflow({"run": "x", "if": "${{ inputs.v }}"}), "'if' of step 1 of workflow 'w'"),
    (workflow({"run": "x", "env": {"A": "${{ inputs.v }}"}}), "variable 'A' of step 1"),
    (workflow({"run": "x", "name": "${{ inputs.v }}"}), "'name' of step 1"),
    (workflow({"run": "x", "working_directory": "${{ inputs.v }}"}), "'working_directory' of step 1"),
    (workflow({"run": "x", "on_failure": ["echo ${{ inputs.v }}"]}), "'run' of on_failure step 1 of step 1"),
    (workflow({"run": "x", "produces": {"outputs": {"o": "${{ inputs.v }}"}}}), "output 'o' of 'produces'"),
    (
        workflow({"run": "x", "produces": {"events": [{"type": "e", "payload": {"a": ["${{ inputs.v }}"]}}]}}),
        "item 1 of field 'a' of event 1 of 'produces'",
    ),
    (
        workflow({"uses": "tako/fan-out@v1", "with": {"event_type": "e", "payload": {"v": "${{ inputs.v }}"}}}),
        "field 'v' of 'with' of step 1",
    ),
    (workflow({"uses": "other/kind@v1", "with": {"a": {"b": "${{ inputs.v }}"}}}), "'b' of 'a' of 'with' of step 1"),
    (workflow(description="${{ inputs.v }}"), "'description' of workflow 'w'"),
    ({"artifacts": {"a": {"path": "dist/${{ inputs.v }}"}}}, "'path' of artifact 'a'"),
]


@pytest.mark.parametrize(("data", "label"), ANYWHERE)
def test_foreign_syntax_is_refused_in_every_field(data: dict[str, Any], label: str) -> None:
    (problem,) = problems(data)
    assert problem.startswith("tako.yml:1:")
    assert f" {label}" in problem
    assert "`${{ inputs.v }}` is syntax of GitHub Actions" in problem
    assert "inputs.v" in problem.partition("; ")[2]


def test_foreign_syntax_names_the_line_of_a_script() -> None:
    (problem,) = problems(workflow("one\ntwo ${{ inputs.v }}\n"))
    assert "(line 2 of it)" in problem


NOWHERE: list[tuple[dict[str, Any], str]] = [
    ({"artifacts": {"a": {"path": "dist/{{ inputs.v }}.whl"}}}, "use a glob"),
    ({"artifacts": {"a": {"path": "x", "description": "{{ inputs.v }}"}}}, "write it out"),
    ({"artifacts": {"a": {"path": "x", "command": "make {{ inputs.v }}"}}}, "plain command"),
    (workflow(inputs={"v": {"default": "{{ run.id }}"}}), "give the default as it is"),
    (workflow(inputs={"v": {"validation": {"enum": ["{{ inputs.w }}"]}}}), "write it out"),
    (workflow(inputs={"v": {"validation": {"pattern": "^{{ inputs.w }}$"}}}), "write it out"),
    (workflow(description="{{ inputs.v }}"), "write it out"),
    (workflow({"run": "x", "name": "{{ inputs.v }}"}), "write it out"),
    (workflow({"run": "x", "produces": {"outputs": {"o": "from_env:{{ inputs.v }}"}}}), "write it out"),
    (workflow({"run": "x", "produces": {"events": [{"type": "e", "payload": {"{{ x }}": 1}}]}}), "write it out"),
    ({"workflows": {"{{ x }}": {"steps": ["true"]}}}, "write it out"),
    ({"events": {"e": {"payload": {"f": {"default": "{{ inputs.v }}"}}}}}, "write it out"),
    ({"metadata": {"name": "{{ repo }}"}}, "write it out"),
    (
        {
            **workflow(),
            "subscriptions": [{"artifact": "a/b:{{ x }}", "events": ["e"], "workflow": "w"}],
        },
        "name the artifact as it is",
    ),
]


@pytest.mark.parametrize(("data", "cure"), NOWHERE)
def test_template_is_refused_where_none_is_read(data: dict[str, Any], cure: str) -> None:
    (problem,) = problems(data)
    assert "no template is read here" in problem
    assert cure in problem


def test_braces_of_others_are_kept_in_commands_and_patterns() -> None:
    command = "docker inspect -f '{{.Id}}' x"
    config = load(
        {"artifacts": {"a": {"path": "x", "command": command}}}
        | workflow(inputs={"v": {"validation": {"pattern": "a{{2}"}}})
    )
    assert config.artifacts[0].command == command


def test_every_row_of_the_table_is_a_field() -> None:
    for kind, fields in reads.READS.items():
        assert set(fields) <= {one.encode_name for one in msgspec.structs.fields(kind)}
    assert reads.reads(schema.Step, "run") == reads.SCRIPT


@pytest.mark.parametrize(
    ("steps", "cure"),
    [
        (["docker inspect -f '{{.State.Running}}' x"], "put {% raw %}…{% endraw %} around them"),
        (["curl -w '{% http %}'"], "put {% raw %}…{% endraw %} around them"),
        ([{"run": "x", "if": "{{ inputs.v }} == 'a'"}], "conditions are CEL, without {{ }}"),
        ([{"run": "x", "if": "inputs.a-b == 'a'"}], "a key with a hyphen in it is written in brackets"),
        (["echo {{ x-y }}"], "a name with a hyphen in it is written in brackets"),
    ],
)
def test_validate_says_how_to_cure_an_expression(steps: list[Any], cure: str) -> None:
    data = {"version": 1, **workflow(*steps, inputs={"v": {"default": "a"}, "a": {}, "a-b": {}})}
    with pytest.raises(ConfigError) as caught:
        loader.loads_thoroughly(json.dumps(data).encode(), "tako.yml")
    assert all(cure in problem for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("step", "cure"),
    [
        ("echo {{ github.event.inputs.v }}", "write `{{ inputs.v }}`"),
        ("echo {{ workflow.parameters.v }}", "write `{{ inputs.v }}`"),
        ("echo {{ inputs.parameters.v }}", "write `inputs.v`"),
        ("echo {{ needs.a.outputs.b }}", "write `{{ steps.a.outputs.b }}`"),
        ({"run": "x", "if": "github.event.inputs.v == 'a'"}, "write `inputs.v == 'a'`"),
        (
            {"run": "x", "if": "always() && inputs.v == 'a'"},
            "when a step has failed is its `on_failure`",
        ),
        ({"run": "x", "if": "steps.step-1.outputs.x == 'a-b'"}, "written in brackets: ['step-1']"),
    ],
)
def test_other_tools_names_are_told_in_ours(step: Any, cure: str) -> None:
    data = {"version": 1, **workflow("true", step, inputs={"v": {"default": "a"}})}
    with pytest.raises(ConfigError) as caught:
        loader.loads_thoroughly(json.dumps(data).encode(), "tako.yml")
    (problem,) = caught.value.problems
    assert cure in problem
