"""Snapshots while somebody looks at the page: made once, whoever many pages are open.

1. The first page opens: numbers are read every two seconds, and a snapshot is made.
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
from shared.log import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from gateway.backend.client import Backend
    from gateway.dashboard.board import Board
    from gateway.dashboard.reads import Reads
    from gateway.dashboard.snapshot import Presence, SnapshotBody, Snapshots

PAGES: Final = 100
"""Pages that may be open at one process of a gateway."""

LEAST_SECONDS: Final = 0.25
"""Seconds between two snapshots, at least."""

REST: Final = 20
"""How many times as long as a snapshot took nothing is made after it, so that they never take more
than a twentieth of the loop's time."""

MOST_SECONDS: Final = 5.0
"""Seconds between two snapshots, at most, where nothing changes."""

IDLE_SECONDS: Final = 1.0
"""Seconds after which to look again where nothing is told: a worker may be silent."""

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
        reads: Reads,
        snapshots: Snapshots,
        presence: Callable[[], Presence],
    ) -> None:
        self._backend = backend
        self._board = board
        self._reads = reads
        self._snapshots = snapshots
        self._presence = presence
        self.gateway = "gateway"
        """The name of this gateway."""
        self._limiter = Limiter(PAGES, "Too many pages are open here; close some.")
        self._tasks = TaskSet()
        self.is_making = False
        """Whether snapshots are made."""

        self._polled_until = float("-inf")
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
        reading = asyncio.create_task(self._reads.run(self._on_read))
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FIRST_SECONDS):
                    await self._read_once.wait()
            await self._make_again_and_again()
        except Exception:  # noqa: BLE001 - it is tried again
            self._log.exception("no snapshots for the page at /")
            await asyncio.sleep(IDLE_SECONDS)
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
                self.gateway, self._reads.server, self._presence(), self._reads.numbers
            )
            if snapshot != sent or began - sent_at >= MOST_SECONDS:
                sent, sent_at = snapshot, began
                at = round(self._backend.clock.time() * 1000)
                self.raw = msgspec.json.encode(msgspec.structs.replace(snapshot, at=at))
                self.made += 1
                self._wake()
            await asyncio.sleep(max(LEAST_SECONDS, REST * (time.monotonic() - began)))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(IDLE_SECONDS):
                    await self._news.wait()

    def _on_read(self) -> None:
        self._read_once.set()
        self._news.set()

    def _wake(self) -> None:
        made, self._woken = self._woken, asyncio.Event()
        made.set()
