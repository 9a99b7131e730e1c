"""Snapshots while somebody looks at the page: made once, whoever many pages are open.

1. The first page opens: numbers are read each second, and a snapshot is made.
2. Something changes: a quarter of a second after the last snapshot the next one is made.
3. A page that does not read misses snapshots; it gets the newest one when it reads again.
4. The last page closes: nothing is read or made any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final

import msgspec

from gateway.concurrency.limiter import Limiter
from gateway.concurrency.tasks import TaskSet
from gateway.dashboard.counts import Numbers
from gateway.errors import BackendUnavailable, Saturated, StoreNotWritable
from shared.log import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from gateway.backend.client import Backend
    from gateway.dashboard.board import Board
    from gateway.dashboard.counts import NewestExecutions
    from gateway.dashboard.snapshot import Presence, Server, SnapshotBody, Snapshots

PAGES: Final = 100
"""Pages that may be open at one process of a gateway."""

LEAST_SECONDS: Final = 0.25
"""Seconds between two snapshots, at least."""

REST: Final = 20
"""How many times as long as a snapshot took nothing is made after it, so that they never take more
than a twentieth of the loop's time."""

MOST_SECONDS: Final = 5.0
"""Seconds between two snapshots, at most, where nothing changes."""

READ_SECONDS: Final = 1.0
"""Seconds between two reads of the numbers, after which silent workers are noticed too."""

FIRST_SECONDS: Final = 0.5
"""Seconds that the first snapshot waits for the numbers."""

POLL_SECONDS: Final = 10.0
"""Seconds for which a page that polls counts as open."""


class Live:
    """The newest snapshot, as JSON, while it is wanted."""

    def __init__(
        self,
        backend: Backend,
        board: Board,
        newest: NewestExecutions,
        snapshots: Snapshots,
        presence: Callable[[], Presence],
    ) -> None:
        self._backend = backend
        self._board = board
        self._newest = newest
        self._snapshots = snapshots
        self._presence = presence
        self.gateway = "gateway"
        """The name of this gateway."""
        self._limiter = Limiter(PAGES, "Too many pages are open here; close some.")
        self._tasks = TaskSet()
        self.is_making = False
        """Whether snapshots are made."""

        self._polled_until = float("-inf")
        self._numbers = Numbers()
        self._server: Server | None = None
        self._read_once = asyncio.Event()
        self._news = asyncio.Event()
        self._woken = asyncio.Event()
        self.raw = b""
        """The newest snapshot as JSON; empty while none are made."""

        self.made = 0
        """How many snapshots were made so far."""
        self._ended = False
        self._log = get_logger()

    def __len__(self) -> int:
        """Return how many pages are open."""
        return len(self._limiter)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Make snapshots, when they are wanted, until the block ends."""
        async with self._tasks.running():
            try:
                yield
            finally:
                self.drain()

    def drain(self) -> None:
        """End all streams: their pages go on at another gateway."""
        self._ended = True
        self._wake()

    async def current(self) -> bytes:
        """Return the newest snapshot, for a page that polls."""
        self._polled_until = time.monotonic() + POLL_SECONDS
        self._start()
        while not self.raw and not self._ended:
            await self._woken.wait()
        return b"" if self._ended else self.raw

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Live]:
        """Count a page as open until the block ends. Raises `TooManyRequests`."""
        with self._limiter.place():
            self._start()
            yield self

    async def snapshots(self, quiet_seconds: float) -> AsyncIterator[bytes | None]:
        """Yield the newest snapshot and those that follow, until this gateway drains.

        Those that were made while the one before was taken are left out, but the newest. Yields
        None when there was none for a while.
        """
        seen = 0
        while not self._ended:
            if self.raw and self.made != seen:
                seen = self.made
                yield self.raw
                continue
            try:
                async with asyncio.timeout(quiet_seconds):
                    await self._woken.wait()
            except TimeoutError:
                yield None

    def _start(self) -> None:
        if not self.is_making and not self._ended:
            self.is_making = True
            self._read_once.clear()
            self._tasks.start(self._make_while_wanted())

    def _is_wanted(self) -> bool:
        return bool(len(self._limiter)) or time.monotonic() < self._polled_until

    async def _make_while_wanted(self) -> None:
        self._board.on_change = self._news.set
        self._server, self._numbers = None, Numbers()
        reading = asyncio.create_task(self._read_again_and_again())
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FIRST_SECONDS):
                    await self._read_once.wait()
            await self._make_again_and_again()
        except Exception:  # noqa: BLE001 - it is tried again
            self._log.exception("no snapshots for the page at /")
            await asyncio.sleep(READ_SECONDS)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            self._board.on_change = None
            self.raw = b""
            self.is_making = False
            if self._is_wanted():
                self._start()

    async def _make_again_and_again(self) -> None:
        sent: SnapshotBody | None = None
        sent_at = float("-inf")
        while self._is_wanted() and not self._ended:
            self._news.clear()
            began = time.monotonic()
            snapshot = self._snapshots.make(
                self.gateway, self._server, self._presence(), self._numbers
            )
            if snapshot != sent or began - sent_at >= MOST_SECONDS:
                sent, sent_at = snapshot, began
                at = round(self._backend.clock.time() * 1000)
                self.raw = msgspec.json.encode(msgspec.structs.replace(snapshot, at=at))
                self.made += 1
                self._wake()
            await asyncio.sleep(max(LEAST_SECONDS, REST * (time.monotonic() - began)))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(READ_SECONDS):
                    await self._news.wait()

    async def _read_again_and_again(self) -> None:
        while True:
            began = time.monotonic()
            await self._read()
            self._read_once.set()
            self._news.set()
            await asyncio.sleep(max(READ_SECONDS - (time.monotonic() - began), READ_SECONDS / 2))

    async def _read(self) -> None:
        """Read the numbers; while that cannot be done the last ones stay."""
        try:
            self._server = await self._state_of_server()
            if self._server != "away":
                self._numbers = await self._newest.read()
        except BackendUnavailable:
            pass
        except Exception:  # noqa: BLE001 - the next read may do better
            self._log.exception("no numbers for the page at /")

    async def _state_of_server(self) -> Server | None:
        try:
            await self._backend.ping()
        except Saturated:
            return self._server  # nothing was asked
        except StoreNotWritable:
            return "not writable"
        except BackendUnavailable:
            return "away"
        return "ok"

    def _wake(self) -> None:
        made, self._woken = self._woken, asyncio.Event()
        made.set()
