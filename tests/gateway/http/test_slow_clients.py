"""Clients that are slow, endless or silent."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

from gateway.settings import GatewaySettings, Limits
from tests.support.gateway.client import until
from tests.support.gateway.raw import connected, posted, request

if TYPE_CHECKING:
    from tests.support.gateway.client import Gateway, StartGateway

SHORT: Final = Limits(head=0.4, body=0.4, answer=0.5, idle=0.4)
HEALTHZ: Final = request("GET /healthz HTTP/1.1")


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
        assert await wire.ended(20) == b""


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

    assert 0.3 < time.monotonic() - began < 60, "all bytes together would take 150 s"


async def test_an_idle_connection_is_closed(
    short: GatewaySettings, start_gateway: StartGateway
) -> None:
    """A connection that is kept is closed when no other request comes on it."""
    gateway = await start_gateway(short)
    async with connected(gateway, HEALTHZ) as wire:
        assert (await wire.answer()).status == 200
        assert await wire.ended(20) == b""


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
        assert await wire.ended(20) == b""


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
    await until(lambda: len(gateway.server.handler.connections) == count)


async def test_many_silent_connections_do_no_harm(gateway: Gateway) -> None:
    """Many connections that send nothing do not keep others from being answered."""
    opened = [await asyncio.open_connection(gateway.host, gateway.port) for _ in range(1000)]
    began = time.monotonic()
    assert (await gateway.ask("GET", "/healthz")).status == 200
    assert time.monotonic() - began < 10
    for _, writer in opened:
        writer.transport.abort()
    await connections(gateway, 1)
