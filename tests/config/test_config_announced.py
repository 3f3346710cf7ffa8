"""Events that are announced and never emitted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tako.config.loader import loads, loads_thoroughly
from tako.errors import ConfigError

Step = dict[str, Any]


def announce(*types: str, artifact: str | None = None, **more: Any) -> Step:
    produces: Step = {"events": [{"type": type_} for type_ in types]}
    return {"run": "make", "produces": produces | ({"artifact": artifact} if artifact else {}), **more}


def tell(event_type: str = "built", *, named: str = "tell", condition: str = "", **params: Any) -> Step:
    step = {"id": named, "uses": "tako/fan-out@v1", "with": {"event_type": event_type, **params}}
    return step | ({"if": condition} if condition else {})


def problems(*steps: Step, **more: Any) -> list[str]:
    data = {
        "version": 1,
        "artifacts": {name: {"path": name} for name in ("lib", "docs")},
        "workflows": {"w": {"inputs": {"go": {"default": "x"}}, "steps": list(steps)}},
        **more,
    }
    content = json.dumps(data, indent=1).encode()
    assert loads(content, "p").workflows
    try:
        loads_thoroughly(content, "p", kinds=("a/b@v1",))
    except ConfigError as error:
        faults = error.faults
    else:
        return []
    lines = content.decode().splitlines()
    assert all('"type"' in lines[fault.line - 1] for fault in faults)
    return [fault.message for fault in faults]


LIB, DOCS = announce("built", artifact="lib"), announce("built", artifact="docs")
MAYBE = "inputs.go == 'y'"


@pytest.mark.parametrize(
    "steps",
    [
        [announce("built"), tell()],
        [LIB, DOCS, tell()],
        [LIB, DOCS, tell(artifact="docs"), tell(named="other", artifact="lib")],
        [LIB, tell(), DOCS, tell(named="other")],
        [announce("built", "tested"), tell(), tell("tested", named="other")],
        [announce("built"), tell(artifact="lib")],
        [announce("built"), tell(condition=MAYBE)],
        [LIB, tell(payload={"a": "b"})],
        [LIB, LIB, tell(payload={"a": "b"})],
        [LIB, {**DOCS, "if": MAYBE}, tell(payload={"a": "b"})],
        [LIB, tell("{{ inputs.go }}")],
        [LIB, tell(artifact="{{ inputs.go }}")],
        [announce("{{ inputs.go }}")],
    ],
)
def test_what_a_later_fan_out_may_emit_is_fine(steps: list[Step]) -> None:
    assert problems(*steps) == []


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ([announce("built")], "add a step after it that uses tako/fan-out@v1 with 'event_type: built'"),
        ([announce("built"), tell("other")], "add a step after it that uses tako/fan-out@v1"),
        ([tell(), announce("built")], "'tell' runs before it; move the fan-out step after this one"),
        ([LIB, tell(artifact="docs")], "'tell' emits a different event, because of its 'artifact' or 'payload'"),
        (
            [LIB, DOCS, tell(payload={"a": "b"})],
            "'tell' emits a different event, because of its 'artifact' or 'payload'",
        ),
        ([LIB, tell(), {**DOCS, "if": MAYBE}], "'tell' runs before it"),
    ],
)
def test_what_no_later_fan_out_emits_is_an_error(steps: list[Step], why: str) -> None:
    (what,) = problems(*steps)

    assert "of workflow 'w' announces 'built', which is never emitted: " in what
    assert why in what


def test_every_event_that_is_not_emitted_is_named() -> None:
    assert len(problems(LIB, announce("tested"), DOCS)) == 3


@pytest.mark.parametrize(
    "older", [{"repos": ["a/b"]}, {"events": {"produces": [{"type": "built"}]}}, {"events": {"subscriptions": []}}]
)
def test_files_of_the_older_dialect_are_only_linted(older: dict[str, Any]) -> None:
    assert problems(announce("built"), **older) == []
