"""Waiting for an address of this machine: with a real server, and with what is none."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from tako.config.model import StepSpec
from tako.execution.failure import STEP_ERROR, STEP_TIMEOUT
from tako.loopback import host_and_port, url_fault
from tako.signals import Stops, StopSignal
from tako.steps.base import RunInterruptedError
from tako.steps.http_status import status_of
from tests.execution.bench import Bench


class Handler(BaseHTTPRequestHandler):
    """Answers /N with the status N; /later with 503 until it was asked three times."""

    asked = 0
    seen: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        Handler.seen.append(f"{self.path} {self.headers['Host']}")
        Handler.asked += 1
        status = (200 if Handler.asked > 3 else 503) if "later" in self.path else int(self.path[1:4])
        self.send_response(status)
        self.send_header("Location", "/200")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    Handler.asked = 0
    Handler.seen = []
    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@contextlib.contextmanager
def listening() -> Iterator[tuple[socket.socket, int]]:
    """A port at which nobody answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener, listener.getsockname()[1]


def poll(url: str, timeout: float = 60.0) -> StepSpec:
    params = {"target": "http", "url": url, "timeout": timeout, "interval": 0.02, "success_on_exit_code": [0]}
    return StepSpec(id="poll", uses="tako/poll@v1", params=params)


@pytest.mark.parametrize("status", [200, 204, 299])
def test_success_is_an_answer(port: int, status: int) -> None:
    assert status_of(f"http://127.0.0.1:{port}/{status}", Stops()) == (status, f"status {status}")


@pytest.mark.parametrize("status", [301, 404, 500, 503])
def test_another_status_is_told(port: int, status: int) -> None:
    assert status_of(f"http://localhost:{port}/{status}", Stops()) == (status, f"status {status}")


def test_the_request_is_for_what_the_url_says(port: int) -> None:
    status_of(f"http://LOCALHOST:{port}/200?a=b#c", Stops())
    status_of(f"http://127.0.0.1:{port}?later", Stops())

    assert Handler.seen == [f"/200?a=b LOCALHOST:{port}", f"/?later 127.0.0.1:{port}"]


def test_a_port_where_nobody_listens_is_refused() -> None:
    with listening() as (listener, port):
        listener.close()
        assert status_of(f"http://127.0.0.1:{port}/", Stops()) == (None, "connection refused")


def test_who_accepts_and_says_nothing_has_not_answered() -> None:
    with listening() as (_, port):
        assert status_of(f"http://127.0.0.1:{port}/", Stops(), seconds=0.2) == (None, "no answer")


@pytest.mark.parametrize("answer", [b"", b"hello\r\n", b"HTTP/1.1 abc\r\n", b"x" * 10_000])
def test_who_answers_otherwise_is_no_server(answer: bytes) -> None:
    with listening() as (listener, port):

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        status, reason = status_of(f"http://127.0.0.1:{port}/", Stops())
        thread.join()
    assert status is None
    assert reason in ("an answer that is not HTTP", "connection reset by peer")


def test_a_stop_is_heard_while_an_answer_is_waited_for() -> None:
    stop = StopSignal()
    stop.set()
    began = time.monotonic()
    with listening() as (_, port), pytest.raises(RunInterruptedError):
        status_of(f"http://127.0.0.1:{port}/", Stops(ask=(stop.fd,)), seconds=60)
    stop.close()
    assert time.monotonic() - began < 30


def test_a_step_waits_until_an_address_answers_with_success(tmp_path: Path, port: int) -> None:
    bench = Bench(tmp_path, poll("http://localhost:{{ inputs.port }}/later"), inputs={"port": port})
    state = bench.run()

    assert state.failure is None
    assert state.steps[0].outputs == {"status": "200"}
    assert f"http://localhost:{port}/later: status 503" in bench.log("poll")


def test_an_address_that_does_not_answer_in_time_fails_with_what_it_said(tmp_path: Path, port: int) -> None:
    failure = Bench(tmp_path, poll(f"http://localhost:{port}/404", timeout=0.1)).run().failure

    assert failure is not None
    assert failure.kind == STEP_TIMEOUT
    assert failure.message.endswith("/404: status 404")


def test_an_address_elsewhere_is_not_asked_though_a_template_says_so(tmp_path: Path) -> None:
    failure = Bench(tmp_path, poll("{{ inputs.url }}"), inputs={"url": "http://example.com/"}).run().failure

    assert failure is not None
    assert failure.kind == STEP_ERROR
    assert "must be on this machine" in failure.message


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost",
        "http://LOCALHOST:80",
        "http://localhost:8080/x?y#z",
        "http://127.0.0.1:1/",
        "http://127.255.0.9:65535",
        "http://[::1]:8080/",
        "http://[::1]",
        "http://localhost?x",
    ],
)
def test_an_address_of_this_machine_is_one(url: str) -> None:
    assert url_fault(url) == ""


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:80",
        "https://localhost/",
        "ftp://localhost/",
        "http://",
        "http://example.com/",
        "http://128.0.0.1/",
        "http://127.1/",
        "http://127.0.0.1.example.com/",
        "http://127.0.0.256/",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:65536/",
        "http://127.0.0.1:/",
        "http://127.0.0.1:x/",
        "http://localhost@example.com/",
        "http://localhost:80@example.com/",
        "http://localhost\\@example.com/",
        "http://localhost /",
        "http://localhost/\r\nX: y",
        "http://[::2]/",
        "http://[::1/",
        "http://[::1]x/",
        "http://0x7f000001/",
        "http://２.0.0.1/",
    ],
)
def test_what_is_no_address_of_this_machine_is_refused(url: str) -> None:
    assert url_fault(url) != ""


def test_a_url_is_taken_apart() -> None:
    assert host_and_port("http://[::1]:90/x") == ("::1", "90")
    assert host_and_port("http://localhost/x:1") == ("localhost", "80")
