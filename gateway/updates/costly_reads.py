"""Reads of executions that take the server long, such as those of executions with many steps."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

from cachetools import LRUCache

from gateway.concurrency.tasks import SingleFlight

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from gateway.model.execution import Execution

COSTLY_SECONDS: Final = 0.1
"""Seconds from which a read is costly. An execution of 30,000 steps costs the server 35 ms: three
clients that poll it at the same time make it costly."""

COSTLY_IN_A_ROW: Final = 2
"""Costly reads of an execution after which its state is used again: one can be so by chance."""

REUSED_FOR: Final = 10
"""A state is answered again for this multiple of the time that its read took."""

FRESH_SECONDS: Final = 1.0
"""Age up to which a state may be answered to a client, as docs/http.md promises."""

KEPT_STATES: Final = 64
REMEMBERED_CHANGES: Final = 10_000


class KnownState(NamedTuple):
    """An execution as it was read, and the time of the monotonic clock until which it is answered.

    A read that took 0.1 s is answered again for 0.9 s. So clients that poll one execution without
    a pause take a tenth of the server's time, and not all of it.
    """

    execution: Execution
    until: float


class CostlyReads:
    """Reads executions with `read`; the states of costly ones are shared and used again."""

    def __init__(self, read: Callable[[str], Coroutine[None, None, Execution]]) -> None:
        self._read = read
        self._shared: SingleFlight[tuple[str, int], Execution] = SingleFlight()
        self._known: LRUCache[str, KnownState] = LRUCache(KEPT_STATES)
        self._in_a_row: LRUCache[str, int] = LRUCache(KEPT_STATES)
        self._changes: LRUCache[str, int] = LRUCache(REMEMBERED_CHANGES)

    async def read(self, id: str) -> Execution:
        """Return the execution as it is now, or was a moment ago. Raises what `read` raises."""
        known = self._known.get(id)
        if known is None:
            return await self._measured(id)
        if time.monotonic() < known.until:
            return known.execution
        # A read that began long ago may not know what others know by now.
        period = int(time.monotonic() / FRESH_SECONDS)
        return await self._shared.run((id, period), lambda: self._measured(id))

    def forget(self, id: str) -> None:
        """Answer no state of before, since this gateway has just changed the execution."""
        self._known.pop(id, None)
        self._changes[id] = self._changes.get(id, 0) + 1

    async def close(self) -> None:
        """Cancel what is being read for several clients."""
        await self._shared.close()

    async def _measured(self, id: str) -> Execution:
        began, changes = time.monotonic(), self._changes.get(id)
        execution = await self._read(id)
        ended = time.monotonic()
        took = ended - began
        self._known.pop(id, None)
        in_a_row = self._in_a_row.pop(id, 0) + 1 if took >= COSTLY_SECONDS else 0
        if in_a_row:
            self._in_a_row[id] = in_a_row
        if in_a_row >= COSTLY_IN_A_ROW and changes == self._changes.get(id):
            until = min(ended + took * REUSED_FOR, began + FRESH_SECONDS)
            self._known[id] = KnownState(execution, until)
        return execution
