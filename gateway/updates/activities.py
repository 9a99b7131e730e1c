"""What the executions of a list are doing: read one after the other, and not for long."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from cachetools import TTLCache

from gateway.concurrency.tasks import SingleFlight
from gateway.errors import ServiceError
from gateway.updates.recent_reads import FRESH_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from gateway.backend.client import Backend
    from gateway.model.execution import Execution
    from gateway.presence.workers import Workers

PAGE_SECONDS: Final = 0.5
"""Seconds that a list waits for activities; those that are not known by then are left out."""

CONCURRENT_READS: Final = 1
"""Activities that are read at once for all lists of this gateway: begins come first, and so do the
searches of the lists themselves."""

RECENT_SECONDS: Final = FRESH_SECONDS - PAGE_SECONDS
"""Seconds for which an activity is remembered: the rest of its page may take as long again."""

RECENT_COUNT: Final = 1_000
"""Executions whose activities are remembered."""


class Activities:
    """Reads activities for lists, with a bound on the time and the calls of each.

    However many executions the lists have, `CONCURRENT_READS` are read at a time. Lists take turns:
    each waits for one read before it asks for the next. Lists that show the same execution share a
    read, also one that ended up to `RECENT_SECONDS` ago.
    """

    def __init__(self, backend: Backend, workers: Workers) -> None:
        self._backend = backend
        self._workers = workers
        self._turn = asyncio.Semaphore(CONCURRENT_READS)
        self._running: SingleFlight[str, Execution] = SingleFlight()
        self._recent: TTLCache[str, Execution] = TTLCache(RECENT_COUNT, RECENT_SECONDS)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Cancel what is being read when the block ends."""
        try:
            yield
        finally:
            await self._running.close()

    async def add_to(self, executions: Sequence[Execution]) -> list[Execution]:
        """Return the executions with their activities, as far as those are known in time.

        An execution whose activity is not known stays `partial`. If the server does not answer, no
        further one is read. Executions that have ended or are to start later cost nothing, and
        neither do those of which a worker tells this gateway.
        """
        seen = self.told_of(executions)
        with contextlib.suppress(TimeoutError, ServiceError):
            async with asyncio.timeout(PAGE_SECONDS):
                for execution in executions:
                    if execution.id not in seen:
                        seen[execution.id] = await self._read(execution)
        return [seen.get(execution.id, execution) for execution in executions]

    def told_of(self, executions: Sequence[Execution]) -> dict[str, Execution]:
        """Return those whose phase is known without a read, with their activities, by id."""
        now = self._backend.clock.time()
        seen = {e.id: e for e in executions if e.done or e.phase(now) is not None}
        for execution in executions:
            told = None if execution.id in seen else self._workers.activity_of(execution.id)
            if told is not None:
                seen[execution.id] = replace(execution, activity=told, partial=False)
        return seen

    async def _read(self, execution: Execution) -> Execution:
        recent = self._recent.get(execution.id, execution)
        if recent is not execution:
            return replace(execution, activity=recent.activity, partial=False)
        read = await self._running.run(execution.id, lambda: self._read_in_turn(execution))
        if read.done:
            return execution  # it has ended since it was listed
        return replace(execution, activity=read.activity, partial=False)

    async def _read_in_turn(self, execution: Execution) -> Execution:
        # Without a limit here, reads would pile up that no list waits for any more.
        async with asyncio.timeout(PAGE_SECONDS), self._turn:
            read = await self._backend.searches.with_activity(execution)
        if not read.done:
            self._recent[execution.id] = read
        return read
