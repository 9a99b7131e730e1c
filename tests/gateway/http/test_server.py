"""Requests that are odd or no HTTP, and clients that are gone."""

from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING, Final

import pytest

from gateway.api.keys import BACKEND, BEGIN_LIMITER, LONG_POLLS
from gateway.settings import GatewaySettings
from shared.settings import ServerSettings
from tests.support.gateway.client import until
from tests.support.gateway.raw import connected, posted, request

if TYPE_CHECKING:
    from tests.support.gateway.client import Gateway, StartGateway

HEALTHZ: Final = request("GET /healthz HTTP/1.1")
BOMB: Final = gzip.compress(b" " * 50_000_000)


NO_HTTP: Final = {
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    "bytes in the path": request("GET /\xff\xfe?id=\xff HTTP/1.1"),
    "NUL": request("GET /wait?id=a\0b HTTP/1.1"),
    "NUL in a header": request("GET /healthz HTTP/1.1", "X: a\0b"),
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "bare line feeds": b"GET /healthz HTTP/1.1\nHost: a\n\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/3.0": request("GET / HTTP/3.0"),
    "an address that is none": request("GET http://[::1/healthz HTTP/1.1"),
    "an unknown method": request("FROBNICATE /wait HTTP/1.1"),
    "two lengths": posted("/begin", "Content-Length: 1", "Content-Length: 2", body=b"12"),
    "length and chunks": posted("/begin", "Content-Length: 1", "Transfer-Encoding: chunked"),
    "a negative length": posted("/begin", "Content-Length: -1"),
    "an endless length": posted("/begin", f"Content-Length: {10**30}"),
    "no chunk": posted("/begin", "Transfer-Encoding: chunked", body=b"zz\r\n12\r\n"),
    "an unknown transfer": posted("/begin", "Transfer-Encoding: nonsense"),
    "a header without a colon": request("GET /healthz HTTP/1.1", "nothing"),
    "a folded header": request("GET /healthz HTTP/1.1", "X: a", " b"),
}


@pytest.mark.parametrize("sent", NO_HTTP.values(), ids=NO_HTTP)
async def test_what_is_no_http_is_a_problem(offline: Gateway, sent: bytes) -> None:
    """Bytes that are no request are answered with a problem at once, and the connection ends."""
    async with connected(offline, sent) as wire:
        answer = await wire.answer(1)
        assert (answer.status, answer.body["type"]) == (400, "/problems/invalid-request")
        assert answer.headers["content-type"].startswith("application/problem+json")
        assert answer.headers["x-request-id"] == answer.body["request_id"]
        assert await wire.ended(1) == b""


@pytest.mark.parametrize(
    "sent",
    [
        request(f"GET /wait?id={'a' * 9000} HTTP/1.1"),
        request("GET /healthz HTTP/1.1", f"X: {'a' * 9000}"),
        request("GET /healthz HTTP/1.1", *(f"X{n}: a" for n in range(200))),
        request("GET /healthz HTTP/1.1", *(f"X{n}: a" for n in range(10_000))),
        request("GET /healthz HTTP/1.1", *["X: a"] * 200),
    ],
    ids=["line", "header", "200 headers", "10000 headers", "one header 200 times"],
)
async def test_a_head_that_is_too_large_says_so(offline: Gateway, sent: bytes) -> None:
    """A line of the head that is too long, or too many headers, is a 431."""
    async with connected(offline, sent) as wire:
        answer = await wire.answer(1)

    assert (answer.status, answer.body["title"]) == (431, "The request's head is too large")


async def test_no_answer_tells_versions(offline: Gateway) -> None:
    """The header `Server` is the service's name only, in refusals of aiohttp's own as well."""
    for sent in (HEALTHZ, request("GET /nope HTTP/1.1"), b"\x16\x03\x01\r\n\r\n"):
        async with connected(offline, sent) as wire:
            assert (await wire.answer(1)).headers["server"] == "durable-http"


ODD: Final = {
    "percents": (request("GET /wait?id=%zz%&%=%% HTTP/1.1"), 400),
    "another host": (request("GET http://evil.example/healthz HTTP/1.1"), 200),
    "a host that is none": (b"GET /wait?id=a HTTP/1.1\r\nHost: [::\r\n\r\n", 403),
    "HTTP/1.0": (b"GET /healthz HTTP/1.0\r\n\r\n", 200),
    "CONNECT": (request("CONNECT a:443 HTTP/1.1"), 404),
    "OPTIONS *": (request("OPTIONS * HTTP/1.1"), 404),
    "websocket": (
        request("GET /healthz HTTP/1.1", "Connection: Upgrade", "Upgrade: websocket"),
        200,
    ),
    "h2c": (request("GET /wait?id=. HTTP/1.1", "Connection: Upgrade", "Upgrade: h2c"), 400),
    "many parameters": (request(f"GET /wait?{'&a=b' * 1900} HTTP/1.1"), 400),
    "a surrogate": (request("GET /wait?%ED%A0%80=a HTTP/1.1"), 400),
    "bytes in a request id": (request("GET /healthz HTTP/1.1", "X-Request-Id: \xff"), 200),
    "bytes in a key": (posted("/begin", "Idempotency-Key: \xff"), 400),
    "bytes in a type": (
        request("POST /begin HTTP/1.1", "Content-Type: \xff", "Content-Length: 1", body=b"1"),
        415,
    ),
    "bytes in a cursor": (request("GET /list?cursor=%FF%FF HTTP/1.1"), 400),
    "a long chunk extension": (
        posted("/begin?id=.", "Transfer-Encoding: chunked", body=b"1;" + b"x" * 9000),
        400,
    ),
    "brotli": (posted("/begin", "Content-Encoding: br", "Content-Length: 1", body=b"1"), 415),
    "a bomb": (
        posted("/begin", "Content-Encoding: gzip", f"Content-Length: {len(BOMB)}", body=BOMB),
        413,
    ),
    "a large body": (posted("/begin", "Content-Length: 9999999"), 413),
    "an expectation": (request("GET /healthz HTTP/1.1", "Expect: nonsense"), 200),
}


@pytest.mark.parametrize(("sent", "status"), ODD.values(), ids=ODD)
async def test_an_odd_request_is_answered(offline: Gateway, sent: bytes, status: int) -> None:
    """Valid HTTP, however odd, is answered within a second, and every refusal is a problem."""
    async with connected(offline, sent) as wire:
        answer = await wire.answer(1)

    assert answer.status == status
    assert status == 200 or answer.headers["content-type"].startswith("application/problem+json")


async def test_requests_in_a_row_are_answered_in_order(offline: Gateway) -> None:
    """Requests sent without waiting for answers are answered one after the other."""
    paths = ("/healthz", "/nope", "/wait?id=.", "/healthz")
    sent = b"".join(request(f"GET {path} HTTP/1.1") for path in paths)
    async with connected(offline, sent) as wire:
        assert [(await wire.answer()).status for _ in paths] == [200, 404, 400, 200]


async def test_clients_that_vanish_leave_nothing(
    settings: GatewaySettings, job: str, start_gateway: StartGateway
) -> None:
    """Clients that disconnect in the middle of a wait or a body leave the limits at once."""
    gateway = await start_gateway(settings)
    await gateway.begin(job)
    waits = [request(f"GET /wait?id={job}&wait=25s HTTP/1.1")] * 200
    bodies = [posted("/begin", "Content-Length: 100", body=b"[")] * 200
    opened = []
    for sent in waits + bodies:
        _, writer = await asyncio.open_connection(gateway.host, gateway.port)
        writer.write(sent)
        opened.append(writer)
    await held(gateway, 200, 200)
    for writer in opened:
        writer.transport.abort()
    await held(gateway, 0, 0)
    assert len(gateway.app[LONG_POLLS]) == 0


async def held(gateway: Gateway, waiters: int, begins: int) -> None:
    """Return once `waiters` clients wait and `begins` begins are running."""
    waiting, beginning = gateway.app[LONG_POLLS]._limiter, gateway.app[BEGIN_LIMITER]
    await until(lambda: (len(waiting), len(beginning)) == (waiters, begins))


async def test_calls_of_clients_that_vanished_are_not_made(
    silent_port: int, start_gateway: StartGateway
) -> None:
    """A call that waits for a thread is dropped when its client disconnects."""
    settings = GatewaySettings(
        server=ServerSettings("http://127.0.0.1", silent_port), threads=1, queue=5
    )
    gateway = await start_gateway(settings)
    gone = [asyncio.create_task(gateway.wait(f"gone-{n}")) for n in range(6)]
    await fullness(gateway, full=True)
    for task in gone:
        task.cancel()
    await asyncio.wait(gone)
    await fullness(gateway, full=False)


async def fullness(gateway: Gateway, *, full: bool) -> None:
    """Return once the executor is full, or has room."""
    await until(lambda: gateway.app[BACKEND]._executor.is_full() == full)
