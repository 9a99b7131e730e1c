"""Which receivers of webhooks this worker calls right now, so that none of them takes all slots."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

SHARE_OF_ONE: Final = 4
SHARE_OF_ALL: Final = 2
"""One slot in so many may wait for the same receiver, and for any receiver; one may in any case."""

PATIENCE_SECONDS: Final = 1.0
"""A receiver that has not answered for so long is slow, and nobody waits longer for his turn."""


class ReceiverLimits:
    """Turns to call receivers, for a worker with so many slots. Safe to use from any thread."""

    def __init__(self, slots: int) -> None:
        self._most_of_one = max(1, slots // SHARE_OF_ONE)
        self._most_of_all = max(1, slots // SHARE_OF_ALL)
        self._calls: list[tuple[str, float]] = []
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def turn(self, receiver: str) -> Iterator[bool]:
        """ClaimHandle a place for a call to the receiver; False if there is none.

        Waits a moment for a place that may soon be free: not if whoever has one is slow.
        """
        call = self._take(receiver)
        try:
            yield call is not None
        finally:
            if call is not None:
                with self._changed:
                    self._calls.remove(call)
                    self._changed.notify_all()

    def _take(self, receiver: str) -> tuple[str, float] | None:
        end = time.monotonic() + PATIENCE_SECONDS
        with self._changed:
            while True:
                now = time.monotonic()
                in_the_way = self._in_the_way(receiver)
                if not in_the_way:
                    call = receiver, now
                    self._calls.append(call)
                    return call
                if now >= end or now - max(in_the_way) > PATIENCE_SECONDS:
                    return None
                self._changed.wait(end - now)

    def _in_the_way(self, receiver: str) -> list[float]:
        """Return since when those calls have lasted that leave no place for another."""
        same = [since for called, since in self._calls if called == receiver]
        if len(same) >= self._most_of_one:
            return same
        if len(self._calls) >= self._most_of_all:
            return [since for _, since in self._calls]
        return []
