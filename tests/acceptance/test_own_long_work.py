"""Tako's own long work for a step, copying, hashing and looking for secrets, ends as a process of the step would.

The files are holes of many gigabytes: they take no space, and minutes to hash.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tako.clock import SystemClock
from tako.locks import exclusive
from tests.acceptance.conftest import Ran, World

SOON = 8.0
"""Seconds; the work takes far longer on any machine, and half a second on none."""

LIB = """\
version: 1
metadata: {name: my-org/lib}
artifacts:
  image: {path: image}
workflows:
  artifact:
    TIMEOUT
    steps:
      - id: build
        run: truncate -s 400G image
        produces: {artifact: image}
        STEP
  cache-key:
    TIMEOUT
    steps:
      - id: build
        run: "true"
        cache_key_files: image
        STEP
  secret:
    secrets: [TOKEN]
    TIMEOUT
    steps:
      - id: build
        run: truncate -s 400G image
        env: {T: TOKEN}
        produces: {artifact: image}
        STEP
"""

KINDS = ("artifact", "cache-key", "secret")


@pytest.fixture
def lib(world: World) -> Callable[..., Path]:
    world.env["TOKEN"] = "a-value-to-look-for"

    def make(*, step: str = "", workflow: str = "") -> Path:
        path = world.working("lib", LIB.replace("TIMEOUT", workflow).replace("STEP", step))
        with open(path / "image", "wb") as file:
            file.truncate(400 * 2**30)
        return path

    return make


def ended(world: World, ran: Ran, began: float) -> str:
    """The kind of failure of a run that has ended soon."""
    took = time.monotonic() - began
    assert took < SOON, f"{took:.1f}s: {ran.text}"
    state = json.loads((world.only_workspace() / "state.json").read_text())
    assert not list(world.only_workspace().glob("artifacts/*/*/*/*"))
    return str(state["data"]["failure"]["kind"])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, "cancel"])
def test_a_stop_ends_it(world: World, lib: Callable[..., Path], kind: str, how: int | str) -> None:
    running = world.start("exec", kind, "--root", str(lib()))
    assert running.stderr is not None
    while "step 'build'" not in running.stderr.readline():
        assert running.poll() is None
    began = time.monotonic()
    if isinstance(how, str):
        world.tako("cancel", world.only_workspace().name)
    else:
        os.kill(running.pid, how)

    ran = world.finish(running)

    assert ended(world, ran, began) == "interrupted"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("limits", "failure"),
    [({"step": "timeout: 1s"}, "step_timeout"), ({"workflow": "timeout: 1s"}, "workflow_timeout")],
)
def test_a_timeout_ends_it(
    world: World, lib: Callable[..., Path], kind: str, limits: dict[str, str], failure: str
) -> None:
    repo = lib(**limits)
    began = time.monotonic()

    ran = world.tako("exec", kind, "--root", str(repo))

    assert ran.code == 1
    assert ended(world, ran, began) == failure
    assert "1.0s" in ran.err


ROOT = """\
version: 1
metadata: {name: my-org/lib}
workflows:
  release:
    steps:
      - uses: tako/fan-out@v1
        with: {event_type: built, timeout: 2s, payload: {}}
"""

CLIENT = """\
version: 1
metadata: {name: my-org/client}
artifacts:
  image: {path: image}
workflows:
  verify:
    on: event
    steps:
      - run: truncate -s 400G image
        produces: {artifact: image}
subscriptions:
  - {artifact: "my-org/lib:default", events: [built], workflow: verify}
"""


def test_a_fan_outs_timeout_ends_that_of_a_child(world: World) -> None:
    world.cached("my-org/client", CLIENT)
    began = time.monotonic()

    ran = world.tako("exec", "release", "--root", str(world.working("lib", ROOT)), "--json")

    assert time.monotonic() - began < 2 + SOON
    (run,) = ran.json()["runs"]
    assert run["failure"]["kind"] == "fan_out_timeout"


def test_a_stop_ends_a_checkout_that_is_copied(world: World) -> None:
    client = world.cached("my-org/client", CLIENT, git=False)
    for number in range(30):
        # Of many files, since a hole is copied at once.
        (client / f"d{number}").mkdir()
        for other in range(1000):
            (client / f"d{number}" / str(other)).touch()
    running = world.start("exec", "release", "--root", str(world.working("lib", ROOT.replace("timeout: 2s, ", ""))))
    deadline = time.monotonic() + 30
    while not list(world.home.glob("workspaces/*/children/*/repo.tmp")):
        assert time.monotonic() < deadline
        assert running.poll() is None
    began = time.monotonic()
    running.send_signal(signal.SIGINT)

    ran = world.finish(running)

    assert time.monotonic() - began < SOON
    assert ran.code == 130
    assert not list(world.home.glob("workspaces/*/children/*/repo*"))


def test_a_stop_ends_the_build_of_an_artifact(world: World) -> None:
    yml = CLIENT.replace("{path: image}", "{path: image, command: truncate -s 400G image && echo made}")
    running = world.start("artifacts", "build", "--root", str(world.working("client", yml)))
    assert running.stderr is not None
    assert running.stderr.readline() == "made\n"
    began = time.monotonic()
    running.send_signal(signal.SIGINT)

    ran = world.finish(running)

    assert time.monotonic() - began < SOON
    assert ran.code == 130


TIMED = """\
version: 1
metadata: {name: my-org/client}
workflows:
  verify:
    timeout: 1s
    steps: [{id: build, run: "true"}]
subscriptions:
  - {artifact: "my-org/lib:default", events: [built], workflow: verify}
"""


@pytest.mark.parametrize("of", ["root", "child"])
def test_a_workflows_timeout_ends_its_checkout(world: World, of: str) -> None:
    world.cached("my-org/client", TIMED if of == "root" else TIMED.replace("verify:", "verify:\n    on: event"))
    lib = world.working("lib", ROOT.replace("timeout: 2s, ", ""))
    given = ("verify", "--repo", "my-org/client") if of == "root" else ("release", "--root", str(lib))
    lock = world.home / "cache" / "locks" / "my-org" / "client" / "main.lock"
    began = time.monotonic()

    with exclusive(str(lock), clock=SystemClock(), timeout=10):
        ran = world.tako("exec", *given, "--json")

    assert time.monotonic() - began < 1 + SOON, ran.text
    failure = (ran.json() if of == "root" else ran.json()["runs"][0])["failure"]
    assert ran.code == 1
    assert failure["kind"] == "workflow_timeout"
    assert "before its checkout was made" in failure["message"]
    assert not list(world.home.glob("workspaces/**/repo*"))
