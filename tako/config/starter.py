"""The text of the first ``tako.yml`` of a repository. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Collection

from tako.config.recipes import recipe

_PLAIN = re.compile(r"[A-Za-z](?:[ -~]*[!-~])?")
_WORDS = ("true", "false", "null", "yes", "no", "on", "off")
_UNFIT = re.compile(r"[^A-Za-z0-9_.-]+|\.{2,}")


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
      version: {{type: string, required: true, min_length: 1}}

workflows:
  # tako exec test
  test:
    description: Test this repository
    steps:
      - {test}

  # tako exec release
  release:
    description: Test, build, and tell the repositories that depend on this one
    steps:
{first}      - id: test
        run: {test}
      - id: build
        run: {build}
        produces:
          artifact: {artifact}
{then}      # Runs the workflow of every repository in the cache that subscribed to this event, and waits for them.
      - id: announce
        uses: tako/fan-out@v1
        with:
          event_type: released
          artifact: {artifact}
          schema_version: "1.0.0"
          payload: {{version: "{{{{ steps.version.outputs.version }}}}"}}

# What this repository waits for: name another one, and take the marks away, to run `test` when that has released.
# subscriptions:
#   - artifact: {other}    # owner/repo:artifact, of that repository
#     events: [released]
#     schema_version: ^1.0.0
#     filters:
#       - semver.major(event.payload.version) > 0
#     workflow: test
"""

_VERSION = """\
      # {about}
      - id: version
        run: {version}
        produces:
          outputs: {{version: from_stdout}}
"""
_OTHERS = ("my-org/other-repo", "other-org/other-repo")


def starter(
    ecosystem: str,
    repository: str,
    *,
    named: bool,
    package: str | None = None,
    names: Collection[str] = (),
    manifest: str = "",
) -> str:
    """The text of a ``tako.yml``.

    ``repository`` is ``owner/name``; if it is not ``named``, it is only a guess and does not go into the file.
    ``package`` is the package's own name, if it has another. ``names`` are those of the files at the top of the
    repository, ``manifest`` the content of the one that tells the ecosystem.
    """
    used = recipe(ecosystem, names, manifest)
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
    about = "The version is the tag of this commit." if used.tagged else "The version of what was built."
    version = _VERSION.format(about=about, version=filled(used.version))
    return _STARTER.format(
        first=version if used.tagged else "",
        then="" if used.tagged else version,
        other=f"{next(other for other in _OTHERS if other != repository.lower())}:default",
        metadata=metadata,
        artifact=_scalar(artifact),
        path=filled(used.path),
        ecosystem=ecosystem,
        build=filled(used.build),
        install=filled(used.install),
        verify=filled(used.verify),
        test=filled(used.test),
    )


def _scalar(text: str) -> str:
    """Text as YAML that means that text, outside of brackets."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS and ": " not in text and " #" not in text
    return text if plain else json.dumps(text)
