"""Wakes clients in small lots, so that a crowd does not stop everybody else."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

AT_ONCE: Final = 100
"""Clients; between two such lots the loop looks after everybody else."""


class BatchedWakeups[T]:
    """Gives futures their results, in order, a few in each turn of the loop."""

    def __init__(self) -> None:
        self._due: deque[tuple[asyncio.Future[T], T]] = deque()

    def wake(self, client: asyncio.Future[T], outcome: T) -> None:
        """Set the future's result soon, unless it has one by then."""
        if not self._due:
            asyncio.get_running_loop().call_soon(self._wake_some)
        self._due.append((client, outcome))

    def _wake_some(self) -> None:
        for _ in range(min(AT_ONCE, len(self._due))):
            client, outcome = self._due.popleft()
            if not client.done():
                client.set_result(outcome)
        if self._due:
            asyncio.get_running_loop().call_soon(self._wake_some)
