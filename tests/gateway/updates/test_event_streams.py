"""Streams of executions whose steps end in another order than they began."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.support.gateway.played_worker import begin_step, end_step, resolve
from tests.support.gateway.streams import follow, streaming

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.resonate.store import Store
    from tests.support.gateway.client import Gateway


async def test_an_old_step_that_ends_late_is_streamed(
    gateway: Gateway, store: Store, job: str
) -> None:
    """A step that began long before all others is an event when it ends, exactly once."""
    await gateway.begin(job, 1)

    def many(act: Callable[[Store, str, int], object], numbers: range) -> None:
        for n in numbers:
            act(store, job, n)

    async with streaming(gateway, job) as stream:
        await asyncio.to_thread(many, begin_step, range(1, 31))
        await stream.has(2 + 30)
        await asyncio.to_thread(many, end_step, range(2, 31))
        await stream.has(2 + 30 + 29)
        await asyncio.to_thread(end_step, store, job, 1)
        await stream.has(2 + 30 + 30)
        await resolve(store, job)
        await stream.ended()

    assert stream.content == (await follow(gateway, job)).content
