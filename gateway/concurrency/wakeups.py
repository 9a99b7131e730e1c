"""Wakes waiting tasks in small batches, so that a crowd does not hold the loop."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

BATCH_SIZE: Final = 100
"""Tasks that are woken in one turn of the loop."""


class BatchedWakeups[T]:
    """Gives futures their results, in order, a batch in each turn of the loop."""

    def __init__(self) -> None:
        self._due: deque[tuple[asyncio.Future[T], T]] = deque()

    def wake(self, future: asyncio.Future[T], result: T) -> None:
        """Set the future's result soon, unless it has one by then."""
        if not self._due:
            asyncio.get_running_loop().call_soon(self._wake_batch)
        self._due.append((future, result))

    def _wake_batch(self) -> None:
        for _ in range(min(BATCH_SIZE, len(self._due))):
            future, result = self._due.popleft()
            if not future.done():
                future.set_result(result)
        if self._due:
            asyncio.get_running_loop().call_soon(self._wake_batch)
