"""Waiting that ends for all at once, and results that come too late for it."""

from __future__ import annotations

import asyncio

import pytest

from gateway.concurrency.ending import Ending


class Results:
    """Results that count which of them were closed."""

    def __init__(self) -> None:
        self.closed: list[str] = []
        self.begun = asyncio.Event()
        self.come: dict[str, asyncio.Event] = {}

    def start(self, name: str) -> asyncio.Future[str]:
        """Begin what gives its name as the result, once that has come."""
        self.come[name] = asyncio.Event()

        async def make() -> str:
            self.begun.set()
            await self.come[name].wait()
            return name

        return asyncio.ensure_future(make())


async def wait_for(ending: Ending, started: asyncio.Future[str], results: Results) -> str | None:
    """Wait for a result until the end, or until this is canceled."""
    return await ending.before(started, results.closed.append)


async def test_all_that_is_waited_for_ends_at_once() -> None:
    """What comes later is waited for again."""
    ending, results = Ending(), Results()
    started = {name: results.start(name) for name in ("a", "b")}
    waits = [asyncio.create_task(wait_for(ending, each, results)) for each in started.values()]
    await results.begun.wait()

    ending.end()
    results.come["b"].set()

    assert await asyncio.gather(*waits) == [None, None]
    later = results.start("c")
    results.come["c"].set()
    assert await ending.before(later, results.closed.append) == "c"
    assert results.closed == []


async def test_a_result_that_is_there_is_returned() -> None:
    """The end comes in the same moment."""
    ending, results = Ending(), Results()
    started = results.start("a")
    started.add_done_callback(lambda _: ending.end())  # before who waits for it hears of it
    wait = asyncio.create_task(wait_for(ending, started, results))
    await results.begun.wait()

    results.come["a"].set()

    assert await wait == "a"


async def test_a_result_that_comes_as_its_caller_leaves_is_closed() -> None:
    """One that has not come is not made any more."""
    ending, results = Ending(), Results()
    started = {name: results.start(name) for name in ("there", "not yet")}
    waits: list[asyncio.Task[str | None]] = []

    def leave(_: object) -> None:
        for wait in waits:
            wait.cancel()
        ending.end()

    started["there"].add_done_callback(leave)  # before who waits for it hears of it
    waits += [asyncio.create_task(wait_for(ending, each, results)) for each in started.values()]
    await results.begun.wait()

    results.come["there"].set()

    for wait in waits:
        with pytest.raises(asyncio.CancelledError):
            await wait
    await asyncio.wait({started["not yet"]})
    assert results.closed == ["there"]
    assert started["not yet"].cancelled()


async def test_what_fails_is_raised() -> None:
    """It is the caller who hears of it."""

    async def fail() -> str:
        raise LookupError

    with pytest.raises(LookupError):
        await Ending().before(asyncio.ensure_future(fail()), print)
