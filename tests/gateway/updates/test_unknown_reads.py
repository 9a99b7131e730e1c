"""Reads of executions that are begun meanwhile."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import pytest
from cachetools import LRUCache

from gateway.errors import UnknownExecution
from gateway.model.execution import Execution
from gateway.updates.recent_reads import RecentReads

BEGUN: Final = Execution("job-1", "pending", "foo", "null", 1_000, 2_000)


class Server:
    """Looks when a read begins, answers once `may_answer` is set, and counts the reads."""

    def __init__(self) -> None:
        self.is_begun = False
        self.count = 0
        self.has_looked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.reads = RecentReads(self._read, time.time, LRUCache(100))

    async def _read(self, _: str) -> Execution:
        self.count += 1
        found = self.is_begun
        self.has_looked.set()
        await self.may_answer.wait()
        if not found:
            raise UnknownExecution("No execution has this id.")
        return BEGUN


async def test_what_was_begun_since_a_read_is_known() -> None:
    """A read that found nothing says nothing to those who ask after an execution was begun."""
    server = Server()
    before = asyncio.create_task(server.reads.read("job-1"))
    await asyncio.wait_for(server.has_looked.wait(), 5)

    server.is_begun = True
    after = [asyncio.create_task(server.reads.read("job-1")) for _ in range(20)]
    asyncio.get_running_loop().call_soon(server.may_answer.set)

    assert await asyncio.gather(*after) == [BEGUN] * 20
    assert server.count <= 3  # a third, if a second of the clock begins in between
    with pytest.raises(UnknownExecution):
        await before


async def test_a_crowd_that_asks_for_nothing_shares_its_reads() -> None:
    """Many clients that poll an id before it is begun cost as few reads as one or two."""
    server = Server()
    asyncio.get_running_loop().call_soon(server.may_answer.set)

    crowd = (server.reads.read("job-1") for _ in range(50))
    outcomes = await asyncio.gather(*crowd, return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [UnknownExecution] * 50
    assert server.count <= 3
