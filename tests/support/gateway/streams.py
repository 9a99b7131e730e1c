"""Clients of event streams in the test's own loop."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import aiohttp

from gateway.api.keys import EVENT_STREAMS
from tests.support.clients.streams import Parser

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from tests.support.gateway.client import Gateway

FOR_EVER = aiohttp.ClientTimeout(total=None)


class Stream(Parser):
    """An open stream; `response` has its headers, `task` ends with the stream."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        super().__init__()
        self.response = response
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for line in self.response.content:
            self.take([line])

    async def until(self, what: Callable[[Stream], object], seconds: float = 30) -> None:
        """Return once the condition holds, or fail."""
        async with asyncio.timeout(seconds):
            while not what(self):  # noqa: ASYNC110 - no event to wait for
                await asyncio.sleep(0.005)

    async def has(self, count: int) -> None:
        """Return once `count` events have come, or fail."""
        await self.until(lambda stream: len(stream.events) >= count)
        assert len(self.events) == count

    async def ended(self, seconds: float = 5) -> None:
        """Return once the server has ended the stream, or fail."""
        await asyncio.wait_for(self.task, seconds)

    @property
    def names(self) -> list[str]:
        return [event.name for event in self.events]


@contextlib.asynccontextmanager
async def opened[S: Stream](
    gateway: Gateway, path: str, kind: type[S], headers: Mapping[str, str]
) -> AsyncIterator[S]:
    """Open a stream of this kind, and disconnect when the block ends."""
    url = f"http://{gateway.host}:{gateway.port}{path}"
    async with gateway.session.get(url, headers=headers, timeout=FOR_EVER) as response:
        assert response.status == 200, await response.text()
        stream = kind(response)
        try:
            yield stream
        finally:
            stream.task.cancel()
            await asyncio.gather(stream.task, return_exceptions=True)
            response.close()


@contextlib.asynccontextmanager
async def streaming(gateway: Gateway, id: str, **headers: str) -> AsyncIterator[Stream]:
    """Open the stream of an execution, and disconnect when the block ends."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with opened(gateway, f"/events?id={id}", Stream, sent) as stream:
        yield stream


async def follow(gateway: Gateway, id: str, **headers: str) -> Stream:
    """Return the stream of an execution that has ended, read to its end."""
    async with streaming(gateway, id, **headers) as stream:
        await stream.ended()
    return stream


async def nobody(gateway: Gateway) -> None:
    """Return once the gateway follows no execution."""
    async with asyncio.timeout(5):
        while len(gateway.app[EVENT_STREAMS]):  # noqa: ASYNC110 - no event to wait for
            await asyncio.sleep(0.005)
