"""Bash in a script for sh, other tools' syntax, and variables that no shell reads."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import pytest

from tako.config.loader import loads
from tako.lint.bashisms import bashisms
from tako.lint.findings import Finding
from tako.lint.linter import lint

BASH = [
    ("[[ -f x ]]", "[["),
    ("if [[ $a == b* ]]; then :; fi", "[["),
    ("a\n  && [[ x ]]", "[["),
    ("((i++))", "(("),
    ("for ((i=0;i<3;i++)); do :; done", "(("),
    ("a=(1 2)", "a=("),
    ("a[0]=1", "a[0]="),
    ("x+=1", "x+="),
    ("source f", "source"),
    ("x=$(source f)", "source"),
    ("function f { :; }", "function"),
    ('cat <<< "x"', "<<<"),
    ("ls &> f", "&>"),
    ("ls &>> f", "&>>"),
    ("a |& b", "|&"),
    ("echo {a..b}", "{a..b}"),
    ("cp x{,.bak} y", "{,.bak}"),
    ("local -a x", "local -a"),
    ("declare -A m", "declare"),
    ("printf $'a'", "$'"),
    ("diff <(ls) x", "<("),
    ("tee >(cat)", ">("),
    ('[ "$a" == b ]', "=="),
    ("test $a == b", "=="),
    ('echo "${a[0]}"', "${a["),
    ('echo "${#a[@]}"', "${#a["),
    ('echo "${x^^}"', "${x^^"),
    ('echo "${x//a/b}"', "${x//a"),
    ("echo ${x:1:2}", "${x:1"),
    ('echo "${x: -1}"', "${x: -"),
    ('echo "${!x}"', "${!x"),
    ("echo $RANDOM", "$RANDOM"),
    ("echo -e a", "echo -e"),
    ("read -a x", "read -a"),
    ("set -euo pipefail", "set -euo pipefail"),
    ("trap x ERR", "trap x ERR"),
    ("echo $((i++))", "++"),
    ("echo $[1+2]", "$["),
]


@pytest.mark.parametrize(("script", "text"), BASH)
def test_bashism_is_found(script: str, text: str) -> None:
    found = {one.text: one for one in bashisms(script)}
    assert text in found
    assert script[found[text].at :].startswith(text.split()[0])


@pytest.mark.parametrize(
    "script",
    [
        "[ -f x ] && test a = b",
        'echo "[[ a ]]" \'{a,b}\' "$(date)"',
        "awk '{print $1,$2}' f; jq '.[] | {a, b}'",
        "x=$((1+2)); echo ${x:-a} ${x:+b} ${x:=c} ${x:?d} ${x%.*} ${x##*/} ${#x} $x[1]",
        "case $x in a|b) :;; esac",
        "cat <<E\n[[ x ]] ${x^^}\nE",
        "# [[ x\nls",
        "find . -exec ls {} +; find . \\( -name a -o -name b \\)",
        "ls >f 2>&1; cmd & wait",
        ". ./f; local x=1; echo -n a; read -r x; set -eu; export X=1",
        'trap "rm x" EXIT INT',
        'echo {{ inputs.a }} {% if inputs.b == "c" %}x{% endif %}',
        "f() { :; }; ( (a) ); git log HEAD@{1}",
        "git commit -m 'function source x'; echo source x",
        "curl 'http://x/?a=[1]&b={c,d}'",
    ],
)
def test_what_sh_understands_is_left_alone(script: str) -> None:
    assert list(bashisms(script)) == []


@pytest.mark.skipif(shutil.which("dash") is None, reason="there is no dash here")
@pytest.mark.parametrize("script", ["[[ a == a ]]", "function f { :; }", "a=(1 2)", "cat <<< x", "echo $((i++))"])
def test_dash_agrees_that_it_does_not_understand(script: str) -> None:
    ran = subprocess.run(["dash", "-e", "-c", script], capture_output=True, check=False, stdin=subprocess.DEVNULL)
    assert ran.returncode != 0
    assert list(bashisms(script))


def found(step: Any, **workflow: Any) -> list[Finding]:
    data = {"version": 1, "workflows": {"w": {"steps": [step], **workflow}}}
    text = json.dumps(data, indent=1).encode()
    return lint(text, loads(text, "tako.yml"))


def rules(step: Any, **workflow: Any) -> list[str]:
    return [one.rule for one in found(step, **workflow)]


def test_bashism_is_a_finding_under_sh_only() -> None:
    assert rules("[[ a ]]") == rules({"run": "[[ a ]]"}) == rules({"run": "[[ a ]]", "shell": "sh"}) == ["bashism"]
    assert rules({"run": "#!/bin/sh -e\n[[ a ]]\nls"}) == ["bashism"]
    assert rules({"run": "[[ a ]]", "shell": "bash"}) == []
    assert rules("#!/bin/bash -e\n[[ a ]]\nls") == rules("#!/usr/bin/env python3\na += 1\n") == []
    (one,) = found({"run": "[[ a ]]"})
    assert "or add `shell: bash` to the step" in one.what


def test_bashism_is_found_at_its_line() -> None:
    text = (
        b"version: 1\nworkflows:\n  w:\n    steps:\n      - run: |\n          ls\n          if [[ a ]]; then ls; fi\n"
    )
    (one,) = lint(text, loads(text, "tako.yml"))
    assert (one.line, one.column) == (7, 14)
    silenced = text.replace(b"run: |", b"run: |  # tako-lint: ignore[bashism]")
    assert lint(silenced, loads(silenced, "tako.yml")) == []


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("#!/bin/sh\nfalse\ntrue\n", ["no-errexit"]),
        ("#!/usr/bin/env bash\n# x\nfalse\ntrue\n", ["no-errexit"]),
        ("#!/bin/sh\ntrue\n", []),
        ("#!/bin/sh -e\nfalse\ntrue\n", []),
        ("#!/bin/bash\nset -euo pipefail\nfalse\ntrue\n", []),
        ("#!/bin/sh\nset -o errexit\nfalse\ntrue\n", []),
        ("#!/usr/bin/env python3\na\nb\n", []),
        ("false\ntrue\n", []),
    ],
)
def test_named_shell_that_ignores_errors_is_a_finding(script: str, expected: list[str]) -> None:
    assert rules(script) == expected


@pytest.mark.parametrize(
    ("step", "rule"),
    [
        ({"run": "echo %VERSION%"}, "foreign-syntax"),
        ({"run": "node -e '`${inputs.x}`'"}, "foreign-syntax"),
        ({"run": "x", "env": {"A": "@{inputs.x}"}}, "foreign-syntax"),
        ({"uses": "a/b@v1", "with": {"a": ["#{inputs.x}"]}}, "foreign-syntax"),
        ({"run": "x", "produces": {"outputs": {"a": "<%= inputs.x %>{{ 1 }}"}}}, "foreign-syntax"),
        ({"run": "x", "env": {"PATH": "/x:$PATH"}}, "unread-variable"),
        ({"run": "x", "env": {"A": "${HOME}/x"}}, "unread-variable"),
        ({"run": "x", "env": {"A": "$(date)"}}, "unread-variable"),
    ],
)
def test_doubtful_syntax_is_a_finding(step: dict[str, Any], rule: str) -> None:
    assert rule in rules(step)


def test_prices_and_escapes_are_no_variables() -> None:
    assert rules({"run": "x", "env": {"A": "$5", "B": "a$", "C": "\\$HOME", "D": "$$HOME"}}) == []
    (one,) = found("true", env={"A": "$HOME/x"})
    assert "'$HOME' stays as it is; write {{ env.HOME }}" in one.what


def test_other_programs_scripts_are_not_told_to_quote_for_a_shell() -> None:
    assert rules('#!/usr/bin/env python3\nprint("{{ inputs.x }}")\n', inputs={"x": {}}) == []


NUMBERS = """\
version: 1
events: {declared: {payload: {v: {}}}}
workflows:
  w:
    steps:
      - run: x
        produces: {events: [{type: free, payload: {a: 1.10, b: [0x10, 1e3], c: 010, d: "1.10", e: 1.5, f: 7}}]}
      - uses: tako/fan-out@v1
        with: {event_type: declared, payload: {v: 1.10, w: 1.0e3}}
"""


def test_undeclared_number_that_is_sent_otherwise_is_a_finding() -> None:
    told = [one for one in lint(NUMBERS.encode(), loads(NUMBERS.encode(), "tako.yml")) if one.rule == "number-spelling"]
    assert [(one.line, one.column) for one in told] == [(7, 55), (7, 65), (7, 71), (7, 80), (9, 60)]
    assert told[0].what.startswith("1.10 is the number 1.1 and is sent so; write '1.10' for the text")
    assert told[1].what.startswith("0x10 is the number 16")
    assert told[2].what.startswith("1e3 looks like a number and is sent as text")
