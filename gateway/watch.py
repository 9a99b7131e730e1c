"""Clients that wait for executions: one watcher for each id, however many clients there are."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cachetools import LRUCache

from gateway.notices import Notices
from gateway.turns import Turns
from shared.errors import BackendUnavailable, ServiceError, TooManyRequests

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

    from gateway.engine import Engine
    from gateway.model import Execution
    from shared.settings import ServerSettings

REREADS_PER_SECOND: Final = 200
"""Of all watchers and followers together, for what the server's messages did not tell."""

SWEEP_SECONDS: Final = 0.05
REREAD_AFTER: Final = 1.0
"""No watcher is read more often than this, in seconds."""

READS_AT_ONCE: Final = 24
"""Of watchers; fewer than there are threads, so that other requests find one."""

DEADLINE_READ_SECONDS: Final = 2.0
"""How much longer than it asked for a client may wait for the last look."""

CACHED_BYTES: Final = 64 * 1024 * 1024
ENTRY_BYTES: Final = 1024
"""About what an execution takes besides its input and its result."""


@dataclass
class Watcher:
    """One execution that clients wait for; `ended` is its end, or at shutdown its state."""

    latest: Execution
    ended: asyncio.Future[Execution]
    clients: int = 0
    read_at: float = field(default_factory=time.monotonic)


class Watchers:
    """Reads executions for clients, and waits with them.

    A finished execution is remembered, since it never changes. No thread is held by a client that
    waits, and nothing is left of a watcher when its last client has gone. `slots` are there for
    every read on a client's behalf, and `turns` for the re-reads of others within the limit.
    """

    def __init__(self, engine: Engine, server: ServerSettings, group: str, most: int) -> None:
        self._engine = engine
        self._notices = Notices(server, group, engine.name, self._on_end)
        self._most = most
        self._clients = 0
        self._watchers: dict[str, Watcher] = {}
        self._reads: dict[str, asyncio.Task[Execution]] = {}
        self._finished: LRUCache[str, Execution] = LRUCache(CACHED_BYTES, getsizeof=_bytes)
        self.slots = asyncio.Semaphore(READS_AT_ONCE)
        self.turns = Turns()
        self._on_notice: Callable[[str], None] = _nobody
        self._tasks: set[asyncio.Task[None]] = set()
        self._draining = False

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
        for watcher in self._watchers.values():
            if not watcher.ended.done():
                watcher.ended.set_result(watcher.latest)

    def __len__(self) -> int:
        return len(self._watchers)

    async def read(self, id: str) -> Execution:
        """Return the execution as it is now; a finished one may come from memory."""
        finished = self._finished.get(id)
        if finished is not None:
            return finished
        return self._remember(await self._engine.read(id))

    async def wait(self, id: str, seconds: float) -> Execution:
        """Return the execution once it has ended, or as it is after so many seconds.

        Raises what reading raises, and `TooManyRequests`.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        with self.place(id):
            execution = await self._read_together(id)
            if execution.done or self._draining:
                return execution
            return await self._watch(execution, deadline)

    @contextlib.contextmanager
    def place(self, id: str) -> Iterator[None]:
        """Count a client among those that wait. Raises `TooManyRequests`."""
        if self._clients >= self._most:
            raise TooManyRequests("too many clients wait here; try again a little later", id=id)
        self._clients += 1
        try:
            yield
        finally:
            self._clients -= 1

    def listen(self, on_notice: Callable[[str], None]) -> None:
        """Call `on_notice` with the id of each execution that the server says has ended."""
        self._on_notice = on_notice

    async def _watch(self, execution: Execution, deadline: float) -> Execution:
        id = execution.id
        watcher = self._watchers.get(id)
        if watcher is None:
            ended = asyncio.get_running_loop().create_future()
            watcher = self._watchers[id] = Watcher(execution, ended)
            self._start(self._subscribe(watcher))
        watcher.clients += 1
        try:
            async with asyncio.timeout_at(deadline):
                return await asyncio.shield(watcher.ended)
        except TimeoutError:
            return await self._at_deadline(watcher)
        finally:
            watcher.clients -= 1
            if not watcher.clients and self._watchers.get(id) is watcher:
                del self._watchers[id]

    async def _at_deadline(self, watcher: Watcher) -> Execution:
        """Look once more, but do not keep the client if there are too many to look for."""
        try:
            async with asyncio.timeout(DEADLINE_READ_SECONDS):
                watcher.latest = await self._read_together(watcher.latest.id)
        except (TimeoutError, BackendUnavailable):
            pass
        return watcher.latest

    async def _read_together(self, id: str) -> Execution:
        """Read an execution once for all who want it at the same time."""
        finished = self._finished.get(id)
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
        async with self.slots:
            return self._remember(await self._engine.read(id))

    def _remember(self, execution: Execution) -> Execution:
        if execution.done:
            with contextlib.suppress(ValueError):  # larger than all the room there is
                self._finished[execution.id] = execution
        return execution

    async def _subscribe(self, watcher: Watcher) -> None:
        try:
            async with self.slots:
                pending = await self._engine.subscribe(watcher.latest.id, watcher.latest.timeout_at)
        except ServiceError:
            return
        if not pending:
            await self._refresh(watcher)

    async def _refresh(self, watcher: Watcher) -> None:
        watcher.read_at = time.monotonic()
        try:
            watcher.latest = await self._read_together(watcher.latest.id)
        except ServiceError:
            return
        if watcher.latest.done and not watcher.ended.done():
            watcher.ended.set_result(watcher.latest)

    def _on_end(self, id: str) -> None:
        self._on_notice(id)
        watcher = self._watchers.get(id)
        if watcher is not None:
            self._start(self._refresh(watcher))

    async def _sweep(self) -> None:
        """Re-read, in turn, what nothing was heard of."""
        at_once = int(REREADS_PER_SECOND * SWEEP_SECONDS)
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            before = time.monotonic() - REREAD_AFTER
            found = self.turns.grant(at_once // 2)
            for id in list(self._watchers):
                watcher = self._watchers.get(id)
                if watcher is None or watcher.read_at > before:
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


def _nobody(_: str) -> None:
    """Hear of an end that nobody else wants to hear of."""


def _bytes(execution: Execution) -> int:
    return ENTRY_BYTES + len(execution.result_json or "") + len(execution.call.input_json)
