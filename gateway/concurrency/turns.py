"""Tasks that would disturb each other go one after the other; all others at the same time."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from gateway.errors import Saturated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Hashable


class Turns:
    """Tasks with the same key wait for each other, in the order in which they came."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._locks: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

    @contextlib.asynccontextmanager
    async def turn(self, key: Hashable) -> AsyncIterator[None]:
        """Run the block when it is the caller's turn.

        Raises `Saturated` if it is not within the deadline, in seconds.
        """
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        try:
            async with asyncio.timeout(self._deadline):
                await lock.acquire()
        except TimeoutError as error:
            raise Saturated("Too many calls are running; try again with the same id.") from error
        try:
            yield
        finally:
            lock.release()
