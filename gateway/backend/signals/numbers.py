"""What a gateway remembers of signals: where the next value goes, and how many were taken."""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING, Final

from cachetools import LRUCache

if TYPE_CHECKING:
    from gateway.backend.signals.values import SignalValues

MOST_WAITING: Final = 10_000
"""Values of one name that may wait until the function takes them."""

REMEMBERED: Final = 10_000
"""Signals of which a gateway remembers something; of others it asks the server more often."""

EXACT: Final = 100
"""Waiting values up to which each request counts them. Counting costs the server a search through
all that the execution has created, thousands of waiting values included."""

COUNT_SECONDS: Final = 1.0
"""Seconds for which a count is used again where more values wait."""

type Signal = tuple[str, int, str]
"""An execution's id and creation, and the signal's name."""


class SignalNumbers:
    """Numbers of values, used by many threads at once.

    The creation is part of what they are remembered by: in a store that was emptied meanwhile an id
    stands for another execution. A store that was set back to a backup has the same execution, with
    fewer values: so a number counts only if the store has the value before it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._next: LRUCache[Signal, int] = LRUCache(REMEMBERED)
        self._taken: LRUCache[Signal, tuple[int, float]] = LRUCache(REMEMBERED)

    def next_after_ended(self, signal: Signal, values: SignalValues) -> int:
        """Return a number before which all have ended: what is remembered, if the store agrees.

        Costs a read, unless nothing is remembered.
        """
        with self._lock:
            remembered = self._next.get(signal, 1)
        if remembered == 1 or values.has_ended(remembered - 1):
            return remembered
        self._forget(signal)
        return 1

    def note_ended(self, signal: Signal, number: int) -> None:
        """Remember that all up to this number have ended."""
        with self._lock:
            self._next[signal] = max(number + 1, self._next.get(signal, 1))

    def _forget(self, signal: Signal) -> None:
        with self._lock:
            self._next.pop(signal, None)
            self._taken.pop(signal, None)

    def has_room(self, signal: Signal, values: SignalValues, number: int) -> bool:
        """Return whether a value of this number would not be one too many."""
        # The function never takes fewer, so an old count is good enough to say yes.
        taken, _ = self._counted(signal)
        return (
            number - taken <= MOST_WAITING or self.waiting(signal, values, number) <= MOST_WAITING
        )

    def waiting(self, signal: Signal, values: SignalValues, newest: int) -> int:
        """Return how many of the values up to `newest` the function has not taken."""
        taken, counted_at = self._counted(signal)
        is_recent = time.monotonic() - counted_at < COUNT_SECONDS
        if not is_recent or newest - taken <= EXACT:
            taken = values.taken()
            with self._lock:
                self._taken[signal] = taken, time.monotonic()
        return max(newest - taken, 0)

    def _counted(self, signal: Signal) -> tuple[int, float]:
        """Return how many were taken when they were last counted, and when that was."""
        with self._lock:
            return self._taken.get(signal, (0, -COUNT_SECONDS))
