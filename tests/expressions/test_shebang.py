"""Scripts that name what runs them, and what from an event may stand in one that no shell runs."""

from __future__ import annotations

import pytest

from tako.errors import ExpressionError
from tako.expressions import templates
from tako.expressions.shebang import has_shebang, interpreter, is_shell, program, reads_json_strings

TAINTED = frozenset([("payload",), ("inputs", "v")])


@pytest.mark.parametrize(
    ("script", "words", "name", "shell"),
    [
        ("echo hi", (), "", True),
        ("# a\n#!/bin/x", (), "", True),
        ("#!/bin/sh\n", ("/bin/sh",), "sh", True),
        ("#! /bin/bash -eu\n", ("/bin/bash", "-eu"), "bash", True),
        ("#!/bin/bash -e -u", ("/bin/bash", "-e -u"), "bash", True),
        ("\n  #!/usr/bin/env python3\nx", ("/usr/bin/env", "python3"), "python3", False),
        ("#!/usr/bin/env -S A=b node --x\n", ("/usr/bin/env", "-S A=b node --x"), "node", False),
        ("#!/usr/bin/env\n", ("/usr/bin/env",), "", False),
        ("#!/usr/bin/{{ inputs.x }}\n", ("/usr/bin/{{", "inputs.x }}"), "", False),
        ("#!/usr/bin/env {{ inputs.x }}\n", ("/usr/bin/env", "{{ inputs.x }}"), "", False),
        ("#!\nx", (), "", False),
    ],
)
def test_first_line_names_what_runs_a_script(script: str, words: tuple[str, ...], name: str, shell: bool) -> None:
    assert interpreter(script) == words
    assert program(script) == name
    assert is_shell(script) is shell
    assert has_shebang(script) is script.lstrip().startswith("#!")


def test_json_strings_are_known_of_some_languages() -> None:
    assert reads_json_strings("#!/usr/bin/env python3.12\n")
    assert reads_json_strings("#!/usr/bin/node\n")
    assert not reads_json_strings("#!/usr/bin/awk -f\n")
    assert not reads_json_strings("#!/bin/bash\n")


def render(text: str, value: str) -> str:
    scope = {"payload": {"x": value}, "inputs": {"v": value, "own": "a b"}}
    return templates.render_script(text, scope, TAINTED, where="tako.yml:1")


def refused(text: str, value: str) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        render(text, value)
    return caught.value


PYTHON = "#!/usr/bin/env python3\n"


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("x = {{ payload.x }}", "exit"),
        ('x = "{{ payload.x }}"', "abc"),
        ("x = {{ payload.x | shell_quote }}", "a b"),
        ("x = {{ payload.x | json_escape }}", "exit"),
        ('x = "{{ payload.x | json_escape }}"', "a'; exit() #"),
        ('x = f"{{ payload.x | json_escape }}"', "{exit()}"),
        ('x = "a {{ payload.x | json_escape }} b"', "abc"),
        ('x = "{{ payload.x | json_escape | upper }}"', "abc"),
        ("{% set y = payload.x %}x = {{ y }}", "exit"),
    ],
)
def test_tainted_value_is_refused_where_it_could_be_code(line: str, value: str) -> None:
    error = refused(PYTHON + line, value)
    assert "line 2 of the script: " in error.what
    assert "came with an event" in error.why


@pytest.mark.parametrize(
    ("line", "value", "rendered"),
    [
        ('x = "{{ payload.x | json_escape }}"', 'a "b"\\\n', 'x = "a \\"b\\"\\\\\\n"'),
        ("x = {{ payload.x }}", "12.5", "x = 12.5"),
        ('x = "{{ payload.x }}"', "1.2.3", 'x = "1.2.3"'),
        ("x = '{{ inputs.own }}'", "", "x = 'a b'"),
        ("{% if payload.x == 'a' %}x{% endif %}", "a", "x"),
    ],
)
def test_value_that_is_no_code_is_filled_in(line: str, value: str, rendered: str) -> None:
    assert render(PYTHON + line, value) == PYTHON + rendered


def test_cure_names_the_variable_of_an_input() -> None:
    assert refused(PYTHON + "{{ inputs.v }}", "a").cure == (
        'read it from the environment, as TAKO_INPUT_V, or write "{{ inputs.v | json_escape }}" between double quotes'
    )
    assert "json_escape" not in refused("#!/usr/bin/awk -f\n{{ inputs.v }}", "a").cure
    assert "no protection" in refused(PYTHON + "{{ inputs.v | shell_quote }}", "a b").what


def test_json_escape_does_not_help_in_an_unknown_language() -> None:
    refused('#!/usr/bin/awk -f\n"{{ payload.x | json_escape }}"', "abc")


def test_named_shell_is_judged_as_any_shell() -> None:
    assert render("#!/bin/bash\necho {{ payload.x | shell_quote }}", "a b") == "#!/bin/bash\necho 'a b'"
    assert "which a shell may act on" in refused("#!/bin/bash\necho {{ payload.x }}", "a;b").what
