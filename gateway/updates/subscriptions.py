"""Subscriptions to the ends of executions, and the notifications that come of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from gateway.concurrency.tasks import TaskSet
from gateway.errors import BackendUnavailable, Saturated
from gateway.updates.notifications import Notifications
from shared.ids import id_of_stored
from shared.resonate.transport import NOT_AS_EXPECTED
from shared.settings import GATEWAY_GROUP

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from gateway.backend.client import Backend
    from gateway.model.execution import Execution
    from gateway.updates.cache import ExecutionCache
    from shared.settings import ServerSettings

    type OnNotification = Callable[[str, Execution | None], None]
    type OnReturn = Callable[[], None]

CONCURRENT_SUBSCRIBES: Final = 6
"""Subscriptions that are made at once: with the concurrent reads, fewer than threads."""

LARGE_BYTES: Final = 64 * 1024
"""Length of a promise's values beyond which decoding it would hold the loop too long."""


class Subscriptions:
    """Subscribes to executions, a few at a time, and passes notifications on to its listeners."""

    def __init__(self, backend: Backend, cache: ExecutionCache, server: ServerSettings) -> None:
        self._backend = backend
        self._cache = cache
        self._notifications = Notifications(
            server, GATEWAY_GROUP, backend.name, self._on_end, self._on_return
        )
        self._listeners: list[OnNotification] = []
        self._return_listeners: list[OnReturn] = []
        self._requests: deque[tuple[str, asyncio.Future[Execution]]] = deque()
        self._tasks = TaskSet()
        self._subscribing = 0
        self._receiving = TaskSet()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Receive notifications until the block ends."""
        async with (
            self._receiving.running(self._notifications.run()),
            self._tasks.running(),
        ):
            yield

    @property
    def is_connected(self) -> bool:
        """Whether notifications can come now."""
        return self._notifications.open_streams > 0

    def listen(self, on_notification: OnNotification) -> None:
        """Call `on_notification` with the id of each execution that has ended.

        It gets the execution as well, or None where that has to be read.
        """
        self._listeners.append(on_notification)

    def listen_for_return(self, on_return: OnReturn) -> None:
        """Call `on_return` when the server is back, which may have another store then."""
        self._return_listeners.append(on_return)

    def request(self, id: str) -> asyncio.Future[Execution]:
        """Return a future for the execution as it is when the gateway has subscribed to it.

        The future raises what `Backend.subscribe` raises. Cancel it if nobody wants it any more.
        """
        subscribed = asyncio.get_running_loop().create_future()
        self._requests.append((id, subscribed))
        # Counted here and where a task stops taking requests: a task that has just found none left
        # is still running, but would not take this one.
        if self._subscribing < CONCURRENT_SUBSCRIBES:
            self._subscribing += 1
            self._tasks.start(self._subscribe_all())
        return subscribed

    async def _subscribe_all(self) -> None:
        try:
            while self._requests:
                id, subscribed = self._requests.popleft()
                if not subscribed.done():
                    await self._subscribe(id, subscribed)
        finally:
            self._subscribing -= 1

    async def _subscribe(self, id: str, subscribed: asyncio.Future[Execution]) -> None:
        try:
            execution = await self._backend.subscribe(id)
        except Exception as error:  # noqa: BLE001 - the future raises it
            _fail(subscribed, error)
            if isinstance(error, BackendUnavailable) and not isinstance(error, Saturated):
                # The server is away: let all know now, not one after the other.
                while self._requests:
                    _fail(self._requests.popleft()[1], error)
            return
        self._cache.subscribe(execution)
        self._cache.learn(execution)
        if not subscribed.done():
            subscribed.set_result(execution)

    def _on_return(self) -> None:
        self._cache.clear()
        for on_return in self._return_listeners:
            on_return()

    def _on_end(self, promise: dict[str, Any]) -> None:
        id = id_of_stored(promise["id"])
        execution: Execution | None = None
        with contextlib.suppress(*NOT_AS_EXPECTED):
            if _length_of(promise) <= LARGE_BYTES:
                execution = self._cache.learn(self._backend.decode(promise))
        if execution is None or not execution.done:
            self._cache.unsubscribe(id)
            execution = None
        for on_notification in self._listeners:
            on_notification(id, execution)


def _fail(subscribed: asyncio.Future[Execution], error: Exception) -> None:
    if not subscribed.done():
        subscribed.set_exception(error)


def _length_of(promise: dict[str, Any]) -> int:
    return len(promise["param"].get("data") or "") + len(promise["value"].get("data") or "")
