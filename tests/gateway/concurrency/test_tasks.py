"""Background tasks and shared calls."""

from __future__ import annotations

import asyncio
import itertools
from functools import partial

import pytest

from gateway.concurrency.tasks import SingleFlight, TaskSet


async def test_tasks_end_with_their_owner() -> None:
    """When the block ends, every task is cancelled and none is left."""
    tasks, cancelled = TaskSet(), list[str]()

    async def work(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(name)

    async with tasks.running(work("first")):
        tasks.start(work("second"))
        await asyncio.sleep(0)
        assert len(tasks) == 2

    assert sorted(cancelled) == ["first", "second"]
    assert len(tasks) == 0


async def test_a_task_that_has_ended_is_not_kept() -> None:
    """A set holds only tasks that have not ended."""
    tasks = TaskSet()

    tasks.start(asyncio.sleep(0))
    for _ in range(3):
        await asyncio.sleep(0)

    assert len(tasks) == 0


async def test_a_call_is_made_once_for_all_who_ask() -> None:
    """Callers at the same time share a call of the same key; a later caller makes a new one."""
    flights, calls, release = SingleFlight[str, str](), list[str](), asyncio.Event()

    async def call(key: str) -> str:
        calls.append(key)
        await release.wait()
        return key.upper()

    asked = [asyncio.create_task(flights.run(key, partial(call, key))) for key in "aab"]
    await asyncio.sleep(0)
    release.set()
    outcomes = await asyncio.gather(*asked)
    later = await flights.run("a", partial(call, "a"))

    assert [*outcomes, later] == ["A", "A", "B", "A"]
    assert calls == ["a", "b", "a"]


async def test_a_caller_that_leaves_cancels_nobody_else() -> None:
    """A cancelled caller leaves the call to the others."""
    flights, release = SingleFlight[str, str](), asyncio.Event()

    async def call() -> str:
        await release.wait()
        return "done"

    leaves, stays = (asyncio.create_task(flights.run("key", call)) for _ in range(2))
    await asyncio.sleep(0)
    leaves.cancel()
    await asyncio.sleep(0)
    release.set()

    assert await stays == "done"


@pytest.mark.parametrize("while_asked", [False, True])
async def test_a_call_for_nobody_ends_if_it_is_made_while_asked(*, while_asked: bool) -> None:
    """When the last caller leaves, the call ends where that is wanted, and others start anew."""
    flights, ended = SingleFlight[str, int](while_asked=while_asked), list[bool]()
    begun, numbers, release = asyncio.Queue[int](), itertools.count(), asyncio.Event()

    async def call() -> int:
        number = next(numbers)
        begun.put_nowait(number)
        try:
            await release.wait()
        finally:
            ended.append(release.is_set())
        return number

    asked = [asyncio.create_task(flights.run("key", call)) for _ in range(2)]
    await asyncio.wait_for(begun.get(), 5)
    for task in asked:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    later = asyncio.create_task(flights.run("key", call))
    if while_asked:
        await asyncio.wait_for(begun.get(), 5)
    release.set()

    assert await asyncio.wait_for(later, 5) == (1 if while_asked else 0)
    assert ended == ([False, True] if while_asked else [True])


async def test_an_error_reaches_all_who_ask() -> None:
    """Every caller gets the error of the shared call."""
    flights = SingleFlight[str, None]()

    async def fail() -> None:
        raise LookupError("no")

    outcomes = await asyncio.gather(
        *(flights.run("key", fail) for _ in range(3)), return_exceptions=True
    )

    assert [type(outcome) for outcome in outcomes] == [LookupError] * 3


async def test_closing_cancels_running_calls() -> None:
    """After a close the callers are cancelled and nothing runs."""
    flights = SingleFlight[str, None]()
    asked = asyncio.create_task(flights.run("key", asyncio.Event().wait))  # type: ignore[arg-type]
    await asyncio.sleep(0)

    await flights.close()

    with pytest.raises(asyncio.CancelledError):
        await asked
