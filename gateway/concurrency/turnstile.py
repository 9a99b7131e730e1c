"""A queue of tasks that are let through a few at a time."""

from __future__ import annotations

import asyncio
from collections import deque


class Turnstile:
    """Tasks wait in the order in which they came; the owner decides how many pass, and when."""

    def __init__(self) -> None:
        self._queue: deque[asyncio.Future[None]] = deque()

    async def wait(self) -> None:
        """Return when the caller is let through."""
        admitted = asyncio.get_running_loop().create_future()
        self._queue.append(admitted)
        await admitted

    def admit(self, count: int) -> int:
        """Let at most `count` tasks through; returns how many there were."""
        admitted = 0
        while self._queue and admitted < count:
            first = self._queue.popleft()
            if not first.done():  # it is done if its task was cancelled
                first.set_result(None)
                admitted += 1
        return admitted
