"""Large contents: room is made before they are read, one copy serves all, and all is given back."""

from __future__ import annotations

import asyncio
import gc
import time
from typing import Final

import pytest

from gateway.errors import BackendUnavailable, Overloaded
from gateway.http.budgets import AnswerBudget, HeldContent

SIZE: Final = 100 * 1024


class Transport(asyncio.Transport):
    """A connection that notes whether it was cut."""

    aborted = False

    def abort(self) -> None:
        self.aborted = True


def held(budget: AnswerBudget, key: str, raw: bytes = bytes(SIZE)) -> HeldContent:
    """Return a hold of a content that has been read."""
    content = budget.hold(key, len(raw))
    content.set(raw)
    return content


def test_equal_answers_are_one_copy() -> None:
    """Two answers with equal bytes hold the first one's copy, until the last of them has it."""
    budget = AnswerBudget(SIZE * 5 // 4)
    one, other = bytes(bytearray(SIZE)), bytes(bytearray(SIZE))

    first, second = held(budget, "a", one), held(budget, "a", other)

    assert second.raw is first.raw is one
    first.release()
    first.release()
    assert budget.held == SIZE
    with pytest.raises(Overloaded):
        budget.hold("b", SIZE)
    second.release()
    assert budget.held == 0
    with pytest.raises(RuntimeError):
        assert second.raw


def test_a_content_that_is_forgotten_is_given_back() -> None:
    """An answer that is never sent holds nothing once it is gone."""
    budget = AnswerBudget(SIZE)
    content = held(budget, "a")
    assert budget.held == SIZE

    del content
    gc.collect()

    assert budget.held == 0


def test_small_contents_always_have_room() -> None:
    """What is no larger than the buffers of a socket is not counted."""
    budget = AnswerBudget(SIZE)
    large = held(budget, "a")
    small = held(budget, "b", bytes(64 * 1024))

    assert (len(small.raw), budget.held) == (64 * 1024, SIZE)
    large.release()


def test_stalled_readers_make_room() -> None:
    """When there is no room, a content that none of its holders takes is cut off."""
    budget = AnswerBudget(3 * SIZE)
    stalled, late, moving = Transport(), Transport(), Transport()
    before = time.monotonic() - 6

    with (
        held(budget, "a", bytes(2 * SIZE)).sending(stalled) as slow,
        held(budget, "a").sending(late) as other,
        held(budget, "b").sending(moving),
    ):
        slow.moved_at = before
        with pytest.raises(Overloaded):
            budget.hold("c", SIZE)
        other.moved_at = before
        not_sent_yet = budget.hold("a", 2 * SIZE)
        with pytest.raises(Overloaded):
            budget.hold("c", SIZE)
        not_sent_yet.release()
        new = budget.hold("c", SIZE)
        assert (stalled.aborted, late.aborted, moving.aborted) == (True, True, False)
        assert budget.held == 2 * SIZE
        new.release()
    assert budget.held == 0


async def test_a_content_is_read_once_for_all_who_ask() -> None:
    """Room is taken before the read; a crowd shares one read, whoever of it goes away meanwhile."""
    budget = AnswerBudget(SIZE)
    calls = 0
    answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def read() -> bytes:
        nonlocal calls
        calls += 1
        return await answered

    async def ask() -> bytes:
        return await budget.hold("a", SIZE).read(read)

    crowd = [asyncio.create_task(ask()) for _ in range(10)]
    await asyncio.sleep(0)
    assert budget.held == SIZE
    with pytest.raises(Overloaded):
        budget.hold("b", SIZE)
    crowd.pop(0).cancel()
    answered.set_result(bytes(SIZE))

    assert await asyncio.gather(*crowd) == [bytes(SIZE)] * 9
    assert calls == 1
    crowd.clear()
    gc.collect()
    assert budget.held == 0


async def test_a_failed_read_is_raised_to_all_and_holds_nothing() -> None:
    """Each who waits gets an error of its own, and the next one reads again."""
    budget = AnswerBudget(SIZE)

    async def fail() -> bytes:
        raise BackendUnavailable("away")

    async def succeed() -> bytes:
        return bytes(SIZE)

    failed = await asyncio.gather(
        *(budget.hold("a", SIZE).read(fail) for _ in range(3)), return_exceptions=True
    )

    assert [str(error) for error in failed] == ["away"] * 3
    assert len(set(map(id, failed))) == 3
    assert budget.held == 0
    assert await budget.hold("a", SIZE).read(succeed) == bytes(SIZE)


async def test_a_read_that_nobody_waits_for_ends() -> None:
    """When all who asked have gone, the read is cancelled and its room is free."""
    budget = AnswerBudget(SIZE)
    cancelled = asyncio.Event()

    async def read() -> bytes:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return b""

    waiting = asyncio.create_task(budget.hold("a", SIZE).read(read))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait_for(cancelled.wait(), 1)
    assert budget.held == 0
