"""Calls that give way to others."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from gateway.concurrency.paced_executor import PacedExecutor
from gateway.errors import DeadlineExceeded, Saturated
from tests.support.gateway.client import until

if TYPE_CHECKING:
    from collections.abc import Iterator

CALL_SECONDS = 0.05


@contextmanager
def paced(
    *, queue: int = 10, deadline: float = 5.0, others: bool = False
) -> Iterator[PacedExecutor]:
    """Yield an executor beside which others are always at work, or never."""
    """Yield an executor; beside it others are always at work, or never."""
    executor = PacedExecutor(queue, deadline, lambda: others)
    try:
        yield executor
    finally:
        executor.close()


def call(spans: list[tuple[float, float]]) -> None:
    """Take a while, and note from when to when."""
    began = time.monotonic()
    time.sleep(CALL_SECONDS)
    spans.append((began, time.monotonic()))


@pytest.mark.parametrize("others", [False, True])
async def test_a_call_rests_only_while_others_are_at_work(others: bool) -> None:  # noqa: FBT001
    """One call at a time; between two of them as much time as the first took, for others."""
    spans: list[tuple[float, float]] = []
    with paced(others=others) as executor:
        await asyncio.gather(*(executor.run(call, spans) for _ in range(4)))

    rests = [after[0] - before[1] for before, after in itertools.pairwise(spans)]
    assert len(spans) == 4
    assert min(rests) >= (CALL_SECONDS * 0.9 if others else 0)
    if not others:
        assert min(rests) < CALL_SECONDS / 2


async def test_callers_have_their_turn_in_order() -> None:
    """First come, first served; results and errors reach their callers."""
    order: list[int] = []

    def numbered(number: int) -> int:
        order.append(number)
        if number == 2:
            raise ValueError(number)
        return number * 10

    with paced() as executor:
        outcomes = await asyncio.gather(
            *(executor.run(numbered, n) for n in range(4)), return_exceptions=True
        )

    assert order == [0, 1, 2, 3]
    assert [str(outcome) for outcome in outcomes] == ["0", "10", "2", "30"]


async def test_a_full_queue_refuses() -> None:
    """One caller more than may wait is refused at once."""
    free = threading.Event()
    with paced(queue=2) as executor:
        tasks = [asyncio.create_task(executor.run(free.wait, 5)) for _ in range(3)]
        await until(lambda: executor._waiting == 2)
        with pytest.raises(Saturated):
            await executor.run(free.wait, 5)
        free.set()
        assert await asyncio.gather(*tasks) == [True] * 3


async def test_a_caller_that_waits_too_long_is_told() -> None:
    """A turn that does not come within the deadline is an error; the next caller has its turn."""
    free, begun = threading.Event(), threading.Event()

    def work() -> bool:
        begun.set()
        return free.wait(5)

    with paced(deadline=0.2) as executor:
        first = asyncio.create_task(executor.run(work))
        await asyncio.to_thread(begun.wait, 5)
        with pytest.raises(DeadlineExceeded):
            await executor.run(free.wait, 5)
        with pytest.raises(DeadlineExceeded):
            await first
        free.set()
        assert await executor.run(free.wait, 5)


async def test_a_caller_that_leaves_gives_its_turn_back() -> None:
    """Callers that are cancelled, at work or in the queue, hold up nobody."""
    free, begun = threading.Event(), threading.Event()

    def work() -> bool:
        begun.set()
        return free.wait(5)

    with paced() as executor:
        running = asyncio.create_task(executor.run(work))
        waiting = asyncio.create_task(executor.run(free.wait, 5))
        await asyncio.to_thread(begun.wait, 5)
        running.cancel()
        waiting.cancel()
        await asyncio.gather(running, waiting, return_exceptions=True)
        free.set()
        assert await executor.run(free.wait, 5)


async def test_a_call_that_its_caller_has_left_is_followed_by_its_rest() -> None:
    """Clients that ask and leave do not take the time of others."""
    spans: list[tuple[float, float]] = []
    begun = threading.Semaphore(0)

    def noted() -> None:
        begun.release()
        call(spans)

    with paced(others=True) as executor:
        for _ in range(2):
            leaving = asyncio.create_task(executor.run(noted))
            await asyncio.to_thread(begun.acquire, timeout=5)
            leaving.cancel()
        await executor.run(call, spans)

    rests = [after[0] - before[1] for before, after in itertools.pairwise(spans)]
    assert len(rests) == 2
    assert min(rests) >= CALL_SECONDS * 0.9
