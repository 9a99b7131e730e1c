"""The access log: one line for each request, written after the answers of the moment."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from shared.ids import is_execution_id
from shared.log import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from aiohttp import web

QUIET_PATHS: Final = frozenset({"/healthz", "/readyz"})
DELAY_SECONDS: Final = 0.1
"""Seconds from a request to its line; a process that is killed meanwhile loses the line."""

BATCH_SIZE: Final = 25
"""Lines that are written in one turn of the loop."""


class Entry(NamedTuple):
    """A request that ended `at` a time; `context` are the fields that all its log lines carry.

    `id` is logged only if it follows the grammar of ids, since the client chose it.
    """

    method: str
    path: str
    id: str
    status: int
    seconds: float
    context: Mapping[str, str]
    at: float


class AccessLog:
    """Keeps entries for a moment and writes them in batches.

    Writing a line takes a third of the time of an answer. When a crowd of clients is woken at once,
    their answers go first.
    """

    def __init__(self) -> None:
        self._log = get_logger()
        self._pending: deque[Entry] = deque()

    def add(self, entry: Entry) -> None:
        """Log a request soon: at level info, or debug if it is a health check."""
        if not self._pending:
            # An empty context, or all lines would carry the fields of this request.
            asyncio.get_running_loop().call_later(
                DELAY_SECONDS, self._write_batch, context=contextvars.Context()
            )
        self._pending.append(entry)

    async def running(self, _: web.Application) -> AsyncIterator[None]:
        """Write all lines before the application ends."""
        yield
        self._write_batch(len(self._pending))

    def _write_batch(self, size: int = BATCH_SIZE) -> None:
        for _ in range(min(size, len(self._pending))):
            entry = self._pending.popleft()
            # A line that cannot be written, on a full disk say, must not stop the others.
            with contextlib.suppress(OSError, ValueError):
                self._write(entry)
        if self._pending:
            asyncio.get_running_loop().call_soon(self._write_batch)

    def _write(self, entry: Entry) -> None:
        (self._log.debug if entry.path in QUIET_PATHS else self._log.info)(
            "request",
            timestamp=datetime.fromtimestamp(entry.at, UTC).isoformat().replace("+00:00", "Z"),
            **entry.context,
            method=entry.method,
            path=entry.path,
            id=entry.id if is_execution_id(entry.id) else "",
            status=entry.status,
            milliseconds=round(entry.seconds * 1000, 1),
        )
