"""Tasks that belong to one owner and end with it."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Hashable


class TaskSet:
    """Background tasks, kept until they have ended."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        """Return how many tasks have not ended."""
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine as a task."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @contextlib.asynccontextmanager
    async def running(self, *work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
        """Run these coroutines, and cancel all tasks when the block ends."""
        for coroutine in work:
            self.start(coroutine)
        try:
            yield
        finally:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(eq=False, slots=True)
class _Flight[T]:
    """A running call, and how many ask for its outcome."""

    task: asyncio.Task[T]
    callers: int = 0


class SingleFlight[K: Hashable, T]:
    """Calls that are made once for all who ask at the same time, by key.

    With `while_asked` a call is cancelled when all who asked have left.
    """

    def __init__(self, *, while_asked: bool = False) -> None:
        self._while_asked = while_asked
        self._calls: dict[K, _Flight[T]] = {}

    def __contains__(self, key: K) -> bool:
        """Return whether a call with this key is running."""
        return key in self._calls

    async def run(self, key: K, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return the outcome of the running call with this key, or else of a new one.

        A caller that is cancelled does not cancel the call of others.
        """
        flight = self._calls.get(key)
        if flight is None:
            flight = self._calls[key] = _Flight(asyncio.create_task(call()))
            flight.task.add_done_callback(lambda done: self._end(key, done))
        flight.callers += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.callers -= 1
            if self._while_asked and not flight.callers and not flight.task.done():
                self._forget(key, flight.task)  # it may end later: who asks now needs a new one
                flight.task.cancel()

    async def close(self) -> None:
        """Cancel the running calls."""
        tasks = [flight.task for flight in self._calls.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _end(self, key: K, task: asyncio.Task[T]) -> None:
        self._forget(key, task)
        if not task.cancelled():
            task.exception()  # asyncio would complain if all who asked have gone

    def _forget(self, key: K, task: asyncio.Task[T]) -> None:
        if key in self._calls and self._calls[key].task is task:
            del self._calls[key]
