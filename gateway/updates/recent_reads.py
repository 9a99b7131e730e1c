"""Reads of executions, shared by those who ask, and told again as long as they are fresh."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

from cachetools import LRUCache

from gateway.concurrency.tasks import SingleFlight
from gateway.errors import UnknownExecution

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from gateway.model.execution import Execution

FRESH_SECONDS: Final = 1.0
"""Age up to which a state may be answered to a client, as docs/http.md promises."""

SHARE_OF_STANDING: Final = 0.25
"""A state is told again for this share of the time for which it has stood already."""

COSTLY_SECONDS: Final = 0.1
"""Seconds from which a read is costly. An execution of 30,000 steps costs the server 35 ms: three
clients that poll it at the same time make it costly."""

COSTLY_IN_A_ROW: Final = 2
"""Costly reads of an execution after which its state is used longer: one can be so by chance."""

REUSED_FOR: Final = 10
"""A costly state is told again for this multiple of the time that its read took."""

REMEMBERED_CHANGES: Final = 10_000


class KnownState(NamedTuple):
    """An execution as it was read; the times are of the monotonic clock.

    It stands since `since`, and is told until `until`. `costly` reads of it came in a row.
    """

    execution: Execution
    since: float
    until: float
    costly: int


class RecentReads:
    """Reads executions with `read`; the state of a pending one is told again for a moment.

    The moment depends on how long the state has stood, so that what happens soon is seen soon:

    - An execution was begun 0.2 s ago: its state is told for 0.05 s.
    - It has been waiting for a minute: its state is told for `FRESH_SECONDS`, so clients that poll
      it without a pause cost one read a second.
    - Its read takes 0.1 s, since it has very many steps: its state is told for 0.9 s.

    `server_time` is the clock by which executions are created.
    """

    def __init__(
        self,
        read: Callable[[str], Coroutine[None, None, Execution]],
        server_time: Callable[[], float],
        known: LRUCache[str, KnownState],
    ) -> None:
        self._read = read
        self._server_time = server_time
        self._known = known
        # A read for which nobody waits any more would keep its place before those of others.
        self._shared: SingleFlight[tuple[str, int, float], Execution] = SingleFlight(
            while_asked=True
        )
        self._changed_at: LRUCache[str, float] = LRUCache(REMEMBERED_CHANGES)

    async def read(self, id: str) -> Execution:
        """Return the execution as it is now, or was a moment ago. Raises what `read` raises."""
        known = self._known.get(id)
        if known is not None and time.monotonic() < known.until:
            return known.execution
        joins = self._key(id) in self._shared
        try:
            return await self._read_shared(id)
        except UnknownExecution:
            if not joins:
                raise
        # Any gateway may have begun it since that read; the next one begins after this request.
        return await self._read_shared(id)

    def forget(self, id: str) -> None:
        """Tell no state of before, since the execution has just changed."""
        self._known.pop(id, None)
        self._changed_at[id] = time.monotonic()

    async def close(self) -> None:
        """Cancel what is being read."""
        await self._shared.close()

    def _key(self, id: str) -> tuple[str, int, float]:
        # A read that began long ago, or before a change, may not know what others know by now.
        return id, int(time.monotonic() / FRESH_SECONDS), self._changed_at.get(id, 0.0)

    async def _read_shared(self, id: str) -> Execution:
        return await self._shared.run(self._key(id), lambda: self._read_anew(id))

    async def _read_anew(self, id: str) -> Execution:
        began, changed_at = time.monotonic(), self._changed_at.get(id)
        execution = await self._read(id)
        ended = time.monotonic()
        if changed_at != self._changed_at.get(id):
            return execution
        known = self._known.pop(id, None)
        if not execution.done:
            costly = (known.costly if known else 0) + 1 if ended - began >= COSTLY_SECONDS else 0
            since = self._standing_since(execution, began, known)
            until = began + (began - since) * SHARE_OF_STANDING
            if costly >= COSTLY_IN_A_ROW:
                until = max(until, ended + (ended - began) * REUSED_FOR)
            until = min(until, began + FRESH_SECONDS)
            self._keep(id, KnownState(execution, since, until, costly))
        return execution

    def _keep(self, id: str, state: KnownState) -> None:
        if self._known.getsizeof(state) <= self._known.maxsize:
            self._known[id] = state

    def _standing_since(
        self, execution: Execution, began: float, known: KnownState | None
    ) -> float:
        """Return since when an execution is as a read that `began` then has found it."""
        if known is not None:
            return known.since if known.execution == execution else began
        age = max(self._server_time() - execution.created_at / 1000, 0.0)
        return max(began - age, self._changed_at.get(execution.id, 0.0))
