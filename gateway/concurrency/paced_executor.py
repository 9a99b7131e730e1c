"""Blocking calls that give way: one at a time, with rests while others are at work."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, Final

from gateway.concurrency.threads import BoundedExecutor
from gateway.errors import DeadlineExceeded, Saturated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

LONGEST_REST: Final = 1.0
"""Seconds of rest after one call, at most."""

LEFT_RUNNING: Final = 1
"""Calls whose callers have left and that their thread is still busy with, while the next waits."""


BUSY: Final = "Too many reads are waiting; try again a little later."


class PacedExecutor:
    """Runs one call at a time. After a call of 20 ms it rests for 20 ms if others are at work.

    So these calls take half of the time at most of what they share with others, and all of it when
    they are alone. At most `queue` callers wait, first come, first served.
    """

    def __init__(self, queue: int, deadline: float, others_work: Callable[[], bool]) -> None:
        self._executor = BoundedExecutor(1, LEFT_RUNNING, deadline)
        self._queue = queue
        self._deadline = deadline
        self._others_work = others_work
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._rests_until = float("-inf")

    async def run[T](self, call: Callable[..., T], *arguments: Any) -> T:
        """Return what the call returns, or raise `Saturated`, `DeadlineExceeded` or its error."""
        async with self._next():
            return await self._executor.run(self._rest_and_call, call, *arguments)

    def _rest_and_call[T](self, call: Callable[..., T], *arguments: Any) -> T:
        # In the thread, because a call goes on when its caller has left.
        left = self._rests_until - time.monotonic()
        if left > 0 and self._others_work():
            time.sleep(left)
        began = time.monotonic()
        try:
            return call(*arguments)
        finally:
            ended = time.monotonic()
            self._rests_until = ended + min(ended - began, LONGEST_REST)

    @contextlib.asynccontextmanager
    async def _next(self) -> AsyncIterator[None]:
        """Wait for the turn of a call, within the deadline, and hold it."""
        if self._waiting >= self._queue:
            raise Saturated(BUSY)
        self._waiting += 1
        try:
            async with asyncio.timeout(self._deadline):
                await self._turn.acquire()
        except TimeoutError as error:
            raise DeadlineExceeded(BUSY) from error
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._turn.release()

    def close(self) -> None:
        """Take no more calls; a running one ends by itself."""
        self._executor.close()
