"""Tasks with the same key go one after the other."""

from __future__ import annotations

import asyncio

import pytest

from gateway.concurrency.turns import Turns
from gateway.errors import Saturated


async def test_equal_keys_wait_and_others_do_not() -> None:
    """A task runs when those before it with its key have ended; one with another key at once."""
    turns, log = Turns(10), list[str]()
    go_on = asyncio.Event()

    async def task(key: str, name: str) -> None:
        async with turns.turn(key):
            log.append(name)
            await go_on.wait()
            log.append(f"{name} ended")

    tasks = [asyncio.create_task(task(key, f"{key}{n}")) for n in (1, 2) for key in ("a", "b")]
    await asyncio.sleep(0)
    assert log == ["a1", "b1"]
    go_on.set()
    await asyncio.gather(*tasks)

    assert [entry for entry in log if entry[0] == "a"] == ["a1", "a1 ended", "a2", "a2 ended"]


async def test_a_turn_that_does_not_come_is_refused() -> None:
    """Who waits for longer than the deadline, or is cancelled, is out, and holds up nobody."""
    turns = Turns(0.05)
    async with turns.turn("a"):
        cancelled = asyncio.create_task(turns.turn("a").__aenter__())
        await asyncio.sleep(0)
        cancelled.cancel()
        with pytest.raises(Saturated):
            await turns.turn("a").__aenter__()
    async with turns.turn("a"):
        pass


async def test_a_failure_ends_a_turn() -> None:
    """An error of the block is passed on, and the next task has its turn."""
    turns = Turns(1)
    with pytest.raises(KeyError):
        async with turns.turn("a"):
            raise KeyError
    async with turns.turn("a"):
        pass
