"""A repository is known by its origin's host and whole path; no two are mixed up, and none runs twice."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import World
from tests.acceptance.recipes import WORKFLOW, fan_out, step, subscription


def said(*steps: dict[str, Any], hears: tuple[str, ...] = (), name: str | None = None) -> str:
    """A ``tako.yml`` without a name of its own, unless one is given."""
    data: dict[str, Any] = {"version": 1, "workflows": {WORKFLOW: {"steps": list(steps)}}}
    data["subscriptions"] = [subscription(source) for source in hears]
    if name is not None:
        data["metadata"] = {"name": name}
    return json.dumps(data, indent=1)


def with_origin(directory: Path, origin: str | None) -> Path:
    """The same repository with another origin, or without."""
    subprocess.run(["git", "-C", str(directory), "remote", "remove", "origin"], capture_output=True, check=False)
    if origin is not None:
        subprocess.run(["git", "-C", str(directory), "remote", "add", "origin", origin], check=True)
    return directory


def cached(world: World, place: str, origin: str | None, text: str) -> Path:
    return with_origin(world.cached(place, text), origin)


def root(world: World, origin: str | None, *, name: str | None = None, **more: Any) -> Path:
    text = said(step("make", "true"), fan_out(**more), name=name)
    return with_origin(world.working("root", text), origin)


def ran(world: World, directory: Path, *, code: int = 0) -> Any:
    done = world.tako("exec", WORKFLOW, "--json", cwd=directory)
    assert done.code == code, done.text
    return done.json()


def repositories(report: Any) -> list[str]:
    return sorted(run["repository"] for run in report["runs"])


HEARD = step("say", "echo heard")


def test_groups_of_any_depth_tell_repositories_apart(world: World) -> None:
    cached(world, "cache/north", "git@gitlab.com:north/team/lib.git", said(HEARD, hears=("lab/root",)))
    cached(world, "cache/south", "https://gitlab.com/south/team/lib", said(HEARD, hears=("lab/root",)))
    directory = root(world, "git@gitlab.com:lab/root.git")

    assert repositories(ran(world, directory)) == ["north/team/lib", "south/team/lib"]


def test_subscription_names_group_and_host(world: World) -> None:
    for place, source in {
        "x/path": "group/sub/lib",
        "x/host": "gitlab.example.com/group/sub/lib",
        "x/case": "GitLab.example.com/Group/Sub/Lib",
        "x/short": "sub/lib",
        "x/other": "gitlab.com/group/sub/lib",
    }.items():
        cached(world, place, None, said(HEARD, hears=(source,)))

    report = ran(world, root(world, "ssh://git@gitlab.example.com:2222/group/sub/lib.git"))

    assert repositories(report) == ["x/case", "x/host", "x/path"]
    assert report["fan_outs"][0]["source"] == "group/sub/lib"


@pytest.mark.parametrize(
    ("origin", "hears"), [("git@github.com:Lab-Org/Lib.git", True), ("git@git.lab.example:Lab-Org/Lib.git", False)]
)
def test_case_counts_only_where_the_host_has_one(world: World, origin: str, hears: bool) -> None:
    path = step("say", "echo {{ artifacts['lab-org/lib:notes'].path }}")
    cached(world, "x/listener", None, said(path, hears=("lab-org/lib",)))
    note = step("make", "echo n > notes", produces={"artifact": "notes", "artifacts": [{"path": "notes"}]})
    text = json.loads(said(note, fan_out(artifact="default")))
    text["artifacts"] = {"notes": {"path": "notes"}}
    directory = with_origin(world.working("root", json.dumps(text)), origin)

    assert repositories(ran(world, directory)) == (["x/listener"] if hears else [])


def test_git_suffix_is_no_part_of_a_name(world: World) -> None:
    cached(world, "x/subscriber.git", None, said(HEARD, hears=("lab/root.git",)))
    cached(world, "y/other", None, said(HEARD, hears=("github.com/lab/root.git",)))

    report = ran(world, root(world, "git@github.com:lab/root.git"))

    assert repositories(report) == ["x/subscriber", "y/other"]


def test_only_remote_counts_when_there_is_no_origin(world: World) -> None:
    cached(world, "x/subscriber", None, said(HEARD, hears=("lab/root",)))
    directory = root(world, None)
    subprocess.run(
        ["git", "-C", str(directory), "remote", "add", "upstream", "https://github.com/lab/root"], check=True
    )

    assert repositories(ran(world, directory)) == ["x/subscriber"]


def test_second_address_of_origin_does_not_count(world: World) -> None:
    cached(world, "x/subscriber", None, said(HEARD, hears=("lab/root",)))
    directory = root(world, "https://github.com/lab/root")
    mirror = "https://gitlab.com/mirrors/root"
    subprocess.run(["git", "-C", str(directory), "remote", "set-url", "--add", "origin", mirror], check=True)

    assert repositories(ran(world, directory)) == ["x/subscriber"]


@pytest.mark.parametrize(
    ("base", "abbreviation", "origin"),
    [
        ("git@github.com:", "gh:", "gh:lab/root"),
        ("https://github.com/lab/", "lab:", "lab:root"),
        ("https://mirror.example/copies/", "https://github.com/", "https://github.com/lab/root"),
    ],
)
def test_abbreviated_address_is_expanded(world: World, base: str, abbreviation: str, origin: str) -> None:
    configured = {"COUNT": "1", "KEY_0": f"url.{base}.insteadOf", "VALUE_0": abbreviation}
    world.env |= {f"GIT_CONFIG_{name}": value for name, value in configured.items()}
    cached(world, "x/subscriber", None, said(HEARD, hears=("github.com/lab/root",)))

    assert repositories(ran(world, root(world, origin))) == ["x/subscriber"]


@pytest.mark.parametrize("key", [None, "once"])
def test_same_repository_cloned_twice_is_refused_by_name(world: World, key: str | None) -> None:
    text = said(HEARD, hears=("lab/root",))
    one = cached(world, "a/clone", "git@github.com:acme/lib.git", text)
    other = cached(world, "b/clone", "https://github.com/Acme/lib", text)
    params = {} if key is None else {"idempotency_key": key}

    report = ran(world, root(world, "git@github.com:lab/root.git", **params), code=1)

    message = report["failure"]["message"]
    assert "acme/lib" in message.lower()
    assert f"{one}, {other}" in message
    assert report["runs"] == []
    dry = world.tako("exec", WORKFLOW, "--dry-run", cwd=world.root / "root")
    assert f"{one}, {other}" in dry.text


def test_duplicates_stop_only_fan_outs_that_run_them(world: World) -> None:
    for place in ("a/clone", "b/clone"):
        cached(world, place, "git@github.com:acme/lib.git", said(HEARD, hears=("lab/elsewhere",)))
    cached(world, "x/listener", None, said(HEARD, hears=("lab/root",)))

    assert repositories(ran(world, root(world, "git@github.com:lab/root.git"))) == ["x/listener"]


def test_fork_that_claims_its_parents_name_is_refused(world: World) -> None:
    text = said(HEARD, hears=("lab/root",), name="acme/lib")
    cached(world, "acme/lib", "git@github.com:acme/lib.git", text)
    fork = cached(world, "fork/lib", "git@github.com:fork/lib.git", text)
    directory = root(world, "git@github.com:lab/root.git")

    report = ran(world, directory)

    assert repositories(report) == ["acme/lib"]
    (warning,) = report["warnings"]
    assert f"{fork}/tako.yml:23:11: metadata.name is acme/lib" in warning
    assert "github.com/fork/lib" in warning
    strict = world.tako("exec", WORKFLOW, "--strict", "--json", cwd=directory)
    assert strict.code == 1, strict.text
    assert "github.com/fork/lib" in strict.text


@pytest.mark.parametrize("command", [("validate",), ("lint",), ("exec", WORKFLOW)])
def test_claimed_name_is_an_error_of_commands(world: World, command: tuple[str, ...]) -> None:
    text = said(HEARD, name="acme/lib")
    directory = with_origin(world.working("root", text), "git@github.com:fork/lib.git")

    refused = world.tako(*command, cwd=directory)

    assert refused.code != 0
    assert "tako.yml:" in refused.text
    assert "metadata.name is acme/lib, but the repository's origin is github.com/fork/lib" in refused.text
    as_json = world.tako(*command, "--json", cwd=directory)
    assert "metadata.name is acme/lib" in as_json.out


def test_name_without_remote_that_another_has_is_refused(world: World) -> None:
    text = said(HEARD, hears=("lab/root",), name="acme/lib")
    one = cached(world, "acme/lib", "git@github.com:acme/lib.git", text)
    other = cached(world, "copied/lib", None, text)

    report = ran(world, root(world, "git@github.com:lab/root.git"), code=1)

    assert f"{one}, {other}" in report["failure"]["message"]


def test_same_path_on_two_hosts_is_never_merged(world: World) -> None:
    for host in ("github", "gitlab"):
        cached(world, f"{host}/lib", f"git@{host}.com:acme/lib.git", said(HEARD, fan_out(), hears=("lab/root",)))
    cached(world, "x/hub", None, said(HEARD, hears=("github.com/acme/lib",)))
    cached(world, "x/lab", None, said(HEARD, hears=("gitlab.com/acme/lib",)))

    report = ran(world, root(world, "git@github.com:lab/root.git"))

    assert repositories(report) == ["github.com/acme/lib", "gitlab.com/acme/lib", "x/hub", "x/lab"]
    by_id = {run["run_id"]: run["repository"] for run in report["runs"]}
    parents = {run["repository"]: by_id.get(run["parent_id"]) for run in report["runs"]}
    assert parents["x/hub"] == "github.com/acme/lib"
    assert parents["x/lab"] == "gitlab.com/acme/lib"


def test_name_that_two_hosts_have_is_refused(world: World) -> None:
    cached(world, "lab/lib", "git@gitlab.com:acme/lib.git", said(HEARD))
    listener = cached(world, "x/listener", None, said(HEARD, hears=("acme/lib",)))

    report = ran(world, root(world, "git@github.com:acme/lib.git"), code=1)

    message = report["failure"]["message"]
    assert f"{listener}/tako.yml:" in message
    assert "gitlab.com/acme/lib" in message


def test_idempotency_key_of_another_host_is_another_key(world: World) -> None:
    cached(world, "x/listener", None, said(HEARD, hears=("github.com/acme/lib", "gitlab.com/acme/lib")))
    statuses = []
    for host in ("github", "gitlab", "gitlab"):
        directory = root(world, f"git@{host}.com:acme/lib.git", idempotency_key="k")
        (run,) = ran(world, directory)["runs"]
        statuses.append(run["delivered_by"] is None)
        subprocess.run(["rm", "-rf", str(directory)], check=True)

    assert statuses == [True, True, False]
    events = world.tako("events", "list", "--json").json()
    assert {event["source"] for event in events} == {"acme/lib"}


def test_idempotency_key_is_for_one_subscriber_of_a_name(world: World) -> None:
    """A subscriber of the same path on another host, in another cache, has not been delivered to."""
    directory = root(world, "git@github.com:lab/root.git", idempotency_key="k")
    delivered = []
    for host in ("github", "gitlab", "gitlab"):
        cached(world, "x/client", f"git@{host}.com:x/client.git", said(HEARD, hears=("lab/root",)))
        (run,) = ran(world, directory)["runs"]
        delivered.append(run["delivered_by"] is None)
        subprocess.run(["rm", "-rf", str(world.home / "cache")], check=True)

    assert delivered == [True, True, False]
    for event in world.tako("events", "list", "--json").json():
        shown = world.tako("events", "show", event["event_id"], "--json").json()
        assert [each["repository"] for each in shown["deliveries"]] == ["x/client"]


def test_joined_runs_wait_for_a_source_written_in_another_case(world: World) -> None:
    """``coalesce`` looks ahead by names: it must find the source, however it is written."""
    text = json.loads(said(HEARD))
    text["subscriptions"] = [subscription("lab/root", coalesce=True), subscription("ACME/middle", coalesce=True)]
    cached(world, "x/join", None, json.dumps(text))
    cached(world, "acme/middle", "git@github.com:acme/middle.git", said(HEARD, fan_out(), hears=("LAB/root",)))

    report = ran(world, root(world, "git@github.com:lab/root.git"))

    assert repositories(report) == ["acme/middle", "x/join"]


def test_dependents_are_found_by_identity(world: World) -> None:
    cached(world, "x/client", "git@gitlab.com:group/sub/client.git", said(HEARD))
    text = json.loads(said(step("make", "true"), fan_out()))
    text["dependents"] = [{"repo": "Group/sub/client", "workflows": [WORKFLOW]}]
    directory = with_origin(world.working("root", json.dumps(text)), "git@gitlab.com:lab/root.git")

    assert repositories(ran(world, directory)) == ["group/sub/client"]


def test_cycle_through_another_spelling_is_refused(world: World) -> None:
    text = said(HEARD, fan_out(), hears=("acme/lib",))
    cached(world, "x/lib", "https://github.com/ACME/Lib", text)
    directory = with_origin(world.working("root", text), "git@github.com:acme/lib.git")

    assert "acme/lib:work" in ran(world, directory, code=1)["failure"]["message"]


def test_event_is_delivered_again_to_a_subscriber_by_full_name(world: World) -> None:
    cached(world, "x/client", "git@gitlab.com:group/sub/client.git", said(HEARD, hears=("lab/root",)))
    ran(world, root(world, "git@gitlab.com:lab/root.git"))
    (event,) = world.tako("events", "list", "--json").json()

    for subscriber in ("group/sub/client", "gitlab.com/Group/sub/client", f"group/sub/client:{WORKFLOW}"):
        again = world.tako("events", "redeliver", event["event_id"], "--subscriber", subscriber, "--json")
        assert again.code == 0, again.text
        assert repositories(again.json()) == ["group/sub/client"]


def test_several_refs_of_one_repository_are_no_duplicates(world: World) -> None:
    first = cached(world, "acme/lib", "git@github.com:acme/lib.git", said(HEARD, hears=("lab/root",)))
    subprocess.run(["cp", "-r", str(first), str(first.parent / "v1")], check=True)

    report = ran(world, root(world, "git@github.com:lab/root.git"))

    assert repositories(report) == ["acme/lib"]


@pytest.mark.parametrize("name", ["north/team/lib", "gitlab.com/north/team/lib", "NORTH/team/lib:main", "x/lib"])
def test_repo_option_takes_names_as_they_are_shown(world: World, name: str) -> None:
    cached(world, "x/lib", "git@gitlab.com:north/team/lib.git", said(HEARD))
    cached(world, "y/lib", "git@gitlab.com:south/team/lib.git", said(HEARD))

    done = world.tako("exec", WORKFLOW, "--repo", name, "--json")

    assert done.code == 0, done.text
    assert done.json()["repository"] == "north/team/lib"


def test_repo_option_refuses_unknown_and_doubled_names(world: World) -> None:
    cached(world, "x/lib", "git@gitlab.com:north/team/lib.git", said(HEARD))
    cached(world, "y/lib", "git@gitlab.com:north/team/lib.git", said(HEARD))

    doubled = world.tako("exec", WORKFLOW, "--repo", "north/team/lib")
    unknown = world.tako("exec", WORKFLOW, "--repo", "west/team/lib")

    assert (doubled.code, unknown.code) == (2, 2)
    assert "more than once" in doubled.err
    assert "west/team/lib" in unknown.err
