"""How many of the store's numbers for promises are used up.

PostgreSQL numbers promises with 32 bits, and never uses a number again. A search says the number of
the promise where its page ends, so the newest promise's is known without reading the database.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from gateway.concurrency.tasks import TaskSet
from gateway.errors import BackendUnavailable
from shared.resonate.cursors import HIGHEST

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AbstractAsyncContextManager
    from typing import Any

KEPT_SECONDS: Final = 5.0
"""Seconds between two reads, at least, however often /metrics is asked for."""


class PromiseNumbers:
    """Reads the newest promise's number; `newest` is the call that asks the server for it."""

    def __init__(self, newest: Callable[[], Coroutine[Any, Any, int]]) -> None:
        self._newest = newest
        self._reads = TaskSet()
        self._due = float("-inf")
        self.used_ratio = float("nan")
        """Part of all numbers that is used, as of the latest read that was answered."""

    def refresh(self) -> None:
        """Begin a read, unless one runs or was begun a moment ago; waits for nothing."""
        if self._reads or time.monotonic() < self._due:
            return
        self._due = time.monotonic() + KEPT_SECONDS
        self._reads.start(self._read())

    async def _read(self) -> None:
        try:
            self.used_ratio = await self._newest() / HIGHEST
        except BackendUnavailable:
            return  # the former number stays; calls that fail have metrics of their own

    def running(self) -> AbstractAsyncContextManager[None]:
        """Cancel a read that runs when the block ends."""
        return self._reads.running()
