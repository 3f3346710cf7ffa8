"""Payloads that are written down are held to their event's declaration before anything runs."""

from __future__ import annotations

import pytest

from tako.config import loader
from tako.config.model import RepoConfig
from tako.errors import ConfigError

HEAD = """\
version: 1
events:
  built:
    payload:
      version: {required: true, pattern: '^[0-9]+[.][0-9]+$'}
      channel: {enum: [stable, beta]}
      n: {type: integer, min: 1, max: 5}
      files: {type: array}
      meta: {type: object}
      ok: {type: boolean}
workflows:
  w:
    inputs: {f: {default: a}, dry: {type: boolean, default: false}, n: {type: number, default: 1}}
    steps:
"""
FAN_OUT = HEAD + "      - uses: tako/fan-out@v1\n        with: {event_type: built, payload: {PAYLOAD}}\n"
ANNOUNCED = HEAD + "      - run: x\n        produces: {events: [{type: built, payload: {PAYLOAD}}]}\n"
SENT = "      - uses: tako/fan-out@v1\n        with: {event_type: built}\n"


def load(text: str) -> RepoConfig:
    return loader.loads_thoroughly(text.encode(), "tako.yml")


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(text)
    return [one.partition(": ")[2] for one in caught.value.problems]


@pytest.mark.parametrize("form", [FAN_OUT, ANNOUNCED + SENT])
@pytest.mark.parametrize(
    ("payload", "what"),
    [
        ("version: 1.x", "value '1.x' does not match the pattern"),
        ("version: 1.1, channel: gamma", "value 'gamma' is not in allowed values: stable, beta"),
        ("version: 1.1, n: 9", "value '9' is more than 5"),
        ("version: 1.1, n: many", "value 'many' is not a whole number"),
        ("version: 1.1, n: {a: 1}", "is not a whole number"),
        ("version: 1.1, ok: maybe", "value 'maybe' is not true or false"),
        ("version: 1.1, files: a.txt", "value 'a.txt' is not a list"),
        ("version: 1.1, meta: [a]", "is not a mapping"),
        ("version: [1]", "is not text"),
        ("channel: beta", "its required field 'version'"),
        ("verison: 1.1", "did you mean 'verison'?"),
        ('version: 1.1, files: "{{ inputs.f }} b"', "a template gives a list where it stands alone"),
        ('version: 1.1, files: "{{ inputs.f }}"', "is of type 'array', and '{{ inputs.f }}' is text"),
        ('version: 1.1, files: "{{ steps.a.outputs.x }}"', "is text"),
        ('version: 1.1, meta: "{{ events }}"', "is a list"),
        ('version: 1.1, n: "{{ events }}"', "is a list"),
    ],
)
def test_literal_that_the_event_refuses_is_a_problem(form: str, payload: str, what: str) -> None:
    text = form.replace("PAYLOAD", payload).replace("    steps:\n", "    steps:\n      - {id: a, run: x}\n")
    (problem,) = problems(text)
    assert what in problem


@pytest.mark.parametrize(
    "payload",
    [
        "version: 1.10",
        'version: "{{ inputs.f }}", channel: "{{ inputs.f }}", n: "{{ inputs.n }}", ok: "{{ inputs.dry }}"',
        'version: 1.1, files: "{{ payload.files }}", meta: "{{ payload }}"',
        "version: 1.1, files: \"{{ inputs.f | split(',') }}\"",
        'version: 1.1, files: ["{{ inputs.f }}"], meta: {a: "{{ inputs.f }}"}, other: {a: 1}',
        "version: 1.1, channel: null",
    ],
)
def test_payload_that_may_fit_is_accepted(payload: str) -> None:
    load(FAN_OUT.replace("PAYLOAD", payload))
    load(ANNOUNCED.replace("PAYLOAD", payload))


def test_announced_payload_may_lack_what_a_fan_out_gives() -> None:
    given = '      - uses: tako/fan-out@v1\n        with: {event_type: built, payload: {version: "1.1"}}\n'
    load(ANNOUNCED.replace("PAYLOAD", "channel: beta") + given)
    (problem,) = problems(HEAD + SENT)
    assert "'with' of step 1 of workflow 'w' does not give event 'built' its required field 'version'" in problem


@pytest.mark.parametrize(
    ("written", "text"),
    [("1.10", "1.10"), ("true", "true"), ("0x10", "0x10"), ("1e3", "1e3"), ("010", "010"), ("+1", "+1")],
)
def test_text_field_keeps_what_was_written(written: str, text: str) -> None:
    events = "version: 1\nevents: {e: {payload: {v: {}}}}\nworkflows:\n  w:\n    steps:\n"
    steps = (
        f"      - {{run: x, produces: {{events: [{{type: e, payload: {{v: {written}}}}}]}}}}\n"
        f"      - {{uses: tako/fan-out@v1, with: {{event_type: e, payload: {{v: {written}}}}}}}\n"
    )
    first, second = load(events + steps).workflows[0].steps
    assert first.produces is not None
    assert first.produces.events[0].payload == second.params["payload"] == {"v": text}


def test_undeclared_field_keeps_what_yaml_means() -> None:
    (step,) = (
        load(
            "version: 1\nworkflows: {w: {steps: [{uses: tako/fan-out@v1, with: {event_type: e, payload: {v: 1.10}}}]}}"
        )
        .workflows[0]
        .steps
    )
    assert step.params["payload"] == {"v": 1.1}
