"""What ``tako init`` writes runs as it stands, and releases what it announces, wherever the ecosystem's tools are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.acceptance.conftest import World


def git(directory: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *identity, "-C", directory, *arguments], check=True, capture_output=True)


def begun(world: World, name: str, files: Mapping[str, str], *, tag: str | None = None) -> Path:
    """A repository without a tako.yml, then with the one that `tako init` writes, committed and tagged."""
    directory = world.working(name, "", files)
    (directory / "tako.yml").unlink()
    git(directory, "remote", "add", "origin", f"git@example.org:my-org/{name}.git")
    ran = world.tako("init", cwd=directory)
    assert ran.code == 0, ran.text
    assert "-i version" not in ran.text
    git(directory, "add", "-A")
    git(directory, "commit", "-qm", "begin")
    if tag is not None:
        git(directory, "tag", tag)
    return directory


def subscriber(world: World, name: str) -> None:
    """A repository that writes down what it is told, and what it gets."""
    steps = [
        "echo told {{ payload.version | shell_quote }}",
        'basename "$TAKO_ARTIFACT_' + name.upper().replace("-", "_") + '_PATH"',
    ]
    data = {
        "version": 1,
        "metadata": {"name": "my-org/app"},
        "workflows": {"test": {"steps": steps}},
        "subscriptions": [{"artifact": f"my-org/{name}:{name}", "events": ["released"], "workflow": "test"}],
    }
    world.cached("my-org/app", json.dumps(data))


def released(world: World, directory: Path) -> tuple[str, str]:
    """What the subscriber was told, and the name of what it got."""
    for command in (["validate"], ["lint", "--strict"], ["exec", "test"]):
        ran = world.tako(*command, cwd=directory)
        assert ran.code == 0, ran.text
    subscriber(world, directory.name)
    ran = world.tako("exec", "release", "--json", cwd=directory, timeout=300)
    assert ran.code == 0, ran.text
    (child,) = ran.json()["runs"]
    logs = Path(child["workspace"]) / "logs"
    return (logs / "step-1.log").read_text().strip(), (logs / "step-2.log").read_text().strip()


def test_first_file_releases_and_is_heard(world: World) -> None:
    directory = begun(world, "lib", {"README": "hello\n"}, tag="v1.2.3")
    text = (directory / "tako.yml").read_text()
    head, marked = text.split("# subscriptions:")
    subscribed = head + "subscriptions:" + re.sub(r"^# ", "", marked, flags=re.MULTILINE)
    assert "my-org/lib:" not in subscribed, "it does not subscribe to itself"
    others = subscribed.replace("my-org/other-repo:default", "my-org/lib:lib").replace(
        "name: my-org/lib", "name: my-org/app"
    )
    world.cached("my-org/app", others)
    ran = world.tako("exec", "release", "--json", cwd=directory)
    assert ran.code == 0, ran.text
    (child,) = ran.json()["runs"]
    assert (child["repository"], child["workflow"], child["status"]) == ("my-org/app", "test", "success")
    app = world.working("app", others)
    installed = world.tako("artifacts", "install", str(directory), cwd=app)
    assert installed.code == 0, installed.text
    assert (app / "vendor/lib/README").read_text() == "hello\n"


def test_release_without_a_version_is_refused_first(world: World) -> None:
    directory = begun(world, "lib", {"README": "hello\n"})
    ran = world.tako("exec", "release", cwd=directory)
    assert ran.code == 1
    assert "tag the commit that you release first, like: git tag v1.2.3" in ran.text
    assert not (directory / "dist").exists()


def test_generic_release_is_the_tagged_commit(world: World) -> None:
    directory = begun(world, "lib", {"README": "hello\n"}, tag="v1.2.3")
    assert released(world, directory) == ("told 1.2.3", "lib-v1.2.3.tar.gz")


@pytest.mark.skipif(shutil.which("npm") is None, reason="there is no npm here")
def test_npm_release_is_built_and_has_its_own_version(world: World) -> None:
    manifest = {
        "name": "@my-org/lib",
        "version": "1.0.0",
        "scripts": {
            "build": "mkdir -p dist && echo built > dist/out.js",
            "test": 'echo "Error: no test specified" && exit 1',
        },
        "files": ["dist"],
    }
    world.env["npm_config_offline"] = "true"
    world.env["npm_config_cache"] = str(world.root / "npm")
    directory = begun(world, "lib", {"package.json": json.dumps(manifest)})
    assert released(world, directory) == ("told 1.0.0", "my-org-lib-1.0.0.tgz")
    with tarfile.open(directory / "packed/my-org-lib-1.0.0.tgz") as packed:
        assert "package/dist/out.js" in packed.getnames()


@pytest.mark.skipif(shutil.which("cargo") is None, reason="there is no cargo here")
def test_cargo_release_has_its_own_version(world: World) -> None:
    manifest = '[package]\nname = "my-lib"\nversion = "1.4.0"\nedition = "2021"\nlicense = "MIT"\ndescription = "x"\n'
    world.env["CARGO_NET_OFFLINE"] = "true"
    world.env["CARGO_HOME"] = str(world.root / "cargo")
    # With rustup, cargo is only what looks for one in the home.
    toolchains = Path(shutil.which("cargo") or "").parents[2] / ".rustup" / "toolchains"
    for toolchain in sorted(toolchains.glob("*/bin"))[:1]:
        world.env["PATH"] = f"{toolchain}:{world.env['PATH']}"
    files = {"Cargo.toml": manifest, "src/lib.rs": "pub fn x() {}\n", ".gitignore": "target\n"}
    directory = begun(world, "lib", files)
    assert released(world, directory) == ("told 1.4.0", "my-lib-1.4.0.crate")


@pytest.mark.skipif(shutil.which("go") is None, reason="there is no go here")
def test_go_release_is_the_tagged_commit(world: World) -> None:
    world.env["GOFLAGS"] = "-mod=mod"
    files = {"go.mod": "module example.org/lib\n\ngo 1.20\n", "lib.go": "package lib\n"}
    directory = begun(world, "lib", files, tag="v0.3.0")
    assert released(world, directory) == ("told 0.3.0", "module")


def test_python_release_announces_the_version_of_its_wheel(world: World, tmp_path: Path) -> None:
    """With a build backend of the repository's own, so that nothing is fetched."""
    backend = """\
import zipfile

def _wheel(directory):
    name = "my_lib-1.0.0-py3-none-any.whl"
    info = "my_lib-1.0.0.dist-info/"
    with zipfile.ZipFile(f"{directory}/{name}", "w") as file:
        file.writestr("my_lib.py", "")
        file.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: my-lib\\nVersion: 1.0.0\\n")
        file.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        file.writestr(info + "RECORD", "")
    return name

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    return _wheel(wheel_directory)
"""
    manifest = (
        '[project]\nname = "my-lib"\nversion = "1.0.0"\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    has_pip = subprocess.run(["python3", "-m", "pip", "--version"], env=world.env, capture_output=True, check=False)
    if has_pip.returncode != 0:
        pytest.skip("there is no pip here")
    directory = begun(world, "lib", {"pyproject.toml": manifest, "backend.py": backend})
    assert released(world, directory) == ("told 1.0.0", "my_lib-1.0.0-py3-none-any.whl")


def test_maven_release_has_the_version_of_its_archive(world: World) -> None:
    """With a stand-in for Maven that leaves what its archiver does, since a real one fetches its plugins."""
    tools = world.root / "tools"
    tools.mkdir()
    stand_in = tools / "mvn"
    stand_in.write_text(
        '#!/bin/sh -e\ncase "$*" in *package*) mkdir -p target/maven-archiver; touch target/lib-2.1.0.jar\n'
        "printf 'artifactId=lib\\ngroupId=g\\nversion=2.1.0\\n' > target/maven-archiver/pom.properties;; esac\n"
    )
    stand_in.chmod(0o755)
    world.env["PATH"] = f"{tools}:{world.env['PATH']}"
    directory = begun(world, "lib", {"pom.xml": "<project/>\n"})
    assert released(world, directory) == ("told 2.1.0", "lib-2.1.0.jar")
