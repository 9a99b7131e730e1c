"""Clients that wait for the end of an execution: one entry for each id, however many clients."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import time
from typing import TYPE_CHECKING, Final

from gateway.concurrency.tasks import TaskSet
from gateway.concurrency.wakeups import BatchedWakeups
from gateway.errors import ServiceError
from gateway.updates.due_clients import DueClients, Outcome, Waited
from gateway.updates.reader import is_fresh

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.concurrency.limiter import Limiter
    from gateway.model.execution import Execution
    from gateway.updates.cache import ExecutionCache
    from gateway.updates.reader import Reader
    from gateway.updates.subscriptions import Subscriptions

REREADS_PER_SECOND: Final = 200
"""Reads a second, for all ids together, to find ends of which no notification came."""

REREAD_SECONDS: Final = 0.05
"""Seconds between two rounds of such reads."""

REREAD_AFTER: Final = 1.0
"""Seconds between two such reads of one id, at least."""


class LongPolls:
    """Lets clients wait for executions. A waiting client holds no thread and costs no call.

    An end is noticed by a notification, which may get lost; so waited executions are read again in
    turn, `REREADS_PER_SECOND` at most, and once more when a client's time is over.
    """

    def __init__(
        self, reader: Reader, subscriptions: Subscriptions, cache: ExecutionCache, limiter: Limiter
    ) -> None:
        self._reader = reader
        self._subscriptions = subscriptions
        self._cache = cache
        self._limiter = limiter
        self._waited: dict[str, Waited] = {}
        self._tasks = TaskSet()
        self._wakeups: BatchedWakeups[Outcome] = BatchedWakeups()
        self._due_clients = DueClients(reader, self._tasks, self._wakeups)
        self._draining = False
        subscriptions.listen(self._on_notification)

    def __len__(self) -> int:
        """Return how many executions clients wait for."""
        return len(self._waited)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Read again what no notification came for, until the block ends."""
        async with self._tasks.running(self._reread()):
            yield

    def drain(self) -> None:
        """Answer all waiting clients with the present state, now and from now on."""
        self._draining = True
        for waited in list(self._waited.values()):
            self._end(waited, waited.latest if is_fresh(waited.seen_at) else None)

    async def wait(self, id: str, seconds: float) -> Execution:
        """Return the execution once it has ended, or as it is after this many seconds.

        Raises what reading raises, and `TooManyRequests`.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        with self._limiter.place(id):
            if self._draining or self._cache.finished(id):
                return await self._reader.read_shared(id)
            waited = self._waited.get(id) or self._add(id)
            match outcome := await self._outcome(waited, deadline):
                case ServiceError():
                    raise copy.copy(outcome)  # an exception raised in many tasks would grow
                case None:
                    return await self._due_clients.read(waited)
                case _:
                    return outcome

    def _add(self, id: str) -> Waited:
        waited = self._waited[id] = Waited(id, self._cache.subscribed(id))
        if waited.latest is None:
            waited.subscribed = self._subscriptions.request(id)
            waited.subscribed.add_done_callback(lambda done: self._on_subscribed(waited, done))
        return waited

    async def _outcome(self, waited: Waited, deadline: float) -> Outcome:
        """Wait as one more client of an execution, until a deadline of the loop's clock."""
        loop = asyncio.get_running_loop()
        client: asyncio.Future[Outcome] = loop.create_future()
        waited.clients.add(client)
        timer = loop.call_at(deadline, self._due_clients.add, waited, client)
        try:
            return await client
        finally:
            timer.cancel()
            waited.clients.discard(client)
            if not waited.clients:
                self._remove(waited)

    def _on_subscribed(self, waited: Waited, subscribed: asyncio.Future[Execution]) -> None:
        waited.subscribed = None
        if subscribed.cancelled():
            return
        error = subscribed.exception()
        if error is None:
            self._reader.note_answer()
            self._learn(waited, subscribed.result())
        else:
            self._end(waited, error if isinstance(error, ServiceError) else None)

    def _on_notification(self, id: str, execution: Execution | None) -> None:
        waited = self._waited.get(id)
        if waited is None:
            return
        if execution is not None:
            self._end(waited, execution)
        else:
            self._tasks.start(self._refresh(waited))

    async def _refresh(self, waited: Waited) -> None:
        waited.read_at = time.monotonic()
        with contextlib.suppress(ServiceError):
            execution = await self._reader.read_root(waited.id, lambda: bool(waited.clients))
            if execution is not None:
                self._learn(waited, execution)

    def _learn(self, waited: Waited, execution: Execution) -> None:
        waited.seen_at = time.monotonic()
        waited.latest = execution
        if execution.done:
            self._end(waited, execution)

    def _end(self, waited: Waited, outcome: Outcome) -> None:
        """Wake all clients of an entry, which takes no more."""
        self._remove(waited)
        for client in waited.clients:
            self._wakeups.wake(client, outcome)

    def _remove(self, waited: Waited) -> None:
        if self._waited.get(waited.id) is waited:
            del self._waited[waited.id]
        if waited.subscribed is not None:
            waited.subscribed.cancel()

    async def _reread(self) -> None:
        """Read again, in turn, what no notification came for."""
        round_size = int(REREADS_PER_SECOND * REREAD_SECONDS)
        while True:
            await asyncio.sleep(REREAD_SECONDS)
            # Event streams, which read again as well, get half of a round at least.
            started = self._reader.turnstile.admit(round_size // 2)
            before = time.monotonic() - REREAD_AFTER
            for id in list(self._waited):
                if started == round_size:
                    break
                waited = self._waited[id]
                if waited.latest is None or waited.read_at > before:
                    continue
                # To the end of the order, so that every id has its turn.
                self._waited[id] = self._waited.pop(id)
                self._tasks.start(self._refresh(waited))
                started += 1
            self._reader.turnstile.admit(round_size - started)
