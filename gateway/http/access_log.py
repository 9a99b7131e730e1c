"""One line for each request, written when there is time for it: answers go first."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from shared.ids import is_execution_id
from shared.log import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from aiohttp import web

QUIET_PATHS: Final = frozenset({"/healthz", "/readyz"})
LATER_SECONDS: Final = 0.1
"""How much later than its request a line may be written; what is killed outright loses them."""

AT_ONCE: Final = 25
"""Lines; between two such lots the loop looks after everybody else."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A request that has ended; `bound` is what all its lines carry.

    `id` is what the client sent for one, and is told only if it is one.
    """

    method: str
    path: str
    id: str
    status: int
    seconds: float
    bound: Mapping[str, str]
    at: float = field(default_factory=time.time)


class AccessLog:
    """Keeps what is to be told of requests for a moment.

    A line costs a third of what an answer costs, and a crowd that is woken at once would be told
    that much later.
    """

    def __init__(self) -> None:
        self._log = get_logger()
        self._due: deque[Entry] = deque()

    def tell(self, entry: Entry) -> None:
        """Log a request: at level info, or debug if it only looks whether we are well."""
        if not self._due:
            # In a context of nobody's, or all lines would carry what is bound for this request.
            context = contextvars.Context()
            loop = asyncio.get_running_loop()
            loop.call_later(LATER_SECONDS, self._write_some, context=context)
        self._due.append(entry)

    async def running(self, _: web.Application) -> AsyncIterator[None]:
        """Leave no line unwritten when the application ends."""
        yield
        self._write_some(len(self._due))

    def _write_some(self, most: int = AT_ONCE) -> None:
        for _ in range(min(most, len(self._due))):
            entry = self._due.popleft()
            # A line that cannot be written, on a full disk say, is no reason to write no other.
            with contextlib.suppress(OSError, ValueError):
                self._write(entry)
        if self._due:
            asyncio.get_running_loop().call_soon(self._write_some)

    def _write(self, entry: Entry) -> None:
        (self._log.debug if entry.path in QUIET_PATHS else self._log.info)(
            "request",
            timestamp=datetime.fromtimestamp(entry.at, UTC).isoformat().replace("+00:00", "Z"),
            **entry.bound,
            method=entry.method,
            path=entry.path,
            id=entry.id if is_execution_id(entry.id) else "",
            status=entry.status,
            milliseconds=round(entry.seconds * 1000, 1),
        )
