"""Reads on behalf of clients: shared, limited, and only while they are wanted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest

from gateway.model.execution import Execution
from gateway.presence.workers import Workers
from gateway.updates.cache import ExecutionCache
from gateway.updates.reader import CONCURRENT_READS, Reader
from shared.resonate.clock import ServerClock
from tests.support.gateway.client import until

if TYPE_CHECKING:
    from gateway.backend.client import Backend


class HeldBackend:
    """Answers reads once it is released, and records them."""

    def __init__(self) -> None:
        self.released = asyncio.Event()
        self.asked: list[str] = []
        self.clock = ServerClock()

    async def read_root(self, id: str) -> Execution:
        self.asked.append(id)
        await self.released.wait()
        return Execution(id, "pending", "foo", "null", 1_000, 2_000)

    read = read_root


@pytest.fixture(name="backend")
def _backend() -> HeldBackend:
    return HeldBackend()


@pytest.fixture(name="reader")
def _reader(backend: HeldBackend) -> Reader:
    return Reader(cast("Backend", backend), ExecutionCache(), Workers())


async def test_a_read_that_nobody_wants_any_more_is_not_made(
    backend: HeldBackend, reader: Reader
) -> None:
    """Reads wait for their turn; one whose clients have left by then costs no call."""
    wanted = True
    reads = [
        asyncio.create_task(reader.read_root(str(n), lambda: wanted))
        for n in range(CONCURRENT_READS + 10)
    ]
    await until(lambda: len(backend.asked) >= CONCURRENT_READS)
    wanted = False
    backend.released.set()
    outcomes = await asyncio.gather(*reads)

    assert len(backend.asked) == CONCURRENT_READS
    assert outcomes[CONCURRENT_READS:] == [None] * 10


async def test_a_crowd_shares_one_read(backend: HeldBackend, reader: Reader) -> None:
    """All who ask for an execution at the same time get the answer of one call."""
    crowd = [asyncio.create_task(reader.read_shared("job-1")) for _ in range(50)]
    await until(lambda: backend.asked)
    backend.released.set()
    outcomes = await asyncio.gather(*crowd)

    assert backend.asked == ["job-1"]
    assert {execution.id for execution in outcomes} == {"job-1"}
