"""Reads that take the server long are shared, and their states used for a moment."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gateway.api.keys import READER
from gateway.model.execution import Execution
from gateway.updates import costly_reads
from gateway.updates.costly_reads import FRESH_SECONDS, CostlyReads
from tests.support.gateway.client import until

if TYPE_CHECKING:
    from gateway.settings import GatewaySettings
    from tests.support.gateway.client import StartGateway

PENDING = Execution("job-1", "pending", "foo", "null", 1_000, 2_000)


class SlowServer:
    """Answers each read after `seconds`, and counts them."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.count = 0
        self.execution = PENDING

    async def read(self, id: str) -> Execution:
        self.count += 1
        execution = self.execution
        await asyncio.sleep(self.seconds)
        return replace(execution, id=id)


async def hammer(reads: CostlyReads, seconds: float, clients: int = 5) -> int:
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


async def test_a_quick_read_is_made_each_time() -> None:
    """As long as the server is quick every client is told how things are now."""
    server = SlowServer(0)
    reads = CostlyReads(server.read)

    answers = await hammer(reads, 0.2)

    assert server.count == answers


async def test_a_costly_read_is_made_once_for_all_and_seldom() -> None:
    """Clients that poll without a pause take a part of the server's time."""
    server = SlowServer(0.15)
    reads = CostlyReads(server.read)

    answers = await hammer(reads, 2)

    assert answers > 5 * server.count
    assert server.count <= 5 + 3  # all clients at first; then one for all, a second apart


async def test_no_state_is_older_than_promised() -> None:
    """A change shows once the state has its greatest age, whoever asks."""
    server = SlowServer(0.2)
    reads = CostlyReads(server.read)
    await reads.read("job-1")
    began = time.monotonic()
    await reads.read("job-1")

    server.execution = replace(PENDING, status="resolved")
    assert (await reads.read("job-1")).status == "pending"
    await asyncio.sleep(began + FRESH_SECONDS - time.monotonic())

    assert (await reads.read("job-1")).status == "resolved"


async def test_one_slow_read_by_chance_changes_nothing() -> None:
    """A read that was slow once is followed by reads of how things are."""
    server = SlowServer(0.2)
    reads = CostlyReads(server.read)
    await reads.read("job-1")
    server.execution = replace(PENDING, status="resolved")

    assert (await reads.read("job-1")).status == "resolved"


async def test_an_end_is_never_taken_back() -> None:
    """What has ended is read anew or known to have ended: `pending` does not come back."""
    server = SlowServer(0.15)
    reads = CostlyReads(server.read)
    await reads.read("job-1")
    await reads.read("job-1")
    server.execution = replace(PENDING, status="resolved")
    reads.forget("job-1")

    statuses = [(await reads.read("job-1")).status for _ in range(3)]

    assert statuses == ["resolved"] * 3


async def test_what_this_gateway_changes_is_read_anew() -> None:
    """A read that had begun before a change is no state for those who ask after it."""
    server = SlowServer(0.15)
    reads = CostlyReads(server.read)
    await reads.read("job-1")
    before = asyncio.create_task(reads.read("job-1"))
    await until(lambda: server.count == 2)
    server.execution = replace(PENDING, status="canceled")
    reads.forget("job-1")
    await before

    assert (await reads.read("job-1")).status == "canceled"


@pytest.mark.parametrize("change", ["/cancel?id={}", "/signal?id={}&name=a"])
async def test_a_change_shows_at_once_at_its_gateway(
    change: str,
    settings: GatewaySettings,
    job: str,
    start_gateway: StartGateway,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A client that cancels or sends a signal reads no older state, however slow the server is."""
    monkeypatch.setattr(costly_reads, "COSTLY_SECONDS", 0)
    monkeypatch.setattr(costly_reads, "REUSED_FOR", 10**6)
    gateway = await start_gateway(settings)
    reader = gateway.app[READER]
    await gateway.begin(job, 1)
    await reader.read(job)
    before = await reader.read(job)
    assert await reader.read(job) is before

    assert (await gateway.ask("POST", change.format(job))).status in {200, 202}

    assert await reader.read(job) is not before
