"""Small answers as their clients receive them, byte by byte."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, cast

import pytest
from aiohttp import web

from gateway.http.answers.responses import json_response
from gateway.http.answers.small_response import Head, SmallResponse
from tests.support.gateway.client import until
from tests.support.gateway.raw import connected, request

if TYPE_CHECKING:
    import asyncio

    from gateway.settings import GatewaySettings
    from tests.support.gateway.client import Gateway, GatewayServer, StartGateway

BODY = b'{"a":1}'


@pytest.fixture(name="serving")
async def _serving(settings: GatewaySettings, start_gateway: StartGateway) -> Gateway:
    """Return a gateway with a route that answers `BODY` with headers of its own."""

    async def small(_: web.Request) -> web.Response:
        headers = {"Content-Type": "application/json", "X-Text": "é"}
        return SmallResponse(BODY, Head(202, headers, len(BODY)))

    async def forced(_: web.Request) -> web.Response:
        response = json_response({})
        response.force_close()
        return response

    routes = [web.get("/small", small), web.get("/forced", forced)]
    return await start_gateway(settings, routes)


async def test_it_has_what_every_answer_has(serving: Gateway) -> None:
    """A status line, the headers of the route and of the service, the date, the length."""
    async with connected(serving, request("GET /small HTTP/1.1", "X-Request-Id: seen")) as wire:
        head = (await wire.reader.readuntil(b"\r\n\r\n")).decode()
        body = await wire.reader.readexactly(len(BODY))

    status, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert (status, body) == ("HTTP/1.1 202 Accepted", BODY)
    assert parsedate_to_datetime(headers.pop("Date")).tzinfo is not None
    assert headers == {
        "Content-Type": "application/json",
        "X-Text": "é",
        "Content-Length": "7",
        "Server": "durable-http",
        "X-Request-Id": "seen",
    }


@pytest.mark.parametrize(
    ("version", "sent", "connection"),
    [
        ("1.1", (), None),
        ("1.1", ("Connection: close",), "close"),
        ("1.0", (), None),
        ("1.0", ("Connection: keep-alive",), "keep-alive"),
    ],
)
async def test_the_connection_is_kept_as_the_client_asks(
    serving: Gateway, version: str, sent: tuple[str, ...], connection: str | None
) -> None:
    """A connection that is not kept is announced as such where it must be, and ends."""
    keeps = connection == "keep-alive" or (version == "1.1" and connection is None)
    asked = request(f"GET /small HTTP/{version}", *sent)
    async with connected(serving, asked) as wire:
        answer = await wire.answer()
        assert (answer.status, answer.body) == (202, {"a": 1})
        assert answer.headers.get("connection") == connection
        if keeps:
            wire.writer.write(asked)
            assert (await wire.answer()).body == {"a": 1}
        else:
            assert await wire.ended() == b""


async def test_a_route_can_end_the_connection(serving: Gateway) -> None:
    """An answer that forces the end says so."""
    async with connected(serving, request("GET /forced HTTP/1.1")) as wire:
        assert (await wire.answer()).headers["connection"] == "close"
        assert await wire.ended() == b""


async def test_head_has_the_same_head_and_no_body(serving: Gateway) -> None:
    """The answer to HEAD ends with its head, also of its length."""
    two = request("HEAD /small HTTP/1.1") + request("GET /healthz HTTP/1.1")
    async with connected(serving, two) as wire:
        head = (await wire.reader.readuntil(b"\r\n\r\n")).decode()
        assert "Content-Length: 7\r\n" in head
        assert (await wire.answer()).status == 200


async def test_answers_come_in_the_order_of_their_requests(serving: Gateway) -> None:
    """Requests that are sent without a pause are answered one after the other."""
    sent = b"".join(
        request("GET /small HTTP/1.1", f"X-Request-Id: n{number}") for number in range(200)
    )
    async with connected(serving, sent) as wire:
        got = [(await wire.answer()).headers["x-request-id"] for _ in range(200)]

    assert got == [f"n{number}" for number in range(200)]


async def test_a_client_that_takes_no_answers_is_not_served_on(serving: Gateway) -> None:
    """Requests wait while the answers before them are not taken; other clients do not."""
    server = running(serving)
    async with connected(serving) as idle, connected(serving) as other:
        cast("asyncio.Transport", idle.writer.transport).pause_reading()
        idle.writer.write(request("GET /small HTTP/1.1") * 100_000)
        await until(lambda: any(each._paused for each in server.connections))
        served = server.requests_count
        for _ in range(50):
            other.writer.write(request("GET /healthz HTTP/1.1"))
            assert (await other.answer()).status == 200

        assert server.requests_count == served + 50


def running(gateway: Gateway) -> web.Server:
    """Return the server that counts the requests of a gateway."""
    runner = cast("GatewayServer", gateway.server).runner
    assert runner is not None
    assert runner.server is not None
    return runner.server


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "a\nb", "a\rb"])
def test_a_header_is_one_line(value: str) -> None:
    """No value can add a header."""
    with pytest.raises(ValueError, match="more than one line"):
        _ = Head(200, {"X": value}, 0).raw
