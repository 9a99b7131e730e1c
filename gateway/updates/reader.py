"""Reads of executions on behalf of clients: cached, shared and limited."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from cachetools import LRUCache

from gateway.concurrency.tasks import SingleFlight
from gateway.concurrency.turnstile import Turnstile
from gateway.errors import DeadlineExceeded
from gateway.updates.cache import memory_of
from gateway.updates.recent_reads import FRESH_SECONDS, KnownState, RecentReads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from gateway.backend.client import Backend
    from gateway.model.execution import Execution
    from gateway.model.history import History
    from gateway.model.stored_promise import StoredPromise
    from gateway.presence.workers import Workers
    from gateway.updates.cache import ExecutionCache

CONCURRENT_READS: Final = 16
"""Reads that run at once for waiting clients: fewer than threads, so that other requests find one.

More would not be faster, since threads keep the loop, and each other, from running.
"""

SHARED_READ_SECONDS: Final = 2.0
"""Seconds that a shared read may take, the wait for its turn included."""

KEPT_BYTES: Final = 16 * 1024 * 1024
"""Memory of the states of pending executions that are kept for a moment."""

KEPT_WITH_STEPS: Final = 64
"""States with steps that are kept for a moment; each can have a thousand steps."""


def is_fresh(moment: float) -> bool:
    """Return whether what was seen at a moment of the monotonic clock may still be answered."""
    return time.monotonic() - moment <= FRESH_SECONDS


class Reader:
    """Reads executions for clients.

    Executions that have ended never change while the store stays, so they come from the cache.
    `turnstile` lets those through who read again and again without having been notified; its owner
    limits their rate.
    """

    def __init__(self, backend: Backend, cache: ExecutionCache, workers: Workers) -> None:
        self._backend = backend
        self._workers = workers
        self._cache = cache
        self._concurrent_reads = asyncio.Semaphore(CONCURRENT_READS)
        self._shared: SingleFlight[str, Execution] = SingleFlight()
        self._recent = RecentReads(
            self._read, backend.clock.time, LRUCache(KEPT_BYTES, getsizeof=_memory_of)
        )
        self._recent_with_steps = RecentReads(
            partial(backend.read, with_steps=True), backend.clock.time, LRUCache(KEPT_WITH_STEPS)
        )
        self.turnstile = Turnstile()
        self._answered_at = float("-inf")

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Cancel what is being read when the block ends."""
        try:
            yield
        finally:
            await self._shared.close()
            await self._recent.close()
            await self._recent_with_steps.close()

    def note_answer(self) -> None:
        """Take note that the server has just answered."""
        self._answered_at = time.monotonic()

    def server_answers(self) -> bool:
        """Return whether the server has answered a moment ago."""
        return is_fresh(self._answered_at)

    async def read(self, id: str) -> Execution:
        """Return the execution as it is now, or was up to a second ago.

        Raises what `Backend.read` raises.
        """
        return self._cache.finished(id) or self._cache.learn(await self._recent.read(id))

    async def read_with_steps(self, id: str) -> Execution:
        """Return the execution with its steps; else as `read`."""
        execution = await self._recent_with_steps.read(id)
        if execution.done:
            # It is not kept: those who ask without steps would be answered with more than they ask
            # for. They read it anew.
            self.note_change(id)
        elif self._cache.finished(id):  # the end became known since that read
            self._recent_with_steps.forget(id)
            execution = await self._recent_with_steps.read(id)
            if not execution.done:
                self._cache.learn(execution)
        return execution

    def note_begun(self, execution: Execution) -> None:
        """Take note of an execution as a begin has found it, which polls may not know yet."""
        if execution.done or self._cache.finished(execution.id) is not None:
            self.note_change(execution.id)
        self._cache.learn(execution)

    def note_change(self, id: str) -> None:
        """Take note that an execution has just changed: read it anew."""
        self._recent.forget(id)
        self._recent_with_steps.forget(id)

    async def read_shared(self, id: str) -> Execution:
        """Return the execution as it is now, from one read for all who ask at the same time.

        Raises what `Backend.read` raises.
        """
        finished = self._cache.finished(id)
        return finished or await self._shared.run(id, lambda: self._read_in_turn(id))

    async def read_root(self, id: str, wanted: Callable[[], bool]) -> Execution | None:
        """Return the execution without its activity, None if it is not wanted any more.

        Whether it is `wanted` is asked when the read has its turn. Raises what `Backend.read_root`
        raises.
        """
        async with self._concurrent_reads:
            return self._note(await self._backend.read_root(id)) if wanted() else None

    async def subscribe(self, id: str) -> Execution:
        """Subscribe to the execution and return it. Raises what `Backend.subscribe` raises."""
        async with self._concurrent_reads:
            return self._note(await self._backend.subscribe(id))

    async def read_history(
        self, id: str, history: History
    ) -> tuple[Execution, list[StoredPromise], float]:
        """Return what is new of an execution, and when the read began by the monotonic clock.

        Raises what `Backend.history` raises.
        """
        began = time.monotonic()

        @contextlib.asynccontextmanager
        async def slot() -> AsyncIterator[None]:
            nonlocal began
            async with self._concurrent_reads:
                began = time.monotonic()
                yield

        known, unfinished = history.known, history.unfinished
        root, parts = await self._backend.history(id, known, unfinished, slot())
        return self._note(root), parts, began

    async def _read_in_turn(self, id: str) -> Execution:
        try:
            async with asyncio.timeout(SHARED_READ_SECONDS), self._concurrent_reads:
                return self._note(await self._read(id))
        except TimeoutError as error:
            raise DeadlineExceeded("Too many clients ask at the same time.") from error

    async def _read(self, id: str) -> Execution:
        """Read an execution; the search for its activity is left out if a worker has told that."""
        if self._workers.whole_activity_of(id) is None:
            return await self._backend.read(id)
        root = await self._backend.read_root(id)
        told = self._workers.whole_activity_of(id)
        if root.done or told is None:  # the claim may have ended meanwhile
            return root if root.done else await self._backend.read(id)
        return replace(root, activity=told, partial=False)

    def _note(self, execution: Execution) -> Execution:
        self.note_answer()
        return self._cache.learn(execution)


def _memory_of(state: KnownState) -> int:
    return memory_of(state.execution)
