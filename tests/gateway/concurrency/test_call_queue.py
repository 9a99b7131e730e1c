"""Threads take what a queue holds: everything, once, and soon."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, deque
from typing import TYPE_CHECKING, Final

from gateway.concurrency.call_queue import CallQueue
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

THREADS: Final = 16


class Takers:
    """Threads that count what they take."""

    def __init__(self, seconds: float = 0) -> None:
        self.queue: CallQueue[int] = CallQueue()
        self.taken: Counter[int] = Counter()
        self._seconds = seconds
        self._threads = [threading.Thread(target=self._take, daemon=True) for _ in range(THREADS)]
        for thread in self._threads:
            thread.start()

    def _take(self) -> None:
        for item in self.queue.take():
            self.taken[item] += 1
            time.sleep(self._seconds)

    def close(self) -> list[int]:
        """Close the queue, wait for the threads, and return what they left."""
        left = self.queue.close(THREADS)
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()
        return left


def test_a_crowd_is_taken_by_all_threads() -> None:
    """Each item finds a thread at once, as long as there are threads."""
    takers = Takers(seconds=1.0)
    began = time.monotonic()
    for item in range(THREADS):
        takers.queue.put(item)

    wait_until(lambda: len(takers.taken) == THREADS, what="items that are taken")
    assert time.monotonic() - began < 0.9  # none waited for a thread that was busy
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

    wait_until(lambda: sum(takers.taken.values()) == 2, seconds=5, what="items that are taken")
    assert takers.close() == []


def test_items_are_taken_once() -> None:
    """Items that come one by one and in crowds are all taken, by one thread each."""
    takers = Takers()
    chance = random.Random(1)
    for item in range(20_000):
        takers.queue.put(item)
        if chance.random() < 0.05:
            time.sleep(0.0001)

    wait_until(lambda: len(takers.taken) == 20_000, what="items that are taken")
    assert set(takers.taken.values()) == {1}
    assert takers.close() == []


def test_what_is_left_is_given_back() -> None:
    """A queue without threads returns its items when it is closed."""
    queue: CallQueue[int] = CallQueue()
    for item in range(3):
        queue.put(item)

    assert queue.close(0) == [0, 1, 2]
