"""What is done when a worker's connection breaks.

1. The connection ends, or is reset, without a goodbye. Silence is no death: a worker that is
   stopped, slow or cut off keeps its connection, and its leases decide.
2. Within `GRACE_SECONDS` the worker may connect again: something between the two has ended the
   connection.
3. Otherwise its claims are dropped at the server, and its offers are passed on, so that the server
   offers the executions to other workers.

4. An execution that was moved less than `MOVED_SECONDS` ago is left to its lease: it may be what
   ends its workers, and would end all of them before they are started again.

A worker that lives after all cannot write anything for its old claims, so at worst a step is
repeated. Several gateways may notice the same death: the server takes the first drop of a claim.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final

from cachetools import TTLCache

from gateway.concurrency.tasks import TaskSet
from gateway.errors import ServiceError
from shared.log import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.backend.server.releases import Releases
    from gateway.presence.workers import ClaimName, Worker, Workers
    from shared.presence import OfferName

GRACE_SECONDS: Final = 0.02
"""Seconds in which a worker that lives connects again: it does so at once."""

DEAD_SECONDS: Final = 600.0
DEAD_COUNT: Final = 1000
"""Seconds for which workers that were taken for dead are remembered, and how many."""

MOVED_SECONDS: Final = 2.0
MOVED_COUNT: Final = 100_000
"""Seconds for which executions that were moved are remembered, and how many."""


class Deaths:
    """Releases what dead workers held, and counts them and what was `released`.

    `mistakes` counts those that were not dead.
    """

    def __init__(self, workers: Workers, releases: Releases) -> None:
        self._workers = workers
        self._releases = releases
        self._tasks = TaskSet()
        self._dead: TTLCache[str, bool] = TTLCache(DEAD_COUNT, DEAD_SECONDS)
        self._moved: TTLCache[str, bool] = TTLCache(MOVED_COUNT, MOVED_SECONDS)
        self._is_closed = False
        self.count = 0
        self.mistakes = 0
        self.released = 0
        self._log = get_logger()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Release what is to be released until the block ends."""
        async with self._tasks.running():
            yield

    def close(self) -> None:
        """Take nobody for dead any more: no worker could connect again."""
        self._is_closed = True

    def greeted(self, worker: Worker) -> None:
        """Note that a worker lives."""
        if self._dead.pop(worker.pid, None) is not None:
            self.mistakes += 1
            self._log.warning("worker was taken for dead and lives", worker=worker.name)

    def suspect(self, worker: Worker) -> None:
        """Take a worker for dead unless it connects again."""
        self._tasks.start(self._end(worker))

    async def _end(self, worker: Worker) -> None:
        lost_at = time.monotonic()
        await asyncio.sleep(GRACE_SECONDS)
        if worker.connections or worker not in self._workers:
            return
        self._workers.leave(worker, "stopped" if self._is_closed else "dead", lost_at)
        if self._is_closed:
            return
        self._dead[worker.pid] = True
        self.count += 1
        claims, offers = self._due(worker)
        began = time.monotonic()
        try:
            released = await self._releases.release(claims, offers)
            self.released += released
        except ServiceError as error:
            self._log.warning(
                "not all claims of a dead worker released, their leases will end",
                worker=worker.name,
                reason=str(error),
            )
            return
        self._log.warning(
            "worker died",
            worker=worker.name,
            claims=len(claims),
            offers=len(offers),
            released=released,
            seconds=round(time.monotonic() - began, 3),
        )

    def _due(self, worker: Worker) -> tuple[list[ClaimName], list[OfferName]]:
        """Return what is to be released of what the worker has left."""
        claims, offers = worker.left()
        due = [name for name, execution in claims.items() if execution not in self._moved]
        for name in due:
            self._moved[claims[name]] = True
        return due, offers
