"""Clients that follow executions: one follower for each id, however many clients there are."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final

import orjson

from gateway.concurrency.threads import SerialExecutor
from gateway.errors import BackendUnavailable, ServiceError
from gateway.model.history import History
from shared.log import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.backend.client import Backend
    from gateway.model.timeline import Event, Key
    from gateway.updates.long_polls import Watchers

CONFIRM_SECONDS: Final = 0.2
BUSY_SECONDS: Final = 0.6
IDLE_SECONDS: Final = 1.0
"""From one read to the next: to confirm what was seen first, after news, and without any."""

QUIET_SECONDS: Final = 5.0
"""So long after the last event it is time to see whether the client is still there."""

AT_ONCE: Final = 100
"""So many events go to one client before it is the turn of others."""

LARGE_STORY: Final = 1000
"""To put more promises than these in order would hold the loop, so a thread does it."""


class Follower:
    """One execution whose events clients read; they look into one list, each from where it is.

    `opened` is there once the execution was read first, `over` when no more events come of it here.
    """

    def __init__(self, id: str) -> None:
        self.id = id
        self.story = History()
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.over = False
        self.clients = 0
        self.wanted = asyncio.Event()
        self._changed = asyncio.Event()
        self._texts: list[str] = []

    def tell(self) -> None:
        """Wake everybody who waits for something new."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def read(self, after: Key | None) -> AsyncIterator[tuple[Event, str] | None]:
        """Yield each event after a key, with its data as JSON, until there are no more.

        Yields None when there was nothing for a while. `done` is never left out.
        """
        index = 0
        while True:
            changed = self._changed
            while index < len(self.story.events):
                event = self.story.events[index]
                if after is None or event.key > after or event.name == "done":
                    yield event, self._text(index)
                index += 1
                if index % AT_ONCE == 0:
                    await asyncio.sleep(0)
            if self.over:
                return
            try:
                async with asyncio.timeout(QUIET_SECONDS):
                    await changed.wait()
            except TimeoutError:
                yield None

    def _text(self, index: int) -> str:
        """Return an event's data, encoded once for all clients."""
        for event in self.story.events[len(self._texts) : index + 1]:
            self._texts.append(orjson.dumps(event.data).decode())
        return self._texts[index]


class Followers:
    """Reads the events of executions for clients; nothing is left when the last of an id goes."""

    def __init__(self, backend: Backend, watchers: Watchers) -> None:
        self._backend = backend
        self._ordering = SerialExecutor("ordering")
        self._watchers = watchers
        self._followers: dict[str, Follower] = {}
        self._tasks: dict[Follower, asyncio.Task[None]] = {}
        self._draining = False
        self._log = get_logger()
        watchers.listen(self._on_notice)

    def __len__(self) -> int:
        return len(self._followers)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow what is asked for until the block ends."""
        try:
            yield
        finally:
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._ordering.close()

    def drain(self) -> None:
        """End all streams, so that clients go on elsewhere."""
        self._draining = True
        for follower in self._followers.values():
            follower.over = True
            follower.tell()

    @contextlib.asynccontextmanager
    async def following(self, id: str) -> AsyncIterator[Follower]:
        """Be a client of the id's follower.

        Raises what reading raises if it cannot be read now, and `TooManyRequests`.
        """
        with self._watchers.places.one(id):
            follower = self._followers.get(id) or self._start(id)
            follower.clients += 1
            try:
                await asyncio.shield(follower.opened)
                yield follower
            finally:
                follower.clients -= 1
                if not follower.clients:
                    self._stop(follower)

    def _start(self, id: str) -> Follower:
        follower = self._followers[id] = Follower(id)
        task = self._tasks[follower] = asyncio.create_task(self._run(follower))
        task.add_done_callback(lambda _: self._tasks.pop(follower, None))
        return follower

    def _stop(self, follower: Follower) -> None:
        if self._followers.get(follower.id) is follower:
            del self._followers[follower.id]
        task = self._tasks.get(follower)
        if task is not None:
            task.cancel()

    async def _run(self, follower: Follower) -> None:
        try:
            await self._follow(follower)
        except Exception as error:  # noqa: BLE001 - it is told to whoever waits, or logged
            if self._followers.get(follower.id) is follower:
                del self._followers[follower.id]
            if follower.opened.done():
                self._log.exception("following ended", id=follower.id)
            else:
                follower.opened.set_exception(error)
                follower.opened.exception()  # whoever waits has it; all may have gone
        finally:
            follower.opened.cancel()
            follower.over = True
            follower.tell()

    async def _follow(self, follower: Follower) -> None:
        more = await self._read(follower)
        follower.opened.set_result(None)
        pause = CONFIRM_SECONDS if more else IDLE_SECONDS
        if not follower.story.over:
            await self._subscribe(follower)
        while not (self._draining or follower.story.over):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await follower.wanted.wait()
            follower.wanted.clear()
            await self._watchers.turns.turn()
            told = len(follower.story.events)
            try:
                more = await self._read(follower)
            except BackendUnavailable:
                pause = IDLE_SECONDS
                continue
            news = len(follower.story.events) > told
            if more and pause != CONFIRM_SECONDS:
                pause = CONFIRM_SECONDS
            else:
                pause = BUSY_SECONDS if more or news else IDLE_SECONDS
            if news:
                follower.tell()

    async def _read(self, follower: Follower) -> bool:
        """Read what is new; True if there is something to confirm."""
        async with self._watchers.slots:
            began = time.monotonic()
            root, parts = await self._backend.history(
                follower.id, follower.story.known, follower.story.unfinished
            )
        story, ended = follower.story, time.monotonic()
        if len(story) + len(parts) <= LARGE_STORY:
            return story.learn(root, parts, began, ended)
        return await self._ordering.run(story.learn, root, parts, began, ended)

    async def _subscribe(self, follower: Follower) -> None:
        """Have the server tell of the end; without that, it is read a little later."""
        with contextlib.suppress(ServiceError):
            async with self._watchers.slots:
                if (await self._backend.watch(follower.id)).done:
                    follower.wanted.set()

    def _on_notice(self, id: str) -> None:
        follower = self._followers.get(id)
        if follower is not None:
            follower.wanted.set()
