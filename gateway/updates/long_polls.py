"""Clients that wait for executions: one watcher for each id, however many clients there are."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from gateway.concurrency.limiter import Limiter
from gateway.concurrency.turnstile import Turnstile
from gateway.concurrency.wakeups import BatchedWakeups
from gateway.errors import (
    BackendUnavailable,
    DeadlineExceeded,
    Saturated,
    ServiceError,
)
from gateway.updates.cache import ExecutionCache
from gateway.updates.notifications import Notifications
from shared.resonate.transport import NOT_AS_EXPECTED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from gateway.backend.client import Backend
    from gateway.model.execution import Execution
    from shared.settings import ServerSettings

REREADS_PER_SECOND: Final = 200
"""Of all watchers and followers together, for what the server's messages did not tell."""

SWEEP_SECONDS: Final = 0.05
REREAD_AFTER: Final = 1.0
"""No watcher is read more often than this, in seconds."""

READS_AT_ONCE: Final = 16
SUBSCRIBING_AT_ONCE: Final = 6
"""Fewer together than there are threads, so that other requests find one.

More at once would be no faster: the threads keep the loop, and each other, from running.
"""

DEADLINE_READ_SECONDS: Final = 2.0
"""How much longer than it asked for a client may wait for the last look."""

LARGE_BYTES: Final = 64 * 1024
"""A message with more in it is not taken apart in the loop."""

type Outcome = Execution | ServiceError | None
"""What a client is woken with; None lets it look for itself."""


@dataclass(eq=False, slots=True)
class Watcher:
    """One execution that clients wait for, each with a future of its own.

    `latest` is how it was at `seen_at`; what was only remembered was not seen by this watcher.
    """

    id: str
    latest: Execution | None = None
    clients: set[asyncio.Future[Outcome]] = field(default_factory=set)
    read_at: float = field(default_factory=time.monotonic)
    seen_at: float = float("-inf")


class Watchers:
    """Reads executions for clients, and waits with them.

    A finished execution is remembered, since it never changes. No thread is held by a client that
    waits, and nothing is left of a watcher when its last client has gone. `slots` are there for
    every read on a client's behalf, `turns` for the re-reads of others within the limit, and
    `places` for the clients that wait here, for whatever it is.
    """

    def __init__(self, backend: Backend, server: ServerSettings, group: str, most: int) -> None:
        self._backend = backend
        self._notices = Notifications(server, group, backend.name, self._on_end)
        self.places = Limiter(most, "too many clients wait here; try again a little later")
        self._watchers: dict[str, Watcher] = {}
        self._reads: dict[str, asyncio.Task[Execution]] = {}
        self._memory = ExecutionCache()
        self._to_subscribe: deque[Watcher] = deque()
        self._subscribing = 0
        self.slots = asyncio.Semaphore(READS_AT_ONCE)
        self.turns = Turnstile()
        self._on_notice: Callable[[str], None] = _nobody
        self._tasks: set[asyncio.Task[None]] = set()
        self._waking: BatchedWakeups[Outcome] = BatchedWakeups()
        self._draining = False
        self._answered_at = float("-inf")

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen to the server, and re-read what it may have forgotten, until the block ends."""
        background = [
            asyncio.create_task(self._notices.run()),
            asyncio.create_task(self._sweep()),
        ]
        try:
            yield
        finally:
            for task in (*background, *self._tasks, *self._reads.values()):
                task.cancel()
            await asyncio.gather(
                *background, *self._tasks, *self._reads.values(), return_exceptions=True
            )

    def drain(self) -> None:
        """Let everybody who waits have the present state, now and from now on."""
        self._draining = True
        for watcher in list(self._watchers.values()):
            self._end(watcher, watcher.latest if _is_fresh(watcher.seen_at) else None)

    def __len__(self) -> int:
        return len(self._watchers)

    async def read(self, id: str) -> Execution:
        """Return the execution as it is now; a finished one may come from memory."""
        return self._memory.finished(id) or self._memory.learn(await self._backend.read(id))

    async def wait(self, id: str, seconds: float) -> Execution:
        """Return the execution once it has ended, or as it is after so many seconds.

        Raises what reading raises, and `TooManyRequests`.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        with self.places.one(id):
            if self._draining or self._memory.finished(id):
                return await self._read_together(id)
            return await self._watch(id, deadline)

    def listen(self, on_notice: Callable[[str], None]) -> None:
        """Call `on_notice` with the id of each execution that the server says has ended."""
        self._on_notice = on_notice

    async def _watch(self, id: str, deadline: float) -> Execution:
        watcher = self._watchers.get(id)
        if watcher is None:
            watcher = self._watchers[id] = Watcher(id, self._memory.subscribed(id))
            if watcher.latest is None:
                self._to_subscribe.append(watcher)
                if self._subscribing < SUBSCRIBING_AT_ONCE:
                    self._subscribing += 1
                    self._start(self._subscribe_all())
        loop = asyncio.get_running_loop()
        mine: asyncio.Future[Outcome] = loop.create_future()
        watcher.clients.add(mine)
        timer = loop.call_at(deadline, self._waking.wake, mine, None)
        try:
            outcome = await mine
        finally:
            timer.cancel()
            watcher.clients.discard(mine)
            if not watcher.clients and self._watchers.get(id) is watcher:
                del self._watchers[id]
        match outcome:
            case ServiceError():
                raise copy.copy(outcome)  # one exception raised in many places would grow
            case None:
                return await self._at_deadline(watcher)
            case _:
                return outcome

    async def _at_deadline(self, watcher: Watcher) -> Execution:
        """Look once more, but do not keep the client if there are too many to look for.

        What was known before is told only if it is fresh, or if the server answers others right
        now: then it would have told of the end as well.
        """
        try:
            return await self._read_together(watcher.id)
        except BackendUnavailable:
            if watcher.latest is None or not (
                _is_fresh(watcher.seen_at) or _is_fresh(self._answered_at)
            ):
                raise
            return watcher.latest

    async def _read_together(self, id: str) -> Execution:
        """Read an execution once for all who want it at the same time."""
        finished = self._memory.finished(id)
        if finished is not None:
            return finished
        read = self._reads.get(id)
        if read is None:
            read = self._reads[id] = asyncio.create_task(self._read_in_turn(id))
            read.add_done_callback(lambda done: self._forget(id, done))
        return await asyncio.shield(read)

    def _forget(self, id: str, read: asyncio.Task[Execution]) -> None:
        self._reads.pop(id, None)
        if not read.cancelled():
            read.exception()  # whoever waited has it; asyncio would complain if all had gone

    async def _read_in_turn(self, id: str) -> Execution:
        try:
            async with asyncio.timeout(DEADLINE_READ_SECONDS), self.slots:
                execution = self._memory.learn(await self._backend.read(id))
                self._answered_at = time.monotonic()
                return execution
        except TimeoutError as error:
            raise DeadlineExceeded("too many clients ask at the same time") from error

    async def _subscribe_all(self) -> None:
        """Subscribe to what clients wait for, one after the other, until there is nothing left."""
        try:
            while self._to_subscribe:
                watcher = self._to_subscribe.popleft()
                if watcher.clients:
                    await self._subscribe(watcher)
        finally:
            self._subscribing -= 1

    async def _subscribe(self, watcher: Watcher) -> None:
        try:
            execution = await self._backend.watch(watcher.id)
        except ServiceError as error:
            self._end(watcher, error)
            if isinstance(error, BackendUnavailable) and not isinstance(error, Saturated):
                self._give_up(error)
            return
        except Exception:  # noqa: BLE001 - who waits looks for himself, and the others have a turn
            self._end(watcher, None)
            return
        self._memory.subscribe(execution)
        self._learn(watcher, execution)

    def _give_up(self, error: ServiceError) -> None:
        """Tell all who wait for a subscription that the server is away, not one after the other."""
        for watcher in self._to_subscribe:
            self._end(watcher, error)
        self._to_subscribe.clear()

    async def _refresh(self, watcher: Watcher) -> None:
        watcher.read_at = time.monotonic()
        with contextlib.suppress(ServiceError):
            async with self.slots:
                if watcher.clients:
                    self._learn(watcher, await self._backend.glance(watcher.id))

    def _learn(self, watcher: Watcher, execution: Execution) -> None:
        self._answered_at = watcher.seen_at = time.monotonic()
        watcher.latest = self._memory.learn(execution)
        if execution.done:
            self._end(watcher, execution)

    def _end(self, watcher: Watcher, outcome: Outcome) -> None:
        """Wake all clients of a watcher, which takes no more."""
        if self._watchers.get(watcher.id) is watcher:
            del self._watchers[watcher.id]
        for client in watcher.clients:
            self._waking.wake(client, outcome)

    def _on_end(self, promise: dict[str, Any]) -> None:
        """Wake who waits for it; what the message tells is all that there is to know."""
        self._on_notice(promise["id"])
        watcher = self._watchers.get(promise["id"])
        with contextlib.suppress(*NOT_AS_EXPECTED):
            if _size_of(promise) <= LARGE_BYTES:
                execution = self._memory.learn(self._backend.told(promise))
                if watcher is not None and execution.done:
                    self._end(watcher, execution)
                return
        if watcher is not None:
            self._start(self._refresh(watcher))
        else:
            self._memory.unsubscribe(promise["id"])

    async def _sweep(self) -> None:
        """Re-read, in turn, what nothing was heard of."""
        at_once = int(REREADS_PER_SECOND * SWEEP_SECONDS)
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            before = time.monotonic() - REREAD_AFTER
            found = self.turns.grant(at_once // 2)
            for id in list(self._watchers):
                watcher = self._watchers.get(id)
                if watcher is None or watcher.latest is None or watcher.read_at > before:
                    continue
                # To the end of the line, so that each has its turn.
                self._watchers[id] = self._watchers.pop(id)
                self._start(self._refresh(watcher))
                found += 1
                if found == at_once:
                    break
            self.turns.grant(at_once - found)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _is_fresh(moment: float) -> bool:
    return time.monotonic() - moment <= REREAD_AFTER


def _nobody(_: str) -> None:
    """Hear of an end that nobody else wants to hear of."""


def _size_of(promise: dict[str, Any]) -> int:
    return len(promise["param"].get("data") or "") + len(promise["value"].get("data") or "")
