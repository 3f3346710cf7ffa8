"""What came with an event does not become code: tried with real shells and a value that makes a file if it does."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tako.errors import ExpressionError
from tako.expressions import templates

EVENT = frozenset(
    {
        ("event",),
        ("events",),
        ("payload",),
        ("inputs", "x"),
        ("steps", "a", "outputs", "y"),
        ("steps", "a", "y"),
        ("env", "E"),
    }
)
EVIL = "; touch PWNED #"


def scope(value: Any = EVIL) -> dict[str, Any]:
    return {
        "payload": {"x": value, "list": [value, value], "n": 3, "word": "v1.2-3", "empty": ""},
        "event": {"type": "built", "payload": {"x": value}},
        "events": [{"payload": {"x": value}}],
        "inputs": {"x": value, "own": "a b; c", "a-b": value},
        "steps": {"a": {"outputs": {"y": value, "z": "own $z"}, "status": "success"}},
        "env": {"E": value, "HOME": "/ho me"},
        "repo": "o/r",
    }


def script(text: str, value: Any = EVIL) -> str:
    return templates.render_script(text, scope(value), EVENT, where="tako.yml:7")


def refused(text: str, value: Any = EVIL) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        script(text, value)
    assert caught.value.where == "tako.yml:7"
    return caught.value


LAUNDERED = [
    "{{ payload.x }}",
    "{{ payload['x'] }}",
    "{{ .payload.x }}",
    "{{ .Event.payload.x }}",
    "{{ event.payload.x }}",
    "{{ events[0].payload.x }}",
    "{{ events }}",
    "{{ inputs.x }}",
    "{{ inputs['x'] }}",
    "{{ .Inputs.x }}",
    "{{ inputs }}",
    "{{ inputs.values() | first }}",
    "{{ inputs.get('x') }}",
    "{{ (inputs | dictsort | last)[1] }}",
    "{{ inputs['' ~ 'x'] }}",
    "{{ steps.a.outputs.y }}",
    "{{ .steps.a.y }}",
    "{{ steps.a.outputs.values() | first }}",
    "{{ steps.a.outputs | list | first }}{{ steps.a.outputs }}",
    "{{ env.E }}",
    "{{ payload.x | upper | lower }}",
    "{{ payload.x | replace('a', 'b') }}",
    "{{ payload.x | trim | default('') }}",
    "{{ nothing | default(payload.x) }}",
    "{{ payload.x ~ '' }}",
    "{{ 'a' ~ payload.x }}",
    "{{ payload.x + '' }}",
    "{{ payload.x[0:] }}",
    "{{ payload.x * 1 }}",
    "{{ '%s' % payload.x }}",
    "{{ '%s' | format(payload.x) }}",
    "{{ '{}'.format(payload.x) }}",
    "{{ '{a}'.format_map(payload) if false else '{x}'.format_map(payload) }}",
    "{{ payload.x.split('#') | join }}",
    "{{ payload.x | split('#') | first }}",
    "{{ payload.list | join(' ') }}",
    "{{ [payload.x] | first }}",
    "{{ {'a': payload.x}.a }}",
    "{{ (payload.x, 1)[0] }}",
    "{{ 'a' if false else payload.x }}",
    "{{ payload.x or 'a' }}",
    "{{ '' or payload.x }}",
    "{{ payload.x | json_escape }}",
    "{{ payload.x | tojson }}",
    "{{ payload | tojson }}",
    "{{ payload | string }}",
    "{{ payload.x | safe }}",
    "{{ payload.x | escape }}",
    "{{ dict(a=payload.x).a }}",
    "{% set v = payload.x %}{{ v }}",
    "{% set v %}{{ payload.x }}{% endset %}{{ v }}",
    "{% set v | upper %}{{ payload.x }}{% endset %}{{ v }}",
    "{% set a, b = payload.list %}{{ b }}",
    "{% set ns = namespace(v='') %}{% set ns.v = payload.x %}{{ ns.v }}",
    "{% set a = payload.x %}{% set b = a %}{% set c = b %}{{ c }}",
    "{% set i = inputs %}{{ i.x }}",
    "{% with v = payload.x %}{{ v }}{% endwith %}",
    "{% for v in payload.list %}{{ v }}{% endfor %}",
    "{% for k, v in payload.items() %}{{ v }}{% endfor %}",
    "{% for v in payload.list %}{{ loop.nextitem | default('') }}{% endfor %}",
    "{% for v in [1, 2] %}{{ loop.cycle(payload.x, 'a') }}{% endfor %}",
    "{% for v in [payload.x] recursive %}{{ v }}{{ loop([]) }}{% endfor %}",
    "{% for v in [1] recursive %}{{ payload.x }}{% endfor %}",
    "{% macro m() %}{{ payload.x }}{% endmacro %}{{ m() }}",
    "{% macro m(v) %}{{ v }}{% endmacro %}{{ m(payload.x) }}",
    "{% macro m(v=payload.x) %}{{ v }}{% endmacro %}{{ m() }}",
    "{% macro m() %}{{ varargs[0] }}{% endmacro %}{{ m(payload.x) }}",
    "{% set ns = namespace() %}{% macro m(v) %}{% set ns.v = v %}{% endmacro %}{% set q = m(payload.x) %}{{ ns.v }}",
    "{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}{{ payload.x }}{% endcall %}",
    "{% macro m() %}{{ caller('a') }}{% endmacro %}{% call(v) m() %}{{ v }}{{ payload.x }}{% endcall %}",
    "{% macro m(f) %}{{ caller() }}{{ f }}{% endmacro %}{% call m(payload.x) %}{% endcall %}",
    "{% filter upper %}{{ payload.x }}{% endfilter %}",
    "{% filter replace('a', payload.x) %}a{% endfilter %}",
    "{% block b %}{{ payload.x }}{% endblock %}",
    "{% block b %}{{ payload.x | shell_quote }}{% endblock %}{{ self.b() | upper }}",
    "{% if true %}{{ payload.x }}{% endif %}",
    "{% if false %}{% elif true %}{{ payload.x }}{% endif %}",
    "{% if false %}{% else %}{{ payload.x }}{% endif %}",
    "{% for v in [] %}{% else %}{{ payload.x }}{% endfor %}",
    "{% autoescape true %}{{ payload.x }}{% endautoescape %}",
    "{{ payload.x | shell_quote | replace(\"'\", '') }}",
    '{{ payload.x | shell_quote | trim("\'") }}',
    "{{ (payload.x | shell_quote)[1:-1] }}",
    "{{ payload.list | map('shell_quote') | map('trim', \"'\") | join(' ') }}",
    "{% set v = payload.x | shell_quote %}{{ v[1:-1] }}",
    "{% set c = cycler(payload.x) %}{{ c.next() }}",
    "{% set j = joiner(payload.x) %}{{ j() }}{{ j() }}",
    "{{ payload.list | sort | last }}",
    "{{ payload.list | map('upper') | join }}",
    "{{ payload.list | batch(2) | first | first }}",
    "{{ payload.list | groupby('x') if false else payload.list[0] }}",
    "{{ payload.x | wordwrap(5) }}",
    "{{ payload.x | indent }}",
    "{{ payload.x | center(50) }}",
    "{{ payload.x | truncate(50) }}",
    "{{ payload.x | urlize }}",
]


@pytest.mark.parametrize("text", LAUNDERED)
def test_no_way_through_a_template_washes_a_value(text: str) -> None:
    error = refused(f"echo {text}")
    assert error.what.startswith("line 1 of the command: ")
    assert "shell_quote" in error.cure


@pytest.mark.parametrize("text", [text for text in LAUNDERED if "cycler" not in text])
def test_a_value_without_anything_special_passes_unless_it_is_put_among_what_is(text: str) -> None:
    plain = {"payload": {"x": "v1", "list": ["v1", "v2"]}, "inputs": {"x": "v1"}, "event": {"payload": {"x": "v1"}}}
    more = {
        "events": [{"payload": {"x": "v1"}}],
        "steps": {"a": {"outputs": {"y": "v1"}, "status": "s"}},
        "env": {"E": "v"},
    }
    try:
        rendered = templates.render_script(text, {**plain, **more}, EVENT, where="")
    except ExpressionError as error:
        said = error.what
    else:
        said = ""
        assert rendered == templates.render(text, {**plain, **more}, where="")
    assert not said or "holds " in said or "is quoted" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ payload.x }}", "`payload.x` holds `;`, a space, `#`, which a shell may act on"),
        ("{{ payload['x'] | trim }}", "`payload.x | trim` holds `;`"),
        ("{{ inputs['a-b'] }}", ""),
        ("{{ payload.list[0] ~ 'a' }}", "`payload.list[0]` holds"),
        ("\n\n{{ payload.x }}", "line 3 of the command"),
        ("{{ '%s' % payload.x }}", "`the expression` holds"),
    ],
)
def test_the_error_names_the_value_and_what_it_holds(text: str, said: str) -> None:
    if said:
        assert said in refused(text).what
    else:
        assert script(text) == EVIL


def test_the_error_shows_the_cure() -> None:
    error = refused("{{ inputs.x }}")
    assert error.why == f"it came with an event, as: {EVIL}"
    assert error.cure == (
        'write {{ inputs.x | shell_quote }} outside of quotes, or read it in the command as "$TAKO_INPUT_X"'
    )


@pytest.mark.parametrize(
    "text",
    [
        "{{ inputs.own }}",
        "{{ inputs['a-b'] }}",
        "{{ steps.a.outputs.z }} {{ steps.a.status }}",
        "{{ env.HOME }} {{ repo }}",
        "{{ 'a; b' if payload.x else 'c' }}",
        "{{ 'yes; no' if payload.x == 'a' else 'no; yes' }}",
        "{{ payload.x == 'a' }} {{ payload.x is defined }} {{ not payload.x }}",
        "{% if payload.x %}a; b{% endif %}",
        "{% set v = 'a; b' %}{{ v }}",
        "{{ payload.n }} {{ payload.word }} {{ payload.empty }}",
        "{{ payload.x | length }}",
        "{{ payload.x | url_encode }}",
    ],
)
def test_what_the_author_wrote_or_chose_is_no_danger(text: str) -> None:
    assert script(text) == templates.render(text, scope(), where="")


QUOTED = [
    ("printf %s {{ payload.x | shell_quote }}", EVIL),
    ("printf %s --x={{ payload.x | shell_quote }}-b", f"--x={EVIL}-b"),
    ("printf %s {{ '--x=' ~ (payload.x | shell_quote) ~ '-b' }}", f"--x={EVIL}-b"),
    ("printf %s {{ '--x=' + (payload.x | shell_quote) + '-b' }}", f"--x={EVIL}-b"),
    ("printf %s {{ (payload.x | shell_quote) if payload.x else '' }}", EVIL),
    ("printf %s{% for v in payload.list %} {{ v | shell_quote }}{% endfor %}", EVIL * 2),
    ("printf %s {{ payload.list | map('shell_quote') | join(' ') }}", EVIL * 2),
    ("printf %s {{ payload.x | upper | lower | shell_quote }}", EVIL.lower()),
    ("{% filter shell_quote %}printf {{ payload.x }}{% endfilter %} || printf no", "no"),
    ('printf %s "$(printf %s {{ payload.x | shell_quote }})"', EVIL),
    ('printf %s "a $(printf "%s" {{ payload.x | shell_quote }})" {{ inputs.x | shell_quote }}', f"a {EVIL}{EVIL}"),
    ("(printf %s {{ payload.x | shell_quote }})", EVIL),
    ("# it's a comment, isn't it\nprintf %s {{ payload.x | shell_quote }}", EVIL),
    ("x='it'\\''s'; printf %s {{ payload.x | shell_quote }}", EVIL),
    ('x="a \\" b"; printf %s {{ payload.x | shell_quote }}', EVIL),
    ("cat <<'EOF' > /dev/null\nit's\nEOF\nprintf %s {{ payload.x | shell_quote }}", EVIL),
    ("cat <<-EOF > /dev/null\n\tit's \"\n\tEOF\nprintf %s {{ payload.x | shell_quote }}", EVIL),
    ("case a in a) printf %s {{ payload.x | shell_quote }};; esac", EVIL),
    ("x=$((1 + (2 * 3))); printf %s {{ payload.x | shell_quote }}", EVIL),
    ("x=${HOME:-a}; x=${x#/}; printf %s {{ payload.x | shell_quote }} #$#", EVIL),
    ("x=`echo a`; printf %s {{ payload.x | shell_quote }}", EVIL),
    ("f() { printf %s {{ payload.x | shell_quote }}; }; f", EVIL),
    ("printf %s \\\n  {{ payload.x | shell_quote }}", EVIL),
    ("printf %s '{{ payload.word }}' \"{{ payload.word }}\"", "v1.2-3v1.2-3"),
]


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize(("text", "printed"), QUOTED)
def test_a_quoted_value_is_one_word_of_the_shell(shell: str, text: str, printed: str, tmp_path: Path) -> None:
    ran = subprocess.run([shell, "-c", script(text)], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout == printed
    assert list(tmp_path.iterdir()) == []


ESCAPES = [
    ('echo "{{ payload.x | shell_quote }}"', "$(touch PWNED)", "within double quotes"),
    ("echo '{{ payload.x | shell_quote }}'", "; touch PWNED #", "within single quotes"),
    ("echo `echo {{ payload.x | shell_quote }}`", "`touch PWNED`", "within backticks"),
    ('echo "`echo {{ payload.x | shell_quote }}`"', "`touch PWNED`", "within backticks"),
    ("cat <<EOF\n{{ payload.x | shell_quote }}\nEOF\n", "$(touch PWNED)", "within a here-document"),
    ("cat <<'EOF'\n{{ payload.x | shell_quote }}\nEOF\n", "a\nEOF\ntouch PWNED\n", "within a here-document"),
    ("cat <<-'E F'\n{{ payload.x | shell_quote }}\nE F\n", "a\nE F\ntouch PWNED\n", "within a here-document"),
    ("cat <<A <<'B'\n$x\nA\n{{ payload.x | shell_quote }}\nB\n", "a\nB\ntouch PWNED\n", "within a here-document"),
    ("cat <<A\n\\\nA\n{{ payload.x | shell_quote }}\nA\n", "$(touch PWNED)", "nested too deeply to follow"),
    ("cat <<A\nx\\\nA\n{{ payload.x | shell_quote }}\nA\n", "$(touch PWNED)", "within a here-document"),
    ("cat <<A $(echo a\nA\n)\n{{ payload.x | shell_quote }}\nA\n", "$(touch PWNED)", "nested too deeply to follow"),
    ("# {{ payload.x | shell_quote }}\n", "a\ntouch PWNED\n", "within a comment"),
    ("true # {{ payload.x | shell_quote }}\n", "a\ntouch PWNED\n", "within a comment"),
    ("true;# it's {{ payload.x | shell_quote }}\n", "a\ntouch PWNED\n", "within a comment"),
    ("echo \\{{ payload.x | shell_quote }}", "; touch PWNED; '", "behind a backslash"),
    ("echo ${{ payload.x | shell_quote }}", "\\'; touch PWNED #", "behind a `$`"),
    ("echo $'{{ payload.x | shell_quote }}'", "; touch PWNED #", "within `$'…'`"),
    ('echo "${x:-{{ payload.x | shell_quote }}}"', "$(touch PWNED)", "within `${…}`"),
    ("echo $(( {{ payload.x | shell_quote }} ))", "$(touch PWNED)", "within an arithmetic expression"),
    ("echo $(( (1) + {{ payload.x | shell_quote }} ))", "$(touch PWNED)", "within an arithmetic expression"),
    ("(( {{ payload.x | shell_quote }} ))", "$(touch PWNED)", "within an arithmetic expression"),
    ("echo $[ {{ payload.x | shell_quote }} ]", "$(touch PWNED)", "nested too deeply to follow"),
    ('echo "$(case a in a) echo;; esac)" "{{ payload.x | shell_quote }}"', "$(touch PWNED)", ""),
    ("echo $(echo a)#' {{ payload.x | shell_quote }}'", "; touch PWNED #", "nested too deeply to follow"),
    ('echo "a" "$(echo "b" "{{ payload.x | shell_quote }}")"', "$(touch PWNED)", "within double quotes"),
    ('echo "${x:-\'"} {{ payload.x | shell_quote }} \'"', "$(touch PWNED)", ""),
]


@pytest.mark.parametrize(("text", "value", "place"), ESCAPES)
def test_a_quoted_value_is_refused_where_quotes_do_not_hold(text: str, value: str, place: str) -> None:
    assert place in refused(text, value).what


def test_the_places_are_dangerous_indeed(tmp_path: Path) -> None:
    escaped = []
    for number, (text, value, _place) in enumerate(ESCAPES):
        directory = tmp_path / str(number)
        directory.mkdir()
        for shell in ("sh", "bash"):
            naive = templates.render(text, scope(value), where="")
            subprocess.run([shell, "-c", naive], cwd=directory, capture_output=True, check=False)
        if (directory / "PWNED").exists():
            escaped.append(number)
    assert len(escaped) >= 18


def test_a_plain_word_does_not_end_a_here_document() -> None:
    text = "cat <<'EOF'\n{{ payload.x }}\nreboot\nEOF\n"
    assert "would end a here-document" in refused(text, "EOF").what
    assert script(text, "EOF2") == "cat <<'EOF'\nEOF2\nreboot\nEOF\n"
    assert "would end a here-document" in refused("cat <<{{ payload.x }}\na\nb\na\n", "a").what


def test_a_plain_word_does_not_choose_a_variable() -> None:
    assert "would name a variable behind a `$`" in refused("echo ${{ payload.x }}", "GITHUB_TOKEN").what
    assert "would name a variable behind a `$`" in refused('echo "${{ payload.x }}"', "GITHUB_TOKEN").what
    assert "would name a variable behind a `$`" in refused("cat <<E\n${{ payload.x }}\nE\n", "GITHUB_TOKEN").what
    assert script("echo \\${{ payload.x }} '${{ payload.x }}'", "a") == "echo \\$a '$a'"
    assert script("cat <<'E'\n${{ payload.x }}\nE\n", "a") == "cat <<'E'\n$a\nE\n"
    assert script("cat <<E\n\\${{ payload.x }}\nE\n", "a") == "cat <<E\n\\$a\nE\n"


@pytest.mark.parametrize("mark", ["\ufdd1", "\ufdd1a:0\ufdd2", "\ufdd1" + "0" * 16 + ":0\ufdd2"])
def test_nothing_in_a_value_can_pass_for_a_mark(mark: str) -> None:
    refused("{{ payload.x }}", mark)
    assert script("{{ payload.x | shell_quote }}", mark) == f"'{mark}'"
    own = {**scope("a b"), "inputs": {"own": mark}}
    text = "{{ payload.x | shell_quote }} {{ inputs.own }}"
    assert templates.render_script(text, own, EVENT, where="") == f"'a b' {mark}"


@pytest.mark.parametrize(
    "char", [*map(chr, range(128)), "é", "ß", "中", "٣", "\u2028", "\u0301", "\ufdd1", "\ud800", "\u00a0", "\uff1b"]
)
def test_exactly_the_characters_that_need_no_quotes_pass(char: str) -> None:
    if char.isalnum() or char in "@%+=:,./-_":
        assert script("{{ payload.x }}", f"a{char}") == f"a{char}"
    else:
        refused("{{ payload.x }}", f"a{char}")


def test_a_run_without_an_event_is_the_users_own() -> None:
    assert templates.render_script("{{ inputs.x }}", scope(), frozenset(), where="") == EVIL


PIECES = [
    "'",
    '"',
    "\\",
    "$",
    "`",
    "(",
    ")",
    "{",
    "}",
    "#",
    " ",
    "\n",
    "<<E",
    "E",
    "a",
    ";",
    "case x in ",
    "$(",
    "$((",
    "<",
    "-",
]
VALUE = "x '\"`$(echo INJECTED);echo INJECTED\nE\necho INJECTED\n\\"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.sampled_from(PIECES), max_size=12).map("".join),
    st.lists(st.sampled_from(PIECES), max_size=8).map("".join),
)
def test_in_no_script_does_an_accepted_value_run(before: str, after: str) -> None:
    if templates.is_template(before + "{{ payload.x | shell_quote }}" + after) and ("{{" in before or "{%" in before):
        return
    text = f"{{% raw %}}{before}{{% endraw %}}{{{{ payload.x | shell_quote }}}}{{% raw %}}{after}{{% endraw %}}"
    try:
        accepted = script(text, VALUE)
    except ExpressionError:
        return
    for shell in ("sh", "bash"):
        ran = subprocess.run(
            [shell, "-c", f"cd /nowhere 2>/dev/null; PATH=; {accepted}"],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=20,
            check=False,
        )
        assert b"INJECTED\n" not in ran.stdout.replace(VALUE.encode(), b""), (shell, accepted)
