"""The executor that computes in one thread: the smallest call first, and none waits for ever."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING

import pytest

from gateway.concurrency.serial_executor import OVERTAKING, SerialExecutor
from tests.support.gateway.client import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.concurrency.serial_executor import SerialExecutor as Executor


@contextlib.asynccontextmanager
async def held(executor: Executor) -> AsyncIterator[None]:
    """Keep the executor's thread busy until the block ends."""
    begun, release = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        release.wait(60)

    holding = asyncio.create_task(executor.run(hold))
    await until(begun.is_set)
    try:
        yield
    finally:
        release.set()
        await holding


async def order(sizes: list[int]) -> list[int]:
    """Let calls of these sizes wait together; return their sizes in the order of their turns."""
    executor, done = SerialExecutor("test"), list[int]()
    async with held(executor):
        calls = [asyncio.create_task(executor.run(done.append, size, size=size)) for size in sizes]
        await until(lambda: executor.waiting == len(sizes))
    await asyncio.gather(*calls)
    executor.close()
    return done


async def test_a_small_call_waits_for_no_large_one() -> None:
    """A call of 70 kB that comes last goes before eight of a megabyte."""
    assert await order([1000] * 8 + [70]) == [70] + [1000] * 8


async def test_the_oldest_call_is_overtaken_by_so_much_only() -> None:
    """With small calls without end, a large one goes after each four times its size."""
    done = await order([1000] * 2 + [100] * 100)

    first, second = [place for place, size in enumerate(done) if size == 1000]
    assert first == OVERTAKING * 10
    assert second == 2 * OVERTAKING * 10 + 1


async def test_calls_of_one_size_go_in_order() -> None:
    """Calls of equal size, and calls whose size nobody says, go as they came."""
    executor, done = SerialExecutor("test"), list[int]()
    async with held(executor):
        calls = [asyncio.create_task(executor.run(done.append, number)) for number in range(20)]
        await until(lambda: executor.waiting == 20)
    await asyncio.gather(*calls)
    executor.close()

    assert done == list(range(20))


async def test_a_call_whose_caller_has_gone_is_not_computed() -> None:
    """A call that waits is dropped with its caller, and the others get their turns."""
    executor, done = SerialExecutor("test"), list[str]()
    async with held(executor):
        gone = asyncio.create_task(executor.run(done.append, "gone"))
        stays = asyncio.create_task(executor.run(done.append, "stays"))
        await until(lambda: executor.waiting == 2)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        assert executor.waiting == 1
    await stays
    executor.close()

    assert done == ["stays"]


async def test_an_error_is_the_callers() -> None:
    """What a call raises is raised to its caller, and the thread goes on."""
    executor = SerialExecutor("test")

    with pytest.raises(ValueError, match="invalid literal"):
        await executor.run(int, "x")
    assert await executor.run(int, "1") == 1
    executor.close()


async def test_closing_ends_those_who_wait() -> None:
    """After the close nothing that waits is computed, and no caller waits for it."""
    executor, done = SerialExecutor("test"), list[int]()
    async with held(executor):
        waiting = asyncio.create_task(executor.run(done.append, 1))
        await until(lambda: executor.waiting == 1)
        executor.close()
        await asyncio.wait([waiting], timeout=30)

    assert waiting.cancelled()
    assert done == []
