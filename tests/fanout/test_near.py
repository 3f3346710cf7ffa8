from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako.config.model import ArtifactSpec, EventSpec, EventTemplate, Produces, StepSpec, Subscription
from tako.fanout.near import Words, is_near, near_miss, words_of
from tests.builders import LIBRARY, make_event, make_workflow

NOTHING = Words()


def question(
    known: Words = NOTHING, about: str = "go-lib", exists: frozenset[str] = frozenset({LIBRARY}), **changes: Any
) -> str:
    fields = {"repo": LIBRARY, "artifact": "go-lib", "events": ("library_built",), "workflow": "verify"}
    subscription = Subscription(**{**fields, **changes})
    meant = exists & {subscription.repo}
    return near_miss(subscription, make_event(artifact=about, host="github.com"), known, meant)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("note", "notes"),
        ("nots", "notes"),
        ("otes", "notes"),
        ("nodes", "notes"),
        ("ntoes", "notes"),
        ("Notes", "notes"),
        ("NOTE", "notes"),
        ("Acme/lib", "acme/lib"),
        ("acme/lib", "acme/libs"),
        ("library-built", "library_built"),
        ("a", "ab"),
    ],
)
def test_names_one_letter_or_the_case_apart_are_near(one: str, other: str) -> None:
    assert is_near(one, other)
    assert is_near(other, one)


@pytest.mark.parametrize(
    ("one", "other"), [("notes", "notes"), ("no", "notes"), ("nodez", "notes"), ("tones", "notes"), ("", "ab")]
)
def test_equal_and_farther_names_are_not_near(one: str, other: str) -> None:
    assert not is_near(one, other)
    assert not is_near(other, one)


def edited(text: str) -> set[str]:
    """Every text that one edit makes of a text, from the letters of the tests."""
    letters = "abA"
    places = range(len(text) + 1)
    added = {text[:at] + letter + text[at:] for at in places for letter in letters}
    gone = {text[:at] + text[at + 1 :] for at in range(len(text))}
    other = {text[:at] + letter + text[at + 1 :] for at in range(len(text)) for letter in letters}
    turned = {text[:at] + text[at + 1] + text[at] + text[at + 2 :] for at in range(len(text) - 1)}
    return added | gone | other | turned


@given(st.text("abA", max_size=6), st.text("abA", max_size=7))
def test_near_is_what_one_edit_makes(one: str, other: str) -> None:
    folded = {each.casefold() for each in edited(one)} | {one.casefold()}
    assert is_near(one, other) is (one != other and other.casefold() in folded)


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ({"artifact": "go-libs"}, "listens for artifact `go-libs`; did you mean `go-lib`?"),
        ({"repo": "My-Org/go-lib"}, "listens for repository `My-Org/go-lib`; did you mean `my-org/go-lib`?"),
        ({"events": ("x", "library_build")}, "listens for event `library_build`; did you mean `library_built`?"),
        (
            {"artifact": "golib", "events": ("libraryBuilt",)},
            "listens for artifact `golib` and event `libraryBuilt`; did you mean `go-lib` and `library_built`?",
        ),
    ],
)
def test_a_nearly_right_subscription_is_asked_what_it_means(changes: dict[str, Any], asked: str) -> None:
    assert question(**changes) == asked


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"filters": ("false",)},
        {"repo": "other/lib"},
        {"artifact": "go-libs", "enabled": False},
        {"artifact": "go-libs", "events": ("removed",)},
        {"artifact": "go-libs", "repo": "other/lib"},
        {"events": ("library_build", "library_built")},
    ],
)
def test_right_disabled_and_farther_subscriptions_are_not_asked(changes: dict[str, Any]) -> None:
    assert question(**changes) == ""


def test_every_artifact_fits_an_event_of_the_implicit_one() -> None:
    assert question(about="default", events=("library_build",)).startswith("listens for event `library_build`;")


@pytest.mark.parametrize(
    ("known", "changes"),
    [
        (Words(artifacts=frozenset({"go-libs"})), {"artifact": "go-libs"}),
        (Words(events=frozenset({"library_build"})), {"events": ("library_build",)}),
    ],
)
def test_a_name_that_exists_is_meant(known: Words, changes: dict[str, Any]) -> None:
    assert question(**changes) != ""
    assert question(known, **changes) == ""


def test_another_repository_is_meant() -> None:
    assert question(repo="my-org/go-lib2") == "listens for repository `my-org/go-lib2`; did you mean `my-org/go-lib`?"
    assert question(repo="my-org/go-lib2", exists=frozenset({"my-org/go-lib2"})) == ""


def test_a_repository_with_its_host_is_nearly_right() -> None:
    full = f"github.com/{LIBRARY}"
    assert question(repo=f"{full}s") == f"listens for repository `{full}s`; did you mean `{full}`?"
    assert (
        question(repo=f"git.hub.com/{LIBRARY}")
        == f"listens for repository `git.hub.com/{LIBRARY}`; did you mean `{full}`?"
    )


def test_words_of_a_file_are_what_it_declares_announces_and_emits() -> None:
    steps = (
        StepSpec(id="a", run="x", produces=Produces(events=(EventTemplate("announced"),))),
        StepSpec(id="b", uses="tako/fan-out@v1", params={"event_type": "emitted"}),
    )
    found = words_of((ArtifactSpec("lib", "x"),), (EventSpec("declared"),), (make_workflow("w", steps),))
    assert found == Words(artifacts=frozenset({"lib"}), events=frozenset({"declared", "announced", "emitted"}))
