"""The first ``tako.yml`` of a repository: which kind of package it is, and what to write. Both are pure."""

from __future__ import annotations

import json
import re
from collections.abc import Collection

from tako.records import record

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

_PLAIN = re.compile(r"[A-Za-z](?:[ -~]*[!-~])?")
_WORDS = ("true", "false", "null", "yes", "no", "on", "off")
_UNFIT = re.compile(r"[^A-Za-z0-9_.-]+|\.{2,}")


@record
class Recipe:
    """How packages of one ecosystem are made and used. ``NAME`` in it stands for the package's own name."""

    test: str
    build: str
    path: str
    install: str
    verify: str


_RECIPES = {
    "python": Recipe(
        test="python -m pytest",
        build="rm -rf dist && python -m pip wheel --no-deps --wheel-dir dist .",
        path="dist/*.whl",
        install='python -m pip install "$TAKO_ARTIFACT_PATH"',
        verify="python -m pip check",
    ),
    "npm": Recipe(
        test="npm test",
        build="rm -rf dist && mkdir -p dist && npm pack --pack-destination dist",
        path="dist/*.tgz",
        install='npm install "$TAKO_ARTIFACT_PATH"',
        verify="npm ls",
    ),
    "go": Recipe(
        test="go test ./...",
        build="rm -rf dist && mkdir -p dist/module && git archive HEAD | tar -x -C dist/module",
        path="dist/module",
        install='go mod edit -replace NAME="$TAKO_ARTIFACT_PATH" && go mod tidy',
        verify="go build ./...",
    ),
    "maven": Recipe(
        test="mvn --batch-mode test",
        build="mvn --batch-mode clean package -DskipTests",
        path="target/*.jar",
        install='mvn --batch-mode install:install-file -Dfile="$TAKO_ARTIFACT_PATH"',
        verify="mvn --batch-mode compile",
    ),
    "cargo": Recipe(
        test="cargo test",
        build="rm -rf target/package && cargo package",
        path="target/package/*.crate",
        install=(
            'mkdir -p vendor/NAME && tar -xzf "$TAKO_ARTIFACT_PATH" -C vendor/NAME --strip-components 1'
            " && cargo add --path vendor/NAME"
        ),
        verify="cargo check",
    ),
    "generic": Recipe(
        test="echo 'put the command that tests this repository here'",
        build="mkdir -p dist && git archive --format=tar.gz --output dist/NAME.tar.gz HEAD",
        path="dist/NAME.tar.gz",
        install='mkdir -p vendor/NAME && tar -xzf "$TAKO_ARTIFACT_PATH" -C vendor/NAME',
        verify='test -n "$(ls vendor/NAME)"',
    ),
}

_STARTER = """\
# What Tako knows of this repository: what it makes, what can be done with it, and what it waits for.
version: 1
{metadata}
# What this repository makes, for the repositories that depend on it.
artifacts:
  {artifact}:
    path: {path}
    ecosystem: {ecosystem}
    # `tako artifacts build` runs it.
    command: {build}
    # `tako artifacts install` tries it out in a repository that depends on this one.
    install_command: {install}
    verify_command: {verify}

# What the events of this repository say.
events:
  released:
    schema_version: "1.0.0"
    payload:
      version: {{type: string, required: true}}

workflows:
  # tako exec test
  test:
    description: Test this repository
    steps:
      - {test}

  # tako exec release -i version=1.2.3
  release:
    description: Test, build, and tell the repositories that depend on this one
    inputs:
      version:
        description: The version to release
        required: true
        validation: {{pattern: '^[0-9]+\\.[0-9]+\\.[0-9]+$'}}
    steps:
      - id: test
        run: {test}
      - id: build
        run: {build}
        produces:
          artifact: {artifact}
      # Runs the workflow of every repository in the cache that subscribed to this event, and waits for them.
      - id: announce
        uses: tako/fan-out@v1
        with:
          event_type: released
          artifact: {artifact}
          schema_version: "1.0.0"
          payload: {{version: "{{{{ inputs.version }}}}"}}

# What this repository waits for: take the marks away to run `test` when another one has released.
# subscriptions:
#   - artifact: my-org/other-repo:{artifact}    # owner/repo:artifact
#     events: [released]
#     schema_version: ^1.0.0
#     filters:
#       - semver.major(event.payload.version) > 0
#     workflow: test
"""


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


def starter(ecosystem: str, repository: str, *, named: bool, package: str | None = None) -> str:
    """The text of a ``tako.yml``.

    ``repository`` is ``owner/name``; if it is not ``named``, it is only a guess and does not go into the file.
    ``package`` is the package's own name, if it has another.
    """
    recipe = _RECIPES[ecosystem]
    artifact = _UNFIT.sub("-", repository.rpartition("/")[2]).strip("-.") or "default"
    name = package or artifact

    def filled(text: str) -> str:
        return _scalar(text.replace("NAME", name))

    metadata = (
        f"metadata:\n  name: {_scalar(repository)}\n"
        if named
        else "# The name by which others subscribe to this repository. Without it: that of the remote `origin`.\n"
        "# metadata:\n#   name: my-org/my-repo\n"
    )
    return _STARTER.format(
        metadata=metadata,
        artifact=_scalar(artifact),
        path=filled(recipe.path),
        ecosystem=ecosystem,
        build=filled(recipe.build),
        install=filled(recipe.install),
        verify=filled(recipe.verify),
        test=filled(recipe.test),
    )


def _scalar(text: str) -> str:
    """Text as YAML that means that text, outside of brackets."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return text if plain else json.dumps(text)
