"""Whatever loads can be linted and mended, without a traceback and without a change of meaning."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tako.config.loader import loads
from tako.errors import ConfigError
from tako.lint.fix import fix, meaning_of
from tako.lint.linter import lint

GOOD = b"""\
version: 1
repos: &r [a/b]
artifacts: {lib: {path: 'dist/*', ecosystem: go, command: make}}
events:
  built: {schema_version: "1.0.0", payload: {v: {type: integer, min: 1, default: 3}}}
  produces: [{type: failed}]   # c
  subscriptions:
    # d
    - {artifact: c/d, events: [{type: e, schema_version: ^1.0.0}], filter: .inputs.a, workflow: w}
workflows:
  w: &w
    on: exec
    inputs: {i: {type: number, default: 1, validation: {enum: [1, 2]}}}
    env: [A=1]
    secrets: [S]
    resources: {memory: 1Gi}
    steps:
      - echo {{ .inputs.i }} $S
      - {id: b, run: x, if: "true", produces: {artifact: lib, outputs: {o: from_stdout}}}
      - run: |-  # e
          make {{ .steps.b.o }}
        produces: {artifacts: [{path: p}]}
        on_failure:
          run: >
            undo
      - {uses: tako/fan-out@v1, with: {event_type: e, payload: {a: [1]}, timeout: 1h, fail_fast: true}}
  x: {<<: *w, on: event}
subscriptions:
  - {artifact: c/d:e, events: [f], workflow: x, inputs: {i: 1}, enabled: true, coalesce: true}
"""
PIECES = [
    b"\n",
    b": ",
    b"[",
    b"]",
    b"{",
    b"}",
    b"- ",
    b"*w",
    b"#",
    b" ",
    b"'",
    b'"',
    b"&a ",
    b"{{ ",
    b" }}",
    b"\r\n",
    b"|",
]


def judged(content: bytes) -> bool:
    try:
        config = loads(content, "p")
    except ConfigError:
        return False
    lines = content.decode("utf-8-sig").count("\n") + content.decode("utf-8-sig").count("\r") + 1
    for one in lint(content, config):
        assert 1 <= one.line <= lines
        assert one.column >= 1
    made = fix(content, "p")
    assert meaning_of(loads(made.data, "p")) == meaning_of(config)
    assert fix(made.data, "p").data == made.data
    return True


def test_the_file_that_is_mutated_is_good() -> None:
    assert judged(GOOD)


@given(st.data())
def test_mutated_files(draw: st.DataObject) -> None:
    content = bytearray(GOOD)
    for _ in range(draw.draw(st.integers(1, 3))):
        start = draw.draw(st.integers(0, len(content)))
        end = draw.draw(st.integers(start, min(len(content), start + 3)))
        content[start:end] = draw.draw(st.sampled_from(PIECES) | st.binary(max_size=2))
    judged(bytes(content))


@given(st.data())
def test_files_that_lack_lines(draw: st.DataObject) -> None:
    lines = GOOD.splitlines(keepends=True)
    gone = draw.draw(st.sets(st.integers(1, len(lines) - 1), max_size=4))
    judged(b"".join(line for number, line in enumerate(lines) if number not in gone))


@given(st.sampled_from(["{{ %s }}", "a %s {{ %s }}"]), st.text(alphabet="abi.[]()'\"|~+-*{}%# \n", max_size=20))
def test_any_template(shape: str, text: str) -> None:
    command = shape.replace("%s", text).replace("\n", "\n          ")
    judged(f"version: 1\nworkflows:\n  w:\n    steps:\n      - run: |\n          {command}\n".encode())
