"""How packages of each ecosystem are tested, built and used, as far as the files of a repository tell. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Collection

from tako.records import record, replace

ECOSYSTEMS = ("python", "npm", "go", "maven", "cargo", "generic")

MANIFESTS = {
    "pyproject.toml": "python",
    "setup.py": "python",
    "setup.cfg": "python",
    "package.json": "npm",
    "go.mod": "go",
    "pom.xml": "maven",
    "Cargo.toml": "cargo",
}
"""What tells of an ecosystem, the first that is there before the others."""

_NO_TESTS = "echo 'put the command that tests this repository here'"
_TAG = (
    "tag=$(git describe --tags --exact-match --match 'v[0-9]*') || "
    '{ echo "tag the commit that you release first, like: git tag v1.2.3" >&2; exit 1; }; echo "${tag#v}"'
)


@record
class Recipe:
    """How packages of one ecosystem are made and used. ``NAME`` in it stands for the package's own name."""

    test: str
    build: str
    path: str
    version: str
    """Prints the version of what was built, so that what is announced is what was made."""
    install: str
    verify: str
    tagged: bool = False
    """Whether the version is the tag of the commit, since no file has one: asked first, before anything is built."""


_RECIPES = {
    "python": Recipe(
        test="python3 -m pytest",
        build="rm -rf dist && python3 -m pip wheel --no-deps --wheel-dir dist .",
        path="dist/*.whl",
        version="basename dist/*.whl | cut -d- -f2",
        install='python3 -m pip install "$TAKO_ARTIFACT_PATH"',
        verify="python3 -m pip check",
    ),
    "npm": Recipe(
        test="DEPENDENCIES && npm test",
        build=(
            "DEPENDENCIES && npm run build --if-present && rm -rf packed && mkdir packed"
            " && npm pack --pack-destination packed"
        ),
        path="packed/*.tgz",
        version="node -p \"require('./package.json').version\"",
        install='npm install "$TAKO_ARTIFACT_PATH"',
        verify="npm ls",
    ),
    "go": Recipe(
        test="go test ./...",
        build="rm -rf dist && mkdir -p dist/module && git archive HEAD | tar -x -C dist/module",
        path="dist/module",
        version=_TAG,
        install='go mod edit -replace NAME="$TAKO_ARTIFACT_PATH" && go mod tidy',
        verify="go build ./...",
        tagged=True,
    ),
    "maven": Recipe(
        test="mvn --batch-mode test",
        build="mvn --batch-mode clean package -DskipTests",
        path="target/*.jar",
        version="sed -n 's/^version=//p' target/maven-archiver/pom.properties",
        install='mvn --batch-mode install:install-file -Dfile="$TAKO_ARTIFACT_PATH"',
        verify="mvn --batch-mode compile",
    ),
    "cargo": Recipe(
        test="cargo test",
        build="rm -rf target/package && cargo package --allow-dirty --target-dir target",
        path="target/package/*.crate",
        version='id=$(cargo pkgid) && echo "${id##*[#@]}"',
        install=(
            'mkdir -p vendor/NAME && tar -xzf "$TAKO_ARTIFACT_PATH" -C vendor/NAME --strip-components 1'
            " && cargo add --path vendor/NAME"
        ),
        verify="cargo check",
    ),
    "generic": Recipe(
        test=_NO_TESTS,
        build=(
            "rm -rf dist && mkdir -p dist"
            ' && git archive --format=tar.gz --output "dist/NAME-$(git describe --tags --always).tar.gz" HEAD'
        ),
        path="dist/NAME-*.tar.gz",
        version=_TAG,
        install='mkdir -p vendor/NAME && tar -xzf "$TAKO_ARTIFACT_PATH" -C vendor/NAME',
        verify='test -n "$(ls vendor/NAME)"',
        tagged=True,
    ),
}

_NPM_LOCKS = {
    "pnpm-lock.yaml": "pnpm install --frozen-lockfile",
    "yarn.lock": "yarn install --frozen-lockfile",
    "package-lock.json": "npm ci --no-audit --no-fund",
    "npm-shrinkwrap.json": "npm ci --no-audit --no-fund",
}
_NPM_INSTALL = "npm install --no-audit --no-fund"


def ecosystems_of(names: Collection[str]) -> list[str]:
    """The ecosystems that the files at the top of a repository tell of, the likeliest first; ``generic`` if none."""
    found = [ecosystem for manifest, ecosystem in MANIFESTS.items() if manifest in names]
    return list(dict.fromkeys(found)) or ["generic"]


def package_name(ecosystem: str, manifest: str) -> str | None:
    """What a package calls itself in its manifest, where others need that name to install it."""
    pattern = {"go": r"^module\s+\"?([^\s\"]+)", "cargo": r"^\[package\][^\[]*?^name\s*=\s*\"([^\"]+)\""}.get(ecosystem)
    match = re.search(pattern, manifest, re.MULTILINE) if pattern else None
    # It becomes a part of a command.
    return match[1] if match and re.fullmatch(r"[A-Za-z0-9_./~-]+", match[1]) else None


def recipe(ecosystem: str, names: Collection[str] = (), manifest: str = "") -> Recipe:
    """The recipe for a repository with files and directories of these names at its top, and that manifest."""
    found = _RECIPES[ecosystem]
    if ecosystem == "npm":
        return _npm(found, names, manifest)
    if ecosystem == "python" and not _has_python_tests(names, manifest):
        return replace(found, test=_NO_TESTS)
    if ecosystem == "maven" and "mvnw" in names:
        wrapped = {field: getattr(found, field).replace("mvn ", "./mvnw ", 1) for field in ("test", "build")}
        return replace(found, **wrapped)
    return found


def _npm(found: Recipe, names: Collection[str], manifest: str) -> Recipe:
    install = next((command for lock, command in _NPM_LOCKS.items() if lock in names), _NPM_INSTALL)
    test = _npm_scripts(manifest).get("test", "")
    # `npm init` writes a test that always fails.
    has_tests = bool(test) and "no test specified" not in test
    return replace(
        found,
        test=found.test.replace("DEPENDENCIES", install) if has_tests else _NO_TESTS,
        build=found.build.replace("DEPENDENCIES", install),
    )


def _npm_scripts(manifest: str) -> dict[str, str]:
    try:
        data = json.loads(manifest or "{}")
    except ValueError:
        return {}
    scripts = data.get("scripts") if isinstance(data, dict) else None
    return {key: str(value) for key, value in scripts.items()} if isinstance(scripts, dict) else {}


def _has_python_tests(names: Collection[str], manifest: str) -> bool:
    known = ("tests", "test", "conftest.py", "pytest.ini", "tox.ini")
    return "pytest" in manifest or any(name in known or re.fullmatch(r"test_.*\.py", name) for name in names)
