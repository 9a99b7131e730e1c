"""Clients that read the events of executions: one stream for each id, however many clients."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final

import msgspec

from gateway.concurrency.serial_executor import SerialExecutor
from gateway.errors import BackendUnavailable, ServiceError
from gateway.model.history import History
from shared.log import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.concurrency.limiter import Limiter
    from gateway.model.execution import Execution
    from gateway.model.timeline import Event, Key
    from gateway.updates.reader import Reader
    from gateway.updates.subscriptions import Subscriptions

CONFIRM_SECONDS: Final = 0.2
"""Seconds to the next read, if that can confirm what this one has seen first."""

BUSY_SECONDS: Final = 0.6
"""Seconds to the next read after one with news."""

IDLE_SECONDS: Final = 1.0
"""Seconds to the next read after one without news."""

QUIET_SECONDS: Final = 5.0
"""Seconds without an event after which to see whether the client is still connected."""

BATCH_SIZE: Final = 100
"""Events that one client is sent before it is another's turn."""

LARGE_HISTORY: Final = 1000
"""Promises beyond which a thread makes the events, since that would hold the loop too long."""


class EventStream:
    """The events of one execution; each client reads the one list, from its own position.

    `opened` is done once the execution was read for the first time. `ended` means that no more
    events come here. `is_stale` means that the server was away, so its store may be another one:
    everything is to be read anew.
    """

    def __init__(self, id: str) -> None:
        self.id = id
        self.history = History()
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended = False
        self.clients = 0
        self.notified = asyncio.Event()
        self.is_stale = False
        self._changed = asyncio.Event()
        self._encoded: list[bytes] = []

    def wake(self) -> None:
        """Wake every client, because there are new events or the stream has ended."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def read(self, after: Key | None) -> AsyncIterator[tuple[Event, bytes] | None]:
        """Yield each event after a key, with its data as JSON if it has any, until the stream ends.

        Yields None when there was none for a while. `done` is yielded whatever its key.
        """
        index = 0
        while True:
            changed = self._changed
            while index < len(self.history.events):
                event = self.history.events[index]
                if after is None or event.key > after or event.name == "done":
                    yield event, self._data(index)
                index += 1
                if index % BATCH_SIZE == 0:
                    await asyncio.sleep(0)
            if self.ended:
                return
            try:
                async with asyncio.timeout(QUIET_SECONDS):
                    await changed.wait()
            except TimeoutError:
                yield None

    def _data(self, index: int) -> bytes:
        """Return an event's data, encoded once for all clients."""
        for event in self.history.events[len(self._encoded) : index + 1]:
            self._encoded.append(msgspec.json.encode(event.data))
        return self._encoded[index]


class EventStreams:
    """Reads the events of executions for clients, while there are any."""

    def __init__(self, reader: Reader, subscriptions: Subscriptions, limiter: Limiter) -> None:
        self._reader = reader
        self._limiter = limiter
        self._executor = SerialExecutor("events")
        self._streams: dict[str, EventStream] = {}
        self._tasks: dict[EventStream, asyncio.Task[None]] = {}
        self._draining = False
        self._log = get_logger()
        subscriptions.listen(self._on_notification)
        subscriptions.listen_for_return(self._on_return)

    def __len__(self) -> int:
        """Return how many executions have clients that read their events."""
        return len(self._streams)

    @property
    def clients(self) -> int:
        """How many clients read events."""
        return sum(stream.clients for stream in list(self._streams.values()))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """End all streams when the block ends."""
        try:
            yield
        finally:
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._executor.close()

    def drain(self) -> None:
        """End all streams, so that clients go on at another gateway."""
        self._draining = True
        for stream in self._streams.values():
            stream.ended = True
            stream.wake()

    @contextlib.asynccontextmanager
    async def open(self, id: str) -> AsyncIterator[EventStream]:
        """Give the stream of an execution, as one more client of it.

        Raises what reading raises if the execution cannot be read now, and `TooManyRequests`.
        """
        with self._limiter.place(id):
            stream = self._streams.get(id) or self._start(id)
            stream.clients += 1
            try:
                await asyncio.shield(stream.opened)
                yield stream
            finally:
                stream.clients -= 1
                if not stream.clients:
                    self._stop(stream)

    def _start(self, id: str) -> EventStream:
        stream = self._streams[id] = EventStream(id)
        task = self._tasks[stream] = asyncio.create_task(self._run(stream))
        task.add_done_callback(lambda _: self._tasks.pop(stream, None))
        return stream

    def _stop(self, stream: EventStream) -> None:
        self._remove(stream)
        task = self._tasks.get(stream)
        if task is not None:
            task.cancel()

    def _remove(self, stream: EventStream) -> None:
        if self._streams.get(stream.id) is stream:
            del self._streams[stream.id]

    async def _run(self, stream: EventStream) -> None:
        try:
            await self._follow(stream)
        except Exception as error:  # noqa: BLE001 - it is raised to the clients, or logged
            self._remove(stream)
            if stream.opened.done():
                self._log.exception("event stream failed", execution=stream.id)
            else:
                stream.opened.set_exception(error)
                stream.opened.exception()  # asyncio would complain if all clients have gone
        finally:
            stream.opened.cancel()
            stream.ended = True
            stream.wake()

    async def _follow(self, stream: EventStream) -> None:
        """Read the execution until its last event was published."""
        unconfirmed = await self._read(stream)
        stream.opened.set_result(None)
        pause = CONFIRM_SECONDS if unconfirmed else IDLE_SECONDS
        if not stream.history.over:
            await self._subscribe(stream)
        while not (self._draining or stream.history.over):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await stream.notified.wait()
            stream.notified.clear()
            await self._reader.turnstile.wait()
            published = len(stream.history.events)
            try:
                unconfirmed = await self._read(stream)
            except BackendUnavailable:
                pause = IDLE_SECONDS
                continue
            news = len(stream.history.events) > published
            if unconfirmed and pause != CONFIRM_SECONDS:
                pause = CONFIRM_SECONDS
            else:
                pause = BUSY_SECONDS if unconfirmed or news else IDLE_SECONDS
            if news:
                stream.wake()

    async def _read(self, stream: EventStream) -> bool:
        """Read what is new; returns whether another read has to confirm some of it."""
        history = stream.history
        if stream.is_stale:
            stream.is_stale = False
            history.forget()
        root, parts, began = await self._reader.read_history(stream.id, history)
        ended = time.monotonic()
        if len(history) + len(parts) <= LARGE_HISTORY:
            return history.learn(root, parts, began, ended)
        return await self._executor.run(history.learn, root, parts, began, ended)

    async def _subscribe(self, stream: EventStream) -> None:
        # Without a subscription the end is read a little later.
        with contextlib.suppress(ServiceError):
            if (await self._reader.subscribe(stream.id)).done:
                stream.notified.set()

    def _on_notification(self, id: str, _: Execution | None) -> None:
        stream = self._streams.get(id)
        if stream is not None:
            stream.notified.set()

    def _on_return(self) -> None:
        for stream in self._streams.values():
            stream.is_stale = True
