"""Reads of the server for the page, again and again while it is open."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from gateway.dashboard.counts import Numbers
from gateway.errors import BackendUnavailable, Saturated, StoreNotWritable
from shared.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.backend.client import Backend
    from gateway.dashboard.counts import NewestExecutions
    from gateway.dashboard.snapshot import Server

READ_SECONDS: Final = 2.0
"""Seconds between two reads."""


class Reads:
    """What was read last: `server` is None and `numbers` are empty where nothing was."""

    def __init__(self, backend: Backend, newest: NewestExecutions) -> None:
        self._backend = backend
        self._newest = newest
        self.numbers = Numbers()
        self.server: Server | None = None
        self._log = get_logger()

    async def run(self, on_read: Callable[[], None]) -> None:
        """Read until this is cancelled, and call `on_read` after each read."""
        self.server, self.numbers = None, Numbers()
        while True:
            began = time.monotonic()
            await self._read()
            on_read()
            await asyncio.sleep(max(READ_SECONDS - (time.monotonic() - began), READ_SECONDS / 2))

    async def _read(self) -> None:
        """Read the numbers; while that cannot be done the last ones stay."""
        try:
            self.server = await self._state_of_server()
            if self.server != "away":
                self.numbers = await self._newest.read()
        except BackendUnavailable:
            pass
        except Exception:  # noqa: BLE001 - the next read may do better
            self._log.exception("no numbers for the page at /")

    async def _state_of_server(self) -> Server | None:
        try:
            await self._backend.ping()
        except Saturated:
            return self.server  # nothing was asked
        except StoreNotWritable:
            return "not writable"
        except BackendUnavailable:
            return "away"
        return "ok"
