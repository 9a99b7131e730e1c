"""The access log: one line for each request, written after the answers of the moment."""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from shared.ids import is_execution_id
from shared.log import log_events

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from aiohttp import web

QUIET_PATHS: Final = frozenset({"/healthz", "/readyz", "/metrics"})
DELAY_SECONDS: Final = 0.1
"""Seconds from a request to its line; a process that is killed meanwhile loses the line."""

BATCH_SIZE: Final = 25
"""Lines that are written in one turn of the loop."""


class Entry(NamedTuple):
    """A request that ended `at` a time; `context` are the fields that all its log lines carry.

    `execution` is logged only if it follows the grammar of ids, since the client chose it.
    """

    method: str
    path: str
    execution: str
    status: int
    seconds: float
    context: Mapping[str, str]
    at: float


class AccessLog:
    """Keeps entries for a moment and writes them in batches.

    Writing a line takes a third of the time of an answer. When a crowd of clients is woken at once,
    their answers go first. `observe` gets each entry at once.
    """

    def __init__(self, observe: Callable[[Entry], None] = lambda _: None) -> None:
        self._observe = observe
        self._pending: deque[Entry] = deque()

    def add(self, entry: Entry) -> None:
        """Log a request soon: at level info, or debug if it is a check or a scrape."""
        self._observe(entry)
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
        batch = [self._pending.popleft() for _ in range(min(size, len(self._pending)))]
        for level, is_quiet in (("info", False), ("debug", True)):
            events = (_event(each) for each in batch if (each.path in QUIET_PATHS) is is_quiet)
            log_events(level, events)
        if self._pending:
            asyncio.get_running_loop().call_soon(self._write_batch)


@functools.lru_cache(2)
def _second(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _event(entry: Entry) -> dict[str, object]:
    return {
        "event": "request",
        "timestamp": f"{_second(int(entry.at))}.{int(entry.at % 1 * 1_000_000):06}Z",
        **entry.context,
        "method": entry.method,
        "path": entry.path,
        "execution": entry.execution if is_execution_id(entry.execution) else "",
        "status": entry.status,
        "milliseconds": round(entry.seconds * 1000, 1),
    }
