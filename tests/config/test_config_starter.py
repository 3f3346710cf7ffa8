"""The first tako.yml of a repository loads, has no fault of style, and says what it is said to say."""

from __future__ import annotations

import os
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tako.config.loader import loads, loads_thoroughly
from tako.config.recipes import ECOSYSTEMS, MANIFESTS, ecosystems_of, package_name, recipe
from tako.config.starter import starter
from tako.lint.linter import lint
from tako.process import Processes


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("ecosystem", ECOSYSTEMS)
def test_what_is_written_loads_and_has_no_fault_of_style(ecosystem: str, named: bool) -> None:
    data = starter(ecosystem, "my-org/go-lib", named=named).encode()
    config = loads_thoroughly(data, "tako.yml")
    assert lint(data, config) == []
    assert config.name == ("my-org/go-lib" if named else None)
    assert [(one.name, one.ecosystem, bool(one.command)) for one in config.artifacts] == [("go-lib", ecosystem, True)]
    assert [workflow.name for workflow in config.workflows] == ["test", "release"]
    assert "NAME" not in data.decode()


@pytest.mark.parametrize("ecosystem", ECOSYSTEMS)
def test_release_announces_the_version_of_what_it_built(ecosystem: str) -> None:
    release = loads(starter(ecosystem, "my-org/lib", named=True).encode(), "tako.yml").workflow("release")
    assert release is not None
    assert release.inputs == ()
    assert release.steps[-1].params["payload"] == {"version": "{{ steps.version.outputs.version }}"}
    ids = [step.id for step in release.steps]
    tagged = ecosystem in ("go", "generic")
    assert ids == (["version", "test", "build", "announce"] if tagged else ["test", "build", "version", "announce"])


@pytest.mark.parametrize("name", ["my-org/other-repo", "My-Org/Other-Repo"])
def test_example_of_a_subscription_is_never_to_itself(name: str) -> None:
    assert f"artifact: {name.lower()}:" not in starter("go", name, named=True)


def test_recipes_go_by_the_files_that_are_there() -> None:
    real = '{"scripts": {"test": "node --test"}}'
    assert recipe("npm", ["package-lock.json"], real).test == "npm ci --no-audit --no-fund && npm test"
    assert recipe("npm", ["pnpm-lock.yaml"], real).build.startswith("pnpm install --frozen-lockfile && npm run build")
    assert (
        "put the command" in recipe("npm", [], '{"scripts": {"test": "echo Error: no test specified && exit 1"}}').test
    )
    assert "put the command" in recipe("npm", [], "no json").test
    assert recipe("python", ["tests"]).test == recipe("python", [], "[tool.pytest]").test == "python3 -m pytest"
    assert "put the command" in recipe("python", ["pyproject.toml"]).test
    assert recipe("maven", ["mvnw"]).build.startswith("./mvnw --batch-mode")
    assert recipe("maven", []).build.startswith("mvn --batch-mode")


@pytest.mark.parametrize("ecosystem", ECOSYSTEMS)
def test_its_commands_are_a_shells(ecosystem: str, processes: Processes) -> None:
    config = loads(starter(ecosystem, "my-org/lib", named=True).encode(), "tako.yml")
    (artifact,) = config.artifacts
    runs = [step.run for workflow in config.workflows for step in workflow.steps]
    for command in (artifact.command, artifact.install_command, artifact.verify_command, *runs):
        if command is not None:
            assert processes.run(["sh", "-n", "-c", command], env=os.environ).ok
    assert artifact.install_command is not None
    assert artifact.verify_command is not None


@pytest.mark.parametrize("ecosystem", ECOSYSTEMS)
def test_the_subscription_in_remarks_loads_without_the_marks(ecosystem: str) -> None:
    text = starter(ecosystem, "my-org/lib", named=True)
    head, marked = text.split("# subscriptions:")
    text = head + "subscriptions:" + re.sub(r"^# ", "", marked, flags=re.MULTILINE)
    (subscription,) = loads_thoroughly(text.encode(), "tako.yml").subscriptions
    assert (subscription.repo, subscription.workflow) == ("my-org/other-repo", "test")


@given(st.sampled_from(ECOSYSTEMS), st.text(min_size=1, max_size=20), st.booleans())
def test_whatever_a_directory_is_called(ecosystem: str, name: str, named: bool) -> None:
    name = name.replace("/", "-")
    text = starter(ecosystem, f"local/{name}", named=False)
    assert len(loads(text.encode("utf-8", "replace"), "tako.yml").artifacts) == 1


@given(st.from_regex(r"\A[A-Za-z0-9_.-]{1,12}/[A-Za-z0-9_.-]{1,12}\Z"))
@example("a/b..c")
def test_whatever_a_repository_is_called(name: str) -> None:
    if {".", ".."} & set(name.split("/")):
        return
    assert loads(starter("go", name, named=True).encode(), "tako.yml").name == name


@pytest.mark.parametrize(("manifest", "ecosystem"), MANIFESTS.items())
def test_a_manifest_tells_the_ecosystem(manifest: str, ecosystem: str) -> None:
    assert ecosystems_of(["README", manifest]) == [ecosystem]


def test_of_several_the_order_of_the_table_counts_and_of_none_it_is_generic() -> None:
    assert ecosystems_of(["Cargo.toml", "setup.py", "package.json", "pyproject.toml"]) == ["python", "npm", "cargo"]
    assert ecosystems_of([]) == ["generic"]


def test_the_packages_own_name_is_used_where_others_need_it() -> None:
    assert package_name("go", "// a\nmodule example.org/x/y\n\ngo 1.22\n") == "example.org/x/y"
    assert package_name("cargo", '[package]\nversion = "1"\nname = "a-b"\n[dependencies]\n') == "a-b"
    assert package_name("cargo", '[dependencies]\nname = "no"\n') is None
    assert package_name("go", "module a$(b)\n") is None
    assert package_name("python", "name = 'x'") is None
    assert "-replace example.org/x=" in starter("go", "a/b", named=True, package="example.org/x")
