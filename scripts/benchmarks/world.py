"""Makes a Tako home with repositories to measure with, and runs ``tako`` there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from runner_child import ENTRY

PYTHON = sys.executable
ROOT = str(Path(ENTRY).parents[1])
TAKO = str(Path(PYTHON).parent / "tako")

EMITTER = """\
version: 1
metadata: {name: bench/emitter}
workflows:
  release:
    steps:
      - uses: tako/fan-out@v1
        with: {event_type: built, payload: {version: "1.0.0"}}
"""

SUBSCRIBER = """\
version: 1
metadata: {name: bench/child-%(number)d}
workflows:
  check:
    on: event
    steps:
      - %(script)s
subscriptions:
  - artifact: bench/emitter
    events: [built]
    workflow: check
"""


def make_world(root: Path, children: int, script: str) -> Path:
    """A Tako home with an emitter and that many subscribers, each a git repository of 30 files."""
    make_emitter(root)
    template = root / "template"
    for number in range(30):
        file = template / f"d{number % 5}" / f"f{number}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(str(line) for line in range(200)))
    git(template, "init", "-q", "-b", "main")
    git(template, "add", ".")
    git(template, "commit", "-qm", "files")
    for number in range(children):
        repository = repository_of(root, number)
        shutil.copytree(template, repository)
        (repository / "tako.yml").write_text(SUBSCRIBER % {"number": number, "script": script})
        # What is not committed is not run.
        git(repository, "add", "tako.yml")
        git(repository, "commit", "-qm", "tako.yml")
    return root


def make_plain_world(root: Path, children: int, script: str) -> Path:
    """The same with subscribers that are plain directories, which hold nothing but their ``tako.yml``."""
    make_emitter(root)
    for number in range(children):
        repository = repository_of(root, number)
        repository.mkdir(parents=True)
        (repository / "tako.yml").write_text(SUBSCRIBER % {"number": number, "script": script})
    return root


def make_emitter(root: Path) -> None:
    emitter = root / "emitter"
    emitter.mkdir(parents=True)
    (emitter / "tako.yml").write_text(EMITTER)


def repository_of(root: Path, number: int) -> Path:
    """Where the cache has a subscriber."""
    return root / "home" / "cache" / "repos" / "bench" / f"child-{number}" / "main"


def git(directory: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=bench", "-c", "user.email=bench@localhost")
    subprocess.run(
        ["git", "-C", str(directory), *identity, *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def world_env(world: Path) -> dict[str, str]:
    return {**os.environ, "TAKO_HOME": str(world / "home")}


def tako_command(cap: int) -> list[str]:
    return [TAKO, "exec", "release", "--local", "-j", str(cap)]


def run_tako(world: Path, cap: int) -> None:
    """One whole run; the workspaces of the one before are removed first, untimed runs pay for that."""
    done = subprocess.run(
        [*tako_command(cap), "--json"], cwd=world / "emitter", env=world_env(world), capture_output=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"tako failed:\n{done.stderr.decode()}")
    if not all(run["status"] == "success" for run in json.loads(done.stdout)["runs"]):
        sys.exit("a child did not succeed")
