"""Threads take what a queue holds: everything, once, and soon."""

from __future__ import annotations

import threading
from collections import Counter, deque
from functools import partial
from typing import TYPE_CHECKING, Final

from gateway.concurrency.call_queue import CallQueue
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

THREADS: Final = 16


class Takers:
    """Threads that count what they take; `then` is what each does with an item."""

    def __init__(self, then: Callable[[], object] = lambda: None) -> None:
        self.queue: CallQueue[int] = CallQueue()
        self.taken: Counter[int] = Counter()
        self._then = then
        self._threads = [threading.Thread(target=self._take, daemon=True) for _ in range(THREADS)]
        for thread in self._threads:
            thread.start()

    def _take(self) -> None:
        for item in self.queue.take():
            self.taken[item] += 1
            self._then()

    def has_taken(self, count: int) -> bool:
        return len(self.taken) >= count

    def close(self) -> list[int]:
        """Close the queue, wait for the threads, and return what they left."""
        left = self.queue.close(THREADS)
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()
        return left


def test_a_crowd_is_taken_by_all_threads() -> None:
    """Each item finds a thread of its own, as long as there are threads."""
    meeting = threading.Barrier(THREADS + 1)
    takers = Takers(lambda: meeting.wait(10))
    for item in range(THREADS):
        takers.queue.put(item)

    meeting.wait(10)
    assert takers.close() == []


class LateItems(deque[int]):
    """Items, to which one is added just after a thread has seen that there are none."""

    def __init__(self, add: Callable[[], None]) -> None:
        super().__init__()
        self._add: Callable[[], None] | None = add

    def __len__(self) -> int:
        seen = super().__len__()
        if self._add is not None and threading.current_thread() is not threading.main_thread():
            add, self._add = self._add, None
            add()
        return seen


def test_an_item_is_taken_that_comes_when_threads_go_to_sleep() -> None:
    """No moment between a thread's last look and its sleep hides an item."""
    takers = Takers()
    takers.queue._items = LateItems(lambda: takers.queue.put(2))
    takers.queue.put(1)

    wait_until(lambda: takers.has_taken(2), seconds=5, what="both items")
    assert takers.close() == []


def test_items_are_taken_once() -> None:
    """Items that come in crowds, and after a rest, are all taken, by one thread each."""
    takers = Takers()
    count = 0
    for crowd in [1, 2, 50, 3] * 50:
        for _ in range(crowd):
            takers.queue.put(count)
            count += 1
        wait_until(partial(takers.has_taken, count), what=f"{count} items that are taken")

    assert set(takers.taken.values()) == {1}
    assert takers.close() == []


def test_what_is_left_is_given_back() -> None:
    """A queue without threads returns its items when it is closed."""
    queue: CallQueue[int] = CallQueue()
    for item in range(3):
        queue.put(item)

    assert queue.close(0) == [0, 1, 2]
