"""Reads are shared, and their states told again while they are fresh."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest
from cachetools import LRUCache

from gateway.api.keys import READER
from gateway.model.execution import Execution
from gateway.updates import recent_reads
from gateway.updates.recent_reads import FRESH_SECONDS, RecentReads
from tests.support.faults.proxy import proxy_to
from tests.support.gateway.client import until

if TYPE_CHECKING:
    from gateway.settings import GatewaySettings
    from tests.support.gateway.client import StartGateway

OLD: Final = Execution("job-1", "pending", "foo", "null", 1_000, 2_000)
"""An execution that was begun in 1970."""


def young() -> Execution:
    """Return an execution that was begun just now."""
    return replace(OLD, created_at=int(time.time() * 1000))


class SlowServer:
    """Answers each read after `seconds`, and counts them."""

    def __init__(self, seconds: float, execution: Execution = OLD) -> None:
        self.seconds = seconds
        self.count = 0
        self.execution = execution
        self.reads = RecentReads(self.read, time.time, LRUCache(100))

    async def read(self, id: str) -> Execution:
        self.count += 1
        execution = self.execution
        await asyncio.sleep(self.seconds)
        return replace(execution, id=id)


async def hammer(reads: RecentReads, seconds: float, clients: int = 5) -> int:
    """Read with several clients without a pause, and return how many answers they had."""

    async def client() -> int:
        count = 0
        while time.monotonic() < end:
            await reads.read("job-1")
            reads.forget("job-2")  # what becomes of others is of no account
            await asyncio.sleep(0.005)
            count += 1
        return count

    end = time.monotonic() + seconds
    return sum(await asyncio.gather(*(client() for _ in range(clients))))


@pytest.mark.parametrize("seconds", [0.0, 0.15])
async def test_an_old_execution_is_read_once_a_second(seconds: float) -> None:
    """Clients that poll without a pause are answered from one read a second."""
    server = SlowServer(seconds)

    answers = await hammer(server.reads, 2.5)

    assert server.count <= 3
    assert answers > 50 * server.count


@pytest.mark.alone
async def test_a_young_execution_is_read_often() -> None:
    """What was begun a moment ago soon changes, and this is seen as soon."""
    server = SlowServer(0, young())
    await hammer(server.reads, 0.1, clients=1)
    server.execution = replace(server.execution, status="resolved")
    changed = time.monotonic()

    while (await server.reads.read("job-1")).status == "pending":  # noqa: ASYNC110 - polls
        await asyncio.sleep(0.001)

    assert time.monotonic() - changed < 0.1


async def test_what_has_changed_is_read_often() -> None:
    """An old execution that does something new counts as young again."""
    server = SlowServer(0)
    await server.reads.read("job-1")
    server.execution = replace(OLD, version=2)
    async with asyncio.timeout(5):
        while (await server.reads.read("job-1")).version != 2:  # noqa: ASYNC110 - polls
            await asyncio.sleep(0.001)
    before = server.count

    await hammer(server.reads, 0.2, clients=1)

    assert server.count - before >= 4


async def test_a_costly_read_is_made_once_for_all_and_seldom() -> None:
    """Clients that poll a young execution of very many steps take a part of the server's time."""
    server = SlowServer(0.15, young())

    answers = await hammer(server.reads, 2)

    assert answers > 5 * server.count
    assert server.count <= 5


@pytest.mark.parametrize("seconds", [0.0, 0.2])
async def test_no_state_is_older_than_promised(seconds: float) -> None:
    """A change shows once the state has its greatest age, whoever asks."""
    server = SlowServer(seconds)
    began = time.monotonic()
    await server.reads.read("job-1")

    server.execution = replace(OLD, status="resolved")
    assert (await server.reads.read("job-1")).status == "pending"
    await asyncio.sleep(began + FRESH_SECONDS - time.monotonic())

    assert (await server.reads.read("job-1")).status == "resolved"


async def test_one_slow_read_by_chance_changes_nothing() -> None:
    """A read of a young execution that was slow once is followed by others."""
    server = SlowServer(0.2, young())
    await server.reads.read("job-1")
    server.execution = replace(OLD, status="resolved")

    assert (await server.reads.read("job-1")).status == "resolved"


async def test_a_crowd_shares_the_first_read() -> None:
    """All who ask at the same time get the answer of one read."""
    server = SlowServer(0.01, young())

    await asyncio.gather(*(server.reads.read("job-1") for _ in range(50)))

    assert server.count <= 2  # two, if a second begins in between


async def test_a_read_for_clients_that_have_left_is_given_up() -> None:
    """A read that nobody waits for any more takes no place from others."""
    given_up = asyncio.Event()

    async def read(_: str) -> Execution:
        never: asyncio.Future[Execution] = asyncio.get_running_loop().create_future()
        try:
            return await never
        finally:
            given_up.set()

    reads = RecentReads(read, time.time, LRUCache(100))
    clients = [asyncio.create_task(reads.read("job-1")) for _ in range(2)]
    await asyncio.sleep(0.01)
    clients[0].cancel()
    await asyncio.sleep(0.01)
    assert not given_up.is_set()
    clients[1].cancel()

    await asyncio.wait_for(given_up.wait(), 5)


async def test_an_end_is_never_taken_back() -> None:
    """What has ended is read anew or known to have ended: `pending` does not come back."""
    server = SlowServer(0.15)
    await server.reads.read("job-1")
    server.execution = replace(OLD, status="resolved")
    server.reads.forget("job-1")

    statuses = [(await server.reads.read("job-1")).status for _ in range(3)]

    assert statuses == ["resolved"] * 3


async def test_what_has_just_changed_is_read_anew() -> None:
    """A read that had begun before a change is no state for those who ask after it."""
    server = SlowServer(0.15)
    before = asyncio.create_task(server.reads.read("job-1"))
    await until(lambda: server.count == 1)
    server.execution = replace(OLD, status="canceled")
    server.reads.forget("job-1")
    during = await server.reads.read("job-1")
    await before

    assert during.status == "canceled"
    assert (await server.reads.read("job-1")).status == "canceled"


@pytest.mark.parametrize("change", ["/cancel?id={}", "/signal?id={}&name=a"])
async def test_a_change_shows_at_once_at_its_gateway(
    change: str,
    settings: GatewaySettings,
    job: str,
    start_gateway: StartGateway,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A client that cancels or sends a signal reads no older state."""
    monkeypatch.setattr(recent_reads, "SHARE_OF_STANDING", 10**6)
    gateway = await start_gateway(settings)
    reader = gateway.app[READER]
    await gateway.begin(job, 1)
    before = await reader.read(job)
    assert await reader.read(job) is before

    assert (await gateway.ask("POST", change.format(job))).status in {200, 202}

    assert await reader.read(job) is not before


async def test_polls_of_a_waiting_execution_ask_the_server_seldom(
    settings: GatewaySettings,
    job: str,
    start_gateway: StartGateway,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Hundreds of polls of an execution that has been waiting are answered from few reads."""
    monkeypatch.setattr(recent_reads, "SHARE_OF_STANDING", 10**6)
    with proxy_to(settings.server.store_port) as proxy:
        behind = replace(settings, server=replace(settings.server, store_port=proxy.port))
        gateway = await start_gateway(behind)
        await gateway.begin(job, 1)
        proxy.calls.clear()
        began = time.monotonic()

        answers = [await gateway.wait(job) for _ in range(200)]

    reads = [call for call in proxy.calls if call.startswith(f"GET /promises/{job}")]
    assert {answer.body["status"] for answer in answers} == {"pending"}
    assert len(reads) <= 2 + (time.monotonic() - began) / FRESH_SECONDS
