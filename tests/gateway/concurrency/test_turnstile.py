"""Tasks that are let through a few at a time."""

from __future__ import annotations

import asyncio

from gateway.concurrency.turnstile import Turnstile


async def test_tasks_pass_in_the_order_in_which_they_came() -> None:
    """Each admission lets the oldest tasks through, as many as it says, and counts them."""
    turnstile, passed = Turnstile(), list[int]()

    async def task(number: int) -> None:
        await turnstile.wait()
        passed.append(number)

    tasks = [asyncio.create_task(task(number)) for number in range(5)]
    await asyncio.sleep(0)

    assert turnstile.admit(2) == 2
    await asyncio.sleep(0)
    assert passed == [0, 1]
    assert turnstile.admit(10) == 3
    await asyncio.gather(*tasks)
    assert passed == [0, 1, 2, 3, 4]
    assert turnstile.admit(1) == 0


async def test_a_cancelled_task_takes_no_admission() -> None:
    """A task that was cancelled while it waited is passed over."""
    turnstile = Turnstile()
    first, second = (asyncio.create_task(turnstile.wait()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)

    assert turnstile.admit(1) == 1
    await second
