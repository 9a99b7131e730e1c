"""Waiting tasks that are woken in batches."""

from __future__ import annotations

import asyncio

from gateway.concurrency.wakeups import BATCH_SIZE, BatchedWakeups


async def test_a_crowd_is_woken_a_batch_at_a_time() -> None:
    """One turn of the loop wakes one batch, in order, until all are awake."""
    wakeups: BatchedWakeups[int] = BatchedWakeups()
    loop = asyncio.get_running_loop()
    crowd = [loop.create_future() for _ in range(2 * BATCH_SIZE + 1)]

    for number, future in enumerate(crowd):
        wakeups.wake(future, number)
    awake = []
    for _ in range(3):
        await asyncio.sleep(0)
        awake.append(sum(future.done() for future in crowd))

    assert awake == [BATCH_SIZE, 2 * BATCH_SIZE, 2 * BATCH_SIZE + 1]
    assert [future.result() for future in crowd] == list(range(len(crowd)))


async def test_a_future_that_is_done_is_left_alone() -> None:
    """A future that was cancelled or has a result keeps it."""
    wakeups: BatchedWakeups[int] = BatchedWakeups()
    loop = asyncio.get_running_loop()
    cancelled, done = loop.create_future(), loop.create_future()
    wakeups.wake(cancelled, 1)
    wakeups.wake(done, 1)
    cancelled.cancel()
    done.set_result(7)

    await asyncio.sleep(0)

    assert cancelled.cancelled()
    assert done.result() == 7
