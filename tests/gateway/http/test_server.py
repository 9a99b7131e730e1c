"""Clients that are slow, endless, gone, or speak no HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

from gateway.api.keys import BACKEND, BEGIN_LIMITER, LONG_POLLS
from gateway.settings import GatewaySettings, Limits
from shared.settings import ServerSettings
from tests.support.gateway.client import until
from tests.support.gateway.raw import connected, posted, request

if TYPE_CHECKING:
    from tests.support.gateway.client import Gateway, StartGateway

SHORT: Final = Limits(head=0.4, body=0.4, answer=0.5, idle=0.4)
HEALTHZ: Final = request("GET /healthz HTTP/1.1")
BOMB: Final = gzip.compress(b" " * 50_000_000)


@pytest.fixture(name="short")
def _short(settings: GatewaySettings) -> GatewaySettings:
    """Return settings with short limits for slow clients."""
    return replace(settings, limits=SHORT)


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHost: "])
async def test_a_head_that_does_not_come_is_not_waited_for(
    short: GatewaySettings,
    sent: bytes,
    start_gateway: StartGateway,
) -> None:
    """A client that sends nothing, or half of a head, is cut off without an answer."""
    gateway = await start_gateway(short)
    async with connected(gateway, sent) as wire:
        assert await wire.ended(2) == b""


async def test_a_head_that_trickles_is_cut_off(
    short: GatewaySettings, start_gateway: StartGateway
) -> None:
    """The head's time counts from its first byte, however steadily the others come."""
    slow = replace(short, limits=replace(SHORT, idle=30))
    gateway = await start_gateway(slow)
    async with connected(gateway, HEALTHZ) as wire:
        assert (await wire.answer()).status == 200
        began = time.monotonic()
        for byte in HEALTHZ * 100:
            wire.writer.write(bytes([byte]))
            await asyncio.sleep(0.05)
            if wire.reader.at_eof() or wire.writer.is_closing():
                break

    assert 0.3 < time.monotonic() - began < 2


async def test_an_idle_connection_is_closed(
    short: GatewaySettings, start_gateway: StartGateway
) -> None:
    """A connection that is kept is closed when no other request comes on it."""
    gateway = await start_gateway(short)
    async with connected(gateway, HEALTHZ) as wire:
        assert (await wire.answer()).status == 200
        assert await wire.ended(2) == b""


async def test_a_slow_request_is_not_idle(
    short: GatewaySettings, job: str, start_gateway: StartGateway
) -> None:
    """A request that the gateway takes long to answer is not cut off."""
    gateway = await start_gateway(short)
    await gateway.begin(job)
    async with connected(gateway, request(f"GET /wait?id={job}&wait=1s HTTP/1.1")) as wire:
        assert (await wire.answer()).body["status"] == "pending"


async def test_a_body_that_trickles_is_refused(
    short: GatewaySettings, start_gateway: StartGateway
) -> None:
    """A body that does not arrive in time is answered 400, and the connection ends."""
    gateway = await start_gateway(short)
    async with connected(gateway, posted("/begin?id=a", "Content-Length: 1000")) as wire:
        answer = asyncio.create_task(wire.answer(3))
        while not answer.done():
            wire.writer.write(b" ")
            await asyncio.sleep(0.05)
        assert (await answer).status == 400
        assert (await answer).body["detail"] == "The body did not arrive within 0.4 s."
        assert await wire.ended(4) == b""


async def test_an_endless_body_is_not_read_to_its_end(gateway: Gateway) -> None:
    """A body without a length is refused once it is over the limit, and soon cut off."""
    sent = posted("/begin?id=a", "Transfer-Encoding: chunked")
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    async with connected(gateway, sent) as wire:
        answer = asyncio.create_task(wire.answer())
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionError):
                await send_for_ever(wire.writer, chunk)
        assert (await answer).status == 413


async def send_for_ever(writer: asyncio.StreamWriter, chunk: bytes) -> None:
    """Send until the other side ends the connection, which raises `ConnectionError`."""
    while True:
        writer.write(chunk)
        await writer.drain()
        await asyncio.sleep(0.001)


async def test_an_answer_that_is_not_taken_is_given_up(
    short: GatewaySettings, job: str, start_gateway: StartGateway
) -> None:
    """A client that reads nothing is cut off, however long it keeps the connection."""
    patient = replace(short, limits=replace(SHORT, idle=30))
    gateway = await start_gateway(patient)
    await gateway.begin(job, "x" * 900_000)
    sent = request(f"GET /wait?id={job}&include=input HTTP/1.1") * 20
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(0)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, (gateway.host, gateway.port))
        await loop.sock_sendall(client, sent)
        await connections(gateway, 2)
        await connections(gateway, 1)


async def connections(gateway: Gateway, count: int) -> None:
    """Return once `count` connections are open; the test's own client has one."""
    await until(lambda: len(gateway.server.handler.connections) == count, 5)


async def test_many_silent_connections_do_no_harm(gateway: Gateway) -> None:
    """Many connections that send nothing do not keep others from being answered."""
    opened = [await asyncio.open_connection(gateway.host, gateway.port) for _ in range(1000)]
    began = time.monotonic()
    assert (await gateway.ask("GET", "/healthz")).status == 200
    assert time.monotonic() - began < 1
    for _, writer in opened:
        writer.transport.abort()
    await connections(gateway, 1)


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
    await until(lambda: (len(waiting), len(beginning)) == (waiters, begins), 5)


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
    await until(lambda: gateway.app[BACKEND]._executor.is_full() == full, 1)
