"""A queue between the loop and threads."""

from __future__ import annotations

import contextlib
from collections import deque
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class CallQueue[T]:
    """Gives items to threads that wait for them, in the order in which they came.

    `put` wakes one thread however many items come, and each thread wakes the next one as long as
    there are more. Woken at once, they would all stand in line for the interpreter's lock.
    """

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        # True lets a thread look for an item; False ends one. There may be too many of True, which
        # costs a look, and never none while an item waits.
        self._turns: SimpleQueue[bool] = SimpleQueue()
        self._has_turn = False

    def __len__(self) -> int:
        """Return how many items no thread has taken."""
        return len(self._items)

    def put(self, item: T) -> None:
        """Add an item."""
        self._items.append(item)
        self._give_turn()

    def take(self) -> Iterator[T]:
        """Yield items, in a thread, waiting for each, until the queue is closed."""
        while self._turns.get():
            item = None
            with contextlib.suppress(IndexError):
                item = self._items.popleft()
            self._has_turn = False
            if self._items:
                self._give_turn()
            if item is not None:
                yield item
                del item  # it would live until the next one comes

    def close(self, threads: int) -> list[T]:
        """End this many threads, and return the items that none has taken."""
        left = []
        with contextlib.suppress(IndexError):
            while True:
                left.append(self._items.popleft())
        for _ in range(threads):
            self._turns.put(item=False)
        return left

    def _give_turn(self) -> None:
        if not self._has_turn:
            self._has_turn = True
            self._turns.put(item=True)
