"""Two gateways behind the balancer, of which one ends while clients wait."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

import aiohttp
import pytest

from tests.support.cell.guards import needs_haproxy, needs_postgres, safe_server
from tests.support.clients.streams import Parser
from tests.support.metrics import scrape
from tests.support.processes import wait_until
from tests.support.stack import running_stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.cell.guards import SafeServer
    from tests.support.processes import Process
    from tests.support.stack import Stack

pytestmark = [needs_postgres, needs_haproxy]

JOBS: Final = 5
POLLS: Final = 200
STREAMS: Final = 50
PACE: Final = 1.0
"""Seconds of each of the five steps."""


@pytest.fixture(name="server", scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SafeServer]:
    with safe_server(tmp_path_factory.mktemp("cell")) as server:
        yield server


@pytest.fixture(name="stack", scope="module")
def _stack(server: SafeServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    first, second = (str(port) for port in server.gateways.values())
    own, directory = {"GATEWAY_PORT": first}, tmp_path_factory.mktemp("stack")
    with running_stack(directory, workers=2, server=server, gateway=own) as stack:
        stack.add_gateway("gateway-2", GATEWAY_PORT=second)
        stack.url = f"http://127.0.0.1:{server.clients_port}"
        wait_until(lambda: server.passes_to("gateway-2"), what="both gateways")
        yield stack


async def poll(session: aiohttp.ClientSession, id: str) -> tuple[str, int]:
    """Wait for an execution's end; return its state, and how many requests had no answer."""
    failed = 0
    while True:
        try:
            async with session.get(f"/wait?id={id}&wait=20s") as response:
                body = await response.json()
                if response.status == 200:
                    if body["done"]:
                        return body["status"], failed
                    continue
        except aiohttp.ClientError:
            pass
        failed += 1


async def follow(session: aiohttp.ClientSession, id: str) -> tuple[list[str], int]:
    """Read an execution's events to the last; return their ids, and how often it was cut off."""
    parser, cuts = Parser(), 0
    while not (parser.events and parser.events[-1].name == "done"):
        headers = {"Last-Event-ID": parser.events[-1].id} if parser.events else {}
        try:
            async with session.get(f"/events?id={id}", headers=headers) as response:
                async for line in response.content:
                    parser.take([line])
        except aiohttp.ClientError:
            pass
        cuts += 1
    return [event.id for event in parser.events], cuts - 1


def all_wait(stack: Stack) -> bool:
    """Return whether the gateways, each of which has some, have all polls and streams."""
    ports = (gateway.environment["GATEWAY_PORT"] for gateway in stack.gateways.values())
    found = [scrape(f"http://127.0.0.1:{port}") for port in ports]
    for kind, count in (("wait", POLLS), ("events", STREAMS)):
        waiting = [each.value("durable_http_gateway_waiters", kind=kind) for each in found]
        if min(waiting) == 0 or sum(waiting) < count:
            return False
    return True


async def clients(stack: Stack, job: str, end: Callable[[], None]) -> list[list[tuple[str, int]]]:
    """Begin executions, wait for them and follow them, and end a gateway meanwhile."""
    ids = [f"{job}-{number}" for number in range(JOBS)]
    for id in ids:
        assert stack.begin(id, "checkout", {"pace": PACE}).status == 202
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(stack.url, connector=connector) as session:
        polls = [asyncio.create_task(poll(session, ids[n % JOBS])) for n in range(POLLS)]
        streams = [asyncio.create_task(follow(session, ids[n % JOBS])) for n in range(STREAMS)]
        await asyncio.to_thread(wait_until, lambda: all_wait(stack), what="all clients")
        await asyncio.to_thread(end)
        polled = await asyncio.gather(*polls)
        followed = await asyncio.gather(*streams)
        whole = {id: (await follow(session, id))[0] for id in ids}
    assert [events for events, _ in followed] == [whole[ids[n % JOBS]] for n in range(STREAMS)]
    return [polled, [("", cuts) for _, cuts in followed]]


@pytest.mark.parametrize("how", ["killed", "stopped"])
async def test_clients_of_a_gateway_that_ends(
    server: SafeServer, stack: Stack, job: str, how: str
) -> None:
    """Each client repeats one request at most, and misses nothing."""
    gateway: Process = stack.gateways["gateway-2"]

    def end() -> None:
        if how == "killed":
            gateway.kill()
        else:
            assert gateway.stop() == 0

    polled, followed = await clients(stack, job, end)

    assert Counter(state for state, _ in polled) == {"resolved": POLLS}
    assert max(failed for _, failed in polled) <= 1
    assert max(cuts for _, cuts in followed) == 1, "no stream was cut"
    gateway.start()
    wait_until(lambda: server.passes_to("gateway-2"), what="both gateways")
