"""Whether the server answers, and whether it can write to its store.

A server with a full disk answers reads and refuses every begin. So the check writes something: a
lock of this gateway's own, which is one row that is rewritten each time. The server deletes the row
once the gateway is gone.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from gateway.concurrency.tasks import SingleFlight
from gateway.errors import BackendUnavailable, StoreNotWritable
from shared.resonate.store import Store
from shared.resonate.tasks import Locks

if TYPE_CHECKING:
    from gateway.backend.ask import Ask
    from shared.resonate.transport import Transport

WRITE_SECONDS: Final = 2.0
"""Seconds for which a write shows that the server can write."""

LOCK_MILLISECONDS: Final = 60_000
"""Milliseconds that the server keeps the row."""


class Readiness:
    """Checks the server; all who ask at one time share the calls."""

    def __init__(self, transport: Transport, name: str, ask: Ask) -> None:
        self._ping = Store(transport).ping
        self._locks = Locks(transport)
        self._name = name
        self._ask = ask
        self._answered = False
        self._written = float("-inf")
        self._checks: SingleFlight[str, None] = SingleFlight()

    async def check(self, seconds: float | None = None) -> None:
        """Return if the server answers and can write, both within `seconds`.

        Raises `BackendUnavailable` if it does not answer, `StoreNotWritable` if it cannot write.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._checks.run("check", self._check)
        except TimeoutError:
            if self._answered:
                raise StoreNotWritable("The server has not written to its store.") from None
            raise BackendUnavailable("The server has not answered.") from None

    async def _check(self) -> None:
        self._answered = False
        await self._ask(self._ping)
        self._answered = True
        if time.monotonic() - self._written < WRITE_SECONDS:
            return
        lock = (f"ready.{self._name}", self._name, self._name, LOCK_MILLISECONDS)
        try:
            await self._ask(self._locks.acquire, *lock)
        except BackendUnavailable as error:
            raise StoreNotWritable("The server cannot write to its store.") from error
        self._written = time.monotonic()
