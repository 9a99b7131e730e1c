"""Whose turn it is to re-read an execution: first come, first served, as many as are granted."""

from __future__ import annotations

import asyncio
from collections import deque


class Turnstile:
    """A line of tasks; somebody else decides how many go on, and when."""

    def __init__(self) -> None:
        self._line: deque[asyncio.Future[None]] = deque()

    async def turn(self) -> None:
        """Return when it is the caller's turn."""
        granted = asyncio.get_running_loop().create_future()
        self._line.append(granted)
        await granted

    def grant(self, most: int) -> int:
        """Let at most so many go on; returns how many there were."""
        granted = 0
        while self._line and granted < most:
            first = self._line.popleft()
            if not first.done():  # else who waited has gone
                first.set_result(None)
                granted += 1
        return granted
