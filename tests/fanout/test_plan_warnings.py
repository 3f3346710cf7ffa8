"""What a plan warns of, and what --strict makes of it."""

from __future__ import annotations

from typing import Any

from tako.config.model import ArtifactSpec, EventSpec
from tako.repos.cache import CacheEntry
from tako.repos.index import Indexed
from tests.builders import CLIENT, LIBRARY, make_event, make_root
from tests.fanout.planning import EVENT, labels, plan, refusal, repository, subscription, unreadable

# Repositories that cannot be read.


def test_an_unreadable_repository_is_named_in_a_warning() -> None:
    made = plan(unreadable("o/broken"), repository(CLIENT, subscription()))

    assert labels(made) == [f"{CLIENT}:verify"]
    assert made.warnings == ("o/broken: o/broken/tako.yml:3:1: could not unmarshal config",)
    assert made.repositories == 2


def test_a_strict_plan_refuses_to_go_on_without_it() -> None:
    made = plan(unreadable("o/broken"), repository(CLIENT, subscription()), strict=True)

    assert "o/broken/tako.yml:3:1: could not unmarshal config" in refusal(made)
    assert made.warnings == ("o/broken: o/broken/tako.yml:3:1: could not unmarshal config",)


UNDECIDED = ("payload.verison == '1'",)
UNDECIDED_WHY = "its filter cannot be evaluated: payload.verison == '1' (Key not found in map : \"verison\")"


def test_an_undecided_filter_is_a_warning_beside_what_runs() -> None:
    made = plan(repository(CLIENT, subscription("one", filters=UNDECIDED, line=7), subscription("two")))

    assert labels(made) == [f"{CLIENT}:two"]
    assert made.warnings == (f"/cache/repos/{CLIENT}/main/tako.yml:7: {CLIENT}:one does not run: {UNDECIDED_WHY}",)


def test_many_undecided_subscriptions_are_one_warning() -> None:
    made = plan(*(repository(f"o/app{number}", subscription(filters=UNDECIDED, line=7)) for number in range(1000)))

    where = "/cache/repos/o/app{}/main/tako.yml:7"
    named = ", ".join(f"o/app{number}:verify ({where.format(number)})" for number in range(3))
    assert made.warnings == (f"1000 subscriptions do not run: {UNDECIDED_WHY}: {named} and 997 more",)


def test_a_version_that_cannot_be_compared_is_a_warning() -> None:
    made = plan(repository(CLIENT, subscription(schema_version="^1.0.0")), event=make_event(schema_version="main"))

    assert "its schema version cannot be compared: `main` is not a version" in made.warnings[0]


def test_a_strict_plan_refuses_what_cannot_be_decided() -> None:
    message = refusal(plan(repository(CLIENT, subscription(filters=UNDECIDED)), strict=True))

    assert message.startswith("whether a subscription hears the event cannot be decided, and --strict was given: ")
    assert UNDECIDED_WHY in message


NEARLY = f"(my-org/go-lib emitted `{EVENT.type}` for `{EVENT.artifact}`)"


def test_a_nearly_right_subscription_is_a_warning() -> None:
    made = plan(repository(CLIENT, subscription(artifact="go-libs", line=7)))

    where = f"/cache/repos/{CLIENT}/main/tako.yml:7"
    question = "listens for artifact `go-libs`; did you mean `go-lib`?"
    assert made.warnings == (f"nearly: {where}: {CLIENT}:verify {question} {NEARLY}",)
    assert refusal(plan(repository(CLIENT, subscription(artifact="go-libs")), strict=True)).startswith(
        "a subscription nearly hears the event, and --strict was given: nearly: "
    )


def test_many_nearly_right_subscriptions_are_one_warning() -> None:
    repositories = (repository(f"o/app{number}", subscription(repo="My-Org/go-lib")) for number in range(1000))
    (warning,) = plan(*repositories).warnings

    question = "listen for repository `My-Org/go-lib`; did you mean `my-org/go-lib`?"
    assert warning.startswith(f"nearly: 1000 subscriptions {question} {NEARLY}: o/app0:verify (")
    assert warning.endswith(" and 997 more")


def test_a_name_that_means_something_else_is_not_nearly_right() -> None:
    library = repository(LIBRARY)
    other = repository("my-org/go-lib2")
    emitter = make_root(artifacts=(ArtifactSpec("go-libs", "x"),), events=(EventSpec("library_build"),))
    wanting: list[dict[str, Any]] = [
        {"repo": "my-org/go-lib2"},
        {"artifact": "lib", "repo": LIBRARY},
        {"artifact": "go-libs"},
        {"events": ("library_build",)},
        {"artifact": "go-libz", "enabled": False},
    ]
    apps = (repository(f"o/app{place}", subscription(**changes)) for place, changes in enumerate(wanting))

    assert plan(library, other, *apps, emitter=emitter).warnings == ()


def test_a_strict_plan_of_readable_repositories_is_like_any_other() -> None:
    bare = Indexed(CacheEntry("o/bare", "main", "/x"), None, None, "o/bare")

    assert labels(plan(bare, repository(CLIENT, subscription()), strict=True)) == [f"{CLIENT}:verify"]
