"""A poll that names a step watches it: another process that has its port does not stand in for it."""

from __future__ import annotations

import http.server
import shlex
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import World
from tests.acceptance.recipes import WORKFLOW, config, fan_out, step

SERVER = """
import http.server, sys, time
time.sleep(float(sys.argv[2]))
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler)
server.serve_forever()
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def taken() -> Iterator[int]:
    """A port at which a process answers that no step has started."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def free() -> int:
    with http.server.HTTPServer(("127.0.0.1", 0), Quiet) as server:
        return server.server_port


def serve(port: int, *, after: float = 0.0) -> dict[str, Any]:
    """A service that begins to listen after some seconds, and dies if it cannot."""
    return step("serve", f"{sys.executable} -c {shlex.quote(SERVER)} {port} {after}", long_running=True)


def poll(port: int, id_: str = "poll", **more: Any) -> dict[str, Any]:
    params = {"target": "http", "url": f"http://localhost:{port}/", "step_id": "serve", "interval": "50ms", **more}
    return {"id": id_, "uses": "tako/poll@v1", "with": params}


def ends(code: int) -> dict[str, Any]:
    """Waits for the service's end with an exit code."""
    params = {"target": "step", "step_id": "serve", "success_on_exit_code": code}
    return {"id": "ends", "uses": "tako/poll@v1", "with": params}


def failure(world: World, root: Path) -> Any:
    ran = world.tako("exec", WORKFLOW, "--json", cwd=root)
    assert ran.code == 1, ran.text
    return ran.json()["failure"]


@pytest.mark.parametrize("after", [0.0, 0.7])
def test_service_whose_port_was_taken_fails_the_poll(world: World, taken: int, after: float) -> None:
    root = world.working("root", config("po/root", serve(taken, after=after), poll(taken)))
    failed = failure(world, root)

    assert (failed["kind"], failed["step"], failed["exit_code"]) == ("step_failed", "poll", 1)
    assert "step 'serve' ended by itself: exit code 1" in failed["message"]
    assert "Address already in use" in failed["log"][-1]


def test_child_sees_that_too(world: World, taken: int) -> None:
    world.cached("po/child", config("po/child", serve(taken), poll(taken), hears="po/root"))
    ran = world.tako("exec", WORKFLOW, "--json", cwd=world.working("root", config("po/root", fan_out())))

    (run,) = ran.json()["runs"]
    assert "step 'serve' ended by itself: exit code 1" in run["failure"]["message"]


def test_services_own_answer_counts_at_once(world: World) -> None:
    port = free()
    root = world.working("root", config("po/root", serve(port, after=0.2), poll(port, timeout="2s")))
    ran = world.tako("exec", WORKFLOW, "--json", cwd=root)

    assert ran.code == 0, ran.text


def test_answer_beside_a_service_that_goes_on_counts(world: World, taken: int) -> None:
    beside = step("serve", "sleep 1000; sleep 1000", long_running=True)
    root = world.working("root", config("po/root", beside, poll(taken)))
    ran = world.tako("exec", WORKFLOW, cwd=root)

    assert ran.code == 0, ran.text
    log = (world.only_workspace() / "logs" / "poll.log").read_text()
    assert "is answered by a process that step 'serve' did not start" in log


def test_service_that_died_after_its_poll_fails_the_next_one(world: World, taken: int) -> None:
    port, go = free(), world.root / "go"
    script = f"{sys.executable} -c {shlex.quote(SERVER)} {port} 0 & until test -e {go}; do sleep 0.02; done; exit 5"
    steps = (step("serve", script, long_running=True), poll(port), step("kill", f"touch {go}"), ends(5))
    failed = failure(world, world.working("root", config("po/root", *steps, poll(taken, "again"))))

    assert (failed["step"], failed["exit_code"]) == ("again", 5)
    assert "step 'serve' ended by itself: exit code 5" in failed["message"]


def test_failed_run_names_the_service_that_died_before(world: World) -> None:
    port, go = free(), world.root / "go"
    script = f"{sys.executable} -c {shlex.quote(SERVER)} {port} 0 & until test -e {go}; do sleep 0.02; done; exit 5"
    use = step("use", "echo connection refused; exit 7")
    steps = (step("serve", script, long_running=True), poll(port), step("kill", f"touch {go}"), ends(5), use)
    failed = failure(world, world.working("root", config("po/root", *steps)))

    assert (failed["step"], failed["exit_code"]) == ("use", 7)
    said = "step 'serve' ended by itself: exit code 5; it was left running, and may have been needed"
    assert said in failed["message"]


def test_file_of_a_service_that_failed_does_not_count(world: World) -> None:
    breaks = step("serve", "touch made; exit 3", long_running=True)
    waits = {"id": "poll", "uses": "tako/poll@v1", "with": {"target": "file", "path": "made", "step_id": "serve"}}
    failed = failure(world, world.working("root", config("po/root", breaks, ends(3), waits)))

    assert (failed["step"], failed["exit_code"]) == ("poll", 3)
