"""Answers to /metrics."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.concurrency.serial_executor import SerialExecutor
from gateway.concurrency.tasks import SingleFlight
from gateway.metrics.siblings import encode, merged
from shared.metrics import accepts_open_metrics, exposition

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from aiohttp import web
    from prometheus_client.metrics_core import Metric

    from gateway.metrics.siblings import Siblings
    from shared.metrics import Meter

    type Exposed = tuple[str, bytes]
    """A content type and a text."""


class Scrapes:
    """Reads the metrics of this process, and of its siblings if it has some.

    The path needs no token. So who asks while a scrape is made gets that one too: a flood of
    requests makes one after the other, in one thread.
    """

    def __init__(self, meter: Meter) -> None:
        self.observers: list[Callable[[], None]] = []
        """Are called in the event loop when this process is scraped."""

        self._meter = meter
        self._executor = SerialExecutor("metrics")
        self._siblings: Siblings | None = None
        self._made: dict[bool, asyncio.Task[Exposed]] = {}
        self._asked: SingleFlight[None, Mapping[int, Sequence[Metric] | None]] = SingleFlight()

    async def join(self, siblings: Siblings) -> None:
        """Answer for these processes, and answer them."""
        self._siblings = siblings
        await siblings.start(self._encoded)

    async def running(self, _: web.Application) -> AsyncIterator[None]:
        """Make scrapes until the application ends."""
        yield
        if self._siblings is not None:
            self._siblings.close()
        for task in list(self._made.values()):
            task.cancel()
        await self._asked.close()
        self._executor.close()

    async def read(self, accept: str) -> Exposed:
        """Return the metrics in the form that the client accepts."""
        is_open = accepts_open_metrics(accept)
        task = self._made.get(is_open)
        if task is None:
            task = self._made[is_open] = asyncio.create_task(self._make(is_open=is_open))
            task.add_done_callback(lambda _: self._made.pop(is_open, None))
        return await asyncio.shield(task)

    async def others(self) -> list[Sequence[Metric] | None]:
        """Return what each other process of this gateway counts, None if it does not answer.

        Who asks while these are being asked gets the same answers.
        """
        return [] if self._siblings is None else list((await self._others(self._siblings)).values())

    async def _others(self, siblings: Siblings) -> Mapping[int, Sequence[Metric] | None]:
        return await self._asked.run(None, siblings.others)

    async def _make(self, *, is_open: bool) -> Exposed:
        self._note_scrape()
        own = self._executor.run(self._meter.collect)
        siblings = self._siblings
        if siblings is None:
            families = await own
            return await self._executor.run(exposition, families, is_open)
        collected, others = await asyncio.gather(own, self._others(siblings))
        everything = {siblings.number: collected, **others}
        return await self._executor.run(_exposed_together, everything, is_open)

    def _note_scrape(self) -> None:
        for observer in self.observers:
            observer()

    async def _encoded(self) -> bytes:
        self._note_scrape()
        return await self._executor.run(lambda: encode(self._meter.collect()))


def _exposed_together(processes: Mapping[int, Sequence[Metric] | None], is_open: bool) -> Exposed:  # noqa: FBT001 - as `exposition`
    return exposition(merged(processes), is_open)
