"""What the gateway knows of executions without asking the server."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Final

from cachetools import LRUCache

from shared.resonate.large_values import Reference

if TYPE_CHECKING:
    from gateway.model.execution import Execution

FINISHED_BYTES: Final = 64 * 1024 * 1024
SUBSCRIBED_BYTES: Final = 32 * 1024 * 1024
ENTRY_BYTES: Final = 1024
"""Bytes that an execution takes besides these texts: 700, and more with a long id."""


class ExecutionCache:
    """LRU caches of finished executions, which never change, and of subscribed executions.

    A subscribed execution is kept as it was when the gateway subscribed to it. Both hold as long as
    the store does: one that is set back to a backup may know less than this cache.
    """

    def __init__(self) -> None:
        self._finished: LRUCache[str, Execution] = LRUCache(FINISHED_BYTES, getsizeof=memory_of)
        self._subscribed: LRUCache[str, Execution] = LRUCache(SUBSCRIBED_BYTES, getsizeof=memory_of)

    def finished(self, id: str) -> Execution | None:
        """Return the execution if it is known to have ended."""
        return self._finished.get(id)

    def subscribed(self, id: str) -> Execution | None:
        """Return the execution if a notification of its end is to come."""
        return self._subscribed.get(id)

    def learn(self, execution: Execution) -> Execution:
        """Keep the execution if it has ended, and return it.

        If it is pending, an end that was known before is not told any more: either this was read
        before the end, or the store was set back and the execution runs again.
        """
        if execution.done:
            self._subscribed.pop(execution.id, None)
            with contextlib.suppress(ValueError):  # it is larger than the cache
                self._finished[execution.id] = execution
        else:
            self._finished.pop(execution.id, None)
        return execution

    def subscribe(self, execution: Execution) -> None:
        """Keep an execution to which the gateway has just subscribed."""
        with contextlib.suppress(ValueError):  # as above
            self._subscribed[execution.id] = execution

    def clear(self) -> None:
        """Forget everything: the server was away, and its store may be another one now."""
        self._finished.clear()
        self._subscribed.clear()

    def unsubscribe(self, id: str) -> None:
        """Forget a subscription: its only notification has come."""
        self._subscribed.pop(id, None)


def memory_of(execution: Execution) -> int:
    """Return the memory that an execution takes: of texts that Python holds, not of characters.

    Large values are not in it, only where they are, unless they were stored by an older version.
    Beside one emoji, a text of ASCII takes four bytes a character, and one more as UTF-8.
    """
    error = execution.error
    parts: list[object] = [error.message] if error is not None else []
    for data in (execution.input, execution.result):
        parts += [data, data.id, data.digest] if isinstance(data, Reference) else [data]
    return ENTRY_BYTES + sum(map(sys.getsizeof, parts))
