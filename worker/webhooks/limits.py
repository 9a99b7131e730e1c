"""Limits how many calls a worker makes to receivers of webhooks, so that some slots stay free."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

SLOTS_PER_CALL_TO_ONE: Final = 4
SLOTS_PER_CALL: Final = 2
"""Slots for each call to the same receiver, and for each call to any: with 16 slots a worker makes
up to 4 calls to one receiver and up to 8 in all. One call is always allowed."""

PATIENCE_SECONDS: Final = 1.0
"""Seconds after which a receiver that has not answered counts as slow, and longest wait for a place
to call one."""


class ReceiverLimits:
    """Places for calls to receivers, for a worker with `slots` slots. Thread-safe."""

    def __init__(self, slots: int) -> None:
        self._calls_to_one = max(1, slots // SLOTS_PER_CALL_TO_ONE)
        self._calls_in_all = max(1, slots // SLOTS_PER_CALL)
        self._calls: list[tuple[str, float]] = []
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def place(self, receiver: str) -> Iterator[bool]:
        """Take a place for a call to the receiver until the block ends; False if none is free.

        Waits up to a second for a place, but not while all calls in the way are slow.
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
        """Return the start times of the calls that leave no place for another."""
        same = [began for called, began in self._calls if called == receiver]
        if len(same) >= self._calls_to_one:
            return same
        if len(self._calls) >= self._calls_in_all:
            return [began for _, began in self._calls]
        return []
