"""Reads on behalf of clients: shared, limited, and only while they are wanted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest

from gateway.model.execution import Execution
from gateway.presence.workers import SILENT_SECONDS, Workers
from gateway.updates.cache import ExecutionCache
from gateway.updates.reader import CONCURRENT_READS, Reader
from shared.presence import Claimed, Ended, Running
from shared.resonate.clock import ServerClock
from tests.support.gateway.client import until
from tests.support.gateway.presence import speaking

if TYPE_CHECKING:
    from gateway.backend.client import Backend


class HeldBackend:
    """Answers reads once it is released, and records them."""

    def __init__(self) -> None:
        self.released = asyncio.Event()
        self.asked: list[str] = []
        self.searched: list[str] = []
        self.clock = ServerClock()

    async def read_root(self, id: str) -> Execution:
        self.asked.append(id)
        await self.released.wait()
        return Execution(id, "pending", "foo", "null", 1_000, 2_000)

    async def read(self, id: str) -> Execution:
        self.searched.append(id)
        return await self.read_root(id)


@pytest.fixture(name="backend")
def _backend() -> HeldBackend:
    return HeldBackend()


@pytest.fixture(name="workers")
def _workers() -> Workers:
    return Workers()


@pytest.fixture(name="reader")
def _reader(backend: HeldBackend, workers: Workers) -> Reader:
    return Reader(cast("Backend", backend), ExecutionCache(), workers)


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


async def test_what_a_worker_has_told_is_not_searched_for(
    backend: HeldBackend, reader: Reader, workers: Workers
) -> None:
    """While a worker says that it runs an execution, a read is one call, without a search."""
    backend.released.set()
    worker = speaking(workers, Claimed("__invoke:job-1", 1, "job-1"))

    told = await reader.read_shared("job-1")
    worker.hear(Running("__invoke:job-1", 1, 1, None, "pack", is_retried=False, reports=False))
    running = await reader.read_shared("job-1")
    worker.hear(Ended("__invoke:job-1", 1))
    await reader.read_shared("job-1")

    assert told.activity is not None
    assert (told.activity.worker, told.activity.attempt, told.phase(1)) == (
        "worker-1",
        1,
        "running",
    )
    assert running.activity is not None
    assert running.activity.step == "pack"
    assert backend.searched == ["job-1"]  # the last one
    assert backend.asked == ["job-1"] * 3


@pytest.mark.parametrize(
    ("claim", "running"),
    [
        (("__invoke:job-1", 2), None),
        (("__invoke:job-1", 2), {"attempt": 2, "recovered_from": "worker-2"}),
        (("__resume:job-1:job-1.2", 1), {}),
        (("__invoke:job-1", 1), {"is_retried": True}),
        (("__invoke:job-1", 1), {"reports": True}),
    ],
)
async def test_what_a_worker_has_not_told_is_searched_for(
    backend: HeldBackend,
    reader: Reader,
    workers: Workers,
    claim: tuple[str, int],
    running: dict[str, Any] | None,
) -> None:
    """Failed tries, reports and what earlier claims have left are in the store only."""
    backend.released.set()
    worker = speaking(workers, Claimed(*claim, "job-1"))
    if running is not None:
        usual = {"attempt": 1, "recovered_from": None, "is_retried": False, "reports": False}
        worker.hear(Running(*claim, step="pack", **{**usual, **running}))

    await reader.read_shared("job-1")

    assert backend.searched == ["job-1"]


async def test_a_silent_worker_is_not_believed(
    backend: HeldBackend, reader: Reader, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that has said nothing for a second may be frozen, and another have its claim."""
    backend.released.set()
    worker = speaking(workers, Claimed("__invoke:job-1", 1, "job-1"))
    monkeypatch.setattr(worker, "heard_at", worker.heard_at - SILENT_SECONDS)

    await reader.read_shared("job-1")

    assert backend.searched == ["job-1"]
