"""The listener of a worker's metrics, and whoever connects to it."""

from __future__ import annotations

import contextlib
import http.client
import socket
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from shared.metrics import Meter
from tests.support.metrics import OPEN_METRICS, scrape
from tests.support.ports import free_port
from tests.support.processes import wait_until
from worker.metrics import listener
from worker.metrics.listener import HEAD_BYTES, MOST_CONNECTIONS, MetricsListener

if TYPE_CHECKING:
    from structlog.typing import EventDict


def answers(port: int) -> bool:
    """Return whether a scrape succeeds."""
    try:
        return scrape(f"http://127.0.0.1:{port}", seconds=2).value("a_total") == 1
    except OSError:
        return False


@pytest.fixture(name="port")
def _port() -> int:
    """Return the port of a listener, which lives until the tests end."""
    port, meter = free_port(), Meter()
    meter.count("a_total", "One.").inc()
    MetricsListener(meter, "127.0.0.1", port).start()
    wait_until(lambda: answers(port), what="the listener")
    return port


def sent(port: int, request: bytes) -> bytes:
    """Send bytes and return all that comes back."""
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(request)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(65536):
                answer += piece
        return answer


def test_it_answers_as_a_gateway_does(port: int) -> None:
    """Text or OpenMetrics as accepted; the head alone for HEAD."""
    url = f"http://127.0.0.1:{port}"
    assert scrape(url, OPEN_METRICS).value("a_total") == 1
    with urllib.request.urlopen(f"{url}/metrics?x=1", timeout=5) as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("HEAD", "/metrics")
    head = connection.getresponse()
    assert (head.status, head.read()) == (200, b"")
    assert int(head.headers["Content-Length"]) > 10
    connection.close()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /metricsx HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"405"),
        (b"GET /metrics HTTP/2.0\r\n\r\n", b"400"),
        (b"\r\n\r\n", b"400"),
        (b"\xff\x00\xfe\r\n\r\n", b"400"),
        (b"GET /metrics HTTP/1.1\r\nAccept\r\n: x\r\naccept:\xff\r\n\r\n", b"200"),
    ],
)
def test_other_requests(port: int, request_: bytes, status: bytes) -> None:
    """What is no request for metrics is refused, and the next one is answered."""
    assert sent(port, request_).startswith(b"HTTP/1.1 " + status)
    assert answers(port)


def test_a_head_without_end_is_cut(port: int) -> None:
    """A head of a megabyte is not read."""
    assert sent(port, b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 64 * HEAD_BYTES) == b""
    assert answers(port)


def test_slow_clients_hold_nothing(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """Connections that send nothing are cut, and meanwhile only so many are held."""
    monkeypatch.setattr(listener, "REQUEST_SECONDS", 0.5)
    with contextlib.ExitStack() as held:
        slow = [
            held.enter_context(socket.create_connection(("127.0.0.1", port), 10))
            for _ in range(3 * MOST_CONNECTIONS)
        ]
        for connection in slow:
            with contextlib.suppress(OSError):
                connection.sendall(b"GET /met")
        began = time.monotonic()
        for connection in slow:
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(1) == b""
        assert time.monotonic() - began < 5
    wait_until(lambda: answers(port), seconds=5, what="an answer")


def test_a_port_that_is_taken_is_tried_again(
    log: list[EventDict], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the worker before still has the port nothing ends; once it is free it is used."""
    monkeypatch.setattr(listener, "PAUSE_SECONDS", 0.05)
    meter = Meter()
    meter.count("a_total", "One.").inc()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        MetricsListener(meter, "127.0.0.1", port).start()
        wait_until(
            lambda: [line for line in log if line["event"] == "metrics not served yet"],
            what="a line in the log",
        )
    wait_until(lambda: answers(port), what="an answer")

    assert [line["event"] for line in log] == ["metrics not served yet", "metrics served"]


def test_without_a_port_there_is_none(log: list[EventDict]) -> None:
    """Port 0 is no free port: nothing listens."""
    MetricsListener(Meter(), "127.0.0.1", 0).start()

    assert log == []
