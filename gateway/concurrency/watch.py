"""Looks at something once a second, and at once when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

from gateway.concurrency.serial_executor import SerialExecutor
from gateway.concurrency.tasks import TaskSet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LOOK_SECONDS: Final = 1.0
"""Seconds between two looks."""


class Watch(ABC):
    """Calls `_look` for as long as it is running; `_executor` is a thread for what may block."""

    def __init__(self, name: str) -> None:
        self._executor = SerialExecutor(name)
        self._told = asyncio.Event()

    def look_now(self) -> None:
        """Look even if nothing seems to have changed."""
        self._told.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Watch until the block ends."""
        try:
            async with TaskSet().running(self._watch()):
                yield
        finally:
            self._executor.close()

    async def _watch(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._told.wait()
            told = self._told.is_set()
            self._told.clear()
            await self._look(told=told)

    @abstractmethod
    async def _look(self, *, told: bool) -> None:
        """Look; `told` if somebody wants it. It raises nothing."""
