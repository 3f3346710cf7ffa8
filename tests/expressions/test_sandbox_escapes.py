"""Known ways out of Jinja2's sandbox, and templates that would take all memory or never end: each is an error."""

from __future__ import annotations

import resource
import time

import pytest

from tako.errors import ExpressionError
from tako.expressions import cel, templates

SCOPE = {
    "inputs": {"s": "text", "n": 3, "l": [1, 2], "big": "x" * 200_000},
    "payload": {"a": {"b": "c"}},
    "event": {"type": "t"},
    "env": {},
    "steps": {"a": {"outputs": {"x": "1"}, "status": "success"}},
}

ESCAPES = [
    # The classics: from any object to its class, its bases, all classes, os.
    "{{ ''.__class__ }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ ''['__class__']['__base__'] }}",
    "{{ inputs.s['__class__'] }}",
    "{{ inputs.s|attr('__class__') }}",
    "{{ inputs.s|attr('_' ~ '_class_' ~ '_') }}",
    "{{ inputs|attr('\\x5f\\x5fclass\\x5f\\x5f') }}",
    "{{ [inputs.s]|map(attribute='__class__')|list }}",
    "{{ [inputs.s]|map('attr', '__class__')|list }}",
    "{{ [inputs.s]|selectattr('__class__')|list }}",
    "{{ [inputs.s]|groupby('__class__') }}",
    "{{ [inputs.s, inputs.s]|sort(attribute='__class__') }}",
    "{{ [inputs.s]|sum(attribute='__class__') }}",
    "{{ [inputs.s]|join(attribute='__class__') }}",
    "{{ [inputs.s]|unique(attribute='__class__')|list }}",
    "{{ [inputs.s, inputs.s]|max(attribute='__class__') }}",
    "{{ ().__class__.__bases__ }}",
    "{{ (1).__class__ }}",
    "{{ true.__class__ }}",
    "{{ none.__class__ }}",
    "{{ {}.__class__.mro() }}",
    "{{ range.__self__ }}",
    "{{ dict.mro() }}",
    "{{ dict.__subclasses__() }}",
    "{{ dict.fromkeys([1]) }}",
    # Through functions and objects of Jinja2 itself.
    "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "{{ lipsum() }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ joiner.__init__.__globals__ }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ self.__init__.__globals__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ self['_TemplateReference__context'] }}",
    "{{ self|attr('_TemplateReference__context') }}",
    "{% block b %}{{ self.b.__init__ }}{{ self.b._context }}{% endblock %}",
    "{% for x in [1] %}{{ loop.__init__.__globals__ }}{% endfor %}",
    "{% for x in [1] %}{{ loop._iterator }}{% endfor %}",
    "{% macro m() %}{% endmacro %}{{ m.__globals__ }}",
    "{% macro m() %}{% endmacro %}{{ m._environment }}",
    "{% macro m() %}{{ caller.__call__ }}{% endmacro %}{% call m() %}{% endcall %}",
    "{{ ''.join.__self__ }}",
    "{{ ''.upper.__func__ }}",
    "{{ (inputs.l|map('string')).gi_frame.f_globals }}",
    "{{ (inputs.l|map('string')).gi_code }}",
    "{{ (inputs.l|map('string')).throw }}",
    "{{ (inputs.l|map('string')).close() }}",
    "{{ namespace(a=1)._Namespace__attrs }}",
    # What other frameworks put into the scope.
    "{{ config.items() }}",
    "{{ request.application.__globals__ }}",
    "{{ get_flashed_messages.__globals__ }}",
    "{{ url_for.__globals__ }}",
    "{{ g.pop.__globals__ }}",
    "{{ context }}",
    "{{ environment }}",
    "{{ __builtins__ }}",
    "{{ __import__('os') }}",
    "{{ eval('1') }}",
    "{{ open('/etc/passwd') }}",
    # Format strings: CVE-2016-10745, CVE-2019-10906, CVE-2024-56326, CVE-2025-27516.
    "{{ '{0.__class__}'.format(inputs) }}",
    "{{ '{0[__class__]}'.format(inputs.s) }}",
    "{{ '{x.__class__.__mro__}'.format(x=inputs) }}",
    "{{ '{x.__class__}'.format_map({'x': inputs}) }}",
    "{{ '{x.__class__}'.format_map(dict(x=inputs)) }}",
    "{% set f = '{0.__class__}'.format %}{{ f(inputs) }}",
    "{% set f = '{x.__class__}'.format_map %}{{ f({'x': 1}) }}",
    "{{ ['{0.__class__}']|map('attr', 'format')|first }}{{ (['{0.__class__}']|map('attr', 'format')|first)(inputs) }}",
    "{{ ('{0.__class__}'|attr('format'))(inputs) }}",
    "{{ ('{0.__class__}'|attr('for' ~ 'mat'))(inputs) }}",
    "{{ ('{0.__class__}'|safe).format(inputs) }}",
    "{{ ('{x.__class__}'|safe|attr('format_map'))({'x': inputs}) }}",
    "{% macro m(f) %}{{ f(inputs) }}{% endmacro %}{{ m('{0.__class__}'.format) }}",
    # xmlattr with hostile keys: CVE-2024-22195, CVE-2024-34064.
    "{{ {'a b': 1}|xmlattr }}",
    "{{ {'a/onclick': 1}|xmlattr }}",
    "{{ {'a>b': 1}|xmlattr }}",
    # Other templates, and syntax that is not there.
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}{{ os }}",
    "{% from 'os' import system %}",
    "{% extends 'base' %}",
    "{% do 1 %}",
    "{% import '__class__' as x %}",
    # Methods that change what is shared, or that nobody needs.
    "{{ inputs.l.append(1) }}",
    "{{ inputs.l.sort() }}",
    "{{ inputs.clear() }}",
    "{{ inputs.update(a=1) }}",
    "{{ inputs.pop('s') }}",
    "{{ inputs.setdefault('a', 1) }}",
    "{{ inputs.s.encode() }}",
    "{{ inputs.s.translate({}) }}",
    "{{ (3).to_bytes(2, 'big') }}",
    # Names that become Python's: CVE-2024-56201 and its like.
    "{{ payload.a.__dict__ }}",
    "{{ ''.__doc__ }}",
    "{% set __class__ = 1 %}{{ ''.__class__ }}",
    "{% for __loader__ in [1] %}{{ ''.__class__ }}{% endfor %}",
]


def refused(text: str) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        templates.render(text, SCOPE, where="tako.yml:7")
    assert caught.value.where == "tako.yml:7"
    assert "Traceback" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("text", ESCAPES)
def test_no_known_way_leads_out(text: str) -> None:
    refused(text)


def test_a_file_name_in_an_import_is_no_code() -> None:
    # CVE-2024-56201: the name of a template became a part of the code that is compiled.
    refused("{% set x = '\\' + 1 %}{% include x %}")


COSTLY = [
    # Loops.
    "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
    "{% for a in range(99999) %}{% for b in 'x' * 99999 %}{% if b == a %}{% endif %}{% endfor %}{% endfor %}",
    "{% for a in range(2000) %}{% set x = range(100000)|list %}{% endfor %}",
    "{% for a in range(2000) %}{% set x = range(100000)|select('odd')|list|length %}{% endfor %}",
    "{% for a in range(2000) %}{% set x = range(100000)|sum %}{% endfor %}",
    "{% for a in range(2000) %}{% set x = 7 in range(100000)|list %}{% endfor %}",
    "{% for a in range(99999) %}{% set x = inputs.big|upper %}{% endfor %}",
    "{% for a in range(99999) %}{% set x = inputs.big.upper() %}{% endfor %}",
    "{% for a in range(99999) %}{% set x = inputs.big[1:] %}{% endfor %}",
    "{% for a in range(99999) %}{% set x = inputs.big == inputs.big ~ '' %}{% endfor %}",
    "{% for a in range(99999) %}{% set x = 'y' in inputs.big %}{% endfor %}",
    "{% for a in range(99999) %}{% set x = inputs.big is in(inputs.big) %}{% endfor %}",
    "{{ range(10**9)|list }}",
    "{{ range(100000)|map('string')|map('center', 9999)|list|length }}",
    # Recursion.
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
    "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "{% for x in [1, 1] recursive %}{% if loop.depth < 60 %}{{ loop([1, 1]) }}{% endif %}{% endfor %}",
    "{% block b %}{{ self.b() }}{% endblock %}",
    # Text that grows.
    "{{ 'a' * 10**9 }}",
    "{{ 10**9 * 'a' }}",
    "{{ [0] * 10**9 }}",
    "{{ (0,) * 10**9 }}",
    "{{ [inputs.big] * 100 }}",
    "{{ 'a'|center(10**9) }}",
    "{{ 'a'|center(width=10**9) }}",
    "{{ 'a'.center(10**9) }}",
    "{{ 'a'.ljust(10**9) }}",
    "{{ 'a'.rjust(10**9) }}",
    "{{ '1'.zfill(10**9) }}",
    "{{ ('a'|attr('center'))(10**9) }}",
    "{{ '\\t'.expandtabs(10**9) }}",
    "{{ 'a\\nb'|indent(10**9) }}",
    "{{ 'a\\nb'|indent('x' * 999999, true) }}",
    "{{ ('a ' * 9999)|wordwrap(1, wrapstring='x' * 99999) }}",
    "{{ inputs.big|replace('x', 'y' * 99999) }}",
    "{{ inputs.big.replace('x', 'y' * 99999) }}",
    "{{ inputs.big.replace('', inputs.big) }}",
    "{{ inputs.big.join('x' * 99999) }}",
    "{{ inputs.big.join(['a', 'b'] * 9999) }}",
    "{{ range(99999)|join('x' * 99999) }}",
    "{{ [1]|batch(10**9, 0)|list }}",
    "{{ [1]|batch(linecount=10**9, fill_with=0)|list }}",
    "{{ [1]|slice(10**9)|list }}",
    "{{ [1]|slice(slices=10**9)|list }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ '%*d' % (10**9, 1) }}",
    "{{ '%.1000000000f' % 1.5 }}",
    "{{ '%(a)1000000000d' % {'a': 1} }}",
    "{{ '%1000000000d'|format(1) }}",
    "{{ '%*d'|format(10**9, 1) }}",
    "{{ '{:1000000000}'.format(1) }}",
    "{{ '{:{w}}'.format(1, w=10**9) }}",
    "{{ '{:.1000000000f}'.format(1.5) }}",
    "{{ '{x:1000000000}'.format_map({'x': 1}) }}",
    "{{ {'a': {'b': [1, 2]}}|tojson(10**9) }}",
    "{{ ('http://a.bc ' * 9999)|urlize(target='x' * 9999) }}",
    "{{ ('<!--' * 50000 ~ '-->' * 50000)|striptags }}",
    "{% set ns = namespace(x='aa') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
    "{% set ns = namespace(x='aa') %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
    "{% set ns = namespace(x='aa') %}{% for i in range(99) %}{% set ns.x = ns.x|replace('a', 'aa') %}{% endfor %}",
    "{% set ns = namespace(x='aa') %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x]|join %}{% endfor %}",
    "{% set ns = namespace(x='aa') %}{% for i in range(99) %}{% set ns.x = '%s%s' % (ns.x, ns.x) %}{% endfor %}",
    "{% set ns = namespace(x='aa') %}{% for i in range(99) %}{% set ns.x = '{0}{0}'.format(ns.x) %}{% endfor %}",
    "{% set n=namespace(x=1) %}{% for i in '-'*99 %}{% set x %}{{n.x}}{{n.x}}{% endset %}{% set n.x=x %}{% endfor %}",
    "{% set x %}{% for i in range(99999) %}" + "y" * 999 + "{% endfor %}{% endset %}",
    "{% macro m() %}"
    + "y" * 9999
    + "{% endmacro %}{% set x %}{% for i in range(99999) %}{{ m() }}{% endfor %}{% endset %}",
    # Billions of laughs: small in memory, without end for who reads it.
    "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
    "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = {'a': ns.x, 'b': ns.x} %}{% endfor %}",
    "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = (ns.x, ns.x) %}{% endfor %}",
    "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = dict(a=ns.x, b=ns.x) %}{% endfor %}",
    "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = [ns.x] * 2 %}{% endfor %}",
    "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
    "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x]|sum(start=[]) %}{% endfor %}",
    "{% set ns = namespace(x=1) %}{% for i in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}",
    # Numbers.
    "{{ 10 ** (10 ** 10) }}",
    "{{ 2 ** 100000 }}",
    "{% set ns = namespace(x=9) %}{% for i in range(99) %}{% set ns.x = ns.x * ns.x %}{% endfor %}{{ ns.x }}",
    "{{ ('9' * 99999)|int }}{{ ('f' * 999999)|int(base=16) * ('f' * 999999)|int(base=16) }}",
    "{{ ('9' * 99999)|to_int }}",
    "{{ 1.5|round(10**9, 'ceil') }}",
]


@pytest.mark.parametrize("text", COSTLY)
def test_nothing_takes_long_or_much(text: str) -> None:
    began, highest = time.process_time(), peak()
    refused(text)
    assert time.process_time() - began < 10
    assert peak() - highest < 200_000


def peak() -> int:
    """The most memory that this process has had, in kB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
            "it takes more than the 5,000,000 steps that a template may take",
        ),
        ("{{ 'a'|center(10**9) }}", "the result of padding would be too large"),
        ("{{ 'a'.encode() }}", "a template cannot call `encode`"),
        ("{{ '%*d' % (5, 1) }}", "a format takes its widths as numbers, not as `*`"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "it is nested too deeply"),
    ],
)
def test_the_error_says_what_was_too_much(text: str, why: str) -> None:
    assert refused(text).why == why


ORDINARY = [
    ("{{ 'a,b'.split(',')|join('-') }}", "a-b"),
    ("{{ 'Ab'.lower() ~ 'c'.upper() }}", "abC"),
    ("{{ '%05d|%-5s|%.2f' % (7, 'ab', 1.5) }}", "00007|ab   |1.50"),
    ("{{ '%s-%s'|format('a', 'b') }}", "a-b"),
    ("{{ '{:>5}|{x[b]}|{y!r}'.format('a', x=payload.a, y='z') }}", "    a|c|'z'"),
    ("{{ '{b}'.format_map(payload.a) }}", "c"),
    ("{{ [1, 2, 3]|batch(linecount=2, fill_with=0)|list }}", "[[1,2],[3,0]]"),
    ("{{ [1, 2, 3]|slice(2)|list }}", "[[1,2],[3]]"),
    ("{{ [1, 2]|sum }}", "3"),
    ("{{ [{'a': 1}]|sum(attribute='a') }}", "1"),
    ("{{ 1.55|round(1, 'floor') }}", "1.5"),
    ("{{ {'a': [1]}|tojson(indent=1) }}", '{\n "a": [\n  1\n ]\n}'),
    ("{{ 'a b c'|wordwrap(3) }}", "a b\nc"),
    ("{{ 'a\nb'|indent(2) }}", "a\n  b"),
    ("{{ 'aaa'|replace('a', 'b', 2) }}", "bba"),
    ("{{ 'aaa'.replace('a', 'b', 1) }}", "baa"),
    ("{{ '-'.join(inputs.l|map('string')) }}", "1-2"),
    ("{% for k, v in payload.a.items() %}{{ k }}={{ v }}{{ loop.length }}{% endfor %}", "b=c1"),
    ("{% for x in inputs.l|map('string') %}{{ loop.index }}{{ loop.revindex }}{% endfor %}", "1221"),
    (
        "{% for x in [[1, [2]]] recursive %}{{ '(' ~ loop(x) ~ ')' if x is iterable else x }}{% endfor %}",
        "(1(2))",
    ),
    ("{% macro m(a, b='x') %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}{{ m(2, b='y') }}", "1x2y"),
    ("{% macro m() %}<{{ caller(1) }}>{% endmacro %}{% call(n) m() %}{{ n }}{% endcall %}", "<1>"),
    ("{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.current }}", "aba"),
    ("{% set j = joiner(',') %}{{ j() }}a{{ j() }}b", "a,b"),
    ("{% set ns = namespace(n=0) %}{% for i in range(3) %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}", "3"),
    ("{{ range(3)|list }}{{ range(2, 9, 3)|list }}", "[0,1,2][2,5,8]"),
    ("{{ dict(a=1).get('b', 2) }}{{ [1, 1].count(1) }}{{ 'aXbX'.count('X') }}", "222"),
    ("{{ 3 in [1, 3] }}{{ 1 < 2 < 3 }}{{ 'b' not in 'abc' }}", "truetruefalse"),
    ("{{ inputs.big[:3] }}{{ inputs.l[::-1] }}", "xxx[2,1]"),
    ("{% for x in range(20000) %}{{ x % 10 }}{% endfor %}", "0123456789" * 2000),
]


@pytest.mark.parametrize(("text", "rendered"), ORDINARY)
def test_what_is_ordinary_works_as_before(text: str, rendered: str) -> None:
    assert templates.render(text, SCOPE, where="") == rendered


def test_each_rendering_has_a_budget_of_its_own() -> None:
    text = "{% for x in range(99999) %}{% endfor %}"
    for _ in range(30):
        assert templates.render(text, SCOPE, where="") == ""


def test_a_condition_has_no_way_out_either() -> None:
    for text in ("''.__class__ == ''", "type('').mro() == []", "inputs._x == 1", "__import__('os') == 1"):
        with pytest.raises(ExpressionError):
            cel.evaluate(text, SCOPE, where="")
