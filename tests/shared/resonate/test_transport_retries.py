"""Calls that are repeated while the server is in trouble, within their budget."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from shared.resonate.transport import Transport, Unanswered
from shared.settings import ServerSettings
from tests.support.ports import free_port
from tests.support.scripted_server import (
    ERROR,
    Answer,
    as_is,
    read_name,
    serving,
    transport_to,
    transport_to_port,
)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_in_trouble_is_asked_until_the_budget_is_over(status: int) -> None:
    """429 and 5xx are tried again, with growing pauses, until the budget is over."""
    with serving(Answer(status, ERROR)) as server:
        transport = transport_to(server, budget=0.25)
        began = time.monotonic()
        with pytest.raises(Unanswered) as caught:
            transport.call("GET", "/", read=as_is)
        took = time.monotonic() - began
        transport.close()

    assert str(caught.value) == f"{status}/5030: later"
    # At most six tries fit: five pauses are at least 0.01 + 0.02 + 0.04 + 0.08 + 0.16 > 0.25 s.
    assert 2 <= len(server.requests) <= 5
    assert took < 10
    assert len(set(server.connections)) == 1


@pytest.mark.parametrize(
    "trouble",
    [
        Answer(503, ERROR),
        Answer(429, ERROR),
        Answer(502, b"<html>Bad Gateway</html>"),
        Answer(404, b"<html>Not Found</html>"),
        Answer(301, b""),
        Answer(200, b"<html>Log in</html>"),
        Answer(200, b'{"error":{"code":1,"message":"odd"}}'),
        Answer(200, b"[]"),
        Answer(200, b"null"),
        Answer(403, b'{"error":"no"}'),
        Answer(403, b'{"error":{"code":"x","message":"no"}}'),
        Answer(403, b"[]"),
    ],
    ids=lambda answer: f"{answer.status}-{answer.body.decode()[:20]}",
)
def test_trouble_that_passes_is_not_noticed(trouble: Answer) -> None:
    """After trouble, or an answer from something else than the server, the call is repeated."""
    with serving(trouble, trouble, Answer(body=b'{"name":"n"}')) as server:
        transport = transport_to(server)

        answer = transport.call("POST", "/x", {"a": 1}, {"h": "v"}, read=read_name)
        transport.close()

    sent = [(r.method, r.path, r.body, r.headers["h"]) for r in server.requests]
    assert answer == "n"
    assert sent == [("POST", "/x", b'{"a":1}', "v")] * 3


@pytest.mark.parametrize(
    ("status", "body", "what"),
    [
        (200, b"<html>", "6 bytes, JSONDecodeError"),
        (404, b"<html>", "b'<html>', JSONDecodeError"),
        (200, b'["secret"]', "10 bytes, TypeError"),
    ],
)
def test_what_is_not_the_server_is_no_answer(status: int, body: bytes, what: str) -> None:
    """If only something else than the server answers, the call is unanswered, at any status.

    The reason goes into logs: of a success, which may have a piece of an input, it has no byte.
    """
    with serving(Answer(status, body)) as server:
        transport = transport_to(server, budget=0.05)
        with pytest.raises(Unanswered) as caught:
            transport.call("GET", "/", read=read_name)
        transport.close()

    assert str(caught.value) == f"{status}: not an answer of the server: {what}"


@pytest.mark.parametrize("budget", [0.0, 0.2])
def test_a_refused_connection_is_no_answer(budget: float) -> None:
    """With nothing at the address the call ends within its budget, at once without one."""
    began = time.monotonic()
    with pytest.raises(Unanswered, match="ConnectionRefusedError"):
        transport_to_port(free_port(), budget=budget).call("GET", "/", read=as_is)

    assert time.monotonic() - began < budget + 10


def test_a_server_that_comes_is_reached() -> None:
    """A call that began before the server started is answered."""
    port = free_port()
    transport = transport_to_port(port)
    got: list[object] = []
    tried = threading.Event()

    def work() -> None:
        tried.set()
        got.append(transport.call("GET", "/", read=as_is))

    thread = threading.Thread(target=work)
    thread.start()
    assert tried.wait(5)
    with serving(Answer(body=b"1"), port=port):
        thread.join(6)
        transport.close()

    assert got == [1]


def test_silence_is_cut_short() -> None:
    """A server that accepts a call and never answers blocks the caller for its budget only."""
    with serving(Answer(held=True)) as server:
        transport = transport_to(server, attempt=0.05, budget=0.2)
        began = time.monotonic()
        with pytest.raises(Unanswered, match="TimeoutError"):
            transport.call("GET", "/", read=as_is)
        took = time.monotonic() - began

    assert took < 10
    assert len(server.requests) >= 2
    assert len(set(server.connections)) == len(server.requests)


def test_an_expensive_call_is_not_repeated_after_a_timeout() -> None:
    """A search that took too long is asked once; one that met trouble is tried again."""
    with serving(Answer(held=True)) as server:
        slow = transport_to(server, attempt=0.05, budget=5)
        with pytest.raises(Unanswered, match="TimeoutError"):
            slow.call("GET", "/", read=as_is, retry_timeouts=False)
        server.released.set()
    with serving(Answer(503, ERROR), Answer(200, b"1")) as troubled:
        transport = transport_to(troubled, budget=5)
        answer = transport.call("GET", "/", read=as_is, retry_timeouts=False)
        transport.close()

    assert len(server.requests) == 1
    assert answer == 1


@pytest.mark.parametrize(
    ("options", "fewest", "most"),
    [({"retry": False}, 1, 1), ({"budget": 0}, 1, 1), ({"budget": 0.1}, 2, 4)],
)
def test_a_call_can_be_limited(options: dict[str, Any], fewest: int, most: int) -> None:
    """A claim is tried once, and a call may have a smaller budget than the others."""
    with serving(Answer(503, ERROR)) as server:
        transport = transport_to(server, budget=30)
        with pytest.raises(Unanswered):
            transport.call("GET", "/", read=as_is, **options)
        transport.close()

    assert fewest <= len(server.requests) <= most


def test_a_process_that_stops_tries_no_more() -> None:
    """When the process stops, a call in trouble ends after the current try."""
    with serving(Answer(503, ERROR)) as server:
        address = ServerSettings(host="http://127.0.0.1", store_port=server.server_port)
        transport = Transport(
            address, attempt=5, budget=30, stopped=lambda: len(server.requests) >= 3
        )
        with pytest.raises(Unanswered, match="later"):
            transport.call("GET", "/", read=as_is)
        transport.close()

    assert len(server.requests) == 3


def test_each_try_is_told_with_its_answer() -> None:
    """Who counts calls hears of each try: what was asked, the status, and how long it took."""
    told: list[tuple[str, str, int, float]] = []
    with serving(Answer(503, ERROR), Answer(200)) as server:
        address = ServerSettings("http://127.0.0.1", server.server_port)
        transport = Transport(address, attempt=5, budget=5, called=lambda *call: told.append(call))
        transport.call("GET", "/promises/a", read=as_is)
        transport.close()
    with pytest.raises(Unanswered):
        transport.call("POST", "/tasks/claim", {}, read=as_is, retry=False)

    assert [call[:3] for call in told] == [
        ("GET", "/promises/a", 503),
        ("GET", "/promises/a", 200),
        ("POST", "/tasks/claim", 0),
    ]
    assert all(0 < seconds < 5 for *_, seconds in told)
