"""Many connections, and connections that send without a pause, take nothing from others."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

from gateway.http.connection_limit import Room
from tests.support.gateway.raw import connected, request

if TYPE_CHECKING:
    from structlog.typing import EventDict

    from gateway.settings import GatewaySettings
    from tests.support.gateway.client import Gateway, StartGateway
    from tests.support.gateway.raw import Wire

HEALTHZ: Final = request("GET /healthz HTTP/1.1")


async def test_one_connection_too_many_is_refused(
    settings: GatewaySettings, log: list[EventDict], start_gateway: StartGateway
) -> None:
    """Beyond the limit a connection gets a 503 and ends; those that are open are served on."""
    gateway = await start_gateway(replace(settings, max_connections=20))
    async with contextlib.AsyncExitStack() as stack:
        kept = [await stack.enter_async_context(connected(gateway, HEALTHZ)) for _ in range(20)]
        for wire in kept:
            assert (await wire.answer()).status == 200
        for _ in range(30):
            async with connected(gateway) as refused:
                answer = await refused.answer()
                assert await refused.ended() == b""
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")
            assert answer.body["type"] == "/problems/backend-unavailable"
            assert answer.body["request_id"] == answer.headers["x-request-id"]
        for wire in kept:
            wire.writer.write(HEALTHZ)
            assert (await wire.answer()).status == 200
    async with asyncio.timeout(5):
        while not await taken(gateway):  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.01)

    assert [line["limit"] for line in log if line["event"] == "connections refused"] == [20]


async def taken(gateway: Gateway) -> bool:
    """Return whether a new connection is served."""
    async with connected(gateway, HEALTHZ) as wire:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            return (await wire.answer()).status == 200
    return False


@pytest.mark.parametrize(
    ("files", "setting", "limit"),
    [
        (1024, 25_000, 1024 - 128),
        (150, 25_000, 37),
        (1_000_000, 25_000, 25_000),
        (resource.RLIM_INFINITY, 7, 7),
    ],
)
def test_files_are_left_for_calls_to_the_server(
    monkeypatch: pytest.MonkeyPatch, files: int, setting: int, limit: int
) -> None:
    """However few files the process may open, connections do not take all of them."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))

    assert Room(setting).limit == limit


@pytest.mark.parametrize("path", ["/healthz", "/wait?id=.", "/nope", "/begin?id=."])
async def test_a_connection_that_never_pauses_lets_others_in_between(
    offline: Gateway, path: str
) -> None:
    """While one client sends 20,000 requests in a row, others are answered at once."""
    count = 20_000
    async with connected(offline) as greedy, connected(offline) as other:
        reading = asyncio.create_task(read_all(greedy, count))
        sending = asyncio.create_task(send_all(greedy, request(f"GET {path} HTTP/1.1"), count))
        delays: list[float] = []
        while not reading.done() and len(delays) < 100:
            began = time.perf_counter()
            other.writer.write(HEALTHZ)
            assert (await other.answer()).status == 200
            delays.append(time.perf_counter() - began)
            await asyncio.sleep(0.005)
        sending.cancel()
        reading.cancel()

    assert len(delays) >= 50
    assert sorted(delays)[len(delays) * 9 // 10] < 0.1, delays


async def send_all(wire: Wire, sent: bytes, count: int) -> None:
    """Send a request again and again, as fast as it is taken."""
    for _ in range(count // 1000):
        wire.writer.write(sent * 1000)
        await wire.writer.drain()


async def read_all(wire: Wire, count: int) -> None:
    """Take this many answers."""
    for _ in range(count):
        await wire.reader.readuntil(b"\r\n\r\n")
