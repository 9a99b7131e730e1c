"""Canceling an execution cancels everything below it, and nothing else."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.gateway.client import until
from tests.support.gateway.played_worker import create_children, pending_below

if TYPE_CHECKING:
    from shared.resonate.store import Store
    from tests.support.gateway.client import Gateway


@pytest.mark.alone
async def test_thousands_of_children_are_canceled(gateway: Gateway, store: Store, job: str) -> None:
    """The answer does not wait for all children, and soon none is pending, at any depth."""
    await gateway.begin(job, 1)
    names = [f"{n}" for n in range(2000)] + [f"{n}.1.{n}" for n in range(200)]
    await asyncio.to_thread(create_children, store, job, names)

    began = time.monotonic()
    answer = await gateway.ask("POST", f"/cancel?id={job}")
    seconds = time.monotonic() - began

    assert (answer.status, answer.body["status"]) == (200, "canceled")
    assert seconds < 3
    await until(lambda: not pending_below(store, job), 30)


async def test_only_what_is_below_is_canceled(gateway: Gateway, store: Store, job: str) -> None:
    """Children of another id are left alone, though the server's search finds them too."""
    mine, others = f"{job}_a", f"{job}-a"
    for id in (mine, others):
        await gateway.begin(id, 1)
    await asyncio.to_thread(create_children, store, mine, ["1", "2", "2.1"])
    await asyncio.to_thread(create_children, store, others, [f"{n}" for n in range(120)])

    assert (await gateway.ask("POST", f"/cancel?id={mine}")).status == 200

    assert await asyncio.to_thread(pending_below, store, mine) == 0
    assert await asyncio.to_thread(pending_below, store, others) == 100
    assert (await gateway.wait(others)).body["status"] == "pending"


async def test_canceling_again_repairs(gateway: Gateway, store: Store, job: str) -> None:
    """A second cancel cancels the children that an interrupted one has left."""
    await gateway.begin(job, 1)
    await gateway.ask("POST", f"/cancel?id={job}")
    await asyncio.to_thread(create_children, store, job, ["1", "1.1"])

    assert (await gateway.ask("POST", f"/cancel?id={job}")).status == 200

    assert await asyncio.to_thread(pending_below, store, job) == 0
