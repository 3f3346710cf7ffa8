"""No two repositories of a tree share a name, and none has two."""

from __future__ import annotations

import pytest

from tako.config.model import RepoConfig, Subscription
from tako.execution.request import Ancestor
from tako.fanout.naming import Names, clash_of_places, identity_of
from tako.repos.cache import CacheEntry
from tako.repos.hosts import Identity
from tako.repos.index import Indexed


def cached(path: str, host: str = "", place: str = "") -> Indexed:
    """A repository in the cache."""
    entry = CacheEntry(place or path, "main", f"/cache/{place or path}")
    return Indexed(entry, RepoConfig(path="tako.yml"), None, path, host)


def run(repo: str, host: str = "") -> Ancestor:
    return Ancestor(repo, "work", None, host)


def shown(names: Names) -> list[str]:
    return [each.identity for each in names.repositories]


def test_path_alone_names_a_repository() -> None:
    names = Names([cached("north/team/lib", "gitlab.com"), cached("south/team/lib", "gitlab.com")])

    assert shown(names) == ["north/team/lib", "south/team/lib"]
    assert names.find("team/lib") == ()
    assert names.find("north/team/lib") == ("north/team/lib",)
    assert names.find("gitlab.com/north/team/lib") == ("north/team/lib",)


def test_same_path_on_two_hosts_is_shown_with_hosts() -> None:
    names = Names([cached("a/lib", "github.com", "one/lib"), cached("a/lib", "gitlab.com", "two/lib")])

    assert shown(names) == ["github.com/a/lib", "gitlab.com/a/lib"]
    assert names.find("a/lib") == ("github.com/a/lib", "gitlab.com/a/lib")
    assert names.find("gitlab.com/a/lib") == ("gitlab.com/a/lib",)
    assert names.cached("a/lib") is None
    assert not any(map(clash_of_places, names.repositories))


@pytest.mark.parametrize("spelling", ["a/lib", "A/Lib"])
def test_running_repository_keeps_its_name(spelling: str) -> None:
    names = Names([cached(spelling, "github.com"), cached("a/lib", "gitlab.com", "x/y")], [run("a/lib", "github.com")])

    assert names.find("github.com/a/lib") == ("a/lib",)
    assert shown(names) == ["a/lib", "gitlab.com/a/lib"]


def test_copy_of_running_repository_has_the_running_name() -> None:
    assert shown(Names([cached("A/Lib", "github.com")], [run("a/lib", "github.com")])) == ["a/lib"]
    assert shown(Names([cached("a/lib", "git.acme.com")], [run("a/lib")])) == ["a/lib"]


def test_running_repository_on_another_host_is_another_one() -> None:
    names = Names([cached("a/lib", "github.com")], [run("a/lib", "gitlab.com")])

    assert shown(names) == ["github.com/a/lib"]
    assert names.find("a/lib") == ("a/lib", "github.com/a/lib")


def test_run_without_host_is_neither_of_two() -> None:
    names = Names([cached("a/lib", "github.com", "x/1"), cached("a/lib", "gitlab.com", "x/2")], [run("a/lib")])

    assert shown(names) == ["github.com/a/lib", "gitlab.com/a/lib"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a/lib", "github.com"), ("a/lib", "github.com")),
        (("a/lib", "github.com"), ("A/Lib", "github.com")),
        (("a/lib", "github.com"), ("a/lib", "")),
        (("a/lib", ""), ("a/lib", "")),
    ],
)
def test_same_repository_in_two_places_is_a_clash(one: tuple[str, str], other: tuple[str, str]) -> None:
    names = Names([cached(*one, "x/1"), cached(*other, "x/2"), cached("b/other", "github.com")])

    first, second, third = map(clash_of_places, names.repositories)
    assert "/cache/x/1, /cache/x/2" in first
    assert "/cache/x/1, /cache/x/2" in second
    assert not third


def test_names_without_host_differ_by_case() -> None:
    names = Names([cached("a/lib"), cached("A/lib")])

    assert shown(names) == ["a/lib", "A/lib"]
    assert names.find("a/lib") == ("a/lib",)
    assert not any(map(clash_of_places, names.repositories))


def test_configuration_is_spelled_as_shown() -> None:
    names = Names([cached("A/Lib", "github.com")])
    written = Subscription(repo="a/lib", artifact="x", events=("e",), workflow="w")

    spelled = names.spelled(RepoConfig(path="tako.yml", subscriptions=(written,)))

    assert [each.repo for each in spelled.subscriptions] == ["A/Lib"]


def test_identity_of_shown_name() -> None:
    assert identity_of("github.com/a/lib", "github.com") == Identity("a/lib", "github.com")
    assert identity_of("a/lib", "github.com") == Identity("a/lib", "github.com")
    assert identity_of("a/lib", "") == Identity("a/lib")
