"""Limits how many calls a worker makes to receivers of webhooks, so that some slots stay free."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Final

from worker.webhooks.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SLOTS_PER_CALL_TO_ONE: Final = 4
SLOTS_PER_CALL: Final = 2
"""Slots for each call to the same receiver, and for each call to any: with 16 slots a worker makes
up to 4 calls to one receiver and up to 8 in all. One call is always allowed."""

PATIENCE_SECONDS: Final = 1.0
"""Seconds after which a receiver that has not answered counts as slow, and longest wait for a place
to call one."""

MANY_RECEIVERS: Final = 1024
"""Receivers from which on those for which nobody waits are looked for, and forgotten."""


class NotNow(Exception):
    """The receiver cannot be called now; the webhook's turn comes in so many `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"come again in {seconds:g} s")
        self.seconds = seconds


class Place:
    """A place for one call to a receiver."""

    def __init__(self, limits: ReceiverLimits, receiver: str, began: float) -> None:
        self._limits = limits
        self.receiver = receiver
        self.began = began
        self.throttled = False

    def throttle(self, asked: float | None) -> float:
        """Leave the receiver alone, for the seconds that it `asked` for.

        Returns the seconds until the next turn of the webhook.
        """
        self.throttled = True
        return self._limits.throttle(self, asked)


class ReceiverLimits:
    """Places for calls to receivers, for a worker with `slots` slots. Thread-safe."""

    def __init__(self, slots: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._calls_to_one = max(1, slots // SLOTS_PER_CALL_TO_ONE)
        self._calls_in_all = max(1, slots // SLOTS_PER_CALL)
        self._clock = clock
        self._calls: list[Place] = []
        self._paces: dict[str, Pace] = {}
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def place(self, receiver: str, *, in_turn: bool = False) -> Iterator[Place]:
        """Take a place for a call to the receiver until the block ends, or raise `NotNow`.

        Waits up to a second for a place, but not while all calls in the way are slow, nor for a
        receiver that throttles. A call that has waited for its turn goes before those that wait.
        """
        place = self._take(receiver, in_turn=in_turn)
        try:
            yield place
        finally:
            with self._changed:
                if not place.throttled:
                    self._pace(receiver).answered(self._clock() - place.began)
                self._calls.remove(place)
                self._changed.notify_all()

    def throttle(self, place: Place, asked: float | None) -> float:
        """Close the receiver of a call that was throttled; return the seconds until its turn."""
        with self._changed:
            pace, now = self._pace(place.receiver), self._clock()
            pace.throttled(place.began, now, asked)
            return pace.turn(now)

    def _take(self, receiver: str, *, in_turn: bool) -> Place:
        end = self._clock() + PATIENCE_SECONDS
        with self._changed:
            while True:
                pace, now = self._pace(receiver), self._clock()
                in_the_way = self._in_the_way(receiver)
                admitted = pace.admits(now, in_turn=in_turn)
                if admitted and not in_the_way:
                    place = Place(self, receiver, now)
                    self._calls.append(place)
                    return place
                are_slow = bool(in_the_way) and now - max(in_the_way) > PATIENCE_SECONDS
                if not admitted or are_slow or now >= end:
                    began = min(self._calls_to(receiver) or in_the_way, default=now)
                    raise NotNow(pace.turn(now, now - began))
                self._changed.wait(end - now)

    def _pace(self, receiver: str) -> Pace:
        pace = self._paces.get(receiver)
        if pace is None:
            if len(self._paces) >= MANY_RECEIVERS:
                self._forget_idle()
            pace = self._paces[receiver] = Pace(self._calls_to_one)
        return pace

    def _forget_idle(self) -> None:
        now, called = self._clock(), {place.receiver for place in self._calls}
        for receiver, pace in list(self._paces.items()):
            if receiver not in called and pace.is_idle(now):
                del self._paces[receiver]

    def _in_the_way(self, receiver: str) -> list[float]:
        """Return the start times of the calls that leave no place for another."""
        same = self._calls_to(receiver)
        if len(same) >= self._calls_to_one:
            return same
        if len(self._calls) >= self._calls_in_all:
            return [place.began for place in self._calls]
        return []

    def _calls_to(self, receiver: str) -> list[float]:
        return [place.began for place in self._calls if place.receiver == receiver]
