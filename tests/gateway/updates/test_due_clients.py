"""Clients whose time is over are woken with what one read has found."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest

from gateway.concurrency.tasks import TaskSet
from gateway.concurrency.wakeups import BatchedWakeups
from gateway.errors import UnknownExecution
from gateway.model.execution import Execution
from gateway.updates.due_clients import DueClients, Outcome, Waited
from tests.support.gateway.client import until

if TYPE_CHECKING:
    from gateway.updates.reader import Reader

PENDING = Execution("job-1", "pending", "foo", "null", 1_000, 2_000)


class HeldReader:
    """Answers reads once it is released, or raises its error, and counts them."""

    def __init__(self, error: Exception | None = None) -> None:
        self.released = asyncio.Event()
        self.count = 0
        self._error = error

    async def read_shared(self, _: str) -> Execution:
        self.count += 1
        await self.released.wait()
        if self._error is not None:
            raise self._error
        return PENDING


def crowd(reader: HeldReader) -> tuple[DueClients, Waited, list[asyncio.Future[Outcome]]]:
    """Return clients of one execution whose time is over."""
    due_clients = DueClients(cast("Reader", reader), TaskSet(), BatchedWakeups())
    waited = Waited("job-1")
    loop = asyncio.get_running_loop()
    clients: list[asyncio.Future[Outcome]] = [loop.create_future() for _ in range(500)]
    for client in clients:
        due_clients.add(waited, client)
    return due_clients, waited, clients


async def test_a_crowd_sleeps_until_one_read_has_ended() -> None:
    """However many clients are due, one read is made, and none wakes before its end."""
    reader = HeldReader()
    _, _, clients = crowd(reader)
    await until(lambda: reader.count == 1)
    woken = sum(client.done() for client in clients)
    reader.released.set()

    assert await asyncio.gather(*clients) == [PENDING] * 500
    assert (woken, reader.count) == (0, 1)


@pytest.mark.parametrize("error", [UnknownExecution("no such"), RuntimeError("a bug")])
async def test_a_failed_read_wakes_all(error: Exception) -> None:
    """All get an error that is an answer; after any other each asks by itself."""
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    reader = HeldReader(error)
    _, _, clients = crowd(reader)
    reader.released.set()

    expected = error if isinstance(error, UnknownExecution) else None
    assert await asyncio.gather(*clients) == [expected] * 500


async def test_who_is_due_later_is_read_for_again() -> None:
    """A client whose time is over after a read gets what a new one finds."""
    reader = HeldReader()
    reader.released.set()
    due_clients, waited, clients = crowd(reader)
    await asyncio.gather(*clients)
    later: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    due_clients.add(waited, later)

    assert await later == PENDING
    assert reader.count == 2
