"""What conditions may take: a bound that is never too low, and lets through what conditions are written for."""

from __future__ import annotations

import resource
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tako.errors import ExpressionError
from tako.expressions import cel, cel_cost, cel_runtime

SCOPE: dict[str, Any] = {
    "payload": {
        "big": "x" * 200_000,
        "list": [f"item-{number}" for number in range(2000)],
        "tags": ["a", "b"],
        "version": "v1.2.3",
        "map": {"a": {"b": "c"}, "k": "v"},
        "n": 3,
    },
    "event": {"payload": {"version": "v1.2.3", "commit": "abc"}},
    "inputs": {"x": "a"},
    "env": {"PATH": "/bin"},
}

BOMBS = [
    "[" + "payload.big, " * 700 + "payload.big] == []",
    "payload.big.replace('x', payload.big) == ''",
    "payload.big.replace('', payload.big) == ''",
    "payload.big.replace(inputs.x, payload.big) == ''",
    "payload['big'].replace('x', payload['big']) == ''",
    "payload.version.replace('', payload.big).replace('', payload.big) == ''",
    "payload.big.split('').join(payload.big) == ''",
    "payload.list.join(payload.big) == ''",
    "payload.list.map(x, payload.big + x) == []",
    "payload.list.map(x, payload.list).map(y, y.map(z, payload.version + z)) == []",
    "[payload.big]" + ".map(x, x + x)" * 20 + " == []",
    "[payload.list]" + ".map(x, x + x)" * 20 + " == []",
    "[[payload.version]]" + ".map(x, [x, x])" * 25 + " == []",
    "[{'a': payload.version}]" + ".map(x, {'a': x, 'b': x})" * 25 + " == []",
    "payload.list.all(x, " + " || ".join(f"payload.big.matches('{char}')" for char in "abcdefx") + ")",
    "'%s%s'.format([payload.big, payload.big]).replace('x', payload.big) == ''",
    "(payload.n > 2 ? payload.big : 'a').replace('x', payload.big) == ''",
]


@pytest.mark.parametrize("text", BOMBS)
def test_what_could_fill_the_memory_is_refused_before_it_does(text: str) -> None:
    began, highest = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ExpressionError) as caught:
        cel.evaluate(text, SCOPE, where="tako.yml:3")
    assert caught.value.where == "tako.yml:3"
    assert "could take too much" in caught.value.what
    assert "with these values it could " in caught.value.why
    assert time.process_time() - began < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - highest < 50_000


@pytest.mark.parametrize(
    "text",
    [
        "payload.version.replace('v', '').replace('.', '-').replace('1', 'one') == 'one-2-3'",
        "payload.big.replace('x', 'yy').size() == 400000",
        "payload.list.map(x, x + '!').filter(x, x.endsWith('!')).size() == 2000",
        "payload.list.exists(x, x == 'item-7') && payload.list.all(x, x.startsWith('item'))",
        "payload.tags.map(x, x.upper()).join(',') == 'A,B'",
        "payload.list.all(x, payload.big.contains('x'))",
        "payload.tags.all(x, x in ['a', 'b']) && payload.map.exists(k, k == 'a')",
        "'a' + payload.version + 'b' == 'av1.2.3b'",
        "payload.map.a.b + '-' + payload.map['k'] == 'c-v'",
        "event.payload.version.split('.').size() == 3",
        "'%s-%d'.format([payload.version, payload.n]) == 'v1.2.3-3'",
        "has(payload.big) && !has(payload.small) && payload.n + 1 > 3",
        "payload.tags.exists_one(x, x == 'a')",
        "[1, 2].map(x, x + 1) == [2, 3] && {'a': 1}.map(k, k + 'b') == ['ab']",
    ],
)
def test_what_conditions_are_written_for_is_let_through(text: str) -> None:
    assert cel.evaluate(text, SCOPE, where="")


VALUES = st.text("ab", max_size=6)
TEXTS = st.recursive(
    st.sampled_from(["payload.s", "payload['s']", "payload.l[0]", "'ab'", "''", "payload.m.k"]),
    lambda inner: st.one_of(
        st.builds("('' + {} + {})".format, inner, inner),
        st.builds("{}.replace({}, {})".format, inner, inner, inner),
        st.builds("payload.l.map(x, '' + x + {}).join({})".format, inner, inner),
        st.builds("[{}, {}].map(x, '' + x + x).join({})".format, inner, inner, inner),
        st.builds("payload.l.filter(x, x != {}).join({})".format, inner, inner),
        st.builds("({}.split({}).join({}))".format, inner, inner, inner),
        st.builds("(payload.s == {} ? {} : {})".format, inner, inner, inner),
        st.builds("{{'a': {}}}['a']".format, inner),
        st.builds("'%s'.format([{}])".format, inner),
        st.builds("{}.substring(0)".format, inner),
    ),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEXTS, VALUES, st.lists(VALUES, min_size=1, max_size=4))
def test_the_bound_is_never_too_low(text: str, short: str, items: list[str]) -> None:
    scope = {"payload": {"s": short, "l": items, "m": {"k": short}}}
    made, _read = cel_cost.work(cel_runtime.syntax(f"{text} == ''"), scope)
    value = cel_runtime.program(text).eval(data=scope)
    if value.type() != cel_runtime.ERROR:
        assert len(value.plain_value()) <= made + len(short) + max(map(len, items)), text
