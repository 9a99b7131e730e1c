"""Whether the server lives, whatever its PostgreSQL does.

While PostgreSQL is slow or away a call says nothing of the server, since its answer waits for the
store. Two things do not wait for it:

- its listener answers `/ping` by itself;
- its loop counts what it begins, in `coroutines_total` of its metrics: rounds of its own, 40 a
  second, and each call. While PostgreSQL answers nothing there are no rounds, but the loop still
  begins the read that the guard asks for then.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from deploy.store.guard.server_settings import Address

CHECK_SECONDS: Final = 2.0
"""Seconds of one check, and for its answers."""

MOST_FAILED: Final = 5
"""Checks without an answer in a row, after which the server hangs. They are counted, since a guard
that was frozen itself, with its machine, has seen much time go by."""

HUNG_SECONDS: Final = CHECK_SECONDS * MOST_FAILED

READ: Final = "/promises/guard.no-such-id"
"""A read that the loop begins and the store answers."""

COUNTER: Final = "coroutines_total{"
SCHEDULER_FULL: Final = b"50303"
"""The loop's answer to a call that it has no room for."""

type Answer = tuple[int, bytes]


class Pulse:
    """Watches a server from its start on."""

    def __init__(self, api: Address, metrics: Address) -> None:
        self._api = api
        self._metrics = metrics
        self._count: float | None = None
        self.is_lost = False
        """Whether the server has lived, and hangs now."""

    async def lost(self) -> None:
        """Return once the server hangs that has lived before."""
        has_lived, failed = False, 0
        while failed < MOST_FAILED:
            check = asyncio.ensure_future(self._lives())
            await asyncio.sleep(CHECK_SECONDS)
            lives = check.done() and check.result()
            check.cancel()
            has_lived |= lives
            failed = 0 if lives or not has_lived else failed + 1
        self.is_lost = True

    async def _lives(self) -> bool:
        try:
            status, _ = await _get(self._api, "/ping")
            return status == 200 and await self._loops()
        except (OSError, EOFError, ValueError):
            return False

    async def _loops(self) -> bool:
        if await self._has_counted():
            return True
        read = asyncio.ensure_future(_get(self._api, READ))
        try:
            while not read.done():
                await asyncio.wait([read], timeout=CHECK_SECONDS / 10)
                if await self._has_counted():
                    return True
            status, body = read.result()
        finally:
            read.cancel()
        # A call without a password is refused before the loop has it, which says nothing.
        return status == 401 or SCHEDULER_FULL in body or await self._has_counted()

    async def _has_counted(self) -> bool:
        """Return whether the loop has begun something since it was last asked."""
        _, text = await _get(self._metrics, "/metrics")
        lines = (line for line in text.decode().splitlines() if line.startswith(COUNTER))
        count = sum(float(line.rpartition(" ")[2]) for line in lines)
        before, self._count = self._count, count
        return before is not None and count > before


async def _get(address: Address, path: str) -> Answer:
    """Return the status and the body of an answer. Raises `OSError`, `EOFError`, `ValueError`."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        writer.write(f"GET {path} HTTP/1.0\r\nHost: {address[0]}\r\n\r\n".encode())
        head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1]), body
    except IndexError as error:
        raise ValueError("no answer") from error
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
