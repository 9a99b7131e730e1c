"""POST requests to URLs that clients name."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from shared.destinations import Destinations
from tests.support.receiver import receiving
from worker.webhooks.post import Answer, NotDelivered, Poster

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOPBACK = Destinations.allowing(["127.0.0.1"])


@pytest.fixture(name="trickling")
def _trickling() -> Iterator[int]:
    """The port of a receiver whose answer comes byte by byte and never ends."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                while not over.wait(0.02):
                    connection.sendall(b"x")

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        over.set()
        thread.join()


def test_the_status_is_returned() -> None:
    """The receiver gets path, query, headers and body unchanged, and its status is returned."""
    with receiving(202) as receiver:
        assert Poster(LOOPBACK).post(receiver.url, {"X-Mine": "1"}, b"body").status == 202

    (call,) = receiver.calls
    assert (call.path, call.body) == ("/hook?token=secret", b"body")
    assert (call.headers["x-mine"], call.headers["host"]) == ("1", f"127.0.0.1:{receiver.port}")


def test_the_time_that_a_receiver_asks_for_is_returned() -> None:
    """`Retry-After` is returned in seconds, None without it."""
    with receiving(429, Retry_After="30") as receiver:
        poster = Poster(LOOPBACK)

        assert poster.post(receiver.url, {}, b"") == Answer(429, 30.0)
        assert poster.post(receiver.url, {}, b"") == Answer(204, None)


def test_a_redirect_is_not_followed() -> None:
    """A redirect is not followed."""
    with receiving() as other, receiving(307, Location=other.url) as receiver:
        assert Poster(LOOPBACK).post(receiver.url, {}, b"").status == 307

    assert (len(receiver.calls), len(other.calls)) == (1, 0)


def test_the_checked_address_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection goes to the checked address, even if the name gets another one later."""
    answers = [["127.0.0.2"], ["127.0.0.1"]]
    asked: list[str] = []

    def lookup(host: str, port: int, *_: Any, **__: Any) -> Any:
        asked.append(host)
        found = answers.pop(0) if host == "rebinding.example" else [host]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in found]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with receiving() as receiver:
        url = f"http://rebinding.example:{receiver.port}/"
        # The receiver listens on the second address only.
        with pytest.raises(NotDelivered, match="connection failed"):
            Poster(Destinations.allowing(["127.0.0.2"])).post(url, {}, b"")

        assert asked.count("rebinding.example") == 1
        with pytest.raises(NotDelivered, match=r"rebinding\.example is not a public address"):
            Poster(Destinations()).post(url, {}, b"")
    assert receiver.calls == []


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of the environment is used: it would reach addresses that the guard refuses."""
    with receiving() as proxy, receiving() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert Poster(LOOPBACK).post(receiver.url, {}, b"").status == 204

    assert (len(proxy.calls), len(receiver.calls)) == (0, 1)


def test_a_slow_answer_ends_at_the_limit(trickling: int) -> None:
    """The time limit is for the whole answer, however slowly its bytes come."""
    began = time.monotonic()

    with pytest.raises(NotDelivered, match="no answer within"):
        Poster(LOOPBACK, 0.3).post(f"http://127.0.0.1:{trickling}/", {}, b"")

    assert 0.25 < time.monotonic() - began < 30


def test_a_refused_connection_is_a_failure() -> None:
    """A refused connection is a failure with a reason."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(NotDelivered, match="the connection failed: ConnectError"):
            Poster(LOOPBACK).post(f"http://127.0.0.1:{bound.getsockname()[1]}/", {}, b"")


def test_a_certificate_is_required() -> None:
    """Over https a host without a valid certificate gets nothing."""
    with receiving() as receiver, pytest.raises(NotDelivered, match="the connection failed"):
        Poster(LOOPBACK).post(f"https://127.0.0.1:{receiver.port}/", {}, b"")

    assert receiver.calls == []
