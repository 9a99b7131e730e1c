"""The values of a signal: promises numbered from 1 on, without a gap, each created once.

Number n+1 is created only after number n has ended: by a sender who saw that, or by the worker,
whose function waits once more. So only the highest number can be pending.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.backend.refusals import existing
from shared.ids import parts_pattern, signal_id
from shared.resonate import tags as tag
from shared.resonate.large_values import data_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resonate.models.durable_promise import DurablePromise

    from shared.resonate.large_values import Data
    from shared.resonate.store import Promises

RESOLVED_PAGE: Final = 10
"""Promises that are read at a time, of which mostly the first is the one in question."""


def is_early(promise: DurablePromise) -> bool:
    """Return whether a sender created the promise, before the function waited for it."""
    return tag.REQUEST in promise.tags


def sender_of(promise: DurablePromise) -> str:
    """Return the request whose value a promise has, empty without one."""
    return promise.tags.get(tag.REQUEST) or promise.ikey_for_complete or ""


@dataclass(frozen=True)
class SignalValues:
    """The values of one signal of one execution. All methods raise `Refused` or `Unanswered`."""

    promises: Promises
    execution: str
    name: str
    timeout_at: int

    def stored(self, text: str) -> Data | None:
        """Return a value as its promise is to have it, whichever number it gets."""
        return self.promises.values.stored(self._id(1), text)

    def get(self, number: int) -> DurablePromise | None:
        """Return the promise of a number, None if there is none yet."""
        return existing(self._id(number), self.promises.get)

    def has_ended(self, number: int) -> bool:
        """Return whether there is a promise of this number that has ended."""
        promise = self.get(number)
        return promise is not None and not promise.pending

    def newest(self, known: int) -> int:
        """Return the highest number that exists; `known` exists, or is 0.

        Takes a few reads, of numbers that are ever further away and then ever closer.
        """
        low, step = known, 1
        while self.get(low + step) is not None:
            low, step = low + step, step * 2
        high = low + step
        while high - low > 1:
            middle = (low + high) // 2
            if self.get(middle) is None:
                high = middle
            else:
                low = middle
        return low

    def offer(self, number: int, value: Data | None, request: str) -> DurablePromise:
        """Give the number this value if it is free; return its promise, which has ended.

        The number before must have ended. If a sender has created the promise and died, it is
        resolved with that sender's value.
        """
        id = self._id(number)
        tags = {tag.SIGNAL: self.name, tag.NUMBER: str(number), tag.REQUEST: request}
        promise = self.promises.create(id, self.timeout_at, ikey=id, data=value, tags=tags)
        if not promise.pending:
            return promise
        sent = data_of(promise.param) if is_early(promise) else value
        return self.promises.resolve(id, ikey=request, data=sent)

    def taken(self) -> int:
        """Return how many values the function has waited for: all up to this number.

        This reads all that the execution has created, so it takes long for a long history.
        """
        marks = {tag.EXECUTION: self.execution, tag.AWAITS: self.name}
        found, _ = self.promises.search(parts_pattern(self.execution), marks, limit=1)
        if found:
            return int(found[0].tags[tag.NUMBER])
        # Older executions have no records of waits; they wait for one value of a name.
        first = self.get(1)
        return int(first is not None and not is_early(first))

    def last_delivered(self) -> tuple[int, DurablePromise] | None:
        """Return the highest number that has a value, and its promise."""
        for promise in self._resolved():
            number = int(promise.tags.get(tag.NUMBER, "1"))
            # The server's search ignores case, and finds names that only begin in the same way.
            if promise.id == self._id(number):
                return number, promise
        return None

    def _resolved(self) -> Iterator[DurablePromise]:
        pattern, marks, after = f"{self._id(1)}*", {tag.SIGNAL: self.name}, None
        while True:
            page, after = self.promises.search(
                pattern, marks, state="resolved", limit=RESOLVED_PAGE, after=after
            )
            yield from page
            if after is None:
                return

    def _id(self, number: int) -> str:
        return signal_id(self.execution, self.name, number)
