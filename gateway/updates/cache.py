"""What the gateway knows of executions without asking the server."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from cachetools import LRUCache

if TYPE_CHECKING:
    from gateway.model.execution import Execution

FINISHED_BYTES: Final = 64 * 1024 * 1024
SUBSCRIBED_BYTES: Final = 32 * 1024 * 1024
ENTRY_BYTES: Final = 1024
"""About what an execution takes besides its input and its result."""


class ExecutionCache:
    """Executions that have ended, which never change, and those that the server will tell of.

    The latter are as they were when that was arranged. What was not used for longest is forgotten.
    """

    def __init__(self) -> None:
        self._finished: LRUCache[str, Execution] = LRUCache(FINISHED_BYTES, getsizeof=_bytes)
        self._subscribed: LRUCache[str, Execution] = LRUCache(SUBSCRIBED_BYTES, getsizeof=_bytes)

    def finished(self, id: str) -> Execution | None:
        return self._finished.get(id)

    def subscribed(self, id: str) -> Execution | None:
        return self._subscribed.get(id)

    def learn(self, execution: Execution) -> Execution:
        """Remember the execution if it has ended, and return it."""
        if execution.done:
            self._subscribed.pop(execution.id, None)
            with contextlib.suppress(ValueError):  # larger than all the room there is
                self._finished[execution.id] = execution
        return execution

    def subscribe(self, execution: Execution) -> None:
        """Remember that the server will tell when it ends."""
        with contextlib.suppress(ValueError):  # as above
            self._subscribed[execution.id] = execution

    def unsubscribe(self, id: str) -> None:
        """The server has told of it."""
        self._subscribed.pop(id, None)


def _bytes(execution: Execution) -> int:
    return ENTRY_BYTES + len(execution.result_json or "") + len(execution.call.input_json)
