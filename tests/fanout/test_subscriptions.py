from __future__ import annotations

from typing import Any

import pytest

from tako.config.model import Subscription
from tako.fanout.subscriptions import Verdict, judge
from tests.builders import CLIENT, LIBRARY, make_event


def subscribed(**changes: Any) -> Subscription:
    """A subscription that hears ``make_event()``."""
    fields: dict[str, Any] = {
        "repo": LIBRARY,
        "artifact": "go-lib",
        "events": ("library_built",),
        "workflow": "verify",
    }
    return Subscription(**{**fields, **changes})


def verdict(subscription: Subscription, **event: Any) -> Verdict:
    return judge(subscription, make_event(**event), where="tako.yml:9")


def hears(subscription: Subscription, **event: Any) -> bool:
    return verdict(subscription, **event).hears


def test_a_subscription_hears_its_event_and_says_which() -> None:
    assert verdict(subscribed()) == Verdict(True, "hears library_built of my-org/go-lib:go-lib")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"repo": CLIENT}, "waits for my-org/client"),
        ({"repo": "my-org/go-lib2"}, "waits for my-org/go-lib2"),
        ({"events": ("released", "removed")}, "waits for the events released, removed"),
        ({"events": ("library",)}, "waits for the events library"),
        ({"artifact": "go-tool"}, "waits for the artifact go-tool, the event is about go-lib"),
        ({"artifact": "default"}, "waits for the artifact default, the event is about go-lib"),
        ({"enabled": False}, "is not enabled"),
        ({"schema_version": "^2.0.0"}, "wants schema version ^2.0.0, the event has 1.2.0"),
        ({"filters": ("payload.version == '9'",)}, "its filter does not hold: payload.version == '9'"),
    ],
)
def test_a_subscription_that_does_not_hear_says_why(changes: dict[str, Any], reason: str) -> None:
    assert verdict(subscribed(**changes)) == Verdict(False, reason)


def test_one_of_several_event_types_is_enough() -> None:
    assert hears(subscribed(events=("released", "library_built")))


@pytest.mark.parametrize("artifact", ["go-lib", "default", "main", "feature/x"])
def test_an_event_of_the_implicit_artifact_is_heard_under_any_artifact_name(artifact: str) -> None:
    assert hears(subscribed(artifact=artifact), artifact="default")


def test_an_event_of_the_implicit_artifact_is_heard_only_of_that_repository() -> None:
    assert not hears(subscribed(repo=CLIENT), artifact="default")


@pytest.mark.parametrize(
    ("wanted", "version", "heard"),
    [
        (None, "1.2.0", True),
        (None, None, True),
        ("^9.0.0", None, True),
        ("^1.0.0", "1.2.0", True),
        ("~1.1.0", "1.2.0", False),
        ("1.2.0", "1.2.0", True),
        (">=1.0.0 <1.2.0", "1.2.0", False),
        ("(1.1.0...2.0.0]", "1.1.0", False),
        ("(1.1.0...2.0.0]", "1.1.1", True),
        ("(1.1.0...2.0.0]", "2.0.0", True),
        ("(1.1.0...2.0.0]", "2.0.1", False),
    ],
)
def test_the_schema_version_is_in_the_range(wanted: str | None, version: str | None, heard: bool) -> None:
    assert hears(subscribed(schema_version=wanted), schema_version=version) is heard


@pytest.mark.parametrize(("wanted", "version"), [("^1.0.0", "newest"), ("one to two", "1.2.0")])
def test_a_version_that_cannot_be_compared_is_not_heard(wanted: str, version: str) -> None:
    found = verdict(subscribed(schema_version=wanted), schema_version=version)

    assert not found.hears
    assert found.undecided
    assert found.why.startswith("its schema version cannot be compared: ")


FILTERS = {
    "all-hold": (("semver.major(event.payload.version) > 0", "has(event.payload.version)"), True),
    "one-does-not": (("semver.major(event.payload.version) > 0", "payload.version == '2.0.0'"), False),
    "sees-the-source": ((f"event.source == '{LIBRARY}' && event.artifact == 'go-lib'",), True),
    "sees-the-schema": (("semver.matches(event.schema_version, '^1.0.0')",), True),
    "sees-the-type": (("event.type == 'library_built'",), True),
    "leading-dot": (("!has(.event.payload.draft)",), True),
}


@pytest.mark.parametrize(("filters", "heard"), FILTERS.values(), ids=FILTERS)
def test_all_filters_hold(filters: tuple[str, ...], heard: bool) -> None:
    assert hears(subscribed(filters=filters)) is heard


def test_the_first_filter_that_does_not_hold_is_the_reason() -> None:
    found = verdict(subscribed(filters=("1 == 1", "1 == 2", "1 == 3")))

    assert found.why == "its filter does not hold: 1 == 2"


@pytest.mark.parametrize(
    "text",
    ["event.payload.missing == 'x'", "event.payload.version + 1 == 2", "event.payload.version"],
    ids=["missing", "types", "not-boolean"],
)
@pytest.mark.parametrize("before", [(), ("has(payload.version)",)])
def test_a_filter_that_cannot_be_evaluated_is_not_heard_and_said(text: str, before: tuple[str, ...]) -> None:
    found = verdict(subscribed(filters=(*before, text)))

    assert not found.hears
    assert found.undecided
    assert found.why.startswith(f"its filter cannot be evaluated: {text} (")


def test_a_filter_that_does_not_hold_decides_before_one_that_cannot_be_evaluated() -> None:
    found = verdict(subscribed(filters=("payload.version == '2.0.0'", "event.payload.missing == 'x'")))

    assert not found.undecided


@pytest.mark.parametrize(
    "payload", [{"n": 10**30}, {"n": "\ud800"}, {"n": "a\0b"}, {"n": float("nan")}, {"n": None}, {"n": {"a": []}}]
)
def test_no_payload_makes_more_of_a_filter_than_a_verdict(payload: dict[str, Any]) -> None:
    assert not hears(subscribed(filters=("event.payload.n == 'x'",)), payload=payload)


@pytest.mark.parametrize(
    "changes",
    [{"repo": CLIENT}, {"events": ("other",)}, {"artifact": "other"}, {"enabled": False}, {"schema_version": "^2.0.0"}],
)
def test_filters_are_evaluated_for_events_that_match_otherwise_only(changes: dict[str, Any]) -> None:
    assert not verdict(subscribed(filters=("event.payload.missing == 'x'",), **changes)).undecided
