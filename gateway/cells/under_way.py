"""Begins that may still store something.

Each is counted under the map by which its id was let in. One that has failed may go on all the
same: in a thread of this process, or at a server that was frozen.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import TYPE_CHECKING, Final, Protocol

from gateway.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTLED_SECONDS: Final = 1.0
"""Seconds for the server to finish what came to it before it answered a later question."""

PAUSE_SECONDS: Final = 0.05


class Server(Protocol):
    """What is asked of the cell's server."""

    async def ping(self) -> None:
        """Return once the server has answered. Raises `ServiceError`."""

    async def given_up_ended(self) -> None:
        """Return once no call runs here any more whose caller has given up before now."""


class UnderWay:
    """The begins of this process, and of the one before it."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._begins: Counter[int] = Counter()
        self._failures = 1  # of the process before, which may have been killed during a call
        self._settled = 0
        self._settling = asyncio.Lock()

    @contextlib.contextmanager
    def counted(self, number: int) -> Iterator[None]:
        """Count a begin under the map of this number, for as long as the block runs."""
        self._begins[number] += 1
        try:
            yield
        except BaseException:
            self._failures += 1
            raise
        finally:
            self._begins[number] -= 1
            if not self._begins[number]:
                del self._begins[number]

    async def ended(self, number: int) -> None:
        """Return once no begin can store anything more that was let in before this map."""
        while min(self._begins, default=number) < number:  # noqa: ASYNC110 - rare
            await asyncio.sleep(PAUSE_SECONDS)
        await self._settle(self._failures)

    async def _settle(self, failures: int) -> None:
        """Return once the server has done, or never will, what the first failed calls wanted.

        It carries out what lies in its connections when it goes on, long after the calls have
        failed.
        """
        async with self._settling:
            while self._settled < failures:
                seen = self._failures
                await self._server.given_up_ended()
                has_answered = await self._answers()
                await asyncio.sleep(SETTLED_SECONDS)
                if has_answered:
                    self._settled = seen

    async def _answers(self) -> bool:
        try:
            await self._server.ping()
        except ServiceError:
            return False
        return True
