"""What lint says of subscriptions, artifacts and events that do not do what they seem to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tako.config.loader import loads
from tako.lint.findings import Finding
from tako.lint.linter import lint
from tako.repos.hosts import Identity

ME = "shop/lib"


def found(data: dict[str, Any], directory: str = "", own: Identity | None = None) -> list[Finding]:
    content = json.dumps({"version": 1, "metadata": {"name": ME}, **data}, indent=1).encode()
    config = loads(content, f"{directory}/tako.yml" if directory else "tako.yml")
    findings = lint(content, config, own)
    assert all(one.line > 1 for one in findings)
    return findings


def rules(*args: Any, **more: Any) -> list[str]:
    return [one.rule for one in found(*args, **more)]


def hears(events: list[str], *, source: str = "a/b", workflow: str = "w", **more: Any) -> dict[str, Any]:
    return {"artifact": source, "events": events, "workflow": workflow, **more}


def file(*subscriptions: dict[str, Any], **emits: str) -> dict[str, Any]:
    """A file whose workflows ``w`` and others emit one type of event each, if any."""
    workflows = {
        name: {"steps": [{"uses": "tako/fan-out@v1", "with": {"event_type": type_}} if type_ else "make"]}
        for name, type_ in {"w": "", **emits}.items()
    }
    return {"workflows": workflows, "subscriptions": list(subscriptions)}


@pytest.mark.parametrize(
    "subscriptions",
    [
        [hears(["x"]), hears(["x"])],
        [hears(["x"]), hears(["y", "x"])],
        [hears(["x"], inputs={}), hears(["x"])],
        [hears(["release/*"]), hears(["release/1"])],
        [hears(["x", "x"])],
        [hears(["release/*", "release/1"])],
    ],
)
def test_repeated_subscription_is_found(subscriptions: list[dict[str, Any]]) -> None:
    assert rules(file(*subscriptions)) == ["repeated-subscription"]


@pytest.mark.parametrize(
    "subscriptions",
    [
        [hears(["x"]), hears(["y"])],
        [hears(["x"]), hears(["x"], filters=["has(payload.a)"])],
        [hears(["x"]), hears(["x"], source="a/c")],
        [hears(["x"]), hears(["x"], workflow="v")],
        [hears(["x"], schema_version="^1.0.0"), hears(["x"], schema_version="^2.0.0")],
        [hears(["x"], enabled=False), hears(["x"])],
        [hears(["release/1"]), hears(["release/*"])],
    ],
)
def test_subscriptions_that_differ_are_fine(subscriptions: list[dict[str, Any]]) -> None:
    assert rules(file(*subscriptions, v="")) == []


def test_subscription_to_every_event_is_found() -> None:
    (one,) = found(file(hears(["*"])))

    assert (one.rule, "every event of a/b" in one.what) == ("every-event", True)
    assert rules(file(hears(["release/*"]))) == []
    assert rules(file(hears(["*", "**"]))) == ["every-event"]


@pytest.mark.parametrize("source", [ME, f"{ME}:thing"])
def test_workflow_that_triggers_itself_is_found(source: str) -> None:
    (one,) = found(file(hears(["built"], source=source), w="built"))

    assert (one.rule, one.what.endswith("when it happens: w -> w")) == ("self-trigger", True)


def test_workflows_that_trigger_each_other_are_found() -> None:
    there, back = hears(["built"], source=ME, workflow="v"), hears(["te*"], source=ME)
    findings = found(file(there, back, w="built", v="tested"))

    assert [one.rule for one in findings] == ["self-trigger"] * 2
    assert "v -> w -> v" in findings[0].what


def test_dependent_that_is_the_repository_itself_is_found() -> None:
    data = file(w="built")

    assert rules({**data, "dependents": [{"repo": ME, "workflows": ["w"]}]}) == ["self-trigger"]
    assert rules({**data, "dependents": [{"repo": "a/b", "workflows": ["w"]}]}) == []


def test_repository_is_known_by_its_address() -> None:
    data = file(hears(["built"], source="Acme/Lib"), w="built")

    assert rules(data) == []
    assert rules(data, own=Identity("acme/lib", "github.com")) == ["self-trigger"]


@pytest.mark.parametrize(
    "data",
    [
        file(hears(["built"], source=ME, workflow="v"), w="built", v=""),
        file(hears(["built"], source="a/b"), w="built"),
        file(hears(["other"], source=ME), w="built"),
        file(hears(["built"], source=ME, enabled=False), w="built"),
    ],
)
def test_chains_that_end_are_fine(data: dict[str, Any]) -> None:
    assert rules(data) == []


def artifacts(*, step: str = "", **more: Any) -> dict[str, Any]:
    made = {"run": "make", "produces": {"artifact": step}} if step else "make"
    return {"artifacts": {"lib": {"path": "dist/*.tar", **more}}, "workflows": {"w": {"steps": [made]}}}


def test_artifact_that_nothing_makes_is_found(tmp_path: Path) -> None:
    (one,) = found(artifacts(), str(tmp_path))

    assert (one.rule, "nothing makes artifact 'lib'" in one.what) == ("unmade-artifact", True)


def test_artifacts_with_step_command_or_file_are_fine(tmp_path: Path) -> None:
    assert rules(artifacts(step="lib"), str(tmp_path)) == []
    assert rules(artifacts(command="make"), str(tmp_path)) == []
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "a.tar").touch()
    assert rules(artifacts(), str(tmp_path)) == []


def test_older_file_that_emits_nothing_is_found() -> None:
    announcing = {"run": "make", "produces": {"events": [{"type": "built"}]}}

    assert "unemitted-event" in rules({"repos": ["a/b"], "workflows": {"w": {"steps": [announcing]}}})
